"""A user who lost the last role is reactivated by a new role, unless something happened since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from golden.school import SCHOOL_1_2, as_delta
from oneroster_sync import change_preferences, database
from oneroster_sync.operations import erasure
from roster_of import now

if TYPE_CHECKING:
    from conftest import Site


def roles(day: int, *rows: str) -> dict[str, str]:
    """Return a delta of roles.csv, with rows given as `sourcedId,status,userSourcedId`."""
    lines = []
    for row in rows:
        id_, status, user = row.split(",")
        lines.append(f"{id_},{status},2026-11-{day:02}T00:00:00Z,{user},primary,teacher,,,s,")
    return as_delta(SCHOOL_1_2, roles=lines)


def users(day: int, status: str, enabled: str) -> dict[str, str]:
    """Return a delta with Bob's row."""
    row = f"bob,{status},2026-11-{day:02}T00:00:00Z,{enabled},bob,,Bob,Ray,,,bob@example.org,"
    return as_delta(SCHOOL_1_2, users=[row + ",,,,,,,,,s,"])


@pytest.fixture
def without_role(site: Site) -> dict[str, Any]:
    """A school in which Bob lost the last role; the value is the run that removed it."""
    changes = {"guards.error_percent": 100}
    change_preferences(site.name, changes, by="Ann", clock=now)
    site.sync(SCHOOL_1_2)
    run = site.sync(roles(20, "r-bob,tobedeleted,bob"))
    assert site.users()["bob"] == "inactive"
    return run


def reason(site: Site, run: dict[str, Any]) -> list[tuple[str, str]]:
    """Return action and reason of a run's changes to users."""
    query = "select action, reason from changes where run_id::text = :run and kind = 'user'"
    return site.rows(query, run=run["run_id"])


@pytest.mark.usefixtures("without_role")
def test_role_that_comes_back_brings_its_user_back(site: Site) -> None:
    """A new role alone reactivates its user, because the row of users.csv did not change."""
    run = site.sync(roles(21, "r-new,active,bob"))
    assert site.users()["bob"] == "active"
    assert reason(site, run) == [("reactivate", "a role of staff is back")]
    assert site.sync(roles(21, "r-new,active,bob"))["outcome"] == "no_changes"


@pytest.mark.usefixtures("without_role")
@pytest.mark.parametrize(
    ("status", "enabled", "outcome"),
    [("active", "false", "succeeded_with_errors"), ("tobedeleted", "true", "no_changes")],
)
def test_later_row_wins(site: Site, status: str, enabled: str, outcome: str) -> None:
    """A user whose later row is disabled or deleted stays inactive, although it changed nothing.

    A row with a disabled account is unusable while the person has no role.
    """
    site.sync(users(21, status, enabled))
    again = site.sync(users(21, status, enabled))
    assert again["outcome"] == outcome
    site.sync(roles(22, "r-new,active,bob"))
    assert site.users()["bob"] == "inactive"


@pytest.mark.usefixtures("without_role")
def test_later_edit_by_hand_wins(site: Site) -> None:
    """A user who was reactivated and deactivated by hand since stays inactive."""
    with database.engine().begin() as connection:
        for status in ("active", "inactive"):
            connection.execute(
                sa.text(
                    "update users set status = :status, updated_at = clock_timestamp() "
                    "where site = :site and sourced_id = 'bob'"
                ),
                {"site": site.name, "status": status},
            )
    site.sync(roles(22, "r-new,active,bob"))
    assert site.users()["bob"] == "inactive"


@pytest.mark.usefixtures("without_role")
def test_erased_person_does_not_come_back(site: Site) -> None:
    """An erased person is not reactivated by a role."""
    erasure.erase(site.name, "bob", by="Ann", now=now())
    site.sync(roles(22, "r-new,active,bob"))
    assert "active" not in {s for id_, s in site.users().items() if id_.startswith("erased")}


def test_later_undo_wins(site: Site, without_role: dict[str, Any]) -> None:
    """A user whose reactivation was undone is not reactivated by the next role."""
    del without_role
    back = site.sync(roles(21, "r-new,active,bob"))
    site.command("undo", back["run_id"])
    assert site.users()["bob"] == "inactive"
    site.sync(roles(22, "r-newer,active,bob"))
    assert site.users()["bob"] == "inactive"


@pytest.mark.usefixtures("without_role")
def test_a_taken_login_prevents_a_reactivation(site: Site) -> None:
    """A user whose login belongs to another user now is not reactivated."""
    package = as_delta(
        SCHOOL_1_2,
        users=["new,active,2026-11-21T00:00:00Z,true,new,,New,Ray,,,bob@example.org,,,,,,,,,,s,"],
        roles=["r-n,active,2026-11-21T00:00:00Z,new,primary,teacher,,,s,"],
    )
    site.sync(package)
    assert site.users()["new"] == "active"
    run = site.sync(roles(22, "r-new,active,bob"))
    assert run["outcome"] in {"succeeded", "no_changes"}
    assert site.users()["bob"] == "inactive"
