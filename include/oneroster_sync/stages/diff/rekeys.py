"""Detect sourcedId changes: the same person or course with another sourcedId.

An SIS that is replaced, merged or given a prefix exports everybody with new sourcedIds. Without
this, a sync would deactivate each account and add a new one. If one record leaves and another one
with the same login comes, they are one record, and its sourcedId changes:

* always, if the names agree as well;
* with any names, if the changes are so many that the site's threshold for sourcedIds holds them.

Courses are matched by code and title, if both are unique on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.roster.records import changes, in_order, positions, put, row_of
from oneroster_sync.runs.holds import is_beyond
from oneroster_sync.stages.diff.logins import recognisable
from oneroster_sync.stages.extract.links import active_rows, find_removed, is_unclear
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneroster_sync.roster.model import Roster
    from oneroster_sync.sites.thresholds import Limit

SAME_LOGIN = "the same login under another sourcedId"
SAME_COURSE = "the same course under another sourcedId"
SCHEMA = pa.schema([("old", pa.string()), ("new", pa.string())])

_NAMES = {
    "enrollments": {"user_sourced_id": "users", "course_sourced_id": "courses"},
    "roles": {"user_sourced_id": "users"},
    "classes": {"course_sourced_id": "courses"},
}
"""Link file → its columns with sourcedIds of users or courses."""


@dataclass(frozen=True, slots=True)
class Rekeys:
    """The sourcedId changes of users and courses: two tables of old and new."""

    users: pa.Table = field(default_factory=SCHEMA.empty_table)
    courses: pa.Table = field(default_factory=SCHEMA.empty_table)

    def __bool__(self) -> bool:
        """Return whether any sourcedId changes."""
        return bool(self.users.num_rows or self.courses.num_rows)

    def applied_to(self, roster: Roster) -> Roster:
        """Return the roster with the new sourcedIds."""
        if not self:
            return roster
        moved = {"users": self.users, "courses": self.courses}
        assignments = roster.assignments
        for column, kind in (("user_sourced_id", "users"), ("course_sourced_id", "courses")):
            assignments = put(assignments, column, _renamed(assignments[column], moved[kind]))
        links = dict(roster.links)
        for name, columns in _NAMES.items():
            for column, kind in columns.items():
                links[name] = put(links[name], column, _renamed(links[name][column], moved[kind]))
        records = {
            kind: put(table, "sourced_id", _renamed(table["sourced_id"], moved[kind]))
            for kind, table in (("users", roster.users), ("courses", roster.courses))
        }
        return replace(roster, **records, assignments=assignments, links=links)


def propose_rekeys(
    valid: Mapping[str, pa.Table],
    quarantined: Mapping[str, pa.Table],
    modes: Mapping[str, Mode],
    roster: Roster,
    limit: Limit,
) -> Rekeys:
    """Return the sourcedId changes that a package implies.

    Args:
        valid: File → valid rows.
        quarantined: File → rows with errors; their records are not absent.
        modes: File → its mode.
        roster: The site's roster.
        limit: Threshold of equal logins above which the names do not need to agree.
    """
    users = courses = SCHEMA.empty_table()
    # A row without an identity may be the row of a person who seems to leave.
    if "users" in valid and not _is_unclear(quarantined, "users"):
        users = _users(valid["users"], quarantined["users"], modes["users"], roster, limit)
    if modes.get("courses") is Mode.BULK and not _is_unclear(quarantined, "courses"):
        courses = _courses(valid["courses"], quarantined["courses"], roster)
    return Rekeys(users, courses)


def find_other_people(valid: pa.Table, roster: Roster) -> pa.Array:
    """Return the sourcedIds that now belong to another person.

    All names and the address change at once if an SIS reuses a sourcedId, or if the columns of an
    export are shifted. A marriage or a new domain leaves some of them unchanged.

    Args:
        valid: Valid rows of users.csv.
        roster: The site's roster.
    """
    stored = roster.users
    rows = active_rows(valid)
    at = positions(rows["sourcedId"], stored["sourced_id"])
    rows, before = rows.filter(pc.is_valid(at)), stored.take(at.drop_null())
    other = pc.and_(before["managed"], pc.not_equal(before["id"], roster.credited_admin))
    for column, field_ in (
        ("givenName", "given_name"),
        ("familyName", "family_name"),
        ("login", "login"),
    ):
        changed = pc.invert(agree(rows[column], before[field_]))
        # A blank name or address is no evidence that the person is another one.
        both = pc.and_(pc.is_valid(rows[column]), pc.is_valid(before[field_]))
        other = pc.and_(other, pc.and_(changed, both))
    return rows["sourcedId"].filter(other).combine_chunks()


def with_rekeys(
    fields: tuple[str, ...],
    made: pa.Table,
    rekeys: pa.Table,
    before: pa.Table,
    rows: pa.Table,
    *,
    reason: str | None = None,
) -> pa.Table:
    """Return changes of records, with the earlier sourcedId where it changes.

    Args:
        fields: Field names of users or courses.
        made: Changes against the roster with the new sourcedIds.
        rekeys: Old and new sourcedIds.
        before: The stored records.
        rows: Rows of the file with the new sourcedIds.
        reason: Reason of the change; by default, that the record was recognized.
    """
    if not rekeys.num_rows:
        return made
    stored = before.filter(pc.is_in(before["sourced_id"], rekeys["old"].combine_chunks()))
    new = rekeys["new"].take(positions(stored["sourced_id"], rekeys["old"]))
    reason = reason or (SAME_LOGIN if "login" in fields else SAME_COURSE)
    # Added records have no id, and a null must not match.
    at = pc.index_in(made["id"], stored["id"].combine_chunks(), skip_nulls=True)
    moves = pc.is_valid(at)
    updates = pc.and_(moves, pc.equal(made["action"], "update"))
    made = put(
        made,
        "before_sourced_id",
        pc.coalesce(stored["sourced_id"].take(at), made["before_sourced_id"]),
    )
    made = put(made, "action", pc.if_else(updates, "rekey", made["action"]))
    made = put(made, "reason", pc.if_else(updates, reason, made["reason"]))
    alone = pc.invert(pc.is_in(stored["id"], made["id"].drop_null().combine_chunks()))
    stored, new = stored.filter(alone), new.filter(alone)
    only = changes(fields, stored, {"sourced_id": new}, "rekey", reason, row_of(rows, new))
    return in_order(pa.concat_tables([made, only]), "sourced_id")


def _users(
    valid: pa.Table, quarantined: pa.Table, mode: Mode, roster: Roster, limit: Limit
) -> pa.Table:
    stored = roster.users
    known = pc.and_(pc.is_valid(stored["sourced_id"]), pc.equal(stored["status"], "active"))
    known = pc.and_(known, pc.not_equal(stored["id"], roster.credited_admin))
    left = stored.filter(pc.and_(known, _leaves("users", stored, valid, quarantined, mode)))
    rows = recognisable(valid)
    coming = rows.filter(pc.invert(pc.is_in(rows["sourcedId"], _ids(stored))))
    at = positions(coming["login"], left["login"])
    coming, before = coming.filter(pc.is_valid(at)), left.take(at.drop_null())
    same = pc.or_(
        agree(coming["givenName"], before["given_name"]),
        agree(coming["familyName"], before["family_name"]),
    )
    # Beyond the limit the plan is held, so a person decides about names that differ. Below it an
    # address that passes to another person (info@…) must not pass on the account.
    if not is_beyond(coming.num_rows, roster.managed_active("users"), limit):
        coming, before = coming.filter(same), before.filter(same)
    return _table(before["sourced_id"], coming["sourcedId"])


def _courses(valid: pa.Table, quarantined: pa.Table, roster: Roster) -> pa.Table:
    stored = roster.courses
    ours = pc.and_(stored["managed"], pc.equal(stored["status"], "active"))
    left = stored.filter(pc.and_(ours, _leaves("courses", stored, valid, quarantined, Mode.BULK)))
    rows = active_rows(valid)
    coming = rows.filter(pc.invert(pc.is_in(rows["sourcedId"], _ids(stored))))
    old = _once(_pair(left["course_code"], left["title"]), left["sourced_id"])
    new = _once(_pair(coming["courseCode"], coming["title"]), coming["sourcedId"])
    at = positions(new["key"], old["key"])
    return _table(old["sourced_id"].take(at.drop_null()), new["sourced_id"].filter(pc.is_valid(at)))


def _leaves(
    name: str, stored: pa.Table, valid: pa.Table, quarantined: pa.Table, mode: Mode
) -> pa.ChunkedArray:
    """Return which records a file removes: by absence or by a row that goes."""
    marked, absent = find_removed(name, stored, valid, quarantined, mode)
    return pc.or_(marked, absent)


def _once(keys: pa.ChunkedArray, ids: pa.ChunkedArray) -> pa.Table:
    """Return the keys that occur once, with the sourcedId of each."""
    table = pa.table({"key": keys, "sourced_id": ids}).filter(pc.is_valid(keys))
    grouped = table.group_by("key", use_threads=False).aggregate(
        [("sourced_id", "count"), ("sourced_id", "min")]
    )
    once = grouped.filter(pc.equal(grouped["sourced_id_count"], 1))
    return once.select(["key", "sourced_id_min"]).rename_columns(["key", "sourced_id"])


def _table(old: pa.ChunkedArray, new: pa.ChunkedArray) -> pa.Table:
    return in_order(pa.table({"old": old, "new": new}, schema=SCHEMA), "old")


def _renamed(ids: pa.ChunkedArray, moved: pa.Table) -> pa.ChunkedArray:
    return pc.coalesce(moved["new"].take(positions(ids, moved["old"])), ids)


def agree(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return for each pair of names whether they are equal, ignoring case."""
    return pc.fill_null(pc.equal(pc.utf8_lower(left), pc.utf8_lower(right)), False)


def _pair(code: pa.ChunkedArray, title: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(code, title, "\x1f", null_handling="emit_null")


def _is_unclear(quarantined: Mapping[str, pa.Table], name: str) -> bool:
    return bool(pc.any(is_unclear(name, quarantined[name])).as_py())


def _ids(stored: pa.Table) -> pa.Array:
    return stored["sourced_id"].drop_null().combine_chunks()
