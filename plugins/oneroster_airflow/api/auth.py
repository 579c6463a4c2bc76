"""Permissions: every route requires one of the actors below, or the app does not start.

| actor         | may                                          | simple | FAB                |
|---------------|----------------------------------------------|--------|--------------------|
| Reader        | see preferences, runs, counts, causes        | viewer | who reads the DAG  |
| Insider       | also see persons and rows: changes, findings | op     | Op                 |
| Operator      | also upload, and run now                     | op     | Op, or who can     |
|               |                                              |        | create on OneRoster |
| Administrator | also save, enable, approve, discard, undo,   | admin  | Admin, or who can  |
|               | and say who is who by ids.csv and links.csv  |        | edit on OneRoster  |
| Overseer      | also make, copy, archive and restore sites   | admin  | the same           |

In FAB, permissions can be given for one site: `can read` on `DAG:oneroster_sync__<site>` for
reading, and the other ones on `OneRoster:<site>` instead of `OneRoster`. They count for users who
can read the site. The simple auth manager has no permissions by site. With any other auth manager,
nobody is an administrator.
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
"""FAB's resource; `can edit` on it makes an administrator of all sites."""

_FAB = "airflow.providers.fab.auth_manager.fab_auth_manager"
_SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager"


class May(StrEnum):
    """The permission that a route requires."""

    READ = "read"
    DETAILS = "details"
    OPERATE = "operate"
    ADMINISTER = "administer"


_REFUSALS = {
    May.READ: "Your role may not see this site.",
    May.DETAILS: "This contains names of persons or numbers of rows; only operators and "
    "administrators may see it.",
    May.OPERATE: "Operators and administrators may start a sync; ask one of them.",
    May.ADMINISTER: "Only an administrator may do this; ask one.",
}
_NOT_EVERYWHERE = "Only an administrator of all sites may do this; ask one."


@dataclass(frozen=True, slots=True)
class Actor:
    """The user of a request: the name for the audit, and the permissions at this site."""

    name: str
    may: frozenset[May]

    def is_allowed(self, may: May) -> bool:
        """Return whether the actor has a permission."""
        return may in self.may

    def require_also(self, may: May) -> None:
        """Require a permission in addition to the route's own.

        Raises:
            Problem: 403, the user lacks the permission.
        """
        if may not in self.may:
            raise Problem(403, _REFUSALS[may], code=f"permission.{may}")


class Requires:
    """A dependency that requires a permission at the site of the request."""

    def __init__(self, may: May, *, everywhere: bool = False) -> None:
        """Require this permission, at the request's site or at all sites."""
        self.may = may
        self._everywhere = everywhere

    def __call__(self, request: Request, user: GetUserDep) -> Actor:
        """Return the actor of a request.

        Raises:
            Problem: 403, the user lacks the permission.
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
    """Return a user as an actor with a permission at a site.

    Raises:
        Problem: 403, the user lacks the permission.
    """
    allowed = permissions_of(user, site)
    if may not in allowed:
        raise Problem(403, _REFUSALS[may], code=f"permission.{may}")
    return Actor(user.get_name(), allowed)


def permissions_of(user: Any, site: str | None) -> frozenset[May]:
    """Return a user's permissions at a site; with None, those for all sites."""
    manager = get_auth_manager()
    details = DagDetails(id=dag_names.sync_dag_id(site)) if site else None
    if not manager.is_authorized_dag(method="GET", user=user, details=details):
        return frozenset()
    may = {May.READ}
    # Airflow has no question for "operator": to write connections is what Op and Admin may, and
    # others may not, in both auth managers.
    if manager.is_authorized_connection(method="PUT", user=user) or _is_granted(
        manager, "POST", site, user
    ):
        may |= {May.DETAILS, May.OPERATE}
    if _is_administrator(manager, user, site):
        may |= set(May)
    return frozenset(may)


def is_under_fab() -> bool:
    """Return whether FAB is the auth manager."""
    return _is_a(get_auth_manager(), _FAB, "FabAuthManager")


def asked_by(call: Callable[..., Any] | None) -> May | None:
    """Return the permission that a dependency requires, if it is one of ours."""
    return call.may if isinstance(call, Requires) else None


def _is_administrator(manager: Any, user: Any, site: str | None) -> bool:
    """Return whether a user is an administrator; nobody is, under an unknown auth manager."""
    if _is_a(manager, _SIMPLE, "SimpleAuthManager"):
        return str(user.role or "").lower() == "admin"
    if _is_a(manager, _FAB, "FabAuthManager"):
        is_admin = any(role.name == "Admin" for role in user.roles)
        return is_admin or _is_granted(manager, "PUT", site, user)
    return False


def _is_granted(manager: Any, method: str, site: str | None, user: Any) -> bool:
    """Return whether FAB allows a method on OneRoster to a user, for all sites or for one."""
    if not _is_a(manager, _FAB, "FabAuthManager"):
        return False
    # Under the simple auth manager every custom view is allowed to everybody, hence the check
    # above.
    resources = [RESOURCE, *([f"{RESOURCE}:{site}"] if site else [])]
    return any(
        manager.is_authorized_custom_view(method=method, resource_name=resource, user=user)
        for resource in resources
    )


def _is_a(manager: Any, module: str, name: str) -> bool:
    """Return whether the manager is of a class, without importing an unused class."""
    known = getattr(sys.modules.get(module), name, None)
    return known is not None and isinstance(manager, known)


def _site_asked_for(request: Request) -> str | None:
    """Return the site in the path of a request, or the site of its run."""
    given = request.path_params
    if "site" in given:
        return str(given["site"])
    if "dag_id" in given:
        return dag_names.site_of(given["dag_id"])
    if "run_id" in given:
        with database.engine().connect() as connection:
            return runs.get(connection, given["run_id"]).site
    return None
