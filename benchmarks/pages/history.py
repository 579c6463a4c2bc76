"""Store a site's years of history: ten thousand runs, a million findings, and DAG runs in Airflow.

All rows are written directly into both databases, in the form in which syncs store them; the time
of such syncs is another benchmark. Airflow's rows are copies of a DAG run that Airflow made itself,
so they contain everything that this version of Airflow stores.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from upath import UPath

from benchmarks.pages.held_plan import plan_of
from benchmarks.pages.many_sites import store_sites, write_log
from oneroster_sync.database.embedded import postgres
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sites import dag_names
from oneroster_sync.sites.preferences import PauseWindow, Preferences

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from psycopg import Connection

SITE = "default"
DAG_ID = dag_names.upload_dag_id(SITE)
RUNS = 10_000
USERS, COURSES = 20_000, 5_000
HEAVY_FINDINGS, HEAVY_CHANGES = 500_000, 50_000
OTHERS = 5_000
"""Number of other runs that share the other half of the findings, and the other changes."""
OTHER_FINDINGS, OTHER_CHANGES = 100, 45

_NEWEST = dt.datetime(2026, 11, 24, 2, 0, tzinfo=dt.UTC)
_HEAVY = 100
"""Position, from the newest run, of the run with half of all findings."""
_HELD = 101
"""Position of the held run, whose plan has as many changes."""
_OUTCOMES = ("succeeded", "no_changes", "failed", "no_changes", "succeeded_with_errors", "held")
_APPLIED = {"succeeded", "succeeded_with_errors", "no_changes"}

_ROSTER = """
insert into users (site, sourced_id, given_name, family_name, email, login, username, role,
                   org_sourced_ids, status, managed)
select %(site)s, md5('user' || n)::uuid::text, given, family, email, email,
       split_part(email, '@', 1), 'teacher', md5('org' || n %% 40)::uuid::text,
       case when n %% 20 = 0 then 'inactive' else 'active' end, true
from generate_series(1, %(users)s) n
cross join lateral (
    select (array['Ada', 'Delphine', 'José', 'Mei', 'Olu', 'Priya', 'Søren', 'Zoë'])[1 + n %% 8],
           initcap(translate(substr(md5('family' || n), 1, 7), '0123456789', 'aeiouaeiou'))
) as person (given, family)
cross join lateral (select lower(family) || n || '@district.example') as address (email);

insert into courses (site, sourced_id, title, course_code, grades, subjects, org_sourced_id,
                     status, managed)
select %(site)s, md5('course' || n)::uuid::text,
       (array['Algebra', 'Biology', 'Chemistry', 'Drama', 'English', 'French'])[1 + n %% 6]
           || ' ' || n, lpad(n::text, 7, '0'), '09,10', 'Mathematics',
       md5('org' || n %% 40)::uuid::text, 'active', true
from generate_series(1, %(courses)s) n;
"""
_FINDINGS = """
insert into findings (run_id, seq, code, severity, file, row, rows, "column", sourced_id, expected)
select r.run_id, n, k.code, k.severity, k.file, 1 + n, 1, k.field,
       md5(r.run_id::text || n / 2)::uuid::text, k.expected
from unnest(%(runs)s::uuid[]) as r (run_id)
cross join generate_series(1, %(each)s) n
join (values
    (0, 'reference.missing_target_record', 'error', 'enrollments.csv', 'userSourcedId', 'users'),
    (1, 'row.invalid_enum', 'error', 'enrollments.csv', 'role',
        'one of administrator, proctor, student, teacher'),
    (2, 'row.invalid_email', 'error', 'users.csv', 'email', null),
    (3, 'row.field_forbidden_in_bulk', 'warning', 'users.csv', 'dateLastModified', null),
    (4, 'row.invalid_date', 'warning', 'enrollments.csv', 'beginDate', 'YYYY-MM-DD'),
    (5, 'row.surrounding_space', 'warning', 'courses.csv', 'title', null),
    (6, 'row.missing_required_value', 'error', 'classes.csv', 'courseSourcedId', 'a value')
) as k (number, code, severity, file, field, expected) on k.number = (n * 7 / %(each)s + n) %% 7
order by r.run_id, n
"""
_CAUSES = """
insert into causes (run_id, seq, code, severity, file, "column", expected, findings, rows,
                    first_row, affected)
select run_id,
       row_number() over (partition by run_id order by severity, sum(rows) desc, code, file),
       code, severity, file, "column", expected, count(*), sum(rows), min(row), sum(rows)
from findings group by run_id, code, severity, file, "column", expected
"""
# 7919 has no factor in common with 19,000, so a run's changes are spread over all users.
_CHANGES = """
insert into changes (run_id, site, kind, action, user_id, course_id, sourced_id, before, after,
                     reason, file, row, credited_admin_id, requested_by, made_at, version)
select r.run_id, r.site, k.kind, k.action,
       case when k.kind <> 'course' then u.id end, case when k.kind <> 'user' then c.id end,
       case k.kind when 'user' then u.sourced_id when 'course' then c.sourced_id end,
       case when k.action = 'update' then k.record || '{"role": "aide"}' end,
       k.record, k.reason, k.file, 1 + n, r.credited_admin_id, r.requested_by, r.applied_at,
       r.applied_version
from runs r
cross join generate_series(1, %(each)s) n
join users u on u.id = %(first_user)s + (n * 7919 + hashtext(r.run_id::text) %% 1000) %% 19000
join courses c on c.id = %(first_course)s + n %% 5000
cross join lateral (
    select case when n %% 5 < 2 then 'user' when n %% 5 = 2 then 'course' else 'assignment' end,
           case when n %% 5 = 0 then 'update' else 'add' end,
           case when n %% 5 < 2 then jsonb_build_object(
                    'role', u.role, 'email', u.email, 'login', u.login, 'status', u.status,
                    'managed', true, 'username', u.username, 'given_name', u.given_name,
                    'family_name', u.family_name, 'sourced_id', u.sourced_id,
                    'org_sourced_ids', u.org_sourced_ids)
                when n %% 5 = 2 then jsonb_build_object(
                    'title', c.title, 'course_code', c.course_code, 'grades', c.grades,
                    'subjects', c.subjects, 'status', c.status, 'managed', true,
                    'sourced_id', c.sourced_id, 'org_sourced_id', c.org_sourced_id)
                else '{"status": "active"}'::jsonb end,
           case when n %% 5 < 3 then 'in the package'
                else 'enrolled in a class of the course' end,
           case when n %% 5 < 2 then 'users.csv' when n %% 5 = 2 then 'courses.csv'
                else 'enrollments.csv' end
) as k (kind, action, record, reason, file)
where r.run_id = any(%(runs)s::uuid[]) and r.applied_at is not null
order by r.started_at, n
"""
# jsonb_populate_record keeps the columns that are not named here as Airflow filled them, also those
# of a later version.
_DAG_RUNS = """
insert into dag_run
select (jsonb_populate_record(t, jsonb_build_object(
    'id', t.id + m.n, 'run_id', m.dag_run_id, 'state', m.state, 'queued_at', m.at,
    'run_after', m.at, 'start_date', m.at, 'end_date', m.at + interval '40 s',
    'created_at', m.at, 'updated_at', m.at,
    'last_scheduling_decision', m.at + interval '40 s'))).*
from dag_run t cross join made m where t.dag_id = %(dag_id)s
"""
_TASKS = """
insert into task_instance
select (jsonb_populate_record(t, jsonb_build_object(
    'id', gen_random_uuid(), 'run_id', m.dag_run_id, 'state', m.state, 'try_number', 1,
    'start_date', m.at, 'end_date', m.at + interval '6 s', 'duration', 6.0, 'hostname', 'host',
    'queued_dttm', m.at, 'scheduled_dttm', m.at, 'updated_at', m.at))).*
from task_instance t cross join made m where t.dag_id = %(dag_id)s
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """Ids and cursors for the requests of the benchmark.

    Attributes:
        heavy_run: The run with half of all findings and a quarter of all changes.
        held_run: The held run whose plan has as many changes.
        late_change: Cursor in the last thousand of the heavy run's changes.
        late_finding: Cursor in the last hundred of the heavy run's findings.
        rare_id: sourcedId of two of its last findings.
        email: E-mail address of a user in one of its last changes.
        user_id: A user that many runs changed.
        family: Family name of a user of one of the many sites.
    """

    heavy_run: str
    held_run: str
    late_change: int
    late_finding: int
    rare_id: str
    email: str
    user_id: int
    family: str


def store(home: Path) -> Stored:
    """Fill the roster and Airflow's metadata of a home whose Airflow has made one run of the DAG.

    The site exists, and has only its administrator.
    """
    dag_runs = [(n, _dag_run_id(n), _state(n), _at(n)) for n in range(RUNS)]
    run_ids = [dag_names.run_id_of(DAG_ID, dag_run_id) for _, dag_run_id, _, _ in dag_runs]
    with psycopg.connect(postgres.url(home, "airflow")) as connection:
        _store_dag_runs(connection, dag_runs)
    with psycopg.connect(postgres.url(home, "roster")) as connection:
        _store_roster(connection)
        _store_runs(connection, run_ids)
        heavy = run_ids[_HEAVY]
        others = [run_id for run_id in run_ids if run_id != heavy][:OTHERS]
        _store_details(connection, heavy, others)
        with psycopg.connect(postgres.url(home, "airflow")) as metadata:
            store_sites(connection, metadata, SITE)
        stored = _noted(connection, heavy, run_ids[_HELD])
    write_log(home, DAG_ID, _dag_run_id(_HEAVY))
    for database in postgres.DATABASES:
        with psycopg.connect(postgres.url(home, database), autocommit=True) as connection:
            # As autovacuum would have done over the years.
            connection.execute("vacuum analyze")
    runs = UPath(home / "storage" / "runs" / SITE)
    RunFolder(runs / heavy).write_json("report", _report())
    plan = plan_of(SITE, users=20_000, courses=5_000, assignments=25_000, enrollments=60_000)
    RunFolder(runs / stored.held_run).write_tables("plan", plan.tables())
    RunFolder(runs / stored.held_run).write_json("plan", {"base_version": plan.base_version})
    return stored


def _at(number: int) -> dt.datetime:
    return _NEWEST - number * dt.timedelta(hours=6)


def _dag_run_id(number: int) -> str:
    return f"manual__{_at(number).isoformat()}"


def _outcome(number: int) -> str:
    return "succeeded_with_errors" if number == _HEAVY else _OUTCOMES[number % len(_OUTCOMES)]


def _state(number: int) -> str:
    return "failed" if _outcome(number) == "failed" else "success"


def _store_dag_runs(connection: Connection, dag_runs: list[tuple[Any, ...]]) -> None:
    connection.execute(
        "create temporary table made (n integer, dag_run_id text, state text, at timestamptz)"
    )
    with connection.cursor() as cursor, cursor.copy("copy made from stdin") as copy:
        for row in dag_runs:
            copy.write_row((row[0] + 1, *row[1:]))
    bound = {"dag_id": DAG_ID}
    connection.execute(_DAG_RUNS, bound)
    connection.execute(_TASKS, bound)


def _store_roster(connection: Connection) -> None:
    for statement in _ROSTER.split(";\n")[:2]:
        connection.execute(statement, {"site": SITE, "users": USERS, "courses": COURSES})


def _store_runs(connection: Connection, run_ids: list[str]) -> None:
    row = connection.execute("select id, email from users where not managed").fetchone()
    assert row is not None
    admin_id, email = row
    preferences = Preferences(
        site=SITE,
        version=7,
        credited_admin=email,
        pause_windows=(
            PauseWindow(
                first_on=dt.date(2027, 6, 15), last_on=dt.date(2027, 8, 15), note="summer break"
            ),
        ),
        source=os.path.join(os.sep, "srv", "sis", "exports"),  # noqa: PTH118  nothing is there
    ).model_dump_json()
    rows = [_run(n, run_id, admin_id, preferences) for n, run_id in enumerate(run_ids)]
    names = ", ".join(rows[0])
    with connection.cursor() as cursor, cursor.copy(f"copy runs ({names}) from stdin") as copy:
        for values in rows:
            copy.write_row(tuple(values.values()))


def _run(number: int, run_id: str, admin_id: int, preferences: str) -> Mapping[str, Any]:
    at, outcome = _at(number), _outcome(number)
    applied = outcome in _APPLIED
    size = HEAVY_CHANGES if number == _HEAVY else OTHER_CHANGES * applied
    errors = HEAVY_FINDINGS // 2 if number == _HEAVY else OTHER_FINDINGS // 2
    reasons: list[Any] = ["the source does not answer; try again"] if outcome == "failed" else []
    if outcome == "held":
        hold = {"code": "guard.removals", "kind": "users", "found": 4021, "of": 20000}
        reasons = [{**hold, "limit": "10 %", "text": "guard.removals: 4021 of 20000 users"}]
    counts = {
        "users": {
            "added": size // 5,
            "updated": size // 5,
            "adopted": 0,
            "deactivated": 0,
            "reactivated": 0,
            "errors": errors,
            "ignored": 180_000,
        },
        "courses": {
            "added": size // 5,
            "updated": 0,
            "removed": 0,
            "reactivated": 0,
            "errors": 0,
        },
        "assignments": {"added": 2 * size // 5, "removed": 0, "errors": errors},
    }
    return {
        "run_id": run_id,
        "site": SITE,
        "trigger": ("schedule", "schedule", "upload")[number % 3],
        "requested_by": "the schedule",
        "credited_admin_id": admin_id,
        "package": f"{SITE}/{number}/OneRoster.zip",
        "sha256": f"{number:064x}",
        "oneroster_version": "1.1",
        "scope": "users_and_courses",
        "preferences": preferences,
        "started_at": at,
        "ended_at": at + dt.timedelta(seconds=40),
        "stage": "record",
        "outcome": outcome,
        "reasons": json.dumps(reasons),
        "plan_hash": f"{number:064x}",
        "base_version": RUNS - number,
        "applied_at": at + dt.timedelta(seconds=30) if applied else None,
        "applied_version": RUNS - number + 1 if applied else None,
        "counts": None if outcome == "failed" else json.dumps(counts),
        "findings": json.dumps({"errors": errors, "warnings": errors}),
        "dag_id": DAG_ID,
        "dag_run_id": _dag_run_id(number),
    }


def _store_details(connection: Connection, heavy: str, others: list[str]) -> None:
    sizes = ([heavy], HEAVY_FINDINGS, HEAVY_CHANGES), (others, OTHER_FINDINGS, OTHER_CHANGES)
    first_user = _one(connection, "select min(id) from users where managed")
    first_course = _one(connection, "select min(id) from courses")
    for runs, findings, changes in sizes:
        connection.execute(_FINDINGS, {"runs": runs, "each": findings})
        connection.execute(
            _CHANGES,
            {
                "runs": runs,
                "each": changes,
                "first_user": first_user,
                "first_course": first_course,
            },
        )
    connection.execute(_CAUSES)


def _noted(connection: Connection, heavy: str, held: str) -> Stored:
    of_heavy = {"run_id": heavy}
    return Stored(
        heavy_run=heavy,
        held_run=held,
        late_change=_one(
            connection, "select max(id) - 1000 from changes where run_id = %(run_id)s", of_heavy
        ),
        late_finding=HEAVY_FINDINGS - 100,
        rare_id=_one(
            connection,
            "select sourced_id from findings where run_id = %(run_id)s order by seq desc limit 1",
            of_heavy,
        ),
        email=_one(
            connection,
            "select email from changes c join users u on u.id = c.user_id "
            "where run_id = %(run_id)s order by c.id desc limit 1",
            of_heavy,
        ),
        user_id=_one(
            connection,
            "select user_id from changes where user_id is not null "
            "group by user_id order by count(*) desc limit 1",
        ),
        family=_one(connection, "select family_name from users order by id desc limit 1"),
    )


def _report() -> list[dict[str, Any]]:
    """Return a plausible report of Great Expectations: seven files with 15 expectations each."""
    files = ("academicSessions", "classes", "courses", "enrollments", "orgs", "roles", "users")
    check = {
        "expectation": "expect_column_values_to_be_in_set",
        "column": "status",
        "expected": "one of active, tobedeleted",
        "severity": "critical",
        "code": "row.invalid_enum",
        "success": True,
        "unexpected": 0,
        "checked": 500_000,
    }
    return [
        {"file": f"{name}.csv", "rows": 500_000, "success": True, "expectations": [check] * 15}
        for name in files
    ]


def _one(connection: Connection, query: str, bound: Mapping[str, Any] | None = None) -> Any:
    row = connection.execute(query.encode(), bound).fetchone()
    assert row is not None
    return row[0]
