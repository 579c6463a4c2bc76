"""The decision table: what is done with a row of users, roles or enrollments in every mode.

A row comes, goes, is a pupil's, or is unreadable. The table is data: `staff_filter` decides by it,
the tests check every case, and docs/reference/semantics.md is generated from it.
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
    """What is done with a row."""

    COMES = "comes"
    """The record is added or kept, with the row's values."""
    GOES = "goes"
    """The record is removed. The row claims and protects nothing, and needs only a sourcedId."""
    PUPIL = "pupil"
    """A pupil's row, or one of a person who is not ours: dropped in the block that is read."""
    UNREADABLE = "unreadable"
    """It may be anybody's row: its values are blanked, and its record stays unchanged."""


class Who(StrEnum):
    """Whose row it is, by the roles in the package and the remembered roles."""

    STAFF = "staff"
    PUPIL = "pupil"
    SECOND = "second"
    """A secondary role of staff, while no primary role is one of staff; only in 1.2."""
    UNREAD = "unread"
    """A role that can't be read: blank, unknown to the standard, or in a broken row. In 1.2 also
    a secondary role of staff of a user whose pupil role has a roleType that can't be read."""
    NOBODY = "nobody"
    """No role at all; only users of 1.2, whose roles are in roles.csv."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the decision table; None matches any value.

    Attributes:
        who: Whose row it is.
        marked: Whether the row's status asks for a removal.
        ours: Whether the site has or had a record with this sourcedId.
        delta: Whether the row's file is a delta.
        verdict: The decision.
        because: The reason, as a text.
    """

    verdict: Verdict
    because: str
    who: Who | None = None
    marked: bool | None = None
    ours: bool | None = None
    delta: bool | None = None

    def fits(self, who: Who, *, marked: bool, ours: bool, delta: bool) -> bool:
        """Return whether the rule matches such a row."""
        wanted = ((self.who, who), (self.marked, marked), (self.ours, ours), (self.delta, delta))
        return all(want is None or want == found for want, found in wanted)


RULES = (
    Rule(
        Verdict.GOES,
        "all primary roles of this person are of students: a secondary role of staff counts only"
        " beside a primary role of staff",
        who=Who.SECOND,
        ours=True,
    ),
    Rule(
        Verdict.PUPIL,
        "all primary roles of this person are of students, and the site has no record of them",
        who=Who.SECOND,
    ),
    Rule(
        Verdict.GOES,
        "this person was staff and is a student now; a delta reports a departure from the staff"
        " only in this way",
        who=Who.PUPIL,
        ours=True,
        delta=True,
    ),
    Rule(
        Verdict.PUPIL,
        "students, parents and extended roles are never stored; in a bulk file a record of ours"
        " then counts as absent",
        who=Who.PUPIL,
    ),
    Rule(
        Verdict.PUPIL,
        "neither the package nor an earlier one gives this person a role of staff",
        who=Who.NOBODY,
        ours=False,
    ),
    # After the rules for pupils: the sourcedId of a pupil is not kept because the row asks to go.
    Rule(Verdict.GOES, "its status asks for removal", marked=True),
    Rule(Verdict.COMES, "it has a role of staff", who=Who.STAFF),
    Rule(
        Verdict.UNREADABLE,
        "the record is ours, and no role says whether this person is still staff",
        who=Who.NOBODY,
    ),
    Rule(
        Verdict.UNREADABLE,
        "the role can't be read, or it is unclear which role is primary; the row may be"
        " a student's",
        who=Who.UNREAD,
    ),
)
"""The decision table: the first matching rule decides."""

MARKS = {
    Version.V1_0: ("inactive", "tobedeleted"),
    Version.V1_1: ("tobedeleted",),
    Version.V1_2: ("tobedeleted",),
}
"""Version → the values of `status` that ask to remove the record."""

MARKED, NO_STAFF, NOT_PRIMARY = "marked", "no_staff", "not_primary"
"""Values of a snapshot's column `goes`: why a row goes; null if it does not."""
# 1.0's inactive in all versions: the suites of the later ones refuse such a row anyway.
_ASKED_BY_STATUS = pa.array(["tobedeleted", "inactive"])


def decide(who: Who, *, marked: bool, ours: bool, delta: bool) -> Rule:
    """Return the first rule that matches such a row."""
    return next(r for r in RULES if r.fits(who, marked=marked, ours=ours, delta=delta))


def every_case() -> Iterator[tuple[Who, bool, bool, bool]]:
    """Yield every combination of the table's inputs: who, marked, ours, delta."""
    return product(Who, (False, True), (False, True), (False, True))


def judge(
    who: Mapping[Who, pa.ChunkedArray],
    *,
    marked: pa.ChunkedArray,
    ours: pa.ChunkedArray,
    delta: bool,
) -> dict[Verdict, pa.ChunkedArray]:
    """Return verdict → mask of the rows of a block with this verdict.

    Args:
        who: Answer → mask of its rows; every row has exactly one answer.
        marked: Mask of the rows whose status asks for a removal.
        ours: Mask of the rows whose sourcedId the site knows.
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
    """Return which rows ask for a removal by their status, in any capitalisation."""
    status = pc.utf8_lower(pc.utf8_trim_whitespace(table["status"]))
    return pc.is_in(status, pa.array(MARKS[version]))


def is_going(table: pa.Table) -> pa.ChunkedArray:
    """Return which rows of a snapshot go, by their status or by their role."""
    going = pc.is_in(table["status"], _ASKED_BY_STATUS)
    if "goes" not in table.column_names:
        return going
    return pc.or_(going, pc.is_valid(table["goes"]))


def with_goes(table: pa.Table) -> pa.Table:
    """Return a snapshot with a column `goes`, which snapshots of earlier versions lack."""
    if "goes" in table.column_names:
        return table
    return table.append_column("goes", pa.nulls(table.num_rows, pa.string()))


def is_disabled(users: pa.Table) -> pa.ChunkedArray | pa.Array:
    """Return which rows of users say that the person must not log in."""
    if "enabledUser" not in users.column_names:
        return pa.repeat(False, users.num_rows)
    return pc.fill_null(pc.equal(users["enabledUser"], "false"), False)


def claims_login(users: pa.Table) -> pa.ChunkedArray:
    """Return which rows of users claim their login: all but those that go or are disabled."""
    return pc.and_not(pc.is_valid(users["login"]), pc.or_(is_going(users), is_disabled(users)))
