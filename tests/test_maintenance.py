"""A maintenance stops the syncs of every site, gives the reason, and changes no site."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from oneroster_sync import api, database, runs
from oneroster_sync.cli import main
from oneroster_sync.pipeline import Request
from oneroster_sync.runs import Outcome
from oneroster_sync.sites import maintenance
from oneroster_sync.sites.maintenance import MaintenanceError, NoReasonError
from past import day
from roster_of import SCHOOL, changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site


@pytest.fixture
def stopped() -> Iterator[None]:
    """All syncs are stopped until the test ends."""
    with database.engine().begin() as connection:
        maintenance.begin(connection, "  the SIS is\nupgraded. ", by="Ann", now=day(0))
    yield
    with database.engine().begin() as connection:
        maintenance.end(connection, by="Ann", now=day(1))


def sites(*words: str) -> dict[str, Any]:
    """Run `oneroster sites WORDS --json`, and return the printed JSON."""
    result = CliRunner().invoke(main, ["sites", *words, "--json"], catch_exceptions=False)
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


def events(site: Site) -> list[tuple[Any, ...]]:
    """Return the maintenances in the audit of a site."""
    return site.rows(
        "select event, actor, details ->> 'reason' from events "
        "where site = :site and event like 'maintenance%' order by id"
    )


def test_sync_is_skipped_with_the_reason(site: Site, stopped: None) -> None:
    """A run during a maintenance is skipped, reads nothing, and names the person and the reason."""
    run = site.sync(SCHOOL)
    assert (run["outcome"], run["counts"]) == ("skipped", None)
    prefix = "all syncs are stopped for maintenance by Ann since 2026-11-02 02:00 UTC: "
    assert run["reasons"] == [f"{prefix}the SIS is upgraded"]


def test_a_held_plan_can_not_be_approved_meanwhile(site: Site) -> None:
    """During a maintenance a plan can't be approved, because an approval applies it."""
    site.command("preferences", "--set", 'guards={"users": {"cap": 0}}')
    site.sync(SCHOOL)
    held = site.sync(changed(SCHOOL, "users.csv", "bob,true", "bob,false"))
    with database.engine().begin() as connection:
        maintenance.begin(connection, "a test", by="Ann", now=day(0))
    with pytest.raises(MaintenanceError, match="a test; try again when it is over"):
        api.approve(held["run_id"], by="Bob", clock=lambda: day(0))
    with database.engine().begin() as connection:
        maintenance.end(connection, by="Ann", now=day(0))
    assert api.approve(held["run_id"], by="Bob", clock=lambda: day(0)).applied_at is not None


def test_maintenance_is_in_the_audit_of_each_site(site: Site, stopped: None) -> None:
    """The audit of every site has the begin and the end of a maintenance, once each."""
    with database.engine().begin() as connection:
        maintenance.begin(connection, "another reason", by="Bob", now=day(0))
        assert maintenance.find(connection).started_by == "Ann"  # type: ignore[union-attr]
        maintenance.end(connection, by="Bob", now=day(1))
        assert maintenance.end(connection, by="Bob", now=day(1)) is None
    assert events(site) == [
        ("maintenance_begun", "Ann", "the SIS is upgraded."),
        ("maintenance_ended", "Bob", "the SIS is upgraded."),
    ]


def test_syncs_go_on_afterwards(site: Site) -> None:
    """A skipped sync is not repeated later, and the next sync runs normally."""
    with database.engine().begin() as connection:
        maintenance.begin(connection, "a test", by="Ann", now=day(0))
    assert site.sync(SCHOOL)["outcome"] == "skipped"
    with database.engine().begin() as connection:
        maintenance.end(connection, by="Ann", now=day(0))
    assert site.sync(SCHOOL)["outcome"] == "succeeded"


def test_the_command_line_stops_and_resumes(site: Site) -> None:
    """Both commands report what they did, or that there was nothing to do."""
    output = sites("stop", "--reason", "a test")
    assert output["maintenance"]["reason"] == "a test"
    assert site.sync(SCHOOL)["outcome"] == "skipped"
    output = sites("resume")
    assert output["ended"]["reason"] == "a test"
    output = sites("resume")
    assert output["ended"] is None


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 501])
def test_a_reason_is_needed(reason: str) -> None:
    """Without a reason, or with a very long one, no maintenance begins."""
    with database.engine().begin() as connection:
        with pytest.raises(NoReasonError, match="1 to 500 characters"):
            maintenance.begin(connection, reason, by="Ann", now=day(0))
        assert maintenance.find(connection) is None


def test_skipped_run_runs_after_the_maintenance(site: Site, stopped: None) -> None:
    """A skipped run that is retried under its id runs after the maintenance."""
    request = Request(site=site.name, requested_by="Ann", package="/nowhere/OneRoster.zip")
    assert api.sync(request, clock=lambda: day(0)).outcome is Outcome.SKIPPED
    with database.engine().begin() as connection:
        maintenance.end(connection, by="Ann", now=day(0))
    assert api.sync(request, clock=lambda: day(0)).outcome is Outcome.REJECTED
    assert runs.find(request.run_id).run_id == request.run_id
