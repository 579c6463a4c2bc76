"""Permissions of every role, on Airflow's simple auth manager and on FAB, with real logins.

The tests on FAB are marked long: they have their own Airflow, and eight people who log in. No
scheduler runs here: a run only has to be accepted.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import expect

from actions import ACTIONS, MARK, OVERSEERS, PLACELESS, Action, routes_about
from browser import browsing
from golden.school import SCHOOL, added, folder_of, person
from live import PROBLEM, QUESTION, UPLOAD, Live, Person, running
from oneroster_airflow.api.app import PREFIX, create_app, permission
from oneroster_airflow.api.auth import May

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

SIMPLE, FAB = "simple", "fab"
ON = [SIMPLE, pytest.param(FAB, marks=pytest.mark.long)]
ROLES = {SIMPLE: ("viewer", "user", "op", "admin"), FAB: ("viewer", "user", "op", "admin")}
KEEPER, STRANGER = "keeper", "stranger"
"""On FAB: a role that can edit on OneRoster, and one that reads only the DAG of another site."""
CHIEF, CLERK = "chief", "clerk"
"""On FAB: an administrator and an operator of only the site `other`."""
ADMIN = f"{MARK}-admin@example.org"

ON_FAB = (*ROLES[FAB], KEEPER, STRANGER, CHIEF, CLERK)
MAY = {
    "viewer": {May.READ},
    "user": {May.READ},
    "op": {May.READ, May.DETAILS, May.OPERATE},
    "admin": set(May),
    KEEPER: set(May),
    STRANGER: set(),
}
CELLS = [
    pytest.param(
        manager,
        role,
        action,
        id=f"{manager}-{role}-{action.name}",
        marks=[pytest.mark.long] if manager == FAB else [],
    )
    for manager, roles in {**ROLES, FAB: (*ROLES[FAB], KEEPER)}.items()
    for role in roles
    for action in ACTIONS
]

_LOGINS = """
import json, sys
from airflow.cli.cli_parser import get_parser
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from oneroster_airflow.api.auth import RESOURCE

def airflow(*words):
    args = get_parser().parse_args(words)
    args.func(args)

with get_application_builder() as builder:
    security = builder.sm
    for role, granted in json.loads(sys.argv[1]).items():
        made = security.add_role(role)
        for action, resource in granted:
            security.add_permission_to_role(made, security.create_permission(action, resource))
for name, role in json.loads(sys.argv[2]).items():
    mail = ("--email", f"{name}@example.org", "--firstname", name, "--lastname", name)
    airflow("users", "create", "--username", name, "--password", name, "--role", role, *mail)
"""


def make_logins(live: Live) -> None:
    """Make FAB's users with `airflow users create`, some of them with roles of their own."""
    roles = {
        "Keeper": [("can_read", "DAGs"), ("can_edit", "OneRoster")],
        "Stranger": [("can_read", "DAG:oneroster_sync__other")],
        "Chief": [
            *(("can_read", name) for name in ("DAG:oneroster_sync__other", "Plugins", "Website")),
            ("can_edit", "OneRoster:other"),
        ],
        "Clerk": [("can_read", "DAG:oneroster_sync__other"), ("can_create", "OneRoster:other")],
    }
    users = {role: role.capitalize() for role in ON_FAB}
    subprocess.run(
        [sys.executable, "-c", _LOGINS, json.dumps(roles), json.dumps(users)],
        env={**live.environment, "PYTHONPATH": live.environment["AIRFLOW__CORE__PLUGINS_FOLDER"]},
        check=True,
        capture_output=True,
    )


@dataclass
class Stage:
    """An Airflow with its logged-in people, whose runs hold marked names and addresses."""

    live: Live
    runs: dict[str, str]
    people: dict[str, Person]


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Yield an Airflow on the simple auth manager."""
    with running() as live:
        yield set_up(live, tmp_path_factory.mktemp(SIMPLE), ROLES[SIMPLE])


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Yield an Airflow on FAB."""
    manager = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    settings = {"AIRFLOW__CORE__AUTH_MANAGER": manager}
    with running("api-server", "dag-processor", settings=settings) as live:
        make_logins(live)
        yield set_up(live, tmp_path_factory.mktemp(FAB), ON_FAB)


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Stage:
    """Return the Airflow on the auth manager that the parameter names."""
    found: Stage = request.getfixturevalue(request.param)
    return found


def set_up(live: Live, folder: Path, names: tuple[str, ...]) -> Stage:
    """Make a second site and the runs, and log in all people."""
    live.oneroster("init", "--site", "other", "--admin", ADMIN)
    runs = make_runs(live, folder)
    school = folder_of(SCHOOL, folder / "other")
    theirs = live.oneroster("sync", str(school), "--site", "other")
    ((user,),) = live.rows("select min(id) from users where site = 'other' and managed")
    runs |= {"other": theirs["run_id"], "other_user": str(user)}
    return Stage(live, runs, {name: live.person(name) for name in names})


def make_runs(live: Live, folder: Path) -> dict[str, str]:
    """Make runs of all kinds about people with marked names and addresses."""

    def marked(sourced_id: str, **more: str) -> str:
        named = {"given": f"{MARK}given", "family": f"{MARK}family", "username": f"{MARK}login"}
        return person(sourced_id, **{**named, "email": f"{MARK}-{sourced_id}@example.org", **more})

    address = f"{MARK}-id@example.org"
    people = [marked(f"p{n}") for n in range(8)]
    people += [marked("boss", email=ADMIN), marked(address), marked("flag", enabled=f"{MARK}flag")]
    people += [marked("mail", email=f"{MARK} no address"), marked(f"{address}x", given="")]
    school = added(SCHOOL, "users.csv", *people)
    school = added(
        school, "enrollments.csv", f"e9,,,m1,s,{address},teacher,,,", "e8,,,m1,s,p1,boss,,,"
    )
    applied = live.oneroster("sync", str(folder_of(school, folder / "school")))
    live.oneroster("preferences", "--set", f"credited_admin={ADMIN}")
    held = live.oneroster("sync", str(folder_of(SCHOOL, folder / "fewer")))
    rejected = live.oneroster("sync", str(folder / "school"), "--profile", "strict")
    runs = {"applied": applied, "held": held, "rejected": rejected}
    assert [run["outcome"] for run in runs.values()] == [
        "succeeded_with_errors",
        "held",
        "rejected",
    ]
    ((user,),) = live.rows("select id from users where sourced_id = 'p1'")
    return {**{name: run["run_id"] for name, run in runs.items()}, "user": str(user)}


@pytest.mark.case("c00", "c11")
@pytest.mark.parametrize(("stage", "role", "action"), CELLS, indirect=["stage"])
def test_role_may_do_what_the_matrix_says(stage: Stage, role: str, action: Action) -> None:
    """Each role may do exactly what the matrix says; a refusal is a problem with its reason."""
    answer = action.send(stage.people[role], stage.runs)
    if action.may in MAY[role]:
        assert answer.status_code == action.status, answer.text
        return
    assert answer.status_code == 403, answer.text
    assert answer.headers["content-type"] == PROBLEM
    lacks = action.may if action.route in {None, *MAY[role]} else action.route
    assert answer.json()["code"] == f"permission.{lacks}"
    assert MARK not in answer.text


@pytest.mark.case("c00", "c20")
@pytest.mark.parametrize("action", [pytest.param(action, id=action.name) for action in ACTIONS])
@pytest.mark.parametrize("stage", ON, indirect=True)
def test_every_route_needs_a_login(stage: Stage, action: Action) -> None:
    """Without a login every route answers 401, and only says how to log in."""
    answer = action.send(stage.live.nobody, stage.runs)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == PROBLEM
    assert "log in" in answer.json()["detail"]
    assert MARK not in answer.text


@pytest.mark.parametrize("stage", ON, indirect=True)
def test_me_lists_the_permissions_of_the_caller(stage: Stage) -> None:
    """`me` lists the permissions of the caller, which decide what the pages offer."""
    for role, who in stage.people.items():
        me = who.get("me")
        everywhere = MAY.get(role) or {May.READ}
        assert me["may"] == {may.value: may in everywhere for may in May}, role
        assert me["name"]


@pytest.mark.case("c00")
@pytest.mark.parametrize("stage", ON[1:], indirect=True)
def test_reader_of_another_site_has_no_permission_here(stage: Stage) -> None:
    """A person who reads one site's DAG sees that site and no other."""
    who = stage.people[STRANGER]
    about_default = [a for a in ACTIONS if (a.method, a.path) not in PLACELESS]
    answers = {a.name: a.send(who, stage.runs).status_code for a in about_default}
    assert answers == dict.fromkeys(answers, 403)
    assert [site["site"] for site in who.get("sites")["sites"]] == ["other"]
    assert who.get("sites/other/preferences")["settings"]["credited_admin"] == "z…@example.org"


@pytest.mark.case("c00")
@pytest.mark.parametrize("role", [STRANGER, CHIEF, CLERK])
@pytest.mark.parametrize("stage", ON[1:], indirect=True)
def test_no_route_leads_to_another_site(stage: Stage, role: str) -> None:
    """Every documented route refuses a person of another site, and reveals nothing.

    The routes come from the OpenAPI document, so that a new route is tested too.
    """
    who, ours = stage.people[role], {stage.runs["other"], stage.runs["other_user"]}
    foreign = [run for run in stage.runs.values() if len(run) > 9 and run not in ours]
    about = {"site": "default", "run_id": stage.runs["applied"], "record_id": stage.runs["user"]}
    for method, path in routes_about(who.get("openapi.json"), about):
        answer = who.send(method, path, json={})
        assert answer.status_code in {403, 404}, (method, path, answer.text)
        assert answer.json()["code"].startswith("permission."), (method, path, answer.text)
        assert MARK not in answer.text
    for asked in ("site=default", f"run_id={stage.runs['held']}"):
        me = who.get(f"me?{asked}")
        assert (set(me["may"].values()), me["site"]) == ({False}, None)
    assert not [run for run in foreign if run in who.send("GET", "sites").text]
    assert "default" not in who.send("GET", "sites").text
    found = who.get("records", q=MARK)
    assert {record["site"] for record in found["records"]} <= {"other"}
    assert found["sites"] == (0 if role == STRANGER else 1)
    everybody = stage.people["admin"].get("records", q=MARK)["records"]
    assert "default" in {record["site"] for record in everybody}
    dag = "/api/v2/dags/oneroster_upload__default/dagRuns"
    answer = who.send("POST", dag, json={"logical_date": None, "conf": {}})
    assert answer.status_code == 403


@pytest.mark.case("c00")
@pytest.mark.parametrize(("role", "may"), [(CHIEF, set(May)), (CLERK, MAY["op"])])
@pytest.mark.parametrize("stage", ON[1:], indirect=True)
def test_role_of_one_site_has_its_permissions_there(stage: Stage, role: str, may: set[May]) -> None:
    """A role of one site has all its permissions there, and can't make or archive a site."""
    who = stage.people[role]
    me = who.get("me", site="other")
    assert (me["may"], me["site"]) == ({m.value: m in may for m in May}, "other")
    listed = who.get("sites")
    assert [site["may"] for site in listed["sites"]] == [me["may"]]
    assert not listed["may_oversee"]
    of_other = stage.runs["other"]
    runs = {"applied": of_other, "held": of_other, "user": stage.runs["other_user"]}
    for action in ACTIONS:
        if (action.method, action.path) in PLACELESS:
            continue
        here = replace(action, path=action.path.replace("default", "other"))
        answer = here.send(who, runs)
        is_allowed = action.may in may and action.name not in OVERSEERS
        assert (answer.status_code == 403) is not is_allowed, (action.name, answer.text)


@pytest.mark.parametrize("stage", ON[1:], indirect=True)
def test_the_page_of_another_site_says_that_one_may_not_see_it(stage: Stage) -> None:
    """The list shows only one's own site; the page of another site or its run says so."""
    home = f"{stage.live.origin}/plugin/oneroster"
    with browsing(ignoring=("status of 403",)) as page:
        # The page of FAB's own login has an error on its console, so a cookie replaces the login.
        token, url = str(stage.people[CHIEF].token), stage.live.origin
        page.context.add_cookies([{"name": "_token", "value": token, "url": url}])
        page.goto(f"{home}/sites/default")
        expect(page.get_by_text("You may not see the site default")).to_be_visible(timeout=30_000)
        page.goto(f"{home}/runs/{stage.runs['held']}")
        expect(page.get_by_text("You may not see the site of this run")).to_be_visible()
        page.goto(f"{home}/sites")
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.get_by_role("button", name=re.compile("New site|Copy|Archive"))).to_have_count(
            0
        )
        page.goto(f"{home}/sites/other/preferences")
        expect(page.get_by_label("Time (UTC)")).to_be_editable()


@pytest.mark.parametrize("stage", ON[1:], indirect=True)
def test_a_role_of_one_site_is_made_by_airflows_own_commands(stage: Stage) -> None:
    """After an administrator has opened the sites, Airflow's commands can grant roles for each."""
    stage.live.oneroster("sites", "create", "third", "--admin", ADMIN)
    stage.people["admin"].get("sites")
    stage.live.airflow("roles", "create", "Third")
    for action, resource in (("can_edit", "OneRoster:third"), ("can_create", "OneRoster:third")):
        stage.live.airflow("roles", "add-perms", "Third", "-r", resource, "-a", action)


@pytest.mark.case("c00")
@pytest.mark.parametrize("stage", ON[1:], indirect=True)
def test_deleted_user_is_refused(stage: Stage) -> None:
    """The token of a deleted FAB user is refused like a missing one."""
    named = ("--email", "leaver@example.org", "--firstname", "A", "--lastname", "B")
    login = ("--username", "leaver", "--password", "leaver", "--role", "Admin")
    stage.live.airflow("users", "create", *login, *named)
    leaver = stage.live.person("leaver")
    stage.live.airflow("users", "delete", "--username", "leaver")
    assert "log in" in leaver.get("me", expect=401)["detail"]


@pytest.mark.case("c00")
@pytest.mark.parametrize("role", [*ROLES[SIMPLE], None])
@pytest.mark.parametrize("stage", ON, indirect=True)
def test_airflows_own_routes_ask_for_the_same(stage: Stage, role: str | None) -> None:
    """Airflow's API asks for the same permissions as ours to start, undo and decide about runs.

    With the permission, the answer says what is wrong with the request.
    """
    who = stage.people[role] if role else stage.live.nobody
    runs, task = f"/api/v2/dags/{UPLOAD}/dagRuns", f"taskInstances/{QUESTION}/-1/hitlDetails"
    watch = "/api/v2/dags/oneroster_watch/dagRuns"
    asked = {"plan_hash": "0" * 64, "reason": None}
    doors = [
        ("POST", runs, {"logical_date": None, "conf": {"kind": "?"}}, May.OPERATE, 400),
        ("POST", runs, {"logical_date": None, "conf": {"undo": "?"}}, May.ADMINISTER, 422),
        ("POST", watch, {"logical_date": None, "conf": {"test_site": ""}}, May.ADMINISTER, 400),
        (
            "PATCH",
            f"{runs}/none/{task}",
            {"chosen_options": ["Approve"], "params_input": asked},
            May.ADMINISTER,
            404,
        ),
    ]
    for method, path, body, may, status in doors:
        answer = who.send(method, path, json=body)
        if role is None:
            assert answer.status_code == 401, path
        elif may in MAY[role]:
            assert answer.status_code == status, answer.text
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, f"permission.{may}")


def readable() -> list[APIRoute]:
    """Return the routes that viewers may read."""
    routes = [route for route in create_app().routes if isinstance(route, APIRoute)]
    return [r for r in routes if "GET" in r.methods and permission(r) is May.READ]


def text_of(answer: httpx.Response) -> str:
    """Return the text of an answer, with the files of a zip unpacked."""
    if answer.headers["content-type"] != "application/zip":
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return "".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())


@pytest.mark.case("c00")
@pytest.mark.parametrize("stage", ON, indirect=True)
def test_viewers_see_no_person(stage: Stage) -> None:
    """No answer that a viewer or a user may read holds a name or a whole e-mail address."""
    paths = [
        route.path.removeprefix(f"{PREFIX}/").format(
            site="default",
            run_id=run,
            dag_id="oneroster_upload__default",
            dag_run_id="none",
            part="guide",
            page="held-run",
        )
        for route in readable()
        for run in (stage.runs[name] for name in ("applied", "held", "rejected"))
    ]
    month = f"{dt.datetime.now(dt.UTC):%Y-%m}"
    asked = {
        "records": f"?q={MARK}",
        "sites/default/decisions": f"?month={month}",
        "sites/default/decisions.csv": f"?month={month}",
    }
    paths = [path + asked.get(path, "") for path in paths]
    assert {f"runs/{stage.runs['held']}", "sites/default/preferences"} <= set(paths)
    for role in ("viewer", "user"):
        for path in dict.fromkeys(paths):
            answer = stage.people[role].send("GET", path)
            assert answer.status_code in {200, 404}, path
            assert MARK not in text_of(answer), path
        shown = stage.people[role].get("sites/default/preferences")
        assert shown["settings"]["credited_admin"] == "z…@example.org"
        masked = stage.people[role].get(f"runs/{stage.runs['held']}")["credited_admin"]
        assert masked == "z…@example.org"
    whole = stage.people["op"].get(f"runs/{stage.runs['held']}")
    assert whole["credited_admin"] == ADMIN
    assert MARK in stage.people["op"].send("GET", f"runs/{stage.runs['applied']}/changes").text


@pytest.mark.case("c40")
@pytest.mark.parametrize("stage", ON[1:], indirect=True)
def test_an_administrator_of_one_site_names_nothing_new(stage: Stage) -> None:
    """Only an administrator of all sites adds a source and a connection; both may keep them."""
    uses = {"source": "/srv/other", "source_connection": "sis-other"}
    for name, expected in ((CHIEF, 422), ("admin", 200), (CHIEF, 200)):
        saved = stage.people[name].get("sites/other/preferences")
        body = {"version": saved["version"], "settings": {**saved["settings"], **uses}}
        answer = stage.people[name].put("sites/other/preferences", body, expected)
        if expected == 422:
            assert answer["code"] == "source.not_allowed"
            assert [error["field"] for error in answer["errors"]] == ["source", "source_connection"]
