"""The catalogue of finding codes: `layer.problem`, what it means and what to do.

The codes stand in `codes.toml`; `docs/reference/findings.md` is generated from it by
`python -m oneroster_sync.findings`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding.

    Attributes:
        name: `layer.problem`.
        meaning: What was found, in one sentence.
        hint: What to do about it, in one sentence.
        violation: Whether the standard forbids it; such a finding rejects the package in strict.
        if_error: What became of the row or the package when it is an error, in one sentence.
        if_warning: The same when it is a warning.
        held: Of a guard: what it found, a template of the numbers that it judged (`runs.holds`).
        held_delta: The same where it judged the rows of a delta.
    """

    name: str
    meaning: str
    hint: str
    violation: bool = True
    if_error: str = ""
    if_warning: str = ""
    held: str = ""
    held_delta: str = ""

    def describe(self, severity: str) -> str:
        """Return what was found, and whether the row or the package is used."""
        used = self.if_error if severity == "error" else self.if_warning
        return f"{self.meaning} {used}".rstrip()


_PACKAGE = "The package is not used.", "The package is used."
_ROW = "The row is not used.", "The row is used."
_OUTCOMES = {
    **dict.fromkeys(("upload", "zip", "package", "manifest", "csv", "table", "schema"), _PACKAGE),
    **dict.fromkeys(("row", "reference", "semantic", "mapping"), _ROW),
    "source": ("No package is read.", ""),
    "guard": ("The plan is held.", ""),
}
"""Layer → what became of it as an error and as a warning, where a code does not say it."""


def _read() -> dict[str, Code]:
    text = Path(__file__).with_name("codes.toml").read_text("utf-8")
    codes = {}
    for name, entry in tomllib.loads(text).items():
        error, warning = _OUTCOMES[name.partition(".")[0]]
        codes[name] = Code(name, **{"if_error": error, "if_warning": warning, **entry})
    return codes


CODES: dict[str, Code] = _read()


def explained(row: dict[str, Any]) -> dict[str, Any]:
    """Return a finding or a cause with what its code means and what to do."""
    code = CODES.get(row["code"])
    if code is None:
        return {**row, "meaning": "", "hint": ""}
    return {**row, "meaning": code.describe(row["severity"]), "hint": code.hint}
