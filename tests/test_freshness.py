"""Freshness: a site without new packages is noticed, except during its pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oneroster_sync import database
from oneroster_sync.notifications import Freshness, freshness
from oneroster_sync.sites.preferences import PauseWindow
from oneroster_sync.sites.preferences_store import UnknownSiteError
from past import choose, day, had, made_at

if TYPE_CHECKING:
    import datetime as dt

    from conftest import Site


def seen(site: Site, now: dt.datetime) -> Freshness:
    """Return the freshness of a site at a time."""
    with database.engine().connect() as connection:
        return freshness(connection, site.name, now=now)


def test_a_new_package_is_fresh(site: Site) -> None:
    """The freshness names the run that read the newest package."""
    run = had(site, day(3), sha256="a")
    found = seen(site, day(3, hour=6))
    assert (found.seen_at, found.run_id) == (day(3), run.run_id)
    assert (found.days, found.again, found.failed, found.is_stale) == (0, 0, 0, False)
    assert found.to_text() == "The newest package was first read on 2026-11-05."


def test_it_goes_stale_after_the_chosen_days(site: Site) -> None:
    """Seven days without a new package are stale, and an hour less is not."""
    had(site, day(0), sha256="a")
    assert not seen(site, day(7, hour=1)).is_stale
    found = seen(site, day(7))
    assert (found.days, found.is_stale, found.stale_after_days) == (7, True, 7)


def test_the_days_are_the_sites_choice(site: Site) -> None:
    """A site may choose more days, or no limit."""
    had(site, day(0), sha256="a")
    choose(site, stale_after_days=30)
    assert not seen(site, day(29)).is_stale
    assert seen(site, day(30)).is_stale
    choose(site, stale_after_days=None)
    assert not seen(site, day(300)).is_stale
    assert seen(site, day(300)).days == 300


def test_the_same_package_again_and_again_is_not_new(site: Site) -> None:
    """A package that is read again is as old as at its first reading."""
    first = had(site, day(0), sha256="a")
    for number in range(1, 8):
        had(site, day(number), "no_changes", sha256="a")
    found = seen(site, day(7, hour=6))
    assert (found.seen_at, found.run_id) == (day(0), first.run_id)
    assert (found.again, found.is_stale) == (7, True)
    assert found.to_text() == (
        "The newest package was first read on 2026-11-02. "
        "7 syncs since have read the same package again."
    )


def test_an_older_package_that_comes_back_is_not_new(site: Site) -> None:
    """A package that was read earlier does not count as new, such as a restored backup."""
    had(site, day(0), sha256="a")
    had(site, day(1), sha256="b")
    had(site, day(2), sha256="a")
    found = seen(site, day(2, hour=6))
    assert (found.seen_at, found.again) == (day(1), 1)


def test_failures_are_counted_separately(site: Site) -> None:
    """The text distinguishes missing packages from a repeated export."""
    had(site, day(0), sha256="a")
    for number in range(1, 8):
        had(site, day(number), "failed")
    found = seen(site, day(7, hour=6))
    assert (found.again, found.failed, found.is_stale) == (0, 7, True)
    assert found.to_text() == (
        "The newest package was first read on 2026-11-02. "
        "No package at all has come since. 7 syncs failed before a package was read."
    )


def test_a_site_that_never_had_a_package_waits_from_its_beginning(site: Site) -> None:
    """A site without any package becomes stale after its creation."""
    made_at(site, day(0))
    assert not seen(site, day(6)).is_stale
    found = seen(site, day(7))
    assert (found.seen_at, found.run_id, found.days, found.is_stale) == (None, None, 7, True)
    assert found.to_text() == "No package has been read since the site was made on 2026-11-02."


def test_a_rejected_package_is_one_that_came(site: Site) -> None:
    """A rejected package counts as an export: the rejection has its own notification."""
    had(site, day(0), sha256="a")
    had(site, day(5), "rejected", sha256="b")
    assert seen(site, day(7)).days == 2


def test_where_nothing_was_no_package_came(site: Site) -> None:
    """A path at which there is nothing has no hash, so that it is not taken for a new export."""
    assert site.sync(site.folder / "nothing.zip")["outcome"] == "rejected"
    found = seen(site, day(999))
    assert (found.seen_at, found.again, found.failed) == (None, 0, 0)


def test_an_undo_reads_no_package(site: Site) -> None:
    """An undo neither makes a site fresh nor counts as a failure."""
    run = had(site, day(0), sha256="a")
    had(site, day(1), "failed", undoes=run.run_id)
    found = seen(site, day(7))
    assert (found.days, found.failed) == (7, 0)


def test_days_of_a_pause_do_not_count(site: Site) -> None:
    """Two weeks of holidays are not two weeks without a package."""
    holidays = PauseWindow(first_on=day(2).date(), last_on=day(15).date())
    choose(site, pause_windows=(holidays,))
    had(site, day(0), sha256="a")
    assert not seen(site, day(16)).is_stale
    found = seen(site, day(21))
    assert (found.days, found.is_stale) == (7, True)
    assert not seen(site, day(21, hour=1)).is_stale


def test_pauses_that_overlap_count_once(site: Site) -> None:
    """Two windows over the same days count these days once."""
    days = [PauseWindow(first_on=day(a).date(), last_on=day(b).date()) for a, b in [(1, 3), (2, 4)]]
    choose(site, pause_windows=tuple(days))
    had(site, day(0), sha256="a")
    assert seen(site, day(11)).days == 7


def test_stale_site_is_not_reported_during_a_pause(site: Site) -> None:
    """A stale site is not reported during a pause."""
    summer = PauseWindow(first_on=day(10).date(), last_on=day(60).date())
    choose(site, pause_windows=(summer,))
    had(site, day(0), sha256="a")
    assert seen(site, day(9)).is_stale
    assert not seen(site, day(10)).is_stale
    assert not seen(site, day(60)).is_stale
    assert seen(site, day(61)).is_stale


def test_sites_do_not_share_packages(site: Site) -> None:
    """The packages of another site do not count."""
    had(site, day(0), sha256="a")
    other = type(site)(f"{site.name}-other", site.folder)
    other.command("init", "--admin", "admin@district.example")
    had(other, day(3), sha256="b")
    assert seen(site, day(5)).seen_at == day(0)


def test_a_moment_knows_nothing_of_later_ones(site: Site) -> None:
    """The freshness at an earlier time ignores later packages."""
    had(site, day(0), sha256="a")
    had(site, day(9), sha256="b")
    assert seen(site, day(8)).seen_at == day(0)


def test_unknown_site_is_an_error(site: Site) -> None:
    """An unknown site is an error, and not a site without packages."""
    other = type(site)("nowhere", site.folder)
    with pytest.raises(UnknownSiteError, match="no site 'nowhere'"):
        seen(other, day(0))
