"""Two sites that are as similar as possible, and a snapshot of all rows and files of one of them.

Both have the same sourcedIds, addresses, course codes, files and preferences. Each has an applied
run, one with errors, one that was undone, a held one and a rejected one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from conftest import ADMIN, Site
from oneroster_sync import database, settings
from oneroster_sync.roster import protections
from oneroster_sync.runs import pending_deltas
from oneroster_sync.sources import positions
from oneroster_sync.stages.diff.protection import PROTECTED
from roster_of import NEXT_DAY, SCHOOL, as_delta, changed, now, rows_of

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = {"users.csv": SCHOOL["users.csv"].splitlines()[0] + "\n"}
DELTA = as_delta(
    "1.1",
    {
        "users.csv": "sourcedId,status,dateLastModified,enabledUser,role,username,givenName,"
        "familyName,email\ncec,active,2026-11-20T08:00:00.000Z,true,aide,cpoe,Cecily,Poe,cec@x.org\n"
    },
)
WRONG = changed(NEXT_DAY, "courses.csv", "art,Art", "art,")
CODE = "row.bad_value"
CAUSE = f"users.csv:{CODE}:email"
_COLUMNS = """
select table_name, array_agg(column_name::text) from information_schema.columns
where table_schema = 'public' and table_name in (
    select table_name from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE')
group by table_name
"""
_OF_SITE = "select t::text from {table} t where site = :site order by 1"
_OF_RUNS = """
select t::text from {table} t
where run_id in (select run_id from runs where site = :site) order by 1
"""
WITHOUT = {"oneroster_schema_version", "maintenance"}
"""Tables without data of any site."""


@dataclass(frozen=True)
class Neighbour:
    """One of the two sites, with its runs by outcome."""

    site: Site
    runs: dict[str, str]


def make_neighbour(name: str, folder: Path) -> Neighbour:
    """Make a site with a history; the steps are the same for every name."""
    folder.mkdir(exist_ok=True)
    site = Site(name, folder)
    assert site.command("init", "--admin", ADMIN)[0] == 0
    assert site.command("preferences", "--set", 'notices={"recipients": ["it@x.org"]}')[0] == 0
    assert site.command("preferences", "--set", "stale_protection_runs=1")[0] == 0
    runs = {
        "applied": site.sync(SCHOOL),
        "errors": site.sync(WRONG),
        "undone": site.sync(NEXT_DAY),
        "rejected": site.sync(folder / "none.zip"),
    }
    runs["undo"] = site.command("undo", runs["undone"]["run_id"])[1]
    runs["delta"] = site.sync(DELTA)
    runs["held"] = site.sync(EMPTY)
    assert [run["outcome"] for run in runs.values()] == [
        *("succeeded", "succeeded_with_errors", "succeeded", "rejected"),
        *("succeeded", "succeeded", "held"),
    ]
    _fill_what_is_pending(name, runs["delta"]["run_id"])
    _fill_what_is_protected(name, runs["errors"]["run_id"])
    query = "select id from users where site = :site and sourced_id = 'ann'"
    ((user,),) = site.rows(query)
    return Neighbour(site, {**{k: run["run_id"] for k, run in runs.items()}, "user": str(user)})


def _fill_what_is_pending(site: str, run_id: str) -> None:
    """Store a pending delta, a file out of step, and the position in a source."""
    rows, _ = rows_of("orgs.csv", "sourcedId,name,type\no1,North,school\n")
    delta = pending_deltas.Delta(0, run_id, 0, "OneRoster.zip", "orgs", "1.1", now())
    with database.engine().begin() as connection:
        pending_deltas.register(connection, site, run_id, [(delta, rows)])
        pending_deltas.mark_out_of_step(connection, site, ["orgs"], cause="a test", now=now())
        positions.take(connection, site, run_id, "/srv *.zip", {"name": "OneRoster.zip"})


def _fill_what_is_protected(site: str, run_id: str) -> None:
    """Let a broken row protect a user since a day before all runs, which is stale for this site."""
    schema = PROTECTED.remove(PROTECTED.get_field_index("row"))
    for name in ("code", "column"):
        schema = schema.append(pa.field(name, pa.string()))
    row = {"kind": "user", "sourced_id": "bob", "course_sourced_id": "", "file": "users"}
    table = pa.Table.from_pylist([row | {"code": CODE, "column": "email"}], schema=schema)
    long_ago = now() - dt.timedelta(days=1)
    with database.engine().begin() as connection:
        protections.note(connection, site, run_id, table, ["users"], now=long_ago)


def picture_of(site: str) -> dict[str, Any]:
    """Return all rows and files of a site: table → rows, path → sha256."""
    found: dict[str, Any] = {}
    with database.engine().connect() as connection:
        for table, columns in connection.execute(sa.text(_COLUMNS)):
            if table in WITHOUT:
                continue
            query = _OF_SITE if "site" in columns else _OF_RUNS
            rows = connection.execute(sa.text(query.format(table=table)), {"site": site})
            found[table] = list(rows.scalars())
    for part in settings.storage().iterdir():
        for file in sorted((part / site).rglob("*")) if (part / site).exists() else ():
            if file.is_file():
                found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found
