"""Site files (desired sites as YAML), checked and applied through the command line."""

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
    """Run `oneroster sites WORDS --json`; return the exit code and the parsed output."""
    arguments = ["--quiet", "sites", *map(str, words), "--json"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout) if result.stdout else {}


def run_sites(*words: object) -> tuple[int, str]:
    """Run `oneroster sites WORDS`; return the exit code and all text output."""
    arguments = ["--quiet", "sites", *map(str, words)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    return result.exit_code, result.output


@dataclass
class SiteFile:
    """A site file."""

    path: Path

    def write(self, text: str) -> SiteFile:
        """Write the given sites into it; a common indentation is removed."""
        body = "".join(f"  {line}\n" for line in dedent(text).strip("\n").splitlines())
        return self.write_all(f"version: 1\nsites:\n{body}")

    def write_all(self, text: str) -> SiteFile:
        """Write the whole file."""
        self.path.write_text(text, "utf-8")
        return self

    def plan(self, *options: str) -> dict[str, Any]:
        """Run `sites plan` and return the planned changes."""
        code, result = sites("plan", self.path, *options)
        assert code == 0, result
        return result

    def apply(self, *options: str) -> dict[str, Any]:
        """Run `sites apply` and return the applied changes."""
        code, result = sites("apply", self.path, *options)
        assert code == 0, result
        return result

    def wrong(self) -> list[tuple[int, str]]:
        """Return line and name of each error; `sites apply` must reject the file too."""
        code, result = sites("plan", self.path)
        assert (code, result["outcome"]) == (4, "rejected"), result
        assert sites("apply", self.path) == (4, result)
        return [(error["line"], error["where"]) for error in result["errors"]]
