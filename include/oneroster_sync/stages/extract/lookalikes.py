"""Recognize other formats that use OneRoster's file names, by their headers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Lookalike:
    """A format, with the files and headers that only this format has."""

    name: str
    files: frozenset[str]
    headers: frozenset[tuple[str, str]]
    has_sourced_ids: bool = False


_LOOKALIKES = (
    _Lookalike(
        "Microsoft School Data Sync (SDS v2 CSV)",
        frozenset({"userFlags", "relationships"}),
        frozenset(
            {
                ("users", "activeDirectoryMatchId"),
                ("classes", "sessionSourcedIds"),
                ("classes", "orgSourcedId"),
                ("roles", "sessionSourcedId"),
                ("roles", "isPrimary"),
                ("roles", "roleStartDate"),
                ("courses", "code"),
            }
        ),
        has_sourced_ids=True,
    ),
    _Lookalike(
        "Canvas SIS CSV",
        frozenset({"accounts", "sections", "terms", "xlists"}),
        frozenset(
            {
                ("users", "user_id"),
                ("courses", "course_id"),
                ("enrollments", "section_id"),
                ("enrollments", "user_id"),
            }
        ),
    ),
    _Lookalike(
        "Apple School Manager CSV",
        frozenset({"locations", "rosters", "staff", "students"}),
        frozenset({("classes", "class_id"), ("classes", "instructor_id")}),
    ),
    _Lookalike(
        "a user list for Moodle",
        frozenset(),
        frozenset({("users", "firstname"), ("users", "lastname"), ("users", "course1")}),
    ),
    _Lookalike(
        "a user list for Google Workspace",
        frozenset(),
        frozenset({("users", "First Name [Required]"), ("users", "Org Unit Path [Required]")}),
    ),
    _Lookalike(
        "Microsoft School Data Sync (SDS v1 CSV)",
        frozenset({"School", "Section", "Student", "StudentEnrollment", "TeacherRoster"}),
        frozenset(),
    ),
    _Lookalike(
        "Clever CSV",
        frozenset({"schools", "sections", "students", "teachers"}),
        frozenset({("enrollments", "Section_id"), ("enrollments", "Student_id")}),
    ),
)


def lookalike(headers: dict[str, list[str]]) -> str | None:
    """Return the name of the other format that these files have, or None.

    Args:
        headers: File name without `.csv` → cells of its header.
    """
    for format_ in _LOOKALIKES:
        by_file = len(format_.files & headers.keys())
        by_header = any(
            column in headers.get(file, ()) and not _is_ours(headers[file], format_)
            for file, column in format_.headers
        )
        # One name alone, such as terms.csv, may be a file that somebody added to a OneRoster
        # package.
        if by_file > 1 or by_header:
            return format_.name
    # The smallest SDS v2 package has four files, and its roles.csv has no sourcedId or roleType.
    roles = set(headers.get("roles", ()))
    if "userSourcedId" in roles and not {"sourcedId", "roleType"} & roles:
        return _LOOKALIKES[0].name
    return None


def _is_ours(header: list[str], format_: _Lookalike) -> bool:
    """Return whether a header is OneRoster's with extra columns."""
    # School Data Sync has the column sourcedId too; it has no schoolSourcedId.
    own = {"sourcedId", "schoolSourcedId"} if format_.has_sourced_ids else {"sourcedId"}
    return own <= set(header)
