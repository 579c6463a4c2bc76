"""Names of both people if a package has a known sourcedId with another person.

Findings name no person. To resolve such a row, an administrator must know who has the sourcedId and
who comes with it now. So the names are stored beside the findings and deleted with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from oneroster_sync.database.copy import copy_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from oneroster_sync.runs.model import Run

CODE = "semantic.identity_reuse"
"""Code of the findings that these names belong to."""
SCHEMA = pa.schema(
    [
        ("user_id", pa.int64()),
        ("sourced_id", pa.string()),
        ("known_given_name", pa.string()),
        ("known_family_name", pa.string()),
        ("new_given_name", pa.string()),
        ("new_family_name", pa.string()),
        ("new_login", pa.string()),
    ]
)
_NAMES = """
select sourced_id,
       concat_ws(' ', known_given_name, known_family_name) as known,
       concat_ws(' ', new_given_name, new_family_name) as coming
from other_people
where run_id = (select coalesce(findings_of, run_id) from runs where run_id = cast(:run_id as uuid))
  and sourced_id = any(:ids)
"""
_ERASED = """
delete from other_people where site = :site and (user_id = :id or new_login = any(:words))
"""


def save(connection: Connection, run: Run, people: pa.Table) -> None:
    """Store the names for the findings of a run, in place of those of an earlier try.

    Args:
        connection: With a transaction.
        run: The run.
        people: A table with the columns of `SCHEMA`.
    """
    query = "delete from other_people where run_id = cast(:run_id as uuid)"
    connection.execute(sa.text(query), {"run_id": run.run_id})
    if people.num_rows:
        for name, value in (("run_id", run.run_id), ("site", run.site)):
            people = people.append_column(name, pa.repeat(value, people.num_rows))
        copy_in(connection, "other_people", people)


def names_of(connection: Connection, run_id: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the names of both people for sourcedIds of a run: sourcedId → `known` and `coming`."""
    bound = {"run_id": run_id, "ids": list(ids)}
    rows = connection.execute(sa.text(_NAMES), bound).mappings()
    return {row["sourced_id"]: {"known": row["known"], "coming": row["coming"]} for row in rows}


def erase(connection: Connection, site: str, user_id: int, words: Iterable[str]) -> None:
    """Delete the rows about a person, who had the sourcedId or came with it.

    Args:
        connection: With a transaction.
        site: The site.
        user_id: `id` of the person.
        words: Addresses that the person has or had.
    """
    bound = {"site": site, "id": user_id, "words": list(words)}
    connection.execute(sa.text(_ERASED), bound)
