"""Logins: an e-mail address belongs to one active user, and moves only when its owner lets go."""

from __future__ import annotations

import pytest

from roster_of import plan_of, roster_of

TAKEN = "semantic.login_taken"


@pytest.mark.case("a61")
def test_two_users_swap_their_addresses() -> None:
    """Two users may swap their e-mail addresses in one package."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,one@x.org\nbob,two@x.org"),
        {"users.csv": "sourcedId,email\nann,two@x.org\nbob,one@x.org"},
    )
    assert planned.users == [("update", "ann"), ("update", "bob")]
    assert planned.user("ann")["login"] == ("one@x.org", "two@x.org")
    assert planned.codes == []


def test_addresses_go_round() -> None:
    """A chain of addresses moves at once, whatever its length, and a newcomer may end it."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,one@x.org\nbob,two@x.org\ncec,three@x.org"),
        {
            "users.csv": """
                sourcedId,email
                ann,two@x.org
                bob,three@x.org
                cec,four@x.org
                dan,one@x.org
            """
        },
    )
    assert planned.users == [
        ("update", "ann"),
        ("update", "bob"),
        ("update", "cec"),
        ("add", "dan"),
    ]
    assert planned.codes == []


def test_user_who_leaves_frees_the_address() -> None:
    """The address of a user who is absent from the same bulk file can be given away."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nold,info@x.org"),
        {"users.csv": "sourcedId,email\nnew,info@x.org"},
    )
    assert planned.users == [("add", "new"), ("deactivate", "old")]
    assert planned.codes == []


def test_deletion_in_a_delta_frees_the_address() -> None:
    """In a delta the address is free when its owner's deletion stands in the same file."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nold,info@x.org"),
        {"users.csv": "sourcedId,email,status\nold,,tobedeleted\nnew,info@x.org,active"},
        delta=["users.csv"],
    )
    assert planned.users == [("add", "new"), ("deactivate", "old")]
    assert planned.codes == []


def test_deactivated_user_holds_no_address() -> None:
    """Only active users hold a login."""
    planned = plan_of(
        roster_of(users="sourced_id,email,status\nold,info@x.org,inactive"),
        {"users.csv": "sourcedId,email\nnew,info@x.org"},
    )
    assert planned.users == [("add", "new")]
    assert planned.codes == []


def test_address_of_a_user_who_stays_is_refused() -> None:
    """In a delta a row can't take the address of a user it does not speak of, in any spelling."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,Ann@X.org\nbob,bob@x.org"),
        {"users.csv": "sourcedId,email,status\nbob,ANN@x.org,active"},
        delta=["users.csv"],
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]
    assert planned.bad("users") == ["bob"]


def test_refused_row_protects_its_record() -> None:
    """A row whose login is refused is not used, and its record is not missing either."""
    planned = plan_of(
        roster_of(
            users="""
                sourced_id,given_name,email,managed
                ann,Ann,ann@x.org,no
                bob,Bob,bob@x.org,yes
            """
        ),
        {"users.csv": "sourcedId,givenName,email\nann,Ann,ann@x.org\nbob,Robert,ann@x.org"},
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]


def test_linked_account_keeps_its_address() -> None:
    """A hand-made account with a sourcedId keeps its login although its row names another."""
    planned = plan_of(
        roster_of(users="sourced_id,email,managed\nann,ann@x.org,no\nbob,bob@x.org,yes"),
        {"users.csv": "sourcedId,email\nann,anna@x.org\nbob,ann@x.org"},
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]


def test_hand_made_account_keeps_its_address() -> None:
    """A known user can't take the address of a hand-made account: both would log in with it."""
    planned = plan_of(
        roster_of(users="sourced_id,email,managed\n,hand@x.org,no\nbob,bob@x.org,yes"),
        {"users.csv": "sourcedId,email\nbob,hand@x.org"},
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]


def test_credited_admin_keeps_the_address() -> None:
    """A known user can't take the credited administrator's address."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nbob,bob@x.org"),
        {"users.csv": "sourcedId,email\nbob,Admin@x.org"},
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]


def test_returning_user_meets_a_hand_made_account() -> None:
    """A deactivated user can't come back with an address that a hand-made account has now."""
    planned = plan_of(
        roster_of(
            users="""
                sourced_id,email,status,managed
                ,bob@x.org,active,no
                bob,bob@x.org,inactive,yes
            """
        ),
        {"users.csv": "sourcedId,email\nbob,bob@x.org"},
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]


def test_refusals_go_on_along_a_chain() -> None:
    """Who is refused keeps the old address, so whoever wanted that one is refused as well."""
    planned = plan_of(
        roster_of(
            users="""
                sourced_id,email,managed
                ann,one@x.org,no
                bob,two@x.org,yes
                cec,three@x.org,yes
                dan,four@x.org,yes
            """
        ),
        {
            "users.csv": """
                sourcedId,email
                ann,one@x.org
                bob,one@x.org
                cec,two@x.org
                dan,five@x.org
            """
        },
    )
    assert planned.users == [("update", "dan")]
    assert sorted(planned.codes) == [(TAKEN, "bob"), (TAKEN, "cec")]


def test_half_a_swap_is_no_swap() -> None:
    """Where one of two who swap has an error, the other can't have the address."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,one@x.org\nbob,two@x.org"),
        {"users.csv": "sourcedId,email\n! ann,two@x.org\nbob,one@x.org"},
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]


def test_absent_user_who_is_kept_keeps_the_address() -> None:
    """An absent user who can't be deactivated, since a row can't be read, lets go of nothing."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nold,info@x.org"),
        {"users.csv": "sourcedId,email\nnew,info@x.org\n!,"},
    )
    assert planned.users == []
    assert (TAKEN, "new") in planned.codes


def test_enrollments_of_a_refused_user_are_left_alone() -> None:
    """What hangs from a refused user stays: no assignment is added, none is removed."""
    roster = roster_of(
        users="sourced_id,email,managed\nann,ann@x.org,no\nbob,bob@x.org,yes",
        courses="sourced_id,title\nart,Art\nmaths,Maths",
        assignments="user,course\nbob,art",
        classes="sourced_id,course_sourced_id\na1,art\nm1,maths",
        enrollments="""
            sourced_id,user_sourced_id,class_sourced_id,role,course_sourced_id
            e1,bob,a1,teacher,art
        """,
    )
    planned = plan_of(
        roster,
        {
            "users.csv": "sourcedId,email\nann,ann@x.org\nbob,ann@x.org",
            "courses.csv": "sourcedId,title\nart,Art\nmaths,Maths",
            "classes.csv": "sourcedId,courseSourcedId\na1,art\nm1,maths",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,bob,a1\ne2,bob,m1",
        },
    )
    assert planned.assignments == []
    assert planned.codes == [
        (TAKEN, "bob"),
        ("reference.target_quarantined", "e1"),
        ("reference.target_quarantined", "e2"),
    ]
    assert planned.bad("enrollments") == ["e1", "e2"]


def test_blank_addresses_are_nobodys() -> None:
    """Users without an address don't stand in each other's way."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,"),
        {"users.csv": "sourcedId,email\nann,\nbob,\ncec,"},
    )
    assert planned.users == [("add", "bob"), ("add", "cec")]
    assert planned.codes == []


def test_blank_address_takes_no_login_away() -> None:
    """Who has a login keeps it while the cell is blank, and another change of the row is made."""
    roster = roster_of(users="sourced_id,email,given_name\nann,Ann@x.org,Ann\nbob,bob@x.org,Bob")
    package = {"users.csv": "sourcedId,email,givenName\nann,,Anna\nbob,,Bob\nnew,,New"}
    planned = plan_of(roster, package)
    assert planned.users == [("update", "ann"), ("add", "new")]
    assert planned.user("ann") == {"given_name": ("Ann", "Anna")}
    assert planned.codes == []


def test_blank_address_gives_way_to_who_has_it_now() -> None:
    """An address that another row of the package names is that row's; nobody keeps it as well."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,shared@x.org\nbob,bob@x.org"),
        {"users.csv": "sourcedId,email\nann,\nbob,shared@x.org"},
    )
    assert planned.user("ann")["login"] == ("shared@x.org", None)
    assert planned.user("bob")["login"] == ("bob@x.org", "shared@x.org")
