"""The size of the roster after each run, in total and by school, and the decisions."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from oneroster_sync import database
from oneroster_sync.runs.decisions_report import MonthError, list_decisions
from oneroster_sync.runs.roster_history import RosterPoint, list_roster_points, list_schools
from roster_of import NEXT_DAY, SCHOOL, changed, run_command

if TYPE_CHECKING:
    from conftest import Site

GONE = changed(SCHOOL, "users.csv", "bob,true", "bob,false")
HEADER = "sourcedId,orgSourcedIds,role,givenName,familyName,email"


_FORGET = """
update runs set {column} = null where site = :site and run_id not in (
    select run_id from runs where site = :site order by started_at desc limit :newest)
"""


def points(site: Site, school: str | None = None) -> list[RosterPoint]:
    """Return the points of a site's roster history."""
    with database.engine().connect() as connection:
        return list_roster_points(connection, site.name, school=school, limit=50)


def forget(site: Site, column: str, *, newest: int) -> None:
    """Blank a column that older runs did not have, except for the newest runs."""
    query = _FORGET.format(column=column)
    with database.engine().begin() as connection:
        connection.execute(sa.text(query), {"site": site.name, "newest": newest})


def test_each_applied_run_is_a_point(site: Site) -> None:
    """Each applied run is a point with users, courses and assignments; a preview is not."""
    for package in (SCHOOL, GONE, SCHOOL):
        site.sync(package)
    site.command("plan", site.package(NEXT_DAY))
    found = points(site)
    admin = 1
    assert [point.active["users"] for point in found] == [3 + admin, 2 + admin, 3 + admin]
    assert [point.active["courses"] for point in found] == [2, 2, 2]
    assert [point.is_rebuilt for point in found] == [False, False, False]


def test_what_was_not_stored_is_rebuilt_from_the_audit(site: Site) -> None:
    """Runs of an earlier version get their numbers from the audit, and are marked as rebuilt."""
    packages = (SCHOOL, GONE, NEXT_DAY, NEXT_DAY, SCHOOL)
    for package in packages:
        site.sync(package)
    stored = points(site)
    forget(site, "roster_counts", newest=1)
    rebuilt = points(site)
    assert [point.active for point in rebuilt] == [point.active for point in stored]
    assert [point.is_rebuilt for point in rebuilt] == [True] * (len(stored) - 1) + [False]


def test_the_history_begins_where_the_audit_does(site: Site) -> None:
    """The history starts at the first run whose audit still exists."""
    runs = [site.sync(package) for package in (SCHOOL, GONE, SCHOOL)]
    forget(site, "roster_counts", newest=1)
    with database.engine().begin() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.execute(
            sa.text("delete from changes where run_id = cast(:id as uuid)"),
            {"id": runs[1]["run_id"]},
        )
    assert [point.run_id for point in points(site)] == [run["run_id"] for run in runs[1:]]


def test_the_users_of_a_school_are_stored_over_time(site: Site) -> None:
    """Each run that changes users stores the users of each school; other runs keep the numbers."""
    orgs = "sourcedId,name,type\nlake,Lake School,school\nhill,Hill School,school\n"
    rows = [f"u{n},lake,teacher,Given,Family,u{n}@x.org" for n in range(3)]
    rows += ['v,"lake,hill",teacher,Vi,Vo,v@x.org']
    whole = {"orgs.csv": orgs, "users.csv": "\n".join([HEADER, *rows]) + "\n"}
    fewer = {"orgs.csv": orgs, "users.csv": "\n".join([HEADER, *rows[1:]]) + "\n"}
    for package in (whole, whole, fewer):
        site.sync(package)
    assert [point.active for point in points(site, "lake")] == [{"users": n} for n in (4, 4, 3)]
    assert [point.active for point in points(site, "hill")] == [{"users": 1}] * 3
    with database.engine().connect() as connection:
        schools = list_schools(connection, site.name)
    assert [(one["name"], one["users"]) for one in schools] == [
        ("Lake School", 3),
        ("Hill School", 1),
    ]
    forget(site, "school_counts", newest=1)
    assert [point.active for point in points(site, "lake")] == [{"users": 3}]


def test_a_month_says_who_decided_what(site: Site) -> None:
    """A month lists its decisions with plan, reason for the hold, and the person's reason."""
    rows = [f"u{n},lake,teacher,Given,Family,u{n}@x.org" for n in range(10)]
    site.sync({"users.csv": "\n".join([HEADER, *rows]) + "\n"})
    held = site.sync({"users.csv": "\n".join([HEADER, rows[0]]) + "\n"})
    site.command("discard", held["run_id"], "--reason", "=not yet")
    again = site.sync({"users.csv": "\n".join([HEADER, rows[0]]) + "\n"})
    site.command("approve", again["run_id"], "--reason", "They left.")
    month = held["started_at"][:7]
    _, output = site.command("decisions", "--month", month)
    assert [
        (one["decision"], one["reason"], one["applied"], one["plan"]) for one in output["decisions"]
    ] == [
        ("discarded", "=not yet", "no", "9 users deactivated"),
        ("approved", "They left.", "yes", "9 users deactivated"),
    ]
    why = output["decisions"][0]["why_held"]
    assert why.startswith("9 of 10 users would be deactivated")
    code, text = run_command(site, "decisions", "--month", month, "--csv")
    listed = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert code == 0
    assert [(one["run_id"], one["reason"]) for one in listed] == [
        (held["run_id"], "'=not yet"),
        (again["run_id"], "They left."),
    ]
    assert site.command("decisions", "--month", "1999-12")[1]["decisions"] == []
    with database.engine().connect() as connection, pytest.raises(MonthError):
        list_decisions(connection, site.name, "November")
