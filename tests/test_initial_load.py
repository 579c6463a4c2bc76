"""A site's first sync by COPY writes the same rows as the SQL statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from conftest import ADMIN, Site
from oneroster_sync import database
from oneroster_sync.stages import initial_load
from oneroster_sync.stages.apply import change_roster
from oneroster_sync.stages.diff.plan import read_plan
from roster_of import NEXT_DAY, SCHOOL, changed, reviewed

if TYPE_CHECKING:
    from pathlib import Path

    from oneroster_sync.runs import Run

ODD = changed(SCHOOL, "users.csv", "Bob,Ray", '"B""o\\b	{\u00e9}","\u2028R\\\\ay"')
"""Quotes, backslashes, a tab and letters that JSON escapes."""
_RECORD = "(select u.sourced_id from {table} u where u.id = t.{column})"
_WHO = ", ".join(
    _RECORD.format(table=table, column=column)
    for table, column in (
        ("users", "user_id"),
        ("courses", "course_id"),
    )
)
_TABLES = {
    "users": "to_jsonb(t) - 'id'",
    "courses": "to_jsonb(t) - 'id'",
    "course_assignments": f"to_jsonb(t) - 'user_id' - 'course_id', {_WHO}",
    "changes": f"to_jsonb(t) - 'id' - 'user_id' - 'course_id', {_WHO}",
    **dict.fromkeys(("orgs", "roles", "classes", "enrollments", "modified"), "to_jsonb(t)"),
}


def bound(run: Run) -> dict[str, Any]:
    """Return the values that apply binds to its statements."""
    return {
        "site": run.site,
        "run_id": run.run_id,
        "admin": run.credited_admin_id,
        "by": "a test",
        "now": run.started_at,
        "version": 1,
        "no_role": [],
        "read": True,
        "file": None,
    }


def left_by(run: Run, *, by_copy: bool) -> dict[str, list[Any]]:
    """Return the rows of each table after a plan, in the order of its ids, and roll back."""
    with database.engine().connect() as connection, connection.begin() as transaction:
        change_roster(connection, read_plan(run), bound(run), by_copy=by_copy)
        found = {
            table: [
                tuple(row)
                for row in connection.execute(
                    sa.text(
                        f"select {what} from {table} t where t.site = :site "  # noqa: S608
                        f"order by {'t.id' if table == 'changes' else 't::text'}"
                    ),
                    {"site": run.site},
                )
            ]
            for table, what in _TABLES.items()
        }
        transaction.rollback()
    return {
        table: rows if table == "changes" else sorted(rows, key=str)
        for table, rows in found.items()
    }


@pytest.mark.parametrize("package", [SCHOOL, ODD], ids=["plain", "odd"])
def test_the_rows_are_the_same(site: Site, package: dict[str, str]) -> None:
    """COPY and statements write the same records, assignments, links and audit rows."""
    run = reviewed(site, package)
    with database.engine().connect() as connection, connection.begin() as transaction:
        loaded = initial_load.load(connection, read_plan(run), bound(run))
        transaction.rollback()
    assert loaded >= {"users", "courses", "assignments", "links.enrollments", "links.classes"}
    by_copy = left_by(run, by_copy=True)
    assert by_copy == left_by(run, by_copy=False)
    assert all(by_copy[table] for table in ("users", "course_assignments", "changes", "classes"))


def test_later_plan_is_not_loaded_by_copy(site: Site) -> None:
    """A later plan uses statements, except for links of which the site has none."""
    assert site.sync(SCHOOL)["outcome"] == "succeeded"
    run = reviewed(site, NEXT_DAY)
    with database.engine().connect() as connection, connection.begin() as transaction:
        loaded = initial_load.load(connection, read_plan(run), bound(run))
        transaction.rollback()
    assert not loaded & {"users", "courses", "assignments", "links.enrollments", "links.classes"}
    assert left_by(run, by_copy=True) == left_by(run, by_copy=False)


def test_two_sites_at_once_get_different_ids(site: Site, tmp_path: Path) -> None:
    """A first sync that starts before another one ends reserves its own ids."""
    folder = tmp_path / "other"
    folder.mkdir()
    other = Site(f"{site.name}-too", folder)
    other.command("init", "--admin", ADMIN)
    first, second = reviewed(site, SCHOOL), reviewed(other, SCHOOL)
    with database.engine().connect() as outer, outer.begin() as transaction:
        initial_load.load(outer, read_plan(first), bound(first))
        with database.engine().begin() as inner:
            initial_load.load(inner, read_plan(second), bound(second))
        ids = "select id from users where site = :site"
        mine = set(outer.execute(sa.text(ids), {"site": site.name}).scalars())
        theirs = {number for (number,) in other.rows(ids)}
        assert len(mine) == len(theirs)
        assert not mine & theirs
        transaction.rollback()


def test_existing_record_is_not_loaded_over(site: Site) -> None:
    """If a person made a record with the same sourcedId meanwhile, apply is refused."""
    run = reviewed(site, SCHOOL)
    statement = (
        "insert into users (site, sourced_id, role, status, managed) "
        "values (:site, 'bob', 'teacher', 'inactive', false)"
    )
    with database.engine().connect() as connection, connection.begin():
        connection.execute(sa.text(statement), {"site": site.name})
        with pytest.raises(sa.exc.IntegrityError, match="users_site_sourced_id_key"):
            change_roster(connection, read_plan(run), bound(run))
