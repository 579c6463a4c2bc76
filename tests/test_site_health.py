"""The health of sites: what needs attention, and the current numbers of the roster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oneroster_sync import database
from oneroster_sync.operations.site_health import Health, Status, read_health, read_status
from oneroster_sync.roster.reader import count_active
from past import choose, counts, day, had, made_at
from roster_of import SCHOOL, changed

if TYPE_CHECKING:
    import datetime as dt

    from conftest import Site


def health(site: Site, now: dt.datetime) -> Health:
    """Return the health of a site, and check that it is the same in the list of all sites."""
    with database.engine().connect() as connection:
        one = read_health(connection, now=now, site=site.name)
        assert list(one) == [site.name]
        assert one[site.name] == read_health(connection, now=now)[site.name]
    return one[site.name]


def status(site: Site, now: dt.datetime) -> Status:
    """Return the status of a site for the head of its pages."""
    with database.engine().connect() as connection:
        return read_status(connection, site.name, now=now)


def test_the_size_of_the_roster_is_stored_with_each_applied_run(site: Site) -> None:
    """The list of sites has the numbers of the roster, and the changes of each run."""
    site.sync(SCHOOL)
    site.sync(changed(SCHOOL, "users.csv", "bob,true", "bob,false"))
    with database.engine().connect() as connection:
        active = count_active(connection, site.name)
    stored = site.rows("select roster_counts from runs where site = :site order by started_at")
    assert stored[-1] == (active,)
    assert stored[0][0]["users"] == active["users"] + 1
    found = health(site, day(400))
    assert found.active == active
    assert len(found.changes) == 2
    assert found.changes[0] > found.changes[1] >= 1
    assert status(site, day(400)).active == active


@pytest.mark.parametrize(
    ("outcome", "values", "level", "reason"),
    [
        ("succeeded", {}, None, None),
        ("failed", {"reasons": ["no package is there"]}, "error", "Failed, nothing was changed:"),
        ("rejected", {"reasons": ["It is empty."]}, "error", "Rejected, nothing was changed."),
        ("held", {"plan_hash": "h"}, "warning", "1 plan needs approval"),
        ("superseded", {}, None, None),
        ("discarded", {"is_preview": True}, None, None),
    ],
)
def test_what_needs_attention_is_shown_in_the_row(
    site: Site, outcome: str, values: dict[str, Any], level: str | None, reason: str | None
) -> None:
    """A site in the list shows the reason of a failure, and a plan that needs approval."""
    had(site, day(0), sha256="a", applied_at=day(0))
    had(site, day(1), outcome, **values)
    found = health(site, day(2))
    assert found.level == level
    assert [text.startswith(reason or "") for text in found.reasons] == ([True] if reason else [])


def test_failure_comes_before_an_old_export(site: Site) -> None:
    """A failure comes before an old export."""
    choose(site, stale_after_days=3)
    had(site, day(0), sha256="a")
    had(site, day(4), "failed", reasons=["the SIS was away"])
    found = health(site, day(5))
    assert found.reasons == (
        "Failed, nothing was changed: the SIS was away.",
        "No new export for 5 days",
    )
    assert (found.level, found.is_stale, found.export_days) == ("error", True, 5)


def test_a_site_without_a_run_needs_nothing_and_has_no_export(site: Site) -> None:
    """A site without a run has no alarm."""
    made_at(site, day(0))
    found = health(site, day(30))
    assert (found.level, found.has_export, found.waiting, found.errors) == (None, False, 0, None)
    assert status(site, day(30)).applied_at is None


def test_errors_are_those_of_the_newest_run_and_plans_are_counted(site: Site) -> None:
    """Errors come from the newest run and held plans are counted; a preview counts for neither."""
    had(site, day(0), "succeeded_with_errors", counts=counts(errors=4), applied_at=day(0))
    had(site, day(1), "held", plan_hash="h", counts=counts(errors=2))
    newest = had(site, day(2), "held", plan_hash="i", counts=counts(errors=3))
    had(site, day(3), "discarded", is_preview=True, counts=counts(errors=9))
    found = health(site, day(4))
    assert (found.errors, found.waiting, found.waiting_run) == (3, 2, newest.run_id)
