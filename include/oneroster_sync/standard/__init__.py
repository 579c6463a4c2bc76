"""The OneRoster standard as data: files and columns of 1.0, 1.1 and 1.2, and the roles of people.

The rules for values (required, enumerations, formats, references) are in the Great Expectations
suites under `expectations/`, not here.
"""

from __future__ import annotations

from oneroster_sync.standard.enums import PLATFORM_ROLE, STAFF_ROLES, STUDENT_LIKE_ROLES
from oneroster_sync.standard.files import (
    ALL_FILES,
    ROSTERING_FILES,
    Column,
    File,
    Need,
    Version,
    meant_file,
    rostering_file,
)

__all__ = [
    "ALL_FILES",
    "PLATFORM_ROLE",
    "ROSTERING_FILES",
    "STAFF_ROLES",
    "STUDENT_LIKE_ROLES",
    "Column",
    "File",
    "Need",
    "Version",
    "meant_file",
    "rostering_file",
]
