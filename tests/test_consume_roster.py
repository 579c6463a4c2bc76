"""The example that loads a roster into a warehouse loads each change once, even if it is killed."""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from airflow.dag_processing.dagbag import DagBag

from databases import fresh_database
from homes import PROJECT
from oneroster_sync import database, list_changes
from roster_of import SCHOOL, changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site

EXAMPLE = PROJECT / "examples" / "consume_roster.py"
NEXT_DAY = changed(SCHOOL, "users.csv", "Bob,Ray,bob@x.org", "Rob,Ray,bob@x.org")
LEFT = {
    name: "".join(line for line in text.splitlines(keepends=True) if "bob" not in line)
    for name, text in SCHOOL.items()
}
LOAD = """
import psycopg, sys
sys.path.insert(0, sys.argv[1])
import consume_roster
consume_roster.PAGE = 3
roster, warehouse = (psycopg.connect(url, autocommit=True) for url in sys.argv[2:4])
with roster, warehouse:
    print(consume_roster.load(roster, warehouse, sys.argv[4]))
"""
_WAITS = """
select pid from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
  and query like '%roster_copy.changes%'
"""


@pytest.fixture(scope="module")
def warehouse(postgresql: None) -> Iterator[str]:
    """The URL of another program's database."""
    with fresh_database() as url:
        yield url


def begin(site: Site, warehouse: str) -> subprocess.Popen[str]:
    """Start the work of the example's task in a process of its own."""
    arguments = [str(EXAMPLE.parent), database.url(), warehouse, site.name]
    environment = {**os.environ, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@functools.cache
def _example() -> Any:
    """Return the example as a module with small pages."""
    spec = importlib.util.spec_from_file_location("consume_roster", EXAMPLE)
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PAGE = 3
    return module


def load(site: Site, warehouse: str) -> int:
    """Load all changes in this process, and return their number."""
    with (
        psycopg.connect(database.url(), autocommit=True) as roster,
        psycopg.connect(warehouse, autocommit=True) as copy,
    ):
        return int(_example().load(roster, copy, site.name))


def ask(warehouse: str, query: str, *bound: Any) -> list[tuple[Any, ...]]:
    """Query the warehouse."""
    with psycopg.connect(warehouse, autocommit=True) as connection:
        return connection.execute(query.encode(), bound or None).fetchall()


def copied(site: Site, warehouse: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return the warehouse's values of each record."""
    query = (
        "select kind, user_id, course_id, record ->> 'status', record ->> 'given_name', "
        "record ->> 'title' from roster_copy.records where site = %s"
    )
    return {row[:3]: row[3:] for row in ask(warehouse, query, site.name)}


def stored(site: Site) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return the roster's values of each record, in the same form."""
    query = """
    select 'user', id, null, status, given_name, null from users where site = :site
    union all select 'course', null, id, status, null, title from courses where site = :site
    union all select 'assignment', user_id, course_id, status, null, null
    from course_assignments where site = :site
    """
    return {row[:3]: row[3:] for row in site.rows(query)}


def logged(site: Site, warehouse: str) -> list[tuple[int, int]]:
    """Return version and seq of the loaded changes, in order."""
    query = "select version, seq from roster_copy.changes where site = %s order by 1, 2"
    return [(version, seq) for version, seq in ask(warehouse, query, site.name)]


def fed(site: Site, after: str) -> list[tuple[int, int]]:
    """Return version and seq of the changes in the feed after a cursor."""
    return [(c.version, c.seq) for c in list_changes(site.name, after=after).changes]


def test_a_killed_load_has_loaded_each_change_once(site: Site, warehouse: str) -> None:
    """A load that is killed between reading and writing leaves nothing; the next loads all."""
    load(site, warehouse)  # an empty roster: the feed is read from its start
    site.sync(SCHOOL)
    with psycopg.connect(warehouse) as holding:
        holding.execute("lock table roster_copy.changes in access exclusive mode")
        loading = begin(site, warehouse)
        until = time.monotonic() + 60
        while not ask(warehouse, _WAITS):
            assert time.monotonic() < until, loading.communicate(timeout=10)
            time.sleep(0.05)
        loading.send_signal(signal.SIGKILL)
        loading.communicate(timeout=30)
    assert logged(site, warehouse) == []
    assert load(site, warehouse) == len(fed(site, "0"))
    assert logged(site, warehouse) == fed(site, "0")
    assert copied(site, warehouse).items() <= stored(site).items()
    site.sync(NEXT_DAY)
    assert load(site, warehouse) == 1
    assert load(site, warehouse) == 0
    assert logged(site, warehouse) == fed(site, "0")


def test_two_loads_at_once_load_each_change_once(site: Site, warehouse: str) -> None:
    """Of two loads at once, the second waits for the first and continues where that one stopped."""
    load(site, warehouse)
    site.sync(SCHOOL)
    both = [begin(site, warehouse) for _ in range(2)]
    ended = [loading.communicate(timeout=120) for loading in both]
    assert [loading.returncode for loading in both] == [0, 0], ended
    assert sum(int(out.strip().splitlines()[-1]) for out, _ in ended) == len(fed(site, "0"))
    assert logged(site, warehouse) == fed(site, "0")


@pytest.mark.parametrize("cursor", [(9, 2**63 - 1), (1, 999_999_999)])
def test_a_roster_that_is_there_begins_with_a_snapshot(
    site: Site, warehouse: str, cursor: tuple[int, int]
) -> None:
    """With a cursor that the feed does not reach, the load starts from a new snapshot."""
    site.sync(SCHOOL)
    load(site, warehouse)
    everything = fed(site, "0")
    with psycopg.connect(warehouse, autocommit=True) as connection:
        # As after restoring the roster database from a backup.
        moved = "update roster_copy.cursors set version = %s, seq = %s where site = %s"
        connection.execute(moved, [*cursor, site.name])
        connection.execute("delete from roster_copy.records where site = %s", [site.name])
    assert load(site, warehouse) == 0
    assert copied(site, warehouse) == stored(site)
    assert logged(site, warehouse) == []
    site.sync(NEXT_DAY)
    assert load(site, warehouse) == 1
    assert copied(site, warehouse) == stored(site)
    assert everything


def test_an_erasure_reaches_the_copy(site: Site, warehouse: str) -> None:
    """After an erasure, neither the copied record nor the copied log names the person."""
    load(site, warehouse)
    for package in (SCHOOL, LEFT):
        site.sync(package)
    load(site, warehouse)
    everything = "select record::text from roster_copy.records where site = %s union all "
    everything += "select after::text from roster_copy.changes where site = %s"
    assert "bob" in str(ask(warehouse, everything, site.name, site.name))
    assert site.command("erase", "bob")[0] == 0
    assert load(site, warehouse) == 1
    assert "bob" not in str(ask(warehouse, everything, site.name, site.name))


def test_the_dag_is_woken_by_the_asset_and_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example is a valid DAG and waits for the asset that our DAGs update."""
    bag = DagBag(EXAMPLE, bundle_name="examples", bundle_path=EXAMPLE.parent)
    assert not bag.import_errors
    dag = bag.dags["consume_roster"]
    waits_for = dag.timetable.asset_condition.objects
    assert [asset.uri for asset in waits_for] == ["oneroster://default/roster"]
    assert dag.max_active_runs == 1
