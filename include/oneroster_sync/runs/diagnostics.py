"""Diagnostics: a text about a run for technical support, without personal data.

The text contains numbers, codes, and names of the standard. Values from people or packages are left
out: names, addresses, sourcedIds, paths, and names of schools and of columns outside of OneRoster.
Reasons are left out too, except the class of an unexpected error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from oneroster_sync.runs.summary import measure_times
from oneroster_sync.standard import ROSTERING_FILES, Version, rostering_file

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from oneroster_sync.runs import Run

_COLUMNS = {
    column.name
    for version in Version
    for name in ROSTERING_FILES
    if (file := rostering_file(name, version))
    for column in file.columns
}
_FILES = {f"{name}.csv" for name in (*ROSTERING_FILES, "manifest")}
# The reason that `pipeline.note_failure` stores for an exception that is not ours: its class alone.
_UNEXPECTED = re.compile(r"^[A-Za-z]+(?=; see the log$)")
_LISTED = 20
"""Maximum number of listed causes, in the order in which to fix them."""


def format_diagnostics(
    run: Run, causes: Iterable[Mapping[str, Any]], *, versions: Mapping[str, str], now: dt.datetime
) -> str:
    """Format the diagnostics of a run.

    Args:
        run: The run.
        causes: The causes as `run_details.causes` returns them.
        versions: Program → version.
        now: The time, in aware UTC.
    """
    times = measure_times(run, now=now)
    asked = f"kind {run.kind}, scope {run.scope}, profile {run.preferences.profile}"
    lines = [
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"run {run.run_id}, begun {run.started_at:%Y-%m-%d %H:%M:%S} UTC",
        f"outcome {run.outcome or 'none yet'}, last stage {run.stage}",
        f"started by {run.trigger}, {asked}",
        f"work {times.work_s:.1f} s, waited {times.waited_s:.1f} s",
        f"OneRoster {run.oneroster_version or 'unknown'}, sha256 {run.sha256 or 'none'}",
        f"plan {run.plan_hash or 'none'}, of roster version {run.base_version}",
        f"same as run {run.same_as}" if run.same_as else "",
        *(f"unexpected {found[0]}" for r in run.reasons if (found := _UNEXPECTED.match(r))),
        *(
            f"held by {hold['code']}: {hold['found']:,} of {hold['of']:,} {_kind(hold['kind'])}"
            for hold in run.holds
        ),
        *(
            f"{kind}: " + ", ".join(f"{number:,} {word}" for word, number in numbers.items())
            for kind, numbers in (run.counts or {}).items()
        ),
        "findings: "
        + ", ".join(f"{number:,} {word}" for word, number in (run.findings or {}).items()),
    ]
    listed = [*causes]
    lines += [_cause(cause) for cause in listed[:_LISTED]]
    if len(listed) > _LISTED:
        lines.append(f"and {len(listed) - _LISTED:,} more causes")
    return "\n".join(line for line in lines if line) + "\n"


def _cause(cause: Mapping[str, Any]) -> str:
    files = [name for name in (cause["file"] or "").split(", ") if name in _FILES]
    columns = [name for name in (cause["column"] or "").split(", ") if name in _COLUMNS]
    place = " ".join([*files, *columns])
    follows = f", follows {cause['follows']}" if cause["follows"] else ""
    return (
        f"cause {cause['number']}: {cause['severity']} {cause['code']} {place}".rstrip()
        + f", {cause['rows']:,} rows, {cause['affected']:,} affected{follows}"
    )


def _kind(kind: str) -> str:
    known = {"users", "courses", "assignments", "accounts", "delta"}
    return kind if kind in known or kind in _FILES else "rows"
