"""The last change of a person or a course in one sentence: what, when, why and by whom."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from oneroster_sync.roster.records import (
    ABSENT,
    DISABLED,
    MARKED,
    NO_ROLE,
    NO_STAFF,
    NOT_PRIMARY,
    PRESENT,
    ROLE_BACK,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_DONE = {
    "add": "Added",
    "update": "Updated",
    "adopt": "Taken over from a hand-made account",
    "rekey": "Given another sourcedId",
    "deactivate": "Deactivated",
    "reactivate": "Reactivated",
    "remove": "Removed",
}
_BECAUSE = {
    ABSENT: "{file} of {package} no longer contained this {noun}",
    MARKED: "{file} of {package} marked this {noun} to be deleted",
    DISABLED: "enabledUser was false in {file} of {package}",
    NO_STAFF: "the role in {package} was no longer one of staff",
    NO_ROLE: "no role of staff was left in {package}",
    NOT_PRIMARY: "no primary role in {package} was one of staff",
    ROLE_BACK: "{package} had a role of staff again",
}
_PRESENT = {
    "add": "{file} of {package} contained this {noun}",
    "reactivate": "{file} of {package} contained this {noun} again",
    "update": "{file} of {package} had another {fields}",
}
_NOUNS = {"user": "person", "course": "course"}
# The reason that `stages.diff.undo` gives its changes, up to the first part of the run's UUID.
_UNDO = re.compile(r"^undo of run ([0-9a-f]{8})")
GONE = {"deactivate", "remove"}
"""Actions after which the record is gone; an undo takes them back."""


def find_last_change(kind: str, changes: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the newest change of the record itself, or None; ignore its course assignments.

    Args:
        kind: user or course.
        changes: Changes of the record, newest first.
    """
    return next((change for change in changes if change["kind"] == kind), None)


def format_last_change(kind: str, change: Mapping[str, Any] | None) -> str:
    """Format the last change of a record as one sentence.

    Args:
        kind: user or course.
        change: The newest change with the columns of its run; None if the audit has no change.
    """
    if change is None:
        return "The audit contains no change of it by the sync."
    made_at: dt.datetime = change["made_at"]
    day = made_at.astimezone(dt.UTC)
    done = _DONE.get(change["action"], change["action"].capitalize())
    sentence = f"{done} on {day.day} {day:%b %Y}{_because(kind, change)}"
    if change["decision"] == "approved" and change["decided_by"]:
        sentence += f"; approved by {change['decided_by']}"
        reason = (change["decision_reason"] or "").strip()
        sentence += f": “{reason.rstrip('.')}”" if reason else ""
    return f"{sentence}."


def _because(kind: str, change: Mapping[str, Any]) -> str:
    reason = change["reason"]
    if undone := _UNDO.match(reason):
        return f" because {change['requested_by']} undid run {undone[1]}"
    clause = _BECAUSE.get(reason)
    if reason == PRESENT:
        clause = _PRESENT.get(change["action"])
    if clause is None:
        return f": {reason}" if reason else ""
    labels = [field["label"] for field in change["fields"]]
    words = clause.format(
        file=change["file"] or f"{kind}s.csv",
        package=name_package(change),
        noun=_NOUNS[kind],
        fields=_join(labels) if labels else "value",
    )
    return f" because {words}"


def name_package(change: Mapping[str, Any]) -> str:
    """Return the name of the package that the run of a change read."""
    if change["uploaded_as"]:
        return str(change["uploaded_as"])
    path = (change["package"] or "").rstrip("/")
    return path.rpartition("/")[2] or "the package"


def _join(labels: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(labels[:-1]), labels[-1])))
