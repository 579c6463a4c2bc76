"""Plan the changes of a sites file, with a hash, and apply exactly this plan.

The transaction that applies a plan makes it again under its locks, so the plan always matches the
current state. With the hash of a plan, either that plan is applied or nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from oneroster_sync import database
from oneroster_sync.database import locks
from oneroster_sync.errors import ConflictError
from oneroster_sync.operations import site_lifecycle
from oneroster_sync.operations.sites_file import ARCHIVED, judged, merged
from oneroster_sync.operations.strict_yaml import WrongFileError
from oneroster_sync.sites import preferences_store as preferences
from oneroster_sync.sites import registry
from oneroster_sync.sites.preferences import Preferences, Settings
from oneroster_sync.standard.logins import normalize_login

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from oneroster_sync.operations.sites_file import Wanted
    from oneroster_sync.operations.strict_yaml import Wrong
    from oneroster_sync.sites.registry import Site


class OtherPlanError(ConflictError):
    """The current plan is not the plan with the given hash."""


class Action(StrEnum):
    """Action on a site; the order is that in which actions are done."""

    CREATE = "create"
    RESTORE = "restore"
    CHANGE = "change"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Change:
    """Planned change of one site.

    Attributes:
        site: Name of the site.
        actions: Actions in order; empty if nothing changes.
        version: Version of the preferences from which the plan was made; 0 for a new site.
        preferences: Dotted name, value before, value after.
        settings: All preferences of the site after the change.
    """

    site: str
    actions: tuple[Action, ...]
    version: int
    preferences: tuple[tuple[str, Any, Any], ...]
    settings: dict[str, Any] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the change as a JSON object, which is shown and hashed."""
        changes = [
            {"preference": name, "before": before, "after": after}
            for name, before, after in self.preferences
        ]
        actions = [action.value for action in self.actions]
        named = {"site": self.site, "actions": actions, "version": self.version}
        return {**named, "changes": changes}


@dataclass(frozen=True, slots=True)
class SitesPlan:
    """Planned changes of a sites file, sorted by the name of the site."""

    changes: tuple[Change, ...]

    def hash(self) -> str:
        """Return the sha256 of the plan."""
        # Sorted keys, so that the hash depends on what is planned and not on the order of code.
        document = json.dumps([change.as_dict() for change in self.changes], sort_keys=True)
        return hashlib.sha256(document.encode()).hexdigest()

    def sites_to(self, action: Action) -> list[str]:
        """Return the sites with an action."""
        return [change.site for change in self.changes if action in change.actions]


def make_plan(wanted: Wanted, *, archive_missing: bool = False) -> SitesPlan:
    """Plan the changes of a sites file, without changing anything.

    Args:
        wanted: Content of the file.
        archive_missing: Whether to archive sites that are not in the file.

    Raises:
        WrongFileError: The file has invalid values.
    """
    with database.engine().connect() as connection:
        return _planned(connection, wanted, archive_missing)


def apply(
    wanted: Wanted,
    *,
    by: str,
    now: dt.datetime,
    plan_hash: str | None = None,
    archive_missing: bool = False,
) -> SitesPlan:
    """Apply a sites file, all of it or nothing, and return the applied plan.

    Args:
        wanted: Content of the file.
        by: Who applies the file.
        now: The time.
        plan_hash: Hash of the plan that the person saw; None accepts any plan.
        archive_missing: Whether to archive sites that are not in the file.

    Raises:
        WrongFileError: The file has invalid values.
        OtherPlanError: The current plan has another hash.
        LastSiteError: No site would be left.
        BusyError: A run of a site to archive still works after `site_lifecycle.WAIT_S`.
    """
    # Turns come before the transaction: a stage may hold one for minutes, and the transaction would
    # keep the list of sites locked meanwhile. So the first plan only says whose turns to take.
    leaving = make_plan(wanted, archive_missing=archive_missing).sites_to(Action.ARCHIVE)
    with locks.hold_site_turns(database.engine(), leaving, wait_s=site_lifecycle.WAIT_S):
        with database.engine().begin() as connection:
            registry.lock_list(connection)
            for site in sorted({*wanted.settings, *leaving}):
                database.lock_site(connection, site)
            plan = _planned(connection, wanted, archive_missing)
            current = plan.hash()
            if plan_hash not in {None, current} or plan.sites_to(Action.ARCHIVE) != leaving:
                raise OtherPlanError(
                    f"the plan is {current} now, not the one that you name: the file or "
                    "the sites have changed; look at the plan again, then apply it"
                )
            for change in plan.changes:
                _do(connection, change, by, now)
            ended = site_lifecycle.archive_sites(connection, leaving, by=by, now=now)
        site_lifecycle.record_ended(ended, now=now)
    return plan


def _planned(connection: Connection, wanted: Wanted, archive_missing: bool) -> SitesPlan:  # noqa: FBT001
    there = registry.all_sites(connection)
    changes: list[Change] = []
    wrong: list[Wrong] = []
    for site in sorted(wanted.settings):
        try:
            change = (
                _new(wanted, site) if site not in there else _due(connection, wanted, there[site])
            )
        except WrongFileError as error:
            wrong += error.wrong
        else:
            changes.append(change)
    if wrong:
        raise WrongFileError(wrong)
    if archive_missing:
        changes += _missing(connection, wanted, there.values())
    due = sorted((change for change in changes if change.actions), key=lambda change: change.site)
    return SitesPlan(tuple(due))


def _new(wanted: Wanted, site: str) -> Change:
    """Return the change that makes a new site."""
    given = wanted.settings[site]
    if wanted.archived.get(site):
        message = "the site does not exist, so it can't be archived"
        raise WrongFileError([wanted.wrong(site, (ARCHIVED,), message, "an existing site")])
    default = Settings().model_dump(mode="json")
    chosen, wrong = judged(wanted, site, merged(default, given))
    admin = given.get("credited_admin")
    if not site_lifecycle.is_address(admin):
        message = "the site is new and has no administrator"
        if admin is not None:
            message = "this is not an e-mail address"
        expected = "the e-mail address of its administrator, whose account is made too"
        wrong = [it for it in wrong if not it.where.endswith(".credited_admin")]
        wrong.append(wanted.wrong(site, ("credited_admin",), message, expected))
    if wrong or chosen is None:
        raise WrongFileError(wrong)
    after = chosen.model_dump(mode="json")
    return Change(site, (Action.CREATE,), 0, tuple(_differences(default, after)), after)


def _due(connection: Connection, wanted: Wanted, there: Site) -> Change:
    """Return the change of an existing site."""
    site, given = there.site, dict(wanted.settings[there.site])
    chosen = preferences.load(connection, site)
    before = chosen.settings().model_dump(mode="json")
    # Addresses that differ only in spelling are one login, and no change.
    admin, named = before["credited_admin"], given.get("credited_admin")
    if (
        isinstance(admin, str)
        and isinstance(named, str)
        and normalize_login(admin) == normalize_login(named)
    ):
        given["credited_admin"] = admin
    values = merged(before, given)
    actions, after = [], before
    if values != before:
        after = _changed(connection, wanted, chosen, values)
    archived = wanted.archived.get(site, there.is_archived)
    if there.is_archived and not archived:
        actions.append(Action.RESTORE)
    differences = tuple(_differences(before, after))
    if differences:
        actions.append(Action.CHANGE)
    if archived and not there.is_archived:
        actions.append(Action.ARCHIVE)
    if archived and there.is_archived and differences:
        message = "the site is archived, so its preferences can't be changed"
        expected = "archived: false, which restores it, or no other preferences"
        raise WrongFileError([wanted.wrong(site, (), message, expected)])
    return Change(site, tuple(actions), chosen.version, differences, after)


def _changed(
    connection: Connection, wanted: Wanted, chosen: Preferences, values: dict[str, Any]
) -> dict[str, Any]:
    """Return an existing site's settings after the change, and check them."""
    site = chosen.site
    settings, wrong = judged(wanted, site, values)
    if wrong or settings is None:
        raise WrongFileError(wrong)
    admin = settings.credited_admin
    if admin is not None and preferences.find_admin(connection, site, admin) is None:
        message = f"{site} has no active account with this address"
        expected = "the e-mail address of an active account of the site"
        raise WrongFileError([wanted.wrong(site, ("credited_admin",), message, expected)])
    return settings.model_dump(mode="json")


def _missing(connection: Connection, wanted: Wanted, there: Iterable[Site]) -> list[Change]:
    """Return the changes that archive the sites which are not in the file."""
    changes = []
    for found in there:
        if found.site not in wanted.settings and not found.is_archived:
            version = preferences.load(connection, found.site).version
            changes.append(Change(found.site, (Action.ARCHIVE,), version, (), {}))
    return changes


def _do(connection: Connection, change: Change, by: str, now: dt.datetime) -> None:
    site, actions = change.site, change.actions
    if Action.CREATE in actions:
        admin = change.settings["credited_admin"]
        site_lifecycle.make(connection, site, admin, by=by, now=now, settings=change.settings)
    if Action.RESTORE in actions:
        site_lifecycle.restore_site(connection, site, by=by, now=now)
    if Action.CHANGE in actions:
        chosen = Preferences(site=site, version=change.version, **change.settings)
        preferences.save(connection, chosen, actor=by, now=now)


def _differences(before: Any, after: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    """Return (dotted name, before, after) for each difference, in the order of the settings."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: list[tuple[str, Any, Any]] = []
        for key in dict.fromkeys((*before, *after)):
            inner = f"{name}.{key}" if name else key
            found += _differences(before.get(key), after.get(key), inner)
        return found
    return [] if before == after else [(name, before, after)]
