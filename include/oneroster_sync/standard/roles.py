"""Roles of people: who is staff, who is dropped at the door, and what the platform calls them."""

from __future__ import annotations

STUDENT_LIKE_ROLES = frozenset({"student", "parent", "guardian", "relative"})
"""Dropped at the door in every version: counted as ignored, never stored, never logged."""

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
"""Role of the standard (1.0, 1.1, 1.2) → role on the platform, the weightier first.

A person with several roles gets the first of this order among the primary ones, so that neither
the order of rows nor the version of the export changes a person.
"""

STAFF_ROLES = frozenset(PLATFORM_ROLE)
