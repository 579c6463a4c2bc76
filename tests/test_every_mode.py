"""Every mode means the same: a row has the same effect in bulk, delta and mixed packages.

Each test uses a school and the smallest package that could break its promise, and runs extract,
validate and diff.
"""

from __future__ import annotations

import pytest

from every_mode import NOW, MemorySite, body, errors, gone, mixed, row, synced
from golden.school import SCHOOL, SCHOOL_1_2, Texts, added, as_delta, changed
from oneroster_sync.stages.extract.decision_table import RULES, Verdict, Who, decide, every_case

# The decision table


def test_table_decides_every_case() -> None:
    """One rule of the table decides each case, and every rule decides at least one."""
    used = {decide(who, marked=m, ours=o, delta=d) for who, m, o, d in every_case()}

    assert used == set(RULES)


@pytest.mark.parametrize("delta", [True, False])
@pytest.mark.parametrize("ours", [True, False])
def test_only_a_role_of_staff_lets_anything_in(*, ours: bool, delta: bool) -> None:
    """Only a staff role lets a row in, and no row marked for removal is let in."""
    for who in Who:
        for marked in (True, False):
            verdict = decide(who, marked=marked, ours=ours, delta=delta).verdict
            assert (verdict is Verdict.COMES) == (who is Who.STAFF and not marked)


# Users in bulk, roles as a delta or absent


def users_without_roles() -> Texts:
    """Return the users of the school in bulk with a delta of roles that names only Cat."""
    return mixed(
        SCHOOL_1_2,
        {"users": "bulk", "roles": "delta"},
        users=body(SCHOOL_1_2, "users.csv"),
        roles=f"r-cat,active,{NOW},cat,primary,teacher,,,s,\n",
    )


@pytest.mark.case("a86")
def test_users_in_bulk_keep_what_a_delta_of_roles_leaves_out() -> None:
    """A user who is not in the delta of roles keeps the stored role and all values."""
    site = synced(SCHOOL_1_2)
    before = {user["sourced_id"]: user for user in site.users()}

    done = site.sync(users_without_roles())

    assert done.users == [("update", "cat")]
    assert done.user("cat") == {"role": ("aide", "teacher")}
    assert errors(done) == []
    assert site.user("ann") == before["ann"]
    assert done.counts["users"]["ignored"] == 2
    assert "'stu'" not in done.kept
    assert "'pat'" not in done.kept


def test_disabled_account_stays_disabled_beside_a_delta_of_roles() -> None:
    """A disabled account stays disabled if its role is not in the delta."""
    off = changed(SCHOOL_1_2, "users.csv", "bob,,,true", "bob,,,false")
    site = synced(off)
    texts = users_without_roles()

    done = site.sync({**texts, "users.csv": off["users.csv"]})

    assert done.users == [("update", "cat")]
    assert site.status()["bob"] == "inactive"


@pytest.mark.parametrize("mode", ["bulk", "delta"])
def test_pupil_without_any_role_is_in_no_snapshot(mode: str) -> None:
    """An unknown person without a role is counted as ignored, and no value is stored."""
    site = synced(SCHOOL_1_2)
    kid = "kid,{},true,kid,,Kim,Secret,,,kim@example.org,,,,,,,,,,s,\n"
    if mode == "bulk":
        rows = body(SCHOOL_1_2, "users.csv") + kid.format(",")
    else:
        rows = kid.format(f"active,{NOW}")

    done = site.sync(mixed(SCHOOL_1_2, {"users": mode}, users=rows))

    assert done.users == []
    assert done.findings == [] or errors(done) == []
    assert "Secret" not in done.kept
    assert "'kid'" not in done.kept
    assert done.counts["users"]["ignored"] == (3 if mode == "bulk" else 1)


@pytest.mark.parametrize("roles", ["bulk", "delta"])
def test_one_of_ours_without_a_role_is_protected_and_named(roles: str) -> None:
    """A known user without a role is protected, and the row is an error."""
    site = synced(SCHOOL_1_2)
    left = "".join(line + "\n" for line in body(SCHOOL_1_2, "roles.csv").splitlines()[1:])
    if roles == "delta":
        left = gone("r-ann", 10) + "\n"
    texts = mixed(
        SCHOOL_1_2,
        {"users": "bulk", "roles": roles},
        users=body(SCHOOL_1_2, "users.csv").replace("Ann,Lee", "Anna,Lee"),
        roles=left,
    )

    done = site.sync(texts)

    assert errors(done) == [("reference.missing_role", "ann")]
    assert done.users == []
    assert (site.user("ann")["given_name"], site.user("ann")["family_name"]) == ("Ann", "Lee")


def test_lone_users_of_1_2_are_taken_with_the_roles_that_are_remembered() -> None:
    """A lone users.csv of 1.2 needs no roles.csv if the roles are stored."""
    site = synced(SCHOOL_1_2)
    lone = {"users.csv": SCHOOL_1_2["users.csv"].replace("Ann,Lee", "Anna,Lee")}

    done = site.sync(lone)

    assert not done.refused
    assert done.users == [("update", "ann")]
    assert done.counts["users"]["ignored"] == 2


def test_lone_users_of_1_2_are_refused_without_remembered_roles() -> None:
    """Without stored roles, a lone users.csv of 1.2 is refused: staff can't be recognized."""
    done = MemorySite().sync({"users.csv": SCHOOL_1_2["users.csv"]})

    assert done.refused
    findings = [(f["code"], f["file"]) for f in done.findings if f["severity"] == "error"]
    assert findings == [("package.lone_users_without_roles", "users.csv")]


# Roles in bulk, users as a delta or absent


@pytest.mark.case("a86")
@pytest.mark.parametrize("users", ["absent", "delta"])
def test_roles_in_bulk_reach_users_who_are_not_named(users: str) -> None:
    """A removed or changed role of roles.csv counts even if no row of users.csv names the user."""
    site = synced(SCHOOL_1_2)
    roles = body(SCHOOL_1_2, "roles.csv").replace("r-bob,,,bob,primary,teacher,,,s,\n", "")
    roles = roles.replace("cat,primary,aide", "cat,primary,teacher")
    files = {"roles": roles}
    if users == "delta":
        files["users"] = f"dan,active,{NOW},true,dan,,Dana,Fox,,,dan@example.org,,,,,,,,,,s,\n"
    modes = {"roles": "bulk", "users": users}

    done = site.sync(mixed(SCHOOL_1_2, modes, **files))

    assert errors(done) == []
    wanted = [("deactivate", "bob"), ("update", "cat")]
    assert done.users == (wanted if users == "absent" else [*wanted, ("update", "dan")])
    assert done.reason("bob") == "no role of staff is left"
    assert site.sync(mixed(SCHOOL_1_2, modes, **files)).users == []


def test_leaver_needs_no_role() -> None:
    """A row that removes a user needs no role, because the roles were removed too."""
    site = synced(SCHOOL_1_2)
    roles = body(SCHOOL_1_2, "roles.csv").replace("r-bob,,,bob,primary,teacher,,,s,\n", "")
    texts = mixed(
        SCHOOL_1_2, {"roles": "bulk", "users": "delta"}, roles=roles, users=gone("bob", 22) + "\n"
    )

    done = site.sync(texts)

    assert (errors(done), done.users) == ([], [("deactivate", "bob")])
    assert done.reason("bob") == "marked to be deleted"


def test_broken_role_deactivates_nobody() -> None:
    """An unreadable row of roles.csv deactivates no user for a missing role."""
    site = synced(SCHOOL_1_2)
    roles = body(SCHOOL_1_2, "roles.csv").replace(
        "r-bob,,,bob,primary,teacher,,,s,\n", "r-new,,,bob,primary,teacher,,,s,,surplus\n"
    )

    done = site.sync(mixed(SCHOOL_1_2, {"roles": "bulk"}, roles=roles))

    assert errors(done) == [("row.width_mismatch", "r-new")]
    assert done.users == []


# Users whose role is no longer a staff role


@pytest.mark.case("a87")
def test_teacher_becomes_a_student_in_a_delta_of_users() -> None:
    """A 1.1 delta in which a teacher becomes a student deactivates the account, as bulk does."""
    site = synced(SCHOOL)
    texts = as_delta(
        SCHOOL,
        users=[row("bob", role="student", family="Secret")],
        enrollments=[f"bob-m2,active,{NOW},m2,s,bob,teacher,,,"],
    )

    done = site.sync(texts)

    assert (errors(done), done.users) == ([], [("deactivate", "bob")])
    assert done.reason("bob") == "the role is no longer one of staff"
    assert done.counts["users"]["ignored"] == 1
    assert "Secret" not in done.kept
    assert ("bob", "maths") not in site.assignments()
    assert site.sync(texts).users == []


def test_teacher_who_is_a_parent_too_stays_in_a_delta() -> None:
    """A parent's row beside a teacher's row of one user deactivates nobody, in either order."""
    rows = [row("bob", role="parent", family="Ray"), row("bob", family="Ray", given="Rob")]

    for order in (rows, rows[::-1]):
        site = synced(SCHOOL)
        done = site.sync(as_delta(SCHOOL, users=order))
        assert (errors(done), done.users) == ([], [("update", "bob")])
        assert site.status()["bob"] == "active"


@pytest.mark.parametrize("role", ["student", "parent", "ext:coach"])
@pytest.mark.parametrize("named", [True, False])
def test_teacher_becomes_a_student_in_a_delta_of_roles(role: str, *, named: bool) -> None:
    """In 1.2 a role that becomes a student's is removed, and the last one deactivates the user."""
    site = synced(SCHOOL_1_2)
    files = {"roles": [f"r-bob,active,{NOW},bob,primary,{role},,,s,"]}
    if named:
        files["users"] = [f"bob,active,{NOW},true,bob,,Bob,Secret,,,b@example.org,,,,,,,,,,s,"]

    done = site.sync(as_delta(SCHOOL_1_2, **files))

    assert (errors(done), done.users) == ([], [("deactivate", "bob")])
    assert "Secret" not in done.kept
    assert role not in str(done.plan.links["roles"].to_pylist())
    assert done.plan.links["roles.gone"]["sourced_id"].to_pylist() == ["r-bob"]


def test_one_of_two_roles_becomes_a_parents() -> None:
    """A user with another primary staff role stays active with that role."""
    site = synced(added(SCHOOL_1_2, "roles.csv", "r2-bob,,,bob,primary,aide,,,s,"))

    done = site.sync(as_delta(SCHOOL_1_2, roles=[f"r-bob,active,{NOW},bob,primary,parent,,,s,"]))

    assert done.users == [("update", "bob")]
    assert done.user("bob") == {"role": ("teacher", "aide")}


@pytest.mark.parametrize("blank", [True, False])
def test_deleted_role_without_its_user_counts(*, blank: bool) -> None:
    """A row that removes a role needs only its sourcedId: its user is stored."""
    site = synced(SCHOOL_1_2)
    removal = gone("r-bob", 10) if blank else f"r-bob,tobedeleted,{NOW},bob,primary,teacher,,,s,"

    done = site.sync(as_delta(SCHOOL_1_2, roles=[removal]))

    assert (errors(done), done.users) == ([], [("deactivate", "bob")])


def test_enrollment_becomes_a_students() -> None:
    """An enrollment whose role becomes student removes the assignment, in a delta as in bulk."""
    site = synced(SCHOOL)

    done = site.sync(as_delta(SCHOOL, enrollments=[f"bob-a1,active,{NOW},a1,s,bob,student,,,"]))

    assert (errors(done), done.assignments) == ([], [("remove", "bob", "art")])


def test_students_of_a_delta_stay_outside() -> None:
    """Unknown students of a delta are dropped, and nothing about them is stored."""
    site = synced(SCHOOL)
    texts = as_delta(
        SCHOOL,
        users=[row("kid", role="student", family="Secret"), gone("stu", 18)],
        enrollments=[f"kid-m1,active,{NOW},m1,s,kid,student,,,"],
    )

    done = site.sync(texts)

    assert (errors(done), done.users, done.assignments) == ([], [], [])
    assert "Secret" not in done.kept
    assert "'kid'" not in done.kept
