"""Why the strict profile rejects a package: one of its lines breaks the standard.

Only the lines of the package count, not those of pending deltas. Lines of pupils are dropped
before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle.door import FILES_OF, Line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oracle.door import Known
    from oracle.judge import Judged
    from oracle.sis import Pack

_TITLED = {"academicSessions", "classes"}
"""Files that must have a title, although it decides nothing."""


def rejects_pack(pack: Pack, known: Known, scope: str) -> bool:
    """Return whether strict rejects a package before it reads any line."""
    files = {name: file for name, file in pack.files.items() if name in FILES_OF[scope]}
    if not pack.lone and pack.version == "1.0":
        return True  # 1.0 has no manifest
    if any(pack.missing.get(name) for name in files) or not all(f.rows for f in files.values()):
        return True
    hang = any(name in files and files[name].mode == "bulk" for name in ("classes", "enrollments"))
    lacks = "courses" in FILES_OF[scope] and "courses" not in files and not known.has_courses
    return lacks and hang


def rejects_lines(judged: Judged, lines: Mapping[str, list[Line]], modes: Mapping[str, str],
                  part: int) -> bool:  # fmt: skip
    """Return whether a line of the package breaks the standard.

    Args:
        judged: The lines of the plan, including those of pending deltas.
        lines: File → the same lines before they were judged.
        modes: File → bulk or delta.
        part: The number that marks the lines of the package.
    """
    if any(line["part"] == part for line in judged.breaking):
        return True
    of_users = [line for line in lines.get("users", ()) if line["part"] == part]
    if _differ_only_in_orgs(of_users):
        return True
    return any(
        _breaks(name, line, modes[name])
        for side in (judged.good, judged.bad)
        for name, of in side.items()
        for line in of
        if line["part"] == part
    )


def _breaks(name: str, line: Line, mode: str) -> bool:
    if mode == "delta" and "dateLastModified" not in line:
        return True
    if mode == "bulk" and "status" in line:
        return True
    return name in _TITLED and "goes" not in line and "title" not in line


def _differ_only_in_orgs(users: list[Line]) -> bool:
    """Return whether several lines of one user differ only in their orgs."""
    by_user: dict[str, list[Line]] = {}
    for line in users:
        if "sourcedId" in line and "flaw" not in line:
            by_user.setdefault(line["sourcedId"], []).append(line)
    for lines in by_user.values():
        rests = [{k: v for k, v in line.items() if k != "orgSourcedIds"} for line in lines]
        orgs = {line.get("orgSourcedIds") for line in lines}
        if len(orgs) > 1 and all(rest == rests[0] for rest in rests):
            return True
    return False
