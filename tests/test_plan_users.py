"""Users are matched, added, updated, deactivated and reactivated."""

from __future__ import annotations

import pytest

from roster_of import ADMIN, plan_of, roster_of

ANN_AND_BOB = """
    sourced_id,given_name,email
    ann,Ann,ann@x.org
    bob,Bob,bob@x.org
"""


def test_unknown_user_is_added() -> None:
    """A row without a matching account becomes an active, managed user with all its fields."""
    planned = plan_of(
        roster_of(),
        {
            "users.csv": """
                sourcedId,enabledUser,orgSourcedIds,role,username,givenName,familyName,email
                ann,true,o1,teacher,alee,Ann,Lee,Ann@X.org
            """
        },
    )
    assert planned.users == [("add", "ann")]
    assert planned.user("ann") == {
        "sourced_id": (None, "ann"),
        "given_name": (None, "Ann"),
        "family_name": (None, "Lee"),
        "email": (None, "Ann@X.org"),
        "login": (None, "ann@x.org"),
        "username": (None, "alee"),
        "role": (None, "teacher"),
        "org_sourced_ids": (None, "o1"),
        "status": (None, "active"),
        "managed": (None, True),
    }


def test_known_sourced_id_is_the_same_user() -> None:
    """A stored sourcedId is the same user, even with another name, e-mail and login."""
    planned = plan_of(
        roster_of(users=ANN_AND_BOB),
        {
            "users.csv": """
                sourcedId,givenName,email
                ann,Anna,anna@y.org
                bob,Bob,bob@x.org
            """
        },
    )
    assert planned.users == [("update", "ann")]
    assert planned.user("ann") == {
        "given_name": ("Ann", "Anna"),
        "email": ("ann@x.org", "anna@y.org"),
        "login": ("ann@x.org", "anna@y.org"),
    }


def test_sourced_ids_are_case_sensitive() -> None:
    """`Ann` and `ann` are two records: one is added and the other deactivated."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,ann@x.org"),
        {"users.csv": "sourcedId,email\nAnn,anna@x.org"},
    )
    assert planned.users == [("add", "Ann"), ("deactivate", "ann")]


def test_sourced_id_of_a_course_is_no_user() -> None:
    """The same sourcedId in two files names two records."""
    planned = plan_of(
        roster_of(courses="sourced_id,title\n7,Art"),
        {"users.csv": "sourcedId,email\n7,ann@x.org", "courses.csv": "sourcedId,title\n7,Art"},
    )
    assert planned.users == [("add", "7")]
    assert planned.courses == []


@pytest.mark.parametrize("status", ["active", "inactive"])
def test_hand_made_account_of_the_same_login_is_linked(status: str) -> None:
    """An account without a sourcedId is matched by its login in any case, and stays unmanaged.

    Only its sourcedId is written, whether it is active or deactivated.
    """
    planned = plan_of(
        roster_of(
            users=f"sourced_id,given_name,email,status,managed\n,Annie,ANN@X.org,{status},no"
        ),
        {"users.csv": "sourcedId,givenName,email\nann,Ann,Ann@x.ORG"},
    )
    assert planned.users == [("adopt", "ann")]
    assert planned.user("ann") == {"sourced_id": (None, "ann")}


def test_site_may_adopt_accounts() -> None:
    """With adopt_accounts a linked account becomes managed and takes the row's fields."""
    planned = plan_of(
        roster_of(users="sourced_id,given_name,email,status,managed\n,Annie,ann@x.org,inactive,no"),
        {"users.csv": "sourcedId,givenName,email\nann,Ann,ann@x.org"},
        adopt_accounts=True,
    )
    assert planned.users == [("adopt", "ann")]
    assert planned.user("ann") == {
        "sourced_id": (None, "ann"),
        "given_name": ("Annie", "Ann"),
        "status": ("inactive", "active"),
        "managed": (False, True),
    }


def test_of_two_accounts_the_active_one_is_linked() -> None:
    """If a deactivated and an active hand-made account share a login, the active one is linked."""
    planned = plan_of(
        roster_of(
            users="""
                id,sourced_id,email,status,managed
                1,,ann@x.org,inactive,no
                2,,ann@x.org,active,no
            """
        ),
        {"users.csv": "sourcedId,email\nann,ann@x.org"},
    )
    assert planned.plan.users["id"].to_pylist() == [2]


def test_managed_user_is_never_adopted_by_login() -> None:
    """An account with a sourcedId never gets another one, even if it is deactivated."""
    planned = plan_of(
        roster_of(users="sourced_id,email,status\nold,ann@x.org,inactive"),
        {"users.csv": "sourcedId,email\nnew,ann@x.org"},
    )
    assert planned.users == [("add", "new")]


def test_linked_account_stays_by_hand() -> None:
    """Neither its row nor its absence changes a hand-made account with a sourcedId."""
    roster = roster_of(users="sourced_id,given_name,email,managed\nann,Annie,ann@x.org,no")
    moved = "sourcedId,givenName,email,enabledUser\nann,Ann,anna@x.org,false"
    assert plan_of(roster, {"users.csv": moved}).users == []
    assert plan_of(roster, {"users.csv": "sourcedId,email"}).users == []


def test_hand_made_records_are_not_missing() -> None:
    """An account or a course without a sourcedId stays, although no package has it."""
    planned = plan_of(
        roster_of(
            users="sourced_id,email,managed\n,zoe@x.org,no",
            courses="sourced_id,title,managed\n,Chess,no",
        ),
        {"users.csv": "sourcedId,email\nann,ann@x.org", "courses.csv": "sourcedId,title\nart,Art"},
    )
    assert planned.users == [("add", "ann")]
    assert planned.courses == [("add", "art")]


def test_credited_admin_is_linked_and_never_changed() -> None:
    """The credited admin only gets a sourcedId, even if the site adopts accounts."""
    planned = plan_of(
        roster_of(),
        {"users.csv": "sourcedId,givenName,role,email\nboss,Boss,teacher,admin@x.org"},
        adopt_accounts=True,
    )
    assert planned.users == [("adopt", "boss")]
    assert planned.user("boss") == {"sourced_id": (None, "boss")}


MANAGED_ADMIN = """
    id,sourced_id,given_name,email,role
    1,boss,Boss,boss@x.org,administrator
    2,ann,Ann,ann@x.org,teacher
"""


@pytest.mark.parametrize(
    "users",
    [
        "sourcedId,givenName,email\nann,Ann,ann@x.org",
        """
        sourcedId,givenName,email,enabledUser
        boss,Boss,boss@x.org,false
        ann,Ann,ann@x.org,true
        """,
    ],
    ids=["absent", "disabled"],
)
def test_managed_credited_admin_is_kept(users: str) -> None:
    """A package that would deactivate the credited admin gives a finding instead."""
    planned = plan_of(roster_of(users=MANAGED_ADMIN, credited_admin=1), {"users.csv": users})
    assert planned.users == []
    assert planned.codes == [("semantic.credited_admin_kept", "boss")]


@pytest.mark.parametrize(
    "row", ["boss,Boss,boss@x.org,tobedeleted,true", "boss,Boss,boss@x.org,active,false"]
)
def test_managed_credited_admin_is_kept_in_a_delta(row: str) -> None:
    """A delta that would deactivate the credited admin gives the same finding."""
    planned = plan_of(
        roster_of(users=MANAGED_ADMIN, credited_admin=1),
        {"users.csv": f"sourcedId,givenName,email,status,enabledUser\n{row}"},
        delta=["users.csv"],
    )
    assert planned.users == []
    assert planned.codes == [("semantic.credited_admin_kept", "boss")]


def test_credited_admin_in_the_package_gives_no_finding() -> None:
    """A credited admin in the package gives no finding."""
    planned = plan_of(
        roster_of(users=MANAGED_ADMIN, credited_admin=1),
        {
            "users.csv": """
                sourcedId,givenName,email,role
                boss,The Boss,boss@y.org,teacher
                ann,Ann,ann@x.org,teacher
            """
        },
    )
    assert planned.users == []
    assert planned.codes == []


def test_another_admin_is_a_user_like_any_other() -> None:
    """Only the credited admin is protected, not every administrator."""
    planned = plan_of(
        roster_of(users=MANAGED_ADMIN, credited_admin=ADMIN),
        {"users.csv": "sourcedId,givenName,email\nann,Ann,ann@x.org"},
    )
    assert planned.users == [("deactivate", "boss")]
    assert planned.codes == []


def test_absent_from_bulk_is_deactivated() -> None:
    """A user absent from a bulk file is deactivated, keeps all fields, and has the reason."""
    planned = plan_of(
        roster_of(users=ANN_AND_BOB), {"users.csv": "sourcedId,givenName,email\nann,Ann,ann@x.org"}
    )
    assert planned.users == [("deactivate", "bob")]
    assert planned.user("bob") == {"status": ("active", "inactive")}
    assert planned.reason("bob") == "absent from the file"


def test_absent_from_delta_stays() -> None:
    """A user absent from a delta stays unchanged."""
    planned = plan_of(
        roster_of(users=ANN_AND_BOB),
        {"users.csv": "sourcedId,givenName,email,status\nann,Anna,ann@x.org,active"},
        delta=["users.csv"],
    )
    assert planned.users == [("update", "ann")]


def test_tobedeleted_in_delta_is_deactivated() -> None:
    """In a delta `tobedeleted` deactivates; the row's other values are not used."""
    planned = plan_of(
        roster_of(users=ANN_AND_BOB),
        {"users.csv": "sourcedId,givenName,email,status\nbob,Robert,,tobedeleted"},
        delta=["users.csv"],
    )
    assert planned.users == [("deactivate", "bob")]
    assert planned.user("bob") == {"status": ("active", "inactive")}
    assert planned.reason("bob") == "marked to be deleted"


def test_row_that_deactivates_is_named() -> None:
    """A deactivation names the row that asked for it; an absence has no row."""
    marked = plan_of(
        roster_of(users=ANN_AND_BOB),
        {"users.csv": "sourcedId,givenName,email,status\nbob,Bob,bob@x.org,tobedeleted"},
        delta=["users.csv"],
    )
    disabled = plan_of(
        roster_of(users=ANN_AND_BOB),
        {"users.csv": "sourcedId,givenName,email,enabledUser\nbob,Bob,bob@x.org,false"},
        delta=["users.csv"],
    )
    absent = plan_of(
        roster_of(users=ANN_AND_BOB), {"users.csv": "sourcedId,givenName,email\nann,Ann,ann@x.org"}
    )
    rows = [p.plan.users["row"].to_pylist() for p in (marked, disabled, absent)]
    assert rows == [[2], [2], [None]]


def test_tobedeleted_of_an_unknown_user_is_nothing() -> None:
    """A delta may remove an unknown or an inactive user without a change."""
    planned = plan_of(
        roster_of(users="sourced_id,email,status\nbob,bob@x.org,inactive"),
        {"users.csv": "sourcedId,email,status\nbob,,tobedeleted\nzoe,,tobedeleted"},
        delta=["users.csv"],
    )
    assert planned.users == []


def test_user_who_comes_back_is_reactivated() -> None:
    """A deactivated user who returns is active again, with the new fields."""
    planned = plan_of(
        roster_of(users="sourced_id,given_name,email,status\nann,Ann,ann@x.org,inactive"),
        {"users.csv": "sourcedId,givenName,email\nann,Anna,ann@x.org"},
    )
    assert planned.users == [("reactivate", "ann")]
    assert planned.user("ann") == {"given_name": ("Ann", "Anna"), "status": ("inactive", "active")}


def test_disabled_user_is_deactivated() -> None:
    """`enabledUser=false` deactivates, and is the reason."""
    planned = plan_of(
        roster_of(users=ANN_AND_BOB),
        {
            "users.csv": """
                sourcedId,givenName,email,enabledUser
                ann,Ann,ann@x.org,false
                bob,Bob,bob@x.org,true
            """
        },
    )
    assert planned.users == [("deactivate", "ann")]
    assert planned.reason("ann") == "enabledUser is false"


def test_disabled_user_stays_deactivated() -> None:
    """A user who is still disabled causes no change; other fields are updated."""
    roster = roster_of(users="sourced_id,given_name,email,status\nann,Ann,ann@x.org,inactive")
    same = "sourcedId,givenName,email,enabledUser\nann,Ann,ann@x.org,false"
    renamed = "sourcedId,givenName,email,enabledUser\nann,Anna,ann@x.org,false"
    assert plan_of(roster, {"users.csv": same}).users == []
    assert plan_of(roster, {"users.csv": renamed}).user("ann") == {"given_name": ("Ann", "Anna")}


def test_new_disabled_user_is_added_inactive() -> None:
    """A new disabled user is added as inactive, so that they can't log in."""
    planned = plan_of(
        roster_of(), {"users.csv": "sourcedId,email,enabledUser\nann,ann@x.org,false"}
    )
    assert planned.users == [("add", "ann")]
    assert planned.user("ann")["status"] == (None, "inactive")


def test_missing_column_leaves_what_is_stored() -> None:
    """A missing column changes no user; a blank cell is a value."""
    roster = roster_of(
        users="""
            sourced_id,given_name,username,org_sourced_ids,email
            ann,Ann,alee,o1,ann@x.org
        """
    )
    without = "sourcedId,givenName,email\nann,Ann,ann@x.org"
    blank = "sourcedId,givenName,username,email\nann,Ann,,ann@x.org"
    assert plan_of(roster, {"users.csv": without}).users == []
    assert plan_of(roster, {"users.csv": blank}).user("ann") == {"username": ("alee", None)}


def test_order_of_orgs_in_a_cell_is_no_change() -> None:
    """A list of orgs is a set: order, blanks and repetitions don't matter."""
    roster = roster_of(users='sourced_id,email,org_sourced_ids\nann,ann@x.org,"o1,o2"')
    planned = plan_of(
        roster, {"users.csv": 'sourcedId,email,orgSourcedIds\nann,ann@x.org,"o2, o1,o2"'}
    )
    assert planned.users == []


@pytest.mark.parametrize(
    ("role", "on_platform"),
    [
        ("teacher", "teacher"),
        ("administrator", "administrator"),
        ("aide", "aide"),
        ("proctor", "proctor"),
    ],
)
def test_role_is_taken(role: str, on_platform: str) -> None:
    """Every staff role of OneRoster 1.1 has a role on the platform."""
    planned = plan_of(roster_of(), {"users.csv": f"sourcedId,email,role\nann,ann@x.org,{role}"})
    assert planned.user("ann")["role"] == (None, on_platform)


def test_absent_users_csv_changes_no_user() -> None:
    """A package without users.csv changes no user."""
    planned = plan_of(roster_of(users=ANN_AND_BOB), {"courses.csv": "sourcedId,title\nart,Art"})
    assert planned.users == []
    assert planned.courses == [("add", "art")]
