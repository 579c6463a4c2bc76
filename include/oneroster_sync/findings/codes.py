"""The catalogue of finding codes: `layer.problem`, what it means and what to do.

The codes are in `codes.toml`; `python -m oneroster_sync.findings` generates
`docs/reference/findings.md` from it.
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
        violation: Whether it violates the standard; such a finding rejects the package in strict.
        if_error: What happened to the row or the package if it is an error, in one sentence.
        if_warning: The same if it is a warning.
        held: For a guard: what it found, as a template for the numbers compared (`runs.holds`).
        held_delta: The same if the guard judged the rows of a delta.
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
"""Layer → default texts of `if_error` and `if_warning`."""


def _read() -> dict[str, Code]:
    text = Path(__file__).with_name("codes.toml").read_text("utf-8")
    codes = {}
    for name, entry in tomllib.loads(text).items():
        error, warning = _OUTCOMES[name.partition(".")[0]]
        codes[name] = Code(name, **{"if_error": error, "if_warning": warning, **entry})
    return codes


CODES: dict[str, Code] = _read()


def explained(row: dict[str, Any]) -> dict[str, Any]:
    """Return a finding or a cause with the `meaning` and the `hint` of its code added."""
    code = CODES.get(row["code"])
    if code is None:
        return {**row, "meaning": "", "hint": ""}
    return {**row, "meaning": code.describe(row["severity"]), "hint": code.hint}
