"""Invalid is not missing: a row with an error protects its record and all dependent records."""

from __future__ import annotations

import pytest

from roster_of import plan_of, roster_of

UNCLEAR = "semantic.unclear_identity"
TAUGHT = roster_of(
    users="sourced_id,given_name,email\nann,Ann,ann@x.org\nbob,Bob,bob@x.org",
    courses="sourced_id,title\nart,Art\nmaths,Maths",
    assignments="user,course\nann,maths\nbob,art",
    classes="sourced_id,course_sourced_id\na1,art\nm1,maths",
    enrollments="""
        sourced_id,user_sourced_id,class_sourced_id,role,course_sourced_id
        e1,ann,m1,teacher,maths
        e2,bob,a1,teacher,art
    """,
)
SAME = {
    "users.csv": "sourcedId,givenName,email\nann,Ann,ann@x.org\nbob,Bob,bob@x.org",
    "courses.csv": "sourcedId,title\nart,Art\nmaths,Maths",
    "classes.csv": "sourcedId,courseSourcedId\na1,art\nm1,maths",
    "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1\ne2,bob,a1",
}


def test_the_same_package_changes_nothing() -> None:
    """The package that the following tests spoil has the same content as the roster."""
    planned = plan_of(TAUGHT, SAME)
    assert planned.plan.is_empty()
    assert not planned.plan.moves_links()


@pytest.mark.parametrize(
    "row",
    ["! bob,,bob@x.org", "! bob,,", "! bob,Robert,other@x.org"],
    ids=["value missing", "ragged", "everything new"],
)
def test_bad_user_row_changes_nobody(row: str) -> None:
    """A user whose row has an error is neither updated nor deactivated."""
    planned = plan_of(
        TAUGHT, {"users.csv": f"sourcedId,givenName,email\nann,Anna,ann@x.org\n{row}"}
    )
    assert planned.users == [("update", "ann")]
    assert planned.codes == []


def test_duplicate_rows_change_nobody() -> None:
    """None of several different rows with one sourcedId is used, and the record stays."""
    planned = plan_of(
        TAUGHT,
        {
            "users.csv": """
                sourcedId,givenName,email
                ann,Ann,ann@x.org
                ! bob,Bob,bob@x.org
                ! bob,Robert,robert@x.org
            """
        },
    )
    assert planned.users == []


def test_bad_row_of_a_new_user_adds_nobody() -> None:
    """A row with an error is not applied, also for a new person."""
    planned = plan_of(roster_of(), {"users.csv": "sourcedId,email\n! ann,ann@x.org\nbob,bob@x.org"})
    assert planned.users == [("add", "bob")]


def test_bad_row_reactivates_no_user() -> None:
    """A row with an error reactivates no user."""
    planned = plan_of(
        roster_of(users="sourced_id,email,status\nann,ann@x.org,inactive"),
        {"users.csv": "sourcedId,email\n! ann,ann@x.org"},
    )
    assert planned.users == []


def test_row_without_sourced_id_protects_by_its_login() -> None:
    """A row with a blank sourcedId protects the user with its e-mail address."""
    planned = plan_of(
        roster_of(users="sourced_id,email\nann,ann@x.org\nbob,bob@x.org\ncec,cec@x.org"),
        {"users.csv": "sourcedId,email\nann,ann@x.org\n!,Bob@X.org"},
    )
    assert planned.users == [("deactivate", "cec")]
    assert planned.codes == []


UNREADABLE = {
    "users.csv": ("sourcedId,givenName,email\nann,Ann,ann@x.org\n!,,", "users"),
    "courses.csv": ("sourcedId,title\nart,Art\n!,Maths", "courses"),
    "enrollments.csv": (
        "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1\n!,,a1",
        "assignments",
    ),
}


@pytest.mark.parametrize("file", sorted(UNREADABLE))
def test_row_without_a_known_record_suppresses_removals(file: str) -> None:
    """A row without a known record suppresses all removals of its record type."""
    text, kind = UNREADABLE[file]
    planned = plan_of(TAUGHT, {**SAME, file: text})
    assert getattr(planned, kind) == []
    assert planned.codes == [(UNCLEAR, None)]
    finding = planned.findings[0]
    assert (finding["severity"], finding["file"], finding["row"]) == ("warning", file, 3)


def test_row_that_may_be_any_class_keeps_all_classes() -> None:
    """An unreadable row of classes.csv keeps every class, so that no assignment is lost."""
    planned = plan_of(
        TAUGHT,
        {
            **SAME,
            "classes.csv": "sourcedId,courseSourcedId\nm1,maths\n!,art",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1\n! e2,bob,a1",
        },
    )
    assert planned.plan.is_empty()
    assert planned.codes == [(UNCLEAR, None)]


def test_unclear_user_suppresses_no_removal_of_courses() -> None:
    """Only removals of the unreadable record type are suppressed."""
    planned = plan_of(
        TAUGHT,
        {"users.csv": "sourcedId,email\n!,", "courses.csv": "sourcedId,title\nart,Art"},
    )
    assert planned.users == []
    assert planned.courses == [("remove", "maths")]
    assert planned.assignments == [("remove", "ann", "maths")]


def test_unclear_row_keeps_no_marked_record() -> None:
    """In a delta an unreadable row protects no user whose own row asks for removal."""
    planned = plan_of(
        TAUGHT,
        {"users.csv": "sourcedId,givenName,email,status\nbob,,,tobedeleted\n!,,,"},
        delta=["users.csv"],
    )
    assert planned.users == [("deactivate", "bob")]


def test_bad_course_row_changes_no_course() -> None:
    """A course whose row has an error is neither updated nor removed, and keeps its teachers."""
    planned = plan_of(
        TAUGHT,
        {
            **SAME,
            "courses.csv": "sourcedId,title\n! art,\nmaths,Maths",
            "classes.csv": "sourcedId,courseSourcedId\n! a1,art\nm1,maths",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1\n! e2,bob,a1",
        },
    )
    assert planned.plan.is_empty()


@pytest.mark.parametrize("course", ["art", "maths", ""])
def test_bad_class_keeps_its_course(course: str) -> None:
    """A class with an error keeps its stored course even if its row names another one."""
    planned = plan_of(
        TAUGHT,
        {
            **SAME,
            "classes.csv": f"sourcedId,courseSourcedId\n! a1,{course}\nm1,maths",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1\n! e2,bob,a1",
        },
    )
    assert planned.plan.is_empty()
    assert not planned.plan.moves_links()


def test_bad_class_keeps_its_course_for_remembered_enrollments() -> None:
    """In a delta a class with an error keeps its course for stored enrollments too."""
    planned = plan_of(
        TAUGHT,
        {
            "classes.csv": "sourcedId,courseSourcedId,status\n! a1,maths,active",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId,status\ne1,ann,m1,active",
        },
        delta=["classes.csv", "enrollments.csv"],
    )
    assert planned.plan.is_empty()


@pytest.mark.parametrize(
    "row",
    ["! e2,bob,a1", "! e2,,", "! e2,ann,m1", "! e9,bob,a1", "!,bob,a1"],
    ids=["value", "ragged", "other pair", "new sourcedId", "no sourcedId"],
)
def test_bad_enrollment_keeps_its_pair(row: str) -> None:
    """An enrollment with an error keeps its assignment, found by its sourcedId or by its pair."""
    planned = plan_of(
        TAUGHT,
        {
            **SAME,
            "enrollments.csv": f"sourcedId,userSourcedId,classSourcedId\ne1,ann,m1\n{row}",
        },
    )
    assert planned.assignments == []


def test_bad_enrollment_makes_no_assignment() -> None:
    """An enrollment with an error neither adds nor reactivates an assignment."""
    roster = roster_of(
        users="sourced_id,email\nann,ann@x.org",
        courses="sourced_id,title\nart,Art\nmaths,Maths",
        assignments="user,course,status\nann,art,removed",
        classes="sourced_id,course_sourced_id\na1,art\nm1,maths",
    )
    planned = plan_of(
        roster,
        {
            "classes.csv": "sourcedId,courseSourcedId\na1,art\nm1,maths",
            "enrollments.csv": """
                sourcedId,userSourcedId,classSourcedId
                ! e1,ann,a1
                ! e2,ann,m1
            """,
        },
    )
    assert planned.assignments == []


def test_bad_enrollment_keeps_the_course_although_the_class_moved() -> None:
    """An enrollment with an error keeps its course even if its class moves to another one."""
    planned = plan_of(
        TAUGHT,
        {
            **SAME,
            "classes.csv": "sourcedId,courseSourcedId\na1,maths\nm1,maths",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1\n! e2,bob,a1",
        },
    )
    assert planned.assignments == []


def test_removed_course_removes_protected_assignments() -> None:
    """The removal of a course removes its assignments, also those that an error protects."""
    planned = plan_of(
        TAUGHT,
        {
            "users.csv": SAME["users.csv"],
            "courses.csv": "sourcedId,title\nmaths,Maths",
            "classes.csv": "sourcedId,courseSourcedId\n! a1,art\nm1,maths",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1\n! e2,bob,a1",
        },
    )
    assert planned.courses == [("remove", "art")]
    assert planned.assignments == [("remove", "bob", "art")]


def test_bad_user_keeps_dependent_assignments() -> None:
    """A user whose row has an error keeps an assignment whose enrollment is gone the same day."""
    planned = plan_of(
        TAUGHT,
        {
            **SAME,
            "users.csv": "sourcedId,givenName,email\nann,Ann,ann@x.org\n! bob,,bob@x.org",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1",
        },
    )
    assert planned.plan.is_empty()


def test_bad_class_keeps_dependent_assignments() -> None:
    """A class whose row has an error keeps a teacher whose enrollment is gone the same day."""
    planned = plan_of(
        TAUGHT,
        {
            **SAME,
            "classes.csv": "sourcedId,courseSourcedId\n! a1,art\nm1,maths",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1",
        },
    )
    assert planned.plan.is_empty()


def test_bad_course_keeps_dependent_assignments() -> None:
    """A course whose row has an error keeps assignments whose class is gone the same day."""
    planned = plan_of(
        TAUGHT,
        {
            **SAME,
            "courses.csv": "sourcedId,title\n! art,\nmaths,Maths",
            "classes.csv": "sourcedId,courseSourcedId\nm1,maths",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1",
        },
    )
    assert planned.plan.is_empty()


def test_an_error_is_remembered_no_longer_than_it_lasts() -> None:
    """A protected assignment is removed when its row is gone and no row has an error."""
    planned = plan_of(
        TAUGHT,
        {**SAME, "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1"},
    )
    assert planned.assignments == [("remove", "bob", "art")]


def test_quarantined_rows_are_returned() -> None:
    """The quarantined rows are returned for the counts of errors."""
    planned = plan_of(
        TAUGHT,
        {
            **SAME,
            "users.csv": "sourcedId,email\nann,ann@x.org\n! bob,",
            "courses.csv": "sourcedId,title\nart,Art\n! maths,",
        },
    )
    assert planned.bad("users") == ["bob"]
    assert planned.bad("courses") == ["maths"]
    assert planned.bad("classes") == []


RENUMBERED = "sourcedId,classSourcedId,userSourcedId"


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ("! tue-1,a1,nobody", {"ann"}),
        ("! tue-1,nowhere,ann", {"ann"}),
        ("! tue-1,nowhere,nobody", {"ann", "dan"}),
        ("! tue-1,,", {"ann", "dan"}),
        ("! tue-1,b1,bob", set()),
    ],
    ids=["user unknown", "class unknown", "both unknown", "a cell too many", "somebody else's"],
)
def test_broken_row_among_new_sourced_ids_protects_possible_records(
    row: str, kept: set[str]
) -> None:
    """If all enrollments have new sourcedIds, a broken row protects each possible record."""
    roster = roster_of(
        users="sourced_id,email\nann,ann@x.org\nbob,bob@x.org\ncec,cec@x.org\ndan,dan@x.org",
        courses="sourced_id,title\nart,Art\nbio,Bio\nlaw,Law",
        assignments="user,course\nann,art\nbob,bio\ncec,bio\ndan,law",
        classes="sourced_id,course_sourced_id\na1,art\nb1,bio\nl1,law",
        enrollments="""
            sourced_id,user_sourced_id,class_sourced_id,role,course_sourced_id
            mon-1,ann,a1,teacher,art
            mon-2,bob,b1,teacher,bio
            mon-3,cec,b1,teacher,bio
            mon-4,dan,l1,teacher,law
        """,
    )
    rows = f"{RENUMBERED}\n{row}\ntue-2,b1,bob\ntue-3,b1,cec"
    planned = plan_of(roster, {"enrollments.csv": rows})
    courses = {"ann": "art", "dan": "law"}
    gone = [("remove", user, courses[user]) for user in sorted(courses) if user not in kept]
    assert planned.assignments == gone


def test_broken_row_among_stable_sourced_ids_protects_no_other() -> None:
    """If sourcedIds are stable, a broken row with a new one protects no other enrollment."""
    rows = "e1,ann,m1\n! e3,nobody,a1"
    package = {"enrollments.csv": f"sourcedId,userSourcedId,classSourcedId\n{rows}"}
    assert plan_of(TAUGHT, package).assignments == [("remove", "bob", "art")]
