"""# Load a roster's changes into a warehouse, each exactly once

An example DAG: copy this file into your DAG folder, and change the names at its top.

The DAG runs when the asset of the site's roster is updated, and once a day: Airflow may merge or
lose asset events, but the change feed loses nothing. The cursor is in the same database as the copy
and is updated in the same transaction: a task that is killed at any time has loaded a page of
changes completely or not at all, and the next task continues from the cursor.

Two Airflow connections are needed: `roster_reader` to the roster database, with a login that is a
member of the role roster_reader, and `warehouse` to a PostgreSQL where the schema may be created.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, Connection, CronTriggerTimetable, task

if TYPE_CHECKING:
    import psycopg

SITE = "default"
PAGE = 10_000
"""Most changes that are loaded in one transaction."""

log = logging.getLogger(__name__)

TABLES = """
create schema if not exists roster_copy;
create table if not exists roster_copy.cursors (
    site text primary key, version bigint, seq bigint);
create table if not exists roster_copy.records (
    site text, kind text, user_id bigint, course_id bigint, record jsonb,
    unique nulls not distinct (site, kind, user_id, course_id));
create table if not exists roster_copy.changes (
    site text, version bigint, seq bigint, made_at timestamptz, kind text, action text,
    user_id bigint, course_id bigint, after jsonb, primary key (site, version, seq));
"""
SNAPSHOT = """
select 'user', id, null, to_jsonb(t) from roster_users t where site = %(site)s
union all
select 'course', null, id, to_jsonb(t) from roster_courses t where site = %(site)s
union all
select 'assignment', user_id, course_id, to_jsonb(t) from roster_course_assignments t
where site = %(site)s
"""
PAGE_OF_CHANGES = """
select version, seq, made_at, kind, action, user_id, course_id, after from roster_changes
where site = %(site)s and (version, seq) > (%(version)s, %(seq)s)
order by version, seq limit %(limit)s
"""
STATE = """
select roster_version,
       (%(version)s, %(seq)s) >= (feed_after_version, feed_after_seq)
       and %(version)s <= roster_version
       and (%(seq)s = 9223372036854775807 or (%(version)s, %(seq)s)
            = (feed_after_version, feed_after_seq) or exists (
                select from roster_changes
                where site = %(site)s and version = %(version)s and seq = %(seq)s)) as is_in_feed
from roster_sites where site = %(site)s
"""
LOG_CHANGE = """
insert into roster_copy.changes values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
ERASE_FROM_LOG = """
update roster_copy.changes set after = null where site = %s and kind = 'user' and user_id = %s
"""
PUT_RECORD = """
insert into roster_copy.records values (%s, %s, %s, %s, %s)
on conflict (site, kind, user_id, course_id) do update
set record = roster_copy.records.record || excluded.record
"""
REPLACE_RECORD = """
update roster_copy.records set record = %s where site = %s and kind = 'user' and user_id = %s
"""
MOVE_CURSOR = "update roster_copy.cursors set version = %s, seq = %s where site = %s"


def load(roster: psycopg.Connection[Any], warehouse: psycopg.Connection[Any], site: str) -> int:
    """Update the copy of a site's roster; return how many changes were loaded.

    Args:
        roster: A connection to the roster database, in autocommit mode.
        warehouse: A connection to the warehouse, in autocommit mode.
        site: The site.
    """
    with warehouse.transaction():
        warehouse.execute(TABLES)
        warehouse.execute(
            "insert into roster_copy.cursors values (%s) on conflict do nothing", [site]
        )
    loaded = 0
    while count := load_page(roster, warehouse, site):
        loaded += count
    return loaded


def load_page(
    roster: psycopg.Connection[Any], warehouse: psycopg.Connection[Any], site: str
) -> int:
    """Load a page of changes, or a snapshot if the feed does not reach back to the cursor."""
    with warehouse.transaction(), roster.transaction():
        # Another load of this site waits here for our lock, and then continues from our cursor.
        cursor = warehouse.execute(
            "select version, seq from roster_copy.cursors where site = %s for update", [site]
        ).fetchone()
        assert cursor is not None
        roster.execute("set transaction isolation level repeatable read read only")
        asked = {"site": site, "version": cursor[0], "seq": cursor[1], "limit": PAGE}
        state = roster.execute(STATE, asked).fetchone()
        if state is None:
            raise LookupError(f"the site {site} is not there, or roster_readers does not name it")
        version, is_in_feed = state
        if not is_in_feed:
            load_snapshot(roster, warehouse, site, version)
            return 0
        changes = roster.execute(PAGE_OF_CHANGES, asked).fetchall()
        for change in changes:
            load_change(warehouse, site, *change)
        if changes:
            warehouse.execute(MOVE_CURSOR, [*changes[-1][:2], site])
    return len(changes)


def load_snapshot(
    roster: psycopg.Connection[Any], warehouse: psycopg.Connection[Any], site: str, version: int
) -> None:
    """Copy the whole roster, and set the cursor to its version."""
    log.info("The roster of %s is copied as a whole, at version %s.", site, version)
    warehouse.execute("delete from roster_copy.records where site = %s", [site])
    # The log of changes would have a gap, and may hold data of people who were erased since.
    warehouse.execute("delete from roster_copy.changes where site = %s", [site])
    copying = "copy roster_copy.records from stdin"
    with warehouse.cursor() as into, into.copy(copying) as copy:
        for kind, user, course, record in roster.execute(SNAPSHOT, {"site": site}):
            copy.write_row((site, kind, user, course, as_json(record)))
    warehouse.execute(MOVE_CURSOR, [version, 2**63 - 1, site])


def load_change(
    warehouse: psycopg.Connection[Any],
    site: str,
    version: int,
    seq: int,
    made_at: Any,
    kind: str,
    action: str,
    user: int | None,
    course: int | None,
    after: dict[str, Any] | None,
) -> None:
    """Load one change into the log and the records."""
    change = [site, version, seq, made_at, kind, action, user, course, as_json(after)]
    warehouse.execute(LOG_CHANGE, change)
    if action == "erased":
        # Erase the person's data here too: in the record, and in earlier changes of it.
        warehouse.execute(ERASE_FROM_LOG, [site, user])
        warehouse.execute(REPLACE_RECORD, [as_json({"erased": True}), site, user])
    elif after is not None:
        warehouse.execute(PUT_RECORD, [site, kind, user, course, as_json(after)])


def as_json(value: Any) -> Any:
    """Return a value as PostgreSQL's jsonb."""
    from psycopg.types.json import Jsonb

    return None if value is None else Jsonb(value)


with DAG(
    "consume_roster",
    description=f"Load the changes of the roster of {SITE}",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 5 * * *", timezone="UTC"),
        assets=[Asset(f"oneroster://{SITE}/roster")],
    ),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3},
    tags=["oneroster", "example"],
    doc_md=__doc__,
) as dag:

    @task
    def load_changes() -> int:
        """Update the copy."""
        import psycopg

        roster, warehouse = (
            psycopg.connect(Connection.get(name).get_uri(), autocommit=True)
            for name in ("roster_reader", "warehouse")
        )
        with roster, warehouse:
            return load(roster, warehouse, SITE)

    load_changes()
