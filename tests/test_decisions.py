"""Decisions: a person approves exactly one plan, or discards it; the first decision counts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from conftest import csv_text
from oneroster_sync import database, pipeline
from oneroster_sync.operations import approval
from oneroster_sync.operations.approval import NotHeldError, OtherPlanError
from oneroster_sync.stages.apply import RefusedByDatabaseError
from roster_of import SCHOOL, changed, diffed, now, reviewed, run_command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Site

HEADER = "sourcedId,role,givenName,familyName,email"


def staff(ids: Iterable[int], name: str = "Given") -> dict[str, str]:
    """Return a package of numbered teachers."""
    return {"users.csv": csv_text(HEADER, *(f"u{n},teacher,{name},Family,u{n}@x.org" for n in ids))}


EVERYBODY, FEWER = staff(range(10)), staff(range(4))
"""Six of ten users are missing: more than a threshold lets pass."""


@pytest.fixture
def held(site: Site) -> dict[str, Any]:
    """A held run."""
    site.sync(EVERYBODY)
    run = site.sync(FEWER)
    assert run["outcome"] == "held"
    return run


def active(site: Site) -> int:
    """Return how many users with a sourcedId are active."""
    return list(site.users().values()).count("active")


def stored(site: Site, run: dict[str, Any]) -> tuple[Any, ...]:
    """Return the stored decision about a run."""
    return site.rows(
        "select outcome, decision, decided_hash, decided_by, decision_reason from runs "
        "where run_id::text = :run_id",
        run_id=run["run_id"],
    )[0]


def events(site: Site) -> list[tuple[Any, ...]]:
    """Return the decisions of people, from the audit."""
    return site.rows(
        "select event, actor, details from events "
        "where site = :site and event like 'plan_%' order by id"
    )


def test_approved_plan_is_applied(site: Site, held: dict[str, Any]) -> None:
    """An approval applies the held plan: the same hash, the same counts."""
    code, run = site.command(
        "approve", held["run_id"], "--hash", held["plan_hash"], "--reason", "new school"
    )
    assert (code, run["outcome"]) == (0, "succeeded")
    assert run["plan_hash"] == held["plan_hash"]
    assert run["counts"] == held["counts"]
    assert active(site) == 4
    assert site.sync(FEWER)["outcome"] == "no_changes"


@pytest.mark.case("c17")
def test_decision_is_audited(site: Site, held: dict[str, Any]) -> None:
    """The run, the event and every change name who approved which plan, and why."""
    site.command("approve", held["run_id"], "--reason", "new school")
    outcome, decision, decided_hash, who, reason = stored(site, held)
    assert (outcome, decision, decided_hash) == ("succeeded", "approved", held["plan_hash"])
    assert "on the command line" in who
    assert reason == "new school"
    details = {
        "run_id": held["run_id"],
        "plan_hash": held["plan_hash"],
        "reason": "new school",
    }
    assert events(site) == [("plan_approved", who, details)]
    ((when, began),) = site.rows(
        "select e.at, r.started_at from events e join runs r on r.run_id::text = :run_id "
        "where e.site = :site and e.event = 'plan_approved'",
        run_id=held["run_id"],
    )
    assert when > began
    askers = site.rows(
        "select distinct requested_by from changes where run_id::text = :run_id",
        run_id=held["run_id"],
    )
    assert askers == [(f"{held['requested_by']}, approved by {who}",)]


def test_other_hash_is_refused(site: Site, held: dict[str, Any]) -> None:
    """An approval with another hash is refused, and the run is still held."""
    with pytest.raises(OtherPlanError):
        approval.approve(held["run_id"], by="Ann", now=now(), plan_hash="0" * 64)
    code, output = run_command(site, "approve", held["run_id"], "--hash", "0" * 64)
    assert code == 1
    assert held["plan_hash"] in output
    assert stored(site, held)[:2] == ("held", None)
    assert events(site) == []
    assert active(site) == 10
    assert site.command("approve", held["run_id"])[0] == 0


@pytest.mark.case("b16")
def test_second_approval_is_refused(site: Site, held: dict[str, Any]) -> None:
    """A second decision is refused, and the message names who decided first."""
    site.command("approve", held["run_id"])
    for decide in (approval.approve, approval.discard):
        with pytest.raises(
            NotHeldError, match=r"was approved by .+ on the command line, and is applied; undo"
        ):
            decide(held["run_id"], by="somebody else", now=now())
    code, output = run_command(site, "approve", held["run_id"])
    assert code == 1
    assert "approved by" in output
    assert [event for event, _, _ in events(site)] == ["plan_approved"]
    assert active(site) == 4


@pytest.mark.case("b16")
def test_discarded_plan_is_never_applied(site: Site, held: dict[str, Any]) -> None:
    """A discarded run never applies, and a later approval gets the name of who discarded it."""
    code, run = site.command("discard", held["run_id"], "--reason", "wrong year")
    assert (code, run["outcome"]) == (0, "discarded")
    for decide in (approval.approve, approval.discard):
        with pytest.raises(NotHeldError, match=r"discarded by .+ on the command line"):
            decide(held["run_id"], by="somebody else", now=now())
    assert stored(site, held)[:2] == ("discarded", "discarded")
    assert stored(site, held)[4] == "wrong year"
    ((event, _, details),) = events(site)
    assert event == "plan_discarded"
    assert details["reason"] == "wrong year"
    assert active(site) == 10


def test_discarded_plan_can_come_again(site: Site, held: dict[str, Any]) -> None:
    """A discard is about the plan only: the next run of the same package is held again."""
    site.command("discard", held["run_id"])
    again = site.sync(FEWER)
    assert again["outcome"] == "held"
    assert again["plan_hash"] == held["plan_hash"]
    assert site.command("approve", again["run_id"])[0] == 0


@pytest.mark.case("b15")
def test_approval_after_the_roster_moved_applies_nothing(site: Site) -> None:
    """A plan that is older than the roster's version becomes superseded when it is approved."""
    site.sync(EVERYBODY)
    run = diffed(site, FEWER)
    site.sync(staff(range(11)))
    held = pipeline.record(pipeline.review(run, now=now()), now=now())
    assert held.outcome == "held"

    code, ended = site.command("approve", held.run_id)

    assert ended["outcome"] == "superseded"
    assert "version" in ended["reasons"][0]
    assert code != 0
    assert active(site) == 11
    assert not site.rows("select 1 from changes where run_id::text = :r", r=held.run_id)


def test_approval_stays_the_approval_of_that_plan(site: Site) -> None:
    """A superseded run keeps its approval, and can't be approved again."""
    site.sync(EVERYBODY)
    run = diffed(site, FEWER)
    site.sync(staff(range(11)))
    held = pipeline.record(pipeline.review(run, now=now()), now=now())
    approval.approve(held.run_id, by="Ann", now=now())
    with pytest.raises(NotHeldError, match="was approved by Ann, and was superseded"):
        approval.approve(held.run_id, by="Bob", now=now())


def test_only_held_runs_wait_for_a_decision(site: Site) -> None:
    """A run that was applied without a hold accepts no decision."""
    run = site.sync(EVERYBODY)
    for command in ("approve", "discard"):
        code, output = run_command(site, command, run["run_id"])
        assert code == 1
        assert "was within the site's limits and is applied" in output
    assert events(site) == []


def test_run_in_progress_accepts_no_decision(site: Site) -> None:
    """A run can be neither approved nor discarded before its review."""
    run = diffed(site, EVERYBODY)
    for decide in (approval.approve, approval.discard):
        with pytest.raises(NotHeldError):
            decide(run.run_id, by="Ann", now=now())
    assert site.users() == {}


@pytest.mark.parametrize("run", ["00000000-0000-0000-0000-000000000000", "nonsense", "' or 1=1"])
def test_unknown_run_is_an_error(site: Site, run: str) -> None:
    """An unknown run is one message and exit code 1, for any name."""
    for command in ("approve", "discard"):
        code, output = run_command(site, command, run)
        assert code == 1
        assert "there is no run" in output


@pytest.mark.case("b16")
def test_of_two_who_decide_at_once_one_wins(site: Site) -> None:
    """When two people approve and discard at once, one decision counts, the other is refused."""
    site.sync(EVERYBODY)
    held = pipeline.record(reviewed(site, FEWER), now=now())
    start, won, lost = threading.Barrier(2), [], []

    def decide(word: str) -> None:
        start.wait()
        try:
            getattr(approval, word)(held.run_id, by=word, now=now())
            won.append(word)
        except NotHeldError as error:
            lost.append(str(error))

    people = [threading.Thread(target=decide, args=[word]) for word in ("approve", "discard")]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert len(won) == len(lost) == 1
    assert f"by {won[0]}" in lost[0]
    assert active(site) == (4 if won == ["approve"] else 10)
    assert len(events(site)) == 1


def test_approval_that_failed_can_be_repeated(site: Site, held: dict[str, Any]) -> None:
    """A plan that the database refused is still held; a repeated approval applies it once."""
    stay = f"constraint stay check (site <> '{site.name}' or status = 'active')"
    with database.engine().begin() as connection:
        connection.exec_driver_sql(f"alter table users add {stay} not valid")
    try:
        with pytest.raises(RefusedByDatabaseError):
            approval.approve(held["run_id"], by="Ann", now=now())
    finally:
        with database.engine().begin() as connection:
            connection.exec_driver_sql("alter table users drop constraint stay")
    assert active(site) == 10
    with pytest.raises(NotHeldError, match="approved by Ann"):
        approval.discard(held["run_id"], by="Bob", now=now())
    assert approval.approve(held["run_id"], by="Ann", now=now()).outcome == "succeeded"
    assert active(site) == 4
    changes = "select count(*) from changes where run_id::text = :r"
    assert site.rows(changes, r=held["run_id"]) == [(6,)]
    assert len(events(site)) == 1


def test_approval_with_enrollments_that_were_renumbered(site: Site) -> None:
    """A run that changes only stored links affects no user of an older plan at its approval.

    The held plan is either superseded, or the stored links are afterwards those of the plan.
    """
    site.sync(SCHOOL)
    site.command("preferences", "--set", 'guards={"users": {"cap": 0}}')
    without_bob = changed(SCHOOL, "users.csv", "bob,true,teacher,bray,Bob,Ray,bob@x.org\n", "")
    held = site.sync(changed(without_bob, "enrollments.csv", "e2,a1,bob,teacher\n", ""))
    assert held["outcome"] == "held"
    assert site.sync(changed(SCHOOL, "enrollments.csv", "e2,", "new,"))["outcome"] == "no_changes"

    site.command("approve", held["run_id"])

    remembered = site.rows("select user_sourced_id from enrollments where site = :site")
    taught = "bob" if site.users()["bob"] == "active" else None
    assert sorted(user for (user,) in remembered) == sorted(filter(None, ["ann", taught, "cec"]))
