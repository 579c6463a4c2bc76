"""Turn a package into one staff-only snapshot per rostering file.

The package is hashed and read in its original form; only rows of staff are written, as Parquet.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Findings, Severity
from oneroster_sync.settings import Limits
from oneroster_sync.sites.preferences import Delimiter, Profile
from oneroster_sync.sources.digest import sha256_of
from oneroster_sync.stages.extract.archive import Package, PackageFile, RefusedError, open_package
from oneroster_sync.stages.extract.csv_table import read_header, read_quoting, read_table
from oneroster_sync.stages.extract.dialect import Dialect
from oneroster_sync.stages.extract.enrollment_pairs import part_shared_ids
from oneroster_sync.stages.extract.headers import (
    ALIASES,
    check_delimiter,
    has_standard_column,
    meant_names,
    version_by_headers,
)
from oneroster_sync.stages.extract.lookalikes import lookalike
from oneroster_sync.stages.extract.manifest import Manifest, assumed_manifest, read_manifest
from oneroster_sync.stages.extract.quotes import GrammarError
from oneroster_sync.stages.extract.repairs import Repairs, find_lost_zeros
from oneroster_sync.stages.extract.staff_filter import Staff
from oneroster_sync.standard import ALL_FILES, ROSTERING_FILES, Version, meant_file, rostering_file
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from oneroster_sync.roster.model import Known
    from oneroster_sync.sources.in_place import FolderInPlace
    from oneroster_sync.stages.extract.csv_table import Keep
    from oneroster_sync.standard import File

_MANIFEST_BYTES = 1 << 20
_STANDARD = Dialect()
_ONCE_A_PACKAGE = (
    *("manifest.missing_property", "row.field_forbidden_in_bulk", "schema.column_order"),
)
"""Codes that are reported once for a package, because an SIS causes them in all its files."""


@dataclass(slots=True)
class Extracted:
    """The result of reading a package: the rows of staff and the findings.

    Attributes:
        sha256: Hash of the package's bytes; for a folder, of its files sorted by name.
        version: Version of the standard.
        is_version_known: Whether the manifest or the columns determine the version.
        modes: File → absent, bulk or delta, for the rostering files.
        tables: File → the rows of staff; empty for a refused package.
        rows: File → number of all its rows, staff or not.
        ignored: Number of rows of users.csv that are not staff.
        findings: All findings.
        refused: Whether the package can't be used.
        refused_tables: The rows that could be read of a refused package, only to report all errors
            of the package at once.
    """

    sha256: str
    version: Version = Version.V1_1
    is_version_known: bool = False
    modes: dict[str, Mode] = field(default_factory=dict)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    ignored: int = 0
    findings: Findings = field(default_factory=Findings)
    refused: bool = False
    refused_tables: dict[str, pa.Table] = field(default_factory=dict)


def extract_package(
    path: Path,
    profile: Profile,
    known: Known,
    *,
    files: Collection[str] | None = None,
    limits: Limits | None = None,
    sha256: str | None = None,
    dialect: Dialect = _STANDARD,
    opened: FolderInPlace | None = None,
) -> Extracted:
    """Read a package: a zip, a folder or a lone CSV.

    Args:
        path: A local file or folder that is no longer written to.
        profile: How strictly the standard is applied.
        known: sourcedIds and roles that the site has from earlier syncs.
        files: The files to open; others count as absent. All rostering files by default.
        limits: Size limits; those of the settings by default.
        sha256: Hash of its bytes if known already; blank if the caller sets it later.
        dialect: Encoding, delimiter and date order of its files.
        opened: The open files of a folder that is read in place.

    Returns:
        The rows of staff and all findings. A package that can't be used is `refused`.

    Raises:
        OSError: The file system failed.
    """
    limits = limits or Limits.in_force()
    extracted = Extracted(sha256_of(path) if sha256 is None else sha256)
    with refusing(extracted, profile), open_package(path, limits, opened) as package:
        _read(package, profile, known, files or ROSTERING_FILES, dialect, extracted)
        extracted.refused = extracted.findings.has_errors()
    return extracted


@contextlib.contextmanager
def refusing(extracted: Extracted, profile: Profile) -> Iterator[None]:
    """Refuse a package that can't be read, and in strict one that violates the standard."""
    try:
        yield
    except RefusedError as refusal:
        extracted.findings.extend(refusal.findings)
        extracted.refused = True
        # Reading stopped in the middle, so these are not all tables of the package.
        extracted.tables = {}
    extracted.findings.merge(_ONCE_A_PACKAGE)
    if profile is Profile.STRICT and extracted.findings.has_violations():
        extracted.findings.make_violations_errors()
        extracted.refused = True
    if extracted.refused:
        extracted.refused_tables, extracted.tables = extracted.tables, {}


def holds_delta(path: Path) -> bool:
    """Return whether any file of a package is a delta; an unreadable package has none."""
    with contextlib.suppress(RefusedError), open_package(path, Limits.in_force()) as package:
        _respell_names(package, Profile.TOLERANT, Findings())
        if "manifest" in package.files:
            with package.files["manifest"].open() as stream:
                data = stream.read(_MANIFEST_BYTES)
            present = set(package.files) - {"manifest"}
            text = data.decode("utf-8", "replace")
            delimiters = [one for one in Delimiter if one.character in text.partition("\n")[0]]
            text = Dialect(delimiter=delimiters[0]).swap(text) if delimiters else text
            manifest = read_manifest(text, present, Profile.TOLERANT)
            return Mode.DELTA in manifest.modes.values()
    return False


def _read(
    package: Package,
    profile: Profile,
    known: Known,
    files: Collection[str],
    dialect: Dialect,
    extracted: Extracted,
) -> None:
    findings = extracted.findings
    package.recode = dialect.recode if dialect.is_recoded else None
    findings.extend(package.findings)
    _respell_names(package, profile, findings)
    headers, unread = _headers(package, files, dialect)
    # Before all findings about headers: the name of the format explains all of them.
    if (other := lookalike(headers)) is not None:
        expected = f"OneRoster CSV; this is {other}"
        raise RefusedError(Finding("package.lookalike", expected=expected))
    for refusal in unread.values():
        findings.extend(refusal.findings)
    manifest = _manifest(package, headers, profile, dialect, findings, known)
    extracted.version, version = manifest.version, manifest.version
    extracted.is_version_known = "manifest" in package.files or has_standard_column(headers)
    _check_present(package, manifest, findings, known)
    extracted.modes = {
        name: manifest.modes.get(name, Mode.ABSENT) if name in files else Mode.ABSENT
        for name in ROSTERING_FILES
    }
    # With courses of earlier syncs, classes may refer to those.
    if not known.has_courses:
        _leave_out_assignments(extracted, files)
    staff = Staff(
        version,
        known,
        deltas=frozenset(n for n, mode in extracted.modes.items() if mode is Mode.DELTA),
        whole_roles=extracted.modes["roles"] is Mode.BULK,
    )
    names = [
        name
        for name in ROSTERING_FILES
        if extracted.modes[name] is not Mode.ABSENT and name in package.files and name not in unread
    ]
    before_roles = findings.table()
    for name in names:
        if name == "roles":
            before_roles = findings.table()
        staff = _read_file(name, package, profile, dialect, staff, extracted)
        if name == "users" and "roles" in extracted.tables:
            staff = _read_roles_again(package, profile, dialect, staff, extracted, before_roles)
    extracted.ignored = staff.ignored
    if staff.without_any_role:
        finding = Finding(
            "semantic.nobodys_row", Severity.WARNING, "users.csv", rows=staff.without_any_role
        )
        extracted.findings.add(finding)


def _read_roles_again(
    package: Package,
    profile: Profile,
    dialect: Dialect,
    staff: Staff,
    extracted: Extracted,
    before: pa.Table,
) -> Staff:
    """Read roles.csv and users.csv of 1.2 again if roles.csv lost leading zeros of sourcedIds.

    roles.csv decides who is staff and is read first, so the sourcedIds of all users are needed to
    find the users that it means. They are read only if no role refers to a user of the package.
    """
    if staff.any_role_fits or "users" not in extracted.tables:
        return staff
    read = functools.partial(_collect, package, profile, dialect, extracted.version)
    ids = read("users", "sourcedId")
    if Mode.DELTA is extracted.modes["users"]:
        ids = pa.concat_arrays([ids, staff.known.users])
    length = find_lost_zeros(read("roles", "userSourcedId"), ids)
    if length is None:
        return staff
    # Without the findings of the first reading, which would be there twice.
    extracted.findings = Findings()
    extracted.findings.add_table(before)
    staff = Staff(
        staff.version,
        staff.known,
        deltas=staff.deltas,
        whole_roles=staff.whole_roles,
        user_id_length=length,
    )
    for name in ("roles", "users"):
        staff = _read_file(name, package, profile, dialect, staff, extracted)
    roles = extracted.tables["roles"]
    rows = roles["row"].filter(pc.is_valid(roles["userSourcedId"]))
    if len(rows):
        place = "roles.csv", pc.min(rows).as_py(), "userSourcedId"
        warning = Severity.WARNING
        extracted.findings.add(Finding("reference.lost_zeros", warning, *place, rows=len(rows)))
    return staff


def _collect(
    package: Package, profile: Profile, dialect: Dialect, version: Version, name: str, column: str
) -> pa.Array:
    """Return a column of all unbroken rows of a file, pupils' included; the values are not kept."""
    values: list[pa.Array] = []

    def keep(table: pa.Table) -> pa.Table:
        cells = pc.utf8_trim_whitespace(table[column].filter(pc.is_null(table["flaw"])))
        values.append(pc.unique(cells.drop_null().combine_chunks()))
        return table.slice(0, 0)

    def make_keep() -> Keep:
        values.clear()
        return keep

    file = rostering_file(name, version)
    assert file is not None
    _read_rows(package, file, profile, dialect, make_keep)
    return pa.concat_arrays([pa.array([], pa.string()), *values])


def _read_rows(
    package: Package,
    file: File,
    profile: Profile,
    dialect: Dialect,
    make_keep: Callable[[], Keep],
) -> tuple[pa.Table, int, list[Finding]]:
    """Read the rows of a file with `read_table`; again if lines break the grammar.

    Args:
        package: The package.
        file: The file's definition in the standard.
        profile: How strictly the standard is applied.
        dialect: Encoding, delimiter and date order of the file.
        make_keep: Returns a new filter of the rows, in its state before the first row.

    Raises:
        RefusedError: The file can't be read as a whole.
    """
    source, limit = package.files[file.name], package.limits.line
    try:
        return read_table(source, file, profile, make_keep(), limit, dialect)
    except GrammarError:
        if profile is Profile.STRICT:
            raise
        quoting = read_quoting(source, limit)
        return read_table(source, file, profile, make_keep(), limit, dialect, quoting)


def _read_file(
    name: str,
    package: Package,
    profile: Profile,
    dialect: Dialect,
    staff: Staff,
    extracted: Extracted,
) -> Staff:
    """Read the rows of one file; if the file can't be read, the other files are still read.

    Returns:
        The knowledge of who is staff, after this file.
    """
    findings = extracted.findings
    file = rostering_file(name, extracted.version)
    if file is None or (
        name == "users" and file.column("role") is None and _lacks_roles(extracted)
    ):
        return staff  # without roles.csv, staff and pupils can't be distinguished
    before = staff

    def make_keep() -> Keep:
        nonlocal staff
        staff = before.copy()
        return staff.keep(name)

    try:
        table, rows, noticed = _read_rows(package, file, profile, dialect, make_keep)
    except RefusedError as refusal:
        if refusal.is_of_package:
            raise
        findings.extend(refusal.findings)
        return staff
    if name == "enrollments":
        table, shared = part_shared_ids(staff.without_students(table))
        findings.extend(shared)
    if name == "roles":
        table = staff.without_second_roles(table)
    table = staff.with_leavers(name, table)
    # Once for the whole file and not block by block: whether NULL means an empty cell depends on
    # whole columns.
    repairs = Repairs(f"{name}.csv", extracted.modes[name], profile, dialect)
    table = repairs.apply(table)
    findings.extend(noticed)
    findings.extend(repairs.findings())
    if rows == 0:
        strict = profile is Profile.STRICT
        severity = Severity.ERROR if strict else Severity.WARNING
        findings.add(Finding("table.no_rows", severity, f"{name}.csv"))
    extracted.tables[name] = table
    extracted.rows[name] = rows
    return staff


def _lacks_roles(extracted: Extracted) -> bool:
    """Return whether roles.csv is expected but can't be read."""
    return extracted.modes["roles"] is not Mode.ABSENT and "roles" not in extracted.tables


def _leave_out_assignments(extracted: Extracted, files: Collection[str]) -> None:
    """Leave out bulk files that depend on courses if there are no courses, and report it once.

    Otherwise all of their rows would be errors for one reason, and the people of the package would
    not be used either. A delta is not left out: its rows would never come again.
    """
    modes = extracted.modes
    hanging = [name for name in ("classes", "enrollments") if modes[name] is Mode.BULK]
    if "courses" in files and modes["courses"] is Mode.ABSENT and hanging:
        modes |= dict.fromkeys(hanging, Mode.ABSENT)
        expected = "courses.csv; without it there are no courses and no course assignments"
        warning = Severity.WARNING
        extracted.findings.add(
            Finding("package.missing_file", warning, "courses.csv", expected=expected)
        )


def _respell_names(package: Package, profile: Profile, findings: Findings) -> None:
    """Find files whose names are misspelled."""
    if profile is Profile.STRICT:
        return
    for name in sorted(package.files):
        meant = meant_file(name)
        if meant is not None and meant != name:
            expected = f"{meant}.csv"
            findings.add(
                Finding("package.file_spelling", Severity.WARNING, f"{name}.csv", expected=expected)
            )
            file = package.files.pop(name)
            package.files[meant] = PackageFile(meant, package, file.member)


def _headers(
    package: Package, files: Collection[str], dialect: Dialect
) -> tuple[dict[str, list[str]], dict[str, RefusedError]]:
    """Return the headers of the readable files, and the errors of the others.

    Files that are not to be opened count by their name only.
    """
    headers: dict[str, list[str]] = {}
    unread: dict[str, RefusedError] = {}
    for name, file in package.files.items():
        headers[name] = []
        if name in files and name in ROSTERING_FILES:
            try:
                headers[name] = read_header(file, package.limits.line)
                check_delimiter(headers[name], f"{name}.csv", dialect.delimiter.character)
            except RefusedError as refusal:
                if refusal.is_of_package:
                    raise
                unread[name] = refusal
    return headers, unread


def _manifest(
    package: Package,
    headers: dict[str, list[str]],
    profile: Profile,
    dialect: Dialect,
    findings: Findings,
    known: Known,
) -> Manifest:
    present = set(package.files) - {"manifest"}
    file = package.files.get("manifest")
    if file is not None:
        with file.open() as stream:
            data = stream.read(_MANIFEST_BYTES)
        if len(data) == _MANIFEST_BYTES:
            expected = f"less than {_MANIFEST_BYTES:,} bytes"
            raise RefusedError(Finding("zip.size_exceeded", file="manifest.csv", expected=expected))
        text = data.decode("utf-8", "replace")
        if "," not in text.partition("\n")[0]:
            text = dialect.swap(text)  # the manifest has commas, the other files do not
        manifest = read_manifest(text, present, profile)
        findings.extend(manifest.findings)
        return _of_users_version(manifest, headers, profile, findings)
    lone = package.archive is None and len(present) == 1
    if profile is Profile.STRICT and not lone:
        raise RefusedError(Finding("package.missing_manifest"))
    if not lone:
        findings.add(Finding("package.missing_manifest", Severity.WARNING))
    return assumed_manifest(version_by_headers(headers, has_roles=len(known.role_ids) > 0), present)


def _of_users_version(
    manifest: Manifest, headers: dict[str, list[str]], profile: Profile, findings: Findings
) -> Manifest:
    """Return a manifest of 1.1 if the manifest says 1.2, but users.csv contains the roles.

    The other files are the same in both. If roles.csv is present as well, it is not clear which
    counts.
    """
    header = headers.get("users", [])
    file = rostering_file("users", Version.V1_1)
    is_1_2 = manifest.version is Version.V1_2
    if file is None or not is_1_2 or profile is Profile.STRICT or "roles" in headers:
        return manifest
    known = {column.name.lower() for column in file.columns}
    names = {n for n in meant_names(header) if n and not n.startswith("metadata.")}
    is_1_1 = {"role", "orgsourcedids"} & names and names - ALIASES.keys() <= known
    if not is_1_1:
        return manifest
    place = "users.csv", 1
    expected = "the columns of OneRoster 1.2; the package is read as 1.1"
    findings.add(Finding("schema.version_mismatch", Severity.WARNING, *place, expected=expected))
    modes = {name: mode for name, mode in manifest.modes.items() if name in ALL_FILES[file.version]}
    return Manifest(file.version, modes, manifest.findings)


def _check_present(package: Package, manifest: Manifest, findings: Findings, known: Known) -> None:
    """Refuse a package that lacks a necessary file; add findings for files that are not opened."""
    is_empty = all(mode is Mode.ABSENT for mode in manifest.modes.values())
    if is_empty and len(package.files) > 1 and not findings.has_errors():
        raise RefusedError(Finding("package.empty"))
    roles = manifest.modes.get("roles", Mode.ABSENT)
    users = manifest.modes.get("users", Mode.ABSENT)
    absent = users is Mode.BULK and roles is Mode.ABSENT
    lacks_roles = manifest.version is Version.V1_2 and absent and not len(known.role_ids)
    if lacks_roles and package.archive is None and len(package.files) == 1:
        raise RefusedError(Finding("package.lone_users_without_roles", file="users.csv"))
    if lacks_roles:
        expected = "roles.csv, which says who is staff: no roles are stored from earlier syncs"
        raise RefusedError(Finding("package.missing_file", file="roles.csv", expected=expected))
    for name in sorted(package.files):
        if name not in ALL_FILES[manifest.version] and name != "manifest":
            findings.add(Finding("package.unknown_file", Severity.WARNING, f"{name}.csv"))
