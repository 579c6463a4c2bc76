"""An undo reverses the changes of a run by a plan like any other."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from conftest import csv_text
from oneroster_sync import Request, undo
from oneroster_sync.runs import Trigger
from roster_of import SCHOOL, changed, now, run_command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Site

HEADER = "sourcedId,role,username,givenName,familyName,email"


def staff(*rows: str) -> dict[str, str]:
    """Return a users.csv of teachers, given as `sourcedId,givenName,email`."""
    cells = (row.split(",") for row in rows)
    return {
        "users.csv": csv_text(
            HEADER, *(f"{i},teacher,{i},{name},Lee,{mail}" for i, name, mail in cells)
        )
    }


def numbered(ids: Iterable[int]) -> dict[str, str]:
    """Return a users.csv of numbered teachers."""
    return staff(*(f"u{n},N{n},u{n}@x.org" for n in ids))


ANN, BOB = "ann,Ann,ann@x.org", "bob,Bob,bob@x.org"
NEXT_DAY = {
    "users.csv": """\
sourcedId,enabledUser,role,username,givenName,familyName,email
ann,true,teacher,alee,Anna,Lee,ann@x.org
cec,false,aide,cpoe,Cec,Poe,cec@x.org
dan,true,teacher,dan,Dan,Fox,dan@x.org
""",
    "courses.csv": "sourcedId,title,courseCode\nmaths,Mathematics,M1\nbio,Biology,B1\n",
    "classes.csv": "sourcedId,title,courseSourcedId\nm1,Maths 1,maths\nb1,Bio 1,bio\n",
    "enrollments.csv": """\
sourcedId,classSourcedId,userSourcedId,role
e1,m1,dan,teacher
e2,b1,ann,teacher
""",
}


def roster(site: Site) -> list[list[tuple[Any, ...]]]:
    """Return the active users, courses and assignments of a site, with their fields."""
    return [
        site.rows(
            "select sourced_id, given_name, family_name, email, username, role, org_sourced_ids "
            "from users where site = :site and status = 'active' order by sourced_id"
        ),
        site.rows(
            "select sourced_id, title, course_code from courses "
            "where site = :site and status = 'active' order by 1"
        ),
        sorted(pair for pair, status in site.assignments().items() if status == "active"),
    ]


def audited(site: Site, run: dict[str, Any]) -> int:
    """Count the changes of a run in the audit."""
    query = "select count(*) from changes where run_id::text = :run_id"
    return int(site.rows(query, run_id=run["run_id"])[0][0])


def counted(run: dict[str, Any]) -> int:
    """Count the changes in the counts of a run."""
    return sum(
        number
        for counts in run["counts"].values()
        for name, number in counts.items()
        if name not in {"errors", "ignored"}
    )


@pytest.mark.case("b36")
def test_undo_takes_back_everything(site: Site) -> None:
    """An undo restores users, courses and assignments, and counts and audit agree."""
    site.sync(SCHOOL)
    before = roster(site)
    run = site.sync(NEXT_DAY)
    assert roster(site) != before

    code, undone = site.command("undo", run["run_id"])

    assert (code, undone["outcome"]) == (0, "succeeded")
    assert roster(site) == before
    assert site.users()["dan"] == "inactive"
    assert site.courses()["bio"] == "removed"
    assert site.assignments()["dan", "maths"] == "removed"
    assert undone["run_id"] != run["run_id"]
    assert audited(site, undone) == counted(undone) == counted(run)
    reasons = site.rows(
        "select distinct reason from changes where run_id::text = :r", r=undone["run_id"]
    )
    assert reasons == [(f"undo of run {run['run_id']}",)]
    assert site.rows("select roster_version from sites where site = :site") == [(3,)]


def test_undo_of_undo_does_it_again(site: Site) -> None:
    """An undo of an undo applies the changes again."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    after = roster(site)
    undone = site.command("undo", run["run_id"])[1]
    again = site.command("undo", undone["run_id"])[1]
    assert again["outcome"] == "succeeded"
    assert roster(site) == after
    assert site.sync(NEXT_DAY)["outcome"] == "no_changes"


def test_second_undo_changes_nothing(site: Site) -> None:
    """A second undo of a run changes nothing, because its records changed since."""
    site.sync(staff(ANN, BOB))
    run = site.sync(staff(ANN))
    site.command("undo", run["run_id"])
    code, undone = site.command("undo", run["run_id"])
    assert (code, undone["outcome"]) == (0, "no_changes")
    assert site.users() == {"ann": "active", "bob": "active"}


def test_next_sync_follows_the_package_again(site: Site) -> None:
    """After an undo, the next sync of the same package makes the same changes again."""
    site.sync(staff(ANN, BOB))
    run = site.sync(staff(ANN))
    site.command("undo", run["run_id"])
    again = site.sync(staff(ANN))
    assert again["counts"]["users"]["deactivated"] == 1


def test_records_that_changed_since_are_left_alone(site: Site) -> None:
    """An undo does not change a record that a later run changed, and names it."""
    site.sync(staff(ANN, BOB))
    run = site.sync(staff("ann,Anna,ann@x.org", "bob,Robert,bob@x.org"))
    site.sync(staff("ann,Annette,ann@x.org", "bob,Robert,bob@x.org"))

    code, output = run_command(site, "undo", run["run_id"])

    assert code == 0
    assert "left alone: user ann, because it changed again since" in output
    names = "select given_name from users where site = :site and managed order by sourced_id"
    assert site.rows(names) == [("Annette",), ("Bob",)]


def test_assignments_that_changed_since_are_left_alone(site: Site) -> None:
    """An undo does not change an assignment that a later run restored, and names it."""
    site.sync(SCHOOL)
    fewer = changed(SCHOOL, "enrollments.csv", "e2,a1,bob,teacher\n", "")
    run = site.sync(changed(fewer, "courses.csv", "Maths", "Mathematics"))
    site.sync(SCHOOL)
    code, output = run_command(site, "undo", run["run_id"])
    assert code == 0
    assert "assignment bob to art" in output
    assert "course maths" in output
    assert site.assignments()["bob", "art"] == "active"


def test_linked_account_is_let_go(site: Site) -> None:
    """An undo removes the sourcedId of a hand-made account that the run linked."""
    run = site.sync(staff("boss,Boss,admin@district.example"))
    assert run["counts"]["users"]["adopted"] == 1
    undone = site.command("undo", run["run_id"])[1]
    assert undone["outcome"] == "succeeded"
    assert site.users() == {}
    assert audited(site, undone) == counted(undone) == 1


def test_an_undo_takes_no_login_of_another_user(site: Site) -> None:
    """An undo names a user whose address belongs to another user now, and leaves them inactive."""
    site.sync(staff(ANN, "old,Old,info@x.org"))
    run = site.sync(staff(ANN))
    site.sync(staff(ANN, "new,New,info@x.org"))

    code, output = run_command(site, "undo", run["run_id"])

    assert code == 0
    assert "user old" in output
    assert site.users() == {"ann": "active", "old": "inactive", "new": "active"}


def test_addresses_that_changed_hands_go_back(site: Site) -> None:
    """Addresses that users exchanged in a run are restored together."""
    site.sync(staff(ANN, BOB))
    before = roster(site)
    run = site.sync(staff("ann,Ann,bob@x.org", "cec,Cec,ann@x.org"))
    undone = site.command("undo", run["run_id"])[1]
    assert undone["outcome"] == "succeeded"
    assert roster(site) == before


def test_removed_course_keeps_its_assignments_removed(site: Site) -> None:
    """An undo restores no assignment to a course that a later run removed."""
    site.sync(SCHOOL)
    run = site.sync(changed(SCHOOL, "enrollments.csv", "e2,a1,bob,teacher\n", ""))
    assert run["counts"]["assignments"]["removed"] == 1
    site.sync({"courses.csv": "sourcedId,title,courseCode\nmaths,Maths,M1\n"})
    assert site.courses()["art"] == "removed"

    code, _ = site.command("undo", run["run_id"])

    assert code == 0
    assert site.assignments()["bob", "art"] == "removed"


@pytest.mark.case("b36")
def test_guards_hold_an_undo(site: Site) -> None:
    """An undo beyond a threshold is held, applies nothing, and can be approved."""
    site.sync(staff(ANN))
    run = site.sync(numbered([*range(10)]) | {})
    assert run["counts"]["users"] == {**run["counts"]["users"], "added": 10, "deactivated": 1}
    code, undone = site.command("undo", run["run_id"])
    assert (code, undone["outcome"]) == (3, "held")
    assert undone["reasons"][0].startswith("guard.removals: 10 of 10 users")
    assert site.users()["u1"] == "active"
    assert site.command("approve", undone["run_id"])[1]["outcome"] == "succeeded"
    assert site.users() == {"ann": "active"} | {f"u{n}": "inactive" for n in range(10)}


def test_undo_of_a_run_that_changed_nothing(site: Site) -> None:
    """An undo of a run without applied changes changes nothing."""
    site.sync(numbered(range(10)))
    held = site.sync(numbered(range(2)))
    assert held["outcome"] == "held"
    code, undone = site.command("undo", held["run_id"])
    assert (code, undone["outcome"]) == (0, "no_changes")


@pytest.mark.parametrize("run", [str(uuid.UUID(int=0)), "nonsense"])
def test_undo_of_an_unknown_run_is_an_error(site: Site, run: str) -> None:
    """An undo of an unknown run is an error."""
    code, output = run_command(site, "undo", run)
    assert code == 1
    assert "there is no run" in output


def test_undo_of_another_sites_run_is_refused(site: Site) -> None:
    """An undo of another site's run is refused and changes neither site."""
    run = site.sync(staff(ANN))
    other = type(site)(f"{site.name}-b", site.folder)
    other.command("init", "--admin", "other@district.example")
    code, output = run_command(other, "undo", run["run_id"])
    assert code == 1
    assert "there is no run" in output
    assert site.users() == {"ann": "active"}


def test_retry_of_an_undo_does_nothing_twice(site: Site) -> None:
    """A retry of an undo under the same id changes nothing further."""
    site.sync(staff(ANN, BOB))
    run = site.sync(staff(ANN))
    request = Request(
        run_id=str(uuid.uuid4()),
        site=site.name,
        package=None,
        trigger=Trigger.UPLOAD,
        requested_by="the test",
        undoes=run["run_id"],
    )
    first, _ = undo(request, clock=now)
    again, _ = undo(request, clock=now)
    assert (first.outcome, again.applied_at) == ("succeeded", first.applied_at)
    assert site.users() == {"ann": "active", "bob": "active"}
