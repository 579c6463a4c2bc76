"""Course assignments are the distinct pairs of user and course that enrollments imply."""

from __future__ import annotations

from typing import Any

import pytest

from roster_of import plan_of, roster_of

PEOPLE_AND_COURSES: dict[str, Any] = {
    "users": "sourced_id,email\nann,ann@x.org\nbob,bob@x.org",
    "courses": "sourced_id,title\nart,Art\nmaths,Maths",
}
CLASSES = "sourced_id,course_sourced_id\na1,art\nm1,maths\nm2,maths"
CLASSES_CSV = "sourcedId,courseSourcedId\na1,art\nm1,maths\nm2,maths"
TAUGHT = roster_of(
    **PEOPLE_AND_COURSES,
    assignments="user,course\nann,maths\nbob,art",
    classes=CLASSES,
    enrollments="""
        sourced_id,user_sourced_id,class_sourced_id,role,course_sourced_id
        e1,ann,m1,teacher,maths
        e2,ann,m2,teacher,maths
        e3,bob,a1,teacher,art
    """,
)


def test_two_classes_of_a_course_are_one_assignment() -> None:
    """A user who teaches two classes of a course has one assignment, with the first row."""
    planned = plan_of(
        roster_of(**PEOPLE_AND_COURSES),
        {
            "classes.csv": CLASSES_CSV,
            "enrollments.csv": """
                sourcedId,userSourcedId,classSourcedId
                e9,bob,a1
                e1,ann,m2
                e2,ann,m1
            """,
        },
    )
    assert planned.assignments == [("add", "ann", "maths"), ("add", "bob", "art")]
    assert planned.plan.assignments["row"].to_pylist() == [3, 2]


def test_dropping_one_of_two_classes_keeps_the_assignment() -> None:
    """A teacher keeps a course while one class is left, and loses it with the last one."""
    one_left = "sourcedId,userSourcedId,classSourcedId\ne2,ann,m2\ne3,bob,a1"
    none_left = "sourcedId,userSourcedId,classSourcedId\ne3,bob,a1"
    package = {"classes.csv": CLASSES_CSV}
    assert plan_of(TAUGHT, {**package, "enrollments.csv": one_left}).assignments == []
    assert plan_of(TAUGHT, {**package, "enrollments.csv": none_left}).assignments == [
        ("remove", "ann", "maths")
    ]


def test_pair_that_comes_back_is_reactivated() -> None:
    """A removed assignment that is taught again is reactivated."""
    roster = roster_of(
        **PEOPLE_AND_COURSES, assignments="user,course,status\nann,art,removed", classes=CLASSES
    )
    planned = plan_of(
        roster,
        {
            "classes.csv": CLASSES_CSV,
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,a1",
        },
    )
    assert planned.assignments == [("reactivate", "ann", "art")]
    assert planned.plan.count().assignments == {"added": 1, "removed": 0, "errors": 0}


def test_enrollments_numbered_anew_change_nothing() -> None:
    """New sourcedIds of enrollments and classes change no assignment if the pairs are the same."""
    planned = plan_of(
        TAUGHT,
        {
            "classes.csv": "sourcedId,courseSourcedId\nx1,art\nx2,maths",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ny1,bob,x1\ny2,ann,x2",
        },
    )
    assert planned.plan.is_empty()
    assert planned.plan.moves_links()


@pytest.mark.parametrize(
    ("roles", "pairs"),
    [
        (("teacher",), [("add", "ann", "maths")]),
        (("teacher", "aide"), [("add", "ann", "maths"), ("add", "bob", "art")]),
        (
            ("teacher", "aide", "administrator"),
            [("add", "ann", "art"), ("add", "ann", "maths"), ("add", "bob", "art")],
        ),
    ],
    ids=["teacher", "aide", "administrator"],
)
def test_site_says_which_roles_make_an_assignment(
    roles: tuple[str, ...], pairs: list[tuple[str, str, str]]
) -> None:
    """Enrollments as teacher make assignments; a site can add aides and administrators."""
    planned = plan_of(
        roster_of(**PEOPLE_AND_COURSES),
        {
            "classes.csv": CLASSES_CSV,
            "enrollments.csv": """
                sourcedId,userSourcedId,classSourcedId,role
                e1,ann,m1,teacher
                e2,bob,a1,aide
                e3,ann,a1,administrator
                e4,bob,m1,proctor
            """,
        },
        assignment_roles=roles,
    )
    assert planned.assignments == pairs


def test_site_that_no_longer_takes_aides_removes_their_assignments() -> None:
    """A changed preference of roles changes the next plan, even for the same package."""
    package = {
        "classes.csv": CLASSES_CSV,
        "enrollments.csv": "sourcedId,userSourcedId,classSourcedId,role\ne1,bob,a1,aide",
    }
    roster = roster_of(**PEOPLE_AND_COURSES, assignments="user,course\nbob,art", classes=CLASSES)
    assert plan_of(roster, package, assignment_roles=("teacher", "aide")).assignments == []
    assert plan_of(roster, package).assignments == [("remove", "bob", "art")]


def test_class_that_moves_to_another_course() -> None:
    """A class that moves to another course takes its teachers along."""
    planned = plan_of(
        TAUGHT,
        {
            "classes.csv": "sourcedId,courseSourcedId\na1,maths\nm1,maths\nm2,maths",
            "enrollments.csv": """
                sourcedId,userSourcedId,classSourcedId
                e1,ann,m1
                e2,ann,m2
                e3,bob,a1
            """,
        },
    )
    assert planned.assignments == [("remove", "bob", "art"), ("add", "bob", "maths")]


def test_delta_enrollment_finds_its_remembered_class() -> None:
    """A delta of enrollments finds its courses through remembered classes."""
    planned = plan_of(
        TAUGHT,
        {"enrollments.csv": "sourcedId,userSourcedId,classSourcedId,status\ne4,bob,m1,active"},
        delta=["enrollments.csv"],
    )
    assert planned.assignments == [("add", "bob", "maths")]


def test_delta_leaves_untouched_enrollments_alone() -> None:
    """In a delta, an enrollment that is not named stays; one marked `tobedeleted` is removed."""
    planned = plan_of(
        TAUGHT,
        {"enrollments.csv": "sourcedId,userSourcedId,classSourcedId,status\ne1,,,tobedeleted"},
        delta=["enrollments.csv"],
    )
    assert planned.assignments == []
    planned = plan_of(
        TAUGHT,
        {
            "enrollments.csv": """
                sourcedId,userSourcedId,classSourcedId,status
                e1,,,tobedeleted
                e2,,,tobedeleted
            """
        },
        delta=["enrollments.csv"],
    )
    assert planned.assignments == [("remove", "ann", "maths")]


def test_delta_of_classes_moves_remembered_enrollments() -> None:
    """In a delta, a class that moves to another course takes its remembered teachers along."""
    planned = plan_of(
        TAUGHT,
        {
            "classes.csv": "sourcedId,courseSourcedId,status\na1,maths,active",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId,status\ne1,ann,m1,active",
        },
        delta=["classes.csv", "enrollments.csv"],
    )
    assert planned.assignments == [("remove", "bob", "art"), ("add", "bob", "maths")]


def test_delta_of_classes_alone_moves_remembered_enrollments() -> None:
    """A delta with classes.csv alone moves remembered enrollments too."""
    planned = plan_of(
        TAUGHT,
        {"classes.csv": "sourcedId,courseSourcedId,status\na1,maths,active"},
        delta=["classes.csv"],
    )
    assert planned.assignments == [("remove", "bob", "art"), ("add", "bob", "maths")]


def test_class_removed_in_a_delta_takes_its_assignments_along() -> None:
    """A class with `tobedeleted` in a delta removes its assignments."""
    planned = plan_of(
        TAUGHT,
        {
            "classes.csv": "sourcedId,courseSourcedId,status\na1,,tobedeleted",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId,status\ne1,ann,m1,active",
        },
        delta=["classes.csv", "enrollments.csv"],
    )
    assert planned.assignments == [("remove", "bob", "art")]


def test_new_user_of_a_new_course_is_assigned_at_once() -> None:
    """Users, courses and their assignments may all be new in one package."""
    planned = plan_of(
        roster_of(),
        {
            "users.csv": "sourcedId,email\nann,ann@x.org",
            "courses.csv": "sourcedId,title\nart,Art",
            "classes.csv": "sourcedId,courseSourcedId\na1,art",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,a1",
        },
    )
    assert planned.assignments == [("add", "ann", "art")]


def test_linked_account_can_be_assigned() -> None:
    """A hand-made account gets its assignments from the package that links it."""
    planned = plan_of(
        roster_of(
            users="sourced_id,email,managed\n,ann@x.org,no", courses="sourced_id,title\nart,"
        ),
        {
            "users.csv": "sourcedId,email\nann,ann@x.org",
            "classes.csv": "sourcedId,courseSourcedId\na1,art",
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,a1",
        },
    )
    assert planned.users == [("adopt", "ann")]
    assert planned.assignments == [("add", "ann", "art")]


def test_hand_made_assignment_is_never_removed() -> None:
    """An assignment that is not managed stays, even without an enrollment."""
    roster = roster_of(
        **PEOPLE_AND_COURSES,
        assignments="user,course,managed\nann,art,no\nbob,maths,yes",
        classes=CLASSES,
    )
    planned = plan_of(
        roster,
        {
            "classes.csv": CLASSES_CSV,
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId",
        },
    )
    assert planned.assignments == [("remove", "bob", "maths")]


def test_user_who_leaves_with_their_enrollments() -> None:
    """A teacher who is absent with all enrollments is deactivated and loses all assignments."""
    planned = plan_of(
        TAUGHT,
        {
            "users.csv": "sourcedId,email\nann,ann@x.org",
            "classes.csv": CLASSES_CSV,
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne1,ann,m1",
        },
    )
    assert planned.users == [("deactivate", "bob")]
    assert planned.assignments == [("remove", "bob", "art")]


def test_changes_are_sorted_by_both_sourced_ids() -> None:
    """The plan lists assignments by user and then by course, whatever their actions."""
    planned = plan_of(
        TAUGHT,
        {
            "classes.csv": CLASSES_CSV,
            "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne9,bob,m1\ne8,ann,a1",
        },
    )
    assert planned.assignments == [
        ("add", "ann", "art"),
        ("remove", "ann", "maths"),
        ("remove", "bob", "art"),
        ("add", "bob", "maths"),
    ]
