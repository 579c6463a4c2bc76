"""The made-up district matches the assumptions of the sync's tests.

A generator or an oracle with an error of its own proves nothing, so both have promises too: the
generator's days are clean, any CSV reader can read its files, each planted fault is the named one,
and the oracle follows the rules of a sync in cases that are small enough to check by hand.
"""

from __future__ import annotations

import csv
import io
import itertools
import random
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from district import (
    BUSY,
    EMPTY,
    FAULT_NAMES,
    ID_STYLES,
    STYLES,
    District,
    Package,
    Style,
    bulk_package,
    delta_package,
    desired,
    make_district,
    next_day,
    plant_faults,
    shuffled,
    write_folder,
    write_lone_csv,
    write_zip,
)
from district.columns import MANIFEST_FILES, VERSIONS
from district.faults import staff_rows
from district.model import dangling
from district.write import manifest_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from district.rows import Row

SEEDS = st.integers(0, 10_000)
SIZES = st.integers(2, 80)


def live(district: District, seed: int, days: int) -> list[District]:
    """Return the district and the busy days that follow it."""
    lived = [district]
    for day in range(days):
        lived.append(next_day(lived[-1], random.Random(seed + day), BUSY))
    return lived


# The generator


@pytest.mark.parametrize("users", [2, 3, 17, 400, 2000])
@pytest.mark.parametrize("ids", ID_STYLES)
def test_district_has_the_size_it_was_asked_for(users: int, ids: str) -> None:
    """A district has exactly the requested users, about 70 % of them students, and a teacher."""
    district = make_district(7, users, ids=ids)

    roles = Counter(user.role for user in district.users.values())
    assert len(district.users) == users
    assert roles["student"] == max(1, round(users * 0.7))
    assert roles["teacher"] >= 1
    assert district.assignments()


def test_district_is_too_small() -> None:
    """A district of one user is refused."""
    with pytest.raises(ValueError, match="a teacher and a student"):
        make_district(1, 1)


def test_style_of_ids_is_unknown() -> None:
    """An unknown style of ids is refused by name."""
    with pytest.raises(ValueError, match="'roman'"):
        make_district(1, 10, ids="roman")


@given(SEEDS, SIZES, st.sampled_from(ID_STYLES))
@settings(deadline=None, max_examples=60)
def test_days_are_clean(seed: int, users: int, ids: str) -> None:
    """Every day has only valid references, and every file has a row of the staff."""
    for day in live(make_district(seed, users, ids=ids), seed, 3):
        assert dangling(day) == []
        for version in VERSIONS:
            assert all(staff_rows(bulk_package(day, version)).values())


def test_one_seed_is_one_district() -> None:
    """The same seed gives the same days; another seed gives others."""
    days = live(make_district(3, 60), 3, 2)

    assert live(make_district(3, 60), 3, 2) == days
    assert make_district(4, 60) != days[0]


def test_days_hold_every_kind_of_change() -> None:
    """A few busy days add, remove, change and restore users, courses and assignments."""
    counts: Counter[str] = Counter()
    roster = EMPTY
    for day in live(make_district(5, 300, ids="mixed"), 5, 6):
        result = desired(roster, bulk_package(day))
        roster = result.roster
        counts.update({f"users {name}": n for name, n in result.counts.users.items()})
        counts.update({f"courses {name}": n for name, n in result.counts.courses.items()})
        counts.update({f"assignments {name}": n for name, n in result.counts.assignments.items()})

    assert not [name for name, count in counts.items() if not count and "errors" not in name]
    assert not [name for name, count in counts.items() if count and "errors" in name]


def test_district_is_awkward_on_purpose() -> None:
    """Shared classes, repeated courses, disabled staff, odd names and odd ids all occur."""
    district = make_district(11, 600, ids="mixed")
    taught = [e for e in district.enrollments.values() if e.role == "teacher"]
    ids = list(district.users)

    assert any(count > 1 for count in Counter(e.class_ for e in taught).values())
    assert len(district.assignments()) < len(taught)
    assert {user.role for user in district.staff()} >= {"teacher", "aide", "administrator"}
    assert any(not user.enabled for user in district.staff())
    assert any(user.second_role for user in district.staff())
    assert any(len(user.orgs) > 1 for user in district.staff()) or len(district.schools) == 1
    names = {user.family_name for user in district.users.values()}
    assert names >= {"O'Brien", "髙橋", "Null", "Doe, Jr."}
    assert len({id_.lower() for id_ in ids}) < len(set(ids))
    assert any("," in id_ and '"' in id_ for id_ in district.enrollments | district.classes)
    assert any(id_.startswith("000") for id_ in ids)


def test_numeric_ids_repeat_between_files() -> None:
    """A numeric sourcedId with leading zeros may be a user's in one file, a course's in another."""
    days = live(make_district(1, 400, ids="numeric"), 1, 1)

    assert all(id_.isdigit() and id_.startswith("0") for id_ in days[0].users)
    assert set(days[0].users) & set(days[0].enrollments)


# The files


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("style", STYLES)
def test_files_say_what_the_rows_say(tmp_path: Path, version: str, style: Style) -> None:
    """In every layout a plain CSV reader finds the header and the rows of the package."""
    package = bulk_package(make_district(2, 40, ids="mixed"), version)
    paths = [
        write_zip(package, tmp_path / "p.zip", style),
        write_folder(package, tmp_path / "p", style),
    ]

    for path in paths:
        files = read_files(path)
        assert ("manifest.csv" in files) == (style.manifest and version != "1.0")
        for name, table in package.tables.items():
            assert read_csv(files[f"{name}.csv"]) == [table.header, *table.rows]


def test_manifest_speaks_of_every_file() -> None:
    """The manifest names each file of the version once, as bulk, delta or absent."""
    yesterday = make_district(2, 40)
    package = delta_package(yesterday, next_day(yesterday, random.Random(1), BUSY), "1.2")
    properties = {row[0]: row[1] for row in read_csv(manifest_bytes(package))}

    assert {f"file.{name}" for name in MANIFEST_FILES["1.2"]} <= set(properties)
    assert properties["file.enrollments"] == "delta"
    assert properties["file.demographics"] == "absent"


def test_lone_csv_is_one_file_of_the_package(tmp_path: Path) -> None:
    """A lone CSV holds the rows of that file."""
    package = bulk_package(make_district(2, 10))

    path = write_lone_csv(package, "users", tmp_path / "upload")

    assert path.name == "users.csv"
    assert read_csv(path.read_bytes()) == [
        package.tables["users"].header,
        *package.tables["users"].rows,
    ]


def test_same_package_is_the_same_bytes(tmp_path: Path) -> None:
    """A zip contains no time: writing a package twice gives the same bytes."""
    package = bulk_package(make_district(2, 10))

    first = write_zip(package, tmp_path / "1.zip").read_bytes()

    assert write_zip(package, tmp_path / "2.zip").read_bytes() == first


@given(SEEDS, SIZES, st.sampled_from(("1.1", "1.2")))
@settings(deadline=None, max_examples=40)
def test_delta_leads_from_one_day_to_the_next(seed: int, users: int, version: str) -> None:
    """A delta's rows merged into yesterday's rows give today's rows."""
    yesterday, today = live(make_district(seed, users, ids="mixed"), seed, 1)
    delta = delta_package(yesterday, today, version)

    for file, table in bulk_package(today, version).tables.items():
        merged = {row[0]: row for row in bulk_package(yesterday, version).tables[file].rows}
        for row in delta.tables[file].rows if file in delta.tables else ():
            assert row[2].endswith("Z")
            merged.pop(row[0], None)
            if row[1] == "active":
                merged[row[0]] = (row[0], "", "", *row[3:])
        assert set(merged.values()) == set(table.rows)


def test_delta_of_1_0_is_refused() -> None:
    """OneRoster 1.0 has no delta."""
    district = make_district(2, 10)
    with pytest.raises(ValueError, match=r"1\.0"):
        delta_package(district, district, "1.0")


# The faults


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FAULT_NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_fault_is_what_it_says(version: str, name: str, seed: int) -> None:
    """A planted fault spoils rows of the staff, and the oracle finds exactly the code it names."""
    package = bulk_package(make_district(seed, 120, ids="mixed"), version)
    known = desired(EMPTY, package).roster

    spoilt, planted = plant_faults(package, random.Random(seed), share=0.0, names=[name])

    if version == "1.0" and name == "invalid boolean":
        assert planted == []
        return
    assert len(planted) == (2 if name == "two users with one e-mail" else 1)
    staff = staff_rows(package)
    assert all(fault.sourced_id in staff[fault.file] for fault in planted)
    found = {
        (finding.file, finding.sourced_id, finding.code)
        for finding in desired(known, spoilt).findings
    }
    assert {(fault.file, fault.sourced_id, fault.code) for fault in planted} <= found
    followed = {code for *_, code in found} - {fault.code for fault in planted}
    assert followed <= {"reference.target_quarantined", "reference.missing_target_record"}


def test_faults_are_about_one_row_in_a_hundred() -> None:
    """The share of spoilt rows is the requested one, over all kinds of faults, one for each row."""
    package = bulk_package(make_district(1, 2000), "1.1")
    rows = sum(len(ids) for ids in staff_rows(package).values())

    _, planted = plant_faults(package, random.Random(1))

    assert len(planted) in (round(rows * 0.01), round(rows * 0.01) + 1)
    assert len({(fault.file, fault.sourced_id) for fault in planted}) == len(planted)
    assert len({fault.name for fault in planted}) > 5


def test_faults_spare_the_rows_to_avoid() -> None:
    """Rows to avoid are not spoilt, and the given package is not changed."""
    package = bulk_package(make_district(1, 60), "1.1")
    before = package.tables["users"].rows
    avoid = {("users", row[0]) for row in before}

    spoilt, planted = plant_faults(package, random.Random(1), share=0.2, avoid=avoid)

    assert planted
    assert not [fault for fault in planted if fault.file == "users"]
    assert spoilt.tables["users"].rows == before == package.tables["users"].rows


# The oracle in general


def _days_with_faults(seed: int, users: int, version: str) -> list[Package]:
    return [
        plant_faults(bulk_package(day, version), random.Random(seed), share=0.05)[0]
        for day in live(make_district(seed, users, ids="mixed"), seed, 2)
    ]


@given(SEEDS, SIZES, st.sampled_from(VERSIONS))
@settings(deadline=None, max_examples=60)
def test_oracle_wants_nothing_the_second_time(seed: int, users: int, version: str) -> None:
    """The same package again, or in another order, changes nothing, however many rows are bad."""
    roster = EMPTY
    for package in _days_with_faults(seed, users, version):
        roster = desired(roster, package).roster
        again = desired(roster, package)
        assert not again.counts.has_changes
        assert again.roster == roster
        mixed = desired(roster, shuffled(package, random.Random(seed)))
        assert mixed.counts == again.counts
        assert mixed.roster.shown == roster.shown


@given(SEEDS, SIZES, st.sampled_from(VERSIONS), st.floats(0.01, 0.5))
@settings(deadline=None, max_examples=60)
def test_oracle_lets_rows_that_got_worse_change_nothing(
    seed: int, users: int, version: str, share: float
) -> None:
    """A day whose only changes are faults changes nothing."""
    package = bulk_package(make_district(seed, users, ids="mixed"), version)
    known = desired(EMPTY, package).roster
    worse, faults = plant_faults(package, random.Random(seed), share=share)
    result = desired(known, worse)

    assert len(result.findings) >= len(faults)
    assert not result.counts.has_changes
    assert result.roster == known


@given(SEEDS, SIZES, st.sampled_from(VERSIONS))
@settings(deadline=None, max_examples=60)
def test_oracle_agrees_with_the_district_on_clean_days(seed: int, users: int, version: str) -> None:
    """Without faults the active records are exactly those of the district."""
    roster = EMPTY
    for day in live(make_district(seed, users, ids="mixed"), seed, 2):
        result = desired(roster, bulk_package(day, version))
        roster = result.roster
        staff = {user.sourced_id: user for user in day.staff()}
        disabled = {id_ for id_, user in staff.items() if not user.enabled and version != "1.0"}
        assert result.findings == []
        assert active(roster.users) == set(staff) - disabled
        assert active(roster.courses) == set(day.courses)
        assert active(roster.assignments) == day.assignments()
        for id_, user in staff.items():
            state = roster.users[id_]
            assert (state.given_name, state.family_name) == (user.given_name, user.family_name)
            assert (state.email, state.username) == (user.email, user.username)
            assert (state.role, state.org_sourced_ids) == (user.role, frozenset(user.orgs))


@given(SEEDS, SIZES, st.sampled_from(("1.1", "1.2")))
@settings(deadline=None, max_examples=60)
def test_oracle_reads_delta_and_bulk_alike(seed: int, users: int, version: str) -> None:
    """From one day to the next, a delta leads to the same state and counts as the bulk package."""
    days = live(make_district(seed, users, ids="mixed"), seed, 3)
    roster = desired(EMPTY, bulk_package(days[0], version)).roster
    for yesterday, today in itertools.pairwise(days):
        bulk = desired(roster, bulk_package(today, version))
        delta = desired(roster, delta_package(yesterday, today, version))
        assert delta.findings == []
        assert delta.roster == bulk.roster
        changes = {**delta.counts.users, "ignored": bulk.counts.users["ignored"]}
        assert changes == bulk.counts.users
        assert delta.counts.assignments == bulk.counts.assignments
        roster = bulk.roster


def test_versions_agree() -> None:
    """A district without disabled users is the same in 1.0, 1.1 and 1.2."""
    district = make_district(8, 200, ids="mixed")
    for user in district.staff():
        district.users[user.sourced_id] = replace(user, enabled=True)

    states = [desired(EMPTY, bulk_package(district, version)).roster.shown for version in VERSIONS]

    assert states[0] == states[1] == states[2]


def active(records: Mapping[Any, Any]) -> set[object]:
    """Return the ids of the active records."""
    return {id_ for id_, one in records.items() if getattr(one, "status", one) == "active"}


def read_files(path: Path) -> dict[str, bytes]:
    """Return the files of a zip or a folder by name."""
    if path.is_dir():
        return {file.name: file.read_bytes() for file in path.iterdir()}
    with zipfile.ZipFile(path) as archive:
        return {Path(name).name: archive.read(name) for name in archive.namelist()}


def read_csv(content: bytes) -> list[Row]:
    """Return the rows of a CSV file, the header first."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return [tuple(row) for row in csv.reader(text, strict=True)]
