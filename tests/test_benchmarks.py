"""The benchmark's districts match their description, and its verdicts are correct."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sqlalchemy as sa

from oneroster_sync import database, settings
from oneroster_sync.roster.model import Known
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.extract.package import extract_package

sys.path.append(str(settings.PROJECT))
from benchmarks.districts import SIZES, first_day, next_day
from benchmarks.districts.csv_package import write
from benchmarks.districts.records import ROLES, STAFF
from benchmarks.report.documents import PERFORMANCE, README, with_part
from benchmarks.report.results import Results, Series
from benchmarks.report.tables import as_markdown, format_states, work_done
from benchmarks.report.targets import bounded_by, targets
from benchmarks.sync import measure
from benchmarks.sync.agreement import DisagreementError, SyncResult, must_agree
from benchmarks.sync.one_stage import STAGES
from benchmarks.sync.server_work import watched
from benchmarks.timing.processes import run

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.districts.records import District

    from conftest import Site

USERS, ENROLLMENTS, SEED, YEAR = 1_000, 5_000, 7, 2026


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A district on two days."""
    root = tmp_path_factory.mktemp("district")
    return _written(root)


def test_one_seed_is_one_district(days: list[Path], tmp_path: Path) -> None:
    """The same seed gives the same bytes."""
    for before, again in zip(days, _written(tmp_path), strict=True):
        files = sorted(path.name for path in before.iterdir())
        assert files == sorted(path.name for path in again.iterdir())
        assert all((before / f).read_bytes() == (again / f).read_bytes() for f in files)


def test_a_district_has_all_kinds_of_users(days: list[Path]) -> None:
    """The district has all its users, about 7 % of them staff, and extract accepts the package."""
    for day in days:
        extracted = extract_package(day, Profile.TOLERANT, Known())
        assert not extracted.refused
        assert extracted.rows["users"] == pytest.approx(USERS, rel=0.001)
        assert extracted.rows["enrollments"] == pytest.approx(ENROLLMENTS, rel=0.001)
        assert extracted.ignored == pytest.approx(0.93 * USERS, rel=0.01)


def test_day_2_is_day_1_a_little_changed(days: list[Path]) -> None:
    """On day 2, 1 % of the users are new, 1 % gone, 2 % of the rest changed, and some rows bad."""
    before, after = (_rows(day / "users.csv") for day in days)
    assert len(after.keys() - before.keys()) == pytest.approx(0.01 * USERS, abs=5)
    assert len(before.keys() - after.keys()) == pytest.approx(0.01 * USERS, abs=5)
    moved = [key for key in before.keys() & after.keys() if before[key] != after[key]]
    assert 0.02 * USERS <= len(moved) <= 0.035 * USERS


def test_a_row_that_differs_ends_the_benchmark() -> None:
    """Two equal results agree; an additional row is an error that names the row."""
    ours, theirs = SyncResult({"users": [b"a", b"b"]}), SyncResult({"users": [b"a"]})
    must_agree(ours, ours, "the limit")
    with pytest.raises(DisagreementError, match="only ours: b'b'"):
        must_agree(ours, theirs, "the limit")


def test_a_target_is_met_or_not() -> None:
    """A target is judged by medians, in its own direction."""
    series = {
        "day 2/ours": Series([9.0] * 3, [9.0, 2.0, 2.0], [100.0] * 3, [1.0] * 3),
        "day 2/limit": Series([2.0], [1.0], [100.0], [0.5]),
        "day 2/dlt merge": Series([18.0], [1.0], [100.0], [0.5]),
        "day 2: extract/stages": Series([9.0], [1.5], [100.0]),
        "day 2: validate/stages": Series([9.0], [1.0], [100.0]),
    }
    imports = {stage: [0.0] for stage in STAGES} | {"validate": [0.9]}
    results = Results("M", "a machine", series, imports)
    found = {t.what: t for t in targets(results, None)}
    assert found["day 2: ours ÷ limit"].is_met()
    assert not found["day 2: dlt merge ÷ ours"].is_met()
    assert found["day 2: dlt merge ÷ ours"].is_met(2)
    bounds = ["extract 1.50", "PostgreSQL 1.00", "imports 0.90"]
    assert bounded_by(results) == bounds
    (row,) = (line for line in as_markdown(results) if "dlt merge ÷ ours" in line)
    assert row.endswith(f"| **not met**: {', '.join(bounds)} |")


def test_a_missed_target_names_what_bounds_it() -> None:
    """Each target has the profile of what it measures: its own day, the packages of an import."""
    series = {
        "day 1/ours": Series([9.0], [9.0], [100.0], [5.0]),
        "day 1: apply/stages": Series([9.0], [2.0], [100.0]),
        "no change again/ours": Series([1.0], [0.5], [10.0], [0.25]),
        "no change again/read + sha256": Series([1.0], [0.125], [10.0]),
        "validation/ours": Series([9.0], [7.0], [10.0]),
    }
    packages = {"validate": {"pandas": 0.25, "great_expectations": 0.5, "numpy": 0.125, "re": 0.0}}
    results = Results("L", "a machine", series, {"validate": [1.0]}, packages=packages)
    assert bounded_by(results, "day 1: ours ÷ limit")[:2] == ["PostgreSQL 5.00", "apply 2.00"]
    assert bounded_by(results, "imports of validate") == [
        "great_expectations 0.50",
        "pandas 0.25",
        "numpy 0.12",
    ]
    assert bounded_by(results, "validation: ours ÷ DuckDB SQL") == [
        "reading and judging 6.00",
        "imports 1.00",
    ]
    again = bounded_by(results, "no change again: ours ÷ reading and hashing")
    assert again[0] == "start of Python, psycopg and the queries 0.38"


def test_the_page_says_which_code_its_tables_are_of() -> None:
    """The sentence above the tables is written with them, so that it is never older than they."""
    one = Results("M", "a machine", state="abc of 2026-11-30")
    assert "of one state of the code: abc of 2026-11-30" in format_states({"M": one, "L": one})
    sentence = format_states({"S": None, "M": one})
    assert "different states" in sentence
    assert "S: an earlier one; M: abc of 2026-11-30" in sentence
    for page, names in ((PERFORMANCE, ("state", "S", "M", "L")), (README, ("syncs", "large"))):
        for name in names:
            assert "new text" in with_part(page.read_text("utf-8"), name, "new text")


def known_of(district: District) -> dict[str, dict[Any, Any]]:
    """Return the expected result of a sync: users and courses by number, and who teaches what.

    A user's value is the enabled flag and all fields that may change; a course's is its title.
    """
    users, courses, classes, enrolled = (
        district.files[name] for name in ("users", "courses", "classes", "enrollments")
    )
    staff = users.columns["role"] >= STAFF
    columns = ("enabled", "given", "family", "school", "role")
    cells = zip(*(users.columns[name][staff].tolist() for name in columns), strict=True)
    people = dict(zip(users.ids[staff].tolist(), cells, strict=True))
    course_of = dict(zip(classes.ids.tolist(), classes.columns["course"].tolist(), strict=True))
    teaches = enrolled.columns["role"] == ROLES.index("teacher")
    pairs = zip(
        enrolled.columns["user"][teaches].tolist(),
        enrolled.columns["class"][teaches].tolist(),
        strict=True,
    )
    return {
        "users": people,
        "courses": dict(zip(courses.ids.tolist(), courses.columns["title"].tolist(), strict=True)),
        "assignments": {(user, course_of[c]): 1 for user, c in pairs if people[user][0]},
    }


def counts_of(before: dict[str, dict[Any, Any]], after: dict[str, dict[Any, Any]]) -> Any:
    """Return the expected counts of a sync from one day to the next."""

    def moved(kind: str) -> tuple[Any, Any, Any]:
        old, new = before[kind], after[kind]
        both = [(old[key], new[key]) for key in old.keys() & new.keys()]
        return new.keys() - old.keys(), old.keys() - new.keys(), [p for p in both if p[0] != p[1]]

    added, gone, changed = moved("users")
    switched = [new[0] for old, new in changed if old[0] != new[0]]
    users = {
        "added": len(added),
        "updated": len(changed) - len(switched),
        "deactivated": sum(before["users"][user][0] for user in gone) + switched.count(0),
        "reactivated": switched.count(1),
    }
    new, old, titled = moved("courses")
    courses = {"added": len(new), "updated": len(titled), "removed": len(old)}
    new, old, _ = moved("assignments")
    return {
        "users": users,
        "courses": courses,
        "assignments": {"added": len(new), "removed": len(old)},
    }


@pytest.mark.case("d01")
def test_whole_district_has_the_expected_counts(site: Site, tmp_path: Path) -> None:
    """A district of size S through the command line has exact counts, in bounded memory."""
    before: dict[str, dict[Any, Any]] = {"users": {}, "courses": {}, "assignments": {}}
    today = first_day(*SIZES["S"], seed=SEED)
    for number in range(2):
        write(tmp_path / str(number), today, None, YEAR)
        after = known_of(today)
        words = ["sync", str(tmp_path / str(number)), "--site", site.name, "--json"]

        ended = run(
            [sys.executable, "-m", "oneroster_sync.cli", "--quiet", *words],
            {**os.environ, "ONEROSTER_DATABASE_URL": database.url()},
            tmp_path,
        )

        found = json.loads(ended.output)
        assert found["outcome"] == "succeeded"
        counts = {
            kind: {word: n for word, n in numbers.items() if n}
            for kind, numbers in found["counts"].items()
        }
        assert counts["users"].pop("ignored") == SIZES["S"][0] - len(after["users"])
        expected = counts_of(before, after)
        assert counts == {
            kind: {word: n for word, n in numbers.items() if n}
            for kind, numbers in expected.items()
        }
        assert ended.peak_mib < 600
        before, today = after, next_day(today, np.random.default_rng([SEED, 2]))


def _written(root: Path) -> list[Path]:
    today = first_day(USERS, ENROLLMENTS, seed=SEED)
    write(root / "day1", today, np.random.default_rng([SEED, 1]), YEAR)
    today = next_day(today, np.random.default_rng([SEED, 2]))
    write(root / "day2", today, np.random.default_rng([SEED, 3]), YEAR)
    return [root / "day1", root / "day2"]


def _rows(path: Path) -> dict[str, str]:
    lines = path.read_text("utf-8").splitlines()[1:]
    return {line.partition(",")[0]: line for line in lines}


def test_work_of_postgresql_is_counted(site: Site) -> None:
    """The measurement counts PostgreSQL's CPU time and WAL, also of a process that has ended."""
    with watched(database.url()) as idle:
        pass
    with watched(database.url()) as busy:
        site.rows("select count(*) from generate_series(1, 3000000) n where :site = md5(n::text)")
        made = sa.create_engine(database.engine().url, poolclass=sa.NullPool)
        for statement in (
            "create table filled (n integer)",
            "insert into filled select generate_series(1, 200000)",
            "drop table filled",
        ):
            with made.begin() as connection:
                connection.execute(sa.text(statement))
    assert busy.cpu_s > idle.cpu_s + 0.2
    assert busy.wal_mib > idle.wal_mib + 5


def test_numbers_of_a_busy_machine_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--write` exits before it measures if the load is above 2."""
    monkeypatch.setattr(os, "getloadavg", lambda: (2.1, 0.0, 0.0))
    monkeypatch.setattr(sys, "argv", ["measure", "S", "--write"])
    with pytest.raises(SystemExit, match=r"The load is 2\.1"):
        measure.main()


def test_both_parts_of_the_work_are_in_the_table() -> None:
    """The table shows the CPU time of the process and of PostgreSQL, and the sum of both."""
    results = Results("S", "a machine")
    for who, own, servers in (("limit", 1.0, 1.0), ("ours", 2.0, 4.0)):
        results.series[f"day 1/{who}"] = Series([9.0], [own], [100.0], [servers], [50.0])
    table = list(work_done(results))
    assert "| **ours** | 2.00 | 4.00 | 3.00 | 50 |" in table[-3]
