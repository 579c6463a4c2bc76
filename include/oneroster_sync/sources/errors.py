"""Why a package can't be had, by what the caller should do.

    SourceError
    ├── NoSourceError           nothing is there; a person looks for it
    ├── RefusedSourceError      a person has to mend something; no other try helps
    └── RetriableSourceError    another try may help
        └── NotReadyError       the package is still being written

Each has a code of `findings/codes.toml`. No message holds a secret, and none repeats what a library
says, since that may hold one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneroster_sync.errors import OneRosterError, RetriableError, UserError
from oneroster_sync.findings import CODES, Finding, Findings

if TYPE_CHECKING:
    import pyarrow as pa


class SourceError(OneRosterError):
    """A package can't be had from its source.

    Attributes:
        code: A name of `CODES`.
        expected: What would have been right, if that can be said.
    """

    code: str

    def __init__(self, code: str, message: str, *, expected: str | None = None) -> None:
        """Say what happened; what to do about it follows from the code."""
        hint = CODES[code].hint
        super().__init__(f"{message}; {hint[0].lower()}{hint[1:].removesuffix('.')}")
        self.code = code
        self.expected = expected

    def as_findings(self) -> pa.Table:
        """Return what happened as findings of a run."""
        findings = Findings()
        findings.add(Finding(self.code, expected=self.expected))
        return findings.table()


class NoSourceError(SourceError, UserError):
    """The site does not say where its packages are, or nothing is there."""


class RefusedSourceError(SourceError, UserError):
    """A person has to mend something: the connection, the server's key, a permission."""


class RetriableSourceError(SourceError, RetriableError):
    """The source was away, too slow, or cut off."""


class NotReadyError(RetriableSourceError):
    """The package is still being written; try again later."""
