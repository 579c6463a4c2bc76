"""Protection ages: a broken row protects its record until it is fixed or a person releases it."""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING, Any

import pytest

from oneroster_sync import (
    NotStaleError,
    Request,
    change_preferences,
    database,
    notifications,
    preview_release,
    release_protection,
    stale_protections,
    sync,
)
from oneroster_sync.notifications import Delivery
from past import BASE_URL, choose
from roster_of import SCHOOL, as_delta, changed
from test_guards import staff
from test_guards_both_ways import at

if TYPE_CHECKING:
    from conftest import Site
    from oneroster_sync import Run

BROKEN = changed(SCHOOL, "users.csv", "cec,true,aide", "cec,true,wizard")
CAUSE = "users.csv:row.unknown_role:role"


def night(site: Site, day: int, package: dict[str, str]) -> Run:
    """Sync a package in the night of a day, with different bytes each night."""
    fresh = {name: text + "\n" * day for name, text in package.items()}
    request = Request(site=site.name, package=str(site.package(fresh)), requested_by="the SIS")
    return sync(request, clock=lambda: at(day))


def patient(site: Site, runs: int) -> None:
    """Set after how many runs protection is stale."""
    changes = {"stale_protection_runs": runs}
    change_preferences(site.name, changes, by="Ann", clock=lambda: at(0))


def protections(site: Site) -> list[tuple[Any, ...]]:
    """Return the stored protections."""
    return site.rows(
        'select kind, sourced_id, course_sourced_id, file, code, "column", since, released_by '
        "from protections where site = :site order by 1, 2"
    )


@pytest.mark.case("b44")
def test_protection_is_stale_after_so_many_runs_and_is_released_by_a_person(site: Site) -> None:
    """Good bulk runs age a protection; after its release, the record counts as absent."""
    patient(site, 2)
    night(site, 0, SCHOOL)
    night(site, 1, BROKEN)
    (began,) = [row for row in protections(site) if row[0] == "user"]
    assert began[1] == "cec"
    assert began[6] == at(1)
    night(site, 2, BROKEN)
    courses = "sourcedId,status,dateLastModified,title\nart,active,2026-11-03T00:00:00Z,Art 2\n"
    delta = night(site, 3, as_delta("1.1", {"courses.csv": courses}))
    assert delta.outcome == "succeeded"
    assert stale_protections(site.name) == []
    with pytest.raises(NotStaleError):
        preview_release(site.name, "users.csv:row.unknown_role:role")
    night(site, 4, BROKEN)

    (user,) = [c for c in stale_protections(site.name) if c.file == "users.csv"]
    assert (user.age, [record.sourced_id for record in user.records]) == (2, ["cec"])
    assert protections(site)[-1][6] == at(1)
    assert preview_release(site.name, user.cause)["users"] == ["cec"]
    assert site.users()["cec"] == "active"

    release_protection(site.name, user.cause, by="Ann Lee", clock=lambda: at(5))
    change_preferences(site.name, {"guards.users.minimum": 1}, by="Ann", clock=lambda: at(5))
    held = night(site, 5, BROKEN)
    assert [hold["code"] for hold in held.holds] == ["guard.removals"]
    change_preferences(site.name, {"guards.users.minimum": 5}, by="Ann", clock=lambda: at(5))
    done = night(site, 6, BROKEN)
    assert done.outcome == "succeeded_with_errors"
    assert site.users()["cec"] == "inactive"
    query = "select reason from changes where run_id::text = :run and kind = 'user'"
    reason = f"protected by a broken row since {at(1):%Y-%m-%d}, released by Ann Lee"
    assert site.rows(query, run=done.run_id) == [(reason,)]
    assert [row for row in protections(site) if row[0] == "user"] == []
    assert night(site, 7, BROKEN).outcome == "succeeded_with_errors"


def test_a_fixed_row_protects_nothing(site: Site) -> None:
    """A row that is fixed before the next plan keeps its record, even after a release."""
    patient(site, 1)
    night(site, 0, SCHOOL)
    night(site, 1, BROKEN)
    night(site, 2, BROKEN)
    (user,) = [c for c in stale_protections(site.name) if c.file == "users.csv"]
    release_protection(site.name, user.cause, by="Ann", clock=lambda: at(3))
    assert night(site, 3, SCHOOL).outcome == "no_changes"
    assert site.users()["cec"] == "active"
    assert protections(site) == []


def test_assignments_and_courses_are_released_as_well(site: Site) -> None:
    """Assignments of broken enrollments and broken courses are protected and can be released."""
    broken = changed(SCHOOL, "enrollments.csv", "e2,a1,bob,teacher", "e2,a1,bob,wizard")
    broken = changed(broken, "courses.csv", "maths,Maths,M1", "maths,,M1")
    patient(site, 1)
    night(site, 0, SCHOOL)
    night(site, 1, broken)
    night(site, 2, broken)
    causes = {c.file: c for c in stale_protections(site.name)}
    (pair,) = [r for r in causes["enrollments.csv"].records if r.sourced_id == "bob"]
    assert (pair.kind, pair.course_sourced_id) == ("assignment", "art")
    goes = preview_release(site.name, causes["courses.csv"].cause)
    assert goes == {"users": [], "courses": ["maths"], "assignments": ["ann to maths"]}
    release_protection(site.name, causes["courses.csv"].cause, by="Ann", clock=lambda: at(3))
    for cause in {r.cause for r in [pair]}:
        release_protection(site.name, cause, by="Ann", clock=lambda: at(3))
    night(site, 3, broken)
    assert site.courses() == {"maths": "removed", "art": "active"}
    assert site.assignments() == {("bob", "art"): "removed", ("ann", "maths"): "removed"}


def test_same_package_moves_nothing_and_ages_nothing(site: Site) -> None:
    """A run that reuses earlier results does not age a protection."""
    patient(site, 1)
    night(site, 0, SCHOOL)
    path = str(site.package(BROKEN))
    first, *_, last = [
        sync(
            Request(site=site.name, package=path, requested_by="the SIS"),
            clock=functools.partial(at, day),
        )
        for day in (1, 2, 3)
    ]
    before = protections(site)
    assert first.applied_at == before[0][6] == at(1)
    assert last.same_as is not None
    ages = {record.age for cause in stale_protections(site.name) for record in cause.records}
    assert ages == set()


def test_a_row_without_identity_counts_the_removals_that_wait(site: Site) -> None:
    """A row without identity stops all deactivations, and its finding gives their number."""
    night(site, 0, staff(range(10)))
    nobody = changed(staff(range(8)), "users.csv", "u7,,,true,o1,teacher", ",,,true,o1,teacher")
    nobody = changed(nobody, "users.csv", "u7@x.org", "")
    run = night(site, 1, nobody)
    assert site.users()["u9"] == "active"
    rows = site.rows(
        "select expected from findings where run_id::text = :run "
        "and code = 'semantic.unclear_identity'",
        run=run.run_id,
    )
    assert rows == [("a sourcedId in every row; 3 removals wait until these rows have one",)]


def test_stale_protection_is_notified_once_and_then_weekly(site: Site) -> None:
    """Stale protection is notified on the day and a week later, without a sourcedId."""
    choose(site)
    patient(site, 1)
    night(site, 0, SCHOOL)
    night(site, 1, BROKEN)
    night(site, 2, BROKEN)
    days = []
    for day in range(3, 14):
        now = at(day) + dt.timedelta(hours=4)
        with database.engine().connect() as connection:
            due = notifications.of_site(connection, site.name, base_url=BASE_URL, now=now)
        for notice in due:
            if (
                notice.cause == "stale protection"
                and notifications.send_once(notice, lambda _: 1, now=now) is Delivery.SENT
            ):
                days.append(day)
                assert "cec" not in notice.message.text()
                assert "oneroster protections list" in notice.message.text()
    assert days == [3, 10]


def test_commands_list_show_and_release(site: Site) -> None:
    """Commands list stale protections with cause and records, preview a release, and release."""
    patient(site, 1)
    night(site, 0, SCHOOL)
    night(site, 1, BROKEN)
    night(site, 2, BROKEN)
    code, found = site.command("protections", "list")
    (cause,) = [c for c in found["causes"] if c["file"] == "users.csv"]
    assert (code, [r["sourced_id"] for r in cause["records"]]) == (0, ["cec"])
    code, shown = site.command("protections", "show", cause["cause"])
    assert (code, shown["goes"]["users"]) == (0, ["cec"])
    code, done = site.command("protections", "release", cause["cause"], "--reason", "left")
    assert (code, done["cause"]) == (0, cause["cause"])
    assert site.command("protections", "list")[1]["causes"][-1]["is_released"]
