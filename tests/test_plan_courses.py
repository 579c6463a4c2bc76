"""Courses are added, updated, removed and reactivated with their assignments."""

from __future__ import annotations

import pytest

from roster_of import plan_of, roster_of

ART_AND_MATHS = """
    sourced_id,title,course_code
    art,Art,A1
    maths,Maths,M1
"""


def test_unknown_course_is_added() -> None:
    """A row with an unknown sourcedId becomes an active, managed course with all its fields."""
    planned = plan_of(
        roster_of(),
        {
            "courses.csv": """
                sourcedId,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects
                art,y27,Art,A1,"09,10",o1,Painting
            """
        },
    )
    assert planned.courses == [("add", "art")]
    assert planned.course("art") == {
        "sourced_id": (None, "art"),
        "title": (None, "Art"),
        "course_code": (None, "A1"),
        "grades": (None, "09,10"),
        "subjects": (None, "Painting"),
        "org_sourced_id": (None, "o1"),
        "school_year_sourced_id": (None, "y27"),
        "status": (None, "active"),
        "managed": (None, True),
    }


def test_known_course_is_updated() -> None:
    """A stored sourcedId is the same course, even with another title."""
    planned = plan_of(
        roster_of(courses=ART_AND_MATHS),
        {"courses.csv": "sourcedId,title,courseCode\nart,Fine Art,A2\nmaths,Maths,M1"},
    )
    assert planned.courses == [("update", "art")]
    assert planned.course("art") == {"title": ("Art", "Fine Art"), "course_code": ("A1", "A2")}


def test_absent_from_bulk_is_removed() -> None:
    """A course absent from a bulk file is archived with its fields, never deleted."""
    planned = plan_of(
        roster_of(courses=ART_AND_MATHS), {"courses.csv": "sourcedId,title,courseCode\nart,Art,A1"}
    )
    assert planned.courses == [("remove", "maths")]
    assert planned.course("maths") == {"status": ("active", "removed")}


def test_delta_removes_by_tobedeleted_only() -> None:
    """In a delta an absent course stays, and a row with `tobedeleted` removes one."""
    planned = plan_of(
        roster_of(courses=ART_AND_MATHS),
        {"courses.csv": "sourcedId,title,status\nart,,tobedeleted"},
        delta=["courses.csv"],
    )
    assert planned.courses == [("remove", "art")]
    assert planned.course("art") == {"status": ("active", "removed")}


def test_removal_names_the_row_that_asked_for_it() -> None:
    """The removal of a course by a delta names its row."""
    planned = plan_of(
        roster_of(courses=ART_AND_MATHS),
        {"courses.csv": "sourcedId,title,status\nart,,tobedeleted"},
        delta=["courses.csv"],
    )
    assert planned.plan.courses["row"].to_pylist() == [2]


def test_course_that_comes_back_is_reactivated() -> None:
    """A removed course that returns in a package is active again."""
    planned = plan_of(
        roster_of(courses="sourced_id,title,status\nart,Art,removed"),
        {"courses.csv": "sourcedId,title\nart,Fine Art"},
    )
    assert planned.courses == [("reactivate", "art")]
    assert planned.course("art") == {
        "title": ("Art", "Fine Art"),
        "status": ("removed", "active"),
    }


def test_removed_course_stays_removed() -> None:
    """A removed course that is still absent causes no change."""
    planned = plan_of(
        roster_of(courses="sourced_id,title,status\nart,Art,removed"),
        {"courses.csv": "sourcedId,title\nmaths,Maths"},
    )
    assert planned.courses == [("add", "maths")]


def test_hand_made_course_is_never_changed() -> None:
    """Neither its row nor its absence changes a course that is not managed."""
    roster = roster_of(courses="sourced_id,title,managed\nart,Art,no\n,Chess,no")
    assert plan_of(roster, {"courses.csv": "sourcedId,title\nart,Fine Art"}).courses == []
    assert plan_of(roster, {"courses.csv": "sourcedId,title"}).courses == []


def test_missing_column_leaves_what_is_stored() -> None:
    """A missing column changes no course; a blank cell is a value."""
    roster = roster_of(courses=ART_AND_MATHS)
    without = "sourcedId,title\nart,Art\nmaths,Maths"
    blank = "sourcedId,title,courseCode\nart,Art,\nmaths,Maths,M1"
    assert plan_of(roster, {"courses.csv": without}).courses == []
    assert plan_of(roster, {"courses.csv": blank}).course("art") == {"course_code": ("A1", None)}


TAUGHT = roster_of(
    users="sourced_id,email\nann,ann@x.org\nbob,bob@x.org",
    courses=ART_AND_MATHS,
    assignments="user,course\nann,maths\nbob,art",
    classes="sourced_id,course_sourced_id\na1,art\nm1,maths",
    enrollments="""
        sourced_id,user_sourced_id,class_sourced_id,role,course_sourced_id
        e1,ann,m1,teacher,maths
        e2,bob,a1,teacher,art
    """,
)


def test_removed_course_takes_its_assignments_along() -> None:
    """A lone courses.csv changes only courses and the assignments of removed courses."""
    planned = plan_of(TAUGHT, {"courses.csv": "sourcedId,title\nart,Art"})
    assert planned.users == []
    assert planned.courses == [("remove", "maths")]
    assert planned.assignments == [("remove", "ann", "maths")]
    assert planned.plan.assignments["reason"].to_pylist() == ["the course is removed"]


def test_removed_course_takes_them_along_although_they_are_taught() -> None:
    """A removed course loses its assignments, even if enrollments still lead to it."""
    planned = plan_of(
        TAUGHT,
        {
            "courses.csv": "sourcedId,title,courseCode\nart,Art,A1",
            "classes.csv": "sourcedId,courseSourcedId\na1,art\n! m1,maths",
            "enrollments.csv": """
                sourcedId,userSourcedId,classSourcedId
                ! e1,ann,m1
                e2,bob,a1
            """,
        },
    )
    assert planned.courses == [("remove", "maths")]
    assert planned.assignments == [("remove", "ann", "maths")]


def test_absent_courses_csv_changes_no_course() -> None:
    """A lone users.csv changes no course and no assignment."""
    planned = plan_of(TAUGHT, {"users.csv": "sourcedId,email\nann,ann@x.org"})
    assert planned.users == [("deactivate", "bob")]
    assert planned.courses == []
    assert planned.assignments == []


GONE_ART = roster_of(
    users="""
        sourced_id,email,status
        ann,ann@x.org,active
        bob,bob@x.org,inactive
        cec,cec@x.org,active
    """,
    courses="sourced_id,title,status\nart,Art,removed\nmaths,Maths,active",
    assignments="user,course,status\nann,art,removed\nbob,art,removed\ncec,art,removed",
    classes="""
        sourced_id,course_sourced_id,ends_on
        now,art,2027-01-31
        past,art,2026-11-24
    """,
    enrollments="""
        sourced_id,user_sourced_id,class_sourced_id,role,course_sourced_id
        e1,ann,now,teacher,art
        e2,bob,now,teacher,art
        e3,cec,past,teacher,art
        e4,cec,now,aide,art
    """,
)
ART = {"courses.csv": "sourcedId,title\nart,Art"}


@pytest.mark.parametrize("mode", ["delta", "bulk", "with classes"])
def test_course_that_comes_back_gets_its_remembered_assignments(mode: str) -> None:
    """A returning course gets the stored assignments of active users in current classes."""
    package, delta = dict(ART), ["courses.csv"] if mode != "bulk" else []
    if mode == "with classes":
        package["classes.csv"] = "sourcedId,courseSourcedId\nother,art"
        delta.append("classes.csv")
    planned = plan_of(GONE_ART, package, delta=delta)
    assert ("reactivate", "art") in planned.courses
    assert planned.assignments == [("reactivate", "ann", "art")]


def test_course_that_comes_back_counts_the_enrollments_of_the_package() -> None:
    """An enrollment in the package counts, even if its user is disabled."""
    package = {
        **ART,
        "enrollments.csv": "sourcedId,userSourcedId,classSourcedId,role\ne2,bob,now,teacher",
    }
    planned = plan_of(GONE_ART, package, delta=["courses.csv", "enrollments.csv"])
    assert planned.assignments == [("reactivate", "ann", "art"), ("reactivate", "bob", "art")]
