"""Days in every mode: packages in which each file is bulk, delta or absent.

They have what makes such days hard: people who become students, rows of a bulk file that ask for a
removal, new users with the e-mail of a user who left, and disabled accounts with a shared e-mail.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from district.checks import MARKS
from district.rows import Package, Table, bulk_package, delta_package

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from district.model import District

MODES = ("bulk", "delta", "absent")
_MAY_BE_ABSENT = ("users", "roles")


def draw_modes(rng: random.Random, version: str) -> dict[str, str]:
    """Draw a mode for each file; orgs and academicSessions are always bulk."""
    if version == "1.0":
        return {}
    modes = {file: rng.choice(MODES[:2]) for file in ("courses", "classes", "enrollments")}
    for file in _MAY_BE_ABSENT:
        modes[file] = rng.choice(MODES)
    return modes


def mixed_package(
    yesterday: District, today: District, version: str, modes: Mapping[str, str]
) -> Package:
    """Return the day as a package whose files are in the given modes, bulk by default."""
    whole = bulk_package(today, version)
    changes = delta_package(yesterday, today, version) if version != "1.0" else whole
    tables: dict[str, Table] = {}
    for file, table in whole.tables.items():
        mode = modes.get(file, "bulk")
        if mode == "bulk":
            tables[file] = table
        elif mode == "delta" and file in changes.tables:
            tables[file] = changes.tables[file]
    return Package(version, tables)


def unsettle(district: District, rng: random.Random) -> District:
    """Make a day harder: a teacher becomes a student, and two accounts get e-mails of others.

    A new user may get the e-mail of a user who left, and a disabled account that of an active one.
    The same generator state gives the same day; the given day is not changed.
    """
    users = dict(district.users)
    teachers = [u for u in users.values() if u.role in ("teacher", "aide") and u.enabled]
    if len(teachers) < 4:
        return district
    turned, disabled, other = rng.sample(teachers, 3)
    if rng.random() < 0.5:
        users[turned.sourced_id] = replace(turned, role="student", second_role="")
    if rng.random() < 0.5:
        users[disabled.sourced_id] = replace(disabled, enabled=False, email=other.email)
    left = [u for u in district.left_users.values() if u.sourced_id not in users]
    fresh = [
        u
        for u in users.values()
        if u.is_staff and u.sourced_id not in {turned.sourced_id, disabled.sourced_id}
    ]
    taken = {u.email.lower() for u in users.values()}
    free = [u for u in left if u.email.lower() not in taken]
    if free and rng.random() < 0.7:
        one, heir = rng.choice(free), rng.choice(fresh)
        # Matching takes two rows with the same e-mail and a common name for one person.
        if one.given_name != heir.given_name and one.family_name != heir.family_name:
            users[heir.sourced_id] = replace(heir, email=one.email)
    return replace(district, users=users)


def with_marks(package: Package, rng: random.Random, share: float = 0.02) -> Package:
    """Let some rows of bulk files ask for a removal by their status, as some systems do."""
    for file in ("users", "courses", "classes", "enrollments"):
        table = package.tables.get(file)
        if table is None or table.mode != "bulk":
            continue
        status = table.index("status")
        rows = [
            (*row[:status], rng.choice(MARKS[package.version]), *row[status + 1 :])
            if rng.random() < share
            else row
            for row in table.rows
        ]
        package = package.with_rows(file, rows)
    return package
