"""The promises of the catalogue, and the tests that are marked with them."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).resolve().parents[1]
_LINES = tomllib.loads((Path(__file__).parent / "promises.toml").read_text("utf-8"))
TITLES = {part: lines["title"] for part, lines in _LINES.items()}
"""Part of the catalogue → its title."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One line of the catalogue.

    Attributes:
        case: The part and the number, such as `b12`.
        what: What happens.
        promise: What is promised then.
        argument: The reason, if no test shows it.
    """

    case: str
    what: str
    promise: str
    argument: str = ""

    @property
    def part(self) -> str:
        """Return the part of the catalogue."""
        return self.case[0]


PROMISES = {
    case: Promise(case, *line)
    for lines in _LINES.values()
    for case, line in lines.items()
    if case != "title"
}
"""Case → its promise, in the order of the catalogue."""


def marked_tests() -> dict[str, list[str]]:
    """Return, for each case, the tests that are marked with it, as `file::test`, in order."""
    marked: dict[str, list[str]] = {case: [] for case in PROMISES}
    for path in sorted(TESTS.rglob("test_*.py")):
        for case, name in _marks(ast.parse(path.read_text("utf-8"))):
            marked.setdefault(case, []).append(f"{path.relative_to(TESTS)}::{name}")
    return marked


def _marks(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each case that a module's tests name, and the test; `*` is the whole module."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                yield from ((case, node.name) for case in _cases(decorator))
        if isinstance(node, ast.Assign) and _assigns(node, "pytestmark"):
            yield from ((case, "*") for case in _cases(node.value))


def _cases(node: ast.AST) -> Iterator[str]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("mark.case"):
            yield from (str(case.value) for case in call.args if isinstance(case, ast.Constant))


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
