"""The plan is data: sorted, hashed, and the same for the same input in every layout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from oneroster_sync.roster.columns import COURSE_FIELDS, USER_FIELDS
from roster_of import Planned, plan_of, roster_of

USERS = "sourced_id,given_name,email,username,org_sourced_ids"
ROSTER: dict[str, Any] = {
    "users": f"{USERS}\n"
    "ann,Ann,ann@x.org,alee,o1\nbob,Bob,bob@x.org,bob,o1\ndan,Dan,d@x.org,dan,o1",
    "courses": "sourced_id,title\nart,Art\nmaths,Maths",
    "assignments": "user,course\nann,art\nbob,art",
    "classes": "sourced_id,course_sourced_id\na1,art",
    "enrollments": """
        sourced_id,user_sourced_id,class_sourced_id,role,course_sourced_id
        e1,ann,a1,teacher,art
        e2,bob,a1,teacher,art
    """,
}
PACKAGE = {
    "users.csv": """
        sourcedId,givenName,familyName,username,orgSourcedIds,email
        ann,Anna,Lee,alee,o1,ann@x.org
        cec,Cec,Poe,cec,o2,cec@x.org
        bob,Bob,Ray,bob,o1,bob@x.org
    """,
    "courses.csv": """
        sourcedId,title,courseCode,grades,orgSourcedId,subjects,schoolYearSourcedId
        maths,Mathematics,M1,09,o1,Algebra,y27
        bio,Biology,B1,10,o1,Life,y27
    """,
    "classes.csv": "sourcedId,courseSourcedId\nm1,maths\nb1,bio",
    "enrollments.csv": """
        sourcedId,userSourcedId,classSourcedId
        e4,cec,m1
        e3,ann,b1
        e5,ann,m1
    """,
}


def plan(package: dict[str, str] = PACKAGE, **roster: str) -> Planned:
    """Return the plan of a package for a small site."""
    return plan_of(roster_of(**(ROSTER | roster)), package)


def test_same_input_same_hash() -> None:
    """The same package and the same roster give the same plan, byte for byte."""
    one, other = plan(), plan()
    assert one.plan.hash() == other.plan.hash()
    assert one.plan.tables() == other.plan.tables()


def backwards(text: str) -> str:
    """Return CSV text with its rows in the opposite order."""
    header, *rows = text.strip().splitlines()
    return "\n".join([header, *reversed(rows)])


def test_order_of_rows_and_files_does_not_matter() -> None:
    """Rows and files in another order, in package and database, give the same hash."""
    mixed = {name: backwards(text) for name, text in reversed(PACKAGE.items())}
    assert plan(mixed).plan.hash() == plan().plan.hash()
    stored = plan(enrollments=backwards(ROSTER["enrollments"]), courses=ROSTER["courses"])
    assert stored.plan.hash() == plan().plan.hash()


def test_database_ids_do_not_matter() -> None:
    """A plan names records by sourcedId, so that a copy of the site has the same plan."""
    moved = "id,sourced_id,given_name,email,username,org_sourced_ids\n" + "\n".join(
        f"{number},{row}" for number, row in enumerate(ROSTER["users"].splitlines()[1:], start=50)
    )
    assert plan(users=moved).plan.hash() == plan().plan.hash()


def test_tables_are_sorted_by_sourced_id() -> None:
    """Every table of the plan is in the order of its sourcedIds."""
    planned = plan()
    assert planned.users == [
        ("update", "ann"),
        ("update", "bob"),
        ("add", "cec"),
        ("deactivate", "dan"),
    ]
    assert planned.courses == [("remove", "art"), ("add", "bio"), ("update", "maths")]
    assert planned.assignments == [
        ("remove", "ann", "art"),
        ("add", "ann", "bio"),
        ("add", "ann", "maths"),
        ("remove", "bob", "art"),
        ("add", "cec", "maths"),
    ]
    for table in planned.plan.links.values():
        ids = table["sourced_id"].to_pylist()
        assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("users.csv", "Anna", "Annie"),
        ("users.csv", "Lee", "Leigh"),
        ("users.csv", ",alee,", ",anna,"),
        ("users.csv", "o2", "o1"),
        ("users.csv", "cec@x.org", "cec@y.org"),
        ("users.csv", "cec@x.org", "Cec@x.org"),
        ("courses.csv", "Mathematics", "mathematics"),
        ("courses.csv", "M1", "M2"),
        ("courses.csv", "09", "9"),
        ("courses.csv", "10,o1", "10,o2"),
        ("courses.csv", "Life", ""),
        ("courses.csv", "Algebra,y27", "Algebra,y28"),
        ("classes.csv", "b1,bio", "b1,maths"),
        ("enrollments.csv", "cec,m1", "cec,b1"),
        ("enrollments.csv", "e4", "e9"),
    ],
)
def test_any_change_of_a_value_is_another_plan(file: str, old: str, new: str) -> None:
    """Every field of every record is part of the hash, including case and blanks."""
    assert old in PACKAGE[file]
    changed = {**PACKAGE, file: PACKAGE[file].replace(old, new)}
    assert plan(changed).plan.hash() != plan().plan.hash()


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        *(
            ("users", f"{side}_{field}")
            for side in ("before", "after")
            for field in ("sourced_id", *USER_FIELDS, "status")
        ),
        *(
            ("courses", f"{side}_{field}")
            for side in ("before", "after")
            for field in ("sourced_id", *COURSE_FIELDS, "status")
        ),
        *(
            (kind, column)
            for kind in ("users", "courses")
            for column in ("action", "sourced_id", "reason")
        ),
        *(
            ("assignments", column)
            for column in (
                "action",
                "user_sourced_id",
                "course_sourced_id",
                "before_status",
                "after_status",
                "reason",
            )
        ),
    ],
)
def test_every_column_of_a_change_is_hashed(kind: str, column: str) -> None:
    """A plan with a manipulated cell has another hash."""
    original = plan().plan
    table: pa.Table = getattr(original, kind)
    values = ["tampered", *table[column].to_pylist()[1:]]
    at = table.column_names.index(column)
    tampered = table.set_column(at, table.schema.field(at), pa.array(values, pa.string()))
    assert replace(original, **{kind: tampered}).hash() != original.hash()


@pytest.mark.parametrize("kind", ["users", "courses"])
def test_managed_flag_is_hashed(kind: str) -> None:
    """The hash includes whether a record is managed after the plan."""
    original = plan().plan
    table: pa.Table = getattr(original, kind)
    for column in ("before_managed", "after_managed"):
        values = pa.array([not v for v in table[column].to_pylist()], pa.bool_())
        at = table.column_names.index(column)
        tampered = table.set_column(at, table.schema.field(at), values)
        assert replace(original, **{kind: tampered}).hash() != original.hash()


def test_blank_and_empty_are_not_the_same() -> None:
    """Null and the empty text have different hashes, so no cell can be blanked unnoticed."""
    users = plan().plan.users
    at, others = users.column_names.index("after_username"), users["after_username"].to_pylist()[1:]
    hashes = [
        replace(
            plan().plan,
            users=users.set_column(at, "after_username", pa.array([first, *others], pa.string())),
        ).hash()
        for first in ("", None)
    ]
    assert hashes[0] != hashes[1]


def test_a_site_approves_its_own_plan_only() -> None:
    """The same changes to another site are another plan."""
    original = plan().plan
    assert replace(original, site="t").hash() != original.hash()


def test_remembered_links_are_hashed() -> None:
    """The hash includes the stored links of classes and enrollments, because the plan has them."""
    original = plan().plan
    for name, table in original.links.items():
        if table.num_rows:
            fewer = {**original.links, name: table.slice(1)}
            assert replace(original, links=fewer).hash() != original.hash(), name


def test_package_equal_to_the_roster_changes_nothing() -> None:
    """A package with the same content as the roster, in any order, gives an empty plan."""
    package = {
        "users.csv": """
            sourcedId,email
            dan,d@x.org
            bob,bob@x.org
            ann,ann@x.org
        """,
        "courses.csv": "sourcedId,title\nmaths,Maths\nart,Art",
        "classes.csv": "sourcedId,courseSourcedId\na1,art",
        "enrollments.csv": "sourcedId,userSourcedId,classSourcedId\ne2,bob,a1\ne1,ann,a1",
    }
    planned = plan(package)
    assert planned.plan.is_empty()
    assert not planned.plan.moves_links()
