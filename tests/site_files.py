"""Files that say how sites should be, brought through the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from oneroster_sync.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def sites(*words: object) -> tuple[int, dict[str, Any]]:
    """Run `oneroster sites WORDS --json`; return the exit code and what it printed."""
    told = ["--quiet", "sites", *map(str, words), "--json"]
    result = CliRunner().invoke(main, told, catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout) if result.stdout else {}


def sites_said(*words: object) -> tuple[int, str]:
    """Run `oneroster sites WORDS`; return the exit code and all that it said to a person."""
    told = ["--quiet", "sites", *map(str, words)]
    result = CliRunner().invoke(main, told, catch_exceptions=False)
    return result.exit_code, result.output


@dataclass
class SiteFile:
    """A file that says how sites should be."""

    path: Path

    def write(self, text: str) -> SiteFile:
        """Write the sites in it; indentation of the whole does not matter."""
        body = "".join(f"  {line}\n" for line in dedent(text).strip("\n").splitlines())
        return self.write_all(f"version: 1\nsites:\n{body}")

    def write_all(self, text: str) -> SiteFile:
        """Write all of it."""
        self.path.write_text(text, "utf-8")
        return self

    def plan(self, *options: str) -> dict[str, Any]:
        """Return what it would change."""
        code, told = sites("plan", self.path, *options)
        assert code == 0, told
        return told

    def apply(self, *options: str) -> dict[str, Any]:
        """Change it, and return what was changed."""
        code, told = sites("apply", self.path, *options)
        assert code == 0, told
        return told

    def wrong(self) -> list[tuple[int, str]]:
        """Return the line and the name of all that is wrong; nothing may be changed by it."""
        code, told = sites("plan", self.path)
        assert (code, told["outcome"]) == (4, "rejected"), told
        assert sites("apply", self.path) == (4, told)
        return [(error["line"], error["where"]) for error in told["errors"]]
