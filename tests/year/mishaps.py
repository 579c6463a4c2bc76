"""Mishaps between the SIS and the sync, each with a name.

A mishap takes the intended package and returns the package that arrives.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from district import District, Package


def truncated(package: Package, rng: random.Random) -> Package:
    """The export of users stops halfway, in the middle of a line."""
    rows = package.tables["users"].rows
    half = int(len(rows) * rng.uniform(0.3, 0.55))
    return package.with_rows("users", [*rows[:half], rows[half][:3]])


def header_only(package: Package, _rng: random.Random) -> Package:
    """The query for users.csv finds no users."""
    return package.with_rows("users", ())


def mistyped_addresses(package: Package, rng: random.Random) -> Package:
    """A sixth of the staff have addresses without the part after the @."""
    return _with_addresses(package, rng, 1 / 6, lambda address: address.partition("@")[0] + "@")


def without_address(package: Package, rng: random.Random) -> Package:
    """One member of the staff has no e-mail address."""
    return _with_addresses(package, rng, 0, lambda _: "")


def _with_addresses(
    package: Package, rng: random.Random, share: float, change: Callable[[str], str]
) -> Package:
    """Change the addresses of a share of the staff, at least one."""
    table = package.tables["users"]
    at = table.index("email")
    rows = list(table.rows)
    staff = [place for place, row in enumerate(rows) if row[at]]
    for place in rng.sample(staff, max(1, int(share * len(staff)))):
        row = rows[place]
        rows[place] = (*row[:at], change(row[at]), *row[at + 1 :])
    return package.with_rows("users", rows)


def half_of(whole: bytes, rng: random.Random) -> bytes:
    """The transfer of the zip is cut off."""
    return whole[: int(len(whole) * rng.uniform(0.2, 0.9))]


def without_school(district: District, school: str) -> District:
    """The export leaves out a school, and all people who work only there."""
    classes = {id_: one for id_, one in district.classes.items() if one.school != school}
    users = {}
    for id_, user in district.users.items():
        orgs = tuple(org for org in user.orgs if org != school)
        if orgs:
            users[id_] = replace(user, orgs=orgs)
    return replace(
        district,
        orgs={id_: org for id_, org in district.orgs.items() if id_ != school},
        courses={id_: one for id_, one in district.courses.items() if one.org != school},
        classes=classes,
        users=users,
        enrollments={
            id_: one
            for id_, one in district.enrollments.items()
            if one.class_ in classes and one.user in users
        },
    )
