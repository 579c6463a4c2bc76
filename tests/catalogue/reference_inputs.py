"""Bad input, cases 64 to 73: rows and the records they refer to."""

from __future__ import annotations

from catalogue.case import BadInput, Verdict, only
from golden.school import SCHOOL, added, as_delta, changed, person

_NOW = "2026-09-01T00:00:00.000Z"


def _and(file: str, *rows: str) -> dict[str, str]:
    return only(added(SCHOOL, file, *rows), file.removesuffix(".csv"))


def _with(file: str, old: str, new: str, *others: str) -> dict[str, str]:
    return only(changed(SCHOOL, file, old, new), file.removesuffix(".csv"), *others)


INPUTS = (
    BadInput(
        "a64-org-parent",
        _and("orgs.csv", "o1,,,Annex,school,,gone"),
        Verdict(
            "no_changes",
            (
                "~ reference.missing_target_record orgs.csv 4 parentSourcedId o1 | the sourcedId of an org in orgs.csv",
            ),
            remembers=("orgs",),
        ),
    ),
    BadInput(
        "a64-session-parent",
        _with("academicSessions.csv", "2026-12-01,y,2027", "2026-12-01,gone,2027", "classes"),
        Verdict(
            "no_changes",
            (
                "~ reference.missing_target_record academicSessions.csv 3 parentSourcedId t | the sourcedId of an academic session in academicSessions.csv",
            ),
        ),
    ),
    BadInput(
        "a65-course",
        _with("classes.csv", "maths,M1-2", "gone,M1-2", "enrollments"),
        Verdict(
            "succeeded_with_errors",
            (
                "! reference.missing_target_record classes.csv 3 courseSourcedId m2 | the sourcedId of a course in courses.csv",
                "! reference.target_quarantined enrollments.csv 3 classSourcedId ann-m2 | a class without errors",
            ),
            errors={"assignments": 1},
        ),
    ),
    BadInput(
        "a65-class",
        _with("enrollments.csv", "bob-a1,,,a1", "bob-a1,,,gone"),
        Verdict(
            "succeeded_with_errors",
            (
                "! reference.missing_target_record enrollments.csv 4 classSourcedId bob-a1 | the sourcedId of a class in classes.csv",
            ),
            errors={"assignments": 1},
        ),
    ),
    BadInput(
        "a65-user",
        _with("enrollments.csv", "s,bob,teacher", "s,gone,teacher"),
        Verdict(
            "succeeded_with_errors",
            (
                "! reference.missing_target_record enrollments.csv 4 userSourcedId bob-a1 | the sourcedId of a user in users.csv",
            ),
            errors={"assignments": 1},
        ),
    ),
    BadInput(
        "a65-agent",
        _with("users.csv", "bob@example.org,,,,,", "bob@example.org,,,gone,,"),
        Verdict("no_changes"),
    ),
    BadInput(
        "a66-user",
        _with("users.csv", "bob,,,true", "bob,,,perhaps", "enrollments"),
        Verdict(
            "succeeded_with_errors",
            (
                "! row.invalid_boolean users.csv 3 enabledUser bob | true or false",
                "! reference.target_quarantined enrollments.csv 4 userSourcedId bob-a1 | a user without errors",
            ),
            errors={"users": 1, "assignments": 1},
        ),
    ),
    BadInput(
        "a66-course",
        _with("courses.csv", "Mathematics,M1", ",M1", "classes", "enrollments"),
        Verdict(
            "succeeded_with_errors",
            (
                "! row.missing_required_value courses.csv 2 title maths | a value",
                "! reference.target_quarantined classes.csv 2 courseSourcedId m1 | a course without errors",
                "! reference.target_quarantined classes.csv 3 courseSourcedId m2 | a course without errors",
                "! reference.target_quarantined enrollments.csv 2 classSourcedId ann-m1 | a class without errors",
                "! reference.target_quarantined enrollments.csv 3 classSourcedId ann-m2 | a class without errors",
            ),
            errors={"courses": 1, "assignments": 2},
        ),
    ),
    BadInput(
        "a67-delta",
        as_delta(SCHOOL, enrollments=[f"bob-m1,active,{_NOW},m1,s,bob,teacher,,,"]),
        Verdict(
            "succeeded",
            became={"assignments": {"bob maths": "active"}},
            remembers=("enrollments", "modified"),
        ),
    ),
    BadInput(
        "a68-user-goes",
        as_delta(
            SCHOOL,
            users=[f"bob,tobedeleted,{_NOW},,,,,,,,,,,,,,,"],
            enrollments=[f"bob-m1,active,{_NOW},m1,s,bob,teacher,,,"],
        ),
        Verdict(
            "succeeded_with_errors",
            (
                "! reference.target_removed enrollments.csv 2 userSourcedId bob-m1 | a user that stays",
            ),
            became={"users": {"bob": "inactive · Bob Ray · bob@example.org · teacher"}},
            remembers=("modified",),
            errors={"assignments": 1},
        ),
    ),
    BadInput(
        "a69-orgs",
        _and("orgs.csv", "o1,,,One,school,,o2", "o2,,,Two,school,,o1"),
        Verdict(
            "no_changes",
            (
                "~ reference.cycle orgs.csv 4 parentSourcedId o1 | a parent that is no descendant",
                "~ reference.cycle orgs.csv 5 parentSourcedId o2 | a parent that is no descendant",
            ),
            remembers=("orgs",),
        ),
    ),
    BadInput(
        "a69-itself",
        _and("orgs.csv", "o1,,,One,school,,o1"),
        Verdict(
            "no_changes",
            ("~ reference.cycle orgs.csv 4 parentSourcedId o1 | a parent that is no descendant",),
            remembers=("orgs",),
        ),
    ),
    BadInput(
        "a69-sessions",
        _and("academicSessions.csv", "t1,,,Fall,term,2026-08-01,2026-12-01,t1,2027"),
        Verdict(
            "no_changes",
            (
                "~ reference.cycle academicSessions.csv 4 parentSourcedId t1 | a parent that is no descendant",
            ),
        ),
    ),
    BadInput(
        "a70-class-of-district",
        _with(
            "classes.csv",
            "a1,,,Art 1,09,art,A1-1,scheduled,,s,",
            "a1,,,Art 1,09,art,A1-1,scheduled,,d,",
            "orgs",
        ),
        Verdict(
            "no_changes",
            (
                "~ semantic.org_type_mismatch classes.csv 4 schoolSourcedId a1 | an org of type school",
            ),
        ),
    ),
    BadInput(
        "a70-enrollment-of-district",
        _with("enrollments.csv", "bob-a1,,,a1,s,", "bob-a1,,,a1,d,", "orgs"),
        Verdict(
            "no_changes",
            (
                "~ semantic.org_type_mismatch enrollments.csv 4 schoolSourcedId bob-a1 | an org of type school",
            ),
        ),
    ),
    BadInput(
        "a70-course-of-term",
        _with("courses.csv", "art,,,y,", "art,,,t,", "academicSessions"),
        Verdict(
            "succeeded",
            (
                "~ semantic.session_type_mismatch courses.csv 3 schoolYearSourcedId art | an academic session of type schoolYear",
            ),
        ),
        before=(only(SCHOOL, "orgs", "academicSessions", "courses"),),
    ),
    BadInput(
        "a70-target-with-errors",
        only(added(SCHOOL, "orgs.csv", "s,,,Other,district,,"), "orgs", "classes"),
        Verdict(
            "succeeded_with_errors",
            (
                *(
                    f"! reference.duplicate_sourced_id orgs.csv {row} sourcedId s | a sourcedId that no other row has"
                    for row in (3, 4)
                ),
                *(
                    f"~ reference.target_quarantined classes.csv {row} schoolSourcedId {id_} | an org without errors"
                    for row, id_ in ((2, "m1"), (3, "m2"), (4, "a1"))
                ),
            ),
        ),
    ),
    BadInput(
        "a71-other-school",
        only(
            changed(
                added(SCHOOL, "orgs.csv", "s2,,,Other,school,,d"),
                "enrollments.csv",
                "bob-a1,,,a1,s,",
                "bob-a1,,,a1,s2,",
            ),
            "orgs",
            "classes",
            "enrollments",
        ),
        Verdict(
            "no_changes",
            (
                "~ semantic.school_mismatch enrollments.csv 4 schoolSourcedId bob-a1 | the school of the class",
            ),
            remembers=("orgs",),
        ),
    ),
    BadInput(
        "a71-other-role",
        _with("enrollments.csv", "s,bob,teacher", "s,dan,teacher", "users"),
        Verdict(
            "succeeded",
            became={"assignments": {"bob art": "removed", "dan art": "active"}},
            remembers=("enrollments",),
        ),
    ),
    BadInput(
        "a72-two-primary",
        _with("enrollments.csv", "cat-a1,,,a1,s,cat,aide,false", "cat-a1,,,a1,s,cat,teacher,true"),
        Verdict(
            "succeeded",
            (
                "~ semantic.two_primary_teachers enrollments.csv 4 primary bob-a1 | one primary teacher of a class at a time",
                "~ semantic.two_primary_teachers enrollments.csv 5 primary cat-a1 | one primary teacher of a class at a time",
            ),
            became={"assignments": {"cat art": "active"}},
            remembers=("enrollments",),
        ),
    ),
    BadInput(
        "a72-one-after-the-other",
        only(
            added(
                changed(
                    SCHOOL,
                    "enrollments.csv",
                    "bob-a1,,,a1,s,bob,teacher,true,,",
                    "bob-a1,,,a1,s,bob,teacher,true,,2026-10-01",
                ),
                "enrollments.csv",
                "cat-a1-2,,,a1,s,cat,teacher,true,2026-10-02,",
            ),
            "enrollments",
        ),
        Verdict(
            "succeeded", became={"assignments": {"cat art": "active"}}, remembers=("enrollments",)
        ),
    ),
    BadInput(
        "a72-no-teacher",
        only(
            added(SCHOOL, "classes.csv", "a2,,,Art 2,09,art,A1-2,scheduled,,s,t,,,"),
            "classes",
            "enrollments",
        ),
        Verdict(
            "no_changes",
            (
                "~ semantic.class_without_teacher classes.csv 5 sourcedId a2 | a class that a teacher is enrolled in",
            ),
            remembers=("classes",),
        ),
    ),
    BadInput(
        "a72-enrollments-absent",
        _and("classes.csv", "a2,,,Art 2,09,art,A1-2,scheduled,,s,t,,,"),
        Verdict("no_changes", remembers=("classes",)),
    ),
    BadInput(
        "a73-others",
        _and(
            "users.csv",
            person("gil", role="guardian"),
            person("rik", role="relative"),
            person("pro", role="proctor"),
        ),
        Verdict(
            "succeeded",
            became={"users": {"pro": "active · Given Family · pro@example.org · proctor"}},
        ),
        before=(only(SCHOOL, "users"),),
    ),
)
