"""Enumerations of the standard, used to distinguish a misspelled value from a wrong one.

The suites under `expectations/` decide which values are allowed; a test compares both.
"""

from __future__ import annotations

STUDENT_LIKE_ROLES = frozenset({"student", "parent", "guardian", "relative"})
"""Roles whose rows are dropped when a file is read: counted as ignored, never stored or logged."""

PLATFORM_ROLE = {
    "administrator": "administrator",
    "districtAdministrator": "administrator",
    "principal": "administrator",
    "siteAdministrator": "administrator",
    "systemAdministrator": "administrator",
    "counselor": "counselor",
    "teacher": "teacher",
    "proctor": "proctor",
    "aide": "aide",
}
"""Role of the standard (1.0, 1.1, 1.2) → role on the platform, in order of precedence.

A person with several roles gets the first of this order among the primary roles, so that the result
depends neither on the order of rows nor on the version of the export.
"""

STAFF_ROLES = frozenset(PLATFORM_ROLE)

ENUMERATIONS: dict[str, frozenset[str]] = {
    "role": STAFF_ROLES | STUDENT_LIKE_ROLES,
    "roleType": frozenset({"primary", "secondary"}),
    "classType": frozenset({"homeroom", "scheduled"}),
    "status": frozenset({"active", "tobedeleted", "inactive"}),
}
"""Column → the values that the standard lists, the same in all files."""

_TYPES = {
    "academicSessions": frozenset({"gradingPeriod", "schoolYear", "semester", "term"}),
    "orgs": frozenset({"department", "district", "local", "national", "school", "state"}),
}


def listed_values(file: str, column: str) -> frozenset[str]:
    """Return the values that the standard lists for a column, or an empty set.

    Args:
        file: The file, without `.csv`.
        column: The column.
    """
    return _TYPES.get(file, frozenset()) if column == "type" else ENUMERATIONS.get(column, _NONE)


_NONE: frozenset[str] = frozenset()

BOOLEANS = frozenset({"enabledUser", "primary"})
"""Columns that hold true or false."""

# The standard has only true and false in lower case; exports write TRUE, and yes or 1 is as clear.
BOOLEAN_SPELLINGS = {
    "true": "true",
    "t": "true",
    "yes": "true",
    "y": "true",
    "1": "true",
    "false": "false",
    "f": "false",
    "no": "false",
    "n": "false",
    "0": "false",
}
"""Unambiguous spellings of true and false, in lower case."""
