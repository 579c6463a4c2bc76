"""manifest.csv: the version, and for every file whether it is absent, bulk or delta."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field

from oneroster_sync.findings import Finding, Severity
from oneroster_sync.findings.finding import describe
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.extract.archive import RefusedError
from oneroster_sync.standard import ALL_FILES, ROSTERING_FILES, Version
from oneroster_sync.standard.modes import Mode

NAME = "manifest.csv"
_VERSIONS = {
    "1.1": Version.V1_1,
    "1.1.1": Version.V1_1,
    "1.2": Version.V1_2,
    "1.2.0": Version.V1_2,
    "1.2.1": Version.V1_2,
}
_SPELLED = re.compile(r"v?(1\.[12])(?:\.[01])?(?:[ _-]JP)?", re.IGNORECASE)
"""Accepted spellings of a version: `v1.1`, `1.1.0`, and the Japan profile's `1.2_JP`."""
_HEADERS = ["propertyName", "value"], ["propertyName", "propertyValue"]
_SUPPORTED = "oneroster.version 1.1 or 1.2"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of a manifest."""

    version: Version
    modes: dict[str, Mode]
    findings: list[Finding] = field(default_factory=list)


def read_manifest(text: str, present: set[str], profile: Profile) -> Manifest:
    """Read a manifest.

    Args:
        text: The text of manifest.csv.
        present: Names, without `.csv`, of the files of the package.
        profile: In strict, a violation of the standard is an error.

    Returns:
        The manifest; if a finding is an error, the package can't be used.

    Raises:
        RefusedError: The manifest does not say which files count, or in which mode.
    """
    severity = Severity.ERROR if profile is Profile.STRICT else Severity.WARNING
    findings: list[Finding] = []
    properties, rows = _properties(text, severity, findings)
    version = _version(properties, rows, severity, findings)
    modes: dict[str, Mode] = {}
    spelled: list[str] = []
    for key, value in properties.items():
        if key.startswith("file.") and key[5:] in ALL_FILES[version]:
            may_be_blank = key[5:] not in present
            as_standard = severity is Severity.ERROR
            meant = value if as_standard else value.lower() or ("absent" if may_be_blank else "")
            modes[key[5:]] = _mode(key, meant, rows[key])
            if meant != value:
                spelled.append(key)
        elif key not in {"manifest.version", "oneroster.version"} and not key.startswith("source."):
            named = _shown(key)
            findings.append(Finding("manifest.unknown_property", severity, NAME, rows[key], named))
    if spelled:
        place, expected = (NAME, rows[spelled[0]], spelled[0]), "absent, bulk or delta"
        findings.append(
            Finding("manifest.spelling", severity, *place, expected=expected, rows=len(spelled))
        )
    for name in sorted(ALL_FILES[version] - modes.keys()):
        findings.append(_missing(f"file.{name}", severity))
        if name in present:
            modes[name] = Mode.BULK
    _check_files(modes, rows, present, severity, findings)
    return Manifest(version, modes, findings)


def assumed_manifest(version: Version, present: set[str]) -> Manifest:
    """Return the manifest of a package without one: every file present is bulk."""
    modes = {name: Mode.BULK for name in present if name in ALL_FILES[version]}
    return Manifest(version, modes)


def _check_files(
    modes: dict[str, Mode],
    rows: dict[str, int],
    present: set[str],
    severity: Severity,
    findings: list[Finding],
) -> None:
    """Compare the files of the manifest with the files of the package."""
    for name, mode in sorted(modes.items()):
        row = rows.get(f"file.{name}")
        # The mode of a file that the sync reads would be ambiguous, so the package is refused.
        grave = Severity.ERROR if name in ROSTERING_FILES else severity
        if mode is Mode.ABSENT and name in present:
            findings.append(Finding("manifest.file_unexpected", grave, f"{name}.csv", row))
            modes[name] = Mode.BULK if name in ROSTERING_FILES else mode
        if mode is not Mode.ABSENT and name not in present:
            findings.append(Finding("manifest.file_missing", grave, f"{name}.csv", row))


def _properties(
    text: str, severity: Severity, findings: list[Finding]
) -> tuple[dict[str, str], dict[str, int]]:
    try:
        lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    except csv.Error:
        raise RefusedError(Finding("csv.field_too_large", file=NAME)) from None
    header = [cell.strip() for cell in lines[0]] if lines else []
    expected = "propertyName,value"
    known = _HEADERS[:1] if severity is Severity.ERROR else _HEADERS
    if header[:2] not in known:
        raise RefusedError(Finding("manifest.invalid_header", file=NAME, row=1, expected=expected))
    if header[:2] != _HEADERS[0]:
        findings.append(Finding("manifest.spelling", severity, NAME, 1, expected=expected))
    if len(lines) == 1:
        raise RefusedError(Finding("manifest.invalid_header", file=NAME, row=2, expected="rows"))
    properties: dict[str, str] = {}
    rows: dict[str, int] = {}
    for row, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        key = cells[0]
        if key in properties:
            raise RefusedError(
                Finding("manifest.duplicate_property", file=NAME, row=row, column=_shown(key))
            )
        if any(cells[2:]):
            findings.append(Finding("row.width_mismatch", severity, NAME, row))
        properties[key] = cells[1] if len(cells) > 1 else ""
        rows[key] = row
    return properties, rows


def _version(
    properties: dict[str, str],
    rows: dict[str, int],
    severity: Severity,
    findings: list[Finding],
) -> Version:
    key = "oneroster.version"
    row, value = rows.get(key), properties.get(key, "")
    version = _VERSIONS.get(value)
    spelled = _SPELLED.fullmatch(value) if severity is Severity.WARNING else None
    if version is None and spelled is not None:
        version = _VERSIONS[spelled[1]]
        findings.append(Finding("manifest.spelling", severity, NAME, row, key, expected=version))
    if version is None:
        raise RefusedError(
            Finding(
                "manifest.unsupported_version", file=NAME, row=row, column=key, expected=_SUPPORTED
            )
        )
    written = properties.get("manifest.version")
    row = rows.get("manifest.version")
    if written is None:
        findings.append(_missing("manifest.version", severity))
    # A spreadsheet saves 1.0 as 1, which has no other meaning.
    elif written != "1.0":
        place = NAME, row, "manifest.version", None, "1.0"
        if written != "1":
            raise RefusedError(Finding("manifest.invalid_version", Severity.ERROR, *place))
        findings.append(Finding("manifest.invalid_version", severity, *place))
    return version


def _mode(key: str, value: str, row: int) -> Mode:
    try:
        return Mode(value)
    except ValueError:
        expected = "absent, bulk or delta"
        finding = Finding(
            "manifest.invalid_mode", file=NAME, row=row, column=key, expected=expected
        )
        raise RefusedError(finding) from None


_OWN = {"manifest.version", "oneroster.version", "source.systemName", "source.systemCode"}
_OWN |= {f"file.{name}" for files in ALL_FILES.values() for name in files}


def _shown(key: str) -> str:
    """Return a property for a finding: the shape of an unknown one, which may be any text."""
    return key if key in _OWN else describe(key)


def _missing(key: str, severity: Severity) -> Finding:
    return Finding("manifest.missing_property", severity, NAME, column=key, expected=key)
