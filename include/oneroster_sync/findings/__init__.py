"""Findings: everything that is said about the input, with a stable code and a place.

Bad data is a value, never an exception. A finding names the code, the file, the row, the column
and the sourcedId, says what was expected and, through its code, what to do. It never holds a value
of the package other than a sourcedId, so that findings can be shown, logged and mailed.
"""

from __future__ import annotations

from oneroster_sync.findings.causes import Causes, causes_of
from oneroster_sync.findings.codes import CODES, Code
from oneroster_sync.findings.finding import SCHEMA, Finding, Findings, Severity

__all__ = ["CODES", "SCHEMA", "Causes", "Code", "Finding", "Findings", "Severity", "causes_of"]
