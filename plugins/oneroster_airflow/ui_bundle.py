"""The pages' modules as one answer: a browser asks once, and not for seventy files in five turns.

Each module becomes a function that returns what it exports, and is called once, after those that
it imports. Nothing else is changed. The modules keep to what is understood here: they import and
export by name, and only from one another.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_IMPORT = re.compile(r'^(import|export) \{([^}]*)\} from "(\.[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*|\bimport\(.*", re.MULTILINE)


class JoinError(Exception):
    """A module can't be joined with the others; the message names it."""


def joined(folder: Path, start: str) -> str:
    """Return a module that does what `start` does, and asks for no other.

    Args:
        folder: Where the modules are.
        start: The module that imports all others, by its path in the folder.

    Raises:
        JoinError: A module imports or exports in another way, or by way of others itself.
    """
    parts: dict[str, str] = {}
    _add(folder, start, parts, ())
    return "const $modules = {};\n" + "".join(parts.values())


def _add(folder: Path, name: str, parts: dict[str, str], above: tuple[str, ...]) -> None:
    """Add a module behind those that it imports, unless it is there."""
    if name in above:
        raise JoinError(f"{name} imports itself by way of {above[-1]}")
    if name in parts:
        return
    exported: list[str] = []

    def take(found: re.Match[str]) -> str:
        verb, names, path = found.groups()
        other = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        _add(folder, other, parts, (*above, name))
        if verb == "export":
            exported.extend(part.split(" as ")[-1].strip() for part in names.split(",") if part)
        return f'const {{{names.replace(" as ", ": ")}}} = $modules["{other}"];'

    source = _IMPORT.sub(take, (folder / name).read_text("utf-8"))
    exported += _EXPORT.findall(source)
    source = _EXPORT.sub("", source)
    if left := _LEFT.search(source):
        raise JoinError(f"{name} can't be joined: {left[0]}")
    body = f"{source}\nreturn {{ {', '.join(exported)} }};"
    parts[name] = f'\n$modules["{name}"] = (() => {{\n{body}\n}})();\n'
