"""A standstill is reported: runs every night, and none of them is applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oneroster_sync import database, notifications
from oneroster_sync.notifications import Delivery
from oneroster_sync.runs.standstill import Standstill, find_standstill, find_standstills
from oneroster_sync.sites.preferences import Topic
from past import BASE_URL, EVERYBODY, choose, day, had

if TYPE_CHECKING:
    import datetime as dt

    from conftest import Site


def still(site: Site, now: dt.datetime) -> Standstill:
    """Return the standstill of a site, and check that it is the same in the list of all sites."""
    with database.engine().connect() as connection:
        one = find_standstill(connection, site.name, now=now)
        assert one == find_standstills(connection, now=now)[site.name]
    return one


def test_a_month_of_superseded_plans_is_a_standstill(site: Site) -> None:
    """One sentence says since when nothing was applied, and how many syncs that were."""
    had(site, day(-10), "succeeded", applied_at=day(-10))
    for number in range(24):
        had(site, day(number), "superseded")
    had(site, day(24), "held", plan_hash="h")
    one = still(site, day(25))
    assert one.sentence == "No changes applied since 23 October (25 syncs)"
    assert (one.level, one.syncs, one.since) == ("error", 25, day(-10))


def test_a_sync_that_finds_the_roster_in_step_is_no_standstill(site: Site) -> None:
    """A sync without changes ends a standstill, as the roster is as new as the export."""
    for number, outcome in enumerate(["superseded", "failed", "no_changes", "rejected"]):
        had(site, day(number), outcome)
    one = still(site, day(5))
    assert (one.syncs, one.level) == (1, None)


@pytest.mark.parametrize(
    ("syncs", "days", "level"),
    [(2, 1, None), (3, 1, "warning"), (7, 1, "error"), (3, 8, "error"), (2, 30, None)],
)
def test_level_rises_the_longer_it_lasts(
    site: Site, syncs: int, days: int, level: str | None
) -> None:
    """A few syncs without applied changes are no alarm, more a warning, and many an error."""
    had(site, day(0))
    for number in range(syncs):
        had(site, day(0, hour=3 + number), "held", plan_hash=f"h{number}")
    assert still(site, day(days)).level == level


def test_what_reads_no_package_does_not_count(site: Site) -> None:
    """An undo, a preview and a skipped slot don't count as syncs."""
    first = had(site, day(0))
    had(site, day(1), "skipped")
    had(site, day(2), undoes=first.run_id)
    had(site, day(3), "discarded", is_preview=True)
    assert still(site, day(4)).syncs == 0
    assert still(site, day(4)).run_id == first.run_id


def test_a_plan_that_was_approved_late_ends_it(site: Site) -> None:
    """The time when a plan was applied counts, not the time when its run started."""
    had(site, day(0), applied_at=day(3))
    for number in (1, 2):
        had(site, day(number), "rejected")
    assert still(site, day(4)).syncs == 0


def test_a_site_of_which_nothing_was_ever_applied_says_so(site: Site) -> None:
    """The sentence for a site where nothing was ever applied names no day."""
    for number in range(3):
        had(site, day(number), "failed")
    assert still(site, day(3)).sentence == "No changes applied yet (3 syncs)"


def test_standstill_is_notified_once_a_week(site: Site) -> None:
    """The notification has the fact in its subject, and is repeated every week."""
    choose(site, notices=EVERYBODY.model_copy(update={"topics": (Topic.UNAPPLIED,)}))
    had(site, day(-10))
    notified = []
    for number in range(20):
        had(site, day(number), "superseded")
        with database.engine().connect() as connection:
            now = day(number, hour=6)
            found = notifications.of_site(connection, site.name, base_url=BASE_URL, now=now)
        sent = [
            n for n in found if notifications.send_once(n, lambda _: 1, now=now) is Delivery.SENT
        ]
        notified += [(number, notice.message.subject) for notice in sent]
    assert [number for number, _ in notified] == [2, 9, 16]
    subject = f"No changes applied since 23 October (3 syncs) — {site.name}"
    assert notified[0][1] == subject
