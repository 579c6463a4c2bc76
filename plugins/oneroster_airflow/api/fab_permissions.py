"""Create permissions in FAB that an administrator of Airflow can give to roles.

FAB can give only permissions that exist, and its pages can't create any. This module gives them to
nobody.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from oneroster_airflow.airflow_internals import create_session
from oneroster_airflow.api.auth import RESOURCE, is_under_fab

if TYPE_CHECKING:
    from collections.abc import Iterable

_ACTIONS = ("can_create", "can_edit")
_OFFERED: set[str] = set()
"""Resources that this process has checked already."""


def offer(sites: Iterable[str]) -> None:
    """Create missing permissions for all sites and for each site; only if FAB is in use."""
    if not is_under_fab():
        return
    for name in (RESOURCE, *(f"{RESOURCE}:{site}" for site in sites)):
        if name not in _OFFERED:
            with contextlib.suppress(IntegrityError):  # another process created it
                _make(name)
            _OFFERED.add(name)


def _make(name: str) -> None:
    from oneroster_airflow.airflow_internals import Action, Permission, Resource

    with create_session() as session:
        resource = _found_or_made(session, Resource, name)
        for action in (_found_or_made(session, Action, action) for action in _ACTIONS):
            known = select(Permission.id).where(
                Permission.resource_id == resource.id, Permission.action_id == action.id
            )
            if session.scalar(known) is None:
                session.add(Permission(resource_id=resource.id, action_id=action.id))


def _found_or_made(session: Any, model: Any, name: str) -> Any:
    found = session.scalar(select(model).where(model.name == name))
    if found is None:
        found = model(name=name)
        session.add(found)
        session.flush()
    return found
