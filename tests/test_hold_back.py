"""Hold back: some removals wait, and the rest of the plan is approved by its own hash only."""

from __future__ import annotations

import datetime as dt
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from conftest import csv_text
from oneroster_sync import database, pipeline, runs
from oneroster_sync.operations import approval
from oneroster_sync.operations.approval import HeldBack, NotHeldError, OtherPlanError
from oneroster_sync.runs import Outcome
from oneroster_sync.stages.diff.held_back import NothingToHoldError, RosterMovedError
from oneroster_sync.stages.diff.partial import hold_back
from roster_of import plan_of, roster_of

if TYPE_CHECKING:
    from conftest import Site
    from oneroster_sync.runs import Run

ORGS = csv_text("sourcedId,name,type", "lake,Lake School,school", "hill,Hill School,school")
USERS = "sourcedId,enabledUser,role,username,givenName,familyName,email,orgSourcedIds"


def now() -> dt.datetime:
    """Return the current time, because held plans expire."""
    return dt.datetime.now(dt.UTC)


def town(*, without: str = "", new: int = 0) -> dict[str, str]:
    """Return a package: six teachers at the lake, six on the hill, one at both; a course each.

    Args:
        without: Schools that lose half of their teachers and courses, as `lake hill`.
        new: The number of new people.
    """
    users, courses, classes, enrollments = [], [], [], []
    for school in ("lake", "hill"):
        gone = 3 if school in without.split() else 0
        for n in range(6):
            id_ = f"{school}{n}"
            if n >= gone:
                users.append(f"{id_},true,teacher,{id_},G,F,{id_}@x.org,{school}")
                courses.append(f"c-{id_},Course {id_},{school}")
                classes.append(f"k-{id_},Class,c-{id_},{school}")
                enrollments.append(f"e-{id_},k-{id_},{school},{id_},teacher")
    if len(without.split()) < 2:
        users.append('both,true,teacher,both,G,F,both@x.org,"lake,hill"')
    users += [f"n{n},true,teacher,n{n},G,F,n{n}@x.org,lake" for n in range(new)]
    return {
        "orgs.csv": ORGS,
        "users.csv": csv_text(USERS, *users),
        "courses.csv": csv_text("sourcedId,title,orgSourcedId", *courses),
        "classes.csv": csv_text("sourcedId,title,courseSourcedId,schoolSourcedId", *classes),
        "enrollments.csv": csv_text(
            "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role", *enrollments
        ),
    }


@pytest.fixture
def held(site: Site) -> Run:
    """A held run: both schools lose half of their teachers, and one person is new."""
    site.sync(town())
    run = site.sync(town(without="lake hill", new=1))
    assert run["outcome"] == "held", run["reasons"]
    return runs.find(run["run_id"])


def part(run: Run, **held_back: tuple[str, ...]) -> Any:
    """Return the two plans that holding back makes of a held one."""
    return approval.preview_hold_back(run.run_id, HeldBack(**held_back))


def approve(run: Run, plan_hash: str | None, **held_back: tuple[str, ...]) -> Run:
    """Approve a held plan with some removals held back, and apply it."""
    return approval.approve(
        run.run_id,
        by="Ann",
        now=now(),
        plan_hash=plan_hash,
        held_back=HeldBack(**held_back),
    )


def inactive(site: Site) -> set[str]:
    """Return the deactivated users."""
    return {id_ for id_, status in site.users().items() if status == "inactive"}


def test_only_the_approved_part_is_applied_and_the_rest_is_held_anew(site: Site, held: Run) -> None:
    """The people of one school go; those of the other stay, and their removal is held again."""
    parted = part(held, schools=("hill",))
    counts = [plan.count().as_dict() for plan in (parted.first, parted.rest)]
    assert [one["users"]["deactivated"] for one in counts] == [3, 4]
    assert [one["users"]["added"] for one in counts] == [1, 0]
    assert [one["courses"]["removed"] for one in counts] == [3, 3]

    done = approve(held, parted.first.hash(), schools=("hill",))

    assert done.applied_at is not None
    assert inactive(site) == {"lake0", "lake1", "lake2"}
    assert site.users()["n0"] == "active"
    assert done.decided_hash == done.plan_hash == parted.first.hash() != held.plan_hash
    rest = approval.start_removals_run(done, clock=now)
    assert rest is not None
    assert (rest.outcome, rest.decision, rest.removals_of) == (Outcome.HELD, None, done.run_id)
    assert rest.plan_hash == parted.rest.hash()
    assert "guard.held_back" in {hold["code"] for hold in rest.holds}
    assert rest.expires_at is not None
    assert inactive(site) == {"lake0", "lake1", "lake2"}
    approval.approve(rest.run_id, by="Bob", now=now(), plan_hash=rest.plan_hash)
    assert inactive(site) == {*(f"{s}{n}" for s in ("lake", "hill") for n in range(3)), "both"}
    assert site.sync(town(without="lake hill", new=1))["outcome"] == "no_changes"


def test_held_back_removals_wait_below_every_threshold(site: Site, held: Run) -> None:
    """The rest needs an approval of its own even if no threshold would hold it."""
    site.command("preferences", "--set", f"guards={json.dumps({'users': {'percent': 100}})}")
    parted = part(held, kinds=("courses",))
    done = approve(held, parted.first.hash(), kinds=("courses",))
    rest = approval.start_removals_run(done, clock=now)
    assert rest is not None
    assert rest.outcome is Outcome.HELD
    assert {hold["code"] for hold in rest.holds} >= {"guard.held_back"}
    query = "select count(*) from courses where site = :site and status = 'active'"
    assert site.rows(query) == [(12,)]


@pytest.mark.parametrize("which", ["whole", "rest", "none", "other"])
def test_another_hash_approves_nothing(site: Site, held: Run, which: str) -> None:
    """The hash of the whole plan, of the rest, or none does not approve the first part."""
    parted = part(held, schools=("hill",))
    hashes = {
        "whole": held.plan_hash,
        "rest": parted.rest.hash(),
        "none": None,
        "other": part(held, schools=("lake",)).first.hash(),
    }
    with pytest.raises(OtherPlanError):
        approve(held, hashes[which], schools=("hill",))
    found = runs.find(held.run_id)
    assert (found.outcome, found.decision, found.plan_hash) == (Outcome.HELD, None, held.plan_hash)
    assert inactive(site) == set()
    assert approval.approve(held.run_id, by="Ann", now=now(), plan_hash=held.plan_hash).applied_at


def test_both_parts_are_the_whole_plan(held: Run) -> None:
    """Both parts together are the whole plan, and no change is in both, for every selection."""
    from oneroster_sync.stages.diff.plan import read_plan

    whole = read_plan(held)
    for chosen in (
        {"schools": ("hill",)},
        {"kinds": ("users",)},
        {"kinds": ("users", "courses", "assignments")},
        {"schools": ("lake",), "kinds": ("courses",)},
        {"schools": ("lake", "hill")},
    ):
        parted = part(held, **chosen)
        for kind, ids in {
            "users": ["sourced_id"],
            "courses": ["sourced_id"],
            "assignments": ["user_sourced_id", "course_sourced_id"],
        }.items():
            rows = [
                sorted(map(str, getattr(plan, kind).select(ids).to_pylist()))
                for plan in (whole, parted.first, parted.rest)
            ]
            assert sorted(rows[1] + rows[2]) == rows[0], (chosen, kind)
        tables = parted.rest.users, parted.rest.courses, parted.rest.assignments
        back = {row["action"] for table in tables for row in table.to_pylist()}
        assert back <= {"deactivate", "remove"}, chosen


def test_a_person_of_several_schools_stays_if_one_of_them_is_held_back() -> None:
    """A person of several schools stays if one of them is held back; all others go."""
    roster = roster_of(
        users="""
            sourced_id,email,org_sourced_ids
            ann,ann@x.org,"lake,hill"
            bob,bob@x.org,lake
            cec,cec@x.org,hill
        """
    )
    plan = plan_of(roster, {"users.csv": "sourcedId,email\nzoe,zoe@x.org"}).plan
    first, rest = hold_back(plan, roster, schools=["hill"], kinds=[])
    assert rest.users["sourced_id"].to_pylist() == ["ann", "cec"]
    assert first.users["sourced_id"].to_pylist() == ["bob", "zoe"]
    first, rest = hold_back(plan, roster, schools=["hil", "lake,hill"], kinds=[])
    assert rest.is_empty()


def test_course_that_stays_keeps_assignments_of_remaining_users() -> None:
    """An assignment is removed with its user or its course, and stays with a course that stays."""
    roster = roster_of(
        users="sourced_id,email\nann,ann@x.org\nbob,bob@x.org",
        courses="sourced_id,title,org_sourced_id\nart,Art,lake\nbio,Bio,hill",
        classes="sourced_id,course_sourced_id\na1,art\nb1,bio",
        assignments="user,course\nann,art\nbob,art\nbob,bio",
    )
    package = {"users.csv": "sourcedId,email\nbob,bob@x.org", "courses.csv": "sourcedId,title"}
    plan = plan_of(roster, package).plan

    def pairs(part: Any) -> list[tuple[str, str]]:
        rows = part.assignments.to_pylist()
        return [(row["user_sourced_id"], row["course_sourced_id"]) for row in rows]

    assert pairs(plan) == [("ann", "art"), ("bob", "art"), ("bob", "bio")]
    first, rest = hold_back(plan, roster, schools=["lake"], kinds=[])
    assert pairs(rest) == [("bob", "art")]
    assert pairs(first) == [("ann", "art"), ("bob", "bio")]
    _, rest = hold_back(plan, roster, schools=[], kinds=["assignments"])
    assert pairs(rest) == []
    _, rest = hold_back(plan, roster, schools=[], kinds=["users", "courses"])
    assert pairs(rest) == [("ann", "art"), ("bob", "art"), ("bob", "bio")]


def test_selection_without_removals_is_refused(held: Run) -> None:
    """A selection without removals, or of everything, is refused with advice."""
    with pytest.raises(NothingToHoldError, match="approve all of it"):
        part(held, schools=("elsewhere",))
    with pytest.raises(NothingToHoldError, match="approve all of it"):
        approve(held, held.plan_hash)
    assert runs.find(held.run_id).decision is None


def test_a_roster_that_moved_can_not_be_parted(site: Site, held: Run) -> None:
    """After the roster moved, the plan can't be divided."""
    parted = part(held, schools=("hill",))
    with database.engine().begin() as connection:
        import sqlalchemy as sa

        connection.execute(
            sa.text("update sites set roster_version = roster_version + 1 where site = :site"),
            {"site": site.name},
        )
    with pytest.raises(RosterMovedError):
        approve(held, parted.first.hash(), schools=("hill",))
    assert runs.find(held.run_id).plan_hash == held.plan_hash


def test_of_two_who_decide_at_once_one_wins(site: Site, held: Run) -> None:
    """Of a full and a partial approval at the same moment, one is applied and the other refused."""
    first = part(held, schools=("hill",)).first.hash()
    ready, outcomes = threading.Barrier(2), []

    def decide(plan_hash: str | None, held_back: HeldBack | None) -> None:
        ready.wait()
        try:
            approval.note_approval(
                held.run_id,
                by=f"{held_back}",
                now=now(),
                plan_hash=plan_hash or "",
                held_back=held_back,
            )
            outcomes.append("done")
        except (NotHeldError, OtherPlanError):
            outcomes.append("refused")

    chosen = HeldBack(schools=("hill",))
    both = [
        threading.Thread(target=decide, args=one)
        for one in ((held.plan_hash, None), (first, chosen))
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(outcomes) == ["done", "refused"]
    run = runs.find(held.run_id)
    assert run.decided_hash == run.plan_hash
    done = pipeline.apply(run, now=now())
    assert done.applied_at is not None
    assert len(inactive(site)) == (3 if run.plan_hash == first else 7)


def test_a_process_that_dies_between_files_and_record_applies_nothing(
    site: Site, held: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of a part without a matching record are never applied, not even after an approval."""
    first = part(held, schools=("hill",)).first.hash()

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runs, "update", die)
        with pytest.raises(KeyboardInterrupt):
            approve(held, first, schools=("hill",))
    assert runs.find(held.run_id).plan_hash == held.plan_hash
    with pytest.raises(Exception, match="recorded plan"):
        approval.approve(held.run_id, by="Bob", now=now(), plan_hash=held.plan_hash)
    assert inactive(site) == set()


def test_a_newer_bulk_package_supersedes_what_was_held_back(site: Site, held: Run) -> None:
    """The next bulk package supersedes removals that are held back."""
    parted = part(held, schools=("hill",))
    done = approve(held, parted.first.hash(), schools=("hill",))
    rest = approval.start_removals_run(done, clock=now)
    assert rest is not None
    site.sync(town(without="lake", new=1))
    assert runs.find(rest.run_id).outcome is Outcome.SUPERSEDED
