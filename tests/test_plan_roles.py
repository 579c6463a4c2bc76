"""The roles of OneRoster 1.2 are in roles.csv; several roles of a user count together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oneroster_sync.standard import Version
from roster_of import Planned, plan_of, roster_of

if TYPE_CHECKING:
    from oneroster_sync.roster.model import Roster

USERS = "sourcedId,givenName,email\nann,Ann,ann@x.org"
ANN = "sourced_id,given_name,email,role,org_sourced_ids\nann,Ann,ann@x.org,teacher,o1"
ANN_TEACHES = """
    sourced_id,user_sourced_id,role_type,role,org_sourced_id
    r1,ann,primary,teacher,o1
"""


def plan_1_2(roster: Roster, package: dict[str, str], *delta: str) -> Planned:
    """Return the plan of a package of OneRoster 1.2."""
    return plan_of(roster, package, delta=delta, version=Version.V1_2)


@pytest.mark.parametrize(
    ("roles", "on_platform"),
    [
        (["primary,teacher"], "teacher"),
        (["primary,principal"], "administrator"),
        (["primary,counselor"], "counselor"),
        (["secondary,districtAdministrator", "primary,aide"], "aide"),
        (["primary,aide", "primary,teacher"], "teacher"),
        (["primary,teacher", "primary,siteAdministrator"], "administrator"),
        (["secondary,aide", "secondary,teacher"], "teacher"),
        (["primary,teacher", "primary,ext:coach"], "teacher"),
    ],
)
def test_weightiest_of_the_primary_roles_counts(roles: list[str], on_platform: str) -> None:
    """Primary roles count before secondary ones, and among them the highest role counts."""
    rows = [f"r{number},ann,o1,{role}" for number, role in enumerate(roles)]
    for order in (rows, rows[::-1]):
        text = "\n".join(["sourcedId,userSourcedId,orgSourcedId,roleType,role", *order])
        planned = plan_1_2(roster_of(), {"users.csv": USERS, "roles.csv": text})
        assert planned.user("ann")["role"] == (None, on_platform)


def test_orgs_of_all_roles_are_kept() -> None:
    """A user belongs to the orgs of all roles, each once, in any order."""
    planned = plan_1_2(
        roster_of(),
        {
            "users.csv": USERS,
            "roles.csv": """
                sourcedId,userSourcedId,orgSourcedId,roleType,role
                r1,ann,o2,primary,teacher
                r2,ann,o1,secondary,aide
                r3,ann,o2,secondary,aide
            """,
        },
    )
    assert planned.user("ann")["org_sourced_ids"] == (None, "o1,o2")


def test_same_person_in_1_1_and_1_2_is_the_same() -> None:
    """A user with the same role in 1.1 and 1.2 is unchanged."""
    planned = plan_1_2(
        roster_of(users=ANN),
        {
            "users.csv": USERS,
            "roles.csv": "sourcedId,userSourcedId,orgSourcedId,role\nr1,ann,o1,teacher",
        },
    )
    assert planned.plan.is_empty()


def test_absent_role_in_bulk_is_gone() -> None:
    """A role absent from a bulk roles.csv no longer counts."""
    roster = roster_of(
        users=ANN.replace("teacher", "administrator"),
        roles=ANN_TEACHES + "    r2,ann,primary,principal,o1",
    )
    planned = plan_1_2(
        roster,
        {
            "users.csv": USERS,
            "roles.csv": "sourcedId,userSourcedId,orgSourcedId,role\nr1,ann,o1,teacher",
        },
    )
    assert planned.user("ann") == {"role": ("administrator", "teacher")}


def test_delta_of_roles_adds_to_those_remembered() -> None:
    """A delta of roles adds to the stored roles."""
    planned = plan_1_2(
        roster_of(users=ANN, roles=ANN_TEACHES),
        {
            "users.csv": "sourcedId,givenName,email,status\nann,Ann,ann@x.org,active",
            "roles.csv": """
                sourcedId,userSourcedId,orgSourcedId,roleType,role,status
                r2,ann,o2,primary,principal,active
            """,
        },
        "users.csv",
        "roles.csv",
    )
    assert planned.user("ann") == {
        "role": ("teacher", "administrator"),
        "org_sourced_ids": ("o1", "o1,o2"),
    }


@pytest.mark.parametrize("users", [True, False], ids=["others in users.csv", "no users.csv"])
def test_delta_of_roles_alone_changes_the_user(users: bool) -> None:  # noqa: FBT001
    """A new role in a delta changes its user, even without a row of the user."""
    package = {
        "roles.csv": """
            sourcedId,userSourcedId,orgSourcedId,roleType,role,status
            r1,ann,o1,primary,principal,active
        """
    }
    if users:
        package["users.csv"] = "sourcedId,email,status\nzoe,,tobedeleted"
    planned = plan_1_2(roster_of(users=ANN, roles=ANN_TEACHES), package, *package)
    assert planned.users == [("update", "ann")]
    assert planned.user("ann") == {"role": ("teacher", "administrator")}


def test_user_who_loses_the_last_role_is_deactivated() -> None:
    """A user without a staff role after a delta of roles is deactivated."""
    planned = plan_1_2(
        roster_of(users=ANN, roles=ANN_TEACHES),
        {
            "users.csv": "sourcedId,email,status\nzoe,,tobedeleted",
            "roles.csv": "sourcedId,userSourcedId,orgSourcedId,role,status\nr1,ann,,,tobedeleted",
        },
        "users.csv",
        "roles.csv",
    )
    assert planned.users == [("deactivate", "ann")]
    assert planned.user("ann") == {"status": ("active", "inactive")}


def test_user_who_is_no_staff_any_more_is_deactivated() -> None:
    """A user who became a student counts as absent from a bulk package."""
    planned = plan_1_2(
        roster_of(users=ANN, roles=ANN_TEACHES),
        {
            "users.csv": "sourcedId,email\nbob,bob@x.org",
            "roles.csv": "sourcedId,userSourcedId,orgSourcedId,role\nr2,bob,o1,teacher",
        },
    )
    assert planned.users == [("deactivate", "ann"), ("add", "bob")]


def test_delta_of_roles_leaves_an_inactive_user_inactive() -> None:
    """A new role does not reactivate a user; only the user's own row does."""
    planned = plan_1_2(
        roster_of(
            users="sourced_id,given_name,email,role,org_sourced_ids,status\n"
            "ann,Ann,ann@x.org,teacher,o1,inactive",
            roles=ANN_TEACHES,
        ),
        {
            "users.csv": "sourcedId,email,status\nzoe,,tobedeleted",
            "roles.csv": """
                sourcedId,userSourcedId,orgSourcedId,role,status
                r1,ann,o1,principal,active
            """,
        },
        "users.csv",
        "roles.csv",
    )
    assert planned.user("ann") == {"role": ("teacher", "administrator")}


def test_delta_of_roles_leaves_a_bad_row_alone() -> None:
    """A user whose own row has an error stays unchanged, even with a new role."""
    planned = plan_1_2(
        roster_of(users=ANN, roles=ANN_TEACHES),
        {
            "users.csv": "sourcedId,givenName,email,status\n! ann,,ann@x.org,active",
            "roles.csv": """
                sourcedId,userSourcedId,orgSourcedId,role,status
                r1,ann,o1,principal,active
            """,
        },
        "users.csv",
        "roles.csv",
    )
    assert planned.users == []


def test_delta_of_users_keeps_remembered_roles() -> None:
    """A delta of users alone takes role and orgs from the stored roles."""
    planned = plan_1_2(
        roster_of(users=ANN, roles=ANN_TEACHES),
        {"users.csv": "sourcedId,givenName,email,status\nann,Anna,ann@x.org,active"},
        "users.csv",
    )
    assert planned.user("ann") == {"given_name": ("Ann", "Anna")}


def test_role_with_an_error_is_the_one_it_was() -> None:
    """A row of roles.csv with an error changes no role and removes none."""
    roster = roster_of(
        users=ANN,
        roles=ANN_TEACHES + "    r2,bob,primary,aide,o1",
    )
    planned = plan_1_2(
        roster,
        {
            "users.csv": "sourcedId,givenName,email\n! ann,Ann,ann@x.org",
            "roles.csv": "sourcedId,userSourcedId,orgSourcedId,role\n! r1,ann,o1,principal",
        },
    )
    assert planned.users == []
    assert planned.plan.links["roles.gone"]["sourced_id"].to_pylist() == ["r2"]


def test_hand_made_account_keeps_its_role() -> None:
    """A delta of roles changes no account that is not managed."""
    planned = plan_1_2(
        roster_of(users="sourced_id,email,role,managed\nann,ann@x.org,aide,no", roles=ANN_TEACHES),
        {
            "users.csv": "sourcedId,email,status\nzoe,,tobedeleted",
            "roles.csv": """
                sourcedId,userSourcedId,orgSourcedId,role,status
                r1,ann,o1,principal,active
            """,
        },
        "users.csv",
        "roles.csv",
    )
    assert planned.users == []
