"""Plan a mapping: records that get another sourcedId, and accounts that get one.

ids.csv changes the sourcedIds of users and courses, and with them those in remembered enrollments,
roles and classes. links.csv gives accounts made by hand a sourcedId; they are managed from then on,
because the site asks for it. Nothing else in a record changes.

A row that can't be used is left out and reported; the other rows are used. Nothing is guessed: if
two rows contradict each other, neither is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.findings import Finding, Findings, Severity
from oneroster_sync.roster.columns import (
    ASSIGNMENT_CHANGES,
    COURSE_FIELDS,
    USER_FIELDS,
    change_schema,
)
from oneroster_sync.roster.records import changes, in_order, positions, put
from oneroster_sync.stages.diff.plan import Plan
from oneroster_sync.stages.diff.rekeys import SCHEMA, Rekeys, with_rekeys
from oneroster_sync.stages.extract.links import link_changes
from oneroster_sync.stages.extract.mapping_csv import mapping_findings
from oneroster_sync.standard.kinds import Kind
from oneroster_sync.standard.logins import normalize_login

if TYPE_CHECKING:
    from oneroster_sync.roster.model import Roster

IN_IDS = "named in ids.csv"
IN_LINKS = "named in links.csv"


@dataclass(frozen=True, slots=True)
class Mapped:
    """The plan of a mapping, and its rows.

    Attributes:
        plan: The changes of the valid rows.
        valid: Valid rows, including rows that change nothing.
        quarantined: Rows with errors.
        findings: Findings about rows that are wrong only in comparison with the roster or each
            other.
    """

    plan: Plan
    valid: pa.Table
    quarantined: pa.Table
    findings: Findings


def plan_of_mapping(kind: Kind, rows: pa.Table, roster: Roster) -> Mapped:
    """Return the plan of a mapping.

    Args:
        kind: One of `MAPPINGS`.
        rows: Rows as `read_mapping` returns them.
        roster: The site's roster.
    """
    left = _Rows(kind, rows)
    plan = _of_ids(left, roster) if kind is Kind.IDS else _of_links(left, roster)
    bad = pa.concat_tables(left.refused)
    valid = rows.filter(pc.invert(pc.is_in(rows["row"], bad["row"].combine_chunks())))
    return Mapped(plan, valid, bad, left.findings)


class _Rows:
    """The remaining usable rows, while unusable rows are taken out with a finding."""

    def __init__(self, kind: Kind, rows: pa.Table) -> None:
        self.kind = kind
        self.table = rows.filter(pc.is_null(rows["flaw"]))
        self.refused = [rows.filter(pc.is_valid(rows["flaw"]))]
        self.findings = Findings()
        self._columns = rows.column_names

    def __getitem__(self, column: str) -> pa.ChunkedArray:
        return self.table[column]

    def note(self, column: str, values: pa.ChunkedArray) -> None:
        """Add a column to the remaining rows."""
        self.table = put(self.table, column, values)

    def refuse(self, wrong: pa.ChunkedArray, code: str, header: str) -> None:
        """Take out rows with an error, and add findings."""
        rows = self.table.filter(wrong)
        self.refused.append(rows.select(self._columns))
        self.findings.add_table(mapping_findings(rows, self.kind, code, header))
        self.table = self.table.filter(pc.invert(wrong))

    def pass_over(self, idle: pa.ChunkedArray, code: str, header: str | None = None) -> None:
        """Take out rows that change nothing."""
        self.warn(idle, code, header)
        self.table = self.table.filter(pc.invert(idle))

    def warn(self, which: pa.ChunkedArray, code: str, header: str | None = None) -> None:
        """Add one warning about several rows."""
        rows = self.table["row"].filter(which)
        if len(rows):
            first, file = pc.min(rows).as_py(), f"{self.kind}.csv"
            warning = Finding(code, Severity.WARNING, file, first, header, rows=len(rows))
            self.findings.add(warning)

    def pass_over_repeated(self, *columns: str) -> None:
        """Take out rows that repeat an earlier row."""
        key = _key(*(self.table[name] for name in columns))
        again = pc.not_equal(positions(key, key), pa.array(range(len(key)), pa.int32()))
        self.pass_over(again, "reference.repeated_row")


def _of_ids(rows: _Rows, roster: Roster) -> Plan:
    rows.pass_over(pc.equal(rows["sourcedId"], rows["newSourcedId"]), "mapping.already_so")
    rows.pass_over_repeated("kind", "sourcedId", "newSourcedId")
    rows.note("old", _key(rows["kind"], rows["sourcedId"]))
    rows.note("new", _key(rows["kind"], rows["newSourcedId"]))
    # Before any row is refused: a chain or swap stays one although one of its rows is taken out.
    both = pc.unique(rows["new"].filter(pc.is_in(rows["new"], rows["old"].combine_chunks())))
    rows.refuse(_repeats(rows, "old", "new"), "mapping.named_twice", "newSourcedId")
    handed_on = pc.or_(pc.is_in(rows["old"], both), pc.is_in(rows["new"], both))
    rows.refuse(handed_on, "mapping.handed_on", "newSourcedId")
    rows.note("known", pc.is_in(rows["old"], _known(roster, made_by_sync=True)))
    rows.note("taken", pc.is_in(rows["new"], _known(roster)))
    # The old sourcedId is gone and the new one is there: the same file was applied before.
    rows.pass_over(pc.and_(pc.invert(rows["known"]), rows["taken"]), "mapping.already_so")
    rows.refuse(pc.invert(rows["known"]), "mapping.unknown_record", "oldSourcedId")
    rows.refuse(rows["taken"], "mapping.sourced_id_taken", "newSourcedId")
    rekeys = Rekeys(_moves(rows.table, "user"), _moves(rows.table, "course"))
    links: dict[str, pa.Table] = {}
    if rekeys:
        moved = rekeys.applied_to(roster).links
        for name, stored in roster.links.items():
            links |= link_changes(name, stored, moved[name])
    return _plan(
        roster,
        users=_rekeyed(USER_FIELDS, rekeys.users, roster.users, rows.table, "user"),
        courses=_rekeyed(COURSE_FIELDS, rekeys.courses, roster.courses, rows.table, "course"),
        links=links,
    )


def _of_links(rows: _Rows, roster: Roster) -> Plan:
    rows.pass_over(pc.is_null(rows["sourcedId"]), "mapping.no_sourced_id", "sourcedId")
    folded = [normalize_login(cell) for cell in rows["email"].to_pylist()]
    rows.note("login", pa.chunked_array([pa.array(folded, pa.string())]))
    rows.pass_over_repeated("login", "sourcedId")
    rows.refuse(_repeats(rows, "login", "sourcedId"), "mapping.named_twice", "sourcedId")
    stored = _by_preference(roster.users)
    rows.note("at", positions(rows["login"], stored["login"]))
    rows.refuse(pc.is_null(rows["at"]), "mapping.unknown_account", "email")
    account = stored.take(rows["at"])
    linked = pc.is_valid(account["sourced_id"])
    to_this = pc.fill_null(pc.equal(account["sourced_id"], rows["sourcedId"]), False)
    # Columns of the rows and not masks, because each pass_over and refuse takes rows out of the
    # table.
    rows.note("admin", pc.equal(account["id"], roster.credited_admin))
    rows.note("done", pc.and_(to_this, pc.or_(account["managed"], rows["admin"])))
    rows.note("other", pc.and_(linked, pc.invert(to_this)))
    known = stored["sourced_id"].drop_null().combine_chunks()
    rows.note("taken", pc.and_(pc.invert(linked), pc.is_in(rows["sourcedId"], known)))
    rows.pass_over(rows["done"], "mapping.already_so", "sourcedId")
    rows.refuse(rows["other"], "mapping.account_linked", "sourcedId")
    rows.refuse(rows["taken"], "mapping.sourced_id_taken", "sourcedId")
    rows.warn(rows["admin"], "mapping.credited_admin", "email")
    after = {"sourced_id": rows["sourcedId"], "managed": pc.invert(rows["admin"])}
    # Taken again: rows were taken out since, and the positions with them.
    account = stored.take(rows["at"])
    adopted = changes(USER_FIELDS, account, after, "adopt", IN_LINKS, rows["row"])
    return _plan(roster, users=in_order(adopted, "sourced_id"))


def _repeats(rows: _Rows, *columns: str) -> pa.ChunkedArray:
    """Return which rows share a value with another row in one of the columns."""
    found = pa.repeat(False, rows.table.num_rows)
    for column in columns:
        counts = pc.value_counts(rows[column])
        several = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        found = pc.or_(found, pc.is_in(rows[column], several))
    return found


def _by_preference(users: pa.Table) -> pa.Table:
    """Sort users in the order in which a login identifies them: active, not linked, older."""
    users = put(users, "linked", pc.is_valid(users["sourced_id"]))
    # `positions` finds the first row of a login, and the text `active` sorts before `inactive`.
    return users.sort_by([(name, "ascending") for name in ("status", "linked", "id")])


def _known(roster: Roster, *, made_by_sync: bool = False) -> pa.Array:
    """Return the records with a sourcedId; with `made_by_sync`, only courses that the sync made."""
    courses = roster.courses
    courses = courses.filter(courses["managed"]) if made_by_sync else courses
    keys = [
        _key(pa.chunked_array([pa.repeat(kind, table.num_rows)]), table["sourced_id"])
        for kind, table in (("user", roster.users), ("course", courses))
    ]
    return pa.concat_arrays([key.drop_null().combine_chunks() for key in keys])


def _moves(rows: pa.Table, kind: str) -> pa.Table:
    rows = rows.filter(pc.equal(rows["kind"], kind))
    moves = {"old": rows["sourcedId"], "new": rows["newSourcedId"]}
    return in_order(pa.table(moves, schema=SCHEMA), "old")


def _rekeyed(
    fields: tuple[str, ...], moves: pa.Table, stored: pa.Table, rows: pa.Table, kind: str
) -> pa.Table:
    rows = rows.filter(pc.equal(rows["kind"], kind))
    named = pa.table({"sourcedId": rows["newSourcedId"], "row": rows["row"]})
    nothing = change_schema(fields).empty_table()
    return with_rekeys(fields, nothing, moves, stored, named, reason=IN_IDS)


def _plan(
    roster: Roster,
    *,
    users: pa.Table,
    courses: pa.Table | None = None,
    links: dict[str, pa.Table] | None = None,
) -> Plan:
    if courses is None:
        courses = change_schema(COURSE_FIELDS).empty_table()
    nothing = ASSIGNMENT_CHANGES.empty_table()
    return Plan(roster.site, roster.version, users, courses, nothing, links or {})


def _key(*columns: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*columns, "\x1f", null_handling="emit_null")
