"""Check a package without a site: the findings of extract and of the suites."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from oneroster_sync import settings
from oneroster_sync.findings import Findings
from oneroster_sync.findings.finding import hide_unknown
from oneroster_sync.roster.model import Known
from oneroster_sync.runs import run_log
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.extract.dialect import Dialect
from oneroster_sync.stages.extract.package import extract_package
from oneroster_sync.stages.extract.stage import log_files
from oneroster_sync.stages.extract.unclear import find_unclear
from oneroster_sync.stages.validate.rows import unusable_files, validate_rows

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from oneroster_sync.stages.extract.package import Extracted
    from oneroster_sync.standard import Version
    from oneroster_sync.standard.modes import Mode


@dataclass(frozen=True, slots=True)
class Checked:
    """Result of the check of a package.

    Attributes:
        version: Version of the standard.
        rows: File → number of rows.
        findings: Findings of extract and of the suites.
        rejected: Whether the package can't be used.
        modes: File → absent, bulk or delta.
        valid: File → rows without errors; they are not used either if the package is rejected.
        quarantined: File → rows with errors.
        is_version_known: Whether the package declares its version.
    """

    version: Version
    rows: dict[str, int]
    findings: Findings
    rejected: bool
    modes: dict[str, Mode] = field(default_factory=dict)
    valid: dict[str, pa.Table] = field(default_factory=dict)
    quarantined: dict[str, pa.Table] = field(default_factory=dict)
    is_version_known: bool = True

    def named_version(self) -> str | None:
        """Return the version as commands print it, or None if it is unknown."""
        return self.version.value if self.is_version_known else None


def check_package(path: Path, profile: Profile, dialect: Dialect | None = None) -> Checked:
    """Check a package by the rules of a site's first sync, and log the findings.

    Args:
        path: A zip, a folder or a single CSV file.
        profile: How strictly the package must follow the standard.
        dialect: Encoding, delimiter and dates, if they differ from the standard.
    """
    extracted = extract_package(path, profile, Known(), dialect=dialect or Dialect())
    log_files(extracted)
    checked = judge_package(extracted, profile)
    unclear = find_unclear(checked.valid, checked.quarantined)
    found = hide_unknown(checked.findings.table(), unclear, {})
    run_log.log_findings(found, unclear)
    findings = Findings()
    findings.add_table(found)
    return replace(checked, findings=findings)


def judge_package(extracted: Extracted, profile: Profile) -> Checked:
    """Check an extracted package with the suites, without logging.

    Args:
        extracted: The package, extracted without known records.
        profile: How strictly the package must follow the standard.
    """
    findings, version = extracted.findings, extracted.version
    if extracted.refused and not extracted.refused_tables:
        return Checked(
            version,
            extracted.rows,
            findings,
            rejected=True,
            modes=extracted.modes,
            is_version_known=extracted.is_version_known,
        )
    validated = validate_rows(
        extracted.tables or extracted.refused_tables,
        extracted.modes,
        version,
        known={},
        suites=settings.expectations(),
        is_strict=profile is Profile.STRICT,
    )
    findings.add_table(validated.findings.table())
    rejected = profile is Profile.STRICT and findings.has_violations()
    if rejected:
        findings.make_violations_errors()
    unusable = unusable_files(validated, extracted.modes, extracted.rows)
    findings.add_table(unusable.table())
    rejected = rejected or unusable.has_errors() or extracted.refused
    return Checked(
        version,
        extracted.rows,
        findings,
        rejected,
        extracted.modes,
        validated.valid,
        validated.quarantined,
        extracted.is_version_known,
    )
