"""The kinds of uploads: users.csv, courses.csv, a whole package, or a mapping.

A mapping is a file that a person writes: ids.csv changes the sourcedIds of records, links.csv
assigns accounts to people of the SIS.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The kind of an upload."""

    USERS = "users"
    COURSES = "courses"
    PACKAGE = "package"
    IDS = "ids"
    LINKS = "links"


MAPPINGS = {Kind.IDS: ("kind", "oldSourcedId", "newSourcedId"), Kind.LINKS: ("email", "sourcedId")}
"""The kinds that are mappings, and their columns."""
