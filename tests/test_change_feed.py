"""The change feed: a program that copies a roster once and then follows the feed has the roster."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from oneroster_sync import (
    ChangesGoneError,
    CursorError,
    RosterChange,
    UnknownSiteError,
    database,
    list_changes,
    read_roster,
)
from oneroster_sync.database import audit
from roster_of import SCHOOL, changed, run_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Site

NEXT_DAY = changed(SCHOOL, "users.csv", "Bob,Ray,bob@x.org", "Rob,Ray,bob@x.org")
LEFT = {
    name: "".join(line for line in text.splitlines(keepends=True) if "bob" not in line)
    for name, text in SCHOOL.items()
}
"""The school after Bob has left."""
VERSION = "select roster_version from sites where site = :site"


def follow(site: Site, after: str = "0", limit: int = 1_000) -> list[RosterChange]:
    """Return all changes after a cursor, page by page."""
    found: list[RosterChange] = []
    while True:
        page = list_changes(site.name, after=after, limit=limit)
        found += page.changes
        if not page.changes:
            return found
        after = page.next


class Copy:
    """A copy of a roster, as another program would build it from the feed alone."""

    def __init__(self) -> None:
        """Start without records."""
        self.records: dict[tuple[Any, ...], dict[str, Any]] = {}

    def apply(self, change: RosterChange) -> None:
        """Apply a change of the feed."""
        key = (change.kind, change.user_id, change.course_id)
        if change.action == "erased":
            self.records[key] = {"sourced_id": change.sourced_id, "status": "inactive"}
        else:
            self.records[key] = {**self.records.get(key, {}), **(change.after or {})}

    def statuses(self) -> dict[tuple[Any, ...], str]:
        """Return the status of each record."""
        return {key: record["status"] for key, record in self.records.items()}


STORED = """
select 'user', id, null, status from users where site = :site and sourced_id is not null
union all select 'course', null, id, status from courses where site = :site
union all select 'assignment', user_id, course_id, status from course_assignments where site = :site
"""


def stored(site: Site) -> dict[tuple[Any, ...], str]:
    """Return the status of each record of the roster itself."""
    return {(kind, user, course): status for kind, user, course, status in site.rows(STORED)}


@pytest.fixture
def moved(site: Site) -> Site:
    """A site with a roster that runs, an undo, a mapping and an erasure changed, in this order."""
    site.sync(SCHOOL)
    left = site.sync(LEFT)
    site.command("undo", left["run_id"])
    site.sync(NEXT_DAY)
    ids = site.folder / "ids.csv"
    ids.write_text("kind,oldSourcedId,newSourcedId\nuser,bob,bob-2\n", "utf-8")
    assert site.command("sync", ids, "--kind", "ids")[1]["outcome"] == "succeeded"
    assert site.sync(LEFT)["outcome"] == "succeeded"
    assert site.command("erase", "bob-2")[0] == 0
    assert site.rows(VERSION) == [(7,)]
    return site


@pytest.mark.case("d40")
def test_copy_that_follows_the_feed_is_the_roster(moved: Site) -> None:
    """The feed holds every version in order, and its changes rebuild the same roster."""
    changes = follow(moved)
    assert [(c.version, c.seq) for c in changes] == sorted((c.version, c.seq) for c in changes)
    assert {change.version for change in changes} == {1, 2, 3, 4, 5, 6, 7}
    assert {change.action for change in changes} == {
        *("add", "update", "deactivate", "reactivate", "remove", "rekey", "erased")
    }
    copy = Copy()
    for change in changes:
        copy.apply(change)
    assert copy.statuses() == stored(moved)
    assert all(change.made_at.tzinfo == dt.UTC for change in changes)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 1_000])
def test_pages_of_any_size_hold_the_same_and_mark_version_ends(moved: Site, limit: int) -> None:
    """No change is missing or repeated, and the last page of each version is marked as the last."""
    found: list[RosterChange] = []
    ends: list[int] = []
    after = "0"
    while (page := list_changes(moved.name, after=after, limit=limit)).changes:
        found += page.changes
        after = page.next
        if page.version_complete:
            ends.append(page.changes[-1].version)
        assert page.roster_version == 7
    assert found == follow(moved)
    last = {change.version: change for change in found}
    assert {7} <= set(ends) <= set(last)
    if limit == 1:
        assert ends == [1, 2, 3, 4, 5, 6, 7]
    assert page.version_complete
    assert page.next == after


@pytest.mark.case("d40")
def test_an_erasure_is_a_version_with_ids_only(moved: Site) -> None:
    """An erasure in the feed has ids only, and older changes no longer name the person."""
    *older, erased = follow(moved)
    ((user, run),) = moved.rows(
        "select user_id, run_id from changes where site = :site and action = 'erased'"
    )
    alias = f"erased-{user}"
    assert (erased.version, erased.kind, erased.action) == (7, "user", "erased")
    assert (erased.user_id, erased.sourced_id, run) == (user, alias, None)
    assert (erased.before, erased.after, erased.run_id, erased.course_id) == (None,) * 4
    texts = [json.dumps(asdict(change), default=str) for change in older]
    assert not [text for text in texts if "bob" in text.casefold() or "Ray" in text]
    assert sum(change.user_id == user and change.kind == "user" for change in older) >= 5


def test_an_erasure_that_fails_leaves_no_version(site: Site, monkeypatch: Any) -> None:
    """The feed's row, the version and the erasure are committed together or not at all."""
    site.sync(SCHOOL)
    site.sync(LEFT)
    before = follow(site), site.rows(VERSION), site.users()

    def fail(*_: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(audit, "erase_person", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        site.command("erase", "bob")
    assert (follow(site), site.rows(VERSION), site.users()) == before


def test_a_version_without_a_change_is_passed(site: Site) -> None:
    """When only classes or enrollments change, the cursor moves on to that version."""
    site.sync(SCHOOL)
    twice = changed(SCHOOL, "enrollments.csv", "e3,", "e4,a1,bob,teacher\ne3,")
    assert site.sync(twice)["outcome"] == "no_changes"
    assert site.rows(VERSION) == [(2,)]
    page = list_changes(site.name, after="1")
    assert (page.changes, page.next, page.version_complete) == ((), "2.0", True)
    site.sync(NEXT_DAY)
    (change,) = list_changes(site.name, after=page.next).changes
    assert (change.version, change.action, change.sourced_id) == (3, "update", "bob")


def test_a_run_that_changes_nothing_is_not_in_it(site: Site) -> None:
    """The same package, a held plan and a rejected package add nothing to the feed."""
    site.sync(SCHOOL)
    page = list_changes(site.name)
    assert site.sync(SCHOOL)["outcome"] == "no_changes"
    site.command("preferences", "--set", 'guards.users={"percent": 0, "minimum": 1, "cap": 0}')
    assert site.sync(LEFT)["outcome"] == "held"
    assert site.sync({"users.csv": "nonsense"})["outcome"] == "rejected"
    assert list_changes(site.name, after=page.next).changes == ()


def test_a_change_by_hand_is_in_the_copy_only(site: Site) -> None:
    """A change by hand is in a copy of the roster, but not in the feed."""
    site.sync(SCHOOL)
    with database.engine().begin() as connection:
        query = "update users set given_name = 'Hand' where site = :site and sourced_id = 'ann'"
        connection.execute(sa.text(query), {"site": site.name})
    frames = read_roster(site.name)
    version = frames["users"].attrs["roster_version"]
    assert version == 1
    assert "Hand" in set(frames["users"]["given_name"])
    site.sync(NEXT_DAY)
    after = follow(site, str(version))
    # The next run overwrites the hand-made change, and the feed has this correction.
    assert {(c.sourced_id, c.action) for c in after} == {("ann", "update"), ("bob", "update")}


@pytest.mark.case("d40")
def test_a_version_that_is_not_committed_is_not_seen(site: Site) -> None:
    """While a plan is applied the feed ends before its version; after it, all changes are there."""
    site.sync(SCHOOL)
    before = list_changes(site.name)
    with database.engine().connect() as holding:
        # Apply writes its changes first and the new version last, and the version waits for this
        # lock.
        query = "select from sites where site = :site for no key update"
        holding.execute(sa.text(query), {"site": site.name})
        syncing = threading.Thread(target=site.sync, args=(LEFT,))
        syncing.start()
        wait_until(lambda: site.rows(_WAITS))
        assert list_changes(site.name, after=before.next).changes == ()
        holding.rollback()
    syncing.join()
    page = list_changes(site.name, after=before.next)
    assert [(c.version, c.action) for c in page.changes] == [(2, "deactivate"), (2, "remove")]


_WAITS = """
select from pg_stat_activity
where wait_event_type = 'Lock' and query like 'update sites set roster_version%'
"""


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until a condition of another thread holds."""
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.case("d40")
def test_changes_that_expired_are_gone(moved: Site) -> None:
    """A cursor before the retention gets an error that asks for a new copy; later ones go on."""
    changes = follow(moved)
    old = [change for change in changes if change.version <= 3][-1]
    later = next(change.made_at for change in changes if change.version == 4)
    with database.engine().begin() as connection:
        dropped = audit.drop_changes(connection, moved.name, before=later)
    assert dropped == sum(change.version <= 3 for change in changes)
    for behind in ("0", "1", "2.0", f"3.{old.seq - 1}"):
        with pytest.raises(ChangesGoneError, match="copy the roster again") as gone:
            list_changes(moved.name, after=behind)
        assert gone.value.code == "changes.gone"
    rest = [change for change in changes if change.version > 3]
    assert follow(moved, f"3.{old.seq}") == rest
    assert follow(moved, "3") == rest
    with database.engine().begin() as connection:
        # A retention that deletes nothing, or less than before, makes no old cursor valid.
        assert audit.drop_changes(connection, moved.name, before=old.made_at) == 0
    assert follow(moved, "3") == rest


def test_a_cursor_after_the_roster_is_refused(moved: Site) -> None:
    """A cursor after the roster's version means a restored backup: new changes would be omitted."""
    with pytest.raises(ChangesGoneError, match="restored from a backup"):
        list_changes(moved.name, after="8")
    assert list_changes(moved.name, after="7").changes == ()


def test_a_cursor_that_is_no_change_of_the_site_is_refused(moved: Site) -> None:
    """A cursor of another site or of a restored database is refused: changes would be left out."""
    second = [change.seq for change in follow(moved) if change.version == 2]
    for seq in (max(second) + 1_000_000, min(second) - 1):
        with pytest.raises(ChangesGoneError, match="is no change of this roster") as gone:
            list_changes(moved.name, after=f"2.{seq}")
        assert gone.value.code == "changes.gone"
    for good in ("2.0", "2", f"2.{max(second)}"):
        assert list_changes(moved.name, after=good).changes


def test_pages_go_on_while_the_roster_moves(site: Site) -> None:
    """Runs, an undo and retention between two pages skip, repeat and split no change."""
    site.sync(SCHOOL)
    left = site.sync(LEFT)
    moves: list[Callable[[], object]] = [
        lambda: site.command("undo", left["run_id"]),
        lambda: site.sync(NEXT_DAY),
        lambda: site.sync(LEFT),
        lambda: site.command("erase", "bob"),
    ]
    found: list[RosterChange] = []
    after = "0"
    while (page := list_changes(site.name, after=after, limit=2)).changes:
        found += page.changes
        after = page.next
        if moves:
            moves.pop(0)()
    assert not moves
    assert [(c.version, c.seq) for c in found] == [(c.version, c.seq) for c in follow(site)]
    copy = Copy()
    for change in found:
        copy.apply(change)
    assert copy.statuses() == stored(site)

    one = list_changes(site.name, limit=1)
    with database.engine().begin() as connection:
        until = found[-1].made_at + dt.timedelta(microseconds=1)
        audit.drop_changes(connection, site.name, before=until)
    with pytest.raises(ChangesGoneError, match="no longer kept"):
        list_changes(site.name, after=one.next)
    assert list_changes(site.name, after=after).changes == ()


@pytest.mark.parametrize(
    "after", ["1\n", "", "x", "1.", ".1", "-1", "1.2.3", "1e3", "1" * 19, "\u0661"]
)
def test_invalid_cursor_is_refused(site: Site, after: str) -> None:
    """An invalid cursor is refused with a message before it reaches the database."""
    with pytest.raises(CursorError, match="is not a cursor"):
        list_changes(site.name, after=after)


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_page_has_a_size(site: Site, limit: int) -> None:
    """A limit out of bounds is refused."""
    with pytest.raises(CursorError, match="a page has 1 to 10,000 changes"):
        list_changes(site.name, limit=limit)


def test_unknown_site_is_refused() -> None:
    """An unknown site has no feed."""
    with pytest.raises(UnknownSiteError):
        list_changes("nowhere")


def test_the_command_names_ids_only(moved: Site) -> None:
    """`oneroster changes` prints ids and the next cursor, a line for each change, and no names."""
    words = run_command(moved, "changes", "--after", "6")[1]
    user = moved.rows("select id from users where site = :site and erased_at is not null")[0][0]
    assert re.search(rf"7\.\d+ erased user sourcedId erased-{user}, user_id {user}", words)
    assert re.search(r"next: 7\.\d+", words)
    everything = run_command(moved, "changes")[1]
    assert not [word for word in ("Ann", "Lee", "@x.org") if word in everything]
    page = moved.command("changes", "--limit", "3")[1]
    assert len(page["changes"]) == 3
    assert not page["version_complete"]
