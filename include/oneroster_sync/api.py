"""The public Python API: everything that changes a site's roster, in a few typed functions.

The command line is written on it, and so can a script be. Import the names from `oneroster_sync`,
not from here: `docs/reference/python-api.md` says what is promised about them.

Time is an argument. A function that takes longer than a moment asks a `clock` whenever it needs
to know the time, so that a test, or a replay of last month, decides what time it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from oneroster_sync import database, pipeline
from oneroster_sync.errors import UserError
from oneroster_sync.operations import approval
from oneroster_sync.roster import change_feed, stale_protection
from oneroster_sync.sites import preferences_store as store
from oneroster_sync.stages.diff.stage import left_alone

if TYPE_CHECKING:
    from oneroster_sync.pipeline import Request
    from oneroster_sync.roster.change_feed import ChangePage
    from oneroster_sync.roster.stale_protection import StaleCause
    from oneroster_sync.runs import Run
    from oneroster_sync.sites.preferences import Preferences

Clock = Callable[[], dt.datetime]
"""Tells the time, with a time zone."""


class PreferenceNameError(UserError, ValueError):
    """No preference has this name, or it can't be changed."""


class Undone(NamedTuple):
    """What came of an undo.

    Attributes:
        run: The run that takes the earlier one back.
        left_alone: A line for each record that it leaves as it is, with the reason.
    """

    run: Run
    left_alone: list[str]


def sync(request: Request, *, clock: Clock) -> Run:
    """Sync one package: all six stages, up to the first that ends the run.

    Args:
        request: What is asked for.
        clock: Tells the time.

    Returns:
        The run's record. Its `outcome` says how it ended: a package with errors, a held plan and
        a rejected package are outcomes, not exceptions.

    Raises:
        UnknownSiteError: The site has not been made.
        ArchivedSiteError: The site is archived.
    """
    return pipeline.sync(request, clock=clock)


def preview(request: Request, *, clock: Clock) -> Run:
    """Do everything but apply: what would a sync do, and would it be held?

    Args:
        request: What is asked for.
        clock: Tells the time.

    Returns:
        The run's record, with the counts of its plan and the reasons to hold it. Nothing is
        applied, and nobody can approve it.

    Raises:
        UnknownSiteError: The site has not been made.
        ArchivedSiteError: The site is archived.
    """
    return pipeline.preview(request, clock=clock)


def pending_removals(run: Run, run_id: str) -> Request | None:
    """Return the request for the run that brings another run's pending removals, or None.

    Where the site says that the rest of a plan goes on while its removals wait, a run can be
    applied without them. The request that is returned holds them for a decision.

    Args:
        run: As `sync` returned it.
        run_id: A UUID for the run that is to bring them.
    """
    return pipeline.make_removals_request(run, run_id)


def undo(request: Request, *, clock: Clock) -> Undone:
    """Take back what a run changed, or a part of it: a run with a plan, guards and an audit.

    Args:
        request: Who asks; `undoes` is the run to take back, and `undo_of` the part of it.
        clock: Tells the time.

    Raises:
        UnknownRunError: The site has had no such run.
        ArchivedSiteError: The site is archived.
    """
    if request.undoes is None:
        raise ValueError("an undo needs the id of the run to take back: Request(undoes=…)")
    run = pipeline.sync(request, clock=clock)
    return Undone(run, left_alone(run))


def approve(
    run_id: str, *, by: str, clock: Clock, plan_hash: str | None = None, reason: str = ""
) -> Run:
    """Approve a held plan and apply it.

    Args:
        run_id: The held run.
        by: Who approves, for the audit.
        clock: Tells the time.
        plan_hash: The plan that was looked at; the run's own when not given.
        reason: For the audit.

    Returns:
        The run: applied, or `superseded` when the roster moved since its plan was made.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: It does not wait, or somebody else decided first.
        OtherPlanError: `plan_hash` is not the run's plan.
    """
    return approval.approve(run_id, by=by, now=clock(), plan_hash=plan_hash, reason=reason)


def discard(
    run_id: str, *, by: str, clock: Clock, plan_hash: str | None = None, reason: str = ""
) -> Run:
    """Discard a held plan; nothing of it is applied.

    Args:
        run_id: The held run.
        by: Who discards, for the audit.
        clock: Tells the time.
        plan_hash: The plan that was looked at; the run's own when not given.
        reason: For the audit.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: It does not wait, or somebody else decided first.
        OtherPlanError: `plan_hash` is not the run's plan.
    """
    return approval.discard(run_id, by=by, now=clock(), plan_hash=plan_hash, reason=reason)


def create_site(site: str, *, admin: str, clock: Clock) -> bool:
    """Make a site with one hand-made administrator and default preferences.

    Args:
        site: Its name.
        admin: E-mail address of the administrator, to whom changes are credited.
        clock: Tells the time.

    Returns:
        Whether it was made; False when it was there already, and then nothing was changed.
    """
    with database.engine().begin() as connection:
        return store.make_site(connection, site, admin, now=clock())


def change_preferences(
    site: str, changes: Mapping[str, Any], *, by: str, clock: Clock
) -> Preferences:
    """Change some of a site's preferences; a dotted name changes one part of a group.

    Args:
        site: The site.
        changes: Name → value, as JSON has it: `{"scope": "users", "guards.users.percent": 5}`.
        by: Who changes them, for the audit.
        clock: Tells the time.

    Returns:
        The preferences as they are now.

    Raises:
        UnknownSiteError: The site has not been made.
        PreferenceNameError: A name is of a part that its group does not have, or of the site.
        pydantic.ValidationError: A value is out of bounds, or there is no such preference.
        ConflictError: Somebody else saved at the same moment.
        NoSuchAdminError: The credited administrator is no active account of the site.
    """
    with database.engine().begin() as connection:
        chosen = store.load(connection, site)
        values = chosen.model_dump(mode="json")
        for name, value in changes.items():
            _change(values, name, value)
        changed = type(chosen).model_validate(values)
        return store.save(connection, changed, actor=by, now=clock())


def list_changes(site: str, *, after: str = "0", limit: int = 1_000) -> ChangePage:
    """Return what changed a site's roster after a cursor, in order: the change feed.

    Everything that moves the version of the roster is in it: runs, undos, mappings and erasures.
    What was changed by hand is not.

    Args:
        site: The site.
        after: `ChangePage.next` of the page before, or VERSION alone for the end of a version of
            the roster, such as that of a copy of it.
        limit: How many changes at most, up to 10,000.

    Raises:
        UnknownSiteError: The site has not been made.
        CursorError: `after` is no cursor, or `limit` is not of 1 to 10,000.
        ChangesGoneError: Changes after the cursor are not kept: copy the roster again, and go on
            from the version of the copy.
    """
    with database.engine().connect() as connection:
        with connection.begin():
            store.load(connection, site)
        return change_feed.list_changes(connection, site, after, limit)


def stale_protections(site: str) -> list[StaleCause]:
    """Return what broken rows have protected for long, by cause.

    Args:
        site: The site.

    Raises:
        UnknownSiteError: The site has not been made.
    """
    with database.engine().connect() as connection:
        return stale_protection.list_stale(connection, site)


def preview_release(site: str, cause: str) -> dict[str, list[str]]:
    """Return what the next plan would take away if a cause were released, by kind of record.

    Args:
        site: The site.
        cause: `StaleCause.cause`.

    Raises:
        NotStaleError: Nothing is stale by this cause.
    """
    with database.engine().connect() as connection:
        return stale_protection.preview_release(connection, site, cause)


def release_protection(
    site: str, cause: str, *, by: str, clock: Clock, reason: str = ""
) -> StaleCause:
    """Release what one cause protects: the next plan takes the records for absent.

    Args:
        site: The site.
        cause: `StaleCause.cause`.
        by: Who decides; the audit of the removals names them.
        clock: Tells the time.
        reason: For the audit.

    Raises:
        NotStaleError: Nothing is stale by this cause.
        ArchivedSiteError: The site is archived.
    """
    return stale_protection.release(site, cause, by=by, now=clock(), reason=reason)


def _change(values: dict[str, Any], name: str, value: Any) -> None:
    if name == "site":
        raise PreferenceNameError("the name of a site can't be changed")
    group, dot, part = name.partition(".")
    if not dot:
        values[name] = value
    elif isinstance(values.get(group), dict):
        _change(values[group], part, value)
    else:
        raise PreferenceNameError(f"{group} has no parts that could be set")
