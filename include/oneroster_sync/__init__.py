"""A OneRoster sync: six stages from a package to a roster database.

`docs/reference/python-api.md` describes the public names; they stay here when their modules move.
The names are imported at first use, because schedulers import this package every few seconds and
must not load Arrow or SQLAlchemy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oneroster_sync.api import (
        Clock,
        PreferenceNameError,
        Undone,
        approve,
        change_preferences,
        create_site,
        discard,
        list_changes,
        pending_removals,
        preview,
        preview_release,
        release_protection,
        stale_protections,
        sync,
        undo,
    )
    from oneroster_sync.dataframes import (
        UnusablePackageError,
        read_findings,
        read_history,
        read_package,
        read_plan,
        read_roster,
    )
    from oneroster_sync.errors import (
        ConflictError,
        GoneError,
        NotFoundError,
        OneRosterError,
        RetriableError,
        UserError,
    )
    from oneroster_sync.operations.approval import NotHeldError, OtherPlanError
    from oneroster_sync.pipeline import Request
    from oneroster_sync.provider_info import __version__ as __version__
    from oneroster_sync.roster.change_feed import (
        ChangePage,
        ChangesGoneError,
        CursorError,
        RosterChange,
    )
    from oneroster_sync.roster.stale_protection import NotStaleError, StaleCause
    from oneroster_sync.runs import Outcome, Run, Trigger, UnknownRunError
    from oneroster_sync.sites.preferences import Preferences, Profile, Scope
    from oneroster_sync.sites.preferences_store import NoSuchAdminError, UnknownSiteError
    from oneroster_sync.sites.registry import ArchivedSiteError
    from oneroster_sync.stages.apply import StalePlanError
    from oneroster_sync.stages.diff.undo import Part
    from oneroster_sync.standard.kinds import Kind

__all__ = [
    "ArchivedSiteError",
    "ChangePage",
    "ChangesGoneError",
    "Clock",
    "ConflictError",
    "CursorError",
    "GoneError",
    "Kind",
    "NoSuchAdminError",
    "NotFoundError",
    "NotHeldError",
    "NotStaleError",
    "OneRosterError",
    "OtherPlanError",
    "Outcome",
    "Part",
    "PreferenceNameError",
    "Preferences",
    "Profile",
    "Request",
    "RetriableError",
    "RosterChange",
    "Run",
    "Scope",
    "StaleCause",
    "StalePlanError",
    "Trigger",
    "Undone",
    "UnknownRunError",
    "UnknownSiteError",
    "UnusablePackageError",
    "UserError",
    "approve",
    "change_preferences",
    "create_site",
    "discard",
    "list_changes",
    "pending_removals",
    "preview",
    "preview_release",
    "read_findings",
    "read_history",
    "read_package",
    "read_plan",
    "read_roster",
    "release_protection",
    "stale_protections",
    "sync",
    "undo",
]

_MODULES = {
    "api": (
        "Clock",
        "PreferenceNameError",
        "Undone",
        "approve",
        "change_preferences",
        "create_site",
        "discard",
        "list_changes",
        "pending_removals",
        "preview",
        "preview_release",
        "release_protection",
        "stale_protections",
        "sync",
        "undo",
    ),
    "dataframes": (
        "UnusablePackageError",
        "read_findings",
        "read_history",
        "read_package",
        "read_plan",
        "read_roster",
    ),
    "stages.apply": ("StalePlanError",),
    "operations.approval": ("NotHeldError", "OtherPlanError"),
    "standard.kinds": ("Kind",),
    "pipeline": ("Request",),
    "provider_info": ("__version__",),
    "sites.preferences": ("Preferences", "Profile", "Scope"),
    "roster.change_feed": ("ChangePage", "ChangesGoneError", "CursorError", "RosterChange"),
    "roster.stale_protection": ("NotStaleError", "StaleCause"),
    "sites.preferences_store": ("NoSuchAdminError", "UnknownSiteError"),
    "errors": (
        "ConflictError",
        "GoneError",
        "NotFoundError",
        "OneRosterError",
        "RetriableError",
        "UserError",
    ),
    "runs": ("Outcome", "Run", "Trigger", "UnknownRunError"),
    "sites.registry": ("ArchivedSiteError",),
    "stages.diff.undo": ("Part",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    # Cache the name in the module: Python calls __getattr__ only for missing names.
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
