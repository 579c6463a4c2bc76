"""One bad input, and its expected result in each profile."""

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
    """The expected result of a run.

    Attributes:
        outcome: Outcome of the run.
        findings: All findings in order, as `found` writes them; one that ends with `…` is cut off.
        became: Records of the roster that differ afterwards, in the words of `held_by`; empty for a
            record that now has another key. All other records stay as they are.
        remembers: Tables of values remembered for deltas that differ afterwards.
        errors: Number of rows that could not be used: `users` → count.
    """

    outcome: str
    findings: tuple[str, ...] = ()
    became: Held = field(default_factory=dict)
    remembers: tuple[str, ...] = ()
    errors: Mapping[str, int] = field(default_factory=dict)

    def in_strict(self) -> Verdict:
        """Return strict's verdict on the same findings: a violation of the standard rejects."""
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
        name: The case and what is special about this input, such as `a07-bomb`.
        package: Files by name, or a function that writes the package into a folder and returns its
            path.
        tolerant: The verdict in the tolerant profile.
        strict: The verdict in the strict profile, where it does not follow from `tolerant`.
        before: Packages that the site synced before; None means the small school.
        options: Options of the command line.
        settings: Environment variables.
        preferences: Preferences of the site: `name=JSON`.
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
        """The case in the catalogue that this input belongs to."""
        return self.name.split("-")[0]

    def verdict(self, profile: str) -> Verdict:
        """Return the verdict in a profile."""
        if profile == "tolerant":
            return self.tolerant
        return self.strict or self.tolerant.in_strict()

    def changes_nothing(self, profile: str) -> bool:
        """Return whether the small school stays unchanged, so that other cases can use it."""
        verdict = self.verdict(profile)
        moves = verdict.outcome == "succeeded" or verdict.became or verdict.remembers
        return self.before is None and not (moves or self.preferences or self.accounts)

    def write(self, folder: Path) -> Path:
        """Write the package and return its path: a zip, or the file itself if it is alone."""
        if callable(self.package):
            return self.package(folder)
        return written(self.package, folder)


def written(contents: Contents, folder: Path) -> Path:
    """Write files and return the path of the zip, or of the file itself if there is only one."""
    if len(contents) == 1:
        return folder_of(contents, folder / "lone") / next(iter(contents))
    return zip_of(contents, folder / "OneRoster.zip")


def only(texts: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the package with only some of its files; the manifest marks the others absent.

    References to absent files are then looked up in the roster of the site.
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
    """Return a function that writes one file with the given bytes."""

    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return write


def found(finding: Finding) -> str:
    """Format a finding as cases do: `! code file row column sourcedId | expected`.

    `!` is an error and `~` a warning; an unknown part is `-`, and trailing dashes are left out.
    """
    sign = "!" if finding.severity is Severity.ERROR else "~"
    rows = f"{finding.row}" + (f"×{finding.rows}" if finding.rows > 1 else "")
    place = [finding.file, rows if finding.row else None, finding.column, finding.sourced_id]
    words = [sign, finding.code, *(ascii(p)[1:-1] if p else "-" for p in place)]
    line = " ".join(words).rstrip("- ")
    return f"{line} | {finding.expected}" if finding.expected else line
