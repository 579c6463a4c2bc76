"""What references may point to: the records of the package and those the site has already."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

NO_IDS = pa.array([], pa.string())


@dataclass(slots=True)
class Target:
    """The records of one file that others may point to.

    Attributes:
        present: sourcedIds of the package, and of the store where the file is not bulk.
        quarantined: Those of the package with errors of their own.
        removed: Those that the package removes.
        stored: sourcedIds that the site has, where the file is not bulk.
        modified: When the SIS last modified those that came in deltas.
        about: What the package's records say of themselves, with a column `sourcedId`.
    """

    present: pa.Array
    quarantined: pa.Array = field(default_factory=lambda: NO_IDS)
    removed: pa.Array = field(default_factory=lambda: NO_IDS)
    stored: pa.Array = field(default_factory=lambda: NO_IDS)
    modified: pa.Table | None = None
    about: pa.Table | None = None

    def accepts(self, ids: pa.Array, state: str) -> pa.Array:
        """Tell for each id whether it may be pointed to; a missing one is `present`'s concern."""
        if state == "present":
            return pc.is_in(ids, self.present)
        return pc.invert(pc.is_in(ids, self.quarantined if state == "usable" else self.removed))

    def told(self, ids: pa.Array, column: str) -> pa.Array:
        """Return what each record says in a column; null where it is not here or has errors."""
        if self.about is None:
            return pa.nulls(len(ids), pa.string())
        at = pc.index_in(ids, self.about["sourcedId"].combine_chunks(), skip_nulls=True)
        sound = pc.invert(pc.is_in(ids, self.quarantined))
        said = self.about[column].combine_chunks().take(at)
        return pc.if_else(sound, said, pa.scalar(None, pa.string()))

    def leave_out(self, ids: pa.Array) -> None:
        """Take records that are not used for absent, unless the site has them."""
        absent = ids.filter(pc.invert(pc.is_in(ids, self.stored)))
        self.present = self.present.filter(pc.invert(pc.is_in(self.present, absent)))

    def first_refused(self, cells: pa.Array, state: str) -> pa.Array:
        """Return of each cell, which holds sourcedIds, the first that may not be pointed to."""
        split = pc.split_pattern(cells, ",")
        ids, of_cell = (
            pc.utf8_trim_whitespace(pc.list_flatten(split)),
            pc.list_parent_indices(split),
        )
        refused = pc.invert(self.accepts(ids, state))
        ids, of_cell = ids.filter(refused), of_cell.filter(refused)
        return ids.take(pc.index_in(pa.array(range(len(cells)), of_cell.type), of_cell))


TARGETS: ContextVar[dict[str, Target]] = ContextVar("targets")
"""The targets of the validation that is under way, by file; a file that is not here is unknown."""
