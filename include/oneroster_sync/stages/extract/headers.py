"""Match a file's header with the columns of the standard."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING

from oneroster_sync.findings import Finding, Severity
from oneroster_sync.findings.finding import describe, shown
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.extract.archive import RefusedError
from oneroster_sync.standard import Need, Version, rostering_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from oneroster_sync.standard import File

ALIASES = {
    "orgsourceids": "orgSourcedIds",
    "agentsourceids": "agentSourcedIds",
    "sourceid": "sourcedId",
    "datemodified": "dateLastModified",
    "termsourcedid": "termSourcedIds",
    "termsourceids": "termSourcedIds",
    "userid": "userIds",
    "agents": "agentSourcedIds",
    "grade": "grades",
}
"""Misspelt headers seen in real files, in lower case → the column that they mean."""

_MEANS: dict[str, tuple[str, ...]] = {
    "active": ("enabledUser",),
    "classid": ("classSourcedId",),
    "classname": ("title",),
    "courseid": ("courseSourcedId",),
    "coursename": ("title",),
    "coursetitle": ("title",),
    "emailaddress": ("email",),
    "enabled": ("enabledUser",),
    "enrollmentrole": ("role",),
    "firstname": ("givenName",),
    "forename": ("givenName",),
    "guid": ("sourcedId",),
    "id": ("sourcedId",),
    "isprimary": ("primary", "roleType"),
    "lastmodified": ("dateLastModified",),
    "lastname": ("familyName",),
    "login": ("username",),
    "loginid": ("username",),
    "mail": ("email",),
    "name": ("title",),
    "orgid": ("orgSourcedId", "orgSourcedIds", "schoolSourcedId"),
    "orgname": ("name",),
    "orgsourcedid": ("orgSourcedIds", "schoolSourcedId"),
    "personid": ("userSourcedId", "sourcedId"),
    "roletype": ("role",),
    "schoolid": ("schoolSourcedId", "orgSourcedIds", "orgSourcedId"),
    "schoolname": ("name",),
    "schoolsourcedid": ("orgSourcedIds", "orgSourcedId"),
    "sectionid": ("classSourcedId",),
    "sisid": ("sourcedId",),
    "surname": ("familyName",),
    "teacherid": ("userSourcedId",),
    "termid": ("termSourcedIds",),
    "useremail": ("email",),
    "userid": ("userSourcedId", "sourcedId"),
    "userrole": ("role",),
    "usertype": ("role",),
}
"""Headers of other formats, in lower case without separators → the columns they may mean."""
_IDENTIFYING = {"sourcedId", "role", "userSourcedId"}
"""Columns that identify the record of a row and show whether it is a staff member's."""
_ONLY_1_2 = {
    *("usermasteridentifier", "preferredgivenname", "preferredmiddlename"),
    *("preferredfamilyname", "primaryorgsourcedid", "pronouns"),
}
"""Columns of users.csv that only 1.2 has, in lower case."""
_EXTRA = {("users", Version.V1_2): {"resourceSourcedIds"}}
"""Columns that an earlier edition of the same version had."""
_UNSEEN = {"Cc", "Cf", "Zl", "Zp"}
"""Unicode categories that are removed from a header: controls, formats, line separators."""


def match_header(
    header: list[str], file: File, profile: Profile
) -> tuple[dict[str, str], list[Finding]]:
    """Match a header with the columns of the standard.

    Args:
        header: The header's cells as the file has them.
        file: The file's definition in the standard.
        profile: In strict nothing is repaired, and every deviation is an error.

    Returns:
        Canonical name → the file's header, for the columns that are read; and the findings. If one
        of them is an error, the file is not used, and its rows are read only to find more errors.

    Raises:
        RefusedError: The rows can't be read: a column appears twice, or the columns that identify a
            row's record, or show whether it is of staff, are missing.
    """
    name = f"{file.name}.csv"
    severity = Severity.ERROR if profile is Profile.STRICT else Severity.WARNING
    findings: list[Finding] = []
    found: dict[str, str] = {}
    unknown: list[str] = []
    exact = {column.name: column.canonical for column in file.columns}
    for cell in header:
        # 1.0 has other names for some columns: they are exact, and the later names are not.
        spelled = exact.get(cell, cell)
        is_known = cell in exact
        if profile is not Profile.STRICT:
            spelled = _spelled(cell, file, findings, header)
            is_known = file.column(spelled) is not None
        if not cell.strip() or spelled in found or spelled in unknown:
            known_as = spelled if is_known else None
            raise RefusedError(Finding("table.duplicate_header", file=name, column=known_as))
        if is_known:
            found[spelled] = cell
        else:
            unknown.append(spelled)
    if not found:
        raise RefusedError(Finding("schema.no_known_column", file=name, row=1))
    unknown = _check_missing(file, found, unknown, severity, findings)
    extra = _EXTRA.get((file.name, file.version), set())
    is_header = _is_header(file, found)
    findings.extend(
        Finding("schema.unknown_column", severity, name, 1, shown_header(column, is_header))
        for column in unknown
        if not column.startswith("metadata.") and column not in extra
    )
    known = [c for c in found if c not in extra]
    metadata = [i for i, cell in enumerate(header) if cell.startswith("metadata.")]
    in_order = known == [c.canonical for c in file.columns if c.canonical in found]
    # The standard wants the columns of extensions, `metadata.…`, after all others.
    if not in_order or (metadata and metadata[0] != len(header) - len(metadata)):
        findings.append(Finding("schema.column_order", severity, name, 1))
    return {
        c.canonical: found[c.canonical] for c in file.read_columns if c.canonical in found
    }, findings


def _spelled(cell: str, file: File, findings: list[Finding], header: list[str]) -> str:
    """Return the canonical name of a header's cell, and add a finding if it was repaired."""
    by_name = {c.name: c.canonical for c in file.columns}
    if cell in by_name:
        return by_name[cell]
    name = f"{file.name}.csv"
    clean = _clean(cell)
    by_lower = {n.lower(): c for n, c in by_name.items()}
    canonical = by_lower.get(clean.lower())
    if canonical is None:
        alias = ALIASES.get(clean.lower())
        canonical = alias if alias and file.column(alias) is not None else None
        if alias in header:
            canonical = None
    if canonical is None:
        return clean
    if clean != cell:
        odd = [f"U+{ord(c):04X}" for c in cell if unicodedata.category(c) in {*_UNSEEN, "Zs"}]
        expected = f"{canonical} without {', '.join(odd)}"
        code = "schema.invisible_character"
    else:
        code, expected = "schema.header_spelling", canonical
    findings.append(Finding(code, Severity.WARNING, name, 1, clean, expected=expected))
    return canonical


def _check_missing(
    file: File,
    found: dict[str, str],
    unknown: list[str],
    severity: Severity,
    findings: list[Finding],
) -> list[str]:
    """Add findings for missing columns, and return the unknown headers that mean none of them.

    Raises:
        RefusedError: A column is missing without which the rows can't be read.
    """
    name = f"{file.name}.csv"
    missing = [c for c in file.columns if c.canonical not in found]
    others = _other_version(file, unknown)
    if others and missing:
        expected = f"the columns of OneRoster {file.version}, not of {others}"
        raise RefusedError(Finding("schema.version_mismatch", file=name, row=1, expected=expected))
    left = list(unknown)
    unreadable: list[Finding] = []
    for column in missing:
        expected = column.name
        if (
            meant := _renamed(column.canonical, left, is_header=_is_header(file, found))
        ) is not None:
            left.remove(meant)
            expected += f"; found {shown(meant)}: did you mean {column.name}?"
        place = Severity.ERROR if column.need is Need.ESSENTIAL else severity
        finding = Finding("schema.missing_header", place, name, 1, column.name, expected=expected)
        findings.append(finding)
        if column.need is Need.ESSENTIAL and column.canonical in _IDENTIFYING:
            unreadable.append(finding)
    if unreadable:
        # Errors first, because the first finding names the refusal.
        raise RefusedError(*sorted(findings, key=lambda one: one.severity is not Severity.ERROR))
    return left


def _is_header(file: File, found: Collection[str]) -> bool:
    """Return whether most columns are known; otherwise the row may hold values, not headers."""
    return len(found) * 2 > len(file.columns)


def _renamed(canonical: str, unknown: list[str], *, is_header: bool) -> str | None:
    """Return the unknown header that means a missing column, or None."""
    for header in unknown:
        if canonical in _MEANS.get(re.sub(r"[\W_]", "", header).lower(), ()):
            return header
    # If the row may hold values, a near match would quote one of them.
    near = difflib.get_close_matches(canonical, unknown, 1, cutoff=0.7) if is_header else []
    return near[0] if near else None


def shown_header(header: str, is_header: bool) -> str:  # noqa: FBT001  one fact about the row
    """Return an unknown header for a finding: its shape only, if it may be a value."""
    return shown(header) if is_header else describe(header)


def check_delimiter(header: list[str], name: str, wanted: str = ",") -> None:
    """Refuse a header with another delimiter.

    Args:
        header: The header's cells.
        name: The file's name, with `.csv`.
        wanted: The site's delimiter.

    Raises:
        RefusedError: The header has one cell, and it contains another delimiter.
    """
    others = {",": "[;\t|]"}.get(wanted, "[,;\t|]")
    if len(header) == 1 and re.search(others, header[0]):
        expected = _DELIMITERS[wanted]
        raise RefusedError(Finding("csv.wrong_delimiter", file=name, expected=expected))


_DELIMITERS = {
    ",": "commas",
    ";": "semicolons, as the preferences say",
    "\t": "tabs, as the preferences say",
    "|": "vertical bars, as the preferences say",
}


def meant_names(header: list[str]) -> set[str]:
    """Return the columns that a header means, in lower case, to distinguish versions."""
    names = {_clean(cell).lower() for cell in header}
    return names | {ALIASES[name].lower() for name in names & ALIASES.keys()}


def version_by_headers(headers: dict[str, list[str]], *, has_roles: bool) -> Version:
    """Return the most likely version of the files of a package without a manifest.

    Args:
        headers: File → cells of its header.
        has_roles: Whether the site has remembered roles; only 1.2 has a roles.csv.
    """
    users = meant_names(headers.get("users", []))
    without_roles = bool(users) and not {"role", "orgsourcedids"} & users
    # A users.csv of 1.1 without the column role is not of 1.2: roles.csv would not help.
    of_1_2 = bool(users & _ONLY_1_2) or has_roles
    if "roles" in headers or (without_roles and of_1_2):
        return Version.V1_2
    scores = {
        v: sum(_score(n, h, v) for n, h in headers.items()) for v in (Version.V1_1, Version.V1_0)
    }
    return max(scores, key=lambda version: scores[version])


def has_standard_column(headers: dict[str, list[str]]) -> bool:
    """Return whether any header has a column of any version of the standard."""
    return any(_score(n, meant_names(h), v) for n, h in headers.items() for v in Version)


def _score(name: str, header: Iterable[str], version: Version) -> int:
    file = rostering_file(name, version)
    known = {column.name.lower() for column in file.columns} if file else set()
    return len(known & {cell.strip().lower() for cell in header})


def _clean(cell: str) -> str:
    return "".join(c for c in cell if unicodedata.category(c) not in _UNSEEN).strip()


def _other_version(file: File, unknown: list[str]) -> Version | None:
    """Return the version that has the unknown headers as columns, or None."""
    for version in Version:
        other = rostering_file(file.name, version)
        if version is file.version or other is None:
            continue
        own = {c.name for c in other.columns} - {c.name for c in file.columns}
        if own and own <= set(unknown):
            return version
    return None
