"""The records that references may point to: those of the package and those of the site."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.stages.extract.decision_table import is_going
from oneroster_sync.standard import ROSTERING_FILES
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_IDS = pa.array([], pa.string())
_UNKNOWN_WHEN_ABSENT = {"academicSessions", "orgs", "roles"}
_NOT_STORED = {"academicSessions"}
_COMPARED = {"academicSessions": ("type",), "orgs": ("type",), "classes": ("schoolSourcedId",)}
"""File → columns of its records that other rows are compared with."""
_NO_TEACHERS = pa.array(["administrator", "aide", "proctor"])


@dataclass(slots=True)
class Target:
    """The records of one file that references may point to.

    Attributes:
        present: sourcedIds of the package, and those of the site if the file is not bulk.
        quarantined: sourcedIds of the package whose rows have errors.
        removed: sourcedIds that the package removes.
        stored: sourcedIds that the site has, if the file is not bulk.
        modified: Last modified times of records that came in deltas.
        about: Columns of the package's records to compare with, and `sourcedId`.
    """

    present: pa.Array
    quarantined: pa.Array = field(default_factory=lambda: NO_IDS)
    removed: pa.Array = field(default_factory=lambda: NO_IDS)
    stored: pa.Array = field(default_factory=lambda: NO_IDS)
    modified: pa.Table | None = None
    about: pa.Table | None = None

    def accepts(self, ids: pa.Array, state: str) -> pa.Array:
        """Return for each id whether it may be referred to; only `present` refuses unknown ids."""
        if state == "present":
            return pc.is_in(ids, self.present)
        return pc.invert(pc.is_in(ids, self.quarantined if state == "usable" else self.removed))

    def lookup(self, ids: pa.Array, column: str) -> pa.Array:
        """Return a column of each record; null if the record is unknown or has errors."""
        if self.about is None:
            return pa.nulls(len(ids), pa.string())
        at = pc.index_in(ids, self.about["sourcedId"].combine_chunks(), skip_nulls=True)
        sound = pc.invert(pc.is_in(ids, self.quarantined))
        values = self.about[column].combine_chunks().take(at)
        return pc.if_else(sound, values, pa.scalar(None, pa.string()))

    def leave_out(self, ids: pa.Array) -> None:
        """Treat unused records as absent, unless the site has them."""
        absent = ids.filter(pc.invert(pc.is_in(ids, self.stored)))
        self.present = self.present.filter(pc.invert(pc.is_in(self.present, absent)))

    def first_refused(self, cells: pa.Array, state: str) -> pa.Array:
        """Return for each cell of sourcedIds the first one that may not be referred to."""
        split = pc.split_pattern(cells, ",")
        ids, of_cell = (
            pc.utf8_trim_whitespace(pc.list_flatten(split)),
            pc.list_parent_indices(split),
        )
        refused = pc.invert(self.accepts(ids, state))
        ids, of_cell = ids.filter(refused), of_cell.filter(refused)
        return ids.take(pc.index_in(pa.array(range(len(cells)), of_cell.type), of_cell))


# Great Expectations calls the metrics itself, and passes them only what a suite's JSON can hold.
TARGETS: ContextVar[dict[str, Target]] = ContextVar("targets")
"""File → target, for the validation in progress; a file without an entry is unknown."""


def may_refer_to_known(modes: Mapping[str, Mode]) -> bool:
    """Return whether rows may refer to records that the site has but the package does not."""
    return any(_counts_as_known(name, mode) for name, mode in modes.items())


def _counts_as_known(name: str, mode: Mode) -> bool:
    """Return whether the site's records of a file are targets, in addition to the package's."""
    if mode is Mode.BULK or name in _NOT_STORED:
        return False
    return mode is Mode.DELTA or name not in _UNKNOWN_WHEN_ABSENT


def collect_targets(
    tables: Mapping[str, pa.Table], modes: Mapping[str, Mode], known: Mapping[str, pa.Array]
) -> dict[str, Target]:
    """Return the records that rows may refer to, by file or by file and column."""
    targets = {}
    for name in ROSTERING_FILES:
        mode = modes.get(name, Mode.ABSENT)
        if mode is not Mode.BULK and name in _NOT_STORED:
            continue
        if mode is not Mode.ABSENT and name not in tables:
            continue  # the file can't be read, so its records are unknown
        if mode is Mode.ABSENT and name in _UNKNOWN_WHEN_ABSENT:
            continue
        ids = unique_ids(tables[name]) if name in tables else NO_IDS
        stored = known.get(name, NO_IDS) if _counts_as_known(name, mode) else NO_IDS
        about = None
        if name in _COMPARED and name in tables:
            about = tables[name].select(["sourcedId", *_COMPARED[name]])
        targets[name] = Target(pa.concat_arrays([ids, stored]), stored=stored, about=about)
    if "roles" in tables and "users" in tables:
        # Extract withholds users without a role, remembered or new; they are not judged.
        with_role = unique_ids(tables["users"].filter(pc.invert(tables["users"]["withheld"])))
        targets["roles.userSourcedId"] = Target(with_role)
        if modes["roles"] is Mode.BULK:
            roles = tables["roles"]
            every = pc.is_valid(roles["row"])
            pairs = pair_ids(roles, "userSourcedId", "orgSourcedId", every).drop_null()
            targets["roles.primaryOrg"] = Target(pc.unique(pairs.combine_chunks()))
    if "enrollments" in tables and modes["enrollments"] is Mode.BULK:
        enrolled = tables["enrollments"]
        if not pc.any(pc.is_valid(enrolled["flaw"])).as_py():  # may be any class's
            # Any other role, blank or unknown, may be a teacher's.
            taught = enrolled.filter(pc.invert(pc.is_in(enrolled["role"], _NO_TEACHERS)))
            targets["enrollments.classSourcedId"] = Target(unique_ids(taught, "classSourcedId"))
    return targets


def note_verdict(targets: dict[str, Target], name: str, good: pa.Table, bad: pa.Table) -> None:
    """Record the verdict on a file's records, for the references of later files."""
    going = good.filter(is_going(good))
    if name in targets:
        targets[name].quarantined = unique_ids(bad)
        targets[name].removed = unique_ids(going)
        if name in _COMPARED:  # a value that was left out must not be compared with
            targets[name].about = good.select(["sourcedId", *_COMPARED[name]])
    if name == "roles" and "roles.userSourcedId" in targets:
        targets["roles.userSourcedId"].quarantined = unique_ids(bad, "userSourcedId")


def pair_ids(table: pa.Table, column: str, other: str, rows: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return two columns joined as one in some rows; null elsewhere, and if either is blank."""
    joined = pc.binary_join_element_wise(table[column], table[other], "\x1f")
    return pc.if_else(pc.fill_null(rows, False), joined, pa.scalar(None, pa.string()))


def unique_ids(table: pa.Table, column: str = "sourcedId") -> pa.Array:
    """Return the distinct values of a column, without nulls."""
    return pc.unique(table[column].drop_null().combine_chunks())
