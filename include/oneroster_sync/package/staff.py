"""Staff only: students, parents, guardians and relatives never get past the door.

A row whose role can't be read may be a student's: of such a row only the sourcedId, the role and
when it was modified are kept (`withheld`), so that it can be reported and its record protected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.package.reading import OWN
from oneroster_sync.package.repairs import role_is
from oneroster_sync.spec import STAFF_ROLES, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

_NONE = pa.array([], pa.string())
_KEPT_WHEN_WITHHELD = {"sourcedId", "role", "status", "dateLastModified"} | {f.name for f in OWN}


@dataclass(frozen=True, slots=True)
class Known:
    """What the site has from earlier syncs, for rows that can't be read by themselves.

    Attributes:
        users: sourcedIds.
        role_ids: sourcedIds of role rows.
        role_users: Whose role each of `role_ids` is.
    """

    users: pa.Array = field(default_factory=lambda: _NONE)
    role_ids: pa.Array = field(default_factory=lambda: _NONE)
    role_users: pa.Array = field(default_factory=lambda: _NONE)


@dataclass(slots=True)
class Staff:
    """What is known of who is staff, as the files are read: roles, then users, then enrollments.

    Attributes:
        version: From 1.2 on, roles stand in roles.csv.
        known: What the site has from earlier syncs.
        delta: Whether users.csv holds changes only, so that a user without roles may be anybody.
        ignored: How many rows of users.csv were not staff.
    """

    version: Version
    known: Known
    delta: bool = False
    ignored: int = 0
    _staff: list[pa.Array] = field(default_factory=list)
    _unclear: list[pa.Array] = field(default_factory=list)
    _others: list[pa.Array] = field(default_factory=list)
    _dropped: list[pa.Array] = field(default_factory=list)
    _kept: list[pa.Array] = field(default_factory=list)
    _never_staff: pa.Array | None = None
    _lost_role: bool = False

    def keep_roles(self, table: pa.Table) -> pa.Table:
        """Keep the role rows of staff, and those whose role can't be read.

        A broken row is that of the user who had a role of its sourcedId before.
        """
        table = self._with_known_users(table)
        dropped = _is_no_staff(table["role"])
        self._others.append(_ids(table["userSourcedId"].filter(dropped)))
        kept = table.filter(pc.invert(dropped))
        sound = pc.or_(role_is(kept["role"], STAFF_ROLES), pc.is_valid(kept["flaw"]))
        self._staff.append(_ids(kept["userSourcedId"].filter(sound)))
        self._unclear.append(_ids(kept["userSourcedId"].filter(pc.invert(sound))))
        return kept

    def keep_users(self, table: pa.Table) -> pa.Table:
        """Keep the rows of staff; withhold those of whom nothing is known."""
        if self.version is Version.V1_2:
            ids = table["sourcedId"]
            staff = pc.is_in(ids, _joined(self._staff))
            known = pc.is_in(ids, self.known.users)
            unread = pc.is_in(ids, _joined(self._unclear))
            others = _is_among(ids, _joined(self._others))
            if self.delta:
                others = pc.or_(others, pc.invert(known))
            dropped = pc.and_(others, pc.invert(pc.or_(staff, unread)))
            if self._lost_role:
                dropped = pc.and_(dropped, pc.invert(known))
            seen = pc.or_(staff, pc.and_(known, pc.invert(unread))) if self.delta else staff
            unclear = pc.invert(pc.or_(seen, dropped))
        else:
            dropped = _is_no_staff(table["role"])
            unclear = pc.invert(role_is(table["role"], STAFF_ROLES))
            dropped = pc.and_(dropped, pc.is_null(table["flaw"]))
        self.ignored += pc.sum(dropped).as_py() or 0
        self._dropped.append(_ids(table["sourcedId"].filter(dropped)))
        kept = _withhold(table, unclear).filter(pc.invert(dropped))
        self._kept.append(_ids(kept["sourcedId"]))
        return kept

    def keep_enrollments(self, table: pa.Table) -> pa.Table:
        """Keep the enrollments in a role of staff, and those whose role can't be read."""
        flawed = pc.is_valid(table["flaw"])
        return table.filter(pc.or_(pc.invert(_is_no_staff(table["role"])), flawed))

    def without_students(self, table: pa.Table) -> pa.Table:
        """Drop what is left of enrollments.csv of those who turned out to be no staff."""
        theirs = _is_among(table["userSourcedId"], self.dropped)
        return table.filter(pc.invert(pc.and_(theirs, pc.is_null(table["flaw"]))))

    def _with_known_users(self, table: pa.Table) -> pa.Table:
        if table["flaw"].null_count == table.num_rows:
            return table
        at = pc.index_in(table["sourcedId"], value_set=self.known.role_ids, skip_nulls=True)
        users = pc.coalesce(table["userSourcedId"], pc.take(self.known.role_users, at))
        lost = pc.and_(pc.is_valid(table["flaw"]), pc.is_null(users))
        self._lost_role = self._lost_role or bool(pc.any(lost).as_py())
        return table.set_column(table.column_names.index("userSourcedId"), "userSourcedId", users)

    @property
    def dropped(self) -> pa.Array:
        """Return the sourcedIds of users.csv that are not staff; they are stored nowhere."""
        if self._never_staff is None:
            dropped = _joined(self._dropped)
            self._never_staff = dropped.filter(pc.invert(pc.is_in(dropped, _joined(self._kept))))
        return self._never_staff


def find_unclear(*packages: Mapping[str, pa.Table]) -> dict[str, pa.Array]:
    """Return, by file, the rows that nobody can tell to be a staff member's.

    They can't be read, or their role can't: a pupil's name may stand where the sourcedId belongs.

    Args:
        packages: File → rows, as `keep_…` returns them.
    """
    rows: dict[str, pa.Array] = {}
    for name, table in ((name, table) for tables in packages for name, table in tables.items()):
        if "flaw" not in table.column_names:
            continue
        unclear = pc.or_(pc.is_valid(table["flaw"]), table["withheld"])
        if name in {"roles", "enrollments"}:
            is_staff = pc.fill_null(role_is(table["role"], STAFF_ROLES), False)
            unclear = pc.or_(unclear, pc.invert(is_staff))
        found = table["row"].filter(unclear).combine_chunks()
        rows[f"{name}.csv"] = pa.concat_arrays([rows.get(f"{name}.csv", found[:0]), found])
    return rows


def _is_no_staff(roles: pa.ChunkedArray) -> pa.ChunkedArray:
    extended = pc.fill_null(pc.starts_with(roles, "ext:"), False)
    return pc.or_(role_is(roles), extended)


def _is_among(values: pa.ChunkedArray, many: pa.Array) -> pa.ChunkedArray:
    """Tell which values are among many more, which `pc.is_in` would hash anew for each block."""
    found = many.filter(pc.is_in(many, pc.unique(values)))
    return pc.is_in(values, found)


def _withhold(table: pa.Table, rows: pa.ChunkedArray) -> pa.Table:
    if not pc.any(rows).as_py():
        return table
    for index, name in enumerate(table.column_names):
        if name not in _KEPT_WHEN_WITHHELD:
            hidden = pc.if_else(rows, pa.scalar(None, table[name].type), table[name])
            table = table.set_column(index, name, hidden)
    withheld = pc.or_(table["withheld"], rows)
    return table.set_column(table.column_names.index("withheld"), "withheld", withheld)


def _ids(values: pa.ChunkedArray) -> pa.Array:
    return values.drop_null().combine_chunks()


def _joined(arrays: list[pa.Array]) -> pa.Array:
    if not arrays:
        return _NONE
    return arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)
