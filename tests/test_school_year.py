"""A pause for the summer is proposed before the last term ends, and thresholds have examples."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from golden.school import SCHOOL
from oneroster_sync import database
from oneroster_sync.operations.threshold_examples import HeldFrom, read_examples
from oneroster_sync.roster.reader import count_managed
from oneroster_sync.runs.holds import (
    find_fewest_known,
    find_first_held,
    find_first_many_errors,
    has_many_errors,
    is_beyond,
    knows_few,
)
from oneroster_sync.sites import preferences_store
from oneroster_sync.sites.preferences import PauseWindow
from oneroster_sync.sites.school_year import ProposedPause, find_end_of_year, propose_pause
from oneroster_sync.sites.thresholds import Guards, Limit
from past import choose

if TYPE_CHECKING:
    from conftest import Site

JUNE = dt.date(2027, 6, 11)


def proposed(site: Site, today: dt.date) -> ProposedPause | None:
    """Return the pause that is proposed to a site on a day."""
    with database.engine().connect() as connection:
        chosen = preferences_store.load(connection, site.name)
        return propose_pause(connection, chosen, today=today)


@pytest.fixture
def school(site: Site) -> Site:
    """A site whose package has one school year."""
    site.sync(SCHOOL)
    return site


def year_end(site: Site) -> dt.date:
    """Return the last day of the classes, according to the package's academicSessions."""
    ((found,),) = site.rows("select max(ends_on) from classes where site = :site")
    return dt.date.fromisoformat(found)


def test_a_pause_is_proposed_in_the_weeks_before_the_last_term_ends(school: Site) -> None:
    """A pause is proposed from eight weeks before the last day of school until that day."""
    end = year_end(school)
    week, day = dt.timedelta(weeks=1), dt.timedelta(days=1)
    found = proposed(school, end - 8 * week)
    assert found == ProposedPause(end + day, end + 9 * week, end)
    assert proposed(school, end) == found
    assert proposed(school, end - 8 * week - day) is None
    assert proposed(school, end + day) is None


@pytest.mark.parametrize(
    ("after", "is_planned"), [(1, True), (60, True), (-40, False), (70, False)]
)
def test_nothing_is_proposed_where_a_pause_is_planned(
    school: Site,
    after: int,
    is_planned: bool,  # noqa: FBT001  a case
) -> None:
    """No pause is proposed if a planned one touches its days; a spring break does not matter."""
    end = year_end(school)
    first = end + dt.timedelta(days=after)
    choose(school, pause_windows=(PauseWindow(first_on=first, last_on=first, note=""),))
    assert (proposed(school, end) is None) is is_planned


def test_a_site_without_classes_is_proposed_nothing(site: Site) -> None:
    """A site without a sync gets no proposal, because the end of its year is unknown."""
    assert proposed(site, JUNE) is None


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        (["2027-01-22", "2027-06-11"], JUNE),
        (["2027-06-11"], JUNE),
        (["2027-06-11", "2028-06-09"], JUNE),
        (["2027-06-11", "2027-12-17", "2028-06-09"], JUNE),
        (["2027-04-02", "2027-06-11", "2027-11-05", "2028-06-09"], dt.date(2027, 11, 5)),
        (["2026-06-12"], None),
        ([], None),
    ],
)
def test_the_end_of_a_semester_is_not_the_end_of_a_school_year(
    ends: list[str], found: dt.date | None
) -> None:
    """A school year ends before half a year without an ending class, even if the next is listed."""
    today = dt.date(2026, 12, 1)
    assert find_end_of_year(map(dt.date.fromisoformat, ends), today=today) == found


@pytest.mark.parametrize(
    "limit",
    [
        Limit(),
        Limit(percent=0, minimum=1),
        Limit(percent=100, minimum=5),
        Limit(percent=2.5, minimum=3, cap=7),
        Limit(percent=33.3, minimum=1, cap=0),
        Limit(percent=100, minimum=1000),
    ],
    ids=str,
)
def test_the_first_number_that_is_held_is_the_one_that_review_holds(limit: Limit) -> None:
    """The first held number of a page's example equals that of the guards' own rule."""
    for of in (0, 1, 7, 40, 333):
        first = find_first_held(of, limit)
        held = [found for found in range(of + 1) if is_beyond(found, of, limit)]
        assert first == (held[0] if held else None)
        percent = limit.percent
        wrong = [found for found in range(of + 1) if has_many_errors(found, of, percent)]
        assert find_first_many_errors(of, percent) == (wrong[0] if wrong else None)
        enough = [found for found in range(of + 1) if not knows_few(found, of, percent)]
        assert find_fewest_known(of, percent) == enough[0]


def test_examples_are_of_the_sites_own_roster(site: Site) -> None:
    """A site with a roster gets thresholds in its own numbers, a new site gets two examples."""
    with database.engine().connect() as connection:
        before = read_examples(connection, site.name, Guards())
    assert before.is_example
    assert before.guards["users"] == (HeldFrom(40, 5), HeldFrom(2000, 200))
    site.sync(SCHOOL)
    guards = Guards(users=Limit(percent=50, minimum=1), school=Limit(percent=50, minimum=2))
    with database.engine().connect() as connection:
        users = count_managed(connection, site.name)["users"]
        found = read_examples(connection, site.name, guards)
    assert not found.is_example
    assert users > 0
    assert found.guards["users"] == (HeldFrom(users, (users + 1) // 2),)
    assert found.guards["school"] == (HeldFrom(10, 5), HeldFrom(100, 50))
    assert found.known == HeldFrom(users, find_fewest_known(users, 50))
