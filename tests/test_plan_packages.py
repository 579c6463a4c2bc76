"""The effects of a package of CSV files on a site: scope, modes, errors, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from roster_of import SCHOOL, changed

if TYPE_CHECKING:
    from conftest import Site

FIRST_USERS = {"ann": "active", "bob": "active", "cec": "active"}
FIRST_ASSIGNMENTS = {("ann", "maths"): "active", ("bob", "art"): "active"}


def only(package: dict[str, str], *files: str) -> dict[str, str]:
    """Return some files of a package."""
    return {file: package[file] for file in files}


def counts_are(counts: dict[str, int], **numbers: int) -> bool:
    """Return whether counts have exactly these numbers, and zeros elsewhere."""
    return {name: n for name, n in counts.items() if n} == numbers


STAFF = only(SCHOOL, "users.csv")


@pytest.fixture
def school(site: Site) -> Site:
    """Return a site that has synced the school."""
    run = site.sync(SCHOOL)
    assert run["outcome"] == "succeeded"
    return site


@pytest.fixture
def staff(site: Site) -> Site:
    """Return a site that has synced only the users of the school."""
    assert site.sync(STAFF)["outcome"] == "succeeded"
    return site


def test_first_sync_makes_everything(site: Site) -> None:
    """A first package adds users, courses and assignments, and counts them."""
    run = site.sync(SCHOOL)
    assert counts_are(run["counts"]["users"], added=3)
    assert counts_are(run["counts"]["courses"], added=2)
    assert counts_are(run["counts"]["assignments"], added=2)
    assert site.users() == FIRST_USERS
    assert site.courses() == {"art": "active", "maths": "active"}
    assert site.assignments() == FIRST_ASSIGNMENTS


def test_same_package_twice_changes_nothing(school: Site) -> None:
    """The same package with rows and files in another order gives an empty plan."""
    mixed = {}
    for file, text in reversed(SCHOOL.items()):
        header, *rows = text.splitlines()
        mixed[file] = "\n".join([header, *reversed(rows)]) + "\n"
    for package in (SCHOOL, mixed):
        code, run = school.command("sync", school.package(package))
        assert (code, run["outcome"]) == (0, "no_changes")
        assert all(counts_are(counts) for counts in run["counts"].values())


def test_students_are_ignored_and_counted(school: Site) -> None:
    """Students and guardians are counted, and neither they nor their enrollments are stored."""
    package = changed(
        SCHOOL, "users.csv", "cec,", "kim,true,student,kim,Kim,Poe,kim@x.org\n"
        "pat,true,Parent,pat,Pat,Poe,pat@x.org\ncec,"
    )  # fmt: skip
    package = changed(
        package, "enrollments.csv", "e3,", "e9,m1,kim,student\ne8,m1,pat,teacher\ne3,"
    )
    run = school.sync(package)
    assert run["outcome"] == "no_changes"
    assert counts_are(run["counts"]["users"], ignored=2)
    assert school.users() == FIRST_USERS
    assert not school.rows("select 1 from enrollments where user_sourced_id in ('kim', 'pat')")


BAD_ROWS = (
    ("bray,Bob,Ray,bob@x.org", "bray,,Ray,bob@x.org", 1),
    ("bray,Bob,Ray,bob@x.org", "bray,Bob,Ray,bob@x.org,surplus", 1),
    ("bob,true,teacher", "bob,true,techer", 1),
    ("cec,", "bob,true,teacher,rob,Rob,Ray,rob@x.org\ncec,", 2),
)


def test_invalid_user_is_not_missing(school: Site) -> None:
    """A user with an unusable row keeps account and assignments, and counts as an error.

    The row has a missing value, a surplus cell, an unknown role, or a sourcedId that a different
    row has too.
    """
    for old, new, errors in BAD_ROWS:
        run = school.sync(changed(SCHOOL, "users.csv", old, new))
        assert run["outcome"] == "succeeded_with_errors", new
        assert counts_are(run["counts"]["users"], errors=errors), new
        assert counts_are(run["counts"]["assignments"], errors=1), new
        assert run["findings"]["errors"] == errors + 1, new
    assert school.users() == FIRST_USERS
    assert school.assignments() == FIRST_ASSIGNMENTS


def test_good_rows_go_on_beside_a_bad_one(staff: Site) -> None:
    """A bad row does not stop the update of other users, and the outcome has errors."""
    package = changed(STAFF, "users.csv", "Bob,Ray", ",Ray")
    run = staff.sync(changed(package, "users.csv", "Ann,Lee", "Anna,Lee"))
    assert run["outcome"] == "succeeded_with_errors"
    assert counts_are(run["counts"]["users"], updated=1, errors=1)


def test_two_rows_that_claim_a_login_are_both_refused(staff: Site) -> None:
    """Two users with one e-mail are both findings, and neither is applied."""
    run = staff.sync(
        changed(STAFF, "users.csv", "cec,", "zoe,true,aide,zoe,Zoe,Fox,BOB@x.org\ncec,")
    )
    assert counts_are(run["counts"]["users"], errors=2)
    found = [row for code, _, row in staff.findings(run) if code == "semantic.login_taken"]
    assert found == [3, 4]
    assert staff.users() == FIRST_USERS


def test_address_of_a_hand_made_account_is_not_taken(staff: Site) -> None:
    """A known user with the administrator's e-mail is an error, and other rows are applied."""
    run = staff.sync(changed(STAFF, "users.csv", "bob@x.org", "Admin@district.example"))
    assert run["outcome"] == "succeeded_with_errors"
    assert counts_are(run["counts"]["users"], errors=1)
    assert "semantic.login_taken" in staff.codes(run)
    assert staff.rows("select email from users where sourced_id = 'bob' and site = :site") == [
        ("bob@x.org",)
    ]


def test_swap_of_two_addresses_is_applied(staff: Site) -> None:
    """Two users can swap their e-mails in one transaction of the database."""
    package = changed(STAFF, "users.csv", "ann@x.org", "?")
    package = changed(package, "users.csv", "bob@x.org", "ann@x.org")
    run = staff.sync(changed(package, "users.csv", "?", "bob@x.org"))
    assert counts_are(run["counts"]["users"], updated=2)
    logins = staff.rows(
        "select login from users where site = :site and managed order by sourced_id limit 2"
    )
    assert logins == [("bob@x.org",), ("ann@x.org",)]


def test_email_of_a_leaver_goes_to_a_new_user(school: Site) -> None:
    """A new user gets the e-mail of a user who left in the same transaction."""
    package = changed(
        SCHOOL, "users.csv", "bob,true,teacher,bray,Bob,Ray", "rob,true,teacher,r,Ron,Oak"
    )
    package = changed(package, "enrollments.csv", "e2,a1,bob", "e2,a1,rob")
    run = school.sync(package)
    assert counts_are(run["counts"]["users"], added=1, deactivated=1)
    assert school.users() == {**FIRST_USERS, "rob": "active", "bob": "inactive"}


def test_unreadable_row_while_an_address_changes_hands(staff: Site) -> None:
    """If removals are suppressed, an absent user keeps the e-mail and the sync continues."""
    package = changed(STAFF, "users.csv", "bob,", "rob,")
    package = changed(
        package, "users.csv", "cec,true,aide,cpoe,Cec,Poe,cec@x.org", ",true,aide,x,No,Body,"
    )
    run = staff.sync(package)
    assert run["outcome"] == "succeeded_with_errors"
    assert staff.users() == FIRST_USERS


def test_invalid_class_keeps_its_course(school: Site) -> None:
    """A class with a bad row still leads to its old course, even if the row names another."""
    package = changed(SCHOOL, "classes.csv", "a1,Art 1,art", "a1,Art 1,maths,surplus")
    run = school.sync(package)
    assert run["outcome"] == "succeeded_with_errors"
    assert counts_are(run["counts"]["assignments"], errors=2)
    assert school.assignments() == FIRST_ASSIGNMENTS
    assert school.rows(
        "select course_sourced_id from classes where site = :site and sourced_id = 'a1'"
    ) == [("art",)]


def test_invalid_course_keeps_its_assignments(school: Site) -> None:
    """A course with a bad row keeps its title, its classes and its assignments."""
    run = school.sync(changed(SCHOOL, "courses.csv", "art,Art,A1", "art,,A1"))
    assert run["outcome"] == "succeeded_with_errors"
    assert counts_are(run["counts"]["courses"], errors=1)
    assert counts_are(run["counts"]["assignments"], errors=2)
    assert school.courses() == {"art": "active", "maths": "active"}
    assert school.assignments() == FIRST_ASSIGNMENTS


def test_invalid_enrollment_keeps_its_assignment(school: Site) -> None:
    """An unusable enrollment keeps the assignment that it made.

    The row has an unknown role, missing cells or an unknown class, even under a new sourcedId.
    """
    for row in (
        "e2,a1,bob,techer",
        "e2",
        "e2,zz,bob,teacher",
        "x2,a1,bob,techer",
    ):
        run = school.sync(changed(SCHOOL, "enrollments.csv", "e2,a1,bob,teacher", row))
        assert run["outcome"] == "succeeded_with_errors", row
        assert counts_are(run["counts"]["assignments"], errors=1), row
    assert school.assignments() == FIRST_ASSIGNMENTS


def test_unreadable_sourced_id_suppresses_removals(staff: Site) -> None:
    """A row without a readable sourcedId suppresses all removals, and gives a finding."""
    package = changed(
        STAFF, "users.csv", "bob,true,teacher,bray,Bob,Ray,bob@x.org\n", ",true,aide,x,No,Body,\n"
    )
    run = staff.sync(package)
    assert counts_are(run["counts"]["users"], errors=1)
    assert "semantic.unclear_identity" in staff.codes(run)
    assert staff.users() == FIRST_USERS


def test_removed_course_takes_its_assignments_along(school: Site) -> None:
    """A removed course loses its assignments, even if enrollments still name it."""
    run = school.sync(changed(SCHOOL, "courses.csv", "art,Art,A1\n", ""))
    assert counts_are(run["counts"]["courses"], removed=1)
    assert counts_are(run["counts"]["assignments"], removed=1, errors=2)
    assert school.courses() == {"art": "removed", "maths": "active"}
    assert school.assignments()["bob", "art"] == "removed"


def test_course_that_comes_back_brings_its_assignments(school: Site) -> None:
    """A returning course is reactivated with its assignments."""
    school.sync(changed(SCHOOL, "courses.csv", "art,Art,A1\n", ""))
    run = school.sync(SCHOOL)
    assert counts_are(run["counts"]["courses"], reactivated=1)
    assert counts_are(run["counts"]["assignments"], added=1)
    assert school.assignments() == FIRST_ASSIGNMENTS


def test_user_who_comes_back_is_the_same_account(staff: Site) -> None:
    """A user who is deactivated and reactivated keeps the account and its id."""
    query = "select id from users where site = :site and sourced_id = 'cec'"
    before = staff.rows(query)
    gone = changed(STAFF, "users.csv", "cec,true,aide,cpoe,Cec,Poe,cec@x.org\n", "")
    assert counts_are(staff.sync(gone)["counts"]["users"], deactivated=1)
    assert counts_are(staff.sync(STAFF)["counts"]["users"], reactivated=1)
    assert staff.rows(query) == before
    assert staff.users() == FIRST_USERS


def test_disabled_user_is_deactivated(staff: Site) -> None:
    """`enabledUser=false` deactivates a user, and adds a new one as inactive."""
    package = changed(
        STAFF, "users.csv", "cec,true", "zoe,false,aide,zoe,Zoe,Fox,z@x.org\ncec,false"
    )
    run = staff.sync(package)
    assert counts_are(run["counts"]["users"], added=1, deactivated=1)
    assert staff.users() == {**FIRST_USERS, "cec": "inactive", "zoe": "inactive"}


def test_missing_column_leaves_what_is_stored(school: Site) -> None:
    """A missing column changes no value, and gives a warning."""
    without = {
        "users.csv": """\
sourcedId,role,givenName,familyName,email
ann,teacher,Ann,Lee,ann@x.org
bob,teacher,Bob,Ray,bob@x.org
cec,aide,Cec,Poe,cec@x.org
""",
        "courses.csv": "sourcedId,title\nart,Art\nmaths,Maths\n",
    }
    run = school.sync(without)
    assert run["outcome"] == "no_changes"
    assert "schema.missing_header" in school.codes(run)
    assert school.rows("select username from users where site = :site and sourced_id = 'ann'") == [
        ("alee",)
    ]
