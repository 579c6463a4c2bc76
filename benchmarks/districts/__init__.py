"""Generate districts of any size from a seed, as OneRoster 1.1 packages for three days.

The tests' districts (`tests/district`) are made record by record, with every irregularity that a
test needs; a million such users take an hour. Here each file consists of a few arrays of numbers,
which are turned into text piece by piece: as plain and as large as a real export. Columns and names
are shared with the tests.

On day 2, 1 % of the users and courses are new, 1 % are removed with all dependent records, 2 % are
changed, and so are 2 % of the classes (to another course) and of the enrollments (to another
class). On both days 0.5 % of the rows of each file are bad, with other rows each day. Day 3 repeats
day 2.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import PROJECT
from benchmarks.districts.csv_package import write
from benchmarks.districts.records import ROLES, District, Records
from district.words import FAMILY_NAMES, GIVEN_NAMES, LEVELS, SUBJECTS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.districts.records import Flags, Numbers

MADE_BY = 4
"""Version of this generator: packages of another version are generated again."""
SIZES = {"S": (2_000, 10_000), "M": (100_000, 500_000), "L": (1_000_000, 5_000_000)}
"""Size → users, enrollments."""
DAYS = (1, 2, 3)
_SHARES = (0.80, 0.13, 0.054, 0.007, 0.005, 0.004)
_TEACHER = ROLES.index("teacher")
_USERS_OF_SCHOOL = 600
_CLASSES_OF_TEACHER = 5
_DISABLED, _NO_EMAIL = 0.02, 0.005
_NEW, _GONE, _CHANGED = 0.01, 0.01, 0.02


def packages(size: str, seed: int, year: int) -> dict[int, Path]:
    """Return day → folder of its package, generated unless it exists.

    Args:
        size: S, M or L.
        seed: Seed of the district.
        year: Year in whose August the school year begins.
    """
    root = PROJECT / "build" / "districts" / f"{size}-{seed}-{year}-v{MADE_BY}"
    folders = {day: root / f"day{day}" for day in DAYS}
    folders[3] = folders[2]
    if not (root / "made.json").exists():
        # A stream of random numbers for each step: a change of one leaves the others as they were.
        today = first_day(*SIZES[size], seed=seed)
        write(folders[1], today, np.random.default_rng([seed, 1]), year)
        today = next_day(today, np.random.default_rng([seed, 2]))
        write(folders[2], today, np.random.default_rng([seed, 3]), year)
        # Written last: a generation that was interrupted is begun anew.
        (root / "made.json").write_text(json.dumps({"size": size, "seed": seed}), "utf-8")
    return folders


def first_day(users: int, enrollments: int, *, seed: int) -> District:
    """Make a district with these numbers of users and enrollments."""
    rng = np.random.default_rng([seed, 0])
    schools = max(2, users // _USERS_OF_SCHOOL)
    made = District(seed, schools, {})
    people = _users(rng, np.arange(users), schools)
    teachers = people.ids[people.columns["role"] == _TEACHER]
    courses = _courses(rng, np.arange(len(teachers)))
    classes = _classes(rng, np.arange(_CLASSES_OF_TEACHER * len(teachers)), courses.ids, schools)
    made.files = {"courses": courses, "classes": classes, "users": people}
    made.files["enrollments"] = _enrollments(rng, 0, enrollments, made)
    return made


def next_day(before: District, rng: np.random.Generator) -> District:
    """Return the district on the next day."""
    files = dict(before.files)
    for name in ("users", "courses"):
        records = files[name]
        # Numbers are never used again, since a sourcedId belongs to one record for ever.
        fresh = np.arange(records.ids.max() + 1, records.ids.max() + 1 + _some(records, _NEW))
        files[name] = records.where(~_chosen(rng, records, _GONE))
        changed = _chosen(rng, files[name], _CHANGED)
        if name == "users":
            _change_users(rng, files[name], changed, before.schools)
            files[name] = files[name].and_also(_users(rng, fresh, before.schools))
        else:
            files[name] = _with(files[name], "title", changed, rng)
            files[name] = files[name].and_also(_courses(rng, fresh))
    classes, courses = files["classes"], files["courses"].ids
    classes = classes.where(np.isin(classes.columns["course"], courses))
    classes = _with(classes, "course", _chosen(rng, classes, _CHANGED), rng, among=courses)
    fresh = np.arange(classes.ids.max() + 1, classes.ids.max() + 1 + _some(classes, _NEW))
    files["classes"] = classes.and_also(_classes(rng, fresh, courses, before.schools))
    today = District(before.seed, before.schools, files)
    old = files["enrollments"]
    stays = np.isin(old.columns["user"], files["users"].ids)
    stays &= np.isin(old.columns["class"], files["classes"].ids)
    kept = old.where(stays)
    changed = _chosen(rng, kept, _CHANGED)
    kept = _with(kept, "class", changed, rng, among=files["classes"].ids)
    fresh_ones = _enrollments(rng, int(old.ids.max()) + 1, len(old) - len(kept), today)
    files["enrollments"] = kept.and_also(fresh_ones)
    return today


def _users(rng: np.random.Generator, ids: Numbers, schools: int) -> Records:
    count = len(ids)
    # The counts are rounded up, so there are too many. Reversed, it is students who are cut off,
    # and the smallest district has users of each role of staff.
    exact = np.repeat(np.arange(len(ROLES)), np.ceil(np.multiply(_SHARES, count)).astype(int))
    return Records(
        ids,
        {
            "role": rng.permutation(exact[::-1][:count]),
            "school": rng.integers(schools, size=count),
            "given": rng.integers(len(GIVEN_NAMES), size=count),
            "family": rng.integers(len(FAMILY_NAMES), size=count),
            "enabled": (rng.random(count) >= _DISABLED).astype(np.int64),
            "mailed": (rng.random(count) >= _NO_EMAIL).astype(np.int64),
        },
    )


def _change_users(
    rng: np.random.Generator,
    users: Records,
    changed: Flags,
    schools: int,
) -> None:
    """Give half of the users another family name, a quarter another school; toggle the others."""
    at = rng.permutation(np.flatnonzero(changed))
    named, moved, switched = np.split(at, [len(at) // 2, 3 * len(at) // 4])
    # Copied, because the day before shares the arrays.
    columns = {name: values.copy() for name, values in users.columns.items()}
    columns["family"][named] = (columns["family"][named] + 1) % len(FAMILY_NAMES)
    columns["school"][moved] = (columns["school"][moved] + 1) % schools
    columns["enabled"][switched] = 1 - columns["enabled"][switched]
    users.columns = columns


def _courses(rng: np.random.Generator, ids: Numbers) -> Records:
    titles = len(SUBJECTS) * len(LEVELS)
    return Records(ids, {"title": rng.integers(titles, size=len(ids))})


def _classes(rng: np.random.Generator, ids: Numbers, courses: Numbers, schools: int) -> Records:
    return Records(
        ids,
        {
            "course": rng.choice(courses, len(ids)),
            "school": rng.integers(schools, size=len(ids)),
            "terms": rng.integers(3, size=len(ids)),
        },
    )


def _enrollments(rng: np.random.Generator, first: int, count: int, made: District) -> Records:
    """Give each class without a teacher one, some another or an aide, and all of them students.

    Existing enrollments are not considered: on later days, new enrollments have the same share of
    teachers as on the first.
    """
    users, classes = made.files["users"], made.files["classes"]
    role = users.columns["role"]
    by_role = [users.ids[role == number] for number in range(len(ROLES))]
    taught = min(count, classes.ids.size) if first == 0 else round(0.06 * count)
    others = round(0.1 * taught)
    of_class = classes.ids if first == 0 else rng.choice(classes.ids, taught)
    roles = np.full(count, ROLES.index("student"))
    roles[:taught] = _TEACHER
    roles[taught : taught + others] = rng.choice([_TEACHER, ROLES.index("aide")], others)
    people = rng.choice(by_role[0], count)
    for number in (_TEACHER, ROLES.index("aide")):
        people[roles == number] = rng.choice(by_role[number], int((roles == number).sum()))
    in_class = rng.choice(classes.ids, count)
    in_class[:taught] = of_class[:taught]
    school = np.zeros(classes.ids.max() + 1, np.int64)
    school[classes.ids] = classes.columns["school"]
    order = rng.permutation(count)
    columns = {"class": in_class, "user": people, "role": roles, "school": school[in_class]}
    return Records(
        np.arange(first, first + count), {n: values[order] for n, values in columns.items()}
    )


def _some(records: Records, share: float) -> int:
    return max(1, round(share * len(records)))


def _chosen(rng: np.random.Generator, records: Records, share: float) -> Flags:
    chosen = np.zeros(len(records), np.bool_)
    chosen[rng.choice(len(records), _some(records, share), replace=False)] = True
    return chosen


def _with(
    records: Records,
    column: str,
    changed: Flags,
    rng: np.random.Generator,
    among: Numbers | None = None,
) -> Records:
    """Return the records with new values in one column: the next title, or a random value."""
    values = records.columns[column].copy()
    if among is None:
        values[changed] = (values[changed] + 1) % (len(SUBJECTS) * len(LEVELS))
    else:
        values[changed] = rng.choice(among, int(changed.sum()))
    return Records(records.ids, {**records.columns, column: values})
