"""Lists of runs have each run once, newest first, on any number of pages and with any filter."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from oneroster_sync import database, runs
from oneroster_sync.runs import Outcome, Run, Trigger, queries
from oneroster_sync.runs.queries import CursorError, Page, Wanted
from oneroster_sync.sites.preferences import Preferences, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site

NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
COUNTS = {
    "users": {"added": 2, "updated": 1, "errors": 3, "ignored": 40},
    "courses": {"added": 0, "errors": 0},
    "assignments": {"added": 4, "removed": 1, "errors": 2},
}


def had(
    site: Site,
    at: dt.datetime = NOON,
    *,
    outcome: str | None = "succeeded",
    trigger: Trigger = Trigger.SCHEDULE,
    **values: Any,
) -> str:
    """Store a run of a site and return its id."""
    run_id = str(uuid.uuid4())
    run = Run.opened(
        run_id=run_id,
        site=site.name,
        trigger=trigger,
        requested_by="the test",
        scope=Scope.USERS,
        preferences=Preferences(site=site.name),
        started_at=at,
    )
    with database.engine().begin() as connection:
        runs.begin(connection, run)
        runs.update(connection, run_id, outcome=outcome and Outcome(outcome), **values)
    return run_id


def page(site: Site, *, before: str | None = None, limit: int = 100, **wanted: Any) -> Page:
    """Return a page of a site's runs."""
    with database.engine().connect() as connection:
        return queries.page_of_runs(
            connection, site.name, Wanted(**wanted), before=before, limit=limit
        )


def listed(site: Site, **wanted: Any) -> list[str]:
    """Return the ids of the runs of one page."""
    return [run.run_id for run in page(site, **wanted).runs]


def all_pages(site: Site, limit: int, **wanted: Any) -> list[list[str]]:
    """Return the ids of the runs of each page, newest first."""
    found, before = [], None
    while True:
        one = page(site, before=before, limit=limit, **wanted)
        found.append([run.run_id for run in one.runs])
        if one.older is None:
            return found
        before = one.older


def test_newest_comes_first(site: Site) -> None:
    """Runs are listed by their start, newest first, in whatever order they were stored."""
    second, third, first = (had(site, NOON + dt.timedelta(seconds=n)) for n in (2, 3, 1))
    assert listed(site) == [third, second, first]


def test_site_without_runs_has_an_empty_list(site: Site) -> None:
    """A new site's list is empty and has no older page."""
    assert page(site) == Page([], 0, None)


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
def test_each_run_is_on_one_page(site: Site, limit: int) -> None:
    """Each run is on exactly one page, even if several began in the same microsecond."""
    same = [had(site) for _ in range(5)]
    older, newer = had(site, NOON - dt.timedelta(microseconds=1)), had(site, NOON.replace(hour=13))

    pages = all_pages(site, limit)

    flat = [run for one in pages for run in one]
    assert flat == [newer, *sorted(same, reverse=True), older]
    assert {len(one) for one in pages[:-1]} <= {limit}
    assert pages[-1] != []


def test_newer_runs_do_not_move_the_older_pages(site: Site) -> None:
    """A run that begins between two pages neither repeats nor hides another run."""
    begun = [had(site, NOON + dt.timedelta(minutes=n)) for n in range(4)]
    first = page(site, limit=2)
    had(site, NOON.replace(hour=14))
    second = page(site, before=first.older, limit=2)
    assert [run.run_id for run in (*first.runs, *second.runs)] == begun[::-1]


def test_total_counts_the_matching_runs_of_all_pages(site: Site) -> None:
    """The total counts the matching runs of all pages."""
    for outcome in ("held", "held", "held", "failed"):
        had(site, outcome=outcome)
    assert page(site, limit=1).total == 4
    assert page(site, limit=1, outcomes=("held",)).total == 3
    older = page(site, limit=1, outcomes=("held",)).older
    assert page(site, limit=1, outcomes=("held",), before=older).total == 3


def test_outcomes_are_chosen_together(site: Site) -> None:
    """Several outcomes list the runs with any of them; `running` means runs without an outcome."""
    at = iter(NOON + dt.timedelta(minutes=n) for n in range(9))
    held, failed, under_way, done = (
        had(site, next(at), outcome=outcome) for outcome in ("held", "failed", None, "succeeded")
    )
    assert listed(site, outcomes=("held",)) == [held]
    assert listed(site, outcomes=("failed", "held")) == [failed, held]
    assert listed(site, outcomes=("running",)) == [under_way]
    assert listed(site, outcomes=("running", "succeeded")) == [done, under_way]
    assert listed(site, outcomes=("skipped",)) == []


def test_triggers_are_chosen(site: Site) -> None:
    """Runs are filtered by trigger."""
    scheduled, uploaded, commanded = (
        had(site, NOON + dt.timedelta(minutes=n), trigger=trigger)
        for n, trigger in enumerate((Trigger.SCHEDULE, Trigger.UPLOAD, Trigger.COMMAND))
    )
    assert listed(site, triggers=(Trigger.UPLOAD,)) == [uploaded]
    assert listed(site, triggers=(Trigger.COMMAND, Trigger.SCHEDULE)) == [commanded, scheduled]


def test_days_are_whole_and_in_utc(site: Site) -> None:
    """The first and the last day are whole days in UTC."""
    day = dt.date(2026, 11, 24)
    midnight = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
    before, first, last, after = (
        had(site, at)
        for at in (
            midnight - dt.timedelta(microseconds=1),
            midnight,
            midnight + dt.timedelta(days=1, microseconds=-1),
            midnight + dt.timedelta(days=1),
        )
    )
    assert listed(site, first_on=day, last_on=day) == [last, first]
    assert listed(site, first_on=day) == [after, last, first]
    assert listed(site, last_on=day) == [last, first, before]


def test_days_may_be_those_of_a_zone(site: Site) -> None:
    """Where the list shows times in Chicago, its days are Chicago's, however long they are."""
    day, chicago = dt.date(2026, 11, 1), "America/Chicago"  # it has 25 hours there
    at = dt.datetime(2026, 11, 1, 5, tzinfo=dt.UTC)
    before, first, last, after = (
        had(site, moment)
        for moment in (
            at - dt.timedelta(microseconds=1),
            at,
            at + dt.timedelta(hours=25, microseconds=-1),
            at + dt.timedelta(hours=25),
        )
    )
    assert listed(site, first_on=day, last_on=day, zone=chicago) == [last, first]
    assert listed(site, first_on=day, last_on=day, zone=None) == [first, before]
    assert listed(site, first_on=day, zone=chicago) == [after, last, first]


def test_conditions_narrow_together(site: Site) -> None:
    """A run must match all filters, on each page."""
    wanted = [
        had(site, NOON + dt.timedelta(minutes=n), outcome="held", trigger=Trigger.UPLOAD)
        for n in range(3)
    ]
    had(site, outcome="held")
    had(site, outcome="failed", trigger=Trigger.UPLOAD)
    had(site, NOON - dt.timedelta(days=1), outcome="held", trigger=Trigger.UPLOAD)
    asked = {"outcomes": ("held",), "triggers": (Trigger.UPLOAD,), "first_on": NOON.date()}
    assert all_pages(site, 2, **asked) == [wanted[:0:-1], wanted[:1]]


def test_other_sites_are_not_listed(site: Site) -> None:
    """A list and its total include only the site's own runs."""
    other = type(site)(f"{site.name}-b", site.folder)
    other.command("init", "--admin", "admin@district.example")
    mine, theirs = had(site), had(other)
    assert (listed(site), page(site).total) == ([mine], 1)
    assert (listed(other), page(other).total) == ([theirs], 1)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "_",
        "garbage",
        "2026-11-24_00000000-0000-0000-0000-000000000000",
        "20261124T120000.000000Z_",
        "20261124T120000.000000Z_1; drop table runs",
        "20261324T120000.000000Z_00000000-0000-0000-0000-000000000000",
        "99999999999T120000.000000Z_00000000-0000-0000-0000-000000000000",
        "' or 1=1 --_00000000-0000-0000-0000-000000000000",
    ],
)
def test_an_invalid_cursor_is_refused(site: Site, cursor: str) -> None:
    """An invalid cursor is refused with a message and never reaches the database."""
    with pytest.raises(CursorError, match="begin without a cursor"):
        page(site, before=cursor)


def test_cursor_of_another_site_lists_this_sites_runs(site: Site) -> None:
    """A cursor of another site is only a point in time, and lists this site's own runs."""
    other = type(site)(f"{site.name}-b", site.folder)
    other.command("init", "--admin", "admin@district.example")
    for minute in (0, 1):
        had(other, NOON + dt.timedelta(minutes=minute))
    mine = had(site, NOON - dt.timedelta(hours=1))
    assert listed(site, before=page(other, limit=1).older) == [mine]


def test_trend_has_changes_and_errors_of_the_last_runs(site: Site) -> None:
    """The trend has changes and errors of each of the last ended runs, applied or not."""
    had(site, NOON - dt.timedelta(days=9), counts=COUNTS)
    at = iter(NOON + dt.timedelta(minutes=n) for n in range(9))
    first = had(site, next(at), counts=COUNTS, applied_at=NOON)
    failed = had(site, next(at), outcome="failed")
    had(site, next(at), outcome=None, counts=COUNTS)
    last = had(site, next(at), outcome="held", counts={"users": {"added": 7, "errors": 0}})

    with database.engine().connect() as connection:
        points = queries.trend(connection, site.name, 3)

    rows = [(p["run_id"], p["outcome"], p["is_applied"], p["changes"], p["errors"]) for p in points]
    assert rows == [
        (first, "succeeded", True, 8, 5),
        (failed, "failed", False, 0, 0),
        (last, "held", False, 7, 0),
    ]


def test_earlier_run_of_a_package_is_the_newest_of_this_site(site: Site) -> None:
    """A package's earlier run is the newest of this site with the same hash."""
    digest = uuid.uuid4().hex
    for hour in (3, 9, 6):
        had(site, NOON.replace(hour=hour), sha256=digest)
    with database.engine().connect() as connection:
        found = queries.earlier_run(connection, site.name, digest)
        assert found is not None
        assert found.started_at == NOON.replace(hour=9)
        assert queries.earlier_run(connection, f"{site.name}-b", digest) is None
        assert queries.earlier_run(connection, site.name, uuid.uuid4().hex) is None


MANY = 10_000
LIMIT = 50
_COPIES = """
insert into runs (
    run_id, site, trigger, requested_by, scope, preferences, started_at, stage, outcome, counts
)
select
    gen_random_uuid(), site, trigger, requested_by, scope, preferences,
    started_at - n * interval '1 hour', stage, case when n % 100 = 0 then 'held' else outcome end,
    counts
from runs, generate_series(1, :many - 1) n
where site = :site
"""


@pytest.fixture
def many(site: Site) -> Site:
    """A site with ten thousand runs, one in a hundred of them held."""
    had(site, counts=COUNTS)
    with database.engine().begin() as connection:
        connection.execute(sa.text(_COPIES), {"site": site.name, "many": MANY})
    with database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("vacuum analyze runs"))
    return site


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every node of a query's plan."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def read_by(site: Site, before: str | None, **wanted: Any) -> tuple[Page, list[dict[str, Any]]]:
    """Return a page of runs, and the nodes of the plan of its query in PostgreSQL."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, _cursor: object, text: str, bound: Any, *_more: object) -> None:
        asked.append((text, bound))

    with database.engine().connect() as connection:
        sa.event.listen(connection, "before_cursor_execute", note)
        found = queries.page_of_runs(
            connection, site.name, Wanted(**wanted), before=before, limit=LIMIT
        )
        sa.event.remove(connection, "before_cursor_execute", note)
        (text, bound) = asked[-1]
        explained = connection.exec_driver_sql(f"explain (analyze, format json) {text}", bound)
        plan = explained.scalar_one()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return found, list(nodes(plan[0]["Plan"]))


@pytest.mark.case("d08")
def test_no_page_reads_more_than_it_shows(many: Site) -> None:
    """Each of ten thousand runs' pages reads its rows and one more, by index and without a sort."""
    before, pages = None, 0
    while True:
        found, plan = read_by(many, before)
        kinds = {node["Node Type"] for node in plan}
        assert "Index Scan" in kinds
        assert not {"Sort", "Seq Scan", "Bitmap Heap Scan"} & kinds
        assert all(node["Actual Rows"] <= LIMIT + 1 for node in plan)
        assert sum(node.get("Rows Removed by Filter", 0) for node in plan) == 0
        assert (found.total, len(found.runs)) == (MANY, LIMIT)
        before, pages = found.older, pages + 1
        if before is None or pages == 3:
            break
    middle = f"{NOON - dt.timedelta(hours=9_900):%Y%m%dT%H%M%S.%fZ}_{uuid.UUID(int=0)}"
    found, plan = read_by(many, middle)
    assert found.runs[-1].started_at == NOON - dt.timedelta(hours=9_950)
    assert all(node["Actual Rows"] <= LIMIT + 1 for node in plan)
    assert "Sort" not in {node["Node Type"] for node in plan}


@pytest.mark.case("d08")
def test_filtered_list_is_read_in_its_order(many: Site) -> None:
    """A filtered list of ten thousand runs is read in the order of the index, without a sort."""
    found, plan = read_by(many, None, outcomes=("held",))
    assert (found.total, len(found.runs)) == (99, LIMIT)
    assert not {"Sort", "Seq Scan"} & {node["Node Type"] for node in plan}
