"""Packages, findings, plans, histories and rosters as pandas DataFrames, for notebooks.

These functions only read. Import them from `oneroster_sync`; `docs/reference/python-api.md` lists
their columns, which are a contract: columns may be added, but no column changes its name or
meaning. Text is `str`, numbers are `Int64`, flags are `boolean`, times are UTC; these types are the
same with and without missing values.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from oneroster_sync import database, runs
from oneroster_sync.errors import GoneError, NotFoundError, UserError
from oneroster_sync.findings.csv_export import COLUMNS as COLUMNS_OF_FINDINGS
from oneroster_sync.roster import history as audit
from oneroster_sync.roster.model import Known
from oneroster_sync.roster.reader import read_records
from oneroster_sync.runs import Run, run_details
from oneroster_sync.runs.summary import reject
from oneroster_sync.sites import preferences_store
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.diff.plan import read_changes
from oneroster_sync.stages.extract.dialect import Dialect
from oneroster_sync.stages.extract.package import extract_package
from oneroster_sync.stages.extract.unclear import hide_ids

if TYPE_CHECKING:
    import os
    from collections.abc import Collection

    import pandas as pd

    from oneroster_sync.sites.preferences import Preferences

_NUMBERS_OF_FINDINGS = {"cause", "follows", "row", "rows"}
_FINDINGS = pa.schema(
    [
        (name, pa.int64() if name in _NUMBERS_OF_FINDINGS else pa.string())
        for name in COLUMNS_OF_FINDINGS
    ]
)
_HISTORY = pa.schema(
    [
        ("record_type", pa.string()),
        ("sourced_id", pa.string()),
        ("change", pa.int64()),
        ("made_at", pa.timestamp("us", "UTC")),
        ("run_id", pa.string()),
        ("kind", pa.string()),
        ("action", pa.string()),
        ("reason", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("requested_by", pa.string()),
        ("credited_to", pa.string()),
        ("user_sourced_id", pa.string()),
        ("course_sourced_id", pa.string()),
        ("field", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
    ]
)
_INTERNAL = {"goes", "left_out"}
"""Columns of a snapshot that are internal to the stages."""
_PART = 10_000
_LOGIN = {"login", "before_login", "after_login"}
"""Columns with the normalized e-mail address for account matching; they repeat `email`."""


class UnusablePackageError(UserError):
    """The package can't be read; a sync would reject it for the same reasons."""


def read_package(
    path: str | os.PathLike[str], *, preferences: Preferences | None = None
) -> dict[str, pd.DataFrame]:
    """Read a package like the stage extract of a sync: staff only, without a database.

    Args:
        path: A zip, a folder or a single CSV file, completely written.
        preferences: The site's preferences, for the profile and the format of the SIS's files.

    Returns:
        File without `.csv` → its rows: the columns of the standard that a sync reads, as text, and
        `row`, `flaw` and `withheld`. Absent files are left out.

    Raises:
        UnusablePackageError: The package can't be read.
        OSError: The file system reported an error.
    """
    profile = preferences.profile if preferences else Profile.TOLERANT
    dialect = Dialect.of(preferences) if preferences else Dialect()
    known = Known()
    extracted = extract_package(Path(path), profile, known, dialect=dialect)
    if extracted.refused:
        raise UnusablePackageError(" ".join(reject(extracted.findings)["reasons"]))
    # Replace the sourcedId of a row that may not be a staff member's by a hash, as in pending
    # deltas: some systems make sourcedIds from names, and this may be a student's.
    tables = {name: hide_ids(name, rows, known) for name, rows in extracted.tables.items()}
    return {name: _as_frame(table, without=_INTERNAL | _LOGIN) for name, table in tables.items()}


def read_findings(run: Run | str) -> pd.DataFrame:
    """Return the findings of a run in their order, with the columns of its findings.csv.

    Args:
        run: The run, or its id.

    Raises:
        UnknownRunError: There is no such run.
        GoneError: The findings of the run were deleted when they expired.
    """
    with database.engine().connect() as connection:
        found = runs.get(connection, _run_id(run))
        rows = run_details.all_findings(connection, found.run_id)
        # A million findings as a list of dictionaries would take gigabytes.
        parts = iter(lambda: list(itertools.islice(rows, _PART)), [])
        tables = [pa.Table.from_pylist(part, schema=_FINDINGS) for part in parts]
    if not tables and any((found.findings or {}).values()):
        raise GoneError(f"the findings of run {found.run_id} were deleted when they expired")
    return _as_frame(pa.concat_tables([_FINDINGS.empty_table(), *tables]))


def read_plan(run: Run | str) -> dict[str, pd.DataFrame]:
    """Return the changes in the plan of a run, applied or not.

    Args:
        run: The run, or its id.

    Returns:
        `users`, `courses` and `assignments` → a row for each change.

    Raises:
        UnknownRunError: There is no such run.
        NotFoundError: The run made no plan.
        GoneError: The plan was deleted when it expired.
    """
    with database.engine().connect() as connection:
        found = runs.get(connection, _run_id(run))
    if found.plan_hash is None:
        raise NotFoundError(f"run {found.run_id} has no plan; its outcome is {found.outcome}")
    try:
        plan = read_changes(found)
    except FileNotFoundError:
        raise GoneError(f"the plan of run {found.run_id} was deleted when it expired") from None
    tables = {"users": plan.users, "courses": plan.courses, "assignments": plan.assignments}
    return {name: _as_frame(table, without={"id", *_LOGIN}) for name, table in tables.items()}


def read_history(site: str, record: str) -> pd.DataFrame:
    """Return all changes of a user or a course, the oldest first: a row for each field.

    Args:
        site: The site.
        record: An e-mail address or a sourcedId. If it names several records, all are returned.

    Returns:
        A row for each changed field, or one row for a change without fields; no rows if the site
        has no such record.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        records = audit.explain(connection, site, record)
    rows = [
        {
            **change,
            **moved,
            "record_type": found["kind"],
            "sourced_id": found["sourced_id"],
            "change": number,
            "made_at": dt.datetime.fromisoformat(change["made_at"]),
        }
        for found in records
        for number, change in enumerate(found["changes"], start=1)
        for moved in _fields_of(change)
    ]
    return _as_frame(pa.Table.from_pylist(rows, schema=_HISTORY))


def read_roster(site: str) -> dict[str, pd.DataFrame]:
    """Return the users, courses and course assignments of a site in one consistent snapshot.

    Args:
        site: The site.

    Returns:
        `users`, `courses` and `assignments` → a row for each record, including inactive records and
        those made by hand. Assignments have the `id` of the user and of the course.
        `attrs["roster_version"]` of each frame is the version from which `list_changes` continues.

    Raises:
        UnknownSiteError: The site does not exist.
    """
    with database.engine().connect() as connection:
        # In a transaction of its own, because the reader begins one with another isolation level.
        with connection.begin():
            preferences_store.load(connection, site)
        version, tables = read_records(connection, site)
    kinds = "users", "courses", "assignments"
    frames = {name: _as_frame(tables[name], without=_LOGIN) for name in kinds}
    for frame in frames.values():
        frame.attrs["roster_version"] = version
    return frames


def _run_id(run: Run | str) -> str:
    return run.run_id if isinstance(run, Run) else run


def _fields_of(change: dict[str, Any]) -> list[dict[str, str | None]]:
    """Return field, before and after for each changed field; one row of None if there is none."""
    moved = [
        {"field": name, "before": _as_text(before), "after": _as_text(after)}
        for name, (before, after) in change["fields"].items()
        if name not in _LOGIN
    ]
    return moved or [{"field": None, "before": None, "after": None}]


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _as_frame(table: pa.Table, *, without: Collection[str] = ()) -> pd.DataFrame:
    """Return a table as a DataFrame with nullable types, the same with and without nulls."""
    import pandas as pd

    types = {
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        # The `str` of pandas 3. Without a mapping, integers with nulls become floats, flags
        # objects.
        pa.string(): pd.StringDtype(na_value=float("nan")),
    }
    kept = table.select([name for name in table.column_names if name not in without])
    frame: pd.DataFrame = kept.to_pandas(types_mapper=types.get)
    return frame
