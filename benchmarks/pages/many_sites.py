"""Store 999 sites beside the one with years of history, and a log of 20,000 lines.

Each of these sites has ten runs, 200 users and its two DAGs in Airflow, so that the list of sites
and the search of all sites have something to read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from oneroster_sync.local.environment import logs

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

SITES = 999
"""Number of sites besides the one with the history."""
RUNS_EACH, USERS_EACH = 10, 200
LOG_LINES = 20_000

_NAMES = """
select 'district-' || lpad(n::text, 4, '0') as site from generate_series(1, %(sites)s) n
"""
_SITES = f"""
insert into sites (site, title, roster_version)
select site, initcap(replace(site, '-', ' ')) || ' Unified', 10 from ({_NAMES}) named;

insert into preferences
select (jsonb_populate_record(p, jsonb_build_object('site', n.site))).*
from preferences p cross join ({_NAMES}) n where p.site = %(site)s;

insert into users (site, sourced_id, given_name, family_name, email, login, username, role,
                   org_sourced_ids, status, managed)
select n.site, md5(n.site || k)::uuid::text, given, family, email, email,
       split_part(email, '@', 1), 'teacher', 'org', 'active', true
from ({_NAMES}) n cross join generate_series(1, %(users)s) k
cross join lateral (
    select (array['Ada', 'Delphine', 'José', 'Mei', 'Olu', 'Priya', 'Søren', 'Zoë'])[1 + k %% 8],
           initcap(translate(substr(md5(n.site || 'f' || k), 1, 7), '0123456789', 'aeiouaeiou'))
) as person (given, family)
cross join lateral (select lower(family) || k || '@' || n.site || '.example') as address (email);

insert into runs
select (jsonb_populate_record(r, jsonb_build_object(
    'site', n.site, 'run_id', gen_random_uuid(),
    'sha256', md5(n.site || r.run_id) || md5(r.run_id || n.site),
    'outcome', case when hashtext(n.site || r.run_id) %% 5 = 0 then 'failed' else r.outcome end,
    'dag_run_id', n.site || r.dag_run_id,
    'roster_counts', '{{"users": 200, "courses": 0, "assignments": 0}}'::jsonb))).*
from ({_NAMES}) n join runs r on r.run_id in (
    select run_id from runs where site = %(site)s order by started_at desc limit %(runs)s)
"""
_DAGS = f"""
insert into dag
select (jsonb_populate_record(d, jsonb_build_object(
    'dag_id', replace(d.dag_id, '__' || %(site)s, '__' || n.site),
    'is_paused', hashtext(n.site) %% 3 = 0))).*
from dag d cross join ({_NAMES}) n where d.dag_id like '%%\\_\\_' || %(site)s
"""


def store_sites(roster: Connection, airflow: Connection, site: str) -> None:
    """Copy a site's preferences, newest runs and DAGs for each of the other sites."""
    bound = {"site": site, "sites": SITES, "users": USERS_EACH, "runs": RUNS_EACH}
    # PostgreSQL takes parameters for one statement at a time only.
    for statement in _SITES.split(";\n"):
        roster.execute(statement.encode(), bound)
    airflow.execute(_DAGS.encode(), bound)


def write_log(home: Path, dag_id: str, dag_run_id: str) -> None:
    """Write the log of the stage diff of a DAG run as a task does; half of it is Airflow's."""
    task = logs(home) / "tasks" / f"dag_id={dag_id}" / f"run_id={dag_run_id}" / "task_id=diff"
    task.mkdir(parents=True, exist_ok=True)
    with (task / "attempt=1.log").open("w", encoding="utf-8") as file:
        for number in range(LOG_LINES):
            line = {
                "timestamp": "2026-11-24T02:00:01.123456Z",
                "level": "info",
                "event": f"user {number} updated: e-mail; row {number + 2} of users.csv",
                "logger": ("oneroster_sync.stages.diff", "airflow.task")[number % 2],
            }
            file.write(json.dumps(line) + "\n")
