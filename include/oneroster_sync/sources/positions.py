"""The position of each site in its source: the last package that a run took."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# A retried run keeps `previous`, which else would become the package that its own first try took. A
# position in another source says nothing about this one, so there is none to return to.
_TAKE = """
insert into source_positions (site, source, taken, previous, run_id)
values (:site, :source, cast(:taken as json), null, :run_id)
on conflict (site) do update set
    source = excluded.source,
    taken = excluded.taken,
    previous = case
        when source_positions.run_id = excluded.run_id then source_positions.previous
        when source_positions.source = excluded.source then source_positions.taken
    end,
    run_id = excluded.run_id
"""
_GIVE_BACK = """
with given as (
    delete from source_positions
    where run_id = cast(:run_id as uuid) and previous is null returning site)
update source_positions set taken = previous
where run_id = cast(:run_id as uuid) and previous is not null
"""
_MOVED = """
update source_positions
set taken = (cast(taken as jsonb) || '{"is_moved": true}')::json
where site = :site and taken ->> 'name' = any(:names)
"""


def last_taken(
    connection: Connection, site: str, run_id: str, source: str
) -> tuple[dict[str, Any] | None, bool]:
    """Return the last package that was taken from a site's source before a run.

    A retried run gets the position from before its first try, so that it reads the same packages.

    Args:
        connection: To the roster database.
        site: The site.
        run_id: The run.
        source: The source and its pattern.

    Returns:
        The package, or None if none was taken from this source; and whether the last package came
        from another source.
    """
    query = "select source, taken, previous, run_id::text from source_positions where site = :site"
    row = connection.execute(sa.text(query), {"site": site}).one_or_none()
    if row is None:
        return None, False
    if row.source != source:
        return None, True
    return (row.previous if row.run_id == run_id else row.taken), False


def take(
    connection: Connection, site: str, run_id: str, source: str, taken: dict[str, Any]
) -> None:
    """Save the newest package that a run took as the site's position."""
    bound = {"site": site, "run_id": run_id, "source": source, "taken": json.dumps(taken)}
    connection.execute(sa.text(_TAKE), bound)


def reset_position(connection: Connection, run_id: str) -> None:
    """Reset the position to before a run whose packages can't be used; the next run reads them."""
    connection.execute(sa.text(_GIVE_BACK), {"run_id": run_id})


def note_moved(connection: Connection, site: str, names: list[str]) -> None:
    """Record that the sync moved packages, if the site's last package is among `names`."""
    connection.execute(sa.text(_MOVED), {"site": site, "names": names})
