"""# OneRoster sync

Keeps a site's users, courses and course assignments in step with its student information system.

**Two DAGs for each site, of the same six tasks.**

* `oneroster_sync__<site>` runs by itself, on the days and at the time (UTC) of the site's
  preferences. *Unpaused means sync enabled*: pause it, here or on the preferences page, and no
  scheduled sync runs. Days inside a pause window (the summer break) are skipped. A slot that is
  missed by more than five minutes is never made up for.
* `oneroster_upload__<site>` runs when somebody asks for it, also while the sync is paused.

**Trigger an upload** with

```json
{"package": "/path/OneRoster.zip", "kind": "package"}
```

`kind` is `package` (a zip or a folder: users, courses and course assignments), `users` (a lone
users.csv: users only) or `courses` (a lone courses.csv: courses only). `{"undo": "<run>"}` takes an applied run back.

**The tasks.**

| task | what it does | when it fails |
|---|---|---|
| extract | reads the package, staff only | look at the findings in its log; the package is wrong or was not there |
| validate | lets the Great Expectations suites decide which rows are used | a suite is wrong; rows with errors don't fail it |
| diff | compares with the roster and freezes a plan | try again |
| review | holds a plan beyond the site's limits; apply is then skipped | – |
| apply | applies the plan in one transaction | nothing was changed; it is tried again by itself |
| record | stores the counts and says how the run ended | red when the run was rejected or failed |

**Held?** The run's page (tab *OneRoster*) shows the plan and why; approve or discard it there, or
with `oneroster approve RUN` and `oneroster discard RUN`. The next run makes a plan of its own.

**Clear or retry** any task at any time: what was applied is never applied twice.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, get_current_context, get_parsing_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from oneroster.timetable import PreferencesTimetable
from oneroster_sync import dag_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oneroster_sync.store.runs import Run


def sites_to_build() -> list[str]:
    """Return the site whose DAG a task asks for, or all sites for whoever lists the DAGs."""
    asked = get_parsing_context().dag_id
    if asked is not None:
        site = dag_names.site_of(asked)
        return [site] if site else []
    from oneroster_sync.store.sites import site_names

    return site_names()


def run_id(context: dict[str, Any]) -> str:
    """Return the id of the run that this DAG run is."""
    dag_run = context["dag_run"]
    return dag_names.run_id_of(dag_run.dag_id, dag_run.run_id)


def asked_for(site: str, context: dict[str, Any]) -> Any:
    """Return what the schedule or a person asks for."""
    from oneroster_sync.package.kinds import Kind
    from oneroster_sync.sentences import BY_SCHEDULE
    from oneroster_sync.store.runs import Trigger
    from oneroster_sync.sync import Request

    params, dag_run = context["params"], context["dag_run"]
    uploaded = "package" in params
    if uploaded and not (params["package"] or params["undo"]):
        raise AirflowFailException("neither a package nor a run to undo was given")
    person = dag_run.triggering_user_name
    return Request(
        run_id=run_id(context),
        site=site,
        package=params.get("package"),
        trigger=Trigger.UPLOAD if uploaded else Trigger.SCHEDULE,
        requested_by=person or (BY_SCHEDULE if dag_run.run_type == "scheduled" else "Airflow"),
        kind=Kind(params["kind"]) if uploaded else Kind.PACKAGE,
        undoes=params.get("undo"),
        dag_run=(dag_run.dag_id, dag_run.run_id),
    )


def unwanted(run: Run, context: dict[str, Any]) -> str | None:
    """Return why a scheduled run is not wanted any more, if so."""
    from oneroster_sync.schedule import skip_slot

    dag_run = context["dag_run"]
    if dag_run.run_type != "scheduled" or dag_run.clear_number:
        return None
    skip = skip_slot(run.preferences, context["logical_date"], now=dag_run.start_date)
    return skip.reason if skip else None


@contextmanager
def retried_where_it_helps() -> Iterator[None]:
    """Fail at once for what another try would meet again; Airflow retries the rest."""
    from oneroster_sync.apply import StalePlanError
    from oneroster_sync.sources import NotReadyError
    from oneroster_sync.store.database import DatabaseError
    from oneroster_sync.store.turns import BusyError

    try:
        yield
    except (StalePlanError, NotReadyError, DatabaseError, BusyError):
        raise
    except Exception as error:
        if type(error).__module__.startswith("oneroster_sync."):
            raise AirflowFailException(str(error)) from error
        raise


def go_on(site: str, stage: Callable[[Run], Run]) -> Run:
    """Run one stage of this DAG run's run, unless the run has ended."""
    from oneroster_sync.stages import find, noting
    from oneroster_sync.store import database, turns

    with retried_where_it_helps(), turns.turn(database.engine(), site):
        run = find(run_id(get_current_context()))
        with noting(run):
            run = stage(run)
    if run.outcome in {"rejected", "failed"}:
        raise AirflowFailException(f"{run.outcome}: {' '.join(run.reasons)}")
    return run


def six_stages(site: str) -> None:
    """Lay out the tasks of a DAG."""

    @task(retries=2, retry_delay=timedelta(seconds=30))
    def extract() -> str:
        from oneroster_sync import stages, sync
        from oneroster_sync.store import database, turns

        context = get_current_context()
        request = asked_for(site, context)
        with retried_where_it_helps(), turns.turn(database.engine(), site):
            run = sync.begin(request, now=datetime.now(UTC))
            reason = None if run.outcome else unwanted(run, context)
            if reason is not None:
                stages.skip(run, reason)
                raise AirflowSkipException(reason)
        return go_on(site, lambda run: stages.extract(run, request.kind)).run_id

    @task(retries=1, retry_delay=timedelta(seconds=10))
    def validate() -> str:
        from oneroster_sync import stages

        return go_on(site, stages.validate).run_id

    @task(retries=2, retry_delay=timedelta(seconds=10))
    def diff() -> str:
        from oneroster_sync import stages

        return go_on(site, stages.diff).run_id

    @task.short_circuit(
        retries=2, retry_delay=timedelta(seconds=10), ignore_downstream_trigger_rules=False
    )
    def review() -> bool:
        from oneroster_sync import stages

        run = go_on(site, stages.review)
        return run.outcome is None or run.decision == "approved"

    @task(retries=3, retry_delay=timedelta(seconds=10), retry_exponential_backoff=True)
    def apply() -> str:
        from oneroster_sync import stages

        return go_on(site, lambda run: stages.apply(run, now=datetime.now(UTC))).run_id

    @task(trigger_rule="all_done", retries=3, retry_delay=timedelta(seconds=10))
    def record() -> str:
        from oneroster_sync import stages

        run = stages.record(stages.find(run_id(get_current_context())), now=datetime.now(UTC))
        if run.outcome in {"rejected", "failed"}:
            raise AirflowFailException(f"{run.outcome}: {' '.join(run.reasons)}")
        return run.run_id

    extract() >> validate() >> diff() >> review() >> apply() >> record()


def sync_dag(site: str) -> DAG:
    """Return the DAG that follows the site's schedule; paused means sync disabled."""
    with DAG(
        dag_names.sync_dag_id(site),
        description=f"Scheduled sync of {site}",
        schedule=PreferencesTimetable(site),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,
        allowed_run_types=["scheduled", "manual"],
        tags=["oneroster", site],
        doc_md=__doc__,
    ) as dag:
        six_stages(site)
    return dag


def upload_dag(site: str) -> DAG:
    """Return the DAG that syncs a package somebody brings, also while the sync is paused."""
    with DAG(
        dag_names.upload_dag_id(site),
        description=f"Sync of an uploaded package of {site}",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["oneroster", site],
        doc_md=__doc__,
        params={
            "package": Param(
                None,
                type=["null", "string"],
                minLength=1,
                title="Package",
                description="Path of a OneRoster zip, a folder of CSV files or a lone CSV file.",
            ),
            "kind": Param(
                "package",
                type="string",
                enum=["package", "users", "courses"],
                values_display={
                    "package": "OneRoster.zip: users and courses",
                    "users": "users.csv: users only",
                    "courses": "courses.csv: courses only",
                },
                title="What it is",
            ),
            "undo": Param(
                None,
                type=["null", "string"],
                format="uuid",
                title="Undo",
                description="Id of a run to take back, in place of a package.",
            ),
        },
    ) as dag:
        six_stages(site)
    return dag


for name in sites_to_build():
    globals()[dag_names.sync_dag_id(name)] = sync_dag(name)
    globals()[dag_names.upload_dag_id(name)] = upload_dag(name)
