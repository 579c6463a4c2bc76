"""The smallest packages that reproduce each difference found by random days (`oracle`)."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest

from golden.school import SCHOOL, SCHOOL_1_2, as_delta, changed, manifest
from oneroster_sync import (
    Outcome,
    Part,
    Request,
    approve,
    change_preferences,
    discard,
    pending_removals,
    sync,
    undo,
)

if TYPE_CHECKING:
    from conftest import Site
    from golden.school import Texts
    from oneroster_sync import Run

pytestmark = pytest.mark.case("b60")
RAGGED = f"r-x{',x' * 11}\n"
"""A row of roles.csv with too many cells."""
STAMP = "2026-11-0{}T08:00:00.000Z"


def clock() -> dt.datetime:
    """Return the time of every step."""
    return dt.datetime(2026, 11, 10, 2, tzinfo=dt.UTC)


def brought(site: Site, texts: Texts) -> Run:
    """Sync a package, and return the run."""
    package = str(site.package(texts))
    return sync(Request(site=site.name, package=package, requested_by="Ann"), clock=clock)


def prefer(site: Site, **settings: object) -> None:
    """Change preferences; two underscores separate a group from its field."""
    changes = {name.replace("__", "."): value for name, value in settings.items()}
    change_preferences(site.name, changes, by="Ann", clock=clock)


def user(id_: str, status: str = "active", given: str = "New", day: int = 2) -> str:
    """Return a row of users.csv in 1.1: a teacher."""
    cells = f"{id_},{status},{STAMP.format(day)},true,s,teacher,{id_},,{given},Lee,,,"
    return f"{cells}{id_}@example.org,,,,,"


def person(id_: str, day: int = 2) -> str:
    """Return a row of users.csv in 1.2."""
    cells = f"{id_},active,{STAMP.format(day)},true,{id_},,New,Lee,,,{id_}@example.org"
    return f"{cells},,,,,,,,,,s,"


def role(id_: str, whose: str, day: int = 2, what: str = "teacher") -> str:
    """Return a row of roles.csv."""
    return f"{id_},active,{STAMP.format(day)},{whose},primary,{what},,,s,"


def test_pending_removals_of_an_applied_delta_have_no_changes(site: Site) -> None:
    """Pending removals end without changes if a newer plan has applied their delta.

    The delta is no longer pending then, and that must not make every try fail.
    """
    prefer(site, guards__removals_wait=True, guards__users__minimum=1)
    brought(site, SCHOOL)
    first = brought(site, as_delta(SCHOOL, users=[user("bob", "tobedeleted"), user("eve")]))
    assert first.removals_wait
    prefer(site, guards__removals_wait=False)
    second = brought(site, as_delta(SCHOOL, users=[user("ann", given="Anna", day=3)]))
    approve(second.run_id, by="Ann", clock=clock)
    request = pending_removals(first, str(uuid.uuid4()))
    assert request is not None
    assert sync(request, clock=clock).outcome is Outcome.NO_CHANGES
    assert site.users()["bob"] == "inactive"


def test_user_with_a_discarded_pending_role_is_dropped(site: Site) -> None:
    """A new user of 1.2 whose pending role was discarded is dropped, like one without a role.

    A plan must not have a user without a role: every run would fail until a discard of the delta.
    """
    prefer(site, guards__added_users__minimum=1, guards__added_users__percent=1)
    brought(site, SCHOOL_1_2)
    held = brought(site, as_delta(SCHOOL_1_2, roles=[role("r-eve", "eve")], users=[person("eve")]))
    assert held.outcome is Outcome.HELD
    whole = {name: text for name, text in SCHOOL_1_2.items() if name != "roles.csv"}
    modes = {name.removesuffix(".csv"): "bulk" for name in whole if name != "manifest.csv"}
    whole["manifest.csv"] = manifest("1.2", **modes)
    whole = changed(whole, "users.csv", "Ann,Lee", "Anna,Lee")
    whole = changed(whole, "users.csv", "Bob,Ray", "Rob,Ray")
    prefer(site, guards__updated_users__minimum=1, guards__updated_users__percent=1)
    other = brought(site, whole)
    assert other.outcome is Outcome.HELD
    discard(other.run_id, by="Ann", clock=clock)  # and the pending role that it was made from

    run = brought(site, as_delta(SCHOOL_1_2, courses=["art,tobedeleted,,,,,,,,"]))

    assert run.outcome is Outcome.SUCCEEDED
    assert "eve" not in site.users()


def test_pending_enrollment_that_becomes_a_pupils_is_removed(site: Site) -> None:
    """A pending enrollment is removed when its row becomes a pupil's, like an applied one.

    Extract must know pending enrollments and those of the site, as it knows users and roles.
    """
    prefer(site, guards__added_users__minimum=1, guards__added_users__percent=1)
    brought(site, SCHOOL)
    row = "{},active,{},a1,s,{},{},false,,"
    rows = [row.format("new", STAMP.format(2), "ann", "teacher")]
    held = brought(site, as_delta(SCHOOL, users=[user("eve")], enrollments=rows))
    assert held.outcome is Outcome.HELD
    rows = [
        row.format("new", STAMP.format(3), "ann", "student"),
        row.format("bob-a1", STAMP.format(3), "bob", "student"),
    ]
    later = brought(site, as_delta(SCHOOL, enrollments=rows))
    approve(later.run_id, by="Ann", clock=clock)
    assert ("ann", "art") not in site.assignments()
    assert site.assignments()["bob", "art"] == "removed"


@pytest.mark.parametrize("beside", ["", RAGGED])
def test_role_without_a_user_is_always_an_error(site: Site, beside: str) -> None:
    """A row of roles.csv without a user is an error, with or without a broken row in the file.

    The broken row must not make it reuse the role's earlier user.
    """
    brought(site, SCHOOL_1_2)
    texts = changed(SCHOOL_1_2, "roles.csv", "r-bob,,,bob,", "r-bob,,,,")
    texts = {**texts, "roles.csv": texts["roles.csv"] + beside}
    run = brought(site, texts)
    found = site.rows(
        "select code from findings where run_id::text = :r and sourced_id = 'r-bob'", r=run.run_id
    )
    assert found == [("row.missing_required_value",)]
    assert site.users()["bob"] == "active"


def test_broken_role_counts_with_a_row_without_a_sourced_id(site: Site) -> None:
    """An unreadable row of roles.csv counts as an error in addition to errors of users.csv."""
    broken = {**SCHOOL_1_2, "roles.csv": SCHOOL_1_2["roles.csv"] + RAGGED}
    alone = brought(site, broken)
    nameless = changed(broken, "users.csv", "cat,,,true,", ",,,true,")
    both = brought(site, nameless)
    assert alone.counts is not None
    assert both.counts is not None
    assert alone.counts["users"]["errors"] == 1
    assert both.counts["users"]["errors"] == 2


def test_late_row_that_points_nowhere_is_no_error(site: Site) -> None:
    """A change that is older than the stored one has no effect, even if it refers to no record."""
    brought(site, SCHOOL)
    row = "bob-a1,{},{},a1,s,bob,teacher,true,,"
    gone = [row.format("tobedeleted", STAMP.format(5))]
    brought(site, as_delta(SCHOOL, users=[user("bob", "tobedeleted", day=5)], enrollments=gone))
    leaves = {name: text for name, text in SCHOOL.items() if name in {"manifest.csv", "users.csv"}}
    leaves["manifest.csv"] = manifest("1.1", classes="delta")
    leaves["classes.csv"] = as_delta(SCHOOL, classes=["a1,tobedeleted,,,,,,,,,,,,"])["classes.csv"]
    del leaves["users.csv"]
    brought(site, leaves)
    late = brought(site, as_delta(SCHOOL, enrollments=[row.format("active", STAMP.format(3))]))
    assert late.outcome is Outcome.NO_CHANGES
    assert late.counts is not None
    assert late.counts["assignments"]["errors"] == 0


def test_undo_of_courses_keeps_the_enrollments_of_a_class_that_moved(site: Site) -> None:
    """After the undo, the enrollments of the class are stored with its old course, not deleted."""
    brought(site, SCHOOL)
    course = f"music,active,{STAMP.format(2)},y,Music,M2,09,s,Music,"
    class_ = f"a1,active,{STAMP.format(2)},Art 1,09,music,A1-1,scheduled,,s,t,,,"
    run = brought(site, as_delta(SCHOOL, courses=[course], classes=[class_]))
    part = Part(kind="course")
    undo(Request(site=site.name, requested_by="Ann", undoes=run.run_id, undo_of=part), clock=clock)
    query = "select sourced_id, course_sourced_id from enrollments where site = :site"
    assert dict(site.rows(query)) == {
        "ann-m1": "maths", "ann-m2": "maths", "bob-a1": "art", "cat-a1": "art",
    }  # fmt: skip


def test_broken_row_of_a_known_user_protects_no_other_enrollment(site: Site) -> None:
    """If all enrollments get new sourcedIds, the same package again changes nothing.

    A broken row of a known user without an earlier class must not protect other users' enrollments.
    """
    brought(site, SCHOOL)
    header, *rows = SCHOOL["enrollments.csv"].splitlines()
    anew = [f"new-{row}" for row in rows if not row.startswith("bob")]
    anew += ["n1,,,m1,s,dan,teacher,false,,", "n2,odd,,a1,s,dan,teacher,false,,"]
    texts = {**SCHOOL, "enrollments.csv": "\n".join([header, *anew]) + "\n"}
    first, again = brought(site, texts), brought(site, texts)
    assert first.counts is not None
    assert again.counts is not None
    assert first.counts["assignments"]["removed"] == 1
    assert again.counts["assignments"]["removed"] == 0


@pytest.mark.parametrize("delta", [False, True])
def test_blank_enabled_user_activates_a_returning_user(site: Site, *, delta: bool) -> None:
    """A returning user with a blank enabledUser is active, unless enabledUser disabled the account.

    Otherwise no user could return at an SIS that never fills the column.
    """
    brought(site, SCHOOL)
    off = changed(SCHOOL, "users.csv", "cat,,,true,", "cat,,,false,")
    brought(
        site, changed(off, "users.csv", "bob,,,true,s,teacher,bob,,Bob,Ray,,,", "x,,,,s,,,,,,,,")
    )
    assert (site.users()["bob"], site.users()["cat"]) == ("inactive", "inactive")
    blank = changed(SCHOOL, "users.csv", "bob,,,true,", "bob,,,,")
    blank = changed(blank, "users.csv", "cat,,,true,", "cat,,,,")
    if delta:
        rows = [row.replace(",true,", ",,") for row in (user("bob"), user("cat"))]
        blank = as_delta(SCHOOL, users=rows)
    run = brought(site, blank)
    assert run.outcome is Outcome.SUCCEEDED
    assert (site.users()["bob"], site.users()["cat"]) == ("active", "inactive")


def test_returning_user_waits_for_a_login_in_use(site: Site) -> None:
    """While syncs only add, no user returns with an address that another user holds until later.

    This includes a user whose own record still has the address: the database would refuse the plan.
    """
    brought(site, SCHOOL)
    left = changed(SCHOOL, "users.csv", "bob,,,true,s,teacher", "bob,,,false,s,teacher")
    brought(site, changed(left, "users.csv", "cat@example.org", "bob@example.org"))
    prefer(site, create_only_until="2026-11-10")
    run = brought(site, changed(SCHOOL, "users.csv", "Cat,Orr", "Kit,Orr"))
    assert run.outcome is Outcome.NO_CHANGES
    assert site.users()["bob"] == "inactive"
    prefer(site, create_only_until=None)
    assert brought(site, SCHOOL).outcome is Outcome.SUCCEEDED
    assert site.users()["bob"] == "active"
