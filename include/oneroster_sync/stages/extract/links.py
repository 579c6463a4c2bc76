"""Remembered orgs, roles, classes and enrollments ("links"), and their merge with a package.

The site's links are stored from run to run, so that a delta or a row with an error can be compared
with the earlier state: an invalid row keeps the link that its record had yesterday.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.columns import LINK_FIELDS, link_schema
from oneroster_sync.roster.records import differs, in_order, positions, put
from oneroster_sync.stages.extract.csv_table import is_left_out
from oneroster_sync.stages.extract.decision_table import is_going
from oneroster_sync.stages.extract.quotes import hides_rows
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping


def active_rows(table: pa.Table) -> pa.Table:
    """Return the rows that add or keep their records."""
    return table.filter(pc.invert(is_going(table)))


def removed_rows(table: pa.Table) -> pa.Table:
    """Return the rows that remove their records."""
    return table.filter(is_going(table))


def find_removed(
    name: str, stored: pa.Table, valid: pa.Table, quarantined: pa.Table, mode: Mode
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return which users or courses a file removes: by a row that goes, and by their absence.

    A record is not absent while a row with an error may be its row: a row that has its sourcedId, a
    row of users with an unknown sourcedId and its login, or a row that names no record at all.
    If lines could not be read, a row that goes may not be the only row of its record, so it
    removes nothing.

    Args:
        name: users or courses.
        stored: The site's stored records.
        valid: Rows of the file that are used.
        quarantined: Rows of the file with errors.
        mode: Mode of the file.
    """
    marked = pc.is_in(stored["sourced_id"], removed_rows(valid)["sourcedId"].combine_chunks())
    # is_in finds a null in a set that contains one: an account made by hand has no sourcedId, and a
    # row of the file may have none either.
    marked = pc.and_(marked, pc.is_valid(stored["sourced_id"]))
    if mode is Mode.BULK and hides_rows(quarantined):
        return pc.and_(marked, False), pc.and_(marked, False)
    if mode is not Mode.BULK or pc.any(is_unclear(name, quarantined)).as_py():
        return marked, pc.and_(marked, False)
    named = pa.concat_arrays([t["sourcedId"].combine_chunks() for t in (valid, quarantined)])
    present = pc.is_in(stored["sourced_id"], named)
    if name == "users":
        known = pc.is_in(quarantined["sourcedId"], _of_stored(stored))
        logins = quarantined.filter(pc.invert(known))["login"].drop_null().combine_chunks()
        present = pc.or_(present, pc.is_in(stored["login"], logins))
    absent = pc.and_(pc.is_valid(stored["sourced_id"]), pc.invert(present))
    return marked, absent


@dataclass(frozen=True, slots=True)
class Link:
    """The links of one file after the merge.

    Attributes:
        trusted: Links of the package, and remembered links that the package does not touch.
        protected: Remembered links that a row with an error may stand for; they stay unchanged.
    """

    trusted: pa.Table
    protected: pa.Table

    def all(self) -> pa.Table:
        """Return the trusted and the protected links."""
        return pa.concat_tables([self.trusted, self.protected])


def merge_link(
    name: str,
    stored: pa.Table,
    valid: pa.Table,
    quarantined: Mapping[str, pa.Table],
    mode: Mode,
) -> Link:
    """Merge the remembered links of one file with those of the package.

    Args:
        name: orgs, roles, classes or enrollments.
        stored: The remembered links.
        valid: Rows of the package that are used.
        quarantined: File → rows with errors.
        mode: Bulk or delta.
    """
    rows = active_rows(valid)
    before = stored.take(positions(rows["sourcedId"], stored["sourced_id"]))
    fresh = pa.table(
        {
            column: pc.if_else(is_left_out(rows, source), before[column], rows[source])
            if source
            else pa.nulls(rows.num_rows, pa.string())
            for column, source in LINK_FIELDS[name].items()
        },
        schema=link_schema(name),
    )
    is_hidden = mode is Mode.BULK and _may_be_hidden(name, quarantined)
    # Behind unread lines may be another row of the record that stays, so a row that goes removes
    # nothing.
    named = rows if is_hidden else valid
    kept = stored.filter(
        pc.invert(pc.is_in(stored["sourced_id"], named["sourcedId"].combine_chunks()))
    )
    protected = _protected(name, kept, quarantined)
    if is_hidden:
        protected = pc.is_valid(kept["sourced_id"])
    if name == "enrollments":
        may_be_theirs = _may_be_same(kept, fresh, quarantined[name])
        unplaced = pc.and_not(may_be_theirs, protected)
        kept = put(kept, "unplaced", pc.if_else(unplaced, "true", kept["unplaced"]))
        protected = pc.or_(protected, may_be_theirs)
    untouched = kept.filter(pc.invert(protected))
    if mode is Mode.BULK:
        untouched = untouched.slice(0, 0)
    return Link(pa.concat_tables([fresh, untouched]), kept.filter(protected))


def with_courses(enrollments: Link, classes: pa.Table, *, lasting: bool) -> Link:
    """Return the enrollments with the courses that their classes now belong to.

    A protected enrollment keeps its earlier course.

    Args:
        enrollments: The merged enrollments.
        classes: The merged classes.
        lasting: Whether an enrollment whose class is gone keeps its course as well.
    """
    trusted = enrollments.trusted
    course = classes["course_sourced_id"].take(
        positions(trusted["class_sourced_id"], classes["sourced_id"])
    )
    if lasting:
        course = pc.coalesce(course, trusted["course_sourced_id"])
    return Link(put(trusted, "course_sourced_id", course), enrollments.protected)


def before_images(stored: pa.Table, moved: pa.Table, gone: pa.Table) -> pa.Table:
    """Return the stored links that are replaced or deleted."""
    ids = [table["sourced_id"].combine_chunks() for table in (moved, gone)]
    rows = stored.filter(pc.is_in(stored["sourced_id"], pa.concat_arrays(ids)))
    return in_order(rows, "sourced_id")


def link_changes(name: str, stored: pa.Table, merged: pa.Table) -> dict[str, pa.Table]:
    """Return the links to write and the links to delete, sorted.

    Args:
        name: The link file.
        stored: The remembered links.
        merged: The merged links.
    """
    at = positions(merged["sourced_id"], stored["sourced_id"])
    before = stored.take(at)
    moved = pc.is_null(at)
    for column in LINK_FIELDS[name]:
        moved = pc.or_(moved, differs(merged[column], before[column]))
    gone = stored.filter(
        pc.invert(pc.is_in(stored["sourced_id"], merged["sourced_id"].combine_chunks()))
    )
    return {
        name: in_order(merged.filter(moved), "sourced_id"),
        f"{name}.gone": in_order(gone.select(["sourced_id"]), "sourced_id"),
    }


_REFERRING_COLUMNS = {
    "orgs": {},
    "roles": {"users": "user_sourced_id"},
    "classes": {"courses": "course_sourced_id"},
    "enrollments": {
        "users": "user_sourced_id",
        "classes": "class_sourced_id",
        "courses": "course_sourced_id",
    },
}
"""Link file → file → the column that refers to a record of that file."""


def _may_be_hidden(name: str, quarantined: Mapping[str, pa.Table]) -> bool:
    """Return whether unread lines may hold links of a file, or records that its links refer to."""
    files = (name, *_REFERRING_COLUMNS[name])
    return any(hides_rows(quarantined[file]) for file in files if file in quarantined)


def _protected(name: str, kept: pa.Table, quarantined: Mapping[str, pa.Table]) -> pa.Array:
    """Return which remembered links to protect: a row with an error is theirs or their target's."""
    own = quarantined[name]
    if pc.any(is_unclear(name, own)).as_py():
        return pc.is_valid(kept["sourced_id"])
    protected = pc.is_in(kept["sourced_id"], _ids(own))
    for file, column in _REFERRING_COLUMNS[name].items():
        if file in quarantined:
            protected = pc.or_(protected, pc.is_in(kept[column], _ids(quarantined[file])))
    if name != "enrollments":
        return protected
    pairs = _pair(own["userSourcedId"], own["classSourcedId"]).drop_null()
    stored = _pair(kept["user_sourced_id"], kept["class_sourced_id"])
    return pc.or_(protected, pc.is_in(stored, pairs.combine_chunks()))


def _may_be_same(kept: pa.Table, fresh: pa.Table, broken: pa.Table) -> pa.Array:
    """Return which remembered enrollments a row with an error may mean by a new sourcedId.

    Many systems number enrollments anew every night, so that a sourcedId identifies nothing. A
    broken row of such a package is matched by its user and class; by one of them if the other
    refers to nothing; and may be any enrollment if both do. An enrollment that is protected this
    way stays while such a row comes, also on nights when the numbers do not change.

    Args:
        kept: Remembered enrollments whose sourcedIds no valid row has.
        fresh: Enrollments of the package.
        broken: Rows of the package with errors.
    """
    pairs = _pair(kept["user_sourced_id"], kept["class_sourced_id"]).combine_chunks()
    again = pc.is_in(_pair(fresh["user_sourced_id"], fresh["class_sourced_id"]), pairs)
    # Most of the links that no row names are here under another sourcedId.
    are_renumbered = 2 * (pc.sum(again).as_py() or 0) >= kept.num_rows
    rows = kept if are_renumbered else pa.concat_tables([kept, fresh])
    found = pc.or_(
        pc.is_in(broken["sourcedId"], rows["sourced_id"].combine_chunks()),
        pc.is_in(_pair(broken["userSourcedId"], broken["classSourcedId"]), pairs),
    )
    strays = broken.filter(pc.invert(found))
    # A user or class of the package is a target every night, whatever the enrollments' sourcedIds.
    there = pa.concat_tables([kept, fresh])
    users, classes = (
        there[name].combine_chunks() for name in ("user_sourced_id", "class_sourced_id")
    )
    no_user = pc.invert(pc.is_in(strays["userSourcedId"], users))
    no_class = pc.invert(pc.is_in(strays["classSourcedId"], classes))
    theirs = pa.repeat(True, kept.num_rows)
    if not pc.any(pc.and_(no_user, no_class)).as_py():
        theirs = pc.or_(
            pc.is_in(
                kept["class_sourced_id"], strays.filter(no_user)["classSourcedId"].combine_chunks()
            ),
            pc.is_in(
                kept["user_sourced_id"], strays.filter(no_class)["userSourcedId"].combine_chunks()
            ),
        )
    return theirs if are_renumbered else pc.and_(theirs, pc.is_valid(kept["unplaced"]))


def _ids(table: pa.Table) -> pa.Array:
    return table["sourcedId"].drop_null().combine_chunks()


def _of_stored(table: pa.Table) -> pa.Array:
    return table["sourced_id"].drop_null().combine_chunks()


def is_unclear(name: str, quarantined: pa.Table) -> pa.ChunkedArray:
    """Return which rows with errors can't be assigned to a record."""
    nameless = pc.is_null(quarantined["sourcedId"])
    if name == "users":
        return pc.and_(nameless, pc.is_null(quarantined["login"]))
    if name == "enrollments":
        pair = _pair(quarantined["userSourcedId"], quarantined["classSourcedId"])
        return pc.and_(nameless, pc.is_null(pair))
    return nameless


def _pair(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    # U+001F is in no value of a valid row: a row with a control character is flawed.
    return pc.binary_join_element_wise(left, right, "\x1f", null_handling="emit_null")
