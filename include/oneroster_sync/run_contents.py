"""What the stages of a run left in its folder, read back as what it was."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from oneroster_sync.findings import Findings
from oneroster_sync.package.extract import Extracted
from oneroster_sync.package.manifest import Mode
from oneroster_sync.plan import Counts, Plan
from oneroster_sync.plan.adoption import SCHEMA
from oneroster_sync.plan.definition import DefectivePlanError
from oneroster_sync.run_folder import RunFolder
from oneroster_sync.spec import Version
from oneroster_sync.validation.data_docs import make_data_docs
from oneroster_sync.work_folder import work_folder

if TYPE_CHECKING:
    from oneroster_sync.store.runs import Run


def read_extracted(run: Run) -> Extracted:
    """Return what came through the door.

    Raises:
        FileNotFoundError: The extract stage has not finished.
    """
    folder = RunFolder.of(run.site, run.run_id)
    stored = folder.read_json("extracted")
    return Extracted(
        sha256="",
        version=Version(stored["version"]),
        modes={name: Mode(mode) for name, mode in stored["modes"].items()},
        tables=folder.read_tables("snapshots"),
        rows=stored["rows"],
        ignored=stored["ignored"],
    )


_ROSTERED = frozenset({"users", "courses", "classes", "enrollments"})
"""The files that a plan's changes come from."""


def files_of(run: Run, *, bulk_only: bool = False) -> frozenset[str]:
    """Return the files of users, courses and assignments that a run's plan was made from."""
    modes: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        folder = RunFolder.of(run.site, run.removals_of or run.run_id)
        modes = folder.read_json("extracted")["modes"]
    wanted = {Mode.BULK} if bulk_only else {Mode.BULK, Mode.DELTA}
    return _ROSTERED.intersection(name for name, mode in modes.items() if mode in wanted)


def read_plan(run: Run) -> Plan:
    """Return the run's frozen plan, hashed again: a file may have changed since it was written.

    Raises:
        FileNotFoundError: It is not there any more.
        DefectivePlanError: It is not the plan whose hash the run recorded.
    """
    folder = RunFolder.of(run.site, run.run_id)
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
    return plan


def read_changes(run: Run) -> Plan:
    """Return the run's frozen plan without what it remembers of enrollments and the like.

    That cannot be applied, and is all there is to show. Its pages are asked for one after the
    other, so the plan that was read last is kept.

    Raises:
        FileNotFoundError: It is not there any more.
    """
    version = RunFolder.of(run.site, run.run_id).read_json("plan")["base_version"]
    return Plan(run.site, version, *_changes(run.site, run.run_id, run.plan_hash), links={})


def read_accounts(run: Run) -> pa.Table:
    """Return whose the accounts made by hand may be, as `match_accounts` told it; else nothing."""
    tables = RunFolder.of(run.site, run.run_id).read_tables("adoption")
    return tables.get("accounts", SCHEMA.empty_table())


@functools.lru_cache(maxsize=1)
def _changes(site: str, run_id: str, plan_hash: str | None) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return what a plan changes; the hash tells it from the run's plan before a retry."""
    del plan_hash
    names = "users", "courses", "assignments"
    tables = RunFolder.of(site, run_id).read_tables("plan", names)
    return tables["users"], tables["courses"], tables["assignments"]


def release_memory() -> None:
    """Give memory that tables took, and take no more, back to the system.

    Arrow keeps it for the next tables of the same thread, so that a server, which has many threads,
    would keep as many times the largest plan that anybody looked at.
    """
    pa.default_memory_pool().release_unused()


def all_findings(run: Run) -> pa.Table:
    """Return the findings of all stages, in their order."""
    tables = RunFolder.of(run.site, run.run_id).read_tables("findings")
    findings = Findings()
    for table in tables.values():
        findings.add_table(table)
    return findings.table()


def read_counts(run: Run) -> Counts:
    """Return what the run comes to, as its plan was frozen."""
    stored = RunFolder.of(run.site, run.run_id).read_json("plan")
    return Counts(stored["users"], stored["courses"], stored["assignments"])


def read_errors(run: Run) -> dict[str, int]:
    """Return how many rows of each file have errors once the plan is made; by default unknown."""
    stored: dict[str, int] = RunFolder.of(run.site, run.run_id).read_json("plan").get("bad", {})
    return stored


def read_protected(run: Run) -> tuple[pa.Table, list[str]] | None:
    """Return the records that broken rows protect, and the files that the run had in bulk.

    None for a run that read no package, or that reuses what an earlier run found.
    """
    if not run.of_package or run.same_as is not None:
        return None
    tables = RunFolder.of(run.site, run.run_id).read_tables("protected")
    if not tables:
        return None
    bulk = [name for name, mode in read_extracted(run).modes.items() if mode is Mode.BULK]
    return tables["records"], sorted(bulk)


def left_alone(run: Run) -> list[str]:
    """Return a line for each record that an undo leaves as it is, with the reason."""
    lines: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        lines = RunFolder.of(run.site, run.run_id).read_json("left")
    return lines


def read_report(run: Run) -> list[dict[str, Any]] | None:
    """Return what Great Expectations said of each file; None when nothing was validated."""
    try:
        report: list[dict[str, Any]] = RunFolder.of(run.site, run.run_id).read_json("report")
    except FileNotFoundError:
        return None
    return report


def ensure_data_docs(run: Run) -> RunFolder | None:
    """Make Great Expectations' pages of a run, below `report/` of its folder, unless they exist.

    Returns:
        The folder of the run; None when there is nothing to make them from.

    Raises:
        DataDocsError: Great Expectations could not make them.
    """
    folder = RunFolder.of(run.site, run.run_id)
    if folder.has("report/index.html"):
        return folder
    if not folder.has("results.json"):
        return None
    with work_folder() as pages:
        make_data_docs(folder.read_json("results"), pages)
        folder.copy_in(pages, "report")
    return folder
