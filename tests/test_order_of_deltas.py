"""A late delta does not make a change that is older than the stored one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from catalogue.case import written
from golden.school import SCHOOL, SCHOOL_1_2, as_delta, manifest
from oneroster_sync.operations.erasure import erase
from oneroster_sync.standard.timestamps import in_utc
from roster_of import now

if TYPE_CHECKING:
    from conftest import Site
    from golden.school import Texts

pytestmark = pytest.mark.case("a57")
KNOWN = "select file, sourced_id from modified where site = :site order by 1, 2"
VERSION = "select roster_version from sites where site = :site"


def bring(site: Site, texts: Texts, outcome: str = "succeeded") -> str:
    """Sync a package, check its outcome, and return the id of the run."""
    folder = site.folder / f"zip-{len(list(site.folder.iterdir()))}"
    folder.mkdir()
    run = site.sync(written(texts, folder))
    assert run["outcome"] == outcome, run
    return str(run["run_id"])


def user(sourced_id: str, given: str, day: int, role: str = "teacher") -> str:
    """Return a row of users.csv, last modified on a day of September."""
    return (
        f"{sourced_id},active,2026-09-{day:02}T08:00:00.000Z,true,s,{role},{sourced_id},,{given},"
        f"Lee,,,{sourced_id}@example.org,,,,,"
    )


def users(*rows: str) -> Texts:
    """Return a delta of users."""
    return as_delta(SCHOOL, users=rows)


def given_name(site: Site, sourced_id: str) -> str:
    """Return a user's given name."""
    query = "select given_name from users where site = :site and sourced_id = :id"
    return str(site.rows(query, id=sourced_id)[0][0])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-09-01T08:00:00.000Z", "2026-09-01T08:00:00.000000Z"),
        ("2026-09-01T08:00:00Z", "2026-09-01T08:00:00.000000Z"),
        ("2026-09-01T10:00:00.5+02:00", "2026-09-01T08:00:00.500000Z"),
        ("2026-09-01T08:00:00", "2026-09-01T08:00:00.000000Z"),
        ("2026-09-01", "2026-09-01T00:00:00.000000Z"),
        ("2026-02-30T08:00:00Z", None),
        ("2026-W01-1", None),
        ("20260901", None),
        ("yesterday", None),
        ("9999-12-31T00:00:00Z", "9999-12-31T00:00:00.000000Z"),
        (None, None),
    ],
)
def test_moments_are_compared_in_utc(text: str | None, moment: str | None) -> None:
    """Times of all zones and precisions have one form in UTC; an invalid one gives null."""
    assert in_utc(pa.array([text, "2026-09-01", text], pa.string()))[0].as_py() == moment


def test_only_staff_is_known(site: Site) -> None:
    """Times are stored only for staff, never for students or unknown people."""
    bring(site, SCHOOL)
    stamp = "2026-09-01T08:00:00Z"
    delta = as_delta(
        SCHOOL,
        users=[
            user("new", "Nia", 1),
            user("stu", "Stu", 1, role="student"),
            f"stu2,tobedeleted,{stamp}" + "," * 15,
            f"bob,tobedeleted,{stamp}" + "," * 15,
        ],
        enrollments=[
            f"stu-m1,tobedeleted,{stamp},,,,,,,",
            f"stu-m2,active,{stamp},m2,s,stu,student,,,",
            f"new-m1,active,{stamp},m1,s,new,teacher,,,",
            f"bob-a1,tobedeleted,{stamp},,,,,,,",
        ],
    )

    bring(site, delta)

    assert site.rows(KNOWN) == [
        ("enrollments", "bob-a1"),
        ("enrollments", "new-m1"),
        ("users", "bob"),
        ("users", "new"),
    ]


def test_dates_alone_move_nothing(site: Site) -> None:
    """A delta without changes keeps the roster version, so that a held plan stays held."""
    bring(site, SCHOOL)
    held = site.sync({"users.csv": SCHOOL["users.csv"].split("\n", 1)[0] + "\n"})
    assert held["outcome"] == "held"
    before = site.rows(VERSION)
    same = user("bob", "Bob", 5).replace("Lee", "Ray")

    bring(site, users(same), "no_changes")

    assert site.rows(VERSION) == before
    assert site.command("history")[1]["runs"][1]["outcome"] == "held"
    bring(site, users(user("bob", "Rob", 4)), "no_changes")
    assert given_name(site, "bob") == "Bob"


def test_undo_forgets_what_it_takes_back(site: Site) -> None:
    """After an undo of a delta its time is forgotten, and an older delta is applied."""
    bring(site, SCHOOL)
    wrong = bring(site, users(user("bob", "Wrong", 9)))
    bring(site, users(user("bob", "Late", 8)), "no_changes")

    assert site.command("undo", wrong)[1]["outcome"] == "succeeded"

    assert given_name(site, "bob") == "Bob"
    assert site.rows(KNOWN) == []
    bring(site, users(user("bob", "Right", 8)))
    assert given_name(site, "bob") == "Right"


def test_undo_keeps_the_time_of_a_later_delta(site: Site) -> None:
    """An undo keeps the time of a later delta."""
    bring(site, SCHOOL)
    first = bring(site, users(user("bob", "One", 3), user("cat", "Kit", 3)))
    bring(site, users(user("bob", "Two", 5)))

    site.command("undo", first)

    assert site.rows(KNOWN) == [("users", "bob")]


def test_erasure_forgets_too(site: Site) -> None:
    """An erasure also deletes the times of the person and of their enrollments."""
    bring(site, SCHOOL)
    stamp = "2026-09-01T08:00:00Z"
    gone = [f"bob-a1,tobedeleted,{stamp},,,,,,,"]
    left = [f"bob,tobedeleted,{stamp}" + "," * 15]
    bring(site, as_delta(SCHOOL, users=left, enrollments=gone))

    erase(site.name, "bob", by="a test", now=now())

    assert site.rows(KNOWN) == []


def test_roles_of_their_own_are_judged(site: Site) -> None:
    """In 1.2 an older delta does not restore a changed role."""
    bring(site, SCHOOL_1_2)
    newer = "r-bob,active,2026-09-03T08:00:00Z,bob,primary,aide,,,s,"
    bring(site, as_delta(SCHOOL_1_2, roles=[newer]))

    older = "r-bob,active,2026-09-02T08:00:00Z,bob,primary,teacher,,,s,"
    bring(site, as_delta(SCHOOL_1_2, roles=[older]), "no_changes")

    assert site.rows(KNOWN) == [("roles", "r-bob")]


def test_nothing_hangs_from_a_row_that_is_left_out(site: Site) -> None:
    """An older delta does not restore a removed class, so its enrollments have no target."""
    bring(site, SCHOOL)
    bring(site, as_delta(SCHOOL, classes=["a1,tobedeleted,2026-09-03T08:00:00Z" + "," * 11]))
    delta = as_delta(
        SCHOOL,
        classes=["a1,active,2026-09-02T08:00:00Z,Art 1,09,art,A1-1,scheduled,,s,t,,,"],
        enrollments=["dan-a1,active,2026-09-02T08:00:00Z,a1,s,dan,teacher,,,"],
    )

    run = bring(site, delta, "succeeded_with_errors")

    query = "select code from findings where run_id = cast(:run as uuid) order by seq"
    assert [code for (code,) in site.rows(query, run=run)] == [
        "semantic.stale_change",
        "reference.missing_target_record",
    ]


def test_bulk_file_forgets_its_own_kind_only(site: Site) -> None:
    """A bulk users.csv deletes the times of users only; those of enrollments stay."""
    bring(site, SCHOOL)
    enrolled = ["bob-a1,active,2026-09-03T08:00:00Z,a1,s,bob,teacher,true,,"]
    bring(site, as_delta(SCHOOL, users=[user("bob", "Rob", 3)], enrollments=enrolled))

    bring(site, {"manifest.csv": manifest("1.1", users="bulk"), "users.csv": SCHOOL["users.csv"]})

    assert site.rows(KNOWN) == [("enrollments", "bob-a1")]
