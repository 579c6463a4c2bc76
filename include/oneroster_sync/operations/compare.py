"""Differences between two packages, staff only, without a site and without a database.

Both packages are extracted and validated like the package of a sync, so the comparison is about the
rows that a first sync would use. Records are matched in this order:

* by sourcedId; enrollments first by user, class and role, because many systems give enrollments new
  sourcedIds in each export;
* the remaining records by other identifying columns (`_IDENTIFIED_BY`), and users by account
  matching: the same login and a similar name. Their sourcedId changed.

References in package A are translated to the sourcedIds of package B before values are compared. So
a user with a new sourcedId is one difference, without further ones for each enrollment.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from oneroster_sync.operations.check import judge_package
from oneroster_sync.roster.model import Known
from oneroster_sync.roster.records import differs, positions, put
from oneroster_sync.runs import run_log
from oneroster_sync.stages.diff.logins import recognisable
from oneroster_sync.stages.diff.rekeys import agree
from oneroster_sync.stages.diff.users import fold_roles, sort_lists, to_platform_roles
from oneroster_sync.stages.extract.csv_table import OWN
from oneroster_sync.stages.extract.decision_table import is_going
from oneroster_sync.stages.extract.dialect import Dialect
from oneroster_sync.stages.extract.links import active_rows
from oneroster_sync.stages.extract.package import extract_package
from oneroster_sync.stages.extract.stage import log_files
from oneroster_sync.stages.extract.unclear import find_unclear
from oneroster_sync.standard import ROSTERING_FILES, Version, rostering_file
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from oneroster_sync.operations.check import Checked
    from oneroster_sync.sites.preferences import Profile

log = logging.getLogger("oneroster")

_IDENTIFIED_BY: dict[str, tuple[str, ...]] = {
    "academicSessions": ("title", "type", "startDate", "endDate"),
    "orgs": ("name", "type"),
    "courses": ("courseCode", "title"),
    "classes": ("title", "courseSourcedId", "schoolSourcedId"),
}
"""File → the columns that identify a record with another sourcedId."""

_ENROLLMENTS_BY: tuple[tuple[str, ...], ...] = (
    ("sourcedId", "userSourcedId", "classSourcedId", "role"),
    ("userSourcedId", "classSourcedId", "role"),
    ("sourcedId", "userSourcedId"),
    ("sourcedId", "classSourcedId"),
)
"""Keys that match enrollments, in this order. An enrollment that changes its role or class keeps
its sourcedId. A sourcedId that is reused for another person in another class matches nothing."""

_NEVER_COMPARED = {"sourcedId", "status", "dateLastModified", "login", *(f.name for f in OWN)}
"""`dateLastModified` differs in each export; a status that means removal is compared separately."""
_OF_ONE_ROLE = ("orgSourcedId", "role", "roleType", "beginDate", "endDate")
_NONE = pa.array([], pa.string())
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class FileComparison:
    """Differences in one file; each pair is (package A, package B).

    Attributes:
        modes: Absent, bulk or delta.
        rows: Number of rows that are used.
        unusable: Number of rows with errors.
        compared: Whether rows were compared: a bulk file and a delta can't be compared.
        only_in: sourcedIds of records in only one package.
        usable_only_in: sourcedIds of records whose row in the other package has an error.
        changed: Column → sourcedIds in package B of the records with different values.
        ids_changed: `old` and `new` sourcedId of records that were matched by other columns.
        columns_only_in: Columns in only one of the headers.
        same_unusable: Whether the rows with errors have the same sourcedIds.
    """

    modes: tuple[Mode, Mode]
    rows: tuple[int, int]
    unusable: tuple[int, int]
    compared: bool = True
    only_in: tuple[pa.Array, pa.Array] = (_NONE, _NONE)
    usable_only_in: tuple[pa.Array, pa.Array] = (_NONE, _NONE)
    changed: dict[str, pa.Array] = field(default_factory=dict)
    ids_changed: pa.Table = field(default_factory=lambda: _moved(_NONE, _NONE))
    columns_only_in: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    same_unusable: bool = True

    @property
    def is_same(self) -> bool:
        """Whether a first sync would do the same with this file of both packages."""
        if not self.compared or self.modes[0] is not self.modes[1] or not self.same_unusable:
            return False
        lists = (*self.only_in, *self.usable_only_in, *self.columns_only_in)
        return not (any(map(len, lists)) or self.changed or self.ids_changed.num_rows)

    def as_dict(self, *, listed: bool) -> dict[str, Any]:
        """Return the counts, and if `listed` the sourcedIds, as a JSON object."""
        lists = {
            "only_in_a": self.only_in[0],
            "only_in_b": self.only_in[1],
            "usable_only_in_a": self.usable_only_in[0],
            "usable_only_in_b": self.usable_only_in[1],
        }
        records = pc.unique(pa.concat_arrays([_NONE, *self.changed.values()]))
        document: dict[str, Any] = {
            "same": self.is_same,
            "modes": {"a": self.modes[0].value, "b": self.modes[1].value},
            "compared": self.compared,
            "rows": {"a": self.rows[0], "b": self.rows[1]},
            "unusable": {"a": self.unusable[0], "b": self.unusable[1]},
            **{what: len(ids) for what, ids in lists.items()},
            "changed": len(records),
            "columns": {name: len(ids) for name, ids in self.changed.items()},
            "ids_changed": self.ids_changed.num_rows,
            "columns_only_in_a": self.columns_only_in[0],
            "columns_only_in_b": self.columns_only_in[1],
        }
        if listed:
            document["list"] = {
                **{what: ids.to_pylist() for what, ids in lists.items()},
                "changed": {name: ids.to_pylist() for name, ids in self.changed.items()},
                "ids_changed": self.ids_changed.to_pylist(),
            }
        return document


@dataclass(frozen=True, slots=True)
class _File:
    """One file of one package: its active rows (in a delta: all rows), and its rows with errors."""

    mode: Mode
    rows: pa.Table
    bad: pa.Table
    missing: frozenset[str]

    @property
    def columns(self) -> list[str]:
        """Return the columns to compare, in the order of the package's version."""
        return [name for name in self.rows.column_names if name not in _NEVER_COMPARED]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences between two packages.

    Attributes:
        a: Result of the check of the first package.
        b: Result of the check of the second package.
        files: File → its differences; empty if a package is rejected.
    """

    a: Checked
    b: Checked
    files: dict[str, FileComparison]

    @property
    def is_rejected(self) -> bool:
        """Whether one of the packages can't be used, so that nothing was compared."""
        return self.a.rejected or self.b.rejected

    @property
    def is_same(self) -> bool:
        """Whether a first sync would do the same with both packages."""
        return not self.is_rejected and all(file.is_same for file in self.files.values())

    def as_dict(self, *, listed: bool) -> dict[str, Any]:
        """Return the comparison as a JSON object, with sourcedIds if `listed`."""
        outcome = "same" if self.is_same else "rejected" if self.is_rejected else "different"
        return {
            "outcome": outcome,
            "same": None if self.is_rejected else self.is_same,
            "a": _about(self.a),
            "b": _about(self.b),
            "files": {name: file.as_dict(listed=listed) for name, file in self.files.items()},
        }


def compare_packages(
    a: Path, b: Path, profile: Profile, dialects: tuple[Dialect, Dialect] = (Dialect(), Dialect())
) -> Comparison:
    """Compare two packages, without changing them or storing anything.

    Args:
        a: A zip, a folder or a single CSV file.
        b: Another one.
        profile: How strictly both must follow the standard.
        dialects: Encoding, delimiter and dates of each, if they differ from the standard.
    """
    first, second = _read("A", a, profile, dialects[0]), _read("B", b, profile, dialects[1])
    if first.rejected or second.rejected:
        return Comparison(first, second, {})
    return Comparison(first, second, compare_judged(first, second))


def _read(letter: str, path: Path, profile: Profile, dialect: Dialect) -> Checked:
    """Read and validate a package; log the number of findings, or all of them if it is rejected."""
    log.info("Package %s:", letter)
    extracted = extract_package(path, profile, Known(has_courses=True), dialect=dialect)
    log_files(extracted)
    checked = judge_package(extracted, profile)
    findings = checked.findings.table()
    if checked.rejected:
        run_log.log_findings(findings, find_unclear(checked.valid, checked.quarantined))
        log.error("Package %s can't be used, so nothing is compared.", letter)
    else:
        counts = run_log.count_by_severity(findings)
        message = "Package %s has %s errors and %s warnings; `oneroster validate` names them."
        log.info(message, letter, f"{counts['errors']:,}", f"{counts['warnings']:,}")
    return checked


def _about(checked: Checked) -> dict[str, Any]:
    return {
        "version": checked.named_version(),
        "rejected": checked.rejected,
        "rows": checked.rows,
        "findings": run_log.count_by_severity(checked.findings.table()),
    }


def compare_judged(a: Checked, b: Checked) -> dict[str, FileComparison]:
    """Compare two checked packages that are not rejected; return file → its differences."""
    # 1.0 and 1.1 have the same names of roles; 1.2 has others, so only platform roles are compared.
    exact = (a.version is Version.V1_2) == (b.version is Version.V1_2)
    folded = _folds_roles(a) or _folds_roles(b)
    moved: dict[str, pa.Table] = {}
    found = {}
    for name in ROSTERING_FILES:
        if name == "roles" and folded:
            continue
        left, right = _file(name, a, moved, exact=exact), _file(name, b, {}, exact=exact)
        if left.mode is Mode.ABSENT and right.mode is Mode.ABSENT:
            continue
        found[name] = _compare_file(name, left, right)
        moved[name] = found[name].ids_changed
    return found


def _folds_roles(checked: Checked) -> bool:
    """Return whether the roles of a user are compared as columns of the user, as in 1.1.

    A delta of roles.csv does not contain all roles of a user, so it is compared as a file.
    """
    bulk = all(checked.modes.get(name) is Mode.BULK for name in ("users", "roles"))
    return checked.version is Version.V1_2 and bulk


def _file(name: str, checked: Checked, moved: Mapping[str, pa.Table], *, exact: bool) -> _File:
    """Prepare one file for the comparison, with references translated by `moved`."""
    mode = checked.modes.get(name, Mode.ABSENT)
    if name not in checked.valid:
        empty = pa.table({"sourcedId": pa.chunked_array([_NONE])})
        return _File(Mode.ABSENT, empty, empty, frozenset())
    version = checked.version
    rows, bad = (
        _translated(name, each[name], version, moved)
        for each in (checked.valid, checked.quarantined)
    )
    meta = (rows.schema.metadata or {}).get(b"missing", b"").decode()
    missing = frozenset(filter(None, meta.split(",")))
    if mode is Mode.BULK:
        rows = active_rows(rows)
    file = rostering_file(name, version)
    for column in file.read_columns if file else ():
        if column.is_list:
            rows = put(rows, column.canonical, sort_lists(rows[column.canonical]))
    if name == "users":
        rows = put(rows, "email", pc.coalesce(rows["email"], rows["login"]))
        if _folds_roles(checked):
            roles = _translated("roles", active_rows(checked.valid["roles"]), version, moved)
            rows = _with_roles(rows, roles, exact=exact)
        elif not exact and checked.version is not Version.V1_2:
            rows = put(rows, "role", to_platform_roles(rows["role"]))
    return _File(mode, rows, bad, missing)


def _with_roles(users: pa.Table, roles: pa.Table, *, exact: bool) -> pa.Table:
    """Add the columns of 1.1 to users of 1.2: their role and their orgs.

    If the other package is of 1.2 too (`exact`), also add all values of their rows in roles.csv.
    """
    by_user = fold_roles(
        pa.table(
            {
                "user_sourced_id": roles["userSourcedId"],
                "role": roles["role"],
                "role_type": roles["roleType"],
                "org_sourced_id": roles["orgSourcedId"],
            }
        )
    )
    at = positions(users["sourcedId"], by_user["user_sourced_id"])
    users = put(users, "role", by_user["role"].take(at))
    users = put(users, "orgSourcedIds", by_user["org_sourced_ids"].take(at))
    if not exact:
        return users
    texts = pc.binary_join_element_wise(
        *(pc.fill_null(roles[column], "") for column in _OF_ONE_ROLE), _SEPARATOR
    )
    grouped = pa.table({"user": roles["userSourcedId"], "texts": texts})
    # With threads, Arrow lists the values of a group in any order.
    grouped = grouped.sort_by("texts").group_by("user", use_threads=False)
    each = grouped.aggregate([("texts", "list")])
    at = positions(users["sourcedId"], each["user"])
    return put(users, "roles", pc.binary_join(each["texts_list"], "\x1e").take(at))


def _compare_file(name: str, a: _File, b: _File) -> FileComparison:
    sizes: dict[str, Any] = {
        "modes": (a.mode, b.mode),
        "rows": (a.rows.num_rows, b.rows.num_rows),
        "unusable": (a.bad.num_rows, b.bad.num_rows),
        "same_unusable": _have_same_ids(a.bad, b.bad),
    }
    if Mode.ABSENT in (a.mode, b.mode):
        return FileComparison(**sizes, only_in=(_ids(a.rows), _ids(b.rows)))
    if a.mode is not b.mode:
        return FileComparison(**sizes, compared=False)
    paired_a, paired_b, alone_a, alone_b = _pair(name, a, b)
    left, right = a.rows.take(paired_a), b.rows.take(paired_b)
    renamed = pc.not_equal(left["sourcedId"], right["sourcedId"])
    moved = _moved(left["sourcedId"].filter(renamed), right["sourcedId"].filter(renamed))
    if "parentSourcedId" in left.column_names:
        left = put(left, "parentSourcedId", _renamed(left["parentSourcedId"], moved))
    broken_in_b = _is_named(name, alone_a, b.bad)
    broken_in_a = _is_named(name, alone_b, a.bad)
    common = [column for column in a.columns if column in b.columns]
    return FileComparison(
        **sizes,
        only_in=(
            _ids(alone_a.filter(pc.invert(broken_in_b))),
            _ids(alone_b.filter(pc.invert(broken_in_a))),
        ),
        usable_only_in=(_ids(alone_a.filter(broken_in_b)), _ids(alone_b.filter(broken_in_a))),
        changed=_changed(left, right, [c for c in common if c not in a.missing | b.missing]),
        ids_changed=moved,
        columns_only_in=(
            [c for c in common if c in b.missing - a.missing],
            [c for c in common if c in a.missing - b.missing],
        ),
    )


def _changed(left: pa.Table, right: pa.Table, columns: list[str]) -> dict[str, pa.Array]:
    """Return column → sourcedIds of the records whose values differ.

    Extract keeps no values of a row of a delta that removes its record, so only the removal itself
    is compared.
    """
    goes, goes_right = is_going(left), is_going(right)
    either = pc.or_(goes, goes_right)
    unequal = {"status": pc.xor(goes, goes_right)}
    for column in columns:
        unequal[column] = pc.and_not(differs(left[column], right[column]), either)
    changed = {column: _ids(right.filter(rows)) for column, rows in unequal.items()}
    return {column: ids for column, ids in changed.items() if len(ids)}


def _pair(name: str, a: _File, b: _File) -> tuple[pa.Array, pa.Array, pa.Table, pa.Table]:
    """Match the rows of A and B: positions of pairs in A and B, and the rows without a pair."""
    pairs: list[tuple[pa.Array, pa.Array]] = []
    free_a, free_b = (pa.array(range(file.rows.num_rows), pa.int64()) for file in (a, b))

    def match(left: pa.ChunkedArray, right: pa.ChunkedArray) -> None:
        nonlocal free_a, free_b
        at_a, at_b = _match(left.take(free_a), right.take(free_b))
        found_a, found_b = free_a.take(at_a), free_b.take(at_b)
        if name == "users":
            keep = _is_one_person(a.rows.take(found_a), b.rows.take(found_b)).combine_chunks()
            found_a, found_b = found_a.filter(keep), found_b.filter(keep)
        pairs.append((found_a, found_b))
        free_a = free_a.filter(pc.invert(pc.is_in(free_a, found_a)))
        free_b = free_b.filter(pc.invert(pc.is_in(free_b, found_b)))

    if name == "enrollments":
        for columns in _ENROLLMENTS_BY:
            match(_key(a.rows, columns), _key(b.rows, columns))
    else:
        match(a.rows["sourcedId"], b.rows["sourcedId"])
        if name == "users" or name in _IDENTIFIED_BY:
            # A record whose row has an error in the other package has not changed its sourcedId.
            match(
                _hide_named(_identities(name, a.rows), a.rows, b.bad),
                _hide_named(_identities(name, b.rows), b.rows, a.bad),
            )
    paired_a = pa.concat_arrays([one for one, _ in pairs])
    paired_b = pa.concat_arrays([other for _, other in pairs])
    return paired_a, paired_b, a.rows.take(free_a), b.rows.take(free_b)


def _match(left: pa.ChunkedArray, right: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Return the positions of equal keys that are unique on both sides; null matches nothing."""
    at = positions(left, right)
    # `is_in` is false for a null and never null, so the mask needs no filling.
    found = pc.and_(pc.is_valid(at), pc.is_in(left, _once(left)))
    found = pc.and_(found, pc.is_in(left, _once(right))).combine_chunks()
    return pc.indices_nonzero(found), at.filter(found).combine_chunks()


def _is_one_person(a: pa.Table, b: pa.Table) -> pa.ChunkedArray:
    """Return a mask of the pairs of users with the same sourcedId or a similar name."""
    same = pc.equal(a["sourcedId"], b["sourcedId"])
    for column in ("givenName", "familyName"):
        same = pc.or_(same, agree(a[column], b[column]))
    return same


def _identities(name: str, rows: pa.Table) -> pa.ChunkedArray:
    """Return a key that identifies a record without its sourcedId; null if there is none."""
    if name != "users":
        return _key(rows, _IDENTIFIED_BY[name])
    known = pc.is_in(rows["sourcedId"], recognisable(rows)["sourcedId"].combine_chunks())
    return pc.if_else(known, rows["login"], pa.scalar(None, pa.string()))


def _hide_named(keys: pa.ChunkedArray, rows: pa.Table, bad: pa.Table) -> pa.ChunkedArray:
    """Return the keys of rows, with null for rows whose sourcedId is in `bad`."""
    named = pc.is_in(rows["sourcedId"], _ids(bad))
    return pc.if_else(named, pa.scalar(None, pa.string()), keys)


def _key(rows: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
    """Join the values of some columns to one key; null if a value is null."""
    values = (rows[column] for column in columns)
    return pc.binary_join_element_wise(*values, _SEPARATOR, null_handling="emit_null")


def _is_named(name: str, rows: pa.Table, bad: pa.Table) -> pa.ChunkedArray:
    """Return a mask of the records that have a row with an error in the other package."""
    named = pc.is_in(rows["sourcedId"], _ids(bad))
    if name == "enrollments":
        columns = ("userSourcedId", "classSourcedId", "role")
        theirs = _key(bad, columns).drop_null().combine_chunks()
        named = pc.or_(named, pc.is_in(_key(rows, columns), theirs))
    return named


def _translated(
    name: str, rows: pa.Table, version: Version, moved: Mapping[str, pa.Table]
) -> pa.Table:
    """Translate the references in rows to the new sourcedIds, except those to the same file."""
    file = rostering_file(name, version)
    for column in file.read_columns if file else ():
        ids = moved.get(column.target or "")
        if ids is not None and ids.num_rows:
            rename = _renamed_in_lists if column.is_list else _renamed
            rows = put(rows, column.canonical, rename(rows[column.canonical], ids))
    return rows


def _renamed(ids: pa.ChunkedArray, moved: pa.Table) -> pa.ChunkedArray:
    # A reference that did not move has no position: `take` gives null, and the old id stays.
    return pc.coalesce(moved["new"].take(positions(ids, moved["old"])), ids)


def _renamed_in_lists(cells: pa.ChunkedArray, moved: pa.Table) -> pa.ChunkedArray:
    new = dict(zip(moved["old"].to_pylist(), moved["new"].to_pylist(), strict=True))
    # Each distinct cell is split once in Python; `index_in` gives null for null, and so does
    # `take`.
    known = pc.unique(cells).drop_null()
    labels = [
        ",".join(new.get(part.strip(), part) for part in cell.split(","))
        for cell in known.to_pylist()
    ]
    return pc.take(pa.array(labels, pa.string()), pc.index_in(cells, known))


def _have_same_ids(a: pa.Table, b: pa.Table) -> bool:
    ids = [table["sourcedId"].combine_chunks().sort() for table in (a, b)]
    return bool(ids[0].equals(ids[1]))


def _moved(old: pa.ChunkedArray | pa.Array, new: pa.ChunkedArray | pa.Array) -> pa.Table:
    return pa.table({"old": old, "new": new}).sort_by("old")


def _once(keys: pa.ChunkedArray) -> pa.Array:
    counts = pc.value_counts(keys.drop_null().combine_chunks())
    return counts.field("values").filter(pc.equal(counts.field("counts"), 1))


def _ids(rows: pa.Table) -> pa.Array:
    return rows["sourcedId"].drop_null().combine_chunks().sort()
