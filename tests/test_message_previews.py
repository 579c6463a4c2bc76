"""Every message has its fact in the subject, and is shown beforehand to those who choose topics."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from oneroster_sync import database, notifications
from oneroster_sync.findings import CODES
from oneroster_sync.notifications import Preview, freshness
from oneroster_sync.sites import maintenance, registry
from oneroster_sync.sites.preferences import STORED, Preferences, Topic, Weekday
from oneroster_sync.sites.schedule import format_schedule, skip_slot
from oneroster_sync.sites.time_zone import format_moment, format_time
from past import BASE_URL, Cause, choose, counts, day, had, made_at

if TYPE_CHECKING:
    from conftest import Site

NAME = "North County USD"
CHICAGO = "America/Chicago"
SUBJECTS = {
    Topic.HELD: ["Approve? 94 of 300 users would be deactivated"],
    Topic.FAILED: [
        "Sync failed: The source could not be reached",
        "Sync failed before it could begin",
        "Sync not done by 05:00 UTC: the one of 2026-11-03 02:00",
        "No sync of 3 sites can start: Airflow can't read the DAG file",
    ],
    Topic.REJECTED: ["Package rejected, users.csv: a column is missing"],
    Topic.ERRORS: [
        "10 rows had errors and were skipped",
        "2 records protected by rows that are not fixed",
    ],
    Topic.STALE: [
        "No new export for 7 days",
        "Out of step with the SIS: a bulk file of enrollments.csv is needed",
        "Discarded changes of enrollments.csv are missing: a bulk file is needed",
    ],
    Topic.UNAPPLIED: [
        "No changes applied since 31 October (3 syncs)",
        "All syncs are stopped for a maintenance",
    ],
    Topic.DIGEST: ["Week of 2026-10-26: 5 syncs, 35 changes"],
}
"""The subjects of all messages, as a site without a past sees them as examples."""


def previews(site: Site, topic: Topic, now: dt.datetime = day(1, hour=6)) -> list[Preview]:  # noqa: B008
    """Return the previews of a topic."""
    with database.engine().connect() as connection:
        return notifications.list_previews(connection, site.name, topic, base_url=BASE_URL, now=now)


def called(site: Site, name: str) -> None:
    """Give a site a display name."""
    with database.engine().begin() as connection:
        registry.mark(connection, site.name, title=name)


@pytest.mark.parametrize("topic", list(Topic))
def test_subject_is_the_fact(site: Site, topic: Topic) -> None:
    """Whatever the message is about, its subject says it, and then the site's display name."""
    choose(site)
    called(site, NAME)
    found = previews(site, topic)
    assert [one.message.title() for one in found] == [f"{s} — {NAME}" for s in SUBJECTS[topic]]
    for one in found:
        assert one.message.title().split()[0] not in CODES
        assert not re.search(r"\bOneRoster \w+:", one.message.title())
        assert one.message.text().count("\n\n") >= 2


def test_site_without_a_display_name_is_named_by_its_name(site: Site) -> None:
    """There is always a name at the end of the subject."""
    choose(site)
    (held,) = previews(site, Topic.HELD)
    assert held.message.title().endswith(f" — {site.name}")


def test_long_fact_leaves_room_for_the_name(site: Site) -> None:
    """A reason of many words is cut in the subject, and whole in the text."""
    choose(site)
    reason = "the server of the district did not answer " * 9
    had(site, day(0), "failed", reasons=[reason])
    failed = previews(site, Topic.FAILED)[0].message
    assert failed.title().endswith(f"… — {site.name}")
    assert len(failed.title()) <= 120 + len(f" — {site.name}")
    assert reason.strip() in failed.text()


@pytest.mark.parametrize("topic", list(Topic))
def test_invented_preview_says_so(site: Site, topic: Topic) -> None:
    """Without such a case the numbers are invented, and no run is claimed to have them."""
    choose(site)
    for one in previews(site, topic):
        assert (one.is_example, one.run_id) == (True, None)


def test_preview_is_what_was_sent(site: Site) -> None:
    """Of a run of that kind the preview is the very message that people got."""
    choose(site)
    causes = (Cause("row.invalid_email", "users.csv", 12),)
    hold = {"code": "guard.removals", "kind": "users", "found": 6, "of": 10, "text": "6 of 10"}
    made = {
        Topic.HELD: had(
            site,
            day(0),
            "held",
            plan_hash="h",
            reasons=[hold],
            counts=counts(deactivated=6),
            expires_at=day(3),
        ),
        Topic.FAILED: had(site, day(0, hour=3), "failed", reasons=["the disk is full"]),
        Topic.REJECTED: had(site, day(0, hour=4), "rejected", causes=causes),
        Topic.ERRORS: had(
            site, day(0, hour=5), "succeeded_with_errors", causes=causes, counts=counts(errors=12)
        ),
    }
    for topic, run in made.items():
        with database.engine().connect() as connection:
            sent = notifications.of_run(connection, run, base_url=BASE_URL)
        first = previews(site, topic)[0]
        assert sent is not None
        assert first.message == sent.message
        assert (first.is_example, first.run_id) == (False, run.run_id)


def test_preview_of_a_site_is_its_state(site: Site) -> None:
    """A stale export, a standstill, a maintenance and the week are shown as they are."""
    choose(site)
    made_at(site, day(-20))
    had(site, day(-9), sha256="a", applied_at=day(-9), counts=counts(added=2))
    for number in range(-8, -2):
        had(site, day(number), "superseded", sha256="a")
    with database.engine().connect() as connection, connection.begin() as transaction:
        maintenance.begin(connection, "Ann Lee moves the SIS", by="ann.lee", now=day(0))
        now = day(1, hour=6)
        due = notifications.of_site(connection, site.name, base_url=BASE_URL, now=now)
        sent = {notice.message for notice in due}
        shown = [
            one
            for topic in (Topic.STALE, Topic.UNAPPLIED, Topic.DIGEST)
            for one in notifications.list_previews(
                connection, site.name, topic, base_url=BASE_URL, now=now
            )
        ]
        transaction.rollback()
    assert {one.message for one in shown if not one.is_example} == sent
    assert len(sent) == 4
    stopped = next(one for one in sent if one.subject.startswith("All syncs are stopped"))
    assert "no sync of any site has begun since 2026-11-02 02:00 UTC" in stopped.text()
    assert "ann" not in f"{stopped.title()} {stopped.text()}".lower()


def test_moment_has_the_time_of_the_site_beside() -> None:
    """UTC first; the day stands there only where it is another one; without a zone UTC alone."""
    at = dt.datetime(2026, 11, 30, 2, 0, tzinfo=dt.UTC)
    assert format_moment(at, None) == "2026-11-30 02:00 UTC"
    assert format_moment(at, CHICAGO) == "2026-11-30 02:00 UTC (2026-11-29 20:00 in Chicago)"
    assert format_moment(at, "Europe/Berlin") == "2026-11-30 02:00 UTC (03:00 in Berlin)"
    assert format_moment(at, "Europe/London") == "2026-11-30 02:00 UTC"
    assert format_moment(at, "Mars/Olympus") == "2026-11-30 02:00 UTC"


def test_time_of_the_day_has_both_times_of_the_year_beside() -> None:
    """A schedule has no date, so a zone that changes its clocks has two times."""
    at = dt.time(2, 0)
    assert format_time(at, None, year=2026) == "02:00 UTC"
    chicago = "02:00 UTC (20:00 or 21:00 in Chicago, the day before)"
    assert format_time(at, CHICAGO, year=2026) == chicago
    assert format_time(at, "Asia/Tokyo", year=2026) == "02:00 UTC (11:00 in Tokyo)"
    assert format_time(at, "Europe/London", year=2026) == "02:00 UTC (02:00 or 03:00 in London)"
    assert format_time(dt.time(14), "Asia/Tokyo", year=2026) == "14:00 UTC (23:00 in Tokyo)"
    assert format_time(dt.time(16), "Asia/Tokyo", year=2026) == (
        "16:00 UTC (01:00 in Tokyo, the day after)"
    )


def test_schedule_and_skipped_syncs_say_the_time_of_the_site() -> None:
    """The schedule itself stays in UTC: the zone moves no sync."""
    chosen = Preferences(site="north", time_zone=CHICAGO, days=(Weekday.MONDAY,))
    assert format_schedule(chosen) == "Mon at 02:00 UTC (20:00 or 21:00 in Chicago, the day before)"
    slot = dt.datetime(2026, 11, 30, 2, 0, tzinfo=dt.UTC)
    skip = skip_slot(chosen, slot, now=slot + dt.timedelta(hours=1))
    assert skip is not None
    assert "The sync of 2026-11-30 02:00 UTC (2026-11-29 20:00 in Chicago) is" in skip.reason
    assert skip_slot(chosen, slot, now=slot) is None


def test_message_says_the_time_of_the_site(site: Site) -> None:
    """A held plan expires, and the next syncs come, at a time that people can read off."""
    choose(site, time_zone=CHICAGO)
    had(site, day(0), "held", plan_hash="h", expires_at=day(3))
    text = previews(site, Topic.HELD)[0].message.text()
    assert "Expires 2026-11-05 02:00 UTC (2026-11-04 20:00 in Chicago) (then" not in text
    assert "Expires 2026-11-05 02:00 UTC (2026-11-04 20:00 in Chicago), then discarded." in text
    with database.engine().connect() as connection:
        trial = notifications.of_trial(
            connection, site.name, base_url=BASE_URL, now=day(0, hour=6)
        ).text()
        assert freshness(connection, site.name, now=day(0)).days >= 0
    assert "Next sync: 2026-11-03 02:00 UTC (2026-11-02 20:00 in Chicago)." in trial


def test_zone_is_a_name_of_the_time_zone_database() -> None:
    """What no machine knows is refused when it is saved, and not when it was stored long ago."""
    assert Preferences(site="north").time_zone is None
    for wrong in ("Chicago", "CST6CDT!", "../etc/passwd", "", "localtime", "Factory"):
        with pytest.raises(ValidationError, match="such as America/Chicago"):
            Preferences(site="north", time_zone=wrong)
    stored = {"site": "north", "time_zone": "Mars/Olympus"}
    assert Preferences.model_validate(stored, context=STORED).time_zone == "Mars/Olympus"


def test_zone_is_saved_and_comes_back(site: Site) -> None:
    """On the command line like every other setting."""
    assert site.command("preferences", "--set", f"time_zone={CHICAGO}")[0] == 0
    with database.engine().connect() as connection:
        found = connection.exec_driver_sql(
            "select time_zone from preferences where site = %s", (site.name,)
        ).scalar_one()
    assert found == CHICAGO
    assert site.command("preferences", "--set", "time_zone=Chicago")[0] == 2
