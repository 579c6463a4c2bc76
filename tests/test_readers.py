"""Readers do not wait: pages are read while a plan is being applied."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from oneroster_sync import database, pipeline, runs
from oneroster_sync.roster import record_search
from oneroster_sync.roster.reader import read_roster, roster_version
from oneroster_sync.runs import queries, run_details
from oneroster_sync.runs.queries import Wanted
from oneroster_sync.sites import preferences_store
from roster_of import SCHOOL, now, request_of
from test_killed import MOMENTS_OF_APPLY, WAIT_S, holding, wait_until_blocked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site

LARGE = 3_000
_HEADER, *_ROWS = SCHOOL["users.csv"].splitlines()
_MORE = [f"u{n},true,teacher,u{n},Given,Family,u{n}@x.org" for n in range(LARGE)]
NEXT_DAY = {**SCHOOL, "users.csv": "\n".join([_HEADER, *_ROWS, *_MORE]) + "\n"}


@pytest.fixture
def hasty() -> Iterator[sa.Connection]:
    """A connection on which no statement may wait for a lock or take two seconds."""
    engine = sa.create_engine(
        database.engine().url,
        connect_args={"options": "-c statement_timeout=2s -c lock_timeout=1ms"},
    )
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def shown(connection: sa.Connection, site: Site, first: str) -> dict[str, Any]:
    """Return the data of the pages for a site and its first run."""
    chosen = preferences_store.load(connection, site.name)
    connection.rollback()
    users = read_roster(connection, site.name, 0).users.num_rows
    connection.rollback()
    admin = preferences_store.find_admin(connection, site.name, chosen.credited_admin or "")
    return {
        "runs": queries.page_of_runs(connection, site.name, Wanted(), before=None, limit=50).runs[
            -1
        ],
        "trend": queries.trend(connection, site.name, 50),
        "run": runs.get(connection, first),
        "changes": run_details.page_of_changes(connection, first, limit=50),
        "causes": run_details.causes(connection, first),
        "findings": run_details.page_of_findings(connection, first, limit=50),
        "preferences": chosen,
        "version": roster_version(connection, site.name),
        "admin": admin,
        "users": users,
        "records": record_search.search(connection, site.name, "x.org", limit=50),
    }


@pytest.mark.case("d02")
def test_pages_do_not_wait_for_apply(site: Site, hasty: sa.Connection) -> None:
    """During an uncommitted apply, pages show the state before it.

    Saving preferences does not wait either.
    """
    first = site.sync(SCHOOL)["run_id"]
    enough = 'guards.added_users={"percent": 100, "minimum": 10000}'
    site.command("preferences", "--set", enough)
    with database.engine().connect() as connection:
        before = shown(connection, site, first)
    request = request_of(site, NEXT_DAY)
    applying = threading.Thread(target=pipeline.sync, args=(request,), kwargs={"clock": now})
    with holding(site, MOMENTS_OF_APPLY["after everything, before its version"]) as connection:
        applying.start()
        wait_until_blocked(connection)
        during = shown(hasty, site, first)
        hasty.rollback()
        chosen = preferences_store.load(hasty, site.name).model_copy(update={"approval_hours": 48})
        saved = preferences_store.save(hasty, chosen, actor="a test", now=now())
        hasty.commit()
    applying.join(WAIT_S)

    assert during == before
    assert preferences_store.load(hasty, site.name) == saved
    assert runs.find(request.run_id).outcome == "succeeded"
    assert shown(hasty, site, first)["users"] == before["users"] + LARGE
