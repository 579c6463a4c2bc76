"""Judging a package without a site: what would the door and the suites say of it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneroster_sync import settings, story
from oneroster_sync.package import Known, extract
from oneroster_sync.package.staff import find_unclear
from oneroster_sync.preferences import Profile
from oneroster_sync.validation import unusable_files, validate

if TYPE_CHECKING:
    from pathlib import Path

    from oneroster_sync.findings import Findings
    from oneroster_sync.spec import Version


@dataclass(frozen=True, slots=True)
class Checked:
    """What is said of a package.

    Attributes:
        version: Of the standard.
        rows: File → how many rows it has.
        findings: Of the door and of the suites.
        rejected: Whether the package can't be used at all.
    """

    version: Version
    rows: dict[str, int]
    findings: Findings
    rejected: bool


def check_package(path: Path, profile: Profile) -> Checked:
    """Judge a package as its first sync would.

    Args:
        path: A zip, a folder or a lone CSV.
        profile: How strictly it is held to the standard.
    """
    extracted = extract(path, profile, Known())
    findings, rejected = extracted.findings, extracted.refused
    story.tell_files(extracted)
    unclear = None
    if not rejected:
        validated = validate(
            extracted.tables,
            extracted.modes,
            extracted.version,
            known={},
            suites=settings.expectations(),
        )
        findings.add_table(validated.findings.table())
        unclear = find_unclear(validated.valid, validated.quarantined)
        rejected = profile is Profile.STRICT and findings.has_violations()
        if rejected:
            findings.make_violations_errors()
        unusable = unusable_files(validated, extracted.modes, extracted.rows)
        findings.add_table(unusable.table())
        rejected = rejected or unusable.has_errors()
    story.tell_findings(findings.table(), unclear)
    return Checked(extracted.version, extracted.rows, findings, rejected)
