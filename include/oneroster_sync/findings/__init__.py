"""Findings: statements about the input, with a stable code and a location.

Bad data is reported as findings, never as an exception. A finding has a code, the file, the row,
the column and the sourcedId, what was expected and, through its code, what to do. It never holds a
value of the package other than a sourcedId, so that findings can be shown, logged and mailed.

The names are imported at first use, so that `text` and `codes` can be used without loading Arrow.
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
