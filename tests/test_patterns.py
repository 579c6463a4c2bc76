"""No regular expression of the product needs excessive time for any text.

Each one runs in a process with a limit of CPU seconds, so that the load of the machine does not
matter. Patterns of Arrow and pydantic are left out: their engines do not backtrack.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys

import pytest

import oneroster_airflow
import oneroster_sync
from oneroster_sync import settings

CPU_S = 30
"""For all texts of a pattern, with Python's start; backtracking would take minutes."""
LONG = 100_000
TRY = """
import json, re, resource, sys
seconds, length, pattern, flags, verbs, starts, pieces, ends = json.load(sys.stdin)
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
compiled = re.compile(pattern, flags)
for start in starts:
    for piece in pieces:
        for end in ends:
            text = start + piece * (length // len(piece)) + end
            for verb in verbs:
                getattr(compiled, verb)(*[""] * (verb == "sub"), text)
"""
PIECES = (
    *(
        "a",
        "0",
        "-",
        ".",
        "a@",
        "a.",
        "@.",
        " ",
        "\t",
        "\r\n",
        "'",
        '"',
        "'\"",
        "\\",
        "/",
        "a/b",
        ":",
    ),
    *("*", "{[(", "ext:a", "2026-", "00:", "+00:00", "19", "0f", "\u2028", "\0", "/dags/a", "/ui"),
)
STARTS = ("", "a@a.", "2026-08-01T00:00:00.", "ext:", "/api/v2/dags/a/dagRuns/", "'")
ENDS = ("", "!\n", "@", "Z ")
VERBS = ("match", "fullmatch", "search", "sub", "split", "findall", "finditer")
Pattern = tuple[str, int, tuple[str, ...]]
"""A pattern, its flags, and the methods that are called on it."""


def of_suites() -> set[Pattern]:
    """Return the patterns of all suites."""
    files = (settings.PROJECT / "expectations").rglob("*.json")
    suites = [json.loads(path.read_text("utf-8")) for path in files]
    kwargs = [one["kwargs"] for suite in suites for one in suite["expectations"]]
    return {(arguments["regex"], 0, VERBS[:3]) for arguments in kwargs if "regex" in arguments}


def of_modules() -> set[Pattern]:
    """Return the patterns that the modules of the product compile."""
    found = set()
    for package in (oneroster_sync, oneroster_airflow):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if info.name.endswith(("__main__", "migrations.env")):
                continue
            module = importlib.import_module(info.name)
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                    used = re.findall(rf"\b{name}\.(\w+)\(", inspect.getsource(module))
                    verbs = tuple(sorted(set(used) & set(VERBS)))
                    found.add((value.pattern, value.flags & ~re.UNICODE.value, verbs))
    return found


def inline() -> set[Pattern]:
    """Return the patterns that are written where they are used."""
    found: set[Pattern] = set()
    for folder in ("include", "plugins", "dags"):
        for path in (settings.PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id="re"), attr=verb),
                        args=[ast.Constant(value=str() as pattern), *_],
                    ) if verb in VERBS:
                        found.add((pattern, 0, (verb,)))
    return found


def survives(pattern: Pattern, seconds: int = CPU_S) -> bool:
    """Return whether a pattern reads all texts within its seconds."""
    task = json.dumps([seconds, LONG, *pattern, STARTS, PIECES, ENDS])
    done = subprocess.run([sys.executable, "-c", TRY], input=task, text=True, check=False)
    return done.returncode == 0


@pytest.mark.case("c13")
@pytest.mark.timeout(600)
@pytest.mark.long
def test_every_pattern_reads_long_texts() -> None:
    """Each pattern of the product reads texts of 100,000 characters within its limit."""
    parts = of_suites(), of_modules(), inline()
    assert [len(part) > 1 for part in parts] == [True, True, True]
    assert [pattern for pattern in sorted(set().union(*parts)) if not survives(pattern)] == []


@pytest.mark.case("c13")
def test_a_pattern_that_backtracks_is_found() -> None:
    """The check finds a pattern that backtracks."""
    assert not survives((r"[^\s]+@[^\s]+", 0, ("search",)), seconds=2)
