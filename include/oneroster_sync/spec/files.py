"""Files and columns of the OneRoster CSV bindings 1.0, 1.1 and 1.2.

To let the sync read one more column, drop its `-` in the table below; to keep it on the platform,
name it in `oneroster_sync.plan.fields` and add it to the table by a migration.
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
    """What happens when a column is missing from a file's header."""

    ESSENTIAL = "essential"
    """The sync can't do without it: the file is refused."""
    REQUIRED = "required"
    """The standard demands values: refused in strict, a warning in tolerant."""
    OPTIONAL = "optional"
    """The standard demands the header only: refused in strict, a warning in tolerant."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file.

    Attributes:
        name: The header, as the version spells it.
        canonical: The name that the sync uses, the same in all versions.
        need: What a missing header means.
        read: Whether values are read at all. Passwords, telephone numbers and the like are not.
        is_list: Whether a cell holds several values, separated by commas.
    """

    name: str
    canonical: str
    need: Need
    read: bool
    is_list: bool


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


# `!` essential, `*` required by the standard, `[]` list, `-` never read, `old=new` renamed since.
_HEAD = "sourcedId! status dateLastModified"

_TABLES: dict[Version, dict[str, str]] = {
    Version.V1_0: {
        "academicSessions": f"{_HEAD} title* type* startDate* endDate* parentSourcedId",
        "orgs": f"{_HEAD} name* type* identifier- parentSourcedId",
        "courses": f"{_HEAD} schoolYearId=schoolYearSourcedId title! courseCode grade=grades[] "
        "orgSourcedId* subjects[]",
        "classes": f"{_HEAD} title* grade=grades-[] courseSourcedId! classCode- classType* "
        "location- schoolSourcedId* termSourcedId=termSourcedIds*[] subjects-[]",
        "users": f"{_HEAD} orgSourcedIds*[] role! username* userId=userIds- givenName! familyName! "
        "identifier- email! sms- phone- agents=agentSourcedIds-[]",
        "enrollments": "sourcedId! classSourcedId! schoolSourcedId* userSourcedId! role! status "
        "dateLastModified primary",
    },
    Version.V1_1: {
        "academicSessions": f"{_HEAD} title* type* startDate* endDate* parentSourcedId schoolYear*",
        "orgs": f"{_HEAD} name* type* identifier- parentSourcedId",
        "courses": f"{_HEAD} schoolYearSourcedId title! courseCode grades[] orgSourcedId* "
        "subjects[] subjectCodes-[]",
        "classes": f"{_HEAD} title* grades-[] courseSourcedId! classCode- classType* location- "
        "schoolSourcedId* termSourcedIds*[] subjects-[] subjectCodes-[] periods-[]",
        "users": f"{_HEAD} enabledUser* orgSourcedIds*[] role! username* userIds- givenName! "
        "familyName! middleName- identifier- email! sms- phone- agentSourcedIds-[] grades- "
        "password-",
        "enrollments": f"{_HEAD} classSourcedId! schoolSourcedId* userSourcedId! role! primary "
        "beginDate endDate",
    },
    Version.V1_2: {
        "users": f"{_HEAD} enabledUser* username* userIds- givenName! familyName! middleName- "
        "identifier- email! sms- phone- agentSourcedIds-[] grades- password- userMasterIdentifier- "
        "preferredGivenName- preferredMiddleName- preferredFamilyName- primaryOrgSourcedId "
        "pronouns-",
        "roles": f"{_HEAD} userSourcedId! roleType* role! beginDate endDate orgSourcedId! "
        "userProfileSourcedId-",
    },
}
_TABLES[Version.V1_2] = {**_TABLES[Version.V1_1], **_TABLES[Version.V1_2]}

ROSTERING_FILES = (
    "academicSessions",
    "orgs",
    "courses",
    "classes",
    "roles",
    "users",
    "enrollments",
)
"""The files that the sync opens, in an order in which a target stands before what points to it."""

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
    Version.V1_0: frozenset(_TABLES[Version.V1_0]) | _NEVER_OPENED_1_1,
    Version.V1_1: frozenset(_TABLES[Version.V1_1]) | _NEVER_OPENED_1_1,
    Version.V1_2: frozenset(_TABLES[Version.V1_2]) | _NEVER_OPENED_1_2,
}
"""Every file that a manifest of the version may name; those not in `ROSTERING_FILES` stay shut."""


@cache
def rostering_file(name: str, version: Version) -> File | None:
    """Return the file `name` (without .csv) of a version, or None where it has none."""
    table = _TABLES[version].get(name)
    if table is None:
        return None
    return File(name, version, tuple(_column(word) for word in table.split()))


def _column(word: str) -> Column:
    spelling, _, canonical = word.partition("=")
    flags = "!*[]-"
    name = spelling.rstrip(flags)
    marks = word[len(word.rstrip(flags)) :]
    need = Need.ESSENTIAL if "!" in marks else Need.REQUIRED if "*" in marks else Need.OPTIONAL
    return Column(name, canonical.rstrip(flags) or name, need, "-" not in marks, "[]" in marks)
