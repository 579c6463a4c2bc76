"""Non-public names of Airflow and Starlette that the plugin uses, and the attributes it needs.

The next minor release of Airflow may move any of them. Then this module fails: the error has the
name and its old place, and `tests/test_internals.py` checks each name. The rest of the plugin
imports from Airflow only `airflow.sdk`, the timetables, the plugin manager, the configuration and
the providers; the test checks this as well.

A name is imported on first access: a task's process must not import what only the server needs.
"""

from __future__ import annotations

import logging
from typing import Any

from oneroster_sync.internals import Internal, Internals

log = logging.getLogger(__name__)

_SECURITY = "airflow.api_fastapi.core_api.security"
_PARAMETERS = "airflow.api_fastapi.common.parameters"
_ASSETS = "airflow.models.asset"
_FAB = "airflow.providers.fab.auth_manager"
_NAMES = {
    # For tasks: ask Airflow about other DAG runs, and ask a person a question.
    "SUPERVISOR_COMMS": Internal("airflow.sdk.execution_time.task_runner", is_bound_later=True),
    "GetDagRun": Internal("airflow.sdk.execution_time.comms", ("dag_id", "run_id")),
    "upsert_hitl_detail": Internal(
        "airflow.sdk.execution_time.hitl", ("ti_id", "options", "subject", "body", "params")
    ),
    "TaskAwaitingInput": Internal("airflow.sdk.exceptions", ("method_name", "timeout")),
    "SkipMixin": Internal("airflow.sdk.bases.skipmixin", ("skip",)),
    "ParamsDict": Internal("airflow.sdk.definitions.param"),
    # The user of the API server, and the user's permissions.
    "get_auth_manager": Internal("airflow.api_fastapi.app"),
    "DagDetails": Internal("airflow.api_fastapi.auth.managers.models.resource_details", ("id",)),
    "GetUserDep": Internal(_SECURITY),
    "get_user": Internal(_SECURITY, ("request", "bearer_credentials")),
    "EditableDagsFilterDep": Internal(_SECURITY),
    # The DAGs that a query of Airflow's API selects.
    "SessionDep": Internal("airflow.api_fastapi.common.db.common"),
    "apply_filters_to_select": Internal(
        "airflow.api_fastapi.common.db.common", ("statement", "filters")
    ),
    "QueryDagIdPatternSearchWithNone": Internal(_PARAMETERS),
    "QueryDagIdPrefixPatternSearchWithNone": Internal(_PARAMETERS),
    "QueryExcludeStaleFilter": Internal(_PARAMETERS),
    "QueryOwnersFilter": Internal(_PARAMETERS),
    "QueryPausedFilter": Internal(_PARAMETERS),
    "QueryTagsFilter": Internal(_PARAMETERS),
    # Airflow's own tables, for the API server only.
    "create_session": Internal("airflow.utils.session"),
    "DagModel": Internal(
        "airflow.models.dag",
        (
            *("dag_id", "is_paused", "is_stale", "next_dagrun"),
            *("bundle_name", "relative_fileloc"),
        ),
    ),
    "DagPriorityParsingRequest": Internal(
        "airflow.models.dagbag", ("bundle_name", "relative_fileloc")
    ),
    "DagRun": Internal(
        "airflow.models.dagrun",
        (
            *("id", "dag_id", "run_id", "state", "conf", "triggering_user_name"),
            *("task_instances", "set_state", "note"),
        ),
    ),
    "TaskInstance": Internal(
        "airflow.models.taskinstance",
        (
            *("id", "dag_id", "run_id", "task_id", "state", "try_number"),
            *("start_date", "end_date", "dag_run"),
        ),
    ),
    "TaskInstanceHistory": Internal(
        "airflow.models.taskinstancehistory",
        ("dag_id", "run_id", "task_id", "try_number", "start_date", "dag_run"),
    ),
    "clear_task_instances": Internal("airflow.models.taskinstance", ("tis", "session")),
    "HITLDetail": Internal(
        "airflow.models.hitl",
        (
            *("ti_id", "responded_by", "responded_at", "chosen_options", "params_input"),
            *("response_received", "as_resume_event_payload"),
        ),
    ),
    "HITLUser": Internal("airflow.models.hitl"),
    "Backfill": Internal("airflow.models.backfill", ("id", "dag_id")),
    "AssetModel": Internal(_ASSETS, ("id", "uri")),
    "DagScheduleAssetReference": Internal(_ASSETS, ("asset_id", "dag_id")),
    "TaskInletAssetReference": Internal(_ASSETS, ("asset_id", "dag_id")),
    "TaskOutletAssetReference": Internal(_ASSETS, ("asset_id", "dag_id")),
    "handle_event_submit": Internal(
        "airflow.models.trigger", ("event", "task_instance", "session")
    ),
    "trigger_dag": Internal(
        "airflow.api.common.trigger_dag",
        ("dag_id", "run_id", "triggered_by", "triggering_user_name", "conf", "session"),
    ),
    "TaskLogReader": Internal("airflow.utils.log.log_reader", ("read_log_chunks",)),
    "DagRunState": Internal("airflow.utils.state", ("FAILED", "QUEUED", "RUNNING")),
    "State": Internal("airflow.utils.state", ("finished", "unfinished_dr_states")),
    "TaskInstanceState": Internal(
        "airflow.utils.state", ("SKIPPED", "UPSTREAM_FAILED", "RUNNING", "AWAITING_INPUT")
    ),
    "DagRunTriggeredByType": Internal("airflow.utils.types", ("UI",)),
    # FAB's roles, if FAB is the auth manager.
    "get_application_builder": Internal(f"{_FAB}.cli_commands.utils"),
    "Action": Internal(f"{_FAB}.models", ("id", "name")),
    "Permission": Internal(f"{_FAB}.models", ("id", "resource_id", "action_id")),
    "Resource": Internal(f"{_FAB}.models", ("id", "name")),
    # The path below a mounted app.
    "get_route_path": Internal("starlette._utils", ("scope",)),
}
AIRFLOW = Internals(__name__, package="apache-airflow-core", tested="3.3", names=_NAMES)


def __getattr__(name: str) -> Any:
    """Look up one of the names; see `Internals.find`."""
    return AIRFLOW.find(name)


def warn_if_untested() -> None:
    """Log a warning if this Airflow has another minor version than the tested one."""
    if not AIRFLOW.is_tested():
        log.warning(
            "OneRoster was tested with Airflow %s, and this is another release. What it uses "
            "beside the public interface is listed in %s.",
            *(AIRFLOW.tested, __name__),
        )
