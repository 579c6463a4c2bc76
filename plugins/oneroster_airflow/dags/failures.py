"""Failures that a task expects: one line in its log says what happened, and no traceback.

Airflow logs an exception with its traceback, and with that of what caused it. These say all in
their message. Airflow logs a `SystemExit` as one line, with its code, which is the message here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

if TYPE_CHECKING:
    from collections.abc import Iterator


class FailedError(SystemExit):
    """The task has failed, and another try would meet the same."""


class NotYetError(SystemExit):
    """The task has failed, and another try may help."""


RETRY_POLICY = ExceptionRetryPolicy(
    rules=[RetryRule(exception=FailedError, action=RetryAction.FAIL)]
)
"""Of all tasks: `FailedError` is final, whatever `retries` says."""


def notify_of_failure(context: Any) -> None:
    """Tell people of a DAG run that failed, if nobody has; Airflow calls it after the last task."""
    from oneroster_airflow import notifier

    dag_run = context["dag_run"]
    notifier.notify_of_dag_run(dag_run.dag_id, dag_run.run_id)


@contextmanager
def explain_failures() -> Iterator[None]:
    """Fail at once for what another try would meet again; Airflow retries the rest."""
    from oneroster_sync.errors import OneRosterError, RetriableError

    try:
        yield
    except RetriableError as error:
        raise NotYetError(str(error)) from None
    except OneRosterError as error:
        raise FailedError(str(error)) from None
