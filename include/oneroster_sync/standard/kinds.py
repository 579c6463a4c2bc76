"""What is uploaded: users.csv, courses.csv, a whole package, or a mapping.

A mapping is what people write of their own: ids.csv gives records other sourcedIds, links.csv says
which accounts are which people of the SIS.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What is uploaded."""

    USERS = "users"
    COURSES = "courses"
    PACKAGE = "package"
    IDS = "ids"
    LINKS = "links"


MAPPINGS = {Kind.IDS: ("kind", "oldSourcedId", "newSourcedId"), Kind.LINKS: ("email", "sourcedId")}
"""The kinds that are mappings, and their columns."""
