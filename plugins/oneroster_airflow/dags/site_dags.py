"""# OneRoster sync

Keeps a site's users, courses and course assignments in step with its student information system.

**Two DAGs for each site, of the same six tasks.**

* `oneroster_sync__<site>` runs on the days and at the time (UTC) of the site's preferences. *Unpaused means
  sync enabled*: pause it, here or on the preferences page, and no scheduled sync runs. Days inside a pause
  window (the summer break) are skipped. A slot that is missed by more than five minutes is skipped. If the
  preferences say so, a new package at the site's source starts a sync, in addition to the schedule or instead
  of it; the same checks apply as for a slot.
* `oneroster_upload__<site>` runs on request, also while the sync is paused. Its tasks take the next free
  slot, before the tasks of all scheduled runs.

**Trigger an upload** with

```json
{"package": "/path/OneRoster.zip", "kind": "package"}
```

`package` is a package uploaded to this site, or a path below a folder in `ONEROSTER_ALLOWED_PACKAGES`.
`kind` is `package` (a zip or a folder: users, courses and course assignments), `users` (a lone
users.csv: users only), `courses` (a lone courses.csv: courses only), or a mapping, which requires an
administrator: `ids` (`kind,oldSourcedId,newSourcedId`: users and courses get other sourcedIds) or
`links` (`email,sourcedId`: accounts made by hand become managed). `{"undo": "<run>"}` undoes an applied run.
`"check_only": true` with a package makes and shows its plan; nothing is applied.

**The tasks.**

| task | what it does | when it fails |
|---|---|---|
| extract | reads the package, staff only | look at the findings in its log: the package is wrong or missing. If the source is unavailable, too slow or not ready, the task is retried automatically |
| validate | lets the Great Expectations suites decide which rows are used | a suite is wrong; rows with errors don't fail it |
| diff | compares with the roster and freezes a plan | try again |
| review | holds a plan if a person has to decide about it | – |
| review_decision | waits only while a plan is held; it takes no slot | look at its log; you can still decide about the plan on the run's page |
| apply | applies the plan in one transaction; skipped if nothing was applied, as when a plan was not approved | nothing was changed; the task is retried automatically |
| record | stores the counts and the outcome of the run | it fails if the run was rejected or failed, or if an approved plan was not applied |

**Held?** The plan waits under *Required Actions*, with the reasons, the numbers and a link to all
changes. An administrator approves or discards it there, on the run's page (tab *OneRoster*), or with
`oneroster approve RUN` and `oneroster discard RUN`; the first decision counts. A plan without a decision
in time (72 hours, unless the preferences say otherwise) is discarded, and a newer plan of the same
files replaces it. A held plan does not block other runs.

**One at a time.** Runs of a site run one after the other, in the order of their requests. Until its turn,
`extract` is rescheduled (*up for reschedule*) with growing intervals of five minutes at most; its log says
which run comes first.

**Clear or retry** any task at any time, or mark it: a plan is never applied twice, and only a plan that
review found clear or that a person approved, by its hash, is applied. A task whose input is missing
fails and says which task to clear. While a plan is held, and once it is approved, the tasks before
`apply` do not change it.

**Archived** sites have no DAGs. Unfinished runs are discarded. A request from before the archiving is not
carried out after the site is restored: it fails in `extract`, and you have to request it again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import (
    DAG,
    Asset,
    AssetAlias,
    AssetOrTimeSchedule,
    AssetWatcher,
    Param,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import (
    AirflowRescheduleException,
    AirflowSkipException,
)

from oneroster_airflow.arrival_trigger import PackageArrival
from oneroster_airflow.dags.failures import (
    RETRY_POLICY,
    FailedError,
    explain_failures,
    notify_of_failure,
)
from oneroster_airflow.review_operator import ReviewDecision
from oneroster_airflow.timetable import PreferencesTimetable
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from oneroster_sync.runs import Run

log = logging.getLogger("oneroster")
"""Writes to the task's log; a task instance within a task has no logger of its own."""

AT_ONCE = 16
"""Maximum number of open runs of a DAG: one runs, the others wait for their turn or a person."""
AT_MOST = timedelta(hours=3)
"""Timeout of one try of a task; a large district needs minutes, a slow source up to an hour."""
RETRIES = 2
"""Default number of retries of a task."""
LONGEST = timedelta(days=62)
"""Timeout of a DAG run; the preferences may let a held plan wait for 60 days."""
OWNER = "oneroster"
UPLOAD_ARGUMENTS = {
    "owner": OWNER,
    "retries": RETRIES,
    "retry_policy": RETRY_POLICY,
    "priority_weight": 100,
    "weight_rule": "absolute",
    "execution_timeout": AT_MOST,
}
"""Task parameters of an upload: its tasks take the next free slot, before scheduled runs.

Airflow gives the tasks of scheduled runs a weight below ten.
"""
ENDS_FIRST = {
    "owner": OWNER,
    "retries": RETRIES,
    "retry_policy": RETRY_POLICY,
    "weight_rule": "upstream",
    "execution_timeout": AT_MOST,
}
"""Tasks near the end of a run go first, so that a wave of runs finishes runs early."""


def run_id(context: dict[str, Any]) -> str:
    """Return the id of this DAG run's run."""
    dag_run = context["dag_run"]
    return dag_names.run_id_of(dag_run.dag_id, dag_run.run_id)


def asked_for(site: str, context: dict[str, Any]) -> Any:
    """Return the request of the schedule or a person."""
    from oneroster_airflow import run_conf
    from oneroster_sync.pipeline import Request
    from oneroster_sync.runs import Trigger
    from oneroster_sync.runs.summary import BY_NEW_FILE, BY_SCHEDULE
    from oneroster_sync.stages.diff.undo import Part
    from oneroster_sync.standard.kinds import Kind

    params, dag_run = context["params"], context["dag_run"]
    uploaded = dag_run.dag_id == dag_names.upload_dag_id(site)
    # The guard takes runs of this DAG for runs without parameters, which an operator may clear.
    if params and not uploaded:
        raise FailedError("a scheduled sync takes no parameters; ask for an upload")
    if problem := run_conf.find_problem(params):
        raise FailedError(problem)
    if params.get("removals_of"):
        return removals_left_by(params["removals_of"], site, context)
    if uploaded and not (params["package"] or params.get("undo")):
        raise FailedError("neither a package nor a run to undo was given")
    part = params.get("undo_of")
    person = dag_run.triggering_user_name
    by_itself = {"scheduled": BY_SCHEDULE, "asset_triggered": BY_NEW_FILE}
    return Request(
        run_id=run_id(context),
        site=site,
        package=params.get("package"),
        trigger=Trigger.UPLOAD if uploaded else Trigger.SCHEDULE,
        requested_by=person or by_itself.get(dag_run.run_type, "Airflow"),
        kind=Kind(params["kind"]) if uploaded else Kind.PACKAGE,
        undoes=params.get("undo"),
        undo_of=Part(**part) if part else None,
        dag_run=(dag_run.dag_id, dag_run.run_id),
        asked_at=dag_run.run_after,
        is_preview=bool(params.get("check_only")),
    )


def removals_left_by(earlier: str, site: str, context: dict[str, Any]) -> Any:
    """Return the request for the removals of an earlier run, by the same requester."""
    from oneroster_sync import pipeline, runs

    with explain_failures():
        request = pipeline.make_removals_request(runs.find(earlier), run_id(context))
    if request is None or request.site != site:
        raise FailedError(f"no run {earlier} of site {site} left removals for a decision")
    dag_run = context["dag_run"]
    named = (dag_run.dag_id, dag_run.run_id)
    return replace(request, dag_run=named, asked_at=dag_run.run_after)


def unwanted(run: Run, context: dict[str, Any]) -> str | None:
    """Return why a run that started automatically is no longer wanted, or None."""
    from oneroster_sync.sites.schedule import skip_arrival, skip_slot

    dag_run = context["dag_run"]
    # A person who clears the run asks for it, so it is neither late nor unwanted.
    if dag_run.clear_number:
        return None
    skip = None
    if dag_run.run_type == "scheduled":
        # The beginning of the DAG run, because neither a retry nor the wait for its turn makes it
        # late.
        skip = skip_slot(run.preferences, context["logical_date"], now=dag_run.start_date)
    elif dag_run.run_type == "asset_triggered":
        arrived = [event.timestamp for event in dag_run.consumed_asset_events]
        noticed = max(arrived, default=dag_run.run_after)
        skip = skip_arrival(run.preferences, noticed, now=dag_run.start_date)
    return skip.reason if skip else None


def run_stage_of(site: str, stage: Callable[[Run], Run]) -> Run:
    """Run one stage of this DAG run's run, unless the run has ended."""
    from oneroster_airflow import lineage
    from oneroster_sync import database
    from oneroster_sync.database import locks
    from oneroster_sync.pipeline import note_failure
    from oneroster_sync.runs import find

    context = get_current_context()
    with explain_failures(), locks.hold_site_turn(database.engine(), site):
        run = find(run_id(context))
        with note_failure(run):
            run = stage(run)
    # After the turn is released: a slow catalogue does not delay other runs of the site.
    lineage.report(context["ti"].task_id, run)
    fail_if_useless(run)
    return run


def fail_if_useless(run: Run) -> None:
    """Fail the task if the run can't continue and another try does not help."""
    if run.outcome in {"rejected", "failed"}:
        raise FailedError(f"{run.outcome}: {' '.join(run.reasons)}")


def skip_if_unapplied(run: Run) -> None:
    """Skip the task if nothing was applied: a green task `apply` means an applied run."""
    from oneroster_sync.runs.summary import format_outcome

    if run.applied_at is None:
        raise AirflowSkipException(format_outcome(run))


def announce_change(run: Run, context: Any) -> None:
    """Record an event of the roster's asset in Airflow, for the DAGs that wait for it.

    The event only wakes these DAGs: Airflow may merge or lose events, but a reader of the change
    feed continues from its own cursor and misses nothing. The event names no person.
    """
    if not run.changed_roster:
        return
    context["outlet_events"][AssetAlias(dag_names.ROSTER_CHANGED)].add(
        Asset(dag_names.roster_asset(run.site)),
        extra={
            "site": run.site,
            "run_id": run.run_id,
            "version": run.applied_version,
            "counts": run.counts,
        },
    )


def fail_if_undone(run: Run) -> None:
    """Fail the task if an approved plan was not applied: apply failed, or was marked by hand."""
    if run.outcome == "held" and run.decision == "approved":
        raise FailedError("the plan was approved and not applied: clear apply")


def reviewed(run: Run) -> Run:
    """Review the plan; a held plan is recorded at once, because it may wait for days."""
    from oneroster_sync import pipeline

    now = datetime.now(UTC)
    run = pipeline.review(run, now=now)
    if run.is_preview:
        return pipeline.discard_preview(run)
    pipeline.supersede_older(run, now=now)
    return pipeline.record(run, now=now) if run.outcome == "held" else run


def choose_next_task(run: Run) -> list[str]:
    """Return the task to run after the review, or none if the run has ended otherwise."""
    if run.outcome == "held":
        return [dag_names.REVIEW_DECISION]
    return ["apply"] if run.outcome is None or run.applied_at else []


def six_stages(site: str) -> None:
    """Create the tasks of a DAG: one for each stage, and one that waits for a decision."""

    @task(
        inlets=[Asset(dag_names.source_asset(site))],
        # 30 + 60 + 120 + 240 s: a source may be away for seven minutes.
        retries=4,
        retry_delay=timedelta(seconds=30),
        retry_exponential_backoff=2.0,
    )
    def extract() -> str:
        from oneroster_airflow import run_queue
        from oneroster_airflow.airflow_connections import login_of
        from oneroster_sync import database, pipeline
        from oneroster_sync.database import locks

        context = get_current_context()
        request, ti = asked_for(site, context), context["ti"]
        with explain_failures(), locks.hold_site_turn(database.engine(), site):
            now = datetime.now(UTC)
            if ahead := run_queue.ahead_of(request.run_id, site, context):
                log.info("First comes %s; this run waits for its turn.", ahead.first)
                waited = now - (context["dag_run"].start_date or now)
                # Rescheduled, because waiting in the task would keep its slot.
                raise AirflowRescheduleException(now + ahead.until_next_check(waited))
            run = pipeline.begin(request, now=now, is_over=lambda run: run_queue.is_over(run, ti))
            reason = None if run.outcome else unwanted(run, context)
            if reason is not None:
                pipeline.skip(run, reason)
                raise AirflowSkipException(reason)
        return run_stage_of(site, lambda run: pipeline.extract(run, request.kind, login_of)).run_id

    @task(retries=1, retry_delay=timedelta(seconds=10))
    def validate() -> str:
        from oneroster_sync import pipeline

        return run_stage_of(site, pipeline.validate).run_id

    @task(retries=2, retry_delay=timedelta(seconds=10))
    def diff() -> str:
        from oneroster_sync import pipeline

        return run_stage_of(site, pipeline.diff).run_id

    @task.branch(retries=2, retry_delay=timedelta(seconds=10))
    def review() -> list[str]:
        from oneroster_airflow import notifier

        # The turn is released before the message is sent, which may take twenty seconds.
        run = run_stage_of(site, reviewed)
        notifier.notify_of_run(run)
        return choose_next_task(run)

    @task(
        outlets=[AssetAlias(dag_names.ROSTER_CHANGED)],
        # The decision is skipped for a clear plan, and apply still follows from the review.
        trigger_rule="none_failed_min_one_success",
        retries=3,
        retry_delay=timedelta(seconds=10),
        retry_exponential_backoff=2.0,
    )
    def apply() -> str:
        from oneroster_sync import pipeline

        run = run_stage_of(site, lambda run: pipeline.apply(run, now=datetime.now(UTC)))
        skip_if_unapplied(run)
        announce_change(run, get_current_context())
        return run.run_id

    # all_done, so that every run gets an end, whether its tasks succeeded or not.
    @task.short_circuit(trigger_rule="all_done", retries=3, retry_delay=timedelta(seconds=10))
    def record() -> str | None:
        from oneroster_airflow import notifier
        from oneroster_airflow.airflow_connections import login_of
        from oneroster_sync import pipeline, runs
        from oneroster_sync.stages.extract import acquire

        with explain_failures():  # a run that could not begin has no record
            run = pipeline.record(runs.find(run_id(get_current_context())), now=datetime.now(UTC))
        acquire.move_read_package(run, login_of)
        notifier.notify_of_run(run)
        fail_if_useless(run)
        fail_if_undone(run)
        return run.run_id if run.applied_at and run.removals_wait else None

    decided = ReviewDecision(
        task_id=dag_names.REVIEW_DECISION,
        task_display_name="decision about a held plan",
        retries=3,
        retry_delay=timedelta(seconds=30),
    )
    removals = TriggerDagRunOperator(
        task_id=dag_names.RECORD_REMOVALS,
        task_display_name="start the run of removals",
        trigger_dag_id=dag_names.upload_dag_id(site),
        trigger_run_id="removals__{{ ti.xcom_pull(task_ids='record') }}",
        conf={"removals_of": "{{ ti.xcom_pull(task_ids='record') }}"},
        # The id is that of the run, so a record that is cleared starts no second run of its
        # removals.
        skip_when_already_exists=True,
        retries=0,
    )
    judged, applied = review(), apply()
    extract() >> validate() >> diff() >> judged >> decided >> applied >> record() >> removals
    judged >> applied


def arrivals(site: str) -> Asset:
    """Return the asset that gets an event when a new package arrives at the site's source."""
    watcher = AssetWatcher(name=f"{site}_arrival", trigger=PackageArrival(site))
    return Asset(dag_names.arrivals_asset(site), watchers=[watcher])


def sync_dag(site: str) -> DAG:
    """Return the DAG that follows the site's schedule; paused means sync disabled."""
    with DAG(
        dag_names.sync_dag_id(site),
        dag_display_name=f"OneRoster sync: {site}",
        description=f"Scheduled sync of {site}",
        dagrun_timeout=LONGEST,
        on_failure_callback=notify_of_failure,
        schedule=AssetOrTimeSchedule(timetable=PreferencesTimetable(site), assets=[arrivals(site)]),
        catchup=False,
        max_active_runs=AT_ONCE,
        is_paused_upon_creation=True,
        default_args=ENDS_FIRST,
        # No backfill: it would find no slots, and Airflow says so at once if the type is not
        # allowed.
        allowed_run_types=["scheduled", "manual", "asset_triggered"],
        tags=["oneroster", "sync", site],
        doc_md=__doc__,
    ) as dag:
        six_stages(site)
    return dag


def upload_dag(site: str) -> DAG:
    """Return the DAG that syncs an uploaded package, also while the sync is paused."""
    with DAG(
        dag_names.upload_dag_id(site),
        dag_display_name=f"OneRoster upload: {site}",
        description=f"Sync of an uploaded package of {site}",
        dagrun_timeout=LONGEST,
        on_failure_callback=notify_of_failure,
        schedule=None,
        catchup=False,
        max_active_runs=AT_ONCE,
        is_paused_upon_creation=False,
        default_args=UPLOAD_ARGUMENTS,
        tags=["oneroster", "upload", site],
        doc_md=__doc__,
        params={
            "package": Param(
                None,
                type=["null", "string"],
                minLength=1,
                title="Package",
                description="Path of a OneRoster zip, a folder of CSV files or a lone CSV file, below "
                "a folder that ONEROSTER_ALLOWED_PACKAGES names.",
            ),
            "kind": Param(
                "package",
                type="string",
                enum=["package", "users", "courses", "ids", "links"],
                values_display={
                    "package": "OneRoster.zip: users and courses",
                    "users": "users.csv: users only",
                    "courses": "courses.csv: courses only",
                    "ids": "ids.csv: new sourcedIds",
                    "links": "links.csv: whose the accounts made by hand are",
                },
                title="What it is",
            ),
        },
    ) as dag:
        six_stages(site)
    return dag
