"""Parameters of an upload's DAG run that our pages and tasks set, and people rarely type.

They are not `params` of the DAG, because Airflow's form for a run would show all of them. So they
are checked here: before the API server starts a run, and again by the run's first task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowException

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAMS = {
    # A run to undo, instead of a package; and the part to undo, if not all.
    "undo": Param(None, type=["null", "string"], format="uuid"),
    "undo_of": Param(
        None,
        type=["null", "object"],
        additionalProperties=False,
        properties={
            "kind": {"enum": [None, "user", "course", "assignment"]},
            "sourced_id": {"type": ["null", "string"], "maxLength": 255},
            "changed_too": {"type": "boolean"},
        },
    ),
    # A run whose removals wait for a decision; that run itself sets it.
    "removals_of": Param(None, type=["null", "string"], format="uuid"),
    # A preview: the plan is made and shown, but never applied or held.
    "check_only": Param(False, type="boolean"),
}


def find_problem(conf: Mapping[str, Any]) -> str | None:
    """Return a text about an invalid parameter, or None if all are valid."""
    for name, param in _PARAMS.items():
        try:
            param.resolve(conf.get(name, param.value))
        except (AirflowException, ValueError):
            return f"{name} can't be used: it is {_EXPECTED[name]}"
    if conf.get("check_only") and not conf.get("package"):
        return "check_only can't be used without a package: it checks a package only"
    if conf.get("check_only") and (conf.get("undo") or conf.get("removals_of")):
        return "check_only can't be used with undo or removals_of: it checks a package only"
    return None


_EXPECTED = {
    "undo": "the id of a run",
    "undo_of": 'such as {"kind": "course"} or {"sourced_id": "…"}',
    "removals_of": "the id of a run",
    "check_only": "true or false",
}
