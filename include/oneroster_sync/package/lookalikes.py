"""Formats that share OneRoster's file names but are something else, known by their headers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Lookalike:
    """A format, and what gives it away: files that only it has, and headers that only it has."""

    name: str
    files: frozenset[str]
    headers: frozenset[tuple[str, str]]


_LOOKALIKES = (
    _Lookalike(
        "Microsoft School Data Sync (SDS v2.1 CSV)",
        frozenset({"userFlags", "relationships"}),
        frozenset(
            {
                ("users", "activeDirectoryMatchId"),
                ("classes", "sessionSourcedIds"),
                ("roles", "sessionSourcedId"),
                ("courses", "code"),
            }
        ),
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
    """Return the name of the format that these files are really of, or None.

    Args:
        headers: File name without `.csv` → its header's cells.
    """
    for format_ in _LOOKALIKES:
        by_file = len(format_.files & headers.keys())
        by_header = sum(column in headers.get(file, ()) for file, column in format_.headers)
        if by_file > 1 or by_header:
            return format_.name
    return None
