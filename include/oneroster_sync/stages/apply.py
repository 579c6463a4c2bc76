"""Stage 5, apply: write the frozen plan, its audit and the run's record in one transaction.

Nothing is computed here. A run is applied once at most, and a plan is refused as stale if the
roster has changed since. Apply requires evidence: the plan's hash is the one that review found
clear or, if the plan was held, the one that a person approved. The states of Airflow's tasks are no
evidence, because operators can mark and clear tasks in any order.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from typing import TYPE_CHECKING, Any, ParamSpec

import pyarrow.compute as pc
import sqlalchemy as sa
from psycopg import errors

from oneroster_sync import database, runs
from oneroster_sync.database import lock_site
from oneroster_sync.database.copy import stage
from oneroster_sync.errors import ConflictError, OneRosterError, RetriableError
from oneroster_sync.findings.finding import has_row_errors, rows_as_findings
from oneroster_sync.roster import protections
from oneroster_sync.roster.columns import COURSE_FIELDS, KEPT_INACTIVE, LINK_FIELDS, USER_FIELDS
from oneroster_sync.roster.reader import count_active, roster_version
from oneroster_sync.roster.records import NO_ROLE, NOT_PRIMARY
from oneroster_sync.runs import Outcome, pending_deltas, run_log, superseded, telemetry
from oneroster_sync.runs.artifacts import all_findings
from oneroster_sync.runs.roster_history import count_by_school
from oneroster_sync.sites import preferences_store
from oneroster_sync.stages import initial_load
from oneroster_sync.stages.diff.plan import DefectivePlanError, read_counts, require_plan
from oneroster_sync.stages.diff.protection import read_protected
from oneroster_sync.standard.kinds import MAPPINGS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    import pyarrow as pa
    from sqlalchemy.engine import Connection, Engine

    from oneroster_sync.runs import Run
    from oneroster_sync.stages.diff.plan import Counts, Plan

P = ParamSpec("P")

log = logging.getLogger(__name__)

_TRIES = 3
_IN_THE_WAY = (errors.DeadlockDetected, errors.SerializationFailure)
"""How PostgreSQL ends one of two transactions that conflict; another try helps."""


class StalePlanError(RetriableError):
    """The roster has changed since the plan was made; make the plan again."""


class OldPlanError(StalePlanError):
    """The plan was made by another version of this program; make it again."""


class NotApprovedError(ConflictError):
    """Review did not find this plan clear, or nobody has approved this hash."""


class RefusedByDatabaseError(OneRosterError):
    """The database refuses the changes; nothing was changed."""


def _repeated(apply: Callable[P, Run]) -> Callable[P, Run]:
    """Repeat a transaction that PostgreSQL ended because of another one, three tries in all."""

    @functools.wraps(apply)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> Run:
        for _ in range(_TRIES - 1):
            try:
                return apply(*args, **kwargs)
            except sa.exc.OperationalError as error:
                if not isinstance(error.orig, _IN_THE_WAY):
                    raise
                log.warning(
                    "Another transaction conflicted with this one; the same plan is tried again."
                )
        return apply(*args, **kwargs)

    return repeated


def apply_reviewed(run: Run, *, now: dt.datetime) -> Run:
    """Stage 5: apply the run's reviewed or approved plan, once.

    Raises:
        MissingStageError: There is no plan.
        StalePlanError: Another plan was applied since this one was made.
        NotApprovedError: The plan is held, or was not reviewed.
        DefectivePlanError: The plan is not the one that the run recorded.
    """
    return telemetry.observe("apply", run, lambda: _apply(run, now))


def _apply(run: Run, now: dt.datetime) -> Run:
    found = all_findings(run)
    return apply_plan(
        database.engine(),
        run.run_id,
        require_plan(run),
        read_counts(run),
        found,
        run_log.count_by_severity(found),
        now=now,
        protected=read_protected(run),
    )


@_repeated
def apply_plan(
    engine: Engine,
    run_id: str,
    plan: Plan,
    counts: Counts,
    findings: pa.Table,
    severities: dict[str, int],
    *,
    now: dt.datetime,
    protected: tuple[pa.Table, list[str]] | None = None,
) -> Run:
    """Apply a plan, or do nothing when the run has been applied already.

    A transaction that PostgreSQL ends because of another transaction is repeated, three tries in
    all.

    Args:
        engine: Engine of the roster database.
        run_id: The run whose record commits together with the changes.
        plan: The plan whose hash the run recorded.
        counts: The run's counts of changes and errors.
        findings: Findings of all stages, to be stored with the run.
        severities: Severity → number of findings.
        now: The time that the audit names.
        protected: Records that rows with errors protect, and the files that the run had in bulk;
            None if the run has no protection of its own to store.

    Returns:
        The run's record after the transaction.

    Raises:
        StalePlanError: Another plan was applied since this one was made.
        OldPlanError: The plan is of another version.
        NotApprovedError: The plan is held, or was not reviewed.
        DefectivePlanError: The plan is not the recorded one.
        RefusedByDatabaseError: The database refuses the changes.
        sqlalchemy.exc.OperationalError: The database can't be reached; another try may help.
    """
    with _without_values(), engine.begin() as connection:
        # Held from before the audit draws its first id until the commit, so that readers of the
        # change feed see one version after the other, each with all of its changes.
        lock_site(connection, plan.site)
        # The row is read under its lock: a decision or a discard that arrives now waits for the
        # commit.
        run = runs.get(connection, run_id, for_update=True)
        # A worker can die after the commit and before it reports it; Airflow then tries the task
        # again.
        if run.applied_at is not None:
            log.info("This run was already applied at %s; it is not applied again.", run.applied_at)
            return run
        current = roster_version(connection, plan.site)
        _check(run, plan, current)
        _check_deltas(connection, run)
        moves = not plan.is_empty() or plan.moves_links()
        if moves or plan.moves_moments():
            bound = {
                "site": plan.site,
                "run_id": run_id,
                "admin": run.credited_admin_id,
                "by": f"{run.requested_by}, approved by {run.decided_by}"
                if run.decision
                else run.requested_by,
                "now": now,
                "version": current + 1,
                "no_role": [NO_ROLE, NOT_PRIMARY],
                "read": run.undoes is None,
                "file": f"{run.kind}.csv" if run.kind in MAPPINGS else None,
            }
            change_roster(connection, plan, bound)
        version = run.base_version
        # Times of deltas alone raise no version: a delta without a change must not supersede a plan
        # that waits for a person.
        if moves:
            version = connection.scalar(
                sa.text(
                    "update sites set roster_version = roster_version + 1 where site = :site "
                    "returning roster_version"
                ),
                {"site": plan.site},
            )
            for older in superseded.list_held(connection, plan.site):
                # An approved run is held itself until the update below.
                if older.run_id != run_id:
                    reason = superseded.moved_roster(run)
                    superseded.supersede(connection, older, reason, now=now)
        bulk = None
        if protected is not None:
            table, bulk = protected
            protections.note(connection, plan.site, run_id, table, bulk, now=now)
        pending_deltas.end_applied(connection, run)
        runs.save_findings(connection, run_id, findings)
        runs.update(
            connection,
            run_id,
            stage="apply",
            outcome=_outcome(plan, counts, findings),
            # The reasons of a hold stay with the run that a person approved in spite of them.
            reasons=[*(run.holds if run.decision else ()), *_what_is_missing(findings)],
            applied_at=now,
            applied_version=version,
            ended_at=now,
            counts=counts.as_dict(),
            findings=severities,
            bulk_files=bulk,
            roster_counts=count_active(connection, run.site),
            **_schools_now(connection, run.site, plan),
        )
        if not plan.is_empty():
            # Last, because this locks the preferences: whoever saves them waits for the commit.
            used = f"run {run_id}"
            preferences_store.use_up_raised_limit(connection, run.preferences, by=used, now=now)
        return runs.get(connection, run_id)


def _schools_now(connection: Connection, site: str, plan: Plan) -> dict[str, Any]:
    """Return the current numbers of users by school; empty if the plan changes no user."""
    # A run without numbers keeps those of the run before (`roster_history`), so the count is saved.
    return {"school_counts": count_by_school(connection, site)} if plan.users.num_rows else {}


def change_roster(
    connection: Connection, plan: Plan, bound: dict[str, Any], *, by_copy: bool = True
) -> None:
    """Change the roster as the plan says, and write the audit.

    Args:
        connection: A connection in a transaction that holds the site's lock.
        plan: The plan.
        bound: Parameters of the statements: site, run, who, when.
        by_copy: Whether new rows go into the tables by COPY. The resulting rows are the same.
    """
    # A server may compile statements that it expects to be costly. Staged tables have no
    # statistics, so it expects too much, and compiling takes longer than running them.
    connection.execute(sa.text("set local jit = off"))
    loaded = initial_load.load(connection, plan, bound) if by_copy else frozenset[str]()
    for name, table in plan.tables().items():
        if name not in loaded:
            stage(connection, f"plan_{name.replace('.', '_')}", table)
    for statement in _statements(plan, loaded):
        connection.execute(sa.text(statement), bound)


def _what_is_missing(findings: pa.Table) -> list[str]:
    """Return texts about what the run left unchanged because a file was missing."""
    missing = findings.filter(pc.equal(findings["code"], "package.missing_file"))
    return [finding.for_a_person() for finding in rows_as_findings(missing)]


@contextlib.contextmanager
def _without_values() -> Iterator[None]:
    """Keep values that a database error quotes out of exceptions, and so out of logs."""
    try:
        yield
    # It quotes no row: the connection or another transaction failed. Callers need its type to try
    # again.
    except sa.exc.OperationalError:
        raise
    except sa.exc.DBAPIError as error:
        diag = getattr(error.orig, "diag", None)
        reason = diag.message_primary if diag else type(error.orig).__name__
        # `from None`, because a traceback would show the original error with the values of the row.
        raise RefusedByDatabaseError(f"the database refuses the plan: {reason}") from None


def _check(run: Run, plan: Plan, version: int) -> None:
    plan_hash = plan.hash()
    if run.plan_hash != plan_hash:
        raise DefectivePlanError(
            f"run {run.run_id} recorded plan {run.plan_hash}, this is {plan_hash}"
        )
    is_held = run.outcome is Outcome.HELD
    if is_held and not (run.decision == "approved" and run.decided_hash == plan_hash):
        raise NotApprovedError(
            f"run {run.run_id} is held; approve it with: oneroster approve {run.run_id}"
        )
    if run.outcome is not None and not is_held:
        raise NotApprovedError(f"run {run.run_id} has ended: {run.outcome}")
    if not is_held and run.reviewed_hash != plan_hash:
        raise NotApprovedError(f"the plan of run {run.run_id} has not been reviewed")
    if not plan.is_of_this_version():
        raise OldPlanError("the plan was made before an upgrade, by another version")
    if version != run.base_version:
        raise StalePlanError(
            f"the roster is at version {version}, the plan was made against {run.base_version}"
        )


def _check_deltas(connection: Connection, run: Run) -> None:
    """Check that the plan is made from the deltas that are pending now.

    An approved plan may leave out later deltas; any other plan is made again with them.
    """
    planned = set(run.deltas or ())
    if planned != pending_deltas.still_pending(connection, planned):
        raise StalePlanError(
            "deltas of this plan were applied or discarded after the plan was made"
        )
    if run.deltas is None or not run.of_package or run.decision == "approved":
        return
    found = pending_deltas.used(connection, run)
    if found != planned:
        raise StalePlanError("the pending deltas have changed since the plan was made")


def _outcome(plan: Plan, counts: Counts, findings: pa.Table) -> Outcome:
    """Return the outcome of an applied run: `succeeded` only if every row could be used."""
    if counts.errors() or has_row_errors(findings):
        return Outcome.SUCCEEDED_WITH_ERRORS
    return Outcome.NO_CHANGES if plan.is_empty() else Outcome.SUCCEEDED


def _sets(fields: tuple[str, ...]) -> str:
    names = ("sourced_id", *fields, "status", "managed")
    return ", ".join(f"{name} = p.after_{name}" for name in names)


def _image(side: str, fields: tuple[str, ...]) -> str:
    names = ("sourced_id", *fields, "status", "managed")
    return "jsonb_build_object(" + ", ".join(f"'{n}', p.{side}_{n}" for n in names) + ")"


def _records(kind: str, table: str, fields: tuple[str, ...]) -> list[str]:
    """Return the statements that change users or courses and write their audit."""
    names = ("sourced_id", *fields, "status", "managed")
    columns, values = ", ".join(names), ", ".join(f"p.after_{name}" for name in names)
    return [
        f"insert into {table} (site, {columns}, created_at, updated_at) "
        f"select :site, {values}, :now, :now from plan_{table} p where p.action = 'add'",
        f"update {table} t set {_sets(fields)}, updated_at = :now from plan_{table} p "
        "where t.id = p.id and t.site = :site",
        *(
            "insert into changes (run_id, site, kind, action, "
            f"{kind}_id, sourced_id, before, after, reason, file, row, credited_admin_id, "
            "requested_by, made_at, version) "
            f"select :run_id, :site, '{kind}', p.action, t.id, p.sourced_id, "
            f"case when p.action <> 'add' then {_image('before', fields)} end, "
            f"{_image('after', fields)}, "
            f"p.reason, case when :read then coalesce(:file, '{table}.csv') end, p.row, :admin, "
            ":by, :now, :version "
            f"from plan_{table} p join {table} t on t.site = :site and {of_record} "
            # The order of the ids that are drawn here, and so of the changes on the pages.
            "order by p.sourced_id"
            # An added record has no id in the plan; a changed one may have no sourcedId after it
            # (an undo of a link).
            for of_record in (
                "p.action = 'add' and t.sourced_id = p.after_sourced_id",
                "p.action <> 'add' and t.id = p.id",
            )
        ),
    ]


def _link(name: str) -> list[str]:
    columns = list(LINK_FIELDS[name])
    sets = ", ".join(f"{c} = excluded.{c}" for c in columns if c != "sourced_id")
    return [
        f"delete from {name} t using plan_links_{name}_gone p "
        "where t.site = :site and t.sourced_id = p.sourced_id",
        f"insert into {name} (site, {', '.join(columns)}) select :site, {', '.join(columns)} "
        f"from plan_links_{name} on conflict (site, sourced_id) do update set {sets}",
    ]


_LOST_ROLE = (
    # The same time as updated_at of the change: the reader compares the two, so that any later
    # change of the record ends this state.
    "update users t set lost_role_at = "
    "case when p.reason = any(:no_role) and p.after_status = 'inactive' "
    "then cast(:now as timestamptz) end from plan_users p where t.id = p.id and t.site = :site"
)
_STAY_GONE = (
    "update users t set lost_role_at = null from plan_links_lost_role_gone p "
    "where t.site = :site and t.sourced_id = p.sourced_id"
)

_MOMENTS = (
    # Times do not raise the roster's version, so another run may have stored newer ones since this
    # plan was made: greatest() never goes back.
    "delete from modified t using plan_links_modified_gone p "
    "where t.site = :site and t.file = p.file and t.sourced_id = p.sourced_id",
    "insert into modified as t (site, file, sourced_id, modified_at) "
    "select :site, file, sourced_id, cast(modified_at as timestamptz) from plan_links_modified "
    "on conflict (site, file, sourced_id) "
    "do update set modified_at = greatest(t.modified_at, excluded.modified_at)",
)

_NAMED = """
from plan_assignments p
join users u on u.site = :site and u.sourced_id = p.user_sourced_id
join courses c on c.site = :site and c.sourced_id = p.course_sourced_id
"""
_RENAMED = """
from plan_assignments p
join (
    select id, sourced_id from users where site = :site
    union select id, before_sourced_id from plan_users where id is not null
) u on u.sourced_id = p.user_sourced_id
join (
    select id, sourced_id from courses where site = :site
    union select id, before_sourced_id from plan_courses where id is not null
) c on c.sourced_id = p.course_sourced_id
"""
"""If records change their sourcedIds, an assignment may use the old or the new one."""


def _assignments(pairs: str) -> list[str]:
    """Return the statements that change course assignments and write their audit."""
    return [
        "insert into course_assignments (site, user_id, course_id, status, created_at, updated_at) "
        f"select :site, u.id, c.id, p.after_status, :now, :now {pairs} "
        # A removed assignment is still a row, because nothing is ever deleted.
        "on conflict (user_id, course_id) do update set status = excluded.status, "
        "updated_at = :now",
        "insert into changes (run_id, site, kind, action, user_id, course_id, before, after, "
        "reason, file, row, credited_admin_id, requested_by, made_at, version) "
        "select :run_id, :site, 'assignment', p.action, u.id, c.id, case when p.before_status "
        "is not null then jsonb_build_object('status', p.before_status) end, "
        "jsonb_build_object('status', p.after_status), p.reason, "
        "case when :read then 'enrollments.csv' end, p.row, :admin, "
        f":by, :now, :version {pairs} order by p.user_sourced_id, p.course_sourced_id",
    ]


def _statements(plan: Plan, loaded: AbstractSet[str]) -> tuple[str, ...]:
    """Return the statements for the roster and the audit, in order, without the loaded tables."""
    records = (
        *_records("user", "users", USER_FIELDS),
        _LOST_ROLE,
        *_records("course", "courses", COURSE_FIELDS),
        # Only after the records: their sourcedIds now are those after the plan.
        *_assignments(_RENAMED if plan.renames() else _NAMED),
    )
    return (
        *(records if "users" not in loaded else ()),
        *((_STAY_GONE,) if KEPT_INACTIVE in plan.links else ()),
        *(
            s
            for name in LINK_FIELDS
            if name in plan.links and f"links.{name}" not in loaded
            for s in _link(name)
        ),
        *(_MOMENTS if plan.moves_moments() else ()),
    )
