"""The records that a run may change: lone files, scopes, absent files, deltas, and 1.2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from roster_of import SCHOOL, as_delta, changed

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site


FIRST_USERS = {"ann": "active", "bob": "active", "cec": "active"}


FIRST_ASSIGNMENTS = {("ann", "maths"): "active", ("bob", "art"): "active"}


STAMP = "2026-09-01T00:00:00.000Z"


def only(package: dict[str, str], *files: str) -> dict[str, str]:
    """Return some of a package's files."""
    return {file: package[file] for file in files}


def counts_are(counts: dict[str, int], **numbers: int) -> bool:
    """Return whether the counts are exactly these numbers, and zero elsewhere."""
    return {name: n for name, n in counts.items() if n} == numbers


STAFF = only(SCHOOL, "users.csv")


@pytest.fixture
def school(site: Site) -> Site:
    """A site that has synced the school."""
    run = site.sync(SCHOOL)
    assert run["outcome"] == "succeeded"
    return site


def lone(site: Site, package: dict[str, str], file: str) -> Path:
    """Return the path of one CSV file alone."""
    return site.package(only(package, file)) / file


def test_lone_users_csv_touches_users_only(school: Site) -> None:
    """A lone users.csv changes users, and neither courses nor assignments."""
    package = changed(SCHOOL, "users.csv", "bob,true,teacher,bray,Bob,Ray,bob@x.org\n", "")
    run = school.sync(lone(school, package, "users.csv"))
    assert counts_are(run["counts"]["users"], deactivated=1)
    assert counts_are(run["counts"]["courses"])
    assert counts_are(run["counts"]["assignments"])
    assert school.assignments() == FIRST_ASSIGNMENTS


def test_lone_courses_csv_touches_courses_only(school: Site) -> None:
    """A lone courses.csv changes courses, and the assignments of a removed course."""
    package = changed(SCHOOL, "courses.csv", "art,Art,A1", "bio,Biology,B1")
    run = school.sync(lone(school, package, "courses.csv"), "--kind", "courses")
    assert run["scope"] == "courses"
    assert counts_are(run["counts"]["users"])
    assert counts_are(run["counts"]["courses"], added=1, removed=1)
    assert counts_are(run["counts"]["assignments"], removed=1)
    assert school.users() == FIRST_USERS


def test_wrong_upload_is_rejected(school: Site) -> None:
    """A users.csv that is uploaded as courses.csv is rejected, and nothing is changed."""
    code, run = school.command("sync", lone(school, SCHOOL, "users.csv"), "--kind", "courses")
    assert (code, run["outcome"]) == (4, "rejected")
    assert "upload.wrong_kind" in school.codes(run)


def test_scope_of_users_leaves_the_rest_alone(school: Site) -> None:
    """In the scope `users` a whole package changes users only."""
    package = changed(SCHOOL, "users.csv", "Ann,Lee", "Anna,Lee")
    package = changed(package, "courses.csv", "art,Art,A1\n", "")
    run = school.sync(package, "--scope", "users")
    assert run["scope"] == "users"
    assert counts_are(run["counts"]["users"], updated=1)
    assert counts_are(run["counts"]["courses"])
    assert counts_are(run["counts"]["assignments"])
    assert school.courses() == {"art": "active", "maths": "active"}


def test_scope_of_the_site_holds_where_none_is_named(school: Site) -> None:
    """A run without a scope of its own has the site's scope."""
    school.command("preferences", "--set", "scope=users")
    run = school.sync(changed(SCHOOL, "courses.csv", "art,Art,A1\n", ""))
    assert (run["scope"], run["outcome"]) == ("users", "no_changes")
    both = "users_and_courses"
    run = school.sync(changed(SCHOOL, "courses.csv", "art,Art,A1\n", ""), "--scope", both)
    assert counts_are(run["counts"]["courses"], removed=1)


def test_absent_file_changes_nothing_of_its_kind(school: Site) -> None:
    """A file that the manifest calls absent changes and removes no record."""
    package = as_delta(
        "1.1", only(changed(SCHOOL, "users.csv", "Ann,Lee", "Anna,Lee"), "users.csv")
    )
    package["manifest.csv"] = package["manifest.csv"].replace("users,delta", "users,bulk")
    run = school.sync(package)
    assert counts_are(run["counts"]["users"], updated=1)
    assert school.courses() == {"art": "active", "maths": "active"}
    assert school.assignments() == FIRST_ASSIGNMENTS


def test_aides_are_assigned_with_the_preference(school: Site) -> None:
    """With assignment_roles the aides of a class are assigned to its course too."""
    school.command("preferences", "--set", 'assignment_roles=["teacher", "aide"]')
    run = school.sync(SCHOOL)
    assert counts_are(run["counts"]["assignments"], added=1)
    assert school.assignments()["cec", "art"] == "active"


def test_delta_changes_only_what_it_names(school: Site) -> None:
    """A delta updates, adds and removes by its own rows and the stored links."""
    run = school.sync(
        as_delta(
            "1.1",
            {
                "users.csv": f"""\
sourcedId,status,dateLastModified,enabledUser,role,username,givenName,familyName,email
ann,active,{STAMP},true,teacher,alee,Anna,Lee,ann@x.org
cec,tobedeleted,{STAMP},,,,,,
""",
                "enrollments.csv": f"""\
sourcedId,status,dateLastModified,classSourcedId,userSourcedId,role
e9,active,{STAMP},a1,ann,teacher
e3,tobedeleted,{STAMP},,,
""",
            },
        )
    )
    assert counts_are(run["counts"]["users"], updated=1, deactivated=1)
    assert counts_are(run["counts"]["assignments"], added=1)
    assert school.users() == {**FIRST_USERS, "cec": "inactive"}
    assert school.assignments() == {**FIRST_ASSIGNMENTS, ("ann", "art"): "active"}
    assert run["findings"]["errors"] == 0


def test_two_users_whose_ids_differ_by_case(site: Site) -> None:
    """SourcedIds that differ only by case are different, and logins are the same."""
    package = changed(STAFF, "users.csv", "cec,", "ANN,true,aide,ann2,Ann,Two,Ann2@x.org\ncec,")
    assert counts_are(site.sync(package)["counts"]["users"], added=4)
    assert site.sync(package)["outcome"] == "no_changes"


STAFF_1_2: dict[str, str] = {
    "users.csv": """\
sourcedId,enabledUser,username,givenName,familyName,email
ann,true,alee,Ann,Lee,ann@x.org
bob,true,bray,Bob,Ray,bob@x.org
kim,true,kim,Kim,Poe,kim@x.org
""",
    "roles.csv": """\
sourcedId,userSourcedId,roleType,role,orgSourcedId
r1,ann,primary,teacher,o1
r2,ann,secondary,principal,o2
r3,bob,primary,aide,o1
r4,kim,primary,student,o1
""",
}


def stored_roles(site: Site) -> dict[str, Any]:
    """Return role and orgs of each user that has a sourcedId."""
    query = (
        "select sourced_id, role, org_sourced_ids from users "
        "where site = :site and sourced_id is not null"
    )
    return {user: (role, orgs) for user, role, orgs in site.rows(query)}


def test_1_2_takes_roles_and_orgs_from_roles_csv(site: Site) -> None:
    """The primary role counts, the orgs of all roles are stored, and students are ignored."""
    run = site.sync(STAFF_1_2)
    assert counts_are(run["counts"]["users"], added=2, ignored=1)
    assert stored_roles(site) == {"ann": ("teacher", "o1,o2"), "bob": ("aide", "o1")}
    assert site.sync(STAFF_1_2)["outcome"] == "no_changes"


@pytest.mark.parametrize("others", [True, False], ids=["with users.csv", "alone"])
def test_1_2_delta_of_roles_changes_the_user(site: Site, others: bool) -> None:  # noqa: FBT001
    """A new role in a delta changes its user, whose own row may be absent from the package."""
    site.sync(STAFF_1_2)
    files = {
        "roles.csv": f"""\
sourcedId,status,dateLastModified,userSourcedId,roleType,role,orgSourcedId
r9,active,{STAMP},bob,primary,teacher,o3
"""
    }
    if others:
        files["users.csv"] = f"""\
sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName,email
ann,active,{STAMP},true,alee,Anna,Lee,ann@x.org
"""
    run = site.sync(as_delta("1.2", files))
    assert counts_are(run["counts"]["users"], updated=2 if others else 1)
    assert stored_roles(site)["bob"] == ("teacher", "o1,o3")


def test_1_2_delta_of_users_without_their_roles(site: Site) -> None:
    """A new user without roles may be a student: the row is ignored, and the others are used."""
    site.sync(STAFF_1_2)
    run = site.sync(
        as_delta(
            "1.2",
            {
                "users.csv": f"""\
sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName,email
ann,active,{STAMP},true,alee,Anna,Lee,ann@x.org
new,active,{STAMP},true,new,New,Comer,new@x.org
"""
            },
        )
    )
    assert run["outcome"] == "succeeded"
    assert counts_are(run["counts"]["users"], updated=1, ignored=1)
    assert site.users() == {"ann": "active", "bob": "active"}
