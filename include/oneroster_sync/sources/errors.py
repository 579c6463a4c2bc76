"""Errors of sources, one class for each reaction of the caller.

    SourceError
    ├── NoSourceError           there is no package; a person must look for it
    ├── RefusedSourceError      a person must fix something; a retry does not help
    └── RetriableSourceError    a retry may help
        └── NotReadyError       the package is still being written

Each error has a code of `findings/codes.toml`. No message holds a secret; so none repeats a
library's message, which may hold one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneroster_sync.errors import OneRosterError, RetriableError, UserError
from oneroster_sync.findings import CODES, Finding, Findings

if TYPE_CHECKING:
    import pyarrow as pa


class SourceError(OneRosterError):
    """A package can't be fetched from its source.

    Attributes:
        code: A name of `CODES`.
        expected: What would have been correct; None if unknown.
    """

    code: str

    def __init__(self, code: str, message: str, *, expected: str | None = None) -> None:
        """Make an error with `message` and the hint of its code."""
        hint = CODES[code].hint
        super().__init__(f"{message}; {hint[0].lower()}{hint[1:].removesuffix('.')}")
        self.code = code
        self.expected = expected

    def as_findings(self) -> pa.Table:
        """Return the error as a table of findings with one row."""
        findings = Findings()
        findings.add(Finding(self.code, expected=self.expected))
        return findings.table()


class NoSourceError(SourceError, UserError):
    """The site has no source, or there is no package at its source."""


class RefusedSourceError(SourceError, UserError):
    """A person must fix something: the connection, the server's key, a permission."""


class RetriableSourceError(SourceError, RetriableError):
    """The source was unreachable or too slow, or the connection was cut."""


class NotReadyError(RetriableSourceError):
    """The package is still being written; a later try may succeed."""
