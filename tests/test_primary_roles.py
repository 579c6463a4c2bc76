"""Privacy: an account needs a primary staff role; a pupil who helps in a class is a pupil."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from every_mode import MemorySite, body, mixed, synced
from golden.school import SCHOOL_1_2, Texts, added, as_delta, changed

if TYPE_CHECKING:
    from conftest import Site

HELPER = added(SCHOOL_1_2, "roles.csv", "r-stu2,,,stu,secondary,aide,,,s,")
"""The school, in which the student Stu has a secondary staff role."""
BOB = "r-bob,,,bob,primary,teacher,,,s,"
BOB_STUDIES = added(
    changed(SCHOOL_1_2, "roles.csv", BOB, BOB.replace("primary", "secondary")),
    "roles.csv",
    "r-bob2,,,bob,primary,student,,,s,",
)
"""The school, in which the teacher Bob is a student now, and has a secondary staff role."""
NOT_PRIMARY = "no primary role is one of staff"


def reasons(done: object) -> dict[str, str]:
    """Return the reason of each deactivation in a plan."""
    changes = done.plan.users.to_pylist()  # type: ignore[attr-defined]
    return {c["before_sourced_id"]: c["reason"] for c in changes if c["action"] == "deactivate"}


@pytest.mark.case("b49")
def test_student_with_a_second_role_of_staff_gets_no_account() -> None:
    """No data of such a person is stored: no account, no role, no name."""
    site = MemorySite()
    done = site.sync(HELPER)

    assert "stu" not in site.status()
    assert "Stu" not in done.kept
    assert done.counts["users"]["ignored"] == 2
    assert "stu" not in site.roster.links["roles"]["user_sourced_id"].to_pylist()


@pytest.mark.parametrize(
    ("student", "helper", "comes"),
    [
        ("primary", "primary", True),
        ("secondary", "secondary", True),
        ("Primary", "Secondary", False),
        ("half", "primary", True),
    ],
)
def test_primary_roles_decide_where_there_are_any(
    student: str, helper: str, *, comes: bool
) -> None:
    """One primary staff role is enough; a secondary one is enough if there is no primary role."""
    texts = changed(SCHOOL_1_2, "roles.csv", "stu,primary,", f"stu,{student},")
    texts = added(texts, "roles.csv", f"r-stu2,,,stu,{helper},aide,,,s,")
    site = MemorySite()
    site.sync(texts)
    assert ("stu" in site.status()) == comes


@pytest.mark.case("b49")
def test_account_is_deactivated_with_its_reason_in_bulk() -> None:
    """An account without a primary staff role is deactivated with this reason."""
    site = synced(SCHOOL_1_2)
    assert reasons(site.sync(BOB_STUDIES)) == {"bob": NOT_PRIMARY}
    assert site.status()["bob"] == "inactive"
    assert site.sync(BOB_STUDIES).plan.is_empty()
    site.sync(SCHOOL_1_2)
    assert site.status()["bob"] == "active"


def test_account_is_deactivated_with_its_reason_in_a_delta() -> None:
    """Stored roles count together with those of the delta."""
    rows = [
        "r-bob,active,2026-09-01T00:00:00.000Z,bob,secondary,teacher,,,s,",
        "r-bob2,active,2026-09-01T00:00:00.000Z,bob,primary,student,,,s,",
    ]
    for kept in (rows, rows[1:]):
        site = synced(SCHOOL_1_2)
        if len(kept) == 1:
            site.sync(changed(SCHOOL_1_2, "roles.csv", BOB, BOB.replace("primary", "secondary")))
        done = site.sync(as_delta(SCHOOL_1_2, roles=kept))
        assert reasons(done) == {"bob": NOT_PRIMARY}
        named = "bob,active,2026-09-02T00:00:00.000Z,true,bob,,Bob,Ray,,,bob@example.org"
        site.sync(as_delta(SCHOOL_1_2, users=[named + "," * 11]))
        assert site.status()["bob"] == "inactive"


def test_remembered_primary_role_of_staff_outweighs_a_delta() -> None:
    """A new primary role of a pupil deactivates no teacher with a stored primary staff role."""
    site = synced(SCHOOL_1_2)
    row = "r-bob2,active,2026-09-01T00:00:00.000Z,bob,primary,student,,,s,"
    assert site.sync(as_delta(SCHOOL_1_2, roles=[row])).plan.users.num_rows == 0


def test_role_that_cannot_be_read_may_be_the_primary_one() -> None:
    """While a role of a user is unreadable, this rule does not deactivate the account."""
    site = synced(SCHOOL_1_2)
    texts = added(BOB_STUDIES, "roles.csv", "r-bob3,,,bob,primary,teecher,,,s,")
    assert reasons(site.sync(texts)) == {}
    site = synced(SCHOOL_1_2)
    texts = added(BOB_STUDIES, "roles.csv", "r-bob3,,,bob,primary")
    assert reasons(site.sync(texts)) == {}


@pytest.mark.parametrize("role_type", ["", "half"])
@pytest.mark.parametrize("who", ["bob,secondary", "bob,primary"])
def test_unreadable_role_type_deactivates_no_account(who: str, role_type: str) -> None:
    """A blank or odd type is never read as "secondary", nor as a pupil's "primary"."""
    site = synced(SCHOOL_1_2)
    texts = changed(BOB_STUDIES, "roles.csv", who, f"bob,{role_type}")
    assert reasons(site.sync(texts)) == {}
    assert site.status()["bob"] == "active"


UNCLEAR = "semantic.unclear_primary_role"


@pytest.mark.case("b49")
@pytest.mark.parametrize("role_type", ["", "half"])
def test_unreadable_type_adds_no_account(role_type: str) -> None:
    """A pupil's role of unreadable type may be primary: a secondary staff role adds no account."""
    texts = changed(HELPER, "roles.csv", "stu,primary,", f"stu,{role_type},")
    site = MemorySite()
    done = site.sync(texts)

    assert "stu" not in site.status()
    assert "Stu" not in done.kept
    assert [(code, file) for code, file, _ in done.finding_keys if code == UNCLEAR] == [
        (UNCLEAR, "roles.csv"),
        (UNCLEAR, "users.csv"),
    ]
    assert done.counts["users"]["errors"] == 1
    assert "stu" not in site.roster.links["roles"]["user_sourced_id"].to_pylist()
    assert site.sync(texts).plan.is_empty()
    assert "stu" not in site.status()


@pytest.mark.case("b49")
@pytest.mark.parametrize("role_type", ["", "half"])
def test_type_that_cannot_be_read_leaves_an_account_as_it_is(role_type: str) -> None:
    """The values and roles of an account stay unchanged until the type is readable."""
    site = synced(SCHOOL_1_2)
    before, roles = site.user("bob"), site.roster.links["roles"].to_pylist()
    texts = changed(BOB_STUDIES, "roles.csv", "bob,primary", f"bob,{role_type}")
    texts = changed(texts, "users.csv", ",Bob,Ray,", ",Robert,Ray,")

    done = site.sync(texts)

    assert done.plan.users.num_rows == 0
    assert (site.user("bob"), site.roster.links["roles"].to_pylist()) == (before, roles)
    assert site.sync(BOB_STUDIES).plan.users.num_rows == 1


def test_type_that_cannot_be_read_decides_nothing_beside_a_primary_role() -> None:
    """A primary role of staff or of a pupil decides, and the unreadable type does not."""
    odd = "r-stu3,,,stu,half,student,,,s,"
    site = MemorySite()
    done = site.sync(added(HELPER, "roles.csv", odd))
    codes = {code for code, *_ in done.finding_keys}
    assert ("stu" in site.status(), UNCLEAR in codes) == (False, False)

    site = MemorySite()
    done = site.sync(added(SCHOOL_1_2, "roles.csv", odd.replace("stu,", "bob,")))
    assert (site.status()["bob"], done.finding_keys) == ("active", [])


def test_type_that_cannot_be_read_in_a_delta() -> None:
    """Stored roles count together with those of a delta, and none is removed."""
    stamp = "active,2026-09-01T00:00:00.000Z"
    odd = f"r-bob2,{stamp},bob,half,student,,,s,"
    named = f"bob,{stamp},true,bob,,Robert,Ray,,,bob@example.org" + "," * 11
    site = synced(SCHOOL_1_2)
    site.sync(as_delta(SCHOOL_1_2, roles=[odd], users=[named]))
    assert site.user("bob")["given_name"] == "Robert"

    site = synced(SCHOOL_1_2)
    site.sync(changed(SCHOOL_1_2, "roles.csv", BOB, BOB.replace("primary", "secondary")))
    done = site.sync(as_delta(SCHOOL_1_2, roles=[odd], users=[named]))
    assert [(code, file) for code, file, _ in done.finding_keys] == [(UNCLEAR, "users.csv")]
    assert site.user("bob")["given_name"] == "Bob"

    site = synced(SCHOOL_1_2)
    new = [f"eve,{stamp},true,eve,,Eve,Orr,,,eve@example.org" + "," * 11]
    roles = [f"r-eve,{stamp},eve,secondary,aide,,,s,", f"r-eve2,{stamp},eve,half,student,,,s,"]
    site.sync(as_delta(SCHOOL_1_2, roles=roles, users=new))
    site.sync(as_delta(SCHOOL_1_2, users=new))
    assert "eve" not in site.status()


def test_pupils_primary_role_by_the_row_of_a_role_of_ours_decides() -> None:
    """A role row that becomes a pupil's primary one deactivates the account, in deltas too."""
    second = "r-bob3,,,bob,secondary,aide,,,s,"
    site = synced(added(SCHOOL_1_2, "roles.csv", second))
    row = "r-bob,active,2026-09-01T00:00:00.000Z,bob,primary,student,,,s,"

    assert reasons(site.sync(as_delta(SCHOOL_1_2, roles=[row]))) == {"bob": NOT_PRIMARY}


def test_roles_alone_in_bulk_take_the_account_too() -> None:
    """If users.csv is absent, roles.csv decides by the same rule."""
    site = synced(SCHOOL_1_2)
    texts = mixed(SCHOOL_1_2, {"roles": "bulk"}, roles=body(BOB_STUDIES, "roles.csv"))
    assert reasons(site.sync(texts)) == {"bob": NOT_PRIMARY}


@pytest.mark.case("b49")
@pytest.mark.parametrize("texts", [BOB_STUDIES], ids=["bulk"])
def test_first_time_is_held_and_the_second_is_not(site: Site, texts: Texts) -> None:
    """The first plan that deactivates an account by this rule is held, and no later one is."""
    site.sync(SCHOOL_1_2)
    run = site.sync(texts)

    assert run["outcome"] == "held"
    assert site.codes(run) >= {"guard.not_primary"}
    assert site.users()["bob"] == "active"
    assert site.command("approve", run["run_id"])[1]["outcome"] == "succeeded"
    assert site.users()["bob"] == "inactive"
    assert site.sync(texts)["outcome"] == "no_changes"
    site.sync(SCHOOL_1_2)
    assert site.users()["bob"] == "active"
    assert site.sync(texts)["outcome"] == "succeeded"
    assert site.users()["bob"] == "inactive"


def test_row_that_asks_for_the_removal_needs_no_role() -> None:
    """A user marked for removal is removed, even if a role row of an unknown user is present."""
    site = synced(SCHOOL_1_2)
    delta = as_delta(
        SCHOOL_1_2,
        users=[
            "bob,tobedeleted,2026-09-02T00:00:00.000Z,true,bob,,Bob,Ray,,,bob@example.org"
            + "," * 11
        ],
        roles=[
            "r-bob,tobedeleted,2026-09-02T00:00:00.000Z,bob,primary,teacher,,,s,",
            "r-bob2,tobedeleted,2026-09-02T00:00:00.000Z,bob,secondary,parent,,,s,",
            "r-new,active,2026-09-02T00:00:00.000Z,cat,primary,teacher,,,s,,surplus",
        ],
    )
    run = site.sync(delta)
    assert site.status()["bob"] == "inactive"
    assert run.counts["users"]["ignored"] == 0
