"""The public Python API: typed functions that change a site's roster and preferences.

The command line and scripts use this API. Import the names from `oneroster_sync`, not from here:
`docs/reference/python-api.md` lists which of them are stable.

Time is an argument: functions call `clock` whenever they need the time, so that a test, or a replay
of last month, can set it.
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
"""A function that returns the current time, with a time zone."""


class PreferenceNameError(UserError, ValueError):
    """No preference has this name, or it can't be changed."""


class Undone(NamedTuple):
    """The result of an undo.

    Attributes:
        run: The run that undoes the earlier run.
        left_alone: A line for each record that it does not change, with the reason.
    """

    run: Run
    left_alone: list[str]


def sync(request: Request, *, clock: Clock) -> Run:
    """Sync one package: run the six stages until one of them ends the run.

    Args:
        request: The site, the package and the options of the run.
        clock: Returns the current time.

    Returns:
        The run's record. Its `outcome` says how it ended: a package with errors, a held plan and a
        rejected package are outcomes, not exceptions.

    Raises:
        UnknownSiteError: The site does not exist.
        ArchivedSiteError: The site is archived.
    """
    return pipeline.sync(request, clock=clock)


def preview(request: Request, *, clock: Clock) -> Run:
    """Run all stages of a sync except apply, to see its plan and whether it would be held.

    Args:
        request: The site, the package and the options of the run.
        clock: Returns the current time.

    Returns:
        The run's record, with the counts of its plan and the reasons to hold it. The plan is not
        applied and can't be approved.

    Raises:
        UnknownSiteError: The site does not exist.
        ArchivedSiteError: The site is archived.
    """
    return pipeline.preview(request, clock=clock)


def pending_removals(run: Run, run_id: str) -> Request | None:
    """Return the request for the follow-up run that holds this run's removals, or None.

    If the site's preferences allow it, a plan beyond a threshold is applied without its removals.
    The follow-up run holds these removals for approval.

    Args:
        run: The run that `sync` returned.
        run_id: A UUID for the follow-up run.
    """
    return pipeline.make_removals_request(run, run_id)


def undo(request: Request, *, clock: Clock) -> Undone:
    """Undo the changes of a run, or a part of them, by a run with a plan, guards and an audit.

    Args:
        request: The request; `undoes` is the run to undo, and `undo_of` the part of it.
        clock: Returns the current time.

    Raises:
        UnknownRunError: The site has no such run.
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
        by: The person who approves, for the audit.
        clock: Returns the current time.
        plan_hash: Hash of the plan that the person saw; by default the run's plan is approved.
        reason: For the audit.

    Returns:
        The run: applied, or `superseded` if the roster changed after its plan was made.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: The run is not held, or another person decided first.
        OtherPlanError: `plan_hash` is not the hash of the run's plan.
    """
    return approval.approve(run_id, by=by, now=clock(), plan_hash=plan_hash, reason=reason)


def discard(
    run_id: str, *, by: str, clock: Clock, plan_hash: str | None = None, reason: str = ""
) -> Run:
    """Discard a held plan; nothing of it is applied.

    Args:
        run_id: The held run.
        by: The person who discards, for the audit.
        clock: Returns the current time.
        plan_hash: Hash of the plan that the person saw; by default the run's plan is discarded.
        reason: For the audit.

    Raises:
        UnknownRunError: There is no such run.
        NotHeldError: The run is not held, or another person decided first.
        OtherPlanError: `plan_hash` is not the hash of the run's plan.
    """
    return approval.discard(run_id, by=by, now=clock(), plan_hash=plan_hash, reason=reason)


def create_site(site: str, *, admin: str, clock: Clock) -> bool:
    """Create a site with one administrator and default preferences.

    Args:
        site: The name of the site.
        admin: E-mail address of the administrator, to whom changes are credited.
        clock: Returns the current time.

    Returns:
        True if the site was created, False if it existed; then nothing was changed.
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
        by: The person who changes them, for the audit.
        clock: Returns the current time.

    Returns:
        The changed preferences.

    Raises:
        UnknownSiteError: The site does not exist.
        PreferenceNameError: A dotted name does not belong to a group, or the name is `site`.
        pydantic.ValidationError: A value is out of bounds, or there is no such preference.
        ConflictError: Another person saved at the same time.
        NoSuchAdminError: The credited administrator is not an active account of the site.
    """
    with database.engine().begin() as connection:
        chosen = store.load(connection, site)
        values = chosen.model_dump(mode="json")
        for name, value in changes.items():
            _change(values, name, value)
        changed = type(chosen).model_validate(values)
        return store.save(connection, changed, actor=by, now=clock())


def list_changes(site: str, *, after: str = "0", limit: int = 1_000) -> ChangePage:
    """Return the changes of a site's roster after a cursor, in order: the change feed.

    The feed holds all changes that increase the version of the roster: by runs, undos, mappings and
    erasures. Changes made by hand are not in it.

    Args:
        site: The site.
        after: `ChangePage.next` of the previous page, or VERSION alone for all changes after this
            version of the roster, for example the version of a copy.
        limit: Most changes to return, up to 10,000.

    Raises:
        UnknownSiteError: The site does not exist.
        CursorError: `after` is not a cursor, or `limit` is not between 1 and 10,000.
        ChangesGoneError: Changes after the cursor were deleted: copy the roster again, and continue
            from the version of the copy.
    """
    with database.engine().connect() as connection:
        # In a transaction of its own, because the feed begins one with another isolation level.
        with connection.begin():
            store.load(connection, site)
        return change_feed.list_changes(connection, site, after, limit)


def stale_protections(site: str) -> list[StaleCause]:
    """Return the records that rows with errors have protected for long, by cause.

    Args:
        site: The site.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    with database.engine().connect() as connection:
        return stale_protection.list_stale(connection, site)


def preview_release(site: str, cause: str) -> dict[str, list[str]]:
    """Return the records that the next plan would remove if a cause were released, by kind.

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
    """Release the records that a cause protects: the next plan treats them as absent.

    Args:
        site: The site.
        cause: `StaleCause.cause`.
        by: The person who decides, named in the audit of the removals.
        clock: Returns the current time.
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
