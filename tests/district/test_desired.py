"""The oracle follows the rules of a sync, shown with the school of `district.small`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from district import EMPTY, Desired, Package, Roster, bulk_package, delta_package, desired
from district.small import ANN_ART, ANN_MATHS, BOB_ART, edited, school, without


@pytest.fixture(params=["1.1", "1.2"])
def package(request: pytest.FixtureRequest) -> Package:
    """Return the school's package in the two versions that can express everything."""
    return bulk_package(school(), request.param)


@pytest.fixture
def known(package: Package) -> Roster:
    """Return the roster of the site after a first sync."""
    return desired(EMPTY, package).roster


def role_of(package: Package, id_: str, role: str) -> Package:
    """Change a user's role in the file that holds roles in this version."""
    return edited(package, "roles" if package.version == "1.2" else "users", id_, role=role)


def codes(result: Desired) -> set[tuple[str, str]]:
    """Return the rows that could not be used, each with the code of its finding."""
    return {(finding.sourced_id.split(" ")[0], finding.code) for finding in result.findings}


def test_first_sync_adds_the_staff_their_courses_and_assignments(package: Package) -> None:
    """A first sync adds all staff, each course and each distinct pair, and no student."""
    result = desired(EMPTY, package)

    assert set(result.roster.users) == {"ann", "bob"}
    assert result.roster.assignments == dict.fromkeys([ANN_MATHS, ANN_ART, BOB_ART], "active")
    assert result.counts.users == {
        "added": 2, "updated": 0, "deactivated": 0, "reactivated": 0, "errors": 0, "ignored": 1,
    }  # fmt: skip
    assert result.counts.courses["added"] == 2
    assert result.counts.assignments == {"added": 3, "removed": 0, "errors": 0}
    assert result.outcome == "succeeded"


def test_new_disabled_user_is_added_inactive(package: Package) -> None:
    """A new row with enabledUser=false adds an inactive user and its assignments."""
    result = desired(EMPTY, edited(package, "users", "bob", enabledUser="false"))

    assert result.roster.users["bob"].status == "inactive"
    assert result.counts.users["added"] == 2
    assert result.roster.assignments[BOB_ART] == "active"


def test_absent_user_is_deactivated_and_keeps_assignments_whose_rows_are_there(
    package: Package, known: Roster
) -> None:
    """Enrollments of an absent user are errors, and the assignments made from them stay."""
    result = desired(known, without(package, "users", "bob"))

    assert result.roster.users["bob"].status == "inactive"
    assert result.roster.assignments == known.assignments
    assert result.counts.users["deactivated"] == 1
    assert result.counts.assignments == {"added": 0, "removed": 0, "errors": 1}
    assert result.outcome == "succeeded_with_errors"


def without_bob(package: Package) -> Package:
    """Leave out a teacher and all rows that name him."""
    gone = without(without(package, "users", "bob"), "enrollments", "bob-a1")
    if "roles" not in gone.tables:
        return gone
    roles = [row[0] for row in gone.tables["roles"].rows if row[0].startswith("bob ")]
    return without(gone, "roles", *roles)


def test_absent_user_whose_rows_are_absent_loses_assignments(
    package: Package, known: Roster
) -> None:
    """If the enrollments of an absent user are absent too, the assignments are removed."""
    gone = without_bob(package)
    result = desired(known, gone)

    assert result.roster.assignments[BOB_ART] == "removed"
    assert result.counts.assignments == {"added": 0, "removed": 1, "errors": 0}
    # From 1.2 on, the role row of the absent user refers to no user.
    assert {one.file for one in result.findings} <= {"roles"}


def test_user_comes_back(package: Package, known: Roster) -> None:
    """A deactivated user whose row returns is reactivated, and no user is added."""
    gone = desired(known, without(without(package, "users", "bob"), "enrollments", "bob-a1"))
    back = desired(gone.roster, package)

    assert back.roster.shown == known.shown
    assert back.counts.users["reactivated"] == 1
    assert back.counts.users["added"] == 0
    assert back.counts.assignments["added"] == 1


def test_disabled_user_is_deactivated_and_keeps_assignments(
    package: Package, known: Roster
) -> None:
    """A row with enabledUser=false deactivates the user; the enrollments still count."""
    result = desired(known, edited(package, "users", "bob", enabledUser="false"))

    assert result.roster.users["bob"].status == "inactive"
    assert result.roster.assignments == known.assignments
    assert result.findings == []


def test_user_becomes_a_student(package: Package, known: Roster) -> None:
    """A user whose role is no longer a staff role is deactivated."""
    result = desired(known, role_of(package, "bob", "student"))

    assert result.roster.users["bob"].status == "inactive"
    assert result.counts.users["ignored"] == 2


def test_values_that_the_platform_does_not_keep_do_not_count(
    package: Package, known: Roster
) -> None:
    """A new phone number, another middle name or another room is not a change."""
    again = edited(package, "users", "ann", phone="555", sms="555", middleName="Q")
    result = desired(known, edited(again, "classes", "m1", location="Annex"))

    assert result.outcome == "no_changes"


def test_one_of_two_enrollments_ends(package: Package, known: Roster) -> None:
    """An assignment stays as long as one enrollment leads to it."""
    one = desired(known, without(package, "enrollments", "ann-m1"))
    both = desired(known, without(package, "enrollments", "ann-m1", "ann-m2"))

    assert one.outcome == "no_changes"
    assert both.roster.assignments[ANN_MATHS] == "removed"


def test_only_the_role_teacher_makes_an_assignment(package: Package, known: Roster) -> None:
    """An enrollment in another role makes no assignment, whatever the user's own role is."""
    result = desired(known, edited(package, "enrollments", "bob-a1", role="proctor"))

    assert result.roster.assignments[BOB_ART] == "removed"
    assert result.findings == []


def test_removed_course_takes_its_assignments_along(package: Package, known: Roster) -> None:
    """A removed course loses its assignments, although rows that depend on it are errors."""
    result = desired(known, without(package, "courses", "art"))

    assert result.roster.courses["art"].status == "removed"
    assert result.roster.assignments == {
        ANN_MATHS: "active",
        ANN_ART: "removed",
        BOB_ART: "removed",
    }
    assert result.counts.assignments == {"added": 0, "removed": 2, "errors": 2}
    assert ("a1", "reference.missing_target_record") in codes(result)


def test_lone_courses_file_removes_courses_with_their_assignments(
    package: Package, known: Roster
) -> None:
    """A lone courses.csv leaves users and the assignments of other courses unchanged."""
    result = desired(known, without(package, "courses", "art").only("courses"))

    assert result.roster.users == known.users
    assert result.roster.assignments == {
        ANN_MATHS: "active",
        ANN_ART: "removed",
        BOB_ART: "removed",
    }
    assert result.findings == []


def test_lone_users_file_touches_users_only(known: Roster) -> None:
    """A lone users.csv deactivates absent users, and changes no course and no assignment."""
    package = bulk_package(school(), "1.1")
    result = desired(known, without(package, "users", "bob").only("users"))

    assert result.roster.users["bob"].status == "inactive"
    assert result.roster.courses == known.courses
    assert result.roster.assignments == known.assignments


def test_scope_of_users_only(package: Package, known: Roster) -> None:
    """With the scope `users`, a whole package changes only users."""
    result = desired(known, without(package, "courses", "art"), scope="users")

    assert result.outcome == "no_changes"
    assert result.roster.shown == known.shown


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"familyName": ""}, "row.missing_required_value"),
        ({"email": "nobody"}, "row.invalid_email"),
        ({"enabledUser": "maybe"}, "row.invalid_boolean"),
    ],
)
def test_quarantined_user_stays(
    package: Package, known: Roster, cells: dict[str, str], code: str
) -> None:
    """A known user with a bad row stays unchanged, and so do the user's assignments."""
    bad = edited(package, "users", "ann", givenName="Anna", **cells)
    result = desired(known, bad)
    thinner = desired(known, without(bad, "enrollments", "ann-m1", "ann-m2"))

    assert result.roster.shown == thinner.roster.shown == known.shown
    assert codes(result) == {("ann", code)} | {
        (id_, "reference.target_quarantined") for id_ in ("ann-m1", "ann-m2", "ann-a1")
    }
    assert result.counts.users["errors"] == 1
    assert result.counts.assignments["errors"] == 3
    assert result.outcome == "succeeded_with_errors"


def test_unknown_role_is_a_fault_of_the_user(package: Package, known: Roster) -> None:
    """In 1.2 the fault is in roles.csv, but the unusable row counts for the user."""
    result = desired(known, role_of(package, "ann", "wizard"))

    assert ("ann", "row.invalid_enum") in codes(result)
    assert result.counts.users["errors"] == 1
    assert result.counts.users["ignored"] == 1
    assert result.roster.shown == known.shown


def test_new_quarantined_rows_add_nothing(package: Package) -> None:
    """On a first sync a bad user, class or enrollment adds nothing."""
    bad = edited(package, "users", "bob", familyName="")
    bad = edited(bad, "classes", "m2", courseSourcedId="no-such-course")
    bad = edited(bad, "enrollments", "ann-a1", role="wizard")
    result = desired(EMPTY, bad)

    assert set(result.roster.users) == {"ann"}
    assert result.roster.assignments == {ANN_MATHS: "active"}
    assert result.counts.assignments == {"added": 1, "removed": 0, "errors": 3}


def test_same_sourced_id_twice(package: Package, known: Roster) -> None:
    """Two different rows with one sourcedId are two errors; two identical rows are one row."""
    rows = package.tables["users"].rows
    other = edited(package, "users", "bob", familyName="Roy").tables["users"].rows[1]

    same = desired(known, package.with_rows("users", [*rows, rows[1]]))
    different = desired(known, package.with_rows("users", [*rows, other]))

    assert same.outcome == "no_changes"
    assert same.findings == []
    assert different.counts.users["errors"] == 2
    assert different.roster.shown == known.shown


def test_two_users_claim_one_email(package: Package, known: Roster) -> None:
    """Two rows with one e-mail in any case are both findings, and neither is applied."""
    result = desired(known, edited(package, "users", "bob", email="ANN@example.org"))

    assert {("ann", "semantic.login_taken"), ("bob", "semantic.login_taken")} <= codes(result)
    assert result.roster.shown == known.shown


def test_two_users_swap_their_emails(package: Package, known: Roster) -> None:
    """Two users can swap e-mails; if one of the rows is bad, the other is not applied either."""
    swap = edited(package, "users", "bob", email="ann@example.org")
    swap = edited(swap, "users", "ann", email="bob@example.org")
    half = desired(known, edited(swap, "users", "ann", familyName=""))

    assert desired(known, swap).counts.users["updated"] == 2
    assert ("bob", "semantic.login_taken") in codes(half)
    assert half.roster.shown == known.shown


def test_email_of_a_deactivated_user_is_free(package: Package, known: Roster) -> None:
    """A user who left on the same day or earlier does not keep the e-mail."""
    gone = without_bob(package)
    result = desired(known, edited(gone, "users", "ann", email="bob@example.org"))

    assert {one.file for one in result.findings} <= {"roles"}
    assert result.roster.users["ann"].email == "bob@example.org"


def test_quarantined_course_stays(package: Package, known: Roster) -> None:
    """A bad course row changes, adds and removes nothing of the course or its assignments."""
    bad = edited(package, "courses", "art", title="")
    result = desired(known, bad)
    thinner = desired(
        known, without(without(bad, "classes", "a1"), "enrollments", "bob-a1", "ann-a1")
    )

    assert result.roster.shown == thinner.roster.shown == known.shown
    assert result.counts.courses["errors"] == 1
    assert result.counts.assignments["errors"] == 2


@pytest.mark.parametrize("cells", [{"courseSourcedId": ""}, {"courseSourcedId": "no-such-course"}])
def test_quarantined_class_keeps_its_link(
    package: Package, known: Roster, cells: dict[str, str]
) -> None:
    """The class still belongs to yesterday's course; a new enrollment in it adds nothing."""
    bad = edited(package, "classes", "a1", **cells)
    bad = edited(bad, "enrollments", "ann-m1", userSourcedId="bob", classSourcedId="a1")
    bad = without(bad, "enrollments", "bob-a1")
    result = desired(known, bad)

    assert result.roster.shown == known.shown
    assert result.roster.classes["a1"] == "art"
    assert result.counts.courses["errors"] == 0
    assert result.counts.assignments["errors"] == 2


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"role": ""}, "row.missing_required_value"),
        ({"role": "wizard"}, "row.invalid_enum"),
        ({"classSourcedId": "no-such-class"}, "reference.missing_target_record"),
        ({"userSourcedId": "no-such-user"}, "reference.missing_target_record"),
    ],
)
def test_quarantined_enrollment_keeps_its_assignment(
    package: Package, known: Roster, cells: dict[str, str], code: str
) -> None:
    """A bad enrollment row keeps the assignment it made yesterday, and makes no other."""
    result = desired(known, edited(package, "enrollments", "bob-a1", **cells))

    assert codes(result) == {("bob-a1", code)}
    assert result.counts.assignments == {"added": 0, "removed": 0, "errors": 1}
    assert result.roster.shown == known.shown


def test_quarantined_enrollment_with_a_new_id_keeps_what_it_names(
    package: Package, known: Roster
) -> None:
    """If an SIS renumbers enrollments each night, a row without an id removes nothing."""
    anew = edited(package, "enrollments", "bob-a1", sourcedId="")
    result = desired(known, anew)

    assert result.roster.shown == known.shown
    assert desired(result.roster, anew).outcome == "succeeded_with_errors"


def test_repaired_row_is_applied(package: Package, known: Roster) -> None:
    """A record follows its row again once the row is corrected."""
    bad = desired(known, edited(package, "users", "bob", givenName="Rob", familyName=""))
    good = desired(bad.roster, edited(package, "users", "bob", givenName="Rob"))

    assert good.counts.users["updated"] == 1
    assert good.roster.users["bob"].given_name == "Rob"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_delta_removes_only_what_it_says(version: str) -> None:
    """A delta removes only rows with `tobedeleted`; absent records stay."""
    yesterday = school()
    known = desired(EMPTY, bulk_package(yesterday, version)).roster
    today = replace(
        yesterday,
        users={id_: user for id_, user in yesterday.users.items() if id_ != "bob"},
        enrollments={id_: one for id_, one in yesterday.enrollments.items() if one.user != "bob"},
    )
    result = desired(known, delta_package(yesterday, today, version))

    assert result.roster.users["bob"].status == "inactive"
    assert result.roster.users["ann"].status == "active"
    assert result.roster.assignments == {ANN_MATHS: "active", ANN_ART: "active", BOB_ART: "removed"}
    assert result.counts.users["deactivated"] == 1


def test_delta_moves_a_class_to_another_course() -> None:
    """Enrollments that a delta does not name follow their class to its new course."""
    yesterday = school()
    known = desired(EMPTY, bulk_package(yesterday)).roster
    art = replace(yesterday.classes["a1"], course="maths")
    today = replace(yesterday, classes={**yesterday.classes, "a1": art})
    result = desired(known, delta_package(yesterday, today))

    assert result.roster.assignments == {
        ANN_MATHS: "active", ("bob", "maths"): "active", ANN_ART: "removed", BOB_ART: "removed",
    }  # fmt: skip


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_delta_row_of_a_student_is_ignored(version: str) -> None:
    """A changed student is ignored, even in 1.2, where only roles.csv holds the role."""
    yesterday = school()
    known = desired(EMPTY, bulk_package(yesterday, version)).roster
    kid = replace(yesterday.users["kid"], family_name="Poe-Lee")
    today = replace(yesterday, users={**yesterday.users, "kid": kid})
    result = desired(known, delta_package(yesterday, today, version))

    assert result.outcome == "no_changes"
    assert result.findings == []
    assert result.counts.users["ignored"] == 1
