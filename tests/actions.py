"""All actions of the API, each with its permission and the expected status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from oneroster_airflow.api.auth import May

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "zqmark"
"""Part of each name and address that only users with the permission `details` may see."""


class Sender(Protocol):
    """A user who sends requests, such as `live.Person`; without a token nobody is logged in."""

    token: str | None

    def send(self, method: str, path: str, **more: Any) -> Any:
        """Send a request to a path of the API and return the answer."""


@dataclass(frozen=True)
class Action:
    """One action: its request, its permission, and the status for users who have it."""

    name: str
    method: str
    path: str
    may: May
    status: int = 200
    body: Any = None
    content: bytes | None = None
    route: May | None = None
    """The permission for the route, where some of its actions need a higher one."""

    def send(self, who: Sender, runs: Mapping[str, str]) -> Any:
        """Send the request as a user and return the answer."""
        more: dict[str, Any] = {"content": self.content} if self.content else {}
        if self.body is not None:
            more = {"json": self.body}
        headers = {} if who.token else {"Sec-Fetch-Site": "same-origin"}
        return who.send(self.method, self.path.format(**runs), headers=headers, **more)


SITE, RUN = "sites/default", "runs/{applied}"
SCHEDULE = {"days": ["monday"], "time_utc": "02:00"}
JUNE = {**SCHEDULE, "month": "2027-06"}
TAKEN = {"site": "other", "admin": "a@example.org"}
NOTHING = {"version": 0, "settings": {}}
USERS = b"sourcedId,role,givenName,familyName,email\nu1,teacher,U,One,u1@example.org\n"
IDS, LINKS = b"kind,oldSourcedId,newSourcedId\n", b"email,sourcedId\n"
ACTIONS = [
    Action("see oneself", "GET", "me", May.READ),
    Action("search all sites", "GET", f"records?q={MARK}", May.READ),
    Action("see sites", "GET", "sites", May.READ),
    Action("list documents", "GET", "docs", May.READ),
    Action("read the guide", "GET", "docs/guide/held-run", May.READ),
    Action("read preferences", "GET", f"{SITE}/preferences", May.READ),
    Action("preview", "POST", f"{SITE}/preferences/upcoming", May.READ, body=SCHEDULE),
    Action("calendar", "GET", f"{SITE}/calendar?month=2027-06", May.READ),
    Action("calendar to be", "POST", f"{SITE}/preferences/calendar", May.READ, body=JUNE),
    Action("thresholds", "POST", f"{SITE}/preferences/thresholds", May.READ, body={}),
    Action("list runs", "GET", f"{SITE}/runs", May.READ),
    Action("trend", "GET", f"{SITE}/trend", May.READ),
    Action("freshness", "GET", f"{SITE}/freshness", May.READ),
    Action("status", "GET", f"{SITE}/status", May.READ),
    Action("limits", "GET", f"{SITE}/uploads/limits", May.READ),
    Action("run detail", "GET", RUN, May.READ),
    Action("causes", "GET", f"{RUN}/causes", May.READ),
    Action("roster history", "GET", f"{SITE}/roster-history", May.READ),
    Action("decisions", "GET", f"{SITE}/decisions?month=2026-11", May.READ),
    Action("decisions.csv", "GET", f"{SITE}/decisions.csv?month=2026-11", May.READ),
    Action("diagnostics", "GET", f"{RUN}/diagnostics", May.READ),
    Action("comparison", "GET", f"{RUN}/comparison", May.READ, 404),
    Action("report", "GET", f"{RUN}/report", May.READ),
    Action("data docs", "GET", f"{RUN}/report/docs.zip", May.READ),
    Action("a DAG run", "GET", "dag-runs/oneroster_sync__default/none", May.READ, 404),
    Action("description", "GET", "openapi.json", May.READ),
    Action("saves", "GET", f"{SITE}/preferences/saves", May.DETAILS),
    Action("changes", "GET", f"{RUN}/changes", May.DETAILS),
    Action("changes.csv", "GET", f"{RUN}/changes.csv", May.DETAILS),
    Action("findings", "GET", f"{RUN}/findings", May.DETAILS),
    Action("findings.csv", "GET", f"{RUN}/findings.csv", May.DETAILS),
    Action("adoption", "GET", f"{RUN}/adoption", May.DETAILS),
    Action("adoption.csv", "GET", f"{RUN}/adoption.csv", May.DETAILS),
    Action("log", "GET", f"{RUN}/log", May.DETAILS, 404),
    Action("search", "GET", f"{SITE}/records?q=a", May.DETAILS),
    Action("story", "GET", f"{SITE}/records/user/{{user}}", May.DETAILS),
    Action("protections", "GET", f"{SITE}/protections", May.DETAILS),
    Action("release, seen before", "GET", f"{SITE}/protections/none", May.DETAILS, 404),
    Action("upload", "POST", f"{SITE}/uploads?kind=users", May.OPERATE, 202, content=USERS),
    Action("run now", "POST", f"{SITE}/runs", May.OPERATE, 409),
    *(
        Action(
            kind,
            "POST",
            f"{SITE}/uploads?kind={kind}",
            May.ADMINISTER,
            202,
            content=content,
            route=May.OPERATE,
        )
        for kind, content in (("ids", IDS), ("links", LINKS))
    ),
    Action("save", "PUT", f"{SITE}/preferences", May.ADMINISTER, 422, body=NOTHING),
    Action("enable", "PUT", f"{SITE}/enabled", May.ADMINISTER, body={"enabled": False}),
    Action("release", "POST", f"{SITE}/protections/none/release", May.ADMINISTER, 404, body={}),
    Action("test message", "POST", f"{SITE}/notices/test", May.ADMINISTER, 409),
    Action("preview of messages", "GET", f"{SITE}/notices/held/preview", May.ADMINISTER),
    Action("accounts", "GET", f"{SITE}/accounts", May.ADMINISTER),
    Action("rename", "PUT", f"{SITE}/title", May.ADMINISTER, body={"title": None}),
    Action("maintenance", "PUT", "maintenance", May.ADMINISTER, body={"reason": None}),
    Action("create", "POST", "sites", May.ADMINISTER, 409, body=TAKEN),
    Action("copy", "POST", f"{SITE}/copy", May.ADMINISTER, 409, body=TAKEN),
    Action("archive", "POST", "sites/nowhere/archive", May.ADMINISTER, 404),
    Action("restore", "POST", f"{SITE}/restore", May.ADMINISTER, 409),
    Action(
        "approve",
        "POST",
        "runs/{held}/approve",
        May.ADMINISTER,
        409,
        body={"plan_hash": "0" * 64},
    ),
    Action("hold back", "GET", f"{RUN}/hold-back?kind=users", May.ADMINISTER, 409),
    Action("discard", "POST", f"{RUN}/discard", May.ADMINISTER, 409, body={}),
    Action("undo", "POST", "runs/{held}/undo", May.ADMINISTER, 409, body={}),
]
"""`status` is not always a success: 409 means that only the state forbids it."""
PLACELESS = {
    ("GET", path)
    for path in (
        *("me", "sites", "records", f"records?q={MARK}", "openapi.json"),
        *("docs", "docs/guide/held-run"),
    )
}
"""Requests about no particular site; users who may see any site may send them."""
OVERSEERS = {"maintenance", "create", "copy", "archive", "restore"}
"""Actions that need an administrator of all sites."""
_NAMES = {
    "dag_id": "oneroster_upload__default",
    "dag_run_id": "none",
    "kind": "user",
    "cause": "none",
    "topic": "held",
    "part": "guide",
    "page": "held-run",
}


def routes_about(document: dict[str, Any], about: dict[str, str]) -> list[tuple[str, str]]:
    """Return method and path of each operation of an OpenAPI document, filled with these values.

    A path parameter without a value raises KeyError.
    """
    names = {**_NAMES, **about}
    found = [
        (method.upper(), path.removeprefix("/api/v1/").format(**names))
        for path, methods in document["paths"].items()
        for method in methods
    ]
    assert len(found) > len(ACTIONS) - 8
    return [route for route in found if route not in PLACELESS]
