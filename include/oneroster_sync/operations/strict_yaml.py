"""Parse YAML strictly, and remember the line and column of each value.

`02:30` is a text and not a number of seconds, `no` is a text and not a boolean, and a date is a
text. Aliases, tags and duplicate keys are refused, so each value is written exactly once in the
file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from oneroster_sync.errors import UserError

MOST = 1 << 20
"""Maximum size of a file in bytes."""

Path = tuple[str | int, ...]
# Less than YAML 1.1 has: there `12:30` is 750, `no` is false, and `010` is 8.
_PLAIN = {
    "tag:yaml.org,2002:null": re.compile(r"(?:~|null|Null|NULL|)$"),
    "tag:yaml.org,2002:bool": re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"),
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?[0-9]+\.[0-9]*$"),
}
_TAGS = {*_PLAIN, *(f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq"))}


@dataclass(frozen=True, slots=True)
class Wrong:
    """An error in a file, with line and column, counted from 1."""

    line: int
    column: int
    where: str
    message: str
    expected: str

    def to_text(self) -> str:
        """Format the error as a sentence."""
        place = f"line {self.line}" + (f", {self.where}" if self.where else "")
        return f"{place}: {self.message}; expected {self.expected}"


class WrongFileError(UserError):
    """The file can't be used; `wrong` lists all its errors."""

    def __init__(self, wrong: list[Wrong]) -> None:
        """Sort the errors by place, and join them to a message."""
        self.wrong = tuple(sorted(wrong, key=lambda it: (it.line, it.column, it.where)))
        super().__init__("\n".join(it.to_text() for it in self.wrong))


@dataclass(frozen=True, slots=True)
class Document:
    """The value of a file, and the line and column of each part."""

    value: Any
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def wrong(self, path: Path, message: str, expected: str) -> Wrong:
        """Return an error about a path, placed at its nearest parent that is in the file."""
        at = path
        while at and at not in self.places:
            at = at[:-1]
        line, column = self.places.get(at, (1, 1))
        where = ".".join(map(str, path[1:] if path[:1] == ("sites",) else path))
        return Wrong(line, column, where, message, expected)


def read(content: bytes) -> Document:
    """Parse the content of a file.

    Raises:
        WrongFileError: The content is not valid in this subset of YAML.
    """
    if len(content) > MOST:
        raise WrongFileError([Wrong(1, 1, "", "the file is too large", f"{MOST:,} bytes at most")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise WrongFileError([Wrong(line, 1, "", "this is not UTF-8", "UTF-8")]) from None
    try:
        root = yaml.compose(text, Loader=_Loader)
        reading = _Reading()
        value = reading.of(root, ()) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = error.problem or "this can't be read"
        raise WrongFileError([Wrong(line, column, "", message, "YAML")]) from None
    except (yaml.YAMLError, RecursionError) as error:
        message = "there is a character that YAML does not allow"
        message = "the nesting is too deep" if isinstance(error, RecursionError) else message
        line = text[: getattr(error, "position", 0)].count("\n") + 1
        raise WrongFileError([Wrong(line, 1, "", message, "YAML")]) from None
    if reading.found:
        raise WrongFileError(reading.found)
    return Document(value, reading.places)


class _Loader(yaml.SafeLoader):
    """Compose the nodes of a file, with only the implicit tags of `_PLAIN`."""

    yaml_implicit_resolvers: dict[str | None, list[Any]] = {}  # noqa: RUF012  so declared there

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases, because they can expand a small file to a huge value."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            message = "aliases (*name) are not allowed: write the value out"
            raise yaml.composer.ComposerError(None, None, message, mark)
        return super().compose_node(parent, index)


for _tag, _pattern in _PLAIN.items():
    # None: for any first character, since the patterns themselves are strict.
    _Loader.add_implicit_resolver(_tag, _pattern, None)


class _Reading:
    """Convert nodes to values, and collect their places and errors."""

    def __init__(self) -> None:
        self.places: dict[Path, tuple[int, int]] = {}
        self.found: list[Wrong] = []

    def of(self, node: yaml.Node, path: Path) -> Any:
        self.places.setdefault(path, _place(node))
        if node.tag not in _TAGS:
            self._note(node, path, f"the tag {node.tag} is not allowed", "a value without a tag")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.of(inner, (*path, number)) for number, inner in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key, inner in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(key, path, "a key is a list or a mapping", "a name")
                continue
            name = str(key.value)
            here = (*path, name)
            if name in value:
                first = self.places[here][0]
                message = f"{name} is here for the second time, first in line {first}"
                self._note(key, here, message, "each name once")
                continue
            self.places[here] = _place(key)
            value[name] = self.of(inner, here)
        return value

    def _note(self, node: yaml.Node, path: Path, message: str, expected: str) -> None:
        line, column = _place(node)
        where = ".".join(map(str, path[1:] if path[:1] == ("sites",) else path))
        self.found.append(Wrong(line, column, where, message, expected))


def _scalar(node: Any) -> Any:
    text = str(node.value)
    if node.tag.endswith(":null"):
        return None
    if node.tag.endswith(":bool"):
        return text.lower() == "true"
    if node.tag.endswith((":int", ":float")) and node.style is None:
        number = _PLAIN[node.tag].match(text)
        return text if number is None else int(text) if node.tag.endswith("int") else float(text)
    return text


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
