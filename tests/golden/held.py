"""What a site holds, as one line for each record: the format of `expected.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Site

_USERS = """
select coalesce(sourced_id, email),
       concat_ws(' · ', status, concat_ws(' ', given_name, family_name), email, role,
                 case when not managed then 'hand-made' end)
from users where site = :site and email is distinct from 'admin@district.example'
"""
_COURSES = """
select sourced_id, concat_ws(' · ', status, title, course_code) from courses where site = :site
"""


def held_by(site: Site) -> dict[str, Any]:
    """Return what a site holds, in the format of `expected.json`."""
    return {
        "users": dict(site.rows(_USERS)),
        "courses": dict(site.rows(_COURSES)),
        "assignments": {" ".join(pair): status for pair, status in site.assignments().items()},
    }
