"""The API for stale protections, for files out of step, and for a reused sourcedId."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conftest import Site
from oneroster_sync import database
from oneroster_sync.runs import pending_deltas
from roster_of import SCHOOL, changed
from served import ALL, SITE, prepared, served
from test_guards_both_ways import at
from test_protection import BROKEN, night, patient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from served import Server

API = "/oneroster/api/v1"
HERE = f"{API}/sites/{SITE}/protections"


@pytest.fixture(scope="module")
def site(postgresql: None, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site in which the user cec is protected for too long."""
    made = Site(SITE, tmp_path_factory.mktemp("packages"))
    made.command("init", "--admin", "admin@example.org")
    patient(made, 1)
    for day, package in enumerate((SCHOOL, BROKEN, BROKEN)):
        night(made, day, package)
    return made


@pytest.fixture(scope="module")
def server(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Airflow's API server with our plugin."""
    folder: Path = tmp_path_factory.mktemp("airflow")
    with prepared("simple", folder) as tokens, served("simple", tokens, ALL) as found:
        yield found


def asked(server: Server, who: str, method: str, path: str, **more: Any) -> tuple[int, Any]:
    """Return status and body of an answer."""
    answer = server.asks(who, method, path, **more)
    return answer.status_code, answer.json()


@pytest.mark.case("b44")
def test_release_is_seen_before_and_takes_an_administrator(server: Server, site: Site) -> None:
    """Operators see a stale cause and the effect of a release; only administrators release it."""
    assert asked(server, "viewer", "GET", HERE)[0] == 403
    (cause,) = asked(server, "op", "GET", HERE)[1]["causes"]
    assert (cause["file"], cause["records"], cause["is_released"]) == ("users.csv", 1, False)
    here = f"{HERE}/{cause['cause']}"
    before = asked(server, "op", "GET", here)[1]
    assert before["records"]["users"] == ["cec"]
    assert before["counts"]["users"] == 1

    assert asked(server, "op", "POST", f"{here}/release", json={})[0] == 403
    assert site.users()["cec"] == "active"
    status, done = asked(
        server, "admin", "POST", f"{here}/release", json={"reason": "left in June"}
    )

    assert (status, done["is_released"]) == (200, True)
    events = site.rows(
        "select actor, event from events where site = :site order by id desc limit 1"
    )
    assert events == [("admin", "protection_released")]
    night(site, 3, BROKEN)
    assert site.users()["cec"] == "inactive"
    assert asked(server, "admin", "POST", f"{here}/release", json={})[0] == 404


@pytest.mark.case("b45")
def test_sites_say_which_files_are_out_of_step(server: Server, site: Site) -> None:
    """A user who sees a site sees which of its files are out of step, since when and why."""

    def of_the_list() -> Any:
        (found,) = [
            one for one in asked(server, "viewer", "GET", f"{API}/sites")[1]["sites"]
            if one["site"] == site.name
        ]  # fmt: skip
        return found["out_of_step"]

    def of_its_page() -> Any:
        return asked(server, "viewer", "GET", f"{API}/sites/{SITE}/freshness")[1]["out_of_step"]

    assert (of_the_list(), of_its_page()) == ([], [])
    with database.engine().begin() as connection:
        pending_deltas.mark_out_of_step(connection, site.name, ["users"], cause="lost", now=at(3))
    (file,) = of_the_list()
    assert (file["file"], file["cause"]) == ("users.csv", "lost")
    assert of_its_page() == [file]
    night(site, 4, SCHOOL)
    assert (of_the_list(), of_its_page()) == ([], [])


@pytest.mark.case("a88")
def test_names_beside_a_reused_sourced_id_need_a_permission(server: Server, site: Site) -> None:
    """Operators read both names beside a finding of a reused sourcedId; viewers cannot."""
    bob = "bob,true,teacher,bray,Bob,Ray,bob@x.org"
    other = changed(SCHOOL, "users.csv", bob, "bob,true,teacher,zqfay,Zqzoe,Zqfay,zqzoe@x.org")
    here = f"{API}/runs/{night(site, 5, other).run_id}"

    found = asked(server, "op", "GET", f"{here}/findings")[1]["findings"]
    people = {row["code"]: row["people"] for row in found}
    assert people["semantic.identity_reuse"] == {"known": "Bob Ray", "coming": "Zqzoe Zqfay"}
    assert [code for code, both in people.items() if both] == ["semantic.identity_reuse"]
    assert asked(server, "viewer", "GET", f"{here}/findings")[0] == 403
    for path in ("", "/causes", "/report", "/changes", "/findings.csv"):
        answer = server.asks("admin", "GET", f"{here}{path}")
        assert answer.status_code == 200, path
        assert "zq" not in answer.text.lower(), path
