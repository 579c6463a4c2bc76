"""The plan: a frozen, sorted, hashed list of changes, and its counts."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from oneroster_sync.errors import OneRosterError
from oneroster_sync.findings.finding import shown_id
from oneroster_sync.roster.columns import (
    ASSIGNMENT_CHANGES,
    COURSE_FIELDS,
    FORGOTTEN,
    KEPT_INACTIVE,
    LINK_FIELDS,
    MODIFIED,
    PUT,
    USER_FIELDS,
    change_schema,
)
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.stages.base import MissingStageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oneroster_sync.runs import Run

# Part of the hash, so that plans of two canonical forms never have one hash.
FORMAT = 1
_NOT_HASHED = {"row", "id"}
_COLUMNS = {
    "users": set(change_schema(USER_FIELDS).names),
    "courses": set(change_schema(COURSE_FIELDS).names),
    "assignments": set(ASSIGNMENT_CHANGES.names),
    **{f"links.{name}": set(columns) for name, columns in LINK_FIELDS.items()},
    **{f"links.{name}.gone": {"sourced_id"} for name in LINK_FIELDS},
    f"links.{PUT}": set(MODIFIED.names),
    f"links.{FORGOTTEN}": {"file", "sourced_id"},
    f"links.{KEPT_INACTIVE}": {"sourced_id"},
}


class DefectivePlanError(OneRosterError):
    """The plan is not the one whose hash the run recorded; nothing was changed."""


@dataclass(slots=True)
class Counts:
    """The counts of a run, as the page of recent synchronizations shows them."""

    users: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            (
                "added",
                "updated",
                "adopted",
                "rekeyed",
                "deactivated",
                "reactivated",
                "errors",
                "ignored",
            ),
            0,
        )
    )
    courses: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("added", "updated", "rekeyed", "removed", "reactivated", "errors"), 0
        )
    )
    assignments: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("added", "removed", "errors"), 0)
    )

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Return the counts by kind."""
        return asdict(self)

    def errors(self) -> int:
        """Return the number of rows that could not be used."""
        return self.users["errors"] + self.courses["errors"] + self.assignments["errors"]


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes that would be applied to one site's roster.

    Attributes:
        site: The site.
        base_version: Version of the roster that the plan was made against.
        users: Changes, schema `fields.change_schema(USER_FIELDS)`, sorted by sourcedId.
        courses: Changes, schema `fields.change_schema(COURSE_FIELDS)`, sorted by sourcedId.
        assignments: Changes, schema `fields.ASSIGNMENT_CHANGES`, sorted by both sourcedIds.
        links: `<table>` → rows to write, `<table>.gone` → sourcedIds to delete; likewise
            `modified` of `last_modified`.
    """

    site: str
    base_version: int
    users: pa.Table
    courses: pa.Table
    assignments: pa.Table
    links: Mapping[str, pa.Table]
    # A list, because a frozen dataclass can fill one later and can't assign a field.
    _hash: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def is_empty(self) -> bool:
        """Return whether no user, course or course assignment would change."""
        return not (self.users.num_rows or self.courses.num_rows or self.assignments.num_rows)

    def renames(self) -> bool:
        """Return whether any record's sourcedId changes or is removed."""
        return any(
            pc.any(
                pc.and_(
                    pc.is_valid(table["before_sourced_id"]),
                    pc.invert(
                        pc.fill_null(
                            pc.equal(table["before_sourced_id"], table["after_sourced_id"]), False
                        )
                    ),
                )
            ).as_py()
            for table in (self.users, self.courses)
        )

    def moves_links(self) -> bool:
        """Return whether remembered classes, enrollments, roles or orgs would change."""
        return any(t.num_rows for name, t in self.links.items() if name not in {PUT, FORGOTTEN})

    def moves_moments(self) -> bool:
        """Return whether stored last modified times would change."""
        return any(self.links[name].num_rows for name in (PUT, FORGOTTEN) if name in self.links)

    def is_of_this_version(self) -> bool:
        """Return whether the plan has the columns of this version's plans."""
        return all(_COLUMNS.get(n) == set(t.column_names) for n, t in self.tables().items())

    def tables(self) -> dict[str, pa.Table]:
        """Return all tables by name, as they are stored."""
        parts = {"users": self.users, "courses": self.courses, "assignments": self.assignments}
        return {**parts, **{f"links.{name}": table for name, table in sorted(self.links.items())}}

    def hash(self) -> str:
        """Return the sha256 of the plan's canonical form.

        The same input against the same roster gives the same hash. Row numbers and database ids are
        excluded, so that the order of a package's rows does not matter.

        Tables are immutable, so the hash is computed once for an object. A plan that is read from
        storage is another object, and is hashed again.
        """
        if not self._hash:
            self._hash.append(self._compute_hash())
        return self._hash[0]

    def _compute_hash(self) -> str:
        header = {"format": FORMAT, "site": self.site}
        digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        # An empty text is written as "" and a null as nothing, so that the two have different
        # hashes.
        options = pacsv.WriteOptions(quoting_style="all_valid")
        for name, table in self.tables().items():
            kept = table.select([c for c in table.column_names if c not in _NOT_HASHED])
            buffer = io.BytesIO()
            pacsv.write_csv(kept, buffer, options)
            digest.update(f"\n{name}\n".encode())
            digest.update(buffer.getbuffer())
        return digest.hexdigest()

    def count(self) -> Counts:
        """Return the numbers of records that the plan adds, updates and removes."""
        counts = Counts()
        for kind, table, words in (
            (counts.users, self.users, _USER_WORDS),
            (counts.courses, self.courses, _COURSE_WORDS),
            (counts.assignments, self.assignments, _ASSIGNMENT_WORDS),
        ):
            for entry in pc.value_counts(table["action"]).to_pylist():
                kind[words[entry["values"]]] += entry["counts"]
        return counts


_USER_WORDS = {
    "add": "added",
    "update": "updated",
    "adopt": "adopted",
    "rekey": "rekeyed",
    "deactivate": "deactivated",
    "reactivate": "reactivated",
}
_COURSE_WORDS = {
    "add": "added",
    "update": "updated",
    "rekey": "rekeyed",
    "remove": "removed",
    "reactivate": "reactivated",
}
_ASSIGNMENT_WORDS = {"add": "added", "reactivate": "added", "remove": "removed"}


def read_plan(run: Run) -> Plan:
    """Read the run's frozen plan, and check its hash: a file may have changed since.

    A plan that this process made or read before is not hashed again, because it can't have changed.

    Raises:
        FileNotFoundError: It no longer exists.
        DefectivePlanError: It is not the plan whose hash the run recorded.
    """
    folder = RunFolder.of(run.site, run.run_id)
    made: Plan | None = folder.kept("plan")
    if made is not None and made.hash() == run.plan_hash:
        return made
    tables = folder.read_tables("plan")
    links = {n.removeprefix("links."): t for n, t in tables.items() if n.startswith("links.")}
    version = folder.read_json("plan")["base_version"]
    kinds = tables["users"], tables["courses"], tables["assignments"]
    plan = Plan(run.site, version, *kinds, links)
    if plan.hash() != run.plan_hash:
        raise DefectivePlanError(
            f"run {run.run_id} recorded plan {run.plan_hash}, its files hold {plan.hash()}; "
            "clear diff and the tasks after it"
        )
    folder.keep("plan", plan)
    return plan


def read_changes(run: Run) -> Plan:
    """Read the users, courses and assignments of the run's frozen plan, without its links.

    The result can't be applied, but is enough to show. The plan that was read last is kept in
    memory, because pages are requested one after the other.

    Raises:
        FileNotFoundError: It no longer exists.
    """
    version = RunFolder.of(run.site, run.run_id).read_json("plan")["base_version"]
    return Plan(run.site, version, *_changes(run.site, run.run_id, run.plan_hash), links={})


@functools.lru_cache(maxsize=1)
def _changes(site: str, run_id: str, plan_hash: str | None) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return the tables of changes; the hash, a cache key, excludes a plan from before a retry."""
    del plan_hash
    names = "users", "courses", "assignments"
    tables = RunFolder.of(site, run_id).read_tables("plan", names)
    return tables["users"], tables["courses"], tables["assignments"]


def changes_of(plan: Plan) -> tuple[tuple[str, pa.Table], ...]:
    """Return the plan's changes with the name of their kind."""
    return (
        ("user", plan.users),
        ("course", plan.courses),
        ("course assignment", plan.assignments),
    )


def list_changes(kind: str, table: pa.Table) -> Iterator[str]:
    """Yield a log line for each change of one kind, with ids only."""
    names = [n for n in table.column_names if n in {"action", "reason"} or n in _IDS]
    for batch in table.select(names).to_batches(max_chunksize=_BATCH):
        for change in batch.to_pylist():
            action, reason = change["action"], change["reason"]
            if "user_sourced_id" in change:
                user, course = (shown_id(change[name]) for name in _IDS[1:])
                yield f"{action} {kind} of user {user} to course {course}: {reason}."
            else:
                yield f"{action} {kind} {shown_id(change['sourced_id'])}: {reason}."


_IDS = ("sourced_id", "user_sourced_id", "course_sourced_id")
_BATCH = 10_000


def read_counts(run: Run) -> Counts:
    """Return the counts of the run's frozen plan."""
    stored = RunFolder.of(run.site, run.run_id).read_json("plan")
    return Counts(stored["users"], stored["courses"], stored["assignments"])


def read_errors(run: Run) -> dict[str, int]:
    """Return file → number of rows with errors after diff; empty if not known."""
    stored: dict[str, int] = RunFolder.of(run.site, run.run_id).read_json("plan").get("bad", {})
    return stored


def require_plan(run: Run) -> Plan:
    """Return the run's plan, with the hash that the run recorded.

    Raises:
        MissingStageError: There is no plan.
        DefectivePlanError: The plan has another hash.
    """
    if run.plan_hash is None:
        raise MissingStageError("there is no plan; clear diff and the tasks after it")
    return read_plan(run)
