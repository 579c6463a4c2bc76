"""What a row asks for: one decision table for users, roles and enrollments in every mode.

A row comes, goes, is a pupil's, or can't be told. The table is data: the door decides by it
(`staff`), the tests walk all of it, and docs/reference/semantics.md is generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.standard import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Verdict(StrEnum):
    """What becomes of a row."""

    COMES = "comes"
    """Its record is to be there, as the row says."""
    GOES = "goes"
    """Its record is to go. The row claims nothing, protects nothing and needs a sourcedId only."""
    PUPIL = "pupil"
    """It is a pupil's, or nobody's of ours: dropped in the block in which it is read."""
    UNREADABLE = "unreadable"
    """It may be anybody's: its values are blanked, and its record stays exactly as it is."""


class Who(StrEnum):
    """Whose a row is, by the roles that the package names and those that are remembered."""

    STAFF = "staff"
    PUPIL = "pupil"
    SECOND = "second"
    """A role of staff beside primary roles that are all none of staff; only in 1.2."""
    UNREAD = "unread"
    """A role that can't be read: blank, unknown to the standard, or in a broken row. In 1.2 also
    secondary roles of staff beside a pupil's whose roleType can't be read."""
    NOBODY = "nobody"
    """No role at all; only users of 1.2, whose roles stand in a file of their own."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the decision table; None stands for any.

    Attributes:
        who: Whose the row is.
        marked: Whether its status asks for a removal.
        ours: Whether the site has or had a record of its sourcedId.
        delta: Whether its file is a delta.
        verdict: What becomes of it.
        because: Why, in words.
    """

    verdict: Verdict
    because: str
    who: Who | None = None
    marked: bool | None = None
    ours: bool | None = None
    delta: bool | None = None

    def fits(self, who: Who, *, marked: bool, ours: bool, delta: bool) -> bool:
        """Tell whether the rule is about such a row."""
        wanted = ((self.who, who), (self.marked, marked), (self.ours, ours), (self.delta, delta))
        return all(want is None or want == found for want, found in wanted)


RULES = (
    Rule(
        Verdict.GOES,
        "a pupil who helps is a pupil: a role of staff counts only where a primary role is one",
        who=Who.SECOND,
        ours=True,
    ),
    Rule(
        Verdict.PUPIL,
        "the same, and nothing of theirs is here",
        who=Who.SECOND,
    ),
    Rule(
        Verdict.GOES,
        "who was staff and is a pupil now has left the staff; a delta says it no other way",
        who=Who.PUPIL,
        ours=True,
        delta=True,
    ),
    Rule(
        Verdict.PUPIL,
        "pupils, parents and extended roles stay outside; in bulk a record of ours is then absent",
        who=Who.PUPIL,
    ),
    Rule(
        Verdict.PUPIL,
        "neither the package nor what is remembered has a role of staff for it",
        who=Who.NOBODY,
        ours=False,
    ),
    Rule(Verdict.GOES, "its status asks for it", marked=True),
    Rule(Verdict.COMES, "it has a role of staff", who=Who.STAFF),
    Rule(
        Verdict.UNREADABLE,
        "it is one of ours, and no role says what it is now",
        who=Who.NOBODY,
    ),
    Rule(
        Verdict.UNREADABLE,
        "its role, or which of its roles is primary, can't be read, so it may be a pupil's",
        who=Who.UNREAD,
    ),
)
"""The decision table: the first rule that fits decides."""

MARKS = {
    Version.V1_0: ("inactive", "tobedeleted"),
    Version.V1_1: ("tobedeleted",),
    Version.V1_2: ("tobedeleted",),
}
"""Version → the statuses by which a row asks for its record to go."""

MARKED, NO_STAFF, NOT_PRIMARY = "marked", "no_staff", "not_primary"
"""Values of a snapshot's column `goes`: why a row goes. Null: it does not."""
_ASKED_BY_STATUS = pa.array(["tobedeleted", "inactive"])


def decide(who: Who, *, marked: bool, ours: bool, delta: bool) -> Rule:
    """Return the rule that decides about such a row."""
    return next(r for r in RULES if r.fits(who, marked=marked, ours=ours, delta=delta))


def every_case() -> Iterator[tuple[Who, bool, bool, bool]]:
    """Return all that can be asked of the table: who, marked, ours, delta."""
    return product(Who, (False, True), (False, True), (False, True))


def judge(
    who: Mapping[Who, pa.ChunkedArray],
    *,
    marked: pa.ChunkedArray,
    ours: pa.ChunkedArray,
    delta: bool,
) -> dict[Verdict, pa.ChunkedArray]:
    """Return for each verdict which rows of a block have it.

    Args:
        who: For each answer the rows that it is true of; of a row only one is.
        marked: Rows whose status asks for a removal.
        ours: Rows whose sourcedId the site knows.
        delta: Whether the file is a delta.
    """
    found = dict.fromkeys(Verdict, pa.scalar(False))
    for person, rows in who.items():
        for is_marked, is_ours in product((False, True), (False, True)):
            verdict = decide(person, marked=is_marked, ours=is_ours, delta=delta).verdict
            such = rows
            such = pc.and_(such, marked if is_marked else pc.invert(marked))
            such = pc.and_(such, ours if is_ours else pc.invert(ours))
            found[verdict] = pc.or_(found[verdict], such)
    return found


def is_marked(table: pa.Table, version: Version) -> pa.ChunkedArray:
    """Tell which rows ask by their status for their record to go, however it is capitalised."""
    status = pc.utf8_lower(pc.utf8_trim_whitespace(table["status"]))
    return pc.is_in(status, pa.array(MARKS[version]))


def is_going(table: pa.Table) -> pa.ChunkedArray:
    """Tell which rows of a snapshot go, by their status or by their role."""
    going = pc.is_in(table["status"], _ASKED_BY_STATUS)
    if "goes" not in table.column_names:
        return going
    return pc.or_(going, pc.is_valid(table["goes"]))


def with_goes(table: pa.Table) -> pa.Table:
    """Return a snapshot with a column `goes`; one that an earlier version wrote has none."""
    if "goes" in table.column_names:
        return table
    return table.append_column("goes", pa.nulls(table.num_rows, pa.string()))


def is_disabled(users: pa.Table) -> pa.ChunkedArray | pa.Array:
    """Tell which rows of users say that the person is not to log in."""
    if "enabledUser" not in users.column_names:
        return pa.repeat(False, users.num_rows)
    return pc.fill_null(pc.equal(users["enabledUser"], "false"), False)


def claims_login(users: pa.Table) -> pa.ChunkedArray:
    """Tell which rows of users claim the login that they name: none that goes or is disabled."""
    return pc.and_not(pc.is_valid(users["login"]), pc.or_(is_going(users), is_disabled(users)))
