"""Undo of records that depend on each other: e-mails, sourcedIds, assignments, expired audits."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from conftest import csv_text
from oneroster_sync.operations.retention import delete_expired
from oneroster_sync.settings import Keeping
from roster_of import SCHOOL, changed, now, run_command
from test_undo import NEXT_DAY, audited, counted, numbered, roster, staff
from test_undo_parts import enrolled, undone

if TYPE_CHECKING:
    from conftest import Site

LETTERS = "abcdefgh"


def people(**mails: str) -> dict[str, str]:
    """Return a users.csv of teachers: sourcedId → the letter of their e-mail."""
    return staff(*(f"{id_},{id_.upper()},{mail}@x.org" for id_, mail in mails.items()))


def logins(site: Site) -> dict[str, str]:
    """Return the e-mails of the active users by sourcedId."""
    query = "select sourced_id, login from users where site = :site and status = 'active'"
    return {id_: login[0] for id_, login in site.rows(f"{query} and managed")}


@pytest.mark.case("b36")
def test_chain_of_addresses_is_left_alone_from_its_break_on(site: Site) -> None:
    """An undo skips a changed user, and all users whose old e-mails depend on that user.

    u takes over b, v takes over c, w takes over d. Then the name of u changes: her record changed
    since and keeps b, so v keeps c, so w keeps d.
    """
    site.sync(people(u="a", v="b", w="c", x="d"))
    run = site.sync(people(u="b", v="c", w="d", x="e"))
    site.sync(changed(people(u="b", v="c", w="d", x="e"), "users.csv", "u,U,Lee", "u,U,Fox"))

    code, output = run_command(site, "undo", run["run_id"])

    assert code == 0
    assert logins(site) == {"u": "b", "v": "c", "w": "d", "x": "e"}
    assert "left alone: user u, because it changed again since" in output
    for name in "vwx":
        assert f"left alone: user {name}, because another account has its login now" in output


def test_the_rest_of_a_broken_chain_goes_back(site: Site) -> None:
    """Users outside a broken chain are undone as usual."""
    site.sync(people(u="a", v="b", w="c", y="h"))
    run = site.sync(people(u="d", v="a", w="b", y="g"))
    site.sync(people(u="d", v="a", w="b", y="g", new="c"))
    taken = undone(site, run)
    assert taken["outcome"] == "succeeded"
    assert logins(site) == {"u": "d", "v": "a", "w": "b", "y": "h", "new": "c"}
    assert audited(site, taken) == counted(taken) == 1


def ids(site: Site, *rows: str) -> dict[str, Any]:
    """Sync an ids.csv and return its run."""
    text = csv_text("kind,oldSourcedId,newSourcedId", *rows)
    path = site.folder / "ids.csv"
    path.write_text(text, "utf-8")
    return site.command("sync", path, "--kind", "ids")[1]


def test_sourced_id_that_was_taken_since_is_left_alone(site: Site) -> None:
    """An old sourcedId that another record has now is not restored, and the output names it."""
    site.sync(people(u="a", v="b"))
    run = ids(site, "user,u,u2")
    day = staff("u2,U,a@x.org", "v,V,b@x.org", "u,New,c@x.org")
    site.sync(changed(day, "users.csv", "u2,teacher,u2", "u2,teacher,u"))
    code, output = run_command(site, "undo", run["run_id"])
    assert code == 0
    assert "left alone: user u2, because another record has its sourcedId now" in output
    assert logins(site) == {"u2": "a", "v": "b", "u": "c"}


def test_chain_of_sourced_ids_goes_back(site: Site) -> None:
    """Records that passed on their sourcedIds get them back one after the other."""
    site.sync(people(u="a", v="b", w="c"))
    runs = [ids(site, f"user,{old},{new}") for old, new in (("w", "x"), ("v", "w"), ("u", "v"))]
    assert logins(site) == {"x": "c", "w": "b", "v": "a"}
    for run in reversed(runs):
        assert undone(site, run)["outcome"] == "succeeded"
    assert logins(site) == {"u": "a", "v": "b", "w": "c"}


BOSS = "boss,true,administrator,boss,Boss,Lee,admin@district.example\n"
LED = {**SCHOOL, "users.csv": SCHOOL["users.csv"] + BOSS}
LED["enrollments.csv"] = SCHOOL["enrollments.csv"] + "e4,m1,boss,teacher\n"


def test_undo_of_undo_keeps_the_assignments_of_linked_accounts(site: Site) -> None:
    """An account that is unlinked and linked again gets its assignments back.

    Counts, audit and roster agree.
    """
    site.sync(SCHOOL)
    run = site.sync(LED)
    assert site.assignments()["boss", "maths"] == "active"
    first = undone(site, run)
    assert audited(site, first) == counted(first) == 2
    account = "select a.status from course_assignments a join users u on u.id = a.user_id "
    account += "where a.site = :site and u.email = 'admin@district.example'"
    assert site.rows(account) == [("removed",)]
    second = undone(site, first)
    assert audited(site, second) == counted(second) == 2
    assert site.assignments()["boss", "maths"] == "active"
    assert site.sync(LED)["outcome"] == "no_changes"


@pytest.mark.parametrize("still_taught", [True, False])
def test_an_account_that_is_linked_again_has_its_assignments(
    site: Site, *, still_taught: bool
) -> None:
    """An account keeps assignments of a later run, and the plan that links it again knows them."""
    without = {**LED, "enrollments.csv": SCHOOL["enrollments.csv"]}
    site.sync(SCHOOL)
    linked = site.sync(without)
    site.sync(LED)
    undone(site, linked)

    package = LED if still_taught else without
    again = site.sync(package)

    assert again["counts"]["users"]["adopted"] == 1
    assert again["counts"]["assignments"]["added"] == 0
    assert again["counts"]["assignments"]["removed"] == (0 if still_taught else 1)
    assert audited(site, again) == counted(again)
    assert site.assignments()["boss", "maths"] == ("active" if still_taught else "removed")
    assert site.sync(package)["outcome"] == "no_changes"


def test_undo_of_users_takes_their_assignments_along(site: Site) -> None:
    """An undo of users also undoes their assignments; what can't be undone is named."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    code, output = run_command(site, "undo", run["run_id"], "--kind", "user")
    assert code == 0
    assert site.users() == {"ann": "active", "bob": "active", "cec": "active", "dan": "inactive"}
    assert site.courses() == {"maths": "active", "art": "removed", "bio": "active"}
    assert site.assignments()["dan", "maths"] == "removed"
    assert site.assignments()["ann", "maths"] == "active"
    assert site.assignments()["bob", "art"] == "removed"
    assert "left alone: assignment bob to art, because the course is removed" in output
    assert ("e1", "ann") in enrolled(site)
    assert ("e1", "dan") not in enrolled(site)


def test_undo_of_courses_takes_their_assignments_along(site: Site) -> None:
    """An undo of a course removes all its assignments, including those of a later run."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    later = changed(NEXT_DAY, "enrollments.csv", "e2,b1,ann", "e3,b1,dan,teacher\ne2,b1,ann")
    site.sync(later)
    taken = undone(site, run, "--kind", "course")
    assert site.courses() == {"maths": "active", "art": "active", "bio": "removed"}
    assert site.assignments()["ann", "bio"] == "removed"
    assert site.assignments()["dan", "bio"] == "removed"
    assert site.users()["bob"] == "inactive"
    assert site.assignments()["bob", "art"] == "removed"
    assert audited(site, taken) == counted(taken)


def test_assignments_of_another_run_stay_behind_and_are_named(site: Site) -> None:
    """An assignment that another run made stays with its user, and the undo names it."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    later = changed(NEXT_DAY, "enrollments.csv", "e2,b1,ann", "e3,b1,dan,teacher\ne2,b1,ann")
    site.sync(later)
    code, output = run_command(site, "undo", run["run_id"], "--kind", "user")
    assert code == 0
    assert "left alone: assignment dan to bio, because another run made it" in output


@pytest.mark.parametrize("kind", ["user", "course", "assignment", None])
def test_undo_of_a_part_and_of_that_gives_back_exactly_what_was(
    site: Site, kind: str | None
) -> None:
    """An undo of the undo of any part restores the roster and the stored links."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    before = roster(site), enrolled(site), site.assignments()
    part = undone(site, run, *(["--kind", kind] if kind else []))
    assert audited(site, part) == counted(part) > 0
    again = undone(site, part)
    assert audited(site, again) == counted(again) == counted(part)
    assert (roster(site), enrolled(site), site.assignments()) == before


def test_run_whose_audit_was_removed_says_so(site: Site) -> None:
    """An undo of a run with an expired audit fails with the reason."""
    site.sync(numbered(range(3)))
    run = site.sync(numbered(range(2)))
    delete_expired(site.name, now=now() + dt.timedelta(days=9), keeping=Keeping(1, 1, audit_days=8))
    code, output = run_command(site, "undo", run["run_id"])
    assert code == 1
    assert "its audit expired and was deleted" in output
    assert site.users()["u2"] == "inactive"
