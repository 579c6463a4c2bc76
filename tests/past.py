"""Write the past of a site directly into its tables, for tests in which days pass.

had(site, day(2), "failed", reasons=["the SIS was away"])
had(site, day(3), sha256="monday", counts=counts(users_errors=30))
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from oneroster_sync import database, runs
from oneroster_sync.runs import Outcome, Run, Trigger
from oneroster_sync.sites import preferences_store
from oneroster_sync.sites.preferences import Notices, Preferences, Scope

if TYPE_CHECKING:
    from conftest import Site

BASE_URL = "https://airflow.example.org/af"
EVERYBODY = Notices(recipients=("ops@example.org",), errors_from=10)
_FIRST = dt.datetime(2026, 11, 2, 2, tzinfo=dt.UTC)


class Cause(NamedTuple):
    """A cause that a run found: its code, file and rows affected, and the cause that it follows."""

    code: str
    file: str
    rows: int
    follows: int | None = None
    column: str | None = None


def day(number: int, hour: int = 2) -> dt.datetime:
    """Return a time of the days that tests use; day 0 is Monday, 2 November 2026."""
    return (_FIRST + dt.timedelta(days=number)).replace(hour=hour)


def choose(site: Site, **settings: Any) -> Preferences:
    """Save preferences of a site; by default every notification goes to its recipients."""
    with database.engine().begin() as connection:
        chosen = preferences_store.load(connection, site.name)
        chosen = chosen.model_copy(update={"notices": EVERYBODY, **settings})
        return preferences_store.save(connection, chosen, actor="Ann", now=day(0))


def made_at(site: Site, at: dt.datetime) -> None:
    """Set the time at which a site was created."""
    with database.engine().begin() as connection:
        statement = "update sites set created_at = :at where site = :site"
        connection.execute(sa.text(statement), {"site": site.name, "at": at})


def had(
    site: Site,
    at: dt.datetime,
    outcome: str = "succeeded",
    *,
    causes: tuple[Cause, ...] = (),
    undoes: str | None = None,
    **values: Any,
) -> Run:
    """Write a run of ten minutes into the past of a site.

    Args:
        site: The site.
        at: When it began.
        outcome: Its outcome.
        causes: The causes that it found, in the order of correction.
        undoes: The run that it takes back.
        values: More columns of its record.
    """
    run = Run.opened(
        run_id=str(uuid.uuid4()),
        site=site.name,
        trigger=Trigger.SCHEDULE,
        requested_by="the schedule",
        scope=Scope.USERS_AND_COURSES,
        preferences=Preferences(site=site.name),
        started_at=at,
        undoes=undoes,
    )
    ended = {"ended_at": at + dt.timedelta(minutes=10)}
    with database.engine().begin() as connection:
        runs.begin(connection, run)
        runs.update(connection, run.run_id, outcome=Outcome(outcome), **{**ended, **values})
        for number, cause in enumerate(causes, start=1):
            statement = (
                "insert into causes "
                '(run_id, seq, code, severity, file, "column", findings, rows, affected, follows) '
                "values (cast(:id as uuid), :seq, :code, 'error', :file, :column, :rows, :rows, "
                ":rows, :follows)"
            )
            bound = {"id": run.run_id, "seq": number, **cause._asdict()}
            connection.execute(sa.text(statement), bound)
        return runs.get(connection, run.run_id)


def counts(*, errors: int = 0, **users: int) -> dict[str, dict[str, int]]:
    """Return the counts of a run; `errors` are rows of users.csv that could not be used."""
    nothing = {"added": 0, "removed": 0, "errors": 0}
    return {"users": {**users, "errors": errors}, "courses": nothing, "assignments": nothing}
