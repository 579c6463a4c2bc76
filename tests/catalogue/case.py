"""One bad input, and what must become of it in each profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golden.school import folder_of, manifest, zip_of
from oneroster_sync.findings import CODES, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Contents = Mapping[str, str | bytes]
    Package = Contents | Callable[[Path], Path]
    Held = Mapping[str, Mapping[str, str]]

REJECTED, HELD = "rejected", "held"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run must end.

    Attributes:
        outcome: Of the run.
        findings: All of them, in order, as `found` writes them; one that ends with `…` is cut off.
        became: What the roster has afterwards and had not before, in the words of `held_by`, and
            nothing for what went under another key; everything else is as it was.
        remembers: The tables of what is remembered for deltas that are not as before.
        errors: Rows that could not be used: `users` → how many.
    """

    outcome: str
    findings: tuple[str, ...] = ()
    became: Held = field(default_factory=dict)
    remembers: tuple[str, ...] = ()
    errors: Mapping[str, int] = field(default_factory=dict)

    def in_strict(self) -> Verdict:
        """Return what strict says to the same findings: what the standard forbids rejects."""
        judged = [line for line in self.findings if not line.startswith("! guard.")]
        forbidden = [CODES[line.split(" ")[1]].violation for line in judged]
        if not any(forbidden):
            return self
        pairs = zip(judged, forbidden, strict=True)
        return rejected(*(f"!{line[1:]}" if is_so else line for line, is_so in pairs))


@dataclass(frozen=True, slots=True)
class BadInput:
    """One bad input.

    Attributes:
        name: The case and what is special about this one, such as `a07-bomb`.
        package: Files by name, or what writes the package into a folder and returns its path.
        tolerant: What must become of it.
        strict: The same in the strict profile, where it does not follow from `tolerant`.
        before: What the site synced before; the small school when None.
        options: Of the command line.
        settings: Environment variables.
        preferences: Of the site: `name=JSON`.
        accounts: E-mail addresses of accounts made by hand.
    """

    name: str
    package: Package
    tolerant: Verdict
    strict: Verdict | None = None
    before: tuple[Contents, ...] | None = None
    options: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    preferences: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()

    @property
    def case(self) -> str:
        """The line of the catalogue."""
        return self.name.split("-")[0]

    def verdict(self, profile: str) -> Verdict:
        """Return what must become of it in a profile."""
        if profile == "tolerant":
            return self.tolerant
        return self.strict or self.tolerant.in_strict()

    def changes_nothing(self, profile: str) -> bool:
        """Tell whether the small school is as it was afterwards, so that others can use it."""
        verdict = self.verdict(profile)
        moves = verdict.outcome == "succeeded" or verdict.became or verdict.remembers
        return self.before is None and not (moves or self.preferences or self.accounts)

    def write(self, folder: Path) -> Path:
        """Write the package and return its path: a zip, unless it is a lone file."""
        if callable(self.package):
            return self.package(folder)
        return written(self.package, folder)


def written(contents: Contents, folder: Path) -> Path:
    """Write files and return the path: of a zip, or of the file when there is one only."""
    if len(contents) == 1:
        return folder_of(contents, folder / "lone") / next(iter(contents))
    return zip_of(contents, folder / "OneRoster.zip")


def only(texts: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the package with some of its files; the manifest calls the others absent.

    What they point to is then looked for in what the site holds.
    """
    modes = dict.fromkeys(names, "bulk")
    return {
        "manifest.csv": manifest("1.1", **modes),
        **{f"{name}.csv": texts[f"{name}.csv"] for name in names},
    }


def rejected(*findings: str) -> Verdict:
    """Return the verdict on a package of which nothing is used."""
    return Verdict(REJECTED, findings)


def raw(name: str, data: bytes) -> Callable[[Path], Path]:
    """Return what writes one file of any bytes."""

    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return write


def found(finding: Finding) -> str:
    """Write a finding as cases do: `! code file row column sourcedId | expected`.

    `!` is an error and `~` a warning; what is not known is `-`, and dashes at the end are left out.
    """
    sign = "!" if finding.severity is Severity.ERROR else "~"
    rows = f"{finding.row}" + (f"×{finding.rows}" if finding.rows > 1 else "")
    place = [finding.file, rows if finding.row else None, finding.column, finding.sourced_id]
    words = [sign, finding.code, *(ascii(p)[1:-1] if p else "-" for p in place)]
    line = " ".join(words).rstrip("- ")
    return f"{line} | {finding.expected}" if finding.expected else line
