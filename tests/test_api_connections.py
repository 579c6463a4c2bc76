"""A request to the API holds one connection of the roster database at a time.

The pool has twelve connections. If a request held one and waited for a second, twelve requests at
the same moment would wait for one another until all of them fail.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from actions import ACTIONS, Action
from conftest import ADMIN, Site
from golden.school import SCHOOL, folder_of, person
from oneroster_sync import database
from served import ALL, Server, prepared, served

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


TURN = {"archive", "release"}
"""Actions that hold the turn of a site on a second connection; who waits for it gives up soon."""


class Held:
    """Counts the connections that each thread holds, and keeps the largest number."""

    def __init__(self) -> None:
        """Begin with none."""
        self.most = 0
        self._now: Counter[int] = Counter()

    def taken(self, _dbapi: object, record: Any, _proxy: object) -> None:
        """Count a connection that the pool gives away."""
        record.info["thread"] = threading.get_ident()
        self._now[threading.get_ident()] += 1
        self.most = max(self.most, self._now[threading.get_ident()])

    def given_back(self, _dbapi: object, record: Any) -> None:
        """Count a connection that comes back."""
        self._now[record.info.pop("thread", 0)] -= 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield an API server in this process."""
    folder = tmp_path_factory.mktemp("server")
    Site("routes", folder).command("init", "--admin", ADMIN)
    with prepared("simple", folder) as tokens, served("simple", tokens, ALL) as found:
        yield found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return the runs and the user that the paths of the actions name."""
    folder = tmp_path_factory.mktemp("runs")
    site = Site("default", folder)
    site.command("init", "--admin", ADMIN)
    whole = {
        **SCHOOL,
        "users.csv": SCHOOL["users.csv"] + "".join(f"{person(f'p{n}')}\n" for n in range(9)),
    }
    applied = site.sync(folder_of(whole, folder / "whole"))
    held = site.sync(folder_of(SCHOOL, folder / "fewer"))
    assert (applied["outcome"], held["outcome"]) == ("succeeded", "held")
    ((user,),) = site.rows("select id from users where site = :site and sourced_id = 'p1'")
    return {"applied": applied["run_id"], "held": held["run_id"], "user": str(user)}


class Administrator:
    """Sends requests, and counts the connections that the last one held at a time."""

    def __init__(self, server: Server) -> None:
        """Use this server."""
        self._server = server
        self.token: str | None = server.tokens["admin"]
        self.most = 0

    def send(self, method: str, path: str, **more: Any) -> Any:
        """Send a request and return the answer, which is no failure of the server."""
        held, engine = Held(), database.engine()
        sa.event.listen(engine, "checkout", held.taken)
        sa.event.listen(engine, "checkin", held.given_back)
        try:
            answer = self._server.asks("admin", method, f"/oneroster/api/v1/{path}", **more)
        finally:
            sa.event.remove(engine, "checkout", held.taken)
            sa.event.remove(engine, "checkin", held.given_back)
        assert answer.status_code < 500, answer.text
        self.most = held.most
        return answer


@pytest.fixture
def admin(server: Server) -> Administrator:
    """Return the administrator of the server."""
    return Administrator(server)


@pytest.mark.case("d10")
@pytest.mark.parametrize(
    "action",
    [pytest.param(action, id=action.name) for action in ACTIONS if action.name not in TURN],
)
def test_a_request_holds_one_connection(
    admin: Administrator, runs: Mapping[str, str], action: Action
) -> None:
    """No action of the API waits for a second connection while it holds one."""
    action.send(admin, runs)
    assert admin.most <= 1


@pytest.mark.case("d10")
@pytest.mark.usefixtures("runs")
def test_a_save_holds_one_connection(admin: Administrator) -> None:
    """Neither a save of preferences nor the answer to an outdated one needs two."""
    read = admin.send("GET", "sites/default/preferences").json()
    body = {"version": read["version"], "settings": {**read["settings"], "time_utc": "03:30"}}
    for status in (200, 409):
        answer = admin.send("PUT", "sites/default/preferences", json=body)
        assert (admin.most, answer.status_code) == (1, status)
        body["settings"] = {**read["settings"], "time_utc": "04:30"}
