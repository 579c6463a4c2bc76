"""Measure the change feed on an audit with millions of rows: time of a page, cost for apply.

    python -m benchmarks.feed.measure [--rows 10000000] [--reads 200] [--rounds 40]

An own embedded PostgreSQL contains fifty sites with a first sync and a hundred versions each. Pages
begin at random places of all sites' feeds. They are read like the API reads them, and by SQL with a
role that is a member of roster_reader. Then the stage apply reads, checks and applies a nightly
plan and a first sync, counts the roster and is rolled back, alternately with the feed and without
it: with its predecessor, the index by run, and no version in the rows. Both indexes hold the same
number of rows before, because an entry into a large index costs more than one into an empty index.
`--reads 0` measures only that; 200,000 rows are enough for it.

Other programs on the machine must not decide the result. So the CPU time of the server's process
and of this one is counted, each pair runs with little time between its two halves and in changing
order, and the result is the median of the pairs' ratios, with the range in which it lies at 95 %.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg
    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run
    from oneroster_sync.stages.diff.plan import Plan

SITES, VERSIONS = 50, 100
READER = "of_the_benchmark"
_ROSTER = """
insert into sites (site, roster_version) select 'district-' || s, %(versions)s + 1
from generate_series(1, %(sites)s) s;
insert into users (site, sourced_id, given_name, family_name, email, login, username, role,
                   org_sourced_ids, status, managed)
select 'district-' || s, 'user-' || n, 'Given', 'Family' || n, n || '@district.example',
       n || '@district.example', 'user' || n, 'teacher', 'org-1', 'active', true
from generate_series(1, %(sites)s) s, generate_series(1, 1000) n;
insert into preferences (site, version, credited_admin_id, days, time_utc, pause_windows, scope,
                         teacher_permission, profile, assignment_roles, adopt_accounts, guards,
                         saved_at, saved_by)
select site, 1, (select min(id) from users u where u.site = s.site), '{}', '02:00', '[]',
       'users_and_courses', 'units_and_lessons', 'tolerant', '{teacher}', false, '{}', now(), 'me'
from sites s;
insert into runs (run_id, site, trigger, requested_by, scope, preferences, started_at, stage,
                  outcome, applied_at, applied_version)
select gen_random_uuid(), 'district-' || s, 'schedule', 'me', 'users',
       json_build_object('site', 'district-' || s), now(), 'record', 'succeeded', now(), v
from generate_series(1, %(sites)s) s, generate_series(1, %(versions)s + 1) v;
"""
_CHANGES = """
insert into changes (run_id, site, kind, action, user_id, sourced_id, before, after, reason, file,
                     row, credited_admin_id, requested_by, made_at, version)
select r.run_id, r.site, 'user', 'update', u.id, u.sourced_id, k.record || '{"role": "aide"}',
       k.record, 'in the package', 'users.csv', n, u.id, r.requested_by, r.applied_at,
       r.applied_version
from runs r
cross join generate_series(1, %(each)s) n
join users u on u.site = r.site and u.sourced_id = 'user-' || 1 + n %% 1000
cross join lateral (select jsonb_build_object(
    'role', u.role, 'email', u.email, 'login', u.login, 'status', u.status, 'managed', true,
    'username', u.username, 'given_name', u.given_name, 'family_name', u.family_name,
    'sourced_id', u.sourced_id, 'org_sourced_ids', u.org_sourced_ids)) k (record)
where r.applied_version = %(version)s
order by r.site, n
"""
_OF_BEFORE = """
insert into changes (run_id, site, kind, action, user_id, sourced_id, before, after, reason, file,
                     row, credited_admin_id, requested_by, made_at)
select run_id, site, kind, action, user_id, sourced_id, before, after, reason, file, row,
       credited_admin_id, requested_by, made_at
from changes order by id
"""
"""Changes of before the feed: the same, without a version."""
NEW = f"district-{SITES // 2}-new"
"""The site that the plans are applied to; others stand before it and after it in the index."""
_BY_SQL = """
select site, version, seq, run_id, kind, action, user_id, course_id, sourced_id, before::text,
       after::text, made_at
from roster_changes where site = %s and (version, seq) > (%s, %s)
order by version, seq limit %s
"""


def fill(connection: psycopg.Connection[Any], rows: int) -> None:
    """Write an audit with this number of rows, half of them in first syncs."""
    connection.execute("set session_replication_role = replica")  # no triggers
    connection.execute(_ROSTER % {"sites": SITES, "versions": VERSIONS})
    of_site = rows // SITES
    for version in range(1, VERSIONS + 2):
        each = of_site // 2 if version == 1 else of_site // 2 // VERSIONS
        connection.execute(_CHANGES, {"each": each, "version": version})
    connection.execute(f"create role {READER} login")
    connection.execute("create role roster_reader")
    connection.execute(f"grant roster_reader to {READER}")
    connection.execute("select make_reader_views()")
    connection.execute(
        "insert into roster_readers select %s, site from sites order by site limit 20", [READER]
    )


def cursors(connection: psycopg.Connection[Any], count: int) -> Iterator[tuple[str, int, int]]:
    """Yield random sites and cursors with a full page after them."""
    chosen = random.Random(20)  # noqa: S311  no secret
    names = connection.execute("select site from sites order by site limit 20").fetchall()
    for _ in range(count):
        (site,) = chosen.choice(names)
        version = chosen.choice([1, chosen.randrange(1, 9 * VERSIONS // 10)])
        (seq,) = connection.execute(
            "select min(id) + floor(%s * (max(id) - min(id)))::bigint from changes "
            "where site = %s and version = %s",
            [chosen.random(), site, version],
        ).fetchone() or (0,)
        yield site, version, seq


def measure_pages(
    wanted: list[tuple[str, int, int]], read: Callable[[str, int, int], int]
) -> tuple[float, float]:
    """Return the median and the 95th percentile of the time of a page, in milliseconds."""
    taken = []
    for site, version, seq in wanted:
        begun = time.perf_counter()
        count = read(site, version, seq)
        taken.append((time.perf_counter() - begun) * 1_000)
        assert count > 0
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


def apply_cost(
    connection: Connection, plan: Plan, bound: dict[str, Any], rounds: int
) -> Iterator[str]:
    """Yield lines with the costs of applying a plan with the change feed and without it."""
    import sqlalchemy as sa

    from oneroster_sync import runs
    from oneroster_sync.runs.artifacts import RunFolder

    found = runs.get(connection, bound["run_id"])
    run = replace(found, site=plan.site, plan_hash=plan.hash())
    folder = RunFolder.of(run.site, run.run_id)
    folder.write_tables("plan", plan.tables())
    folder.write_json("plan", {"base_version": plan.base_version})
    pid = connection.scalar(sa.text("select pg_backend_pid()"))
    # The query has begun a transaction, and `begin` refuses a second one.
    connection.rollback()
    pairs: list[dict[bool, tuple[float, int]]] = []
    for turn in range(rounds + 1):
        order = (True, False) if turn % 2 else (False, True)
        pairs.append({has: _apply(connection, run, bound, pid, has_feed=has) for has in order})
    del pairs[0]  # the first pair fills caches
    for name, which, unit in (("CPU", 0, "s"), ("write-ahead log", 1, "MiB")):
        ratios = sorted(pair[True][which] / pair[False][which] for pair in pairs)
        low, high = _range_of_median(len(ratios))
        of = [statistics.median(pair[has][which] for pair in pairs) for has in (True, False)]
        with_it, without = of if which == 0 else (each / 2**20 for each in of)
        yield (
            f"{name}: {with_it:.3f} {unit} with the feed, {without:.3f} {unit} without: "
            f"{statistics.median(ratios) - 1:+.1%} "
            f"({ratios[low] - 1:+.1%} to {ratios[high] - 1:+.1%}, {len(ratios)} pairs)"
        )


def _apply(
    connection: Connection, run: Run, bound: dict[str, Any], pid: int, *, has_feed: bool
) -> tuple[float, int]:
    """Apply a stored plan and roll it back; return CPU seconds and bytes of write-ahead log."""
    import sqlalchemy as sa

    from oneroster_sync.roster.reader import count_active
    from oneroster_sync.runs.roster_history import count_by_school
    from oneroster_sync.stages.apply import change_roster
    from oneroster_sync.stages.diff.plan import read_plan

    if not has_feed:
        bound = {**bound, "version": None}
    with connection.begin() as transaction:
        # Without a version, `changes_older` takes the rows: it is the index by run of before.
        position = connection.scalar(sa.text("select pg_current_wal_insert_lsn()"))
        begun, begun_here = _cpu_s(pid), time.process_time()
        change_roster(connection, read_plan(run), bound)
        count_active(connection, run.site)
        count_by_school(connection, run.site)
        spent = _cpu_s(pid) - begun + time.process_time() - begun_here
        grown = "select pg_current_wal_insert_lsn() - cast(:before as pg_lsn)"
        wal = int(connection.scalar(sa.text(grown), {"before": position}) or 0)
        transaction.rollback()
    return spent, wal


def _range_of_median(count: int) -> tuple[int, int]:
    """Return the ranks between which the median lies at 95 % (the sign test)."""
    # 1.96 / 2: the normal approximation of the binomial distribution.
    half = 0.98 * count**0.5
    return max(0, round(count / 2 - half)), min(count - 1, round(count / 2 + half))


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far, to the nanosecond (Linux only)."""
    # Linux encodes the clock of a process as its inverted id, and 2 for the scheduler's precise
    # time.
    return time.clock_gettime((~pid << 3) | 2)


def main() -> None:
    """Measure, and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=10_000_000)
    asked.add_argument("--reads", type=int, default=200)
    asked.add_argument("--rounds", type=int, default=40, help="pairs of a nightly plan")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="oneroster-feed-") as folder:
        os.environ["ONEROSTER_HOME"] = folder
        from oneroster_sync.database.embedded import postgres

        try:
            _measure(given.rows, given.reads, given.rounds)
        finally:
            postgres.stop(Path(folder))


def _measure(rows: int, reads: int, rounds: int) -> None:
    import datetime as dt

    import psycopg
    import sqlalchemy as sa

    from benchmarks.pages.held_plan import plan_of
    from oneroster_sync import database
    from oneroster_sync.roster import change_feed

    def print_line(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    engine = database.engine()
    begun = time.perf_counter()
    with psycopg.connect(database.url()) as connection:
        fill(connection, rows)
    with psycopg.connect(database.url(), autocommit=True) as connection:
        # What autovacuum would have done long before: without it the planner knows nothing of the
        # rows.
        connection.execute("vacuum analyze")
        (count,) = connection.execute("select count(*) from changes").fetchone() or (0,)
        sizes = connection.execute(
            "select relname, pg_size_pretty(pg_relation_size(oid)) from pg_class "
            "where relname like 'changes%' and relkind in ('r', 'i') order by 1"
        ).fetchall()
        wanted = list(cursors(connection, reads))
        print_line(f"{count:,} changes written in {time.perf_counter() - begun:.0f} s; {sizes}")

        def as_api(site: str, version: int, seq: int) -> int:
            with engine.connect() as another:
                page = change_feed.read_page(another, site, f"{version}.{seq}", 10_000)
            return len(page.changes)

        def by_sql(site: str, version: int, seq: int) -> int:
            return len(connection.execute(_BY_SQL, [site, version, seq, 10_000]).fetchall())

        readers = (("as the API", as_api), ("by SQL as a reader", by_sql))
        for name, read in readers if wanted else ():
            if read is by_sql:
                connection.execute(f"set role {READER}")
            median, p95 = measure_pages(wanted, read)
            print_line(f"10,000 changes {name}: median {median:.0f} ms, p95 {p95:.0f} ms")
        for example in wanted[:1]:
            plan = connection.execute(f"explain {_BY_SQL}", [*example, 10_000]).fetchall()
            print_line("\n".join(line for (line,) in plan))
    with engine.connect() as asking:
        run_id, admin = asking.execute(
            sa.text("select run_id, (select min(id) from users) from runs limit 1")
        ).one()
        asking.rollback()
        bound = {
            "run_id": str(run_id),
            "admin": admin,
            "by": "me",
            "now": dt.datetime(2026, 11, 30, tzinfo=dt.UTC),
            "version": VERSIONS + 2,
            "no_role": [],
            "read": True,
            "file": None,
        }
        with asking.begin():
            asking.execute(sa.text("insert into sites (site) values (:site)"), {"site": NEW})
            asking.execute(sa.text("set local session_replication_role = replica"))
            asking.execute(sa.text(_OF_BEFORE))
        for name, of, number in (
            ("first sync", {"users": 20_000, "courses": 4_999, "assignments": 60_000}, rounds // 4),
            ("nightly", {"users": 200, "courses": 51, "assignments": 600}, rounds),
        ):
            made = plan_of(NEW, enrollments=of["assignments"], **of)
            print_line(f"apply, {name}:")
            for line in apply_cost(asking, made, {**bound, "site": NEW}, number):
                print_line(f"  {line}")


if __name__ == "__main__":
    main()
