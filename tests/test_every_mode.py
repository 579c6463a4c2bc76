"""Every mode means the same: what a row does in bulk it does in a delta and in a mixed package.

Each promise is a school and the smallest package that could break it, through the door, the suites
and the plan.
"""

from __future__ import annotations

import pytest

from every_mode import NOW, MemorySite, body, errors, gone, mixed, row, synced
from golden.school import SCHOOL, SCHOOL_1_2, Texts, added, as_delta, changed
from oneroster_sync.stages.extract.decision_table import RULES, Verdict, Who, decide, every_case

# The decision table


def test_table_decides_every_case() -> None:
    """Whatever is asked of the table, one rule decides, and every rule decides something."""
    used = {decide(who, marked=m, ours=o, delta=d) for who, m, o, d in every_case()}

    assert used == set(RULES)


@pytest.mark.parametrize("delta", [True, False])
@pytest.mark.parametrize("ours", [True, False])
def test_only_a_role_of_staff_lets_anything_in(*, ours: bool, delta: bool) -> None:
    """Nothing comes without a role of staff, and no row that is marked comes at all."""
    for who in Who:
        for marked in (True, False):
            verdict = decide(who, marked=marked, ours=ours, delta=delta).verdict
            assert (verdict is Verdict.COMES) == (who is Who.STAFF and not marked)


# Users in bulk, roles as a delta or not at all


def users_without_roles() -> Texts:
    """Return the users of the school in bulk with a delta of roles that names Cat alone."""
    return mixed(
        SCHOOL_1_2,
        {"users": "bulk", "roles": "delta"},
        users=body(SCHOOL_1_2, "users.csv"),
        roles=f"r-cat,active,{NOW},cat,primary,teacher,,,s,\n",
    )


@pytest.mark.case("a86")
def test_users_in_bulk_keep_what_a_delta_of_roles_leaves_out() -> None:
    """Who is not in the delta of roles keeps the role that is remembered, and all their values."""
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
    """A disabled account does not come back because its role is not in the delta."""
    off = changed(SCHOOL_1_2, "users.csv", "bob,,,true", "bob,,,false")
    site = synced(off)
    texts = users_without_roles()

    done = site.sync({**texts, "users.csv": off["users.csv"]})

    assert done.users == [("update", "cat")]
    assert site.status()["bob"] == "inactive"


@pytest.mark.parametrize("mode", ["bulk", "delta"])
def test_pupil_without_any_role_is_in_no_snapshot(mode: str) -> None:
    """Of a person without a role who is none of ours nothing is kept; they count as ignored."""
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
    """A row of one of ours for whom no role is left changes nothing, and is an error."""
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
    """A lone users.csv of 1.2 needs no roles.csv where an earlier package brought the roles."""
    site = synced(SCHOOL_1_2)
    lone = {"users.csv": SCHOOL_1_2["users.csv"].replace("Ann,Lee", "Anna,Lee")}

    done = site.sync(lone)

    assert not done.refused
    assert done.users == [("update", "ann")]
    assert done.counts["users"]["ignored"] == 2


def test_lone_users_of_1_2_are_refused_without_remembered_roles() -> None:
    """Where no roles are known, a lone users.csv of 1.2 can't tell staff from students."""
    done = MemorySite().sync({"users.csv": SCHOOL_1_2["users.csv"]})

    assert done.refused
    told = [(f["code"], f["file"]) for f in done.findings if f["severity"] == "error"]
    assert told == [("package.lone_users_without_roles", "users.csv")]


# Roles in bulk, users as a delta or not at all


@pytest.mark.case("a86")
@pytest.mark.parametrize("users", ["absent", "delta"])
def test_roles_in_bulk_reach_users_who_are_not_named(users: str) -> None:
    """Who lost the last role leaves, and who has another one changes, though no row names them."""
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
    """A row that goes is no error for want of a role: the roles went with the person."""
    site = synced(SCHOOL_1_2)
    roles = body(SCHOOL_1_2, "roles.csv").replace("r-bob,,,bob,primary,teacher,,,s,\n", "")
    texts = mixed(
        SCHOOL_1_2, {"roles": "bulk", "users": "delta"}, roles=roles, users=gone("bob", 22) + "\n"
    )

    done = site.sync(texts)

    assert (errors(done), done.users) == ([], [("deactivate", "bob")])
    assert done.reason("bob") == "marked to be deleted"


def test_broken_role_takes_nobody_away() -> None:
    """While a row of roles.csv can't be read, nobody loses the last role for its want."""
    site = synced(SCHOOL_1_2)
    roles = body(SCHOOL_1_2, "roles.csv").replace(
        "r-bob,,,bob,primary,teacher,,,s,\n", "r-new,,,bob,primary,teacher,,,s,,surplus\n"
    )

    done = site.sync(mixed(SCHOOL_1_2, {"roles": "bulk"}, roles=roles))

    assert errors(done) == [("row.width_mismatch", "r-new")]
    assert done.users == []


# Whoever stops being staff by their role


@pytest.mark.case("a87")
def test_teacher_becomes_a_student_in_a_delta_of_users() -> None:
    """In 1.1 a delta in which a teacher is a student now takes the account away, as bulk does."""
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
    """A row as a parent beside the one as a teacher takes nobody away, in whatever order."""
    site = synced(SCHOOL)
    rows = [row("bob", role="parent", family="Ray"), row("bob", family="Ray", given="Rob")]

    for order in (rows, rows[::-1]):
        done = synced(SCHOOL).sync(as_delta(SCHOOL, users=order))
        assert (errors(done), done.users) == ([], [("update", "bob")])
    assert site.status()["bob"] == "active"


@pytest.mark.parametrize("role", ["student", "parent", "ext:coach"])
@pytest.mark.parametrize("named", [True, False])
def test_teacher_becomes_a_student_in_a_delta_of_roles(role: str, *, named: bool) -> None:
    """In 1.2 a role that turns into a student's is gone, and with the last one the person."""
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
    """Who keeps another primary role of staff stays, with that one."""
    site = synced(added(SCHOOL_1_2, "roles.csv", "r2-bob,,,bob,primary,aide,,,s,"))

    done = site.sync(as_delta(SCHOOL_1_2, roles=[f"r-bob,active,{NOW},bob,primary,parent,,,s,"]))

    assert done.users == [("update", "bob")]
    assert done.user("bob") == {"role": ("teacher", "aide")}


@pytest.mark.parametrize("blank", [True, False])
def test_deleted_role_without_its_user_counts(*, blank: bool) -> None:
    """A row that takes a role away needs its sourcedId only: whose it was is remembered."""
    site = synced(SCHOOL_1_2)
    removal = gone("r-bob", 10) if blank else f"r-bob,tobedeleted,{NOW},bob,primary,teacher,,,s,"

    done = site.sync(as_delta(SCHOOL_1_2, roles=[removal]))

    assert (errors(done), done.users) == ([], [("deactivate", "bob")])


def test_enrollment_becomes_a_students() -> None:
    """An enrollment of ours that is in the role of a student now is gone, in a delta as in bulk."""
    site = synced(SCHOOL)

    done = site.sync(as_delta(SCHOOL, enrollments=[f"bob-a1,active,{NOW},a1,s,bob,student,,,"]))

    assert (errors(done), done.assignments) == ([], [("remove", "bob", "art")])


def test_students_of_a_delta_stay_outside() -> None:
    """Students whom the site never had are dropped as ever, and nothing of them is remembered."""
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
