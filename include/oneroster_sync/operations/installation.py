"""Warnings about an installation, for `oneroster check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from oneroster_sync import database, settings
from oneroster_sync.database import audit
from oneroster_sync.sites import allow_list, preferences_store, registry
from oneroster_sync.sources.url import SourceUrl, WrongSourceError, scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from oneroster_sync.sites.preferences import Preferences


def find_warnings(site: str | None = None) -> list[str]:
    """Check one site or all, without changing anything, and return warnings as sentences.

    Raises:
        SettingError: A variable has an invalid value.
    """
    with database.engine().connect() as connection:
        return [warning for check in _CHECKS for warning in check(connection, site)]


def _check_audit(connection: Connection, _only: str | None) -> Iterator[str]:
    """Warn if the database role of the services can change the audit, or keeps it for too long."""
    found = audit.protection(connection)
    if found.can_be_changed:
        yield (
            "the role of ONEROSTER_DATABASE_URL owns the tables, so it could change the audit; "
            "give "
            "the tables another owner, whose URL only `oneroster migrate` gets, as "
            "ONEROSTER_OWNER_URL"
        )
    asked = settings.keeping().audit_days
    if found.kept_days is not None and found.kept_days > asked:
        yield (
            f"the audit is kept for {found.kept_days:,} days, as the owner of the tables set, not "
            f"for the {asked:,} days of ONEROSTER_KEEP_AUDIT_DAYS; run `oneroster migrate` with "
            "the "
            "number of days that you want"
        )


def _check_neighbours(connection: Connection, _only: str | None) -> Iterator[str]:
    """Warn if our tables are in Airflow's schema, where earlier versions made them silently."""
    if connection.scalar(sa.text("select to_regclass('dag_run') is not null")):
        yield (
            "the roster's tables are in the schema of an Airflow, whose backups and upgrades then "
            "affect both; move them to another database or schema with pg_dump"
        )


def _check_sources(connection: Connection, only: str | None) -> Iterator[str]:
    """Warn about sources that earlier versions read with fsspec and that are no longer supported.

    An upgrade keeps these sources, and the site's syncs fail afterwards.
    """
    for site, chosen in _chosen(connection, only):
        try:
            # `/` is valid: a site without a source has nothing to warn about.
            SourceUrl.parse(chosen.source or "/")
        except WrongSourceError as wrong:
            # Only the scheme is shown: an old source may hold a password.
            first = (chosen.source or "").partition("::")[0]
            scheme = scheme_of(f"{first}:") or "source"
            yield (
                f"the site {site} can't be synced, because its source ({scheme}) is no longer "
                f"supported: {wrong}; set another one with `oneroster preferences --site {site} "
                "--set source=URL`, or upload its packages"
            )


def _chosen(connection: Connection, only: str | None) -> Iterator[tuple[str, Preferences]]:
    """Yield the sites in use with their preferences."""
    for site, record in registry.all_sites(connection).items():
        if not record.is_archived and only in {None, site}:
            yield site, preferences_store.load(connection, site)


def _check_forbidden(connection: Connection, only: str | None) -> Iterator[str]:
    """Warn about values that a site may not use: the next run fails, or a message is not sent."""
    allow_list.check_settings()
    for site, chosen in _chosen(connection, only):
        for what, value in allow_list.find_forbidden(connection, chosen):
            yield (
                f"the site {site} may not use its {what} {value}: change it in the preferences, or "
                f"allow it by {what.variable}"
            )


def _check_recorded(connection: Connection, only: str | None) -> Iterator[str]:
    """List values that an upgrade or a save allowed, because no operator has reviewed them."""
    for entry in allow_list.list_recorded(connection):
        if only not in {None, entry.site}:
            continue
        by = "by upgrade" if entry.allowed_by == allow_list.UPGRADE else f"by {entry.allowed_by}"
        yield (
            f"the site {entry.site} may use the {entry.what} {entry.value}, allowed {by} on "
            f"{entry.allowed_at:%Y-%m-%d}; to take it back: "
            f"oneroster sites withdraw {entry.site} {entry.value}"
        )


_CHECKS: tuple[Callable[[Connection, str | None], Iterator[str]], ...] = (
    _check_audit,
    _check_neighbours,
    _check_sources,
    _check_forbidden,
    _check_recorded,
)
