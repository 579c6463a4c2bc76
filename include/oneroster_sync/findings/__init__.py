"""Findings: everything that is said about the input, with a stable code and a place.

Bad data is a value, never an exception. A finding names the code, the file, the row, the column
and the sourcedId, says what was expected and, through its code, what to do. It never holds a value
of the package other than a sourcedId, so that findings can be shown, logged and mailed.

The names are resolved when they are first used: whoever only words a cause (`text`, `codes`) does
not wait for Arrow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oneroster_sync.findings.causes import Causes, causes_of
    from oneroster_sync.findings.codes import CODES, Code
    from oneroster_sync.findings.finding import SCHEMA, Finding, Findings, Severity

__all__ = ["CODES", "SCHEMA", "Causes", "Code", "Finding", "Findings", "Severity", "causes_of"]

_HOMES = {"CODES": "codes", "Code": "codes", "Causes": "causes", "causes_of": "causes"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'finding')}")
    globals()[name] = found = getattr(home, name)
    return found
