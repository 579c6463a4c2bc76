"""Store the preferences of sites; a version detects two saves at the same time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync.database import lock_preferences
from oneroster_sync.database.plain import connect_briefly
from oneroster_sync.errors import ConflictError, NotFoundError, UserError
from oneroster_sync.sites import allow_list
from oneroster_sync.sites.preferences import STORED, Preferences
from oneroster_sync.sites.registry import refuse_archived
from oneroster_sync.standard.logins import normalize_login

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    from sqlalchemy.engine import Connection

_READ = """
select p.*, u.email as credited_admin
from preferences p
left join users u on u.id = p.credited_admin_id
where p.site = :site
"""
_MAY_RUN = """
and exists (select from sites s where s.site = p.site and s.archived_at is null and not off_asked)
"""
_WATCHED = f"""
select p.*, u.email as credited_admin
from preferences p
left join users u on u.id = p.credited_admin_id
where p.site = any(:sites) and p.started_by <> 'schedule' and p.source is not null
{_MAY_RUN} order by p.site
"""  # noqa: S608  names of our own
_COLUMNS = (
    "days",
    "time_utc",
    "time_zone",
    "pause_windows",
    "scope",
    "teacher_permission",
    "profile",
    "assignment_roles",
    "adopt_accounts",
    "guards",
    "approval_hours",
    "create_only_until",
    "expire_ended_terms",
    "stale_protection_runs",
    "stale_after_days",
    "done_within_hours",
    "notices",
    "source",
    "source_connection",
    "source_pattern",
    "source_after",
    "started_by",
    "encoding",
    "delimiter",
    "date_order",
)
_JSON = {"pause_windows", "guards", "notices"}


_SAVED = """
select p.saved_at, p.saved_by, coalesce(u.status = 'active', false) as admin_is_active
from preferences p left join users u on u.id = p.credited_admin_id
where p.site = :site
"""
# strpos, because % and _ of a name are no wildcards for it, as they would be for LIKE.
_ACCOUNTS = """
select email, coalesce(nullif(concat_ws(' ', given_name, family_name), ''), email) as name,
       role, managed
from users
where site = :site and status = 'active' and email is not null
  and strpos(lower(concat_ws(' ', given_name, family_name, email)), :term) > 0
order by role not like '%dministrator', name, email limit :limit
"""
_EVENTS = """
select at, actor, event, details from events
where site = :site and event in ('preferences_saved', 'sync_enabled', 'sync_disabled')
order by id desc limit :limit
"""


@dataclass(frozen=True, slots=True)
class Saved:
    """When and by whom preferences were saved, and whether the credited administrator is active."""

    at: dt.datetime
    by: str
    admin_is_active: bool


class UnknownSiteError(NotFoundError):
    """The site does not exist; the message says how to make it."""


class PreferencesConflictError(ConflictError):
    """Another person saved in the meantime; the message says what to do."""


class NoSuchAdminError(UserError):
    """The credited administrator has no active account in the site."""


def read(site: str) -> Preferences | None:
    """Return a site's preferences for the timetable, or None if it has none.

    Also return None while the site is archived, and after a restore until its sync is switched on.
    The scheduler calls this: it opens one short connection, never starts or migrates a database,
    and gives up after three seconds.

    Raises:
        psycopg.Error: The database does not answer.
    """
    from psycopg.rows import dict_row

    # The connection is psycopg's, which writes parameters in another way than SQLAlchemy.
    query = _READ.replace(":site", "%(site)s") + _MAY_RUN
    with connect_briefly() as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, {"site": site}).fetchone()
    return _as_preferences(row) if row else None


def read_watched(connection: Connection, sites: Collection[str]) -> list[Preferences]:
    """Return the preferences of those of `sites` whose syncs a new file may start."""
    bound = {"sites": list(sites)}
    rows = connection.execute(sa.text(_WATCHED), bound).mappings()
    return [_as_preferences(dict(row)) for row in rows]


def load(connection: Connection, site: str) -> Preferences:
    """Return a site's preferences.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    row = connection.execute(sa.text(_READ), {"site": site}).mappings().one_or_none()
    if row is None:
        raise UnknownSiteError(
            f"there is no site {site!r}; create it with: oneroster init --site {site} --admin EMAIL"
        )
    return _as_preferences(dict(row))


def save(
    connection: Connection,
    preferences: Preferences,
    *,
    actor: str,
    now: dt.datetime,
    everywhere: bool = True,
) -> Preferences:
    """Save a site's preferences and an audit event in the current transaction; return them.

    Args:
        connection: With a transaction.
        preferences: The new preferences, with the `version` that was read; the result has the next.
        actor: Who saves.
        now: The time.
        everywhere: Whether `actor` may decide for all sites. If so, the save allows the site its
            new values, unless the deployment sets the allowed values itself.

    Raises:
        PreferencesConflictError: Another person has saved since that version was read.
        NotAllowedError: The site may not use the source, the connection or a channel.
        NoSuchAdminError: The credited administrator has no active account in the site.
        ArchivedSiteError: The site is archived.
    """
    # Before the version is read: of two saves at once, the second has to see the first.
    lock_preferences(connection, preferences.site)
    refuse_archived(connection, preferences.site)
    admin = None
    if preferences.credited_admin is not None:
        admin = find_admin(connection, preferences.site, preferences.credited_admin)
        if admin is None:
            raise NoSuchAdminError(
                f"{preferences.site} has no active account with that e-mail address"
            )
    before = connection.execute(sa.text(_READ), {"site": preferences.site}).mappings().one_or_none()
    if (before["version"] if before else 0) != preferences.version:
        raise PreferencesConflictError("another person has saved the preferences; read them again")
    earlier = _as_preferences(dict(before)) if before else None
    allow_list.admit(connection, earlier, preferences, by=actor, now=now, everywhere=everywhere)
    saved = preferences.model_copy(update={"version": preferences.version + 1})
    dumped = saved.model_dump(mode="json")
    values: dict[str, Any] = {
        c: json.dumps(dumped[c]) if c in _JSON else dumped[c] for c in _COLUMNS
    }
    values |= {
        "site": saved.site,
        "version": saved.version,
        "credited_admin_id": admin,
        "saved_at": now,
        "saved_by": actor,
    }
    names = ", ".join(values)
    marks = ", ".join(f"cast(:{n} as jsonb)" if n in _JSON else f":{n}" for n in values)
    updates = ", ".join(f"{n} = excluded.{n}" for n in values if n != "site")
    connection.execute(
        sa.text(
            f"insert into preferences ({names}) values ({marks}) "  # noqa: S608  names of our own
            f"on conflict (site) do update set {updates}"
        ),
        values,
    )
    was = earlier.model_dump(mode="json") if earlier else {}
    # By id: events are never erased, and the address would stay in them.
    changed = {
        k: [was.get(k), v] for k, v in dumped.items() if was.get(k) != v and k != "credited_admin"
    }
    was_admin = before["credited_admin_id"] if before else None
    if was_admin != admin:
        changed["credited_admin_id"] = [was_admin, admin]
    note_event(connection, saved.site, actor, "preferences_saved", changed, now=now)
    return saved


def use_up_raised_limit(
    connection: Connection, used: Preferences, *, by: str, now: dt.datetime
) -> None:
    """Remove a limit that was raised for one run, in the transaction that applies the run.

    Args:
        connection: With a transaction.
        used: The preferences of the run; a raised limit that was changed since is kept.
        by: The run, for the audit.
        now: The time.
    """
    raised = used.guards.raised
    if raised is None or raised.until is not None:
        return
    lock_preferences(connection, used.site)
    was = load(connection, used.site).guards
    # An administrator has set another limit since the run began: that one is not used up.
    if was.raised != raised:
        return
    guards = was.model_copy(update={"raised": None}).model_dump(mode="json")
    connection.execute(
        sa.text(
            "update preferences set guards = cast(:guards as jsonb), version = version + 1, "
            "saved_at = :now, saved_by = :by where site = :site"
        ),
        {"guards": json.dumps(guards), "now": now, "by": by, "site": used.site},
    )
    changed = {"guards": [was.model_dump(mode="json"), guards]}
    note_event(connection, used.site, by, "preferences_saved", changed, now=now)


def make_site(
    connection: Connection,
    site: str,
    admin: str,
    *,
    now: dt.datetime,
    actor: str | None = None,
    settings: dict[str, Any] | None = None,
) -> bool:
    """Make a site with one hand-made administrator; return False if the site exists already.

    Args:
        connection: With a transaction.
        site: The name.
        admin: E-mail address of the administrator.
        now: The time.
        actor: Who makes the site, for the audit.
        settings: Preferences that differ from the default.
    """
    preferences = Preferences(**{**(settings or {}), "site": site, "credited_admin": admin})
    # The insert decides between two callers at once; a select before it would let both through.
    made = connection.execute(
        sa.text("insert into sites (site) values (:site) on conflict do nothing"), {"site": site}
    )
    if not made.rowcount:
        return False
    connection.execute(
        sa.text(
            "insert into users (site, email, login, username, role, status, managed) "
            "values (:site, :email, :login, :email, 'administrator', 'active', false)"
        ),
        {"site": site, "email": admin, "login": normalize_login(admin)},
    )
    save(connection, preferences, actor=actor or f"init of {site}", now=now)
    return True


def saved(connection: Connection, site: str) -> Saved:
    """Return who saved a site's preferences last and when, and whether its administrator is active.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    row = connection.execute(sa.text(_SAVED), {"site": site}).mappings().one_or_none()
    if row is None:
        raise UnknownSiteError(f"there is no site {site!r}")
    return Saved(row["saved_at"], row["saved_by"], admin_is_active=bool(row["admin_is_active"]))


def accounts(connection: Connection, site: str, term: str, limit: int) -> list[dict[str, Any]]:
    """Return active accounts whose name or e-mail address contains a text, administrators first."""
    bound = {"site": site, "term": term.lower(), "limit": limit}
    return [dict(row) for row in connection.execute(sa.text(_ACCOUNTS), bound).mappings()]


def events(connection: Connection, site: str, limit: int) -> list[dict[str, Any]]:
    """Return the saves of a site's preferences and switches of its sync, newest first."""
    rows = connection.execute(sa.text(_EVENTS), {"site": site, "limit": limit}).mappings()
    return [dict(row) for row in rows]


def find_admin(connection: Connection, site: str, email: str) -> int | None:
    """Return the id of the site's active account with an e-mail address, or None."""
    query = "select id from users where site = :site and login = :login and status = 'active'"
    bound = {"site": site, "login": normalize_login(email)}
    found: int | None = connection.scalar(sa.text(query), bound)
    return found


def note_event(
    connection: Connection,
    site: str,
    actor: str,
    event: str,
    details: dict[str, Any],
    *,
    now: dt.datetime,
) -> None:
    """Append an event to the audit of people's actions."""
    connection.execute(
        sa.text(
            "insert into events (site, at, actor, event, details) "
            "values (:site, :at, :actor, :event, cast(:details as jsonb))"
        ),
        {"site": site, "at": now, "actor": actor, "event": event, "details": json.dumps(details)},
    )


def _as_preferences(row: dict[str, Any]) -> Preferences:
    names = ("site", "version", "credited_admin", *_COLUMNS)
    return Preferences.model_validate({name: row[name] for name in names}, context=STORED)
