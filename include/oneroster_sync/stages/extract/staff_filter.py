"""Keep the rows of staff: students, parents, guardians and relatives are dropped while reading.

One table (`decision_table`) decides about every row, in bulk and in deltas. Of a row that may be a
pupil's, only the sourcedId, the role and the time of its last change are kept (`withheld`), so that
the row can be reported and its record protected. Such a row has a flaw and is never valid.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings.finding import find_named, is_named
from oneroster_sync.roster.model import NO_IDS, Known
from oneroster_sync.stages.extract.csv_table import OWN
from oneroster_sync.stages.extract.decision_table import (
    MARKED,
    NO_STAFF,
    NOT_PRIMARY,
    Verdict,
    Who,
    is_marked,
    judge,
)
from oneroster_sync.stages.extract.enrollment_pairs import with_known_pairs
from oneroster_sync.stages.extract.repairs import role_is
from oneroster_sync.standard import STAFF_ROLES, Version

if TYPE_CHECKING:
    from collections.abc import Callable


_OWN_NAMES = {f.name for f in OWN}
_KEPT_WHEN_WITHHELD = {"sourcedId", "status", "dateLastModified"} | _OWN_NAMES
_UNCLEAR_TYPE = "semantic.unclear_primary_role"
_KEPT_WHEN_GOING = {"sourcedId", "status", "dateLastModified"} | _OWN_NAMES


@dataclass(slots=True)
class Staff:
    """The knowledge of who is staff, as files are read: roles, then users, then enrollments.

    Attributes:
        version: Version of the standard; from 1.2 on, roles are in roles.csv.
        known: sourcedIds and roles that the site has from earlier syncs.
        deltas: Names of the delta files.
        whole_roles: Whether roles.csv is bulk: then remembered roles count only if it has them.
        ignored: Number of rows of users.csv that are not staff.
        without_any_role: Number of these rows in a delta whose users have no role, now or before.
        user_id_length: Length of roles.csv's references to users after lost leading zeros are
            restored; None if no zeros were lost.
        any_role_fits: Whether any row of users.csv has a role in roles.csv.
    """

    version: Version
    known: Known
    deltas: frozenset[str] = frozenset()
    whole_roles: bool = False
    ignored: int = 0
    without_any_role: int = 0
    user_id_length: int | None = None
    any_role_fits: bool = False
    _staff: list[pa.Array] = field(default_factory=list)
    _unread: list[pa.Array] = field(default_factory=list)
    _others: list[pa.Array] = field(default_factory=list)
    _named_roles: list[pa.Array] = field(default_factory=list)
    _primary_pupils: list[pa.Array] = field(default_factory=list)
    _maybe_pupils: list[pa.Array] = field(default_factory=list)
    _pupil_rows: list[pa.Table] = field(default_factory=list)
    _maybe_primary: list[pa.Array] = field(default_factory=list)
    _dropped: list[pa.Array] = field(default_factory=list)
    _kept: list[pa.Array] = field(default_factory=list)
    _leavers: dict[str, list[pa.Table]] = field(default_factory=dict)
    _never_staff: pa.Array | None = None
    _second_roles: pa.Array | None = None
    _undecided_users: pa.Array | None = None
    _remembered: pa.Array | None = None
    _lost_role: bool = False

    def copy(self) -> Staff:
        """Return a copy of the current state, for a file that has to be read again."""
        lists = (
            *("_staff", "_unread", "_others", "_named_roles", "_dropped", "_kept"),
            *("_primary_pupils", "_maybe_pupils", "_maybe_primary", "_pupil_rows"),
        )
        copied: dict[str, Any] = {name: list(getattr(self, name)) for name in lists}
        leavers = {name: list(parts) for name, parts in self._leavers.items()}
        return replace(self, _leavers=leavers, **copied)

    def keep(self, name: str) -> Callable[[pa.Table], pa.Table]:
        """Return the filter that keeps a file's staff rows."""
        by_file = {
            "roles": self.keep_roles,
            "users": self.keep_users,
            "enrollments": self.keep_enrollments,
        }
        return by_file.get(name, _keep_all)

    def keep_roles(self, table: pa.Table) -> pa.Table:
        """Keep role rows of staff, rows that go, and rows whose role can't be read.

        A broken row belongs to the user who had the role with its sourcedId before.
        """
        if self.user_id_length is not None:
            users = pc.utf8_trim_whitespace(table["userSourcedId"])
            users = pc.utf8_lpad(users, width=self.user_id_length, padding="0")
            table = _with_column(table, "userSourcedId", users)
        table = self._with_known_users(table)
        who = _who_by_role(table)
        found = self._judge("roles", table, who)
        for verdict, users in (
            (Verdict.COMES, self._staff),
            (Verdict.UNREADABLE, self._unread),
            (Verdict.PUPIL, self._others),
        ):
            users.append(_ids(table["userSourcedId"].filter(found[verdict])))
        leaving = pc.and_(found[Verdict.GOES], who[Who.PUPIL])
        self._others.append(_ids(table["userSourcedId"].filter(leaving)))
        # Those of pupils too: a remembered role of staff that becomes a pupil's does not count any
        # more.
        self._named_roles.append(_ids(table["sourcedId"]))
        # An unreadable roleType never counts as "secondary", nor as a pupil's "primary".
        role_type = pc.fill_null(pc.utf8_lower(pc.utf8_trim_whitespace(table["roleType"])), "")
        marked = pc.fill_null(is_marked(table, self.version), False)
        theirs = pc.and_not(who[Who.PUPIL], marked)
        pupils = pc.and_(theirs, pc.equal(role_type, "primary"))
        self._primary_pupils.append(_ids(table["userSourcedId"].filter(pupils)))
        odd = pc.invert(pc.is_in(role_type, pa.array(["primary", "secondary"])))
        self._maybe_pupils.append(_ids(table["userSourcedId"].filter(pc.and_(theirs, odd))))
        if not self.whole_roles:
            named = ["userSourcedId", "row", "status", "dateLastModified"]
            self._pupil_rows.append(table.select(named).filter(pupils))
        staff = pc.and_(found[Verdict.COMES], pc.not_equal(role_type, "secondary"))
        self._maybe_primary.append(_ids(table["userSourcedId"].filter(staff)))
        return self._kept_of("roles", table, found, who)

    def without_second_roles(self, table: pa.Table) -> pa.Table:
        """Drop the staff roles of users whose primary roles are not of staff; known users go.

        Which roles of a user are primary is known at the end of roles.csv. If an unreadable
        roleType would decide, the roles are errors, so that they are neither used nor remembered.
        """
        unclear = _is_among(table["userSourcedId"], self._undecided)
        unclear = pc.and_(unclear, pc.fill_null(role_is(table["role"], STAFF_ROLES), False))
        unclear = pc.and_(unclear, pc.and_(pc.is_null(table["flaw"]), pc.is_null(table["goes"])))
        if pc.any(unclear).as_py():
            table = _with_column(table, "flaw", pc.if_else(unclear, _UNCLEAR_TYPE, table["flaw"]))
            table = _hide(table, unclear, {*_KEPT_WHEN_WITHHELD, "userSourcedId"})
            table = _with_column(table, "withheld", pc.or_(table["withheld"], unclear))
        theirs = _is_among(table["userSourcedId"], self._second)
        theirs = pc.and_(theirs, role_is(table["role"], STAFF_ROLES))
        theirs = pc.and_(pc.fill_null(theirs, False), pc.is_null(table["flaw"]))
        who = _first_of({Who.SECOND: theirs}, otherwise=Who.STAFF)
        found = self._judge("roles", table, who)
        table = self._kept_of("roles", table, found, who)
        if self.whole_roles or not len(self._second):
            return table
        # Their remembered roles are removed as well, by the row that has their role now.
        named = pc.is_in(self.known.role_ids, _joined(self._named_roles))
        remembered = pc.and_(pc.is_in(self.known.role_users, self._second), pc.invert(named))
        ids, users = (a.filter(remembered) for a in (self.known.role_ids, self.known.role_users))
        rows_of_pupils = pa.concat_tables(self._pupil_rows).combine_chunks()
        rows = rows_of_pupils.take(
            pc.index_in(users, rows_of_pupils["userSourcedId"].combine_chunks())
        )
        rows = _with_column(rows, "userSourcedId", pa.nulls(len(ids), pa.string()))
        rows = rows.append_column("sourcedId", ids)
        rows = rows.append_column("goes", pa.repeat(NOT_PRIMARY, len(ids)))
        rows = rows.append_column("withheld", pa.repeat(False, len(ids)))
        merged = pa.concat_tables([table, rows], promote_options="default")
        return merged.replace_schema_metadata(table.schema.metadata)

    def keep_users(self, table: pa.Table) -> pa.Table:
        """Keep the rows of staff and rows that go; withhold rows of whom nothing is known."""
        who = self._who_in_roles(table) if self.version is Version.V1_2 else _who_by_role(table)
        if self._lost_role:
            # A role row without a readable user may be the row that makes a known person staff.
            unclear = pc.and_(_outside(who), self.known.is_ours("users", table["sourcedId"]))
            for outside in (Who.PUPIL, Who.SECOND):
                who[outside] = pc.and_not(who[outside], unclear)
            who[Who.UNREAD] = pc.or_(who[Who.UNREAD], unclear)
        found = self._judge("users", table, who)
        pupils = pc.or_(found[Verdict.PUPIL], pc.and_(found[Verdict.GOES], _outside(who)))
        not_staff = pc.and_(pupils, pc.or_(_outside(who), who[Who.NOBODY]))
        self.ignored += pc.sum(not_staff).as_py() or 0
        if "users" in self.deltas:
            without_any_role = pc.and_(found[Verdict.PUPIL], who[Who.NOBODY])
            without_any_role = pc.and_not(
                without_any_role, pc.fill_null(is_marked(table, self.version), False)
            )
            self.without_any_role += pc.sum(without_any_role).as_py() or 0
        self._dropped.append(_ids(table["sourcedId"].filter(pupils)))
        table = _hide(table, found[Verdict.GOES], _KEPT_WHEN_GOING)
        table = self._withhold(table, found[Verdict.UNREADABLE], who)
        kept = self._kept_of("users", table, found, who)
        self._kept.append(_ids(kept["sourcedId"]))
        return kept

    def keep_enrollments(self, table: pa.Table) -> pa.Table:
        """Keep the enrollments in a role of staff, rows that go, and rows that can't be read."""
        table = with_known_pairs(table, self.known.enrollments)
        who = _who_by_role(table)
        found = self._judge("enrollments", table, who)
        return self._kept_of("enrollments", table, found, who)

    def without_students(self, table: pa.Table) -> pa.Table:
        """Drop remaining enrollments of users who turned out not to be staff."""
        theirs = _is_among(table["userSourcedId"], self.dropped)
        theirs = pc.and_(theirs, pc.is_null(table["flaw"]))
        if not pc.any(theirs).as_py():
            return table
        who = _first_of({Who.PUPIL: theirs}, otherwise=Who.STAFF)
        found = self._judge("enrollments", table, who)
        found[Verdict.COMES] = pc.invert(theirs)
        return self._kept_of("enrollments", table, found, who)

    def with_leavers(self, name: str, table: pa.Table) -> pa.Table:
        """Add the rows that remove our records by their role, unless another row keeps the record.

        A teacher who is a parent may have two rows, so this is decided at the end of the file.
        """
        parts = self._leavers.pop(name, [])
        if not parts:
            return table
        rows = pa.concat_tables(parts)
        rows = rows.filter(pc.invert(pc.is_in(rows["sourcedId"], _ids(table["sourcedId"]))))
        first = pc.index_in(pc.unique(rows["sourcedId"]), rows["sourcedId"].combine_chunks())
        leavers = rows.take(first).cast(table.schema)
        return pa.concat_tables([table, leavers]).replace_schema_metadata(table.schema.metadata)

    def _judge(
        self, name: str, table: pa.Table, who: dict[Who, pa.ChunkedArray]
    ) -> dict[Verdict, pa.ChunkedArray]:
        marked = is_marked(table, self.version)
        ours = self.known.is_ours(name, table["sourcedId"])
        return judge(who, marked=marked, ours=ours, delta=name in self.deltas)

    def _kept_of(
        self,
        name: str,
        table: pa.Table,
        found: dict[Verdict, pa.ChunkedArray],
        who: dict[Who, pa.ChunkedArray],
    ) -> pa.Table:
        """Return the rows to keep; rows that go by their role wait for the end of the file."""
        by_role = _outside(who)
        leaving = pc.and_(found[Verdict.GOES], by_role)
        marked = pc.and_not(found[Verdict.GOES], by_role)
        goes = pc.if_else(marked, pa.scalar(MARKED), table["goes"])
        why = pc.if_else(who[Who.SECOND], NOT_PRIMARY, NO_STAFF)
        table = _with_column(table, "goes", pc.if_else(leaving, why, goes))
        if pc.any(leaving).as_py():
            leavers = _hide(table, leaving, _KEPT_WHEN_GOING).filter(leaving)
            self._leavers.setdefault(name, []).append(leavers)
        return table.filter(pc.invert(pc.or_(found[Verdict.PUPIL], leaving)))

    def _who_in_roles(self, table: pa.Table) -> dict[Who, pa.ChunkedArray]:
        """Classify each user of 1.2 by the package's roles and the remembered roles."""
        ids = table["sourcedId"]
        staff = pc.is_in(ids, _joined(self._staff))
        others = _is_among(ids, _joined(self._others))
        self.any_role_fits = self.any_role_fits or bool(pc.any(pc.or_(staff, others)).as_py())
        if not self.whole_roles:
            staff = pc.or_(staff, pc.is_in(ids, self.remembered))
        # A row without a sourcedId may be any user's.
        named = _joined([*self._unread, self._pending_unread])
        unread = pc.or_(pc.is_null(ids), is_named(ids, named))
        undecided = pc.is_in(ids, self._undecided)
        second = pc.is_in(ids, self._second)
        found = {
            Who.STAFF: pc.and_not(staff, pc.or_(second, undecided)),
            Who.UNREAD: pc.or_(unread, undecided),
            Who.SECOND: second,
            Who.PUPIL: others,
        }
        return _first_of(found, otherwise=Who.NOBODY)

    @property
    def _second(self) -> pa.Array:
        """Return the users whose staff role does not count, once roles.csv has been read."""
        if self._second_roles is None:
            self._second_roles = self._find_second()
        return self._second_roles

    @property
    def _undecided(self) -> pa.Array:
        """Return users with secondary staff roles and a pupil role whose type can't be read.

        The pupil role may be the primary one. So nothing is concluded: no account is added, and an
        existing account stays unchanged.
        """
        if self._undecided_users is None:
            staff, primary = [*self._staff], [*self._maybe_primary, *self._primary_pupils]
            if not self.whole_roles:
                staff.append(self.remembered)
                primary.append(self._remembered_as_primary())
            users = pc.unique(_joined(self._maybe_pupils))
            users = users.filter(pc.is_in(users, _joined(staff)))
            self._undecided_users = users.filter(pc.invert(pc.is_in(users, _joined(primary))))
        return self._undecided_users

    def _remembered_as_primary(self) -> pa.Array:
        """Return the users with a remembered role that is not known to be secondary."""
        named = pc.is_in(self.known.role_ids, _joined(self._named_roles))
        second = pc.fill_null(pc.equal(self.known.role_types, "secondary"), False)
        return self.known.role_users.filter(pc.invert(pc.or_(named, second))).drop_null()

    def _find_second(self) -> pa.Array:
        """Return the users whose primary roles are all not of staff, with a secondary one that is.

        A role that can't be read may be the primary one, so users with such a role are left out.
        """
        staff, maybe = [*self._staff], [*self._maybe_primary, *self._unread]
        if not self.whole_roles:
            maybe.append(self._remembered_as_primary())
            staff.append(self.remembered)
        if self._lost_role:
            maybe.extend([self.known.users, self.known.unread_users])
        pupils = pc.unique(_joined(self._primary_pupils))
        pupils = pupils.filter(pc.is_in(pupils, _joined(staff)))
        return pupils.filter(pc.invert(is_named(pupils, _joined([*maybe, self._pending_unread]))))

    @property
    def _pending_unread(self) -> pa.Array:
        """Return the users of unreadable pending roles that the package does not replace."""
        roles, users = self.known.unread_roles, self.known.unread_users
        if self.whole_roles or not len(roles):
            return NO_IDS
        named = find_named(_joined(self._named_roles), roles).drop_null()
        left = pc.invert(pc.is_in(pa.array(range(len(roles)), named.type), named))
        return users.filter(left).drop_null()

    @property
    def remembered(self) -> pa.Array:
        """Return the users with a role of an earlier package that this package does not replace."""
        if self._remembered is None:
            named = pc.is_in(self.known.role_ids, _joined(self._named_roles))
            self._remembered = self.known.role_users.filter(pc.invert(named)).drop_null()
        return self._remembered

    def _withhold(
        self, table: pa.Table, rows: pa.ChunkedArray, who: dict[Who, pa.ChunkedArray]
    ) -> pa.Table:
        """Blank rows that may be a pupil's, and set the reason as their flaw."""
        if not pc.any(rows).as_py():
            return table
        if self.version is Version.V1_2:
            unread = pc.and_(rows, who[Who.UNREAD])
            why = pc.if_else(unread, "reference.target_quarantined", "reference.missing_role")
            why = pc.if_else(pc.is_in(table["sourcedId"], self._undecided), _UNCLEAR_TYPE, why)
        else:
            blank = pc.is_null(table["role"])
            why = pc.if_else(blank, "row.missing_required_value", "row.invalid_enum")
        noted = pc.and_(rows, pc.is_null(table["flaw"]))
        table = _with_column(table, "flaw", pc.if_else(noted, why, table["flaw"]))
        table = _hide(table, rows, _KEPT_WHEN_WITHHELD)
        return _with_column(table, "withheld", pc.or_(table["withheld"], rows))

    def _with_known_users(self, table: pa.Table) -> pa.Table:
        if table["flaw"].null_count == table.num_rows:
            return table
        known, ids = self.known, table["sourcedId"]
        at = pc.index_in(ids, value_set=known.role_ids, skip_nulls=True)
        whose = pc.take(known.role_users, at)
        if len(known.unread_roles):
            pending = pc.take(known.unread_users, find_named(ids, known.unread_roles))
            whose = pc.coalesce(whose, pending)
        broken = pc.is_valid(table["flaw"])
        users = pc.if_else(broken, whose, table["userSourcedId"])
        lost = pc.and_(broken, pc.is_null(users))
        self._lost_role = self._lost_role or bool(pc.any(lost).as_py())
        return _with_column(table, "userSourcedId", users)

    @property
    def dropped(self) -> pa.Array:
        """Return the sourcedIds of users.csv that are not staff; they are never stored."""
        if self._never_staff is None:
            dropped = _joined(self._dropped)
            # A teacher who is a parent may have two rows, of which one is kept.
            self._never_staff = dropped.filter(pc.invert(pc.is_in(dropped, _joined(self._kept))))
        return self._never_staff


def _keep_all(table: pa.Table) -> pa.Table:
    return table


def withhold_without_role(
    users: pa.Table, with_role: pa.Array, known: pa.Array
) -> tuple[pa.Table, pa.Array]:
    """Judge rows of users.csv again whose users may have lost their staff roles.

    Args:
        users: Rows of several packages that the staff filter kept.
        with_role: sourcedIds of users with a role, readable or not.
        known: sourcedIds that the site has.

    Returns:
        The rows to keep, with rows of known users without a role blanked; and the sourcedIds of the
        dropped rows, whose users the site does not have.
    """
    ids = users["sourcedId"]
    alone = pc.and_(pc.is_valid(ids), pc.invert(pc.is_in(ids, with_role)))
    alone = pc.and_(alone, pc.is_null(users["goes"]))
    alone = pc.and_(alone, pc.is_null(users["flaw"]))
    if not pc.any(alone).as_py():
        return users, NO_IDS
    unknown = pc.and_(alone, pc.invert(pc.is_in(ids, known)))
    ours = pc.and_not(alone, unknown)
    users = _with_column(users, "flaw", pc.if_else(ours, "reference.missing_role", users["flaw"]))
    users = _hide(users, ours, _KEPT_WHEN_WITHHELD)
    users = _with_column(users, "withheld", pc.or_(users["withheld"], ours))
    return users.filter(pc.invert(unknown)), _ids(ids.filter(unknown))


def _who_by_role(table: pa.Table) -> dict[Who, pa.ChunkedArray]:
    """Classify each row by its own role; a broken row is unread."""
    role, broken = table["role"], pc.is_valid(table["flaw"])
    extended = pc.fill_null(pc.starts_with(role, "ext:"), False)
    return _first_of(
        {
            Who.UNREAD: broken,
            Who.PUPIL: pc.or_(role_is(role), extended),
            Who.STAFF: role_is(role, STAFF_ROLES),
        },
        otherwise=Who.UNREAD,
    )


def _outside(who: dict[Who, pa.ChunkedArray]) -> pa.ChunkedArray:
    """Return which rows belong to a person with a readable role that is not of staff."""
    return pc.or_(who[Who.PUPIL], who[Who.SECOND])


def _first_of(found: dict[Who, pa.ChunkedArray], *, otherwise: Who) -> dict[Who, pa.ChunkedArray]:
    """Return answer → mask of the rows for which it is the first true answer."""
    answers: dict[Who, pa.ChunkedArray] = {}
    taken = pa.scalar(False)
    for who, rows in found.items():
        answers[who] = pc.and_not(rows, taken)
        taken = pc.or_(taken, rows)
    left = pc.invert(taken)
    answers[otherwise] = pc.or_(answers.get(otherwise, pa.scalar(False)), left)
    return {who: answers.get(who, pc.and_(left, False)) for who in Who}


def _is_among(values: pa.ChunkedArray, many: pa.Array) -> pa.ChunkedArray:
    """Return which values are in a large array; `pc.is_in` would hash it again for each block."""
    found = many.filter(pc.is_in(many, pc.unique(values)))
    return pc.is_in(values, found)


def _hide(table: pa.Table, rows: pa.ChunkedArray, kept: set[str]) -> pa.Table:
    """Blank the values of some rows in all columns except the kept ones."""
    if not pc.any(rows).as_py():
        return table
    for name in table.column_names:
        if name not in kept:
            hidden = pc.if_else(rows, pa.scalar(None, table[name].type), table[name])
            table = _with_column(table, name, hidden)
    return table


def _with_column(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def _ids(values: pa.ChunkedArray) -> pa.Array:
    return values.drop_null().combine_chunks()


def _joined(arrays: list[pa.Array]) -> pa.Array:
    if not arrays:
        return NO_IDS
    return arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)
