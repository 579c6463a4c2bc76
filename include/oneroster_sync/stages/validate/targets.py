"""The records that references may point to: those of the package and those of the site."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

NO_IDS = pa.array([], pa.string())


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
        """Tell for each id whether it may be referred to; only `present` refuses unknown ids."""
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


TARGETS: ContextVar[dict[str, Target]] = ContextVar("targets")
"""File → target, for the validation in progress; a file without an entry is unknown."""
