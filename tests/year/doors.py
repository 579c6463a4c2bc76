"""The operations of a simulated site, at simulated times.

A scheduled run lists its source twice, two seconds apart; only the first slot of each month and the
slots without a package start that way. All others get the package that the product itself would
choose from the drop folder.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import uuid
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync import Request, database, runs, sync, undo
from oneroster_sync.operations import approval
from oneroster_sync.pipeline import make_removals_request
from oneroster_sync.runs import Outcome, Trigger
from oneroster_sync.sites import preferences_store as preferences
from oneroster_sync.sources.errors import NoSourceError
from oneroster_sync.sources.local import newest_package
from oneroster_sync.standard.kinds import Kind
from oneroster_sync.standard.logins import normalize_login
from year.soak import Soak

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site
    from oneroster_sync.runs import Run
    from oneroster_sync.sites.preferences import Preferences
    from year.tally import Tally

_BY_HAND = """
insert into users (site, given_name, family_name, email, login, role, status, managed)
values (:site, 'By', 'Hand', :email, :login, 'teacher', 'active', false)
"""
_ERRORS = """
select distinct code from run_findings where run_id::text = :run_id and severity = 'error'
"""
_BECAME = """
select outcome, count(*) from runs
where site = :site and expires_at is not null group by outcome
"""
_CAME = """
select sourced_id from changes
where run_id::text = :run_id and kind = 'user' and action in ('add', 'reactivate')
"""
_BEFORE = dt.timedelta(hours=3)
"""How long before a sync its package is written."""


class Doors:
    """One site, its drop folder and its clock."""

    def __init__(self, site: Site, tally: Tally, now: dt.datetime) -> None:
        """Make the drop folder, which the site's scheduled syncs read."""
        self.site = site
        self.tally = tally
        self.now = now
        self.drop = site.folder / "drop"
        self.drop.mkdir()
        self._runs = itertools.count()
        self._soak = Soak(tally)

    # Preferences and accounts

    def preferences(self) -> Preferences:
        """Return the site's preferences."""
        with database.engine().connect() as connection:
            return preferences.load(connection, self.site.name)

    def save(self, **settings: Any) -> None:
        """Save some of the site's preferences."""
        with database.engine().begin() as connection:
            chosen = preferences.load(connection, self.site.name)
            chosen = chosen.model_copy(update=settings)
            preferences.save(connection, chosen, actor="the office", now=self.now)

    def make_account(self, email: str) -> None:
        """Make an account by hand."""
        bound = {"site": self.site.name, "email": email, "login": normalize_login(email)}
        with database.engine().begin() as connection:
            connection.execute(sa.text(_BY_HAND), bound)

    # The drop folder

    def put(self, name: str, content: bytes) -> Path:
        """Put a file of some hours ago into the drop folder, and keep two older ones there."""
        for old in sorted(self.drop.iterdir())[:-2]:
            old.unlink()
        path = self.drop / name
        path.write_bytes(content)
        at = (self.now - _BEFORE).timestamp()
        os.utime(path, (at, at))
        return path

    def empty(self) -> tuple[str, bytes]:
        """Empty the drop folder, and return the newest file."""
        newest = newest_package(self.drop)
        kept = newest.name, newest.read_bytes()
        for old in self.drop.iterdir():
            old.unlink()
        return kept

    # Runs

    def scheduled(self, *, by_itself: bool) -> Run:
        """Sync the drop folder's package; with `by_itself` the product lists the folder."""
        is_empty = not any(self.drop.iterdir())
        if not by_itself and not is_empty:
            return self.again()
        request = self._request(None, Trigger.SCHEDULE)
        if not is_empty:
            return self._noted(self._soak.sync(request, self.now))
        try:
            return self._noted(sync(request, clock=self._clock))
        except NoSourceError:
            return self._noted(runs.find(request.run_id))

    def again(self) -> Run:
        """Sync the newest package of the drop folder."""
        package = str(newest_package(self.drop))
        return self._noted(self._soak.sync(self._request(package, Trigger.COMMAND), self.now))

    def upload(self, path: Path, kind: Kind) -> Run:
        """Upload a file."""
        request = self._request(str(path), Trigger.UPLOAD, kind)
        return self._noted(self._soak.sync(request, self.now))

    def what_waits(self, run: Run) -> Run | None:
        """Start the follow-up run that holds a run's removals; None without removals."""
        request = make_removals_request(run, self._run_id())
        return self._noted(sync(request, clock=self._clock)) if request else None

    def undo(self, run_id: str) -> tuple[Run, list[str]]:
        """Undo a run, and return the undo with the records that it leaves alone."""
        request = replace(self._request(None, Trigger.COMMAND), undoes=run_id)
        done, left = undo(request, clock=self._clock)
        self.tally.decisions["undone"] += 1
        return self._noted(done), left

    def decide(self, run: Run, reason: str, *, approves: bool) -> Run:
        """Approve or discard exactly the held plan."""
        decide = approval.approve if approves else approval.discard
        now, plan = self.now, run.plan_hash
        run = decide(run.run_id, by="the office", now=now, plan_hash=plan, reason=reason)
        self.tally.decisions[f"{run.decision}"] += 1
        if run.applied_at is not None:
            self.tally.note_changes(run)
        return run

    def expire_due(self) -> None:
        """Let the product discard plans that expired without a decision."""
        approval.expire_due(self.now)

    # Results of runs

    def codes(self, run: Run) -> set[str]:
        """Return the reasons why a run was held or rejected."""
        if run.outcome is Outcome.REJECTED:
            return {code for (code,) in self.site.rows(_ERRORS, run_id=run.run_id)}
        return {hold["code"] for hold in run.holds}

    def came_with(self, run_id: str) -> set[str]:
        """Return the sourcedIds of the users that a run added or reactivated."""
        return {id_ for (id_,) in self.site.rows(_CAME, run_id=run_id)}

    def became(self) -> Counter[str]:
        """Return the number of held plans by their final outcome."""
        return Counter(dict(self.site.rows(_BECAME)))

    def _noted(self, run: Run) -> Run:
        self.tally.note_end(run)
        if run.applied_at is not None:
            self.tally.note_changes(run)
        return run

    def _request(self, package: str | None, trigger: Trigger, kind: Kind = Kind.PACKAGE) -> Request:
        return Request(
            run_id=self._run_id(),
            site=self.site.name,
            package=package,
            trigger=trigger,
            requested_by=str(trigger),
            kind=kind,
        )

    def _run_id(self) -> str:
        name = f"{self.site.name}/{self.tally.seed}/{next(self._runs)}"
        return str(uuid.uuid5(uuid.NAMESPACE_URL, name))

    def _clock(self) -> dt.datetime:
        return self.now
