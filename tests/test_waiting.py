"""Held plans without a decision: a newer plan supersedes them, or they expire."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from conftest import csv_text
from oneroster_sync import runs
from oneroster_sync.operations import approval
from oneroster_sync.operations.approval import NotHeldError
from oneroster_sync.runs.summary import format_outcome
from roster_of import as_delta, run_command

if TYPE_CHECKING:
    from conftest import Site

HEADER = "sourcedId,role,givenName,familyName,email"


def staff(count: int) -> dict[str, str]:
    """Return a package of numbered teachers."""
    rows = (f"u{n},teacher,Given,Family,u{n}@x.org" for n in range(count))
    return {"users.csv": csv_text(HEADER, *rows)}


EVERYBODY, FEWER = staff(10), staff(4)
"""Six of ten users are missing: more than the threshold."""


@pytest.fixture
def held(site: Site) -> dict[str, Any]:
    """Return a held run."""
    site.sync(EVERYBODY)
    run = site.sync(FEWER)
    assert run["outcome"] == "held"
    return run


def active(site: Site) -> int:
    """Return the number of active users with a sourcedId."""
    return list(site.users().values()).count("active")


def stored(run: dict[str, Any]) -> tuple[Any, ...]:
    """Return the outcome of a run and the decision about it."""
    found = runs.find(run["run_id"])
    return found.outcome, found.decision


def events(site: Site) -> list[tuple[Any, ...]]:
    """Return the events about plans from the audit."""
    return site.rows(
        "select event, actor, details from events "
        "where site = :site and event like 'plan_%' order by id"
    )


def test_newer_applied_run_supersedes_a_held_one(site: Site, held: dict[str, Any]) -> None:
    """A held plan is superseded if another plan changes the roster."""
    assert site.sync(staff(11))["outcome"] == "succeeded"
    assert stored(held) == ("superseded", None)
    code, output = run_command(site, "approve", held["run_id"])
    assert code == 1
    assert "superseded" in output
    assert active(site) == 11


@pytest.mark.parametrize(("package", "outcome"), [(EVERYBODY, "no_changes"), (staff(3), "held")])
def test_newer_plan_supersedes_a_held_one(
    site: Site, held: dict[str, Any], package: dict[str, str], outcome: str
) -> None:
    """A newer package supersedes a held plan, even if it changes nothing or is held itself.

    The older run names the newer one, keeps its holds, and accepts no decision.
    """
    newer = site.sync(package)
    assert newer["outcome"] == outcome
    assert stored(held) == ("superseded", None)
    older = runs.find(held["run_id"])
    named = f"run {newer['run_id']} of {newer['started_at'][:16].replace('T', ' ')} UTC"
    sentence = f"Superseded, nothing was changed: {named} made a newer plan."
    assert format_outcome(older) == sentence
    assert [hold["found"] for hold in older.holds] == [6, 4]
    assert older.ended_at is not None
    for command in ("approve", "discard"):
        code, output = run_command(site, command, held["run_id"])
        assert (code, named in output) == (1, True)
    assert active(site) == 10


DELTA = csv_text(
    "sourcedId,status,dateLastModified,role,givenName,familyName,email",
    "u0,active,2026-11-25T00:00:00.000Z,teacher,Given,Family,u0@x.org",
)


@pytest.mark.parametrize(
    ("package", "outcome"),
    [
        ({"users.csv": ""}, "rejected"),
        ({"courses.csv": "sourcedId,title,courseCode\n,Art,A1\n"}, "rejected"),
        ({"courses.csv": "sourcedId,title,courseCode\n"}, "held"),
        (as_delta("1.1", {"users.csv": DELTA}), "no_changes"),
    ],
    ids=["rejected", "other files, rejected", "other files, held", "delta"],
)
def test_only_a_plan_of_the_same_files_takes_the_place_of_another(
    site: Site, held: dict[str, Any], package: dict[str, str], outcome: str
) -> None:
    """A rejected package, other files, or a delta leave an older held plan as it is."""
    assert site.sync(package)["outcome"] == outcome
    assert stored(held) == ("held", None)
    assert site.command("approve", held["run_id"])[1]["outcome"] == "succeeded"


def test_preview_and_undo_supersede_nothing(site: Site, held: dict[str, Any]) -> None:
    """A preview or an undo does not supersede a held plan."""
    assert site.command("plan", site.package(EVERYBODY))[0] == 0
    assert stored(held) == ("held", None)
    ((first,),) = site.rows(
        "select run_id::text from runs where site = :site order by started_at limit 1"
    )
    code, undone = site.command("undo", first)
    assert (code, undone["outcome"]) == (3, "held")
    assert stored(held) == ("held", None)
    assert site.command("approve", held["run_id"])[1]["outcome"] == "succeeded"
    assert "changed the roster first" in runs.find(undone["run_id"]).reasons[0]


def test_newer_plan_leaves_a_held_undo_alone(site: Site) -> None:
    """A newer plan does not supersede a held undo."""
    first = site.sync(EVERYBODY)
    undone = site.command("undo", first["run_id"])[1]
    assert undone["outcome"] == "held"
    assert site.sync(EVERYBODY)["outcome"] == "no_changes"
    assert stored(undone) == ("held", None)


def after(run: dict[str, Any], hours: float) -> dt.datetime:
    """Return the time so many hours after a run started."""
    return dt.datetime.fromisoformat(run["started_at"]) + dt.timedelta(hours=hours)


def test_held_plan_waits_as_long_as_the_site_says(site: Site) -> None:
    """A plan is held for the hours in the site's preferences, 72 by default."""
    site.sync(EVERYBODY)
    for hours in (72, 5):
        site.command("preferences", "--set", f"approval_hours={hours}")
        held = site.sync(FEWER)
        waits = runs.find(held["run_id"]).expires_at
        assert waits is not None
        assert after(held, hours) < waits < after(held, hours + 0.1)
    assert runs.find(site.sync(EVERYBODY)["run_id"]).expires_at is None


def test_plan_that_nobody_decided_about_is_discarded(site: Site, held: dict[str, Any]) -> None:
    """An expired plan is discarded once, with its sentence and its event."""
    assert held["run_id"] not in approval.expire_due(after(held, 72))
    assert approval.expire(held["run_id"], now=after(held, 72)).outcome == "held"
    assert held["run_id"] in approval.expire_due(after(held, 73))
    assert held["run_id"] not in approval.expire_due(after(held, 74))
    run = runs.find(held["run_id"])
    sentence = "Discarded, nothing was changed: nobody decided within 72 hours."
    assert format_outcome(run) == sentence
    assert (run.outcome, run.decision, run.ended_at) == ("discarded", None, after(held, 73))
    assert [hold["found"] for hold in run.holds] == [6, 4]
    details = {
        "run_id": held["run_id"],
        "plan_hash": held["plan_hash"],
        "reason": "nobody decided within 72 hours",
    }
    assert events(site) == [("plan_expired", "OneRoster", details)]
    assert active(site) == 10


@pytest.mark.parametrize("word", ["approve", "discard"])
def test_decision_after_the_expiry_is_refused(site: Site, held: dict[str, Any], word: str) -> None:
    """A decision after the expiry is refused with the reason, and the run is discarded."""
    with pytest.raises(NotHeldError, match="discarded, nobody decided within 72 hours"):
        getattr(approval, word)(held["run_id"], by="Ann", now=after(held, 73))
    assert stored(held) == ("discarded", None)
    assert [event for event, _, _ in events(site)] == ["plan_expired"]
    assert active(site) == 10


def test_decision_in_time_stands_when_the_time_is_over(site: Site, held: dict[str, Any]) -> None:
    """A plan that was approved in time does not expire before it is applied."""
    approval.note_approval(
        held["run_id"], by="Ann", now=after(held, 71), plan_hash=held["plan_hash"]
    )
    assert held["run_id"] not in approval.expire_due(after(held, 100))
    again = approval.approve(held["run_id"], by="Ann", now=after(held, 100))
    assert again.outcome == "succeeded"
    assert active(site) == 4
