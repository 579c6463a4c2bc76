"""A comparison of two runs shows fixed and new findings, and the changes of both plans."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from oneroster_sync import Request, database, preview, runs
from oneroster_sync.notifications import freshness, rules
from oneroster_sync.operations.run_comparison import (
    ComparisonError,
    NothingToCompareError,
    RunComparison,
    compare_runs,
)
from oneroster_sync.runs import queries
from oneroster_sync.runs.summary import format_outcome, measure_times
from roster_of import NEXT_DAY, SCHOOL, changed

if TYPE_CHECKING:
    from conftest import Site

BROKEN = changed(SCHOOL, "users.csv", "bob@x.org", "no address")
BROKEN = changed(BROKEN, "users.csv", "cec,true,aide", "cec,true,wizard")
MENDED = changed(SCHOOL, "users.csv", "cec,true,aide", "cec,true,wizard")
MENDED = changed(MENDED, "users.csv", "ann,true", "new,true,teacher,nn,N,N,none\nann,true")
"""Bob's address is fixed, Cec's wrong role is one row lower, and one error is new."""
NOW = dt.datetime.now(dt.UTC)


def clock() -> dt.datetime:
    """Return the current time."""
    return dt.datetime.now(dt.UTC)


def compare(run: dict[str, Any], earlier: str | None = None) -> RunComparison:
    """Compare a run with an earlier one."""
    with database.engine().connect() as connection:
        return compare_runs(connection, runs.find(run["run_id"]), earlier)


def listed(found: RunComparison, word: str) -> set[tuple[str, str | None]]:
    """Return code and sourcedId of fixed or new findings."""
    return {(one["code"], one["sourced_id"]) for one in found.records if one[word]}


def test_findings_are_compared_by_record_and_not_by_row(site: Site) -> None:
    """Findings are compared by record, so that an error in another row is still the same."""
    site.sync(BROKEN)
    found = compare(site.sync(MENDED))
    assert ("row.invalid_email", "bob") in listed(found, "fixed")
    assert listed(found, "new") == {("row.invalid_email", "new")}
    still = [one for one in found.places if one["code"] == "row.invalid_enum"]
    assert [(one["fixed"], one["new"], one["still"]) for one in still] == [(0, 0, 1)]
    assert found.count("error")["new"] == 1


def test_rows_without_a_sourced_id_are_counted(site: Site) -> None:
    """Findings without a sourcedId are compared by number."""
    row = ",true,teacher,x{0},X,X,x{0}@x.org\n"
    two = {**SCHOOL, "users.csv": SCHOOL["users.csv"] + row.format(1) + row.format(2)}
    three = {**two, "users.csv": two["users.csv"] + row.format(3)}
    site.sync(two)
    found = compare(site.sync(three))
    blank = [one for one in found.places if one["column"] == "sourcedId"]
    assert [(one["fixed"], one["new"], one["still"]) for one in blank] == [(0, 1, 2)]


def test_plans_are_compared_change_by_change(site: Site) -> None:
    """Changes of both plans are counted apart from changes of only one of them."""
    site.sync(SCHOOL)
    first = site.command("plan", site.package(NEXT_DAY))[1]
    more = changed(NEXT_DAY, "courses.csv", "art,Art", "art,Fine Art")
    found = compare(site.command("plan", site.package(more))[1])
    assert found.earlier.run_id == first["run_id"]
    assert found.plan is not None
    course = found.plan["course"]
    assert (course.both, course.only_earlier, course.only_later) == (1, 0, 1)
    assert found.plan["user"].only_later == 0
    text = "\n".join(found.to_lines())
    assert "Planned changes of courses: 1 in both, 0 only in the earlier run, 1 only in" in text


def test_two_runs_that_can_not_be_compared_are_refused(site: Site) -> None:
    """A run is not compared without an earlier one, with itself or with another site's run."""
    first = site.sync(SCHOOL)
    with pytest.raises(NothingToCompareError):
        compare(first)
    with pytest.raises(ComparisonError):
        compare(first, first["run_id"])
    other = type(site)(f"{site.name}-other", site.folder / "other")
    other.folder.mkdir()
    other.command("init", "--admin", "admin@x.org")
    theirs = other.sync(SCHOOL)
    with pytest.raises(runs.UnknownRunError):
        compare(first, theirs["run_id"])


def test_the_command_compares_with_the_run_before(site: Site) -> None:
    """`compare-runs` compares with the run before by default, or with a given one."""
    earlier = site.sync(BROKEN)
    later = site.sync(MENDED)
    code, output = site.command("compare-runs", later["run_id"])
    assert (code, output["earlier"]["run_id"]) == (0, earlier["run_id"])
    assert output["errors"]["new"] == 1
    assert site.command("compare-runs", later["run_id"], earlier["run_id"])[1] == output


def check(site: Site, package: dict[str, str]) -> runs.Run:
    """Check a package: make its plan and apply nothing."""
    asked = Request(site=site.name, package=str(site.package(package)), requested_by="the test")
    return runs.find(preview(asked, clock=clock).run_id)


def test_a_check_counts_nowhere(site: Site) -> None:
    """A check is in no trend, makes no package fresh, is not held and causes no notification."""
    site.sync({"users.csv": SCHOOL["users.csv"]})
    header = SCHOOL["users.csv"].splitlines()[0] + "\n"
    checked = check(site, {"users.csv": header})
    assert (checked.outcome, checked.is_preview) == ("discarded", True)
    assert "It would be held: " in format_outcome(checked)
    assert measure_times(checked, now=NOW).held_at is None
    rejected = check(site, {"courses.csv": "sourcedId,title,courseCode\n,Art,A1\n"})
    assert rejected.outcome == "rejected"
    with database.engine().connect() as connection:
        points = queries.trend(connection, site.name, 60)
        assert [point["outcome"] for point in points] == ["succeeded"]
        assert rules.of_run(connection, rejected, base_url="http://x") is None
        fresh = freshness(connection, site.name, now=clock())
        assert fresh.run_id == points[0]["run_id"]


def test_a_check_does_not_make_a_package_known(site: Site) -> None:
    """An earlier real run of a package is named, and not a later check of it."""
    real = site.sync(SCHOOL)
    checked = check(site, SCHOOL)
    assert checked.sha256 is not None
    with database.engine().connect() as connection:
        named = queries.earlier_run(connection, site.name, checked.sha256)
    assert named is not None
    assert named.run_id == real["run_id"]
