"""Write a district's arrays as a OneRoster 1.1 package, piece by piece."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.districts.faults import plant, spoil
from benchmarks.districts.records import ROLES, STAFF
from district.columns import COLUMNS, MANIFEST_FILES
from district.words import FAMILY_NAMES, GIVEN_NAMES, GRADES, LEVELS, SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.districts.records import District, Flags, Numbers, Records

_PIECE = 250_000
"""Maximum number of rows in memory as text."""
_TEXT = pa.large_string()
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_QUOTE = '"'
_ID_LENGTH, _DASHES = 36, (8, 13, 18, 23)


class Ids:
    """sourcedIds of each kind of record: random UUIDs, the same for the same seed."""

    def __init__(self, seed: int, counts: Mapping[str, int]) -> None:
        """Generate the sourcedIds of each kind."""
        self._ids = {
            kind: _uuids(np.random.default_rng([seed, 9, number]), count)
            for number, (kind, count) in enumerate(counts.items())
        }

    def of(self, kind: str, numbers: Numbers) -> pa.Array:
        """Return the sourcedIds of records by their numbers."""
        return self._ids[kind].take(pa.array(numbers))


def write(folder: Path, district: District, rng: np.random.Generator | None, year: int) -> None:
    """Write a district as a package; some rows of each large file are bad.

    Args:
        folder: The folder, which is created or overwritten.
        district: The district.
        rng: Chooses the bad rows and their faults; None for no bad rows.
        year: Year in whose August the school year begins.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = district.files
    counts = {name: int(records.ids.max()) + 1 for name, records in files.items()}
    ids = Ids(district.seed, {"orgs": district.schools + 1, "academicSessions": 3, **counts})
    _write_manifest(folder)
    _write_small(folder, district, ids, year)
    cells: dict[str, Callable[[Records], dict[str, pa.Array]]] = {
        "courses": lambda part: _course_cells(part, ids),
        "classes": lambda part: _class_cells(part, ids),
        "users": lambda part: _user_cells(part, ids),
        "enrollments": lambda part: _enrollment_cells(part, ids, year),
    }
    for name, make in cells.items():
        _write_large(folder / f"{name}.csv", name, files[name], make, rng, year)


def _write_large(
    path: Path,
    name: str,
    records: Records,
    make: Callable[[Records], dict[str, pa.Array]],
    rng: np.random.Generator | None,
    year: int,
) -> None:
    def cell(column: str, row: int) -> str:
        value: str = make(records.where(slice(row, row + 1)))[column][0].as_py()
        return value

    roles = records.columns.get("role", np.zeros(len(records), np.int64))
    sorts = (roles >= STAFF).astype(np.int64)
    faults = plant(name, sorts, cell, rng, year=year + 1) if rng else {}
    header = COLUMNS["1.1"][name]
    with path.open("wb") as file:
        file.write(",".join(header).encode() + b"\n")
        for start in range(0, len(records), _PIECE):
            part = records.where(slice(start, start + _PIECE))
            made = make(part)
            spoil(made, faults, start, len(part))
            blank = _repeated("", len(part))
            cells = [made.get(column, blank) for column in header]
            lines = _joined(pc.binary_join_element_wise(*cells, pa.scalar(",", _TEXT)), "\n")
            # The values of an Arrow array of texts lie in one buffer, one after the other: the
            # piece as bytes.
            file.write(lines.buffers()[2])


def _write_manifest(folder: Path) -> None:
    files = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")
    words = [("manifest.version", "1.0"), ("oneroster.version", "1.1")]
    words += [
        (f"file.{name}", "bulk" if name in files else "absent") for name in MANIFEST_FILES["1.1"]
    ]
    words += [("source.systemName", "benchmark"), ("source.systemCode", "benchmark")]
    _write_rows(folder / "manifest.csv", ("propertyName", "value"), words)


def _write_small(folder: Path, district: District, ids: Ids, year: int) -> None:
    orgs = ids.of("orgs", np.arange(district.schools + 1)).to_pylist()
    rows = [(orgs[0], "", "", "Example Unified", "district", "00000", "")]
    rows += [
        (org, "", "", f"School {n}", "school", f"{n:05d}", orgs[0])
        for n, org in enumerate(orgs[1:], start=1)
    ]
    _write_rows(folder / "orgs.csv", COLUMNS["1.1"]["orgs"], rows)
    whole, fall, spring = ids.of("academicSessions", np.arange(3)).to_pylist()
    first, mid, last = f"{year}-08-01", f"{year + 1}-02-01", f"{year + 1}-07-31"
    ends = str(year + 1)
    sessions = [
        (whole, "", "", "School year", "schoolYear", first, last, "", ends),
        (fall, "", "", "Fall", "term", first, mid, whole, ends),
        (spring, "", "", "Spring", "term", mid, last, whole, ends),
    ]
    _write_rows(folder / "academicSessions.csv", COLUMNS["1.1"]["academicSessions"], sessions)


def _write_rows(path: Path, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def _course_cells(courses: Records, ids: Ids) -> dict[str, pa.Array]:
    titles = [f"{subject} {level}" for subject in SUBJECTS for level in LEVELS]
    title = courses.columns["title"]
    none = np.zeros(len(courses), np.int64)
    return {
        "sourcedId": ids.of("courses", courses.ids),
        "schoolYearSourcedId": ids.of("academicSessions", none),
        "title": _chosen(titles, title),
        "courseCode": _joined("C", _numbered(courses.ids)),
        "grades": _chosen(GRADES, title % len(GRADES)),
        "orgSourcedId": ids.of("orgs", none),
        "subjects": _chosen([s.replace(",", "") for s in SUBJECTS], title // len(LEVELS)),
    }


def _class_cells(classes: Records, ids: Ids) -> dict[str, pa.Array]:
    fall, spring = ids.of("academicSessions", np.arange(1, 3)).to_pylist()
    number = _numbered(classes.ids)
    return {
        "sourcedId": ids.of("classes", classes.ids),
        "title": _joined("Section ", number),
        "courseSourcedId": ids.of("courses", classes.columns["course"]),
        "classCode": _joined("X-", number),
        "classType": _repeated("scheduled", len(classes)),
        "location": _joined("Room ", _numbered(classes.ids % 40)),
        "schoolSourcedId": ids.of("orgs", classes.columns["school"] + 1),
        "termSourcedIds": _chosen((fall, spring, f"{fall},{spring}"), classes.columns["terms"]),
    }


def _user_cells(users: Records, ids: Ids) -> dict[str, pa.Array]:
    count, role, number = len(users), users.columns["role"], _numbered(users.ids)
    given = _chosen(GIVEN_NAMES, users.columns["given"])
    grades = _chosen(GRADES, users.ids % len(GRADES))
    blank = _repeated("", count)
    mailed = (users.columns["mailed"] == 1) & ((role >= STAFF) | (users.ids % 3 > 0))
    local = _chosen(_mailable(GIVEN_NAMES), users.columns["given"])
    address = _joined(local, number, "@district.example")
    return {
        "sourcedId": ids.of("users", users.ids),
        "enabledUser": _chosen(("false", "true"), users.columns["enabled"]),
        "orgSourcedIds": ids.of("orgs", users.columns["school"] + 1),
        "role": _chosen(ROLES, role),
        "username": _joined("u", number),
        "userIds": _joined("{LDAP:", number, "}"),
        "givenName": given,
        "familyName": _chosen(FAMILY_NAMES, users.columns["family"]),
        "identifier": number,
        "email": pc.if_else(pa.array(mailed), address, blank),
        "phone": _joined("555-", _numbered(users.ids % 10_000)),
        "grades": pc.if_else(pa.array(role == 0), grades, blank),
    }


def _enrollment_cells(enrollments: Records, ids: Ids, year: int) -> dict[str, pa.Array]:
    count, columns = len(enrollments), enrollments.columns
    primary = pa.array(_is_first_teacher(columns).astype(np.int64))
    return {
        "sourcedId": ids.of("enrollments", enrollments.ids),
        "classSourcedId": ids.of("classes", columns["class"]),
        "schoolSourcedId": ids.of("orgs", columns["school"] + 1),
        "userSourcedId": ids.of("users", columns["user"]),
        "role": _chosen(ROLES, columns["role"]),
        "primary": _chosen(("false", "true"), primary),
        "beginDate": _repeated(f"{year}-08-15", count),
        "endDate": _repeated(f"{year + 1}-06-11", count),
    }


def _is_first_teacher(columns: dict[str, Numbers]) -> Flags:
    """Return which enrollments belong to the first, primary teacher of their class."""
    taught = np.flatnonzero(columns["role"] == ROLES.index("teacher"))
    _, first = np.unique(columns["class"][taught], return_index=True)
    found = np.zeros(len(columns["role"]), np.bool_)
    found[taught[first]] = True
    return found


def _mailable(names: tuple[str, ...]) -> list[str]:
    """Return names in the form of local parts of e-mail addresses."""
    plain = ("".join(c for c in name.lower() if c.isascii() and c.isalpha()) for name in names)
    return [f"{name or 'staff'}." for name in plain]


def _chosen(texts: tuple[str, ...] | list[str], numbers: Numbers | pa.Array) -> pa.Array:
    # Only constant texts can need quotes, so they are quoted before they are repeated.
    quoted = [f'"{t.replace(_QUOTE, 2 * _QUOTE)}"' if set(t) & set(',"') else t for t in texts]
    return pa.array(quoted, _TEXT).take(pa.array(numbers))


def _numbered(numbers: Numbers) -> pa.Array:
    return pa.array(numbers).cast(_TEXT)


def _repeated(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, _TEXT), count)


def _joined(*parts: str | pa.Array) -> pa.Array:
    texts = [pa.scalar(part, _TEXT) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*texts, pa.scalar("", _TEXT))


def _uuids(rng: np.random.Generator, count: int) -> pa.Array:
    text = _HEX[rng.integers(16, size=(count, _ID_LENGTH), dtype=np.uint8)]
    text[:, _DASHES] = ord("-")
    # All texts have one length, so the offsets are a multiplication, and no text is ever a Python
    # object.
    offsets = np.arange(count + 1, dtype=np.int64) * _ID_LENGTH
    buffers = (pa.py_buffer(offsets.tobytes()), pa.py_buffer(text.tobytes()))
    return pa.LargeStringArray.from_buffers(count, *buffers)
