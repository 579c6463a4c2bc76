"""Who may do what. Every route takes one of the four actors below, or it does not get mounted.

| actor         | may                                          | simple | FAB                |
|---------------|----------------------------------------------|--------|--------------------|
| Reader        | see preferences, runs, counts, causes        | viewer | who reads the DAG  |
| Insider       | also see persons and rows: changes, findings | op     | Op                 |
| Operator      | also upload, and run now                     | op     | Op, or who can     |
|               |                                              |        | create on OneRoster |
| Administrator | also save, enable, approve, discard, undo,   | admin  | Admin, or who can  |
|               | and say who is who by ids.csv and links.csv  |        | edit on OneRoster  |
| Overseer      | also make, copy, archive and restore sites   | admin  | the same           |

On FAB it can be given for one site: reading by `can read` on `DAG:oneroster_sync__<site>`, the rest
by the same permissions on `OneRoster:<site>` in place of `OneRoster`. They count for who can read
the site. The simple auth manager has no such limits. Any other: nobody is an administrator.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from oneroster_airflow.airflow_internals import DagDetails, GetUserDep, get_auth_manager
from oneroster_airflow.api.errors import Problem
from oneroster_sync import database, runs
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from collections.abc import Callable

RESOURCE = "OneRoster"
"""The resource of FAB on which `can edit` makes an administrator of all sites."""

_FAB = "airflow.providers.fab.auth_manager.fab_auth_manager"
_SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager"


class May(StrEnum):
    """What a route asks for."""

    READ = "read"
    DETAILS = "details"
    OPERATE = "operate"
    ADMINISTER = "administer"


_REFUSALS = {
    May.READ: "Your role may not see this site.",
    May.DETAILS: "This names persons or rows; it is shown to operators and administrators.",
    May.OPERATE: "Operators and administrators may start a sync; ask one of them.",
    May.ADMINISTER: "Only an administrator may do this; ask one.",
}
_NOT_EVERYWHERE = "Only an administrator of all sites may do this; ask one."


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: the name for the audit, and what they may do at this site."""

    name: str
    may: frozenset[May]

    def is_allowed(self, may: May) -> bool:
        """Tell whether the actor may do so."""
        return may in self.may

    def insist(self, may: May) -> None:
        """Go on only if the actor may do so, for what a route's own permission does not cover.

        Raises:
            Problem: 403, they may not.
        """
        if may not in self.may:
            raise Problem(403, _REFUSALS[may], code=f"permission.{may}")


class Requires:
    """A dependency that lets a request pass whose user may do so at the site it is about."""

    def __init__(self, may: May, *, everywhere: bool = False) -> None:
        """Ask for this permission, at the site alone or at all sites."""
        self.may = may
        self._everywhere = everywhere

    def __call__(self, request: Request, user: GetUserDep) -> Actor:
        """Return who asks.

        Raises:
            Problem: 403, they may not.
            UnknownRunError: There is no such run.
        """
        actor = require(self.may, user, _site_asked_for(request))
        if self._everywhere and self.may not in permissions_of(user, None):
            raise Problem(403, _NOT_EVERYWHERE, code=f"permission.{self.may}")
        return actor


Reader = Annotated[Actor, Depends(Requires(May.READ))]
Insider = Annotated[Actor, Depends(Requires(May.DETAILS))]
Operator = Annotated[Actor, Depends(Requires(May.OPERATE))]
Administrator = Annotated[Actor, Depends(Requires(May.ADMINISTER))]
Overseer = Annotated[Actor, Depends(Requires(May.ADMINISTER, everywhere=True))]


def require(may: May, user: Any, site: str | None) -> Actor:
    """Return a user as who may do so at a site.

    Raises:
        Problem: 403, they may not.
    """
    allowed = permissions_of(user, site)
    if may not in allowed:
        raise Problem(403, _REFUSALS[may], code=f"permission.{may}")
    return Actor(user.get_name(), allowed)


def permissions_of(user: Any, site: str | None) -> frozenset[May]:
    """Return what a user may do at a site; when None, what they may whatever the site is."""
    manager = get_auth_manager()
    details = DagDetails(id=dag_names.sync_dag_id(site)) if site else None
    if not manager.is_authorized_dag(method="GET", user=user, details=details):
        return frozenset()
    may = {May.READ}
    if manager.is_authorized_connection(method="PUT", user=user) or _is_granted(
        manager, "POST", site, user
    ):
        may |= {May.DETAILS, May.OPERATE}
    if _is_administrator(manager, user, site):
        may |= set(May)
    return frozenset(may)


def is_under_fab() -> bool:
    """Tell whether FAB says who may do what."""
    return _is_a(get_auth_manager(), _FAB, "FabAuthManager")


def asked_by(call: Callable[..., Any] | None) -> May | None:
    """Return the permission that a dependency asks for, if it is one of ours."""
    return call.may if isinstance(call, Requires) else None


def _is_administrator(manager: Any, user: Any, site: str | None) -> bool:
    """Tell whether a user is an administrator; none is under an auth manager we don't know."""
    if _is_a(manager, _SIMPLE, "SimpleAuthManager"):
        return str(user.role or "").lower() == "admin"
    if _is_a(manager, _FAB, "FabAuthManager"):
        is_admin = any(role.name == "Admin" for role in user.roles)
        return is_admin or _is_granted(manager, "PUT", site, user)
    return False


def _is_granted(manager: Any, method: str, site: str | None, user: Any) -> bool:
    """Tell whether FAB lets a user do so on OneRoster, as a whole or of one site."""
    if not _is_a(manager, _FAB, "FabAuthManager"):
        return False
    resources = [RESOURCE, *([f"{RESOURCE}:{site}"] if site else [])]
    return any(
        manager.is_authorized_custom_view(method=method, resource_name=resource, user=user)
        for resource in resources
    )


def _is_a(manager: Any, module: str, name: str) -> bool:
    """Tell whether the manager is of a class, without importing what is not in use."""
    known = getattr(sys.modules.get(module), name, None)
    return known is not None and isinstance(manager, known)


def _site_asked_for(request: Request) -> str | None:
    """Return the site that a request is about, by its path."""
    given = request.path_params
    if "site" in given:
        return str(given["site"])
    if "dag_id" in given:
        return dag_names.site_of(given["dag_id"])
    if "run_id" in given:
        with database.engine().connect() as connection:
            return runs.get(connection, given["run_id"]).site
    return None
