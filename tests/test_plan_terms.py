"""Assignments whose terms have ended are no mass removal."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from conftest import csv_text
from oneroster_sync.roster.columns import TERMS_ENDED
from oneroster_sync.stages.diff.assignments import NOT_TAUGHT
from roster_of import plan_of, roster_of
from test_guards import held

if TYPE_CHECKING:
    from conftest import Site
    from oneroster_sync.roster.model import Roster

DAY = dt.date(2027, 1, 10)
NOTHING = {
    "classes.csv": "sourcedId,courseSourcedId\n",
    "enrollments.csv": "sourcedId,classSourcedId,userSourcedId,role\n",
}


def teaching(*ends: str) -> Roster:
    """Return a roster in which Ann teaches Art, in classes with these last days."""
    return roster_of(
        users="sourced_id,email\nann,ann@x.org",
        courses="sourced_id,title\nart,Art",
        assignments="user,course\nann,art",
        classes=csv_text(
            "sourced_id,course_sourced_id,ends_on",
            *(f"a{n},art,{end}" for n, end in enumerate(ends)),
        ),
        enrollments=csv_text(
            "sourced_id,user_sourced_id,class_sourced_id,role,course_sourced_id",
            *(f"e{n},ann,a{n},teacher,art" for n in range(len(ends))),
        ),
    )


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (["2027-01-09"], TERMS_ENDED),
        (["2027-01-10"], NOT_TAUGHT),
        (["2026-12-18", "2027-01-09"], TERMS_ENDED),
        (["2026-12-18", "2027-06-01"], NOT_TAUGHT),
        (["2026-12-18", ""], NOT_TAUGHT),
    ],
    ids=["over", "last day", "both over", "one goes on", "one unknown"],
)
def test_assignment_ends_when_all_its_classes_have(ends: list[str], reason: str) -> None:
    """An assignment has ended if the last day of each of its classes is past."""
    planned = plan_of(teaching(*ends), NOTHING, today=DAY)
    assert planned.assignments == [("remove", "ann", "art")]
    assert planned.plan.assignments["reason"].to_pylist() == [reason]


def test_site_may_want_it_otherwise() -> None:
    """If the preference is off, an assignment counts as removed even if its terms have ended."""
    planned = plan_of(teaching("2027-01-09"), NOTHING, today=DAY, expire_ended_terms=False)
    assert planned.plan.assignments["reason"].to_pylist() == [NOT_TAUGHT]


def test_ended_class_that_is_still_there_keeps_its_assignment() -> None:
    """An assignment stays as long as the SIS lists its class, even an ended one."""
    package = {
        "classes.csv": "sourcedId,courseSourcedId\na0,art",
        "enrollments.csv": "sourcedId,classSourcedId,userSourcedId,role\ne0,a0,ann,teacher",
    }
    assert plan_of(teaching("2027-01-09"), package, today=DAY).assignments == []


SESSIONS = """\
sourcedId,title,type,startDate,endDate,schoolYear
fall,Fall,term,2026-08-01,2026-12-18,2027
spring,Spring,term,2027-01-04,2027-06-01,2027
"""


def test_last_day_of_a_class_is_remembered(site: Site) -> None:
    """A class ends with the last of its terms; with an unknown term it has no end."""
    site.sync(
        {
            "academicSessions.csv": SESSIONS,
            "courses.csv": "sourcedId,title\nart,Art\n",
            "classes.csv": "sourcedId,title,courseSourcedId,termSourcedIds\n"
            'a1,A1,art,fall\na2,A2,art,"fall, spring"\na3,A3,art,"fall,unknown"\na4,A4,art,\n',
        }
    )
    ends = "select sourced_id, ends_on from classes where site = :site order by 1"
    known = dict(site.rows(ends))
    assert known["a1"] == "2026-12-18"
    assert known["a2"] == "2027-06-01"
    assert known.get("a3") is None
    assert known.get("a4") is None


def test_end_of_term_is_not_held(site: Site) -> None:
    """Forty assignments of an ended term are removed without a hold, unless a site wants one."""
    courses = [f"c{n},C{n}" for n in range(60)]
    people = [f"u{n},true,teacher,u{n},G{n},F{n},u{n}@x.org" for n in range(60)]
    base = {
        "academicSessions.csv": "sourcedId,title,type,startDate,endDate,schoolYear\n"
        "old,Old,term,2019-08-01,2019-12-18,2020\n",
        "users.csv": csv_text(
            "sourcedId,enabledUser,role,username,givenName,familyName,email", *people
        ),
        "courses.csv": csv_text("sourcedId,title", *courses),
    }
    classes = [f"k{n},K{n},c{n},old" for n in range(60)]
    enrollments = [f"e{n},k{n},u{n},teacher" for n in range(60)]
    header = "sourcedId,title,courseSourcedId,termSourcedIds"
    enrolled = "sourcedId,classSourcedId,userSourcedId,role"

    def package(count: int) -> dict[str, str]:
        return {
            **base,
            "classes.csv": csv_text(header, *classes[:count]),
            "enrollments.csv": csv_text(enrolled, *enrollments[:count]),
        }

    assert site.sync(package(60))["counts"]["assignments"]["added"] == 60
    run = site.sync(package(20))
    assert run["outcome"] == "succeeded"
    assert run["counts"]["assignments"]["removed"] == 40
    site.command("preferences", "--set", "expire_ended_terms=false")
    assert site.sync(package(8))["outcome"] == "held"


@pytest.mark.parametrize("file", ["classes.csv", "enrollments.csv"])
@pytest.mark.parametrize(
    ("ends", "reasons"),
    [
        ([], []),
        (["2026-06-30", "2026-11-24"], []),
        (["2026-06-30", "2026-11-25"], ["guard.empty_file"]),
        (["2026-06-30", ""], ["guard.empty_file"]),
    ],
    ids=["none", "ended", "one ends today", "one has no end"],
)
def test_files_of_classes_may_be_empty_in_summer(
    file: str, ends: list[str], reasons: list[str]
) -> None:
    """An empty file of classes or enrollments is accepted if all remembered classes have ended."""
    rows = [f"c{number},m1,{end}" for number, end in enumerate(ends)]
    roster = roster_of(
        users="sourced_id,email\nann,ann@x.org",
        courses="sourced_id,title\nm1,Maths",
        classes=csv_text("sourced_id,course_sourced_id,ends_on", *rows),
    )
    header = {"classes.csv": "sourcedId,courseSourcedId", "enrollments.csv": "sourcedId,role"}
    assert [code for code, *_ in held(roster, {file: header[file]})] == reasons
