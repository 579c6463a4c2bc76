"""Pending deltas in a run: the deltas that its packages add, and those its plan is made from.

`docs/design/pending-deltas.md` describes which deltas are kept, for how long, and why.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync import settings
from oneroster_sync.runs import pending_deltas as store
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.runs.pending_deltas import Delta, State
from oneroster_sync.stages.base import MissingStageError
from oneroster_sync.stages.extract.fold import Part, fold
from oneroster_sync.stages.extract.links import active_rows
from oneroster_sync.stages.extract.package import Extracted
from oneroster_sync.stages.extract.staff_filter import withhold_without_role
from oneroster_sync.stages.extract.unclear import hide_ids, is_unclear, restore_ids
from oneroster_sync.standard import ROSTERING_FILES, Version
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from oneroster_sync.roster.model import Known, Roster
    from oneroster_sync.runs import Run
    from oneroster_sync.settings import Keeping
    from oneroster_sync.stages.base import RunContext

log = logging.getLogger("oneroster")

ASK_FOR_BULK = "ask the SIS for a bulk file"
_OF_STAFF = {"users", "roles", "enrollments"}
"""Files in which earlier packages help to decide who is staff."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One package of a run.

    Attributes:
        name: Name of the package.
        arrived_at: Time of arrival.
        extracted: Its rows and findings.
    """

    name: str
    arrived_at: dt.datetime
    extracted: Extracted


def snapshots_of(packages: Sequence[Arrived]) -> dict[str, Mapping[str, pa.Table]]:
    """Return the bulk files of a run's packages by folder; delta files go to the database."""
    newest = packages[-1].extracted
    folders: dict[str, Mapping[str, pa.Table]] = {
        _snapshots(older): _in_mode(packages[older].extracted, Mode.BULK)
        for older in range(len(packages) - 1)
    }
    folders["snapshots"] = {
        name: table
        for name, table in (newest.tables or newest.refused_tables).items()
        if name not in ROSTERING_FILES or newest.modes[name] is Mode.BULK
    }
    return folders


def describe(packages: Sequence[Arrived]) -> dict[str, Any]:
    """Return a description of a run's packages for the later stages, without their rows."""
    newest = packages[-1].extracted
    return {
        "version": newest.version,
        "modes": newest.modes,
        "rows": newest.rows,
        "ignored": sum(package.extracted.ignored for package in packages),
        "packages": [
            {
                "arrived_at": package.arrived_at.isoformat(),
                "version": package.extracted.version,
                "modes": package.extracted.modes,
                "rows": package.extracted.rows,
                "refused": package.extracted.refused,
            }
            for package in packages
        ],
    }


def deltas_of(
    run: Run, packages: Sequence[Arrived], known: Known, *, state: State
) -> list[tuple[Delta, pa.Table]]:
    """Return the delta files of a run's packages in the form in which they are stored.

    Args:
        run: The run.
        packages: The packages that the run read.
        known: sourcedIds of the site and of the packages; other sourcedIds in rows that may be a
            pupil's are stored as hashes.
        state: State of the stored deltas.
    """
    return [
        (
            Delta(
                delta_id=0,
                run_id=run.run_id,
                part=number,
                package=package.name,
                file=file,
                version=package.extracted.version.value,
                arrived_at=package.arrived_at,
                state=state,
            ),
            hide_ids(file, table, known),
        )
        for number, package in enumerate(packages)
        for file, table in _in_mode(package.extracted, Mode.DELTA).items()
    ]


def with_pending(connection: Connection, run: Run, known: Known) -> Known:
    """Return the known staff of the site, with the staff of pending deltas."""
    found = store.of_site(connection, run.site, State.PENDING, except_run=run.run_id)
    of_staff = [delta for delta in found if delta.file in _OF_STAFF]
    rows = store.read_rows(connection, of_staff) if of_staff else {}
    return with_staff(known, [(delta.file, rows[delta.delta_id]) for delta in of_staff])


def with_staff(known: Known, tables: Iterable[tuple[str, pa.Table]]) -> Known:
    """Return the known staff of the site, with the staff of earlier packages of the run.

    In 1.2 the role of a user may have come in an earlier package than the user's row. And a row
    that makes a user a pupil cancels an earlier package's row, even if that is not applied yet.

    Args:
        known: The known staff of the site.
        tables: Pairs of a file's name and its rows.
    """
    of_staff = [(file, table) for file, table in tables if file in _OF_STAFF]
    if not of_staff:
        return known
    users, role_ids, role_users = [known.users], [known.role_ids], [known.role_users]
    role_types, enrollments = [known.role_types], [known.enrollments]
    unread_roles, unread_users = [known.unread_roles], [known.unread_users]
    unread_enrollments = [known.unread_enrollments]
    for file, rows in of_staff:
        table = active_rows(rows)
        unclear = is_unclear(file, table)
        unread = table.filter(pc.and_(unclear, pc.is_valid(table["sourcedId"])))
        if file == "enrollments":
            unread_enrollments.append(unread["sourcedId"].combine_chunks())
        if file == "roles":
            unread_roles.append(unread["sourcedId"].combine_chunks())
            unread_users.append(unread["userSourcedId"].combine_chunks())
        table = table.filter(pc.invert(unclear))
        if file in {"users", "enrollments"}:
            ids = users if file == "users" else enrollments
            ids.append(table["sourcedId"].drop_null().combine_chunks())
            continue
        table = table.filter(pc.is_valid(table["sourcedId"]))
        role_ids.append(table["sourcedId"].combine_chunks())
        role_users.append(table["userSourcedId"].combine_chunks())
        role_types.append(table["roleType"].combine_chunks())
        users.append(table["userSourcedId"].drop_null().combine_chunks())
    return replace(
        known,
        users=pc.unique(pa.concat_arrays(users)),
        role_ids=pa.concat_arrays(role_ids),
        role_users=pa.concat_arrays(role_users),
        role_types=pa.concat_arrays(role_types),
        unread_roles=pa.concat_arrays(unread_roles),
        unread_users=pa.concat_arrays(unread_users),
        unread_enrollments=pa.concat_arrays(unread_enrollments),
        enrollments=pc.unique(pa.concat_arrays(enrollments)),
    )


def expire(
    connection: Connection, site: str, *, now: dt.datetime, keeping: Keeping | None = None
) -> int:
    """Delete pending deltas that are past their limits, and log it.

    Returns:
        The number of deleted files.
    """
    keeping = keeping or settings.keeping()
    dropped = store.expire(
        connection,
        site,
        before=now - dt.timedelta(days=keeping.pending_days),
        packages=keeping.pending_packages,
        now=now,
    )
    if dropped:
        log.warning(
            "%s delta files of site %s were pending for too long and are dropped: %s.",
            f"{dropped:,}",
            site,
            ASK_FOR_BULK,
        )
    return dropped


@dataclass(frozen=True, slots=True)
class Folded:
    """The data that a run's plan is made from: its own files and the pending deltas.

    Attributes:
        extracted: The folded files.
        description: Description of the files for the later stages, without their rows.
        values: Columns of the run's record: `deltas` and `bulk_in_plan`.
        refused: Whether extract refused the newest package.
    """

    extracted: Extracted
    description: dict[str, Any]
    values: dict[str, Any]
    refused: bool


def read_folded(context: RunContext, connection: Connection) -> Folded:
    """Return the folded files of a run whose packages are extracted.

    The roster is read only to fold files, to restore hashes, or to judge roles again.

    Raises:
        MissingStageError: Extract did not run to its end.
    """
    run, folder, roster = context.run, context.artifacts, context.roster
    try:
        stored = folder.read_json("extracted")
    except FileNotFoundError:
        raise _not_read() from None
    version = Version(stored["version"])
    # Packages of another version have other columns, so they are not folded.
    own = [(at, p) for at, p in enumerate(stored["packages"]) if p["version"] == version]
    found = store.foldable(
        connection, run, version=version.value, files=store.FILES_OF_SCOPE[run.scope]
    )
    modes = [package["modes"] for _, package in own]
    in_bulk = {file for of in modes for file, mode in of.items() if mode == Mode.BULK}
    # A bulk file of this run is newer than the deltas of earlier runs, and contains all of them.
    found = [one for one in found if one.run_id == run.run_id or one.file not in in_bulk]
    numbers, arrivals = _numbers(run, stored["packages"], found)
    snapshots = {
        at: folder.read_tables(_snapshots(at) if numbers[run.run_id, at] else "snapshots")
        for at, _ in own
    }
    rows = _restore_ids(store.read_rows(connection, found), snapshots.values(), roster)
    parts: dict[str, list[Part]] = {}
    for delta in found:
        if delta.run_id != run.run_id:
            parts.setdefault(delta.file, []).append(_part(delta, numbers, rows))
            _log_folded(delta)
    counted: dict[str, int] = {}
    for at, package in own:
        number = numbers[run.run_id, at]
        for file, table in snapshots[at].items():
            # Not appended: a bulk file replaces all earlier parts.
            parts[file] = [Part(number, arrivals[number], Mode.BULK, table)]
            counted[file] = package["rows"][file]
        for delta in found:
            if (delta.run_id, delta.part) == (run.run_id, at):
                parts.setdefault(delta.file, []).append(_part(delta, numbers, rows))
                counted.setdefault(delta.file, package["rows"][delta.file])
    extracted = Extracted("", version, rows=counted, ignored=stored["ignored"])
    extracted.modes = dict.fromkeys(ROSTERING_FILES, Mode.ABSENT)
    for file in filter(parts.__contains__, ROSTERING_FILES):
        stored_now = roster() if len(parts[file]) > 1 else None
        extracted.tables[file], extracted.modes[file] = fold(file, parts[file], stored_now)
    if version >= Version.V1_2 and "users" in parts and extracted.modes["roles"] is not Mode.BULK:
        _judge_roles_again(extracted, roster())
    folded = {
        "modes": extracted.modes,
        "rows": counted,
        "arrivals": arrivals,
        "read_by": sorted({one.run_id for one in found} - {run.run_id}),
    }
    bulk = [file for file, mode in extracted.modes.items() if mode is Mode.BULK]
    return Folded(
        extracted,
        {**stored, **folded},
        {"deltas": [delta.delta_id for delta in found], "bulk_in_plan": bulk},
        refused=bool(stored["packages"][-1].get("refused")),
    )


def _restore_ids(
    rows: Mapping[int, pa.Table],
    snapshots: Iterable[Mapping[str, pa.Table]],
    roster: Callable[[], Roster],
) -> dict[int, pa.Table]:
    """Replace hashes in rows of deltas by their sourcedIds, as far as these are known now.

    Args:
        rows: Number of the delta → its rows.
        snapshots: For each package of the run, the rows of its bulk files.
        roster: Returns the site's roster.
    """

    def known() -> Iterator[pa.Array]:
        for tables in snapshots:
            for file in _OF_STAFF & tables.keys():
                yield tables[file]["sourcedId"].drop_null().combine_chunks()
        held = roster()
        yield from (held.known()[file] for file in ("users", "enrollments"))
        yield held.links["roles"]["sourced_id"].combine_chunks()

    return restore_ids(rows, known())


def _judge_roles_again(extracted: Extracted, roster: Roster) -> None:
    """Decide again which users are staff, by the roles that remain.

    When extract filtered a row, it knew the roles that were pending then. They may have been
    discarded since, or a newer row may have removed them.
    """
    users, roles = extracted.tables["users"], extracted.tables.get("roles")
    remembered = roster.links["roles"]
    with_role = [remembered["user_sourced_id"].combine_chunks()]
    if roles is not None:
        named = pc.is_in(remembered["sourced_id"], roles["sourcedId"].combine_chunks())
        with_role = [remembered.filter(pc.invert(named))["user_sourced_id"].combine_chunks()]
        with_role.append(active_rows(roles)["userSourcedId"].drop_null().combine_chunks())
    kept, dropped = withhold_without_role(
        users, pa.concat_arrays(with_role), roster.known()["users"]
    )
    extracted.tables["users"] = kept
    if len(dropped) and "enrollments" in extracted.tables:
        enrollments = extracted.tables["enrollments"]
        theirs = pc.is_in(enrollments["userSourcedId"], dropped)
        extracted.tables["enrollments"] = enrollments.filter(pc.invert(theirs))


def _numbers(
    run: Run, packages: Sequence[Mapping[str, Any]], found: Sequence[Delta]
) -> tuple[dict[tuple[str, int], int], dict[int, str]]:
    """Number the packages of a plan, 0 the newest, and return the arrival time of each."""
    arrived = {
        (run.run_id, at): _as_moment(dt.datetime.fromisoformat(package["arrived_at"]))
        for at, package in enumerate(packages)
    }
    others = {
        (delta.run_id, delta.part): _as_moment(delta.arrived_at)
        for delta in found
        if delta.run_id != run.run_id
    }
    # `found` has the oldest first, and the run's own packages are newer than all others.
    keys = [*others, *arrived][::-1]
    numbers = {key: number for number, key in enumerate(keys)}
    return numbers, {number: (others | arrived)[key] for key, number in numbers.items()}


def _part(
    delta: Delta, numbers: Mapping[tuple[str, int], int], rows: Mapping[int, pa.Table]
) -> Part:
    arrived_at = _as_moment(delta.arrived_at)
    return Part(numbers[delta.run_id, delta.part], arrived_at, Mode.DELTA, rows[delta.delta_id])


def _as_moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _in_mode(extracted: Extracted, mode: Mode) -> dict[str, pa.Table]:
    return {n: t for n, t in extracted.tables.items() if extracted.modes.get(n) is mode}


def _snapshots(number: int) -> str:
    return f"snapshots-{number}"


def _log_folded(delta: Delta) -> None:
    log.info(
        "%s.csv of the package %s, which run %s read at %s, was not applied yet: it is part of "
        "this plan.",
        delta.file,
        delta.package,
        delta.run_id,
        f"{delta.arrived_at:%Y-%m-%d %H:%M} UTC",
    )


def read_extracted(run: Run) -> Extracted:
    """Return the extracted package without its rows.

    Raises:
        FileNotFoundError: The extract stage has not finished.
    """
    stored = RunFolder.of(run.site, run.run_id).read_json("extracted")
    return Extracted(
        sha256="",
        version=Version(stored["version"]),
        modes={name: Mode(mode) for name, mode in stored["modes"].items()},
        rows=stored["rows"],
        ignored=stored["ignored"],
    )


_ROSTERED = frozenset({"users", "courses", "classes", "enrollments"})
"""Files that a plan's changes come from."""


def files_of(run: Run, *, bulk_only: bool = False) -> frozenset[str]:
    """Return the files of users, courses and assignments that a run's plan was made from."""
    modes: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        folder = RunFolder.of(run.site, run.removals_of or run.run_id)
        modes = folder.read_json("extracted")["modes"]
    wanted = {Mode.BULK} if bulk_only else {Mode.BULK, Mode.DELTA}
    return _ROSTERED.intersection(name for name, mode in modes.items() if mode in wanted)


def require_extracted(run: Run) -> Extracted:
    """Return the extracted package without its rows.

    Raises:
        MissingStageError: Extract did not run to its end.
    """
    try:
        return read_extracted(run)
    except FileNotFoundError:
        raise _not_read() from None


def _not_read() -> MissingStageError:
    return MissingStageError("the package was not read; clear extract and the tasks after it")
