"""Files and columns of the OneRoster CSV bindings 1.0, 1.1 and 1.2: one declaration for a column.

To make the sync read one more column, give it a `use` below; to store it on the platform, name it
in `oneroster_sync.roster.columns` and add it to the table by a migration. The rules for its values,
and for rows whose value is blank, invalid or points to a missing record, are in the suites under
`expectations/`; docs/reference/columns.md is generated from both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Version(StrEnum):
    """A version of the standard."""

    V1_0 = "1.0"
    V1_1 = "1.1"
    V1_2 = "1.2"


class Need(StrEnum):
    """How important a column is: what happens if a file's header lacks it."""

    ESSENTIAL = "essential"
    """The sync needs the column: the file is refused."""
    REQUIRED = "required"
    """The standard requires values: refused in strict, a warning in tolerant."""
    OPTIONAL = "optional"
    """The standard requires the header only: refused in strict, a warning in tolerant."""


class Type(StrEnum):
    """The type of a column's values."""

    TEXT = "text"
    ID = "sourcedId"
    ENUM = "enumeration"
    BOOLEAN = "boolean"
    DATE = "date"
    YEAR = "year"
    TIME = "timestamp"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file.

    Attributes:
        name: The header, as the version spells it.
        canonical: The name that the sync uses, the same in all versions.
        need: What happens if the header is missing.
        read: Whether values are read. Passwords, telephone numbers and similar data are not.
        is_list: Whether a cell holds several values, separated by commas.
        type: The type of the values.
        target: The file whose records the column references, without `.csv`, or None.
        use: The use of the column in the sync, as a noun phrase; empty if it is not read.
    """

    name: str
    canonical: str
    need: Need
    read: bool
    is_list: bool
    type: Type = Type.TEXT
    target: str | None = None
    use: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """One rostering file of one version: its name without `.csv` and its columns in order."""

    name: str
    version: Version
    columns: tuple[Column, ...]

    @property
    def read_columns(self) -> tuple[Column, ...]:
        """Return the columns whose values are read."""
        return tuple(column for column in self.columns if column.read)

    def column(self, canonical: str) -> Column | None:
        """Return the column of that canonical name, or None."""
        return next((c for c in self.columns if c.canonical == canonical), None)


@dataclass(frozen=True, slots=True)
class _Declared:
    """A column in all versions that have it.

    Attributes:
        need: `!` essential, `*` required by the standard, otherwise optional.
        since: The first version that has the column.
        until: The last version that has it.
        was: Its name in 1.0, if different.
    """

    name: str
    use: str = ""
    need: str = ""
    type: Type = Type.TEXT
    target: str | None = None
    is_list: bool = False
    since: Version = Version.V1_0
    until: Version = Version.V1_2
    was: str | None = None

    def in_version(self, version: Version) -> Column:
        needs = {"!": Need.ESSENTIAL, "*": Need.REQUIRED}
        return Column(
            self.was if self.was and version is Version.V1_0 else self.name,
            self.name,
            needs.get(self.need, Need.OPTIONAL),
            bool(self.use),
            self.is_list,
            self.type,
            self.target,
            self.use,
        )


_C = _Declared
_1_1, _1_2 = Version.V1_1, Version.V1_2
_HEAD = (
    _C("sourcedId", "which record the row is of", "!", Type.ID),
    _C("status", "whether the record stays or goes, in delta files", "", Type.ENUM),
    _C("dateLastModified", "which of two deltas is newer", "", Type.TIME),
)
_SCHOOL = "the school, where the site has a threshold of its own for each school"
_DATES = (
    _C("beginDate", "warnings about dates", "", Type.DATE, since=_1_1),
    _C("endDate", "warnings about dates", "", Type.DATE, since=_1_1),
)

_COLUMNS: dict[str, tuple[_Declared, ...]] = {
    "academicSessions": (
        *_HEAD,
        _C("title", "nothing but warnings", "*"),
        _C("type", "warnings about what courses point to", "*", Type.ENUM),
        _C("startDate", "whether a package is of this school year", "*", Type.DATE),
        _C("endDate", "when classes end, and whether a package is of this year", "*", Type.DATE),
        _C("parentSourcedId", "warnings about circles", "", Type.ID, "academicSessions"),
        _C("schoolYear", "nothing but warnings", "*", Type.YEAR, since=_1_1),
    ),
    "orgs": (
        *_HEAD,
        _C("name", "what a school is called on the pages", "*"),
        _C("type", "warnings about what classes point to", "*", Type.ENUM),
        _C("identifier"),
        _C("parentSourcedId", "warnings about circles", "", Type.ID, "orgs"),
    ),
    "courses": (
        *_HEAD,
        _C(
            "schoolYearSourcedId",
            "the course's school year",
            "",
            Type.ID,
            "academicSessions",
            was="schoolYearId",
        ),
        _C("title", "the course's title", "!"),
        _C("courseCode", "the course's code"),
        _C("grades", "the course's grades", is_list=True, was="grade"),
        _C("orgSourcedId", _SCHOOL, "*", Type.ID, "orgs"),
        _C("subjects", "the course's subjects", is_list=True),
        _C("subjectCodes", is_list=True, since=_1_1),
    ),
    "classes": (
        *_HEAD,
        _C("title", "nothing but warnings", "*"),
        _C("grades", is_list=True, was="grade"),
        _C("courseSourcedId", "which course its teachers are assigned to", "!", Type.ID, "courses"),
        _C("classCode"),
        _C("classType", "nothing but warnings", "*", Type.ENUM),
        _C("location"),
        _C("schoolSourcedId", _SCHOOL, "*", Type.ID, "orgs"),
        _C(
            "termSourcedIds",
            "when the class ends",
            "*",
            Type.ID,
            "academicSessions",
            is_list=True,
            was="termSourcedId",
        ),
        _C("subjects", is_list=True),
        _C("subjectCodes", is_list=True, since=_1_1),
        _C("periods", is_list=True, since=_1_1),
    ),
    "users": (
        *_HEAD,
        _C("enabledUser", "whether the account is active", "*", Type.BOOLEAN, since=_1_1),
        # In 1.2 the orgs and roles of a user are rows of roles.csv.
        _C("orgSourcedIds", _SCHOOL, "*", Type.ID, "orgs", is_list=True, until=_1_1),
        _C("role", "who is staff, and as what", "!", Type.ENUM, until=_1_1),
        _C("username", "the account's username; the login, where it is an address", "*"),
        _C("userIds", was="userId"),
        _C("givenName", "the person's name", "!"),
        _C("familyName", "the person's name", "!"),
        _C("middleName", since=_1_1),
        _C("identifier"),
        _C("email", "the login", "!"),
        _C("sms"),
        _C("phone"),
        _C("agentSourcedIds", is_list=True, was="agents"),
        _C("grades", since=_1_1),
        _C("password", since=_1_1),
        _C("userMasterIdentifier", since=_1_2),
        _C("preferredGivenName", since=_1_2),
        _C("preferredMiddleName", since=_1_2),
        _C("preferredFamilyName", since=_1_2),
        _C("primaryOrgSourcedId", "nothing but warnings", "", Type.ID, "orgs", since=_1_2),
        _C("pronouns", since=_1_2),
    ),
    "roles": (
        *_HEAD,
        _C("userSourcedId", "whose role it is", "!", Type.ID, "users"),
        _C("roleType", "which of several roles counts", "*", Type.ENUM),
        _C("role", "who is staff, and as what", "!", Type.ENUM),
        *_DATES,
        _C("orgSourcedId", _SCHOOL, "*", Type.ID, "orgs"),
        _C("userProfileSourcedId"),
    ),
    "enrollments": (
        _C("sourcedId", "which record the row is of; else user and class say so", "*", Type.ID),
        *_HEAD[1:],
        _C("classSourcedId", "which course is assigned", "!", Type.ID, "classes"),
        _C("schoolSourcedId", "warnings about another school", "*", Type.ID, "orgs"),
        _C("userSourcedId", "who is assigned", "!", Type.ID, "users"),
        _C("role", "who teaches", "!", Type.ENUM),
        _C("primary", "warnings about two primary teachers", "", Type.BOOLEAN),
        *_DATES,
    ),
}
"""File → its columns, in the order of the standard since 1.1."""

# Strict compares the order of headers, and 1.0 has the role before the status here.
_ENROLLMENTS_1_0 = (
    "sourcedId classSourcedId schoolSourcedId userSourcedId role status dateLastModified primary"
)
_ORDER = {("enrollments", Version.V1_0): _ENROLLMENTS_1_0.split()}
"""Order of the columns in files of a version that differs from `_COLUMNS`."""

_FILES_1_1 = frozenset(_COLUMNS) - {"roles"}
_FILES = {Version.V1_0: _FILES_1_1, Version.V1_1: _FILES_1_1, Version.V1_2: frozenset(_COLUMNS)}

# roles before users: in 1.2 the roles say who is staff, and who is not is dropped while it is read.
ROSTERING_FILES = (
    "academicSessions",
    "orgs",
    "courses",
    "classes",
    "roles",
    "users",
    "enrollments",
)
"""The files that the sync opens; except for roles, a file comes before those that reference it."""

_NEVER_OPENED_1_1 = frozenset(
    {
        "categories",
        "classResources",
        "courseResources",
        "demographics",
        "lineItems",
        "resources",
        "results",
    }
)
_NEVER_OPENED_1_2 = _NEVER_OPENED_1_1 | {
    "lineItemLearningObjectiveIds",
    "lineItemScoreScales",
    "resultLearningObjectiveIds",
    "resultScoreScales",
    "scoreScales",
    "userProfiles",
    "userResources",
}

ALL_FILES: dict[Version, frozenset[str]] = {
    Version.V1_0: _FILES[Version.V1_0] | _NEVER_OPENED_1_1,
    Version.V1_1: _FILES[Version.V1_1] | _NEVER_OPENED_1_1,
    Version.V1_2: _FILES[Version.V1_2] | _NEVER_OPENED_1_2,
}
"""All files that a manifest of the version may name; only `ROSTERING_FILES` are opened."""


_SPELLED = {
    "academicsession": "academicSessions",
    "class": "classes",
    "course": "courses",
    "enrollment": "enrollments",
    "enrolment": "enrollments",
    "enrolments": "enrollments",
    "org": "orgs",
    "organisation": "orgs",
    "organisations": "orgs",
    "organization": "orgs",
    "organizations": "orgs",
    "role": "roles",
    "user": "users",
}
"""Names of files found in real exports, in lower case → the file that they mean."""


@cache
def meant_file(name: str) -> str | None:
    """Return the file of the standard that a name can mean, or None.

    Args:
        name: A name without `.csv`, in any case, with or without spaces, hyphens and underscores.
    """
    plain = name.strip().lower().replace("_", "").replace("-", "").replace(" ", "")
    known = {n.lower(): n for files in ALL_FILES.values() for n in files}
    known |= _SPELLED | {"manifest": "manifest"}
    return known.get(plain)


@cache
def rostering_file(name: str, version: Version) -> File | None:
    """Return the file `name` (without .csv) of a version, or None if the version lacks it."""
    if name not in _FILES[version]:
        return None
    columns = {
        declared.name: declared.in_version(version)
        for declared in _COLUMNS[name]
        if declared.since <= version <= declared.until
    }
    order = _ORDER.get((name, version), list(columns))
    return File(name, version, tuple(columns[canonical] for canonical in order))
