"""Every mode means the same: what a row does in bulk it does in a delta, a mixed package and 1.0.

A row that goes claims nothing and protects nothing. Each promise here is a school and the smallest
package that could break it, through the door, the suites and the plan.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import pytest

from every_mode import Done, MemorySite, carried_out
from golden.school import SCHOOL, SCHOOL_1_2, Texts, added, as_delta, changed, manifest, without
from oneroster_sync.package.kinds import Kind
from oneroster_sync.package.manifest import Mode
from oneroster_sync.package.mapping import read_mapping
from oneroster_sync.package.verdicts import RULES, Verdict, Who, decide, every_case
from oneroster_sync.plan import check_plan
from oneroster_sync.plan.mapped import plan_of_mapping
from oneroster_sync.preferences import Guards, Profile
from oneroster_sync.spec.logins import normalize_login
from roster_of import plan_of, roster_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path

NOW = "2026-09-01T00:00:00.000Z"
TAKEN = "semantic.login_taken"


def synced(texts: Texts, **preferences: Any) -> MemorySite:
    """Return a site that has the school."""
    site = MemorySite(**preferences)
    site.sync(texts)
    return site


def row(sourced_id: str, status: str = "active", **cells: str) -> str:
    """Return a row of a delta of users in 1.1: a teacher of the school, but for some cells."""
    values = {"enabled": "true", "role": "teacher", "given": sourced_id.title(), "family": "Lee"}
    values |= {"email": f"{sourced_id}@example.org", "stamp": NOW, **cells}
    return (
        "{id},{status},{stamp},{enabled},s,{role},{id},,{given},{family},,,{email},,,,,"
    ).format(id=sourced_id, status=status, **values)


def gone(sourced_id: str, columns: int) -> str:
    """Return a row of a delta that takes a record away, with nothing else in it."""
    return f"{sourced_id},tobedeleted,{NOW}" + "," * (columns - 3)


def mixed(texts: Texts, modes: dict[str, str], **files: str) -> Texts:
    """Return a package of some files, each in a mode of its own; the header is the school's."""
    version = "1.2" if "roles.csv" in texts else "1.1"
    told = {"manifest.csv": manifest(version, **modes)}
    for name, rows in files.items():
        header = texts[f"{name}.csv"].split("\n", 1)[0]
        told[f"{name}.csv"] = f"{header}\n{rows}"
    return told


def body(texts: Texts, file: str) -> str:
    """Return the rows of a file of the school."""
    return texts[file].split("\n", 1)[1]


def errors(done: Done) -> list[tuple[str, str | None]]:
    """Return code and sourcedId of each error."""
    return [(f["code"], f["sourced_id"]) for f in done.findings if f["severity"] == "error"]


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
    (finding,) = [f for f in done.findings if f["code"] == "package.missing_file"]
    assert "no roles are known" in finding["expected"]


# Roles in bulk, users as a delta or not at all


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


# Rows that go claim nothing


def test_same_person_under_another_id_in_a_delta() -> None:
    """A leaver's row claims no address: the same person comes under a new sourcedId."""
    site = synced(SCHOOL)
    texts = as_delta(
        SCHOOL,
        users=[
            row("bob", "tobedeleted", family="Ray"),
            row("b2", given="Bob", family="Ray", email="bob@example.org"),
        ],
    )

    done = site.sync(texts)

    assert errors(done) == []
    assert done.users == [("rekey", "b2")]


def test_new_person_with_the_address_of_a_leaver() -> None:
    """Another person may have the address of somebody who leaves in the same delta."""
    site = synced(SCHOOL)
    texts = as_delta(
        SCHOOL,
        users=[row("bob", "tobedeleted"), row("new", email="bob@example.org")],
    )

    done = site.sync(texts)

    assert (errors(done), done.users) == ([], [("deactivate", "bob"), ("add", "new")])


def test_leaver_whose_row_names_the_address_of_another() -> None:
    """What a leaver's row says of an address keeps nobody active, and refuses nobody."""
    site = synced(SCHOOL)
    texts = as_delta(
        SCHOOL,
        users=[row("bob", "tobedeleted", email="ann@example.org"), row("ann", given="Anna")],
    )

    done = site.sync(texts)

    assert (errors(done), done.users) == ([], [("update", "ann"), ("deactivate", "bob")])


@pytest.mark.parametrize("mode", ["bulk", "delta"])
def test_disabled_row_claims_no_login(mode: str) -> None:
    """A disabled account's address may be that of somebody else, in whatever mode."""
    site = synced(SCHOOL)
    if mode == "bulk":
        off = changed(SCHOOL, "users.csv", "bob,,,true", "bob,,,false")
        texts = added(off, "users.csv", "new,,,true,s,teacher,new,,New,One,,,bob@example.org,,,,,")
    else:
        rows = [row("bob", enabled="false", family="Ray"), row("new", email="bob@example.org")]
        texts = as_delta(SCHOOL, users=rows)

    done = site.sync(texts)

    assert (errors(done), done.users) == ([], [("deactivate", "bob"), ("add", "new")])
    assert site.sync(texts).users == []


def test_disabled_row_with_the_address_of_an_active_user() -> None:
    """A disabled row that names the address of an active user is used, and takes nothing."""
    site = synced(SCHOOL)

    done = site.sync(
        as_delta(SCHOOL, users=[row("bob", enabled="false", family="Ray", email="ann@example.org")])
    )

    assert (errors(done), done.users) == ([], [("deactivate", "bob")])
    assert site.status()["ann"] == "active"


@pytest.mark.parametrize("mode", ["bulk", "delta"])
def test_login_of_whoever_loses_the_last_role_is_free(mode: str) -> None:
    """Somebody new may have the address of a user who is staff no more by roles.csv alone."""
    site = synced(SCHOOL_1_2)
    roles = body(SCHOOL_1_2, "roles.csv").replace("bob", "new")
    if mode == "delta":
        roles = gone("r-bob", 10) + f"\nr-new,active,{NOW},new,primary,teacher,,,s,\n"
    users = f"new,active,{NOW},true,new,,New,One,,,bob@example.org,,,,,,,,,,s,\n"

    done = site.sync(mixed(SCHOOL_1_2, {"roles": mode, "users": "delta"}, roles=roles, users=users))

    assert (errors(done), done.users) == ([], [("deactivate", "bob"), ("add", "new")])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("gross@x.org", "gro\u00df@x.org", False),
        ("\u00e9va@x.org", "e\u0301va@x.org", True),
        ("\u00c9VA@x.org", "e\u0301va@X.ORG", True),
        ("ANN@x.org", "ann@x.org", True),
        ("i\u0307@x.org", "\u0130@x.org", True),
    ],
)
def test_logins_are_compared_in_one_spelling(one: str, other: str, *, same: bool) -> None:
    """Capitals and the way in which letters are composed tell nobody apart; letters do."""
    assert (normalize_login(one) == normalize_login(other)) is same


# Whoever stops being staff by their role


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
    """Who keeps another role of staff stays, with that one."""
    site = synced(added(SCHOOL_1_2, "roles.csv", "r2-bob,,,bob,secondary,aide,,,s,"))

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


# 1.0, and rows of a bulk file that ask for a removal


_OLD_NAMES = {
    "schoolYearSourcedId": "schoolYearId",
    "termSourcedIds": "termSourcedId",
    "userIds": "userId",
    "agentSourcedIds": "agents",
}
_NOT_IN_1_0 = {"enabledUser", "grades", "schoolYear", "middleName", "password", "periods"}
_NOT_IN_1_0 |= {"beginDate", "endDate", "subjectCodes"}


def in_1_0() -> Texts:
    """Return the school as OneRoster 1.0: no manifest, a status in every row, no enabledUser."""
    texts = without(SCHOOL, "manifest.csv")
    for file, text in texts.items():
        rows = list(csv.DictReader(io.StringIO(text)))
        session = file == "academicSessions.csv"
        kept = [n for n in rows[0] if n not in _NOT_IN_1_0 or (session and n.endswith("Date"))]
        lines = [[_OLD_NAMES.get(name, name) for name in kept]]
        lines += [[("active" if n == "status" else row[n]) for n in kept] for row in rows]
        texts[file] = "".join(",".join(line) + "\n" for line in lines)
    return texts


def test_inactive_row_of_1_0_goes() -> None:
    """A row with status inactive claims no address and protects nothing, however broken it is."""
    first = in_1_0()
    site = synced(first)
    assert site.status() == dict.fromkeys(("ann", "bob", "cat", "dan"), "active")
    texts = changed(
        first,
        "users.csv",
        "bob,active,,s,teacher,bob,,Bob,Ray,,bob@example.org",
        "bob,inactive,,,teacher,,,,,,ann@example.org",
    )

    done = site.sync(texts)

    assert errors(done) == []
    assert done.users == [("deactivate", "bob")]
    assert done.assignments == [("remove", "bob", "art")]
    again = site.sync(texts)
    assert (again.users, again.assignments) == ([], [])


def test_inactive_course_of_1_0_takes_its_assignments_along() -> None:
    """What hangs from a course that goes goes with it, though classes and enrollments are there."""
    site = synced(in_1_0())

    done = site.sync(changed(in_1_0(), "courses.csv", "art,active", "art,inactive"))

    assert errors(done) == []
    assert done.courses == [("remove", "art")]
    assert done.assignments == [("remove", "bob", "art")]


@pytest.mark.parametrize(
    ("file", "id_", "went"),
    [
        ("users.csv", "bob", {"users": [("deactivate", "bob")]}),
        ("courses.csv", "art", {"courses": [("remove", "art")]}),
        ("classes.csv", "a1", {}),
        ("enrollments.csv", "bob-a1", {}),
    ],
)
def test_tobedeleted_in_bulk_is_a_removal(
    file: str, id_: str, went: dict[str, list[tuple[str, str]]]
) -> None:
    """In tolerant a row of a bulk file that is marked is a removal, with a warning."""
    site = synced(SCHOOL)
    line = next(line for line in SCHOOL[file].splitlines() if line.startswith(f"{id_},"))
    texts = changed(SCHOOL, file, line, line.replace(f"{id_},,", f"{id_},tobedeleted,", 1))

    done = site.sync(texts)

    assert errors(done) == []
    assert done.said == [("semantic.tobedeleted_in_bulk", file, id_)]
    assert done.users == went.get("users", [])
    assert done.courses == went.get("courses", [])
    assert done.assignments == [("remove", "bob", "art")]


def test_tobedeleted_in_bulk_is_an_error_in_strict() -> None:
    """Strict rejects a bulk file with a row that is marked: the standard has no such thing."""
    site = synced(SCHOOL, profile="strict")

    done = site.sync(changed(SCHOOL, "users.csv", "bob,,,true", "bob,tobedeleted,,true"))

    assert done.refused
    assert site.status()["bob"] == "active"


# What is said of rows with errors


@pytest.mark.parametrize("first", [True, False])
def test_sound_and_broken_row_of_one_id_are_both_errors(*, first: bool) -> None:
    """Which of the two is right nobody can tell, so the sound one is not used either."""
    site = synced(SCHOOL)
    broken = "bob,,,true,s,teacher,bob"
    header, rest = SCHOOL["users.csv"].replace("Bob,Ray", "Rob,Ray").split("\n", 1)
    text = f"{header}\n{broken}\n{rest}" if first else f"{header}\n{rest}{broken}\n"

    done = site.sync({**SCHOOL, "users.csv": text})

    assert sorted(code for code, id_ in errors(done) if id_ == "bob") == [
        "reference.duplicate_sourced_id",
        "row.width_mismatch",
    ]
    assert done.users == []


def test_two_primary_teachers_counts_no_row_with_an_error() -> None:
    """A row that is not used is no second primary teacher."""
    texts = added(SCHOOL, "enrollments.csv", "dan-m1,,,m1,s,dan,teacher,true,2026-02-30,")

    done = MemorySite().sync(texts)

    assert [said for said in done.said if said[1] == "enrollments.csv"] == [
        ("row.invalid_date", "enrollments.csv", "dan-m1")
    ]


def test_two_primary_teachers_are_told_of_beside_a_third_with_an_error() -> None:
    """Two whose rows are used are still two."""
    texts = added(
        SCHOOL,
        "enrollments.csv",
        "dan-m1,,,m1,s,dan,teacher,true,2026-02-30,",
        "bob-m1,,,m1,s,bob,teacher,true,,",
    )

    done = MemorySite().sync(texts)

    said = [id_ for code, _, id_ in done.said if code == "semantic.two_primary_teachers"]
    assert set(said) == {"ann-m1", "bob-m1"}


def test_two_equal_invalid_addresses_are_invalid() -> None:
    """An address that is none is nobody's login: it is invalid twice, and not taken."""
    texts = changed(SCHOOL, "users.csv", "ann@example.org", "nobody")
    texts = changed(texts, "users.csv", "bob@example.org", "nobody")

    done = MemorySite().sync(texts)

    assert [said for said in errors(done) if said[0].startswith(("row", "semantic"))] == [
        ("row.invalid_email", "ann"),
        ("row.invalid_email", "bob"),
    ]


@pytest.mark.parametrize("texts", [SCHOOL, SCHOOL_1_2])
def test_withheld_row_is_never_valid_and_not_judged(texts: Texts) -> None:
    """A row that was blanked for privacy has one error, and no report speaks of its blanks."""
    if "roles.csv" in texts:
        texts = changed(texts, "roles.csv", "cat,primary,aide", "cat,primary,wizard")
    else:
        texts = changed(texts, "users.csv", "s,aide", "s,wizard")

    done = synced(texts if texts is SCHOOL else SCHOOL_1_2).sync(texts)

    of_cat = [code for code, file, id_ in done.said if (file, id_) == ("users.csv", "cat")]
    assert len(of_cat) == 1
    assert "cat" in done.bad("users")


def test_protection_of_a_renumbered_night_lasts_as_long_as_the_row() -> None:
    """Who is kept for a broken row under a new sourcedId is kept while the row comes."""
    site = synced(SCHOOL)
    header, *rows = SCHOOL["enrollments.csv"].splitlines()
    anew = [f"new-{row}" for row in rows]
    broken = [row.replace("new-bob-a1,,,a1", "new-bob-a1,,,gone") for row in anew]
    texts = {**SCHOOL, "enrollments.csv": "\n".join([header, *broken]) + "\n"}

    for night in range(4):
        done = site.sync(texts)
        assert done.assignments == [], night
        assert night == 0 or not done.plan.moves_links()

    mended = {**SCHOOL, "enrollments.csv": "\n".join([header, *anew]) + "\n"}
    assert site.sync(mended).assignments == []
    without_bob = [row for row in anew if "bob" not in row]
    texts = {**SCHOOL, "enrollments.csv": "\n".join([header, *without_bob]) + "\n"}
    assert site.sync(texts).assignments == [("remove", "bob", "art")]


# Another person under a known sourcedId


def test_another_person_under_a_known_id_changes_nothing() -> None:
    """Where all names and the address change at once, the record is left as it is and named."""
    site = synced(SCHOOL)
    before = site.user("bob")
    texts = changed(
        SCHOOL, "users.csv", "bob,,Bob,Ray,,,bob@example.org", "bob,,Zoe,Fay,,,zoe@example.org"
    )

    done = site.sync(texts)

    assert errors(done) == [
        ("semantic.identity_reuse", "bob"),
        ("reference.target_quarantined", "bob-a1"),
    ]
    assert (done.users, done.assignments, site.user("bob")) == ([], [], before)


@pytest.mark.parametrize(
    "row", ["Zoe,Ray,,,zoe@example.org", "Bob,Fay,,,zoe@example.org", "Zoe,Fay,,,bob@example.org"]
)
def test_person_who_keeps_something_is_the_same(row: str) -> None:
    """A marriage, another first name or a new domain alone make nobody another person."""
    site = synced(SCHOOL)

    done = site.sync(changed(SCHOOL, "users.csv", "bob,,Bob,Ray,,,bob@example.org", f"bob,,{row}"))

    assert (errors(done), done.users) == ([], [("update", "bob")])


def test_another_person_is_settled_by_another_id(tmp_path: Path) -> None:
    """Once the record has an id of its own, the other person comes as a new one."""
    site = synced(SCHOOL)
    other = changed(
        SCHOOL, "users.csv", "bob,,Bob,Ray,,,bob@example.org", "bob,,Zoe,Fay,,,zoe@example.org"
    )
    path = tmp_path / "ids.csv"
    path.write_text("kind,oldSourcedId,newSourcedId\nuser,bob,bob-of-2025\n", "utf-8")
    ids = read_mapping(path, Kind.IDS, Profile.TOLERANT).tables["ids"]
    site.roster = carried_out(site.roster, plan_of_mapping(Kind.IDS, ids, site.roster).plan)

    done = site.sync(other)

    assert errors(done) == []
    assert done.users == [("add", "bob"), ("deactivate", "bob-of-2025")]
    assert site.user("bob")["given_name"] == "Zoe"


@pytest.mark.parametrize(("reused", "held"), [(4, False), (5, True)])
def test_many_other_people_are_held(reused: int, *, held: bool) -> None:
    """From 5 records and 10 % on the rest of the plan waits; fewer are errors and no more."""
    users = "".join(f"\nu{n},Given{n},Family{n},u{n}@x.org" for n in range(45))
    roster = roster_of(users=f"sourced_id,given_name,family_name,email{users}")
    rows = [
        f"u{n},New{n},Name{n},n{n}@x.org" if n < reused else f"u{n},Given{n},Family{n},u{n}@x.org"
        for n in range(45)
    ]
    text = "\n".join(["sourcedId,givenName,familyName,email", *rows, "new,N,N,new@x.org"])
    planned = plan_of(roster, {"users.csv": text})
    good, bad = rows_of("users.csv", text)

    holds = check_plan(
        planned.plan,
        roster,
        Guards(),
        modes={"users": Mode.BULK},
        valid={"users": good},
        quarantined={"users": bad},
        rows={"users": 46},
        today=dt.date(2026, 11, 25),
        errors={"users": reused},
    )

    assert [hold.code for hold in holds] == (["guard.identity_reuse"] if held else [])
