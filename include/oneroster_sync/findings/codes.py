"""The catalogue of finding codes: `layer.problem`, what it means and what to do.

The codes stand in `codes.toml`; `docs/reference/findings.md` is generated from it by
`python -m oneroster_sync.findings`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding.

    Attributes:
        name: `layer.problem`.
        meaning: What was found, in one sentence.
        hint: What to do about it, in one sentence.
        violation: Whether the standard forbids it; such a finding rejects the package in strict.
    """

    name: str
    meaning: str
    hint: str
    violation: bool = True


def _read() -> dict[str, Code]:
    text = Path(__file__).with_name("codes.toml").read_text("utf-8")
    return {name: Code(name, **entry) for name, entry in tomllib.loads(text).items()}


CODES: dict[str, Code] = _read()
