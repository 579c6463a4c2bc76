"""A record with a new sourcedId stays the same person, course and teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conftest import csv_text
from oneroster_sync.sites.thresholds import Guards, Limit
from roster_of import SCHOOL, plan_of, roster_of

if TYPE_CHECKING:
    from conftest import Site
    from oneroster_sync.roster.model import Roster

FEW = Guards(sourced_ids=Limit(percent=100, minimum=1000))
"""Thresholds at which no number of sourcedId changes is a mass change."""


def staff(prefix: str, count: int, *, name: str = "") -> str:
    """Return rows of numbered users whose sourcedIds have a prefix."""
    return csv_text(
        "sourcedId,email,givenName",
        *(f"{prefix}{n},u{n}@x.org,{name and f'{name}{n}'}" for n in range(count)),
    )


def known(count: int) -> Roster:
    """Return a roster of numbered users without names."""
    return roster_of(
        users=csv_text("sourced_id,email", *(f"u{n},u{n}@x.org" for n in range(count)))
    )


@pytest.mark.parametrize(
    ("row", "is_same"),
    [
        ("new,ANN@x.org,Ann,Lee", True),
        ("new,ann@x.org,ann,Poe", True),
        ("new,ann@x.org,Anna,LEE", True),
        ("new,ann@x.org,Bob,Ray", False),
        ("new,ann@x.org,,", False),
        ("new,other@x.org,Ann,Lee", False),
    ],
    ids=["same", "married", "another first name", "other names", "nameless", "another address"],
)
def test_one_person_is_recognised_by_login_and_name(row: str, *, is_same: bool) -> None:
    """The same address and one equal name identify a person; the address alone does not."""
    roster = roster_of(users="sourced_id,email,given_name,family_name\nold,ann@x.org,Ann,Lee")
    planned = plan_of(
        roster, {"users.csv": f"sourcedId,email,givenName,familyName\n{row}"}, guards=FEW
    )
    different = [("add", "new"), ("deactivate", "old")]
    assert planned.users == ([("rekey", "new")] if is_same else different)


def test_fields_move_with_the_sourced_id() -> None:
    """A record with a new sourcedId is compared like any other, and shows the old one."""
    roster = roster_of(users="sourced_id,email,given_name,role\nold,ann@x.org,Ann,teacher")
    planned = plan_of(
        roster, {"users.csv": "sourcedId,email,givenName,role\nnew,ann@x.org,Ann,aide"}
    )
    assert planned.users == [("rekey", "new")]
    assert planned.user("new") == {"sourced_id": ("old", "new"), "role": ("teacher", "aide")}


def test_many_are_recognised_by_login_alone() -> None:
    """From the site's threshold on, equal addresses are enough, because a person decides."""
    assert plan_of(known(5), {"users.csv": staff("x", 5)}).users == [
        ("rekey", f"x{n}") for n in range(5)
    ]
    assert ("deactivate", "u0") in plan_of(known(4), {"users.csv": staff("x", 4)}).users


def test_hand_made_account_keeps_everything_but_its_link() -> None:
    """A linked hand-made account gets the new sourcedId and keeps its fields."""
    roster = roster_of(users="sourced_id,email,given_name,managed\nold,ann@x.org,Ann,no")
    planned = plan_of(
        roster, {"users.csv": "sourcedId,email,givenName,role\nnew,ann@x.org,ANN,aide"}
    )
    assert planned.user("new") == {"sourced_id": ("old", "new")}


def test_credited_admin_is_not_touched() -> None:
    """The credited administrator stays unchanged, and a row that claims the login is reported."""
    roster = roster_of(
        users="sourced_id,email,given_name,id\nold,ann@x.org,Ann,5", credited_admin=5
    )
    planned = plan_of(roster, {"users.csv": "sourcedId,email,givenName\nnew,ann@x.org,Ann"})
    assert planned.users == []
    assert ("semantic.login_taken", "new") in planned.codes


def test_a_known_row_is_no_sourced_id_change() -> None:
    """A known user who takes an absent user's address is not mistaken for that user."""
    roster = roster_of(users="sourced_id,email,given_name\na,a@x.org,Ann\nb,b@x.org,Bob")
    planned = plan_of(roster, {"users.csv": "sourcedId,email,givenName\na,b@x.org,Ann"})
    assert planned.users == [("update", "a"), ("deactivate", "b")]


def test_broken_row_under_a_new_sourced_id_keeps_its_account() -> None:
    """A row with an error keeps the account with its login active."""
    roster = roster_of(users="sourced_id,email\nold,ann@x.org")
    planned = plan_of(roster, {"users.csv": "sourcedId,email\n! new,ann@x.org"})
    assert planned.users == []


def test_marked_in_a_delta_and_come_again_is_one_person() -> None:
    """A delta that deletes the old sourcedId and adds the new one changes the sourcedId."""
    roster = roster_of(users="sourced_id,email,given_name\nold,ann@x.org,Ann")
    text = "sourcedId,email,givenName,status\nold,,,tobedeleted\nnew,ann@x.org,Ann,active"
    assert plan_of(roster, {"users.csv": text}, delta=["users.csv"]).users == [("rekey", "new")]


def test_courses_are_recognised_by_code_and_title() -> None:
    """Code and title identify a course, unless two courses have the same."""
    roster = roster_of(
        courses="sourced_id,title,course_code\na,Art,A1\nm,Maths,M1\np,PE,\ng,Gym,G1\nh,Gym,G1"
    )
    text = "sourcedId,title,courseCode\nA,Art,A1\nM,Mathematics,M1\nP,PE,\nG,Gym,G1"
    assert plan_of(roster, {"courses.csv": text}).courses == [
        ("rekey", "A"),
        ("add", "G"),
        ("add", "M"),
        ("add", "P"),
        ("remove", "g"),
        ("remove", "h"),
        ("remove", "m"),
        ("remove", "p"),
    ]


SCHOOL_RENAMED = {
    file: text.replace("ann", "2-ann")
    .replace("bob", "2-bob")
    .replace("cec", "2-cec")
    .replace("maths,", "2-maths,")
    .replace("art,", "2-art,")
    .replace("m1,Maths 1,maths", "m1,Maths 1,2-maths")
    .replace("a1,Art 1,art", "a1,Art 1,2-art")
    .replace("2-ann@", "ann@")
    .replace("2-bob@", "bob@")
    .replace("2-cec@", "cec@")
    for file, text in SCHOOL.items()
}


def test_whole_school_is_renamed_and_nothing_else_changes(site: Site) -> None:
    """Accounts, courses and assignments stay the same records; the next sync changes nothing."""
    site.sync(SCHOOL)
    query = "select id, given_name, status from users where site = :site order by id"
    pairs = "select user_id, course_id, status from course_assignments where site = :site"
    before = site.rows(query), site.rows(pairs)
    run = site.sync(SCHOOL_RENAMED)
    assert run["outcome"] == "succeeded"
    assert run["counts"]["users"] == {**run["counts"]["users"], "rekeyed": 3, "added": 0}
    assert run["counts"]["courses"] == {**run["counts"]["courses"], "rekeyed": 2, "added": 0}
    assert set(run["counts"]["assignments"].values()) == {0}
    assert (site.rows(query), site.rows(pairs)) == before
    assert site.users() == dict.fromkeys(("2-ann", "2-bob", "2-cec"), "active")
    assert site.courses() == dict.fromkeys(("2-maths", "2-art"), "active")
    assert site.sync(SCHOOL_RENAMED)["outcome"] == "no_changes"


def test_mass_change_is_held_and_approved(site: Site) -> None:
    """Many new sourcedIds are held, and after an approval the accounts are the same."""
    site.sync({"users.csv": full("u", 12)})
    code, run = site.command("sync", site.package({"users.csv": full("x", 12)}))
    assert (code, run["outcome"]) == (3, "held")
    assert [reason.split(":")[0] for reason in run["reasons"]] == ["guard.identity_shift"]
    assert run["counts"]["users"]["rekeyed"] == 12
    assert site.command("approve", run["run_id"])[1]["outcome"] == "succeeded"
    assert site.users() == dict.fromkeys((f"x{n}" for n in range(12)), "active")
    assert site.rows("select count(*) from users where site = :site and managed") == [(12,)]


def test_lone_users_file_carries_the_assignments_along(site: Site) -> None:
    """After a users.csv alone with new sourcedIds, users keep their courses and enrollments."""
    site.sync(SCHOOL)
    site.command(
        "sync", site.package({"users.csv": SCHOOL_RENAMED["users.csv"]}), "--scope", "users"
    )
    assert site.assignments()["2-ann", "maths"] == "active"
    linked = "select user_sourced_id from enrollments where site = :site order by sourced_id"
    assert site.rows(linked) == [("2-ann",), ("2-bob",), ("2-cec",)]


def test_undo_gives_the_old_sourced_ids_back(site: Site) -> None:
    """An undo restores the old sourcedIds, assignments included."""
    site.sync(SCHOOL)
    before = site.users(), site.courses(), site.assignments()
    run = site.sync(SCHOOL_RENAMED)
    undone = site.command("undo", run["run_id"])[1]
    assert undone["outcome"] == "succeeded"
    assert undone["counts"]["users"]["rekeyed"] == 3
    assert (site.users(), site.courses(), site.assignments()) == before
    assert site.sync(SCHOOL)["outcome"] == "no_changes"


def full(prefix: str, count: int) -> str:
    """Return a users.csv with all required columns."""
    return csv_text(
        "sourcedId,enabledUser,role,username,givenName,familyName,email",
        *(f"{prefix}{n},true,teacher,u{n},Given{n},Family{n},u{n}@x.org" for n in range(count)),
    )
