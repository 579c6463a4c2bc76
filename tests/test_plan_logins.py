"""An e-mail address is the login of one active user, and moves only if that user gives it up."""

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
    """A chain of addresses moves in one plan, and a new user may end it."""
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
    """The address of a user who is absent from the same bulk file can be given to another user."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nold,info@x.org"),
        {"users.csv": "sourcedId,email\nnew,info@x.org"},
    )
    assert planned.users == [("add", "new"), ("deactivate", "old")]
    assert planned.codes == []


def test_deletion_in_a_delta_frees_the_address() -> None:
    """In a delta, an address is free if the same file deletes its owner."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nold,info@x.org"),
        {"users.csv": "sourcedId,email,status\nold,,tobedeleted\nnew,info@x.org,active"},
        delta=["users.csv"],
    )
    assert planned.users == [("add", "new"), ("deactivate", "old")]
    assert planned.codes == []


def test_deactivated_user_holds_no_address() -> None:
    """A deactivated user holds no login."""
    planned = plan_of(
        roster_of(users="sourced_id,email,status\nold,info@x.org,inactive"),
        {"users.csv": "sourcedId,email\nnew,info@x.org"},
    )
    assert planned.users == [("add", "new")]
    assert planned.codes == []


def test_address_of_a_user_who_stays_is_refused() -> None:
    """In a delta, a row cannot take the address of a user without a row, in any case."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,Ann@X.org\nbob,bob@x.org"),
        {"users.csv": "sourcedId,email,status\nbob,ANN@x.org,active"},
        delta=["users.csv"],
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]
    assert planned.bad("users") == ["bob"]


def test_refused_row_protects_its_record() -> None:
    """A row whose login is refused is not used, and its record is protected."""
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
    """A hand-made account with a sourcedId keeps its login, even if its row names another."""
    planned = plan_of(
        roster_of(users="sourced_id,email,managed\nann,ann@x.org,no\nbob,bob@x.org,yes"),
        {"users.csv": "sourcedId,email\nann,anna@x.org\nbob,ann@x.org"},
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]


def test_hand_made_account_keeps_its_address() -> None:
    """A known user cannot take the address of a hand-made account, which is its login."""
    planned = plan_of(
        roster_of(users="sourced_id,email,managed\n,hand@x.org,no\nbob,bob@x.org,yes"),
        {"users.csv": "sourcedId,email\nbob,hand@x.org"},
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]


def test_credited_admin_keeps_the_address() -> None:
    """A known user cannot take the credited administrator's address."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nbob,bob@x.org"),
        {"users.csv": "sourcedId,email\nbob,Admin@x.org"},
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]


def test_returning_user_meets_a_hand_made_account() -> None:
    """A deactivated user cannot return with an address that a hand-made account has now."""
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
    """A refused user keeps the old address, so a row that claims that one is refused too."""
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
    """If one row of a swap has an error, the other cannot take the address."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,one@x.org\nbob,two@x.org"),
        {"users.csv": "sourcedId,email\n! ann,two@x.org\nbob,one@x.org"},
    )
    assert planned.users == []
    assert planned.codes == [(TAKEN, "bob")]


def test_absent_user_who_is_kept_keeps_the_address() -> None:
    """An absent user who is kept because of an unreadable row keeps the address."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nold,info@x.org"),
        {"users.csv": "sourcedId,email\nnew,info@x.org\n!,"},
    )
    assert planned.users == []
    assert (TAKEN, "new") in planned.codes


def test_enrollments_of_a_refused_user_are_left_alone() -> None:
    """A refused user's assignments stay as they are: none is added, none is removed."""
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


def test_blank_addresses_do_not_conflict() -> None:
    """Users without an address do not conflict."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,"),
        {"users.csv": "sourcedId,email\nann,\nbob,\ncec,"},
    )
    assert planned.users == [("add", "bob"), ("add", "cec")]
    assert planned.codes == []


def test_blank_address_takes_no_login_away() -> None:
    """A user with a blank address keeps the login, and other changes of the row are applied."""
    roster = roster_of(users="sourced_id,email,given_name\nann,Ann@x.org,Ann\nbob,bob@x.org,Bob")
    package = {"users.csv": "sourcedId,email,givenName\nann,,Anna\nbob,,Bob\nnew,,New"}
    planned = plan_of(roster, package)
    assert planned.users == [("update", "ann"), ("add", "new")]
    assert planned.user("ann") == {"given_name": ("Ann", "Anna")}
    assert planned.codes == []


def test_a_blank_address_gives_way_to_a_row_that_names_it() -> None:
    """A user with a blank address loses the login to another row that names it."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,shared@x.org\nbob,bob@x.org"),
        {"users.csv": "sourcedId,email\nann,\nbob,shared@x.org"},
    )
    assert planned.user("ann")["login"] == ("shared@x.org", None)
    assert planned.user("bob")["login"] == ("bob@x.org", "shared@x.org")
