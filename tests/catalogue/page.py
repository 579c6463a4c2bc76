"""The tables of docs/reliability.md, made from the catalogue and from the tests of its cases."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from catalogue import inputs
from catalogue.promises import PROMISES, TITLES, Promise, marked_tests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = Path(__file__).resolve().parents[2] / "docs/reliability.md"
NO_TEST = "no test yet"
_BAD_INPUT = "test_catalogue.py"
_TABLE = re.compile(r"(<!-- cases of (\w) -->\n).*?(<!-- end -->)", re.DOTALL)


def as_markdown(page: str) -> str:
    """Return the page with new tables."""
    tests = marked_tests()
    return _TABLE.sub(lambda found: found[1] + _table(found[2], tests) + found[3], page)


def untested() -> list[Promise]:
    """Return the cases that have neither a test nor an argument."""
    tests, given = marked_tests(), _inputs()
    return [
        promise
        for case, promise in PROMISES.items()
        if not (tests[case] or given.get(case) or promise.argument)
    ]


def _table(part: str, tests: Mapping[str, Sequence[str]]) -> str:
    given = _inputs()
    lines = [
        f"| case | {TITLES[part].lower()} | what is promised | shown by |",
        "|---|---|---|---|",
    ]
    for case, promise in PROMISES.items():
        if promise.part == part:
            shown = _shown(given.get(case, []), tests[case], promise.argument)
            lines.append(f"| {case} | {promise.what} | {promise.promise} | {shown} |")
    return "\n".join(lines) + "\n"


def _shown(given: Sequence[str], tests: Sequence[str], argument: str) -> str:
    files: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        file, name = test.split("::")
        files[file].append(name)
    parts = [f"`{_BAD_INPUT}`: {', '.join(given)}"] if given else []
    for file, names in files.items():
        parts.append(f"`{file}`" + ("" if "*" in names else f": {', '.join(map(_words, names))}"))
    return "; ".join([*parts, *filter(None, [argument])]) or NO_TEST


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def _inputs() -> dict[str, list[str]]:
    """Return, for each case, the short descriptions of its bad inputs."""
    given: dict[str, list[str]] = defaultdict(list)
    for bad in inputs.ALL:
        given[bad.case].append(bad.name.partition("-")[2].replace("-", " "))
    return given
