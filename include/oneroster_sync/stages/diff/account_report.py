"""The report of an account matching: accounts made by hand, and the person each may belong to.

A run's folder keeps ids only; names are looked up on request. The report as CSV is the source of
links.csv: people delete the wrong lines and upload the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from oneroster_sync.errors import GoneError
from oneroster_sync.findings import csv_export
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.stages.diff.account_matching import HOW, read_accounts
from oneroster_sync.stages.diff.plan import read_changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run

COLUMNS = ("email", "sourcedId", "match", "accountName", "personName")
"""Columns of the CSV; links.csv needs the first two."""

_BLOCK = 1000
_ACCOUNTS = """
select id, nullif(concat_ws(' ', given_name, family_name), '') as name, email, login, role, status,
       managed, id = :admin as credited
from users where site = :site and id = any(:ids)
"""
_PEOPLE = """
select id, sourced_id, nullif(concat_ws(' ', given_name, family_name), '') as name
from users where site = :site and sourced_id = any(:ids)
"""


class ReportGoneError(GoneError):
    """The report has expired and was deleted."""


def has_accounts(run: Run) -> bool:
    """Return whether a run has a report of accounts that is not deleted."""
    return (RunFolder.of(run.site, run.run_id).path / "adoption").exists()


def count_accounts(run: Run) -> dict[str, int]:
    """Return the number of accounts for each value of `HOW`.

    Raises:
        ReportGoneError: The run's folder no longer exists.
    """
    counts = pc.value_counts(_read(run)["how"]).to_pylist()
    return dict.fromkeys(HOW, 0) | {entry["values"]: entry["counts"] for entry in counts}


def page_of_accounts(
    connection: Connection, run: Run, *, how: str | None = None, after: int = 0, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Return a page of accounts, in the order of `HOW`, and the cursor of the next page.

    Args:
        connection: Connection to the roster database, for the names.
        run: The run that matched the accounts.
        how: One of `HOW`, or None for all.
        after: Cursor of the page.
        limit: Maximum number of accounts.

    Returns:
        For each account: the account itself, `how` it matches, the `sourced_id`, and the name of
        the `person` if another record of the roster or the run's plan has it.

    Raises:
        ReportGoneError: The run's folder no longer exists.
    """
    table = _read(run)
    table = table.filter(pc.equal(table["how"], how)) if how else table
    following = after + limit if table.num_rows > after + limit else None
    return _named(connection, run, table.slice(after, limit)), following


def all_accounts(connection: Connection, run: Run) -> Iterator[dict[str, Any]]:
    """Return all accounts in the form of `page_of_accounts`.

    Raises:
        ReportGoneError: The run's folder no longer exists.
    """
    table = _read(run)
    return (
        account
        for start in range(0, table.num_rows, _BLOCK)
        for account in _named(connection, run, table.slice(start, _BLOCK))
    )


def as_csv(accounts: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield accounts as CSV, in pieces; cells that look like formulas are marked as text."""
    return csv_export.format_csv(map(_as_row, accounts), COLUMNS)


def to_text(account: dict[str, Any]) -> str:
    """Return a line of text about an account."""
    whose = f" → {account['sourced_id']}" if account["sourced_id"] else ""
    person = f" ({account['person']})" if account["person"] else ""
    return f"{account['how']:<8} {account['account']['email']}{whose}{person}"


def _read(run: Run) -> pa.Table:
    if not RunFolder.of(run.site, run.run_id).path.exists():
        raise ReportGoneError(
            f"the report of run {run.run_id} no longer exists; the run's record is kept"
        )
    return read_accounts(run)


def _named(connection: Connection, run: Run, part: pa.Table) -> list[dict[str, Any]]:
    bound = {"site": run.site, "admin": run.credited_admin_id, "ids": part["id"].to_pylist()}
    rows = connection.execute(sa.text(_ACCOUNTS), bound).mappings()
    accounts = {row["id"]: dict(row) for row in rows}
    people = _people(connection, run, part["sourced_id"].drop_null().to_pylist())
    found = []
    for row in part.to_pylist():
        of_record, name = people.get(row["sourced_id"], (None, None))
        found.append(
            {
                "how": row["how"],
                "sourced_id": row["sourced_id"],
                # The name of a linked account does not identify the person it is linked to.
                "person": name if of_record != row["id"] else None,
                "account": accounts[row["id"]],
            }
        )
    return found


def _people(
    connection: Connection, run: Run, ids: list[str]
) -> dict[str, tuple[int | None, str | None]]:
    """Return sourcedId → id and name of the known people among `ids`."""
    bound = {"site": run.site, "ids": ids}
    rows = connection.execute(sa.text(_PEOPLE), bound).mappings()
    people = {row["sourced_id"]: (row["id"], row["name"]) for row in rows}
    users = read_changes(run).users if run.plan_hash else None
    if users is not None and people.keys() != set(ids):
        coming = pc.and_(
            pc.equal(users["action"], "add"),
            pc.is_in(users["sourced_id"], pa.array(ids, pa.string())),
        )
        for row in users.filter(coming).to_pylist():
            name = " ".join(filter(None, (row["after_given_name"], row["after_family_name"])))
            people.setdefault(row["sourced_id"], (None, name or None))
    return people


def _as_row(account: dict[str, Any]) -> dict[str, str | None]:
    of = account["account"]
    cells = (of["login"] or of["email"], account["sourced_id"], account["how"])
    texts = (*cells, of["name"], account["person"])
    return {name: csv_export.marked(text) for name, text in zip(COLUMNS, texts, strict=True)}
