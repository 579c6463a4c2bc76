"""Expected failures of a task: one line in its log, without a traceback.

Airflow logs an exception with its traceback and the tracebacks of its causes. The message of these
errors says everything. Airflow logs a `SystemExit` as one line with its code: the message here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

if TYPE_CHECKING:
    from collections.abc import Iterator


class FailedError(SystemExit):
    """The task has failed, and another try does not help."""


class NotYetError(SystemExit):
    """The task has failed, and another try may help."""


RETRY_POLICY = ExceptionRetryPolicy(
    rules=[RetryRule(exception=FailedError, action=RetryAction.FAIL)]
)
"""Retry policy of all tasks: `FailedError` is final, whatever `retries` is."""


def notify_of_failure(context: Any) -> None:
    """Send a notification of a failed DAG run, unless one was sent; called after the last task."""
    from oneroster_airflow import notifier

    dag_run = context["dag_run"]
    notifier.notify_of_dag_run(dag_run.dag_id, dag_run.run_id)


@contextmanager
def explain_failures() -> Iterator[None]:
    """Turn errors that another try does not help into `FailedError`; Airflow retries the rest."""
    from oneroster_sync.errors import OneRosterError, RetriableError

    try:
        yield
    except RetriableError as error:
        raise NotYetError(str(error)) from None
    except OneRosterError as error:
        raise FailedError(str(error)) from None
