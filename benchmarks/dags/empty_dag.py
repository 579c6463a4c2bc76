"""A DAG with the product's structure whose tasks do nothing, to measure Airflow's overhead."""

from __future__ import annotations

from airflow.sdk import DAG, task

with DAG("empty", schedule=None, catchup=False, is_paused_upon_creation=False):

    @task
    def extract() -> None: ...

    @task
    def validate() -> None: ...

    @task
    def diff() -> None: ...

    @task.branch
    def review() -> list[str]:
        return ["apply"]

    @task
    def review_decision() -> None: ...

    @task(trigger_rule="none_failed_min_one_success")
    def apply() -> None: ...

    @task.short_circuit(trigger_rule="all_done")
    def record() -> bool:
        return False

    @task
    def record_removals() -> None: ...

    judged, applied = review(), apply()
    extract() >> validate() >> diff() >> judged >> review_decision() >> applied
    judged >> applied >> record() >> record_removals()
