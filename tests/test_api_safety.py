"""Web safety: requests that another site sends are refused, and our answers are inert.

No scheduler runs here: the tests only check that a run is accepted.
"""

from __future__ import annotations

import base64
import json
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import httpx
import jwt
import pytest

from golden.school import SCHOOL, folder_of
from live import PROBLEM, Live, Person, running
from oneroster_airflow.api.security import is_own
from oneroster_airflow.ui import BUNDLE, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

API = "/oneroster/api/v1"
ENABLED = f"{API}/sites/default/enabled"
FOREIGN = "https://evil.example"
HOSTILE = [
    "..",
    "../../../../etc/passwd",
    "....//....//etc/passwd",
    "C:\\Windows\\win.ini",
    "\0",
    "a\0b",
    "a\nb\r\nSet-Cookie: x=1",
    "x" * 5000,
    "ä\u202eö\U0001f600",
    "\ud7ff\ufffe",
    "' or 1=1 --",
    "{{7*7}}${7*7}",
    "<script>alert(1)</script>",
    "%2e%2e%2f",
    " ",
    "-1",
    "99999999999999999999",
]
LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|/work/|/tmp/|/etc/|"
    r"psycopg|sqlalchemy|\bselect\b.+\bfrom\b|\binsert into\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """An Airflow of its own, with the site `default` and its DAGs."""
    with running() as live:
        yield live


@pytest.fixture(scope="module")
def run_id(live: Live, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run that was applied."""
    folder = tmp_path_factory.mktemp("safety") / "school"
    run = live.oneroster("sync", str(folder_of(SCHOOL, folder)))
    return str(run["run_id"])


@pytest.fixture(scope="module")
def browser(live: Live) -> Iterator[httpx.Client]:
    """A client that authenticates as a browser does: with a cookie only."""
    cookies = {"_token": str(live.admin.token)}
    with httpx.Client(base_url=live.origin, cookies=cookies, trust_env=False, timeout=60) as client:
        yield client


def own(live: Live) -> str:
    """Return the host and port of Airflow."""
    return urlsplit(live.origin).netloc


@pytest.mark.case("c01")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://{own}"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://{own}"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://{own}"}, 403),
        ({"Origin": FOREIGN}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://{own}.evil.example"}, 403),
        ({"Origin": "http://{own}@evil.example"}, 403),
        ({"Origin": "http://evil.example/{own}"}, 403),
        ({"Referer": "http://{own}/plugin/oneroster"}, 403),
        ({"Authorization": "Basic YWRtaW46YWRtaW4="}, 403),
        ({}, 403),
    ],
    ids=str,
)
def test_write_with_a_cookie_comes_from_our_own_pages(
    live: Live, browser: httpx.Client, headers: dict[str, str], status: int
) -> None:
    """A cookie alone proves nothing: the browser must state that our own page sent the request."""
    sent = {name: value.format(own=own(live)) for name, value in headers.items()}
    answer = browser.put(ENABLED, json={"enabled": False}, headers=sent)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["code"] == "web.origin"


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": FOREIGN}, {"Sec-Fetch-Site": "cross-site"}], ids=str
)
def test_token_needs_no_page(live: Live, headers: dict[str, str]) -> None:
    """No browser sends a bearer token unasked, so a program may write from anywhere."""
    answer = live.admin.send("PUT", ENABLED, json={"enabled": False}, headers=headers)
    assert answer.status_code == 200


@pytest.mark.case("c01")
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_form_of_another_site_is_refused(
    live: Live, browser: httpx.Client, kind: str | None
) -> None:
    """A request that a form can send without a preflight changes nothing."""
    before = live.rows("select count(*) from runs")
    headers = {"Sec-Fetch-Site": "cross-site", **({"Content-Type": kind} if kind else {})}
    for path in (f"{API}/sites/default/uploads?kind=users", f"{API}/sites/default/runs"):
        assert browser.post(path, content=b"sourcedId", headers=headers).status_code == 403
    assert live.rows("select count(*) from runs") == before
    assert live.uploads() == []


def paths(live: Live) -> dict[str, list[str]]:
    """Return the paths of the API in its document, with their methods."""
    document = live.admin.get("openapi.json")
    return {path: [method.upper() for method in verbs] for path, verbs in document["paths"].items()}


def filled(path: str, run_id: str, value: str | None = None) -> str:
    """Return a path with its parameters set to real values, or all to the same value."""
    real = {"site": "default", "run_id": run_id, "dag_id": "oneroster_sync__default"}
    return re.sub(r"\{(\w+)\}", lambda it: real.get(it[1], "1") if value is None else value, path)


@pytest.mark.case("c01")
def test_reading_changes_nothing(live: Live, browser: httpx.Client, run_id: str) -> None:
    """No GET or HEAD, also from another site, changes the roster."""

    def state() -> list[Any]:
        tables = ("runs", "changes", "events", "preferences", "users", "courses")
        return [live.rows(f"select count(*), max(t::text) from {t} t") for t in tables]  # noqa: S608

    before, enabled = state(), live.admin.get("sites")
    for path in paths(live):
        for method in ("GET", "HEAD"):
            headers = {"Sec-Fetch-Site": "cross-site", "X-HTTP-Method-Override": "POST"}
            answer = browser.request(
                method, f"/oneroster{filled(path, run_id)}?enabled=true", headers=headers
            )
            assert answer.status_code < 500, (method, path)
    assert (state(), live.admin.get("sites")) == (before, enabled)


KINDS = {
    f"/oneroster/static/{{static}}/{BUNDLE}": (200, "text/javascript; charset=utf-8"),
    "/oneroster/static/{static}/icon.svg": (200, "image/svg+xml"),
    "/oneroster/static/{static}/nothing.js": (404, PROBLEM),
    "/oneroster/health": (200, "application/json"),
    f"{API}/me": (200, "application/json"),
    f"{API}/sites/default/runs": (200, "application/json"),
    f"{API}/openapi.json": (200, "application/json"),
    f"{API}/runs/{{run}}/findings.csv": (200, "text/csv; charset=utf-8"),
    f"{API}/runs/{{run}}/report/docs.zip": (200, "application/zip"),
    f"{API}/runs/nonsense": (404, PROBLEM),
    f"{API}/sites/default/runs?limit=x": (422, PROBLEM),
    f"{API}/nowhere": (404, PROBLEM),
    "/oneroster/": (404, PROBLEM),
}


@pytest.mark.case("c02")
@pytest.mark.parametrize("path", KINDS)
def test_every_kind_of_answer_is_marked(live: Live, run_id: str, path: str) -> None:
    """Every answer has its media type, and headers against framing, sniffing and caching data."""
    status, kind = KINDS[path]
    asked = path.format(static=fingerprint(), run=run_id)
    for who in (live.admin, live.nobody):
        answer = who.send("GET", asked)
        headers = answer.headers
        if who is live.admin:
            assert (answer.status_code, headers["content-type"]) == (status, kind)
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["base-uri"] == "'none'"
        assert policy["frame-ancestors"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        is_file = "/static/" in asked and answer.status_code == 200
        assert headers["cache-control"] == (
            "public, max-age=31536000, immutable" if is_file else "no-store"
        )
        assert "access-control-allow-origin" not in headers
        assert "set-cookie" not in headers


@pytest.mark.case("c01")
def test_other_sites_are_not_let_in(live: Live, browser: httpx.Client) -> None:
    """A page of another site gets no permission to read or write."""
    asked = {"Origin": FOREIGN, "Access-Control-Request-Method": "PUT"}
    for answer in (
        browser.options(ENABLED, headers=asked),
        browser.get(f"{API}/me", headers={"Origin": FOREIGN}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.case("c08")
@pytest.mark.parametrize("path", ["findings.csv", "report/docs.zip"])
def test_downloads_are_named_by_us(live: Live, run_id: str, path: str) -> None:
    """The name of a download consists of a fixed word and the run's id."""
    where = f"{API}/runs/{run_id}/{path}?filename=evil.html"
    disposition = live.admin.send("GET", where).headers["content-disposition"]
    assert re.fullmatch(rf'attachment; filename="[a-z-]+-{run_id}\.(csv|zip)"', disposition)


def claims(live: Live) -> dict[str, Any]:
    """Return the claims of the administrator's token."""
    body = str(live.admin.token).split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def signed(live: Live, key: str | None = None, **changed: Any) -> str:
    """Return a token signed as Airflow signs it, with some claims changed or with another key."""
    secret = key or live.environment["AIRFLOW__API_AUTH__JWT_SECRET"]
    header = jwt.get_unverified_header(str(live.admin.token))
    return jwt.encode({**claims(live), **changed}, secret, header["alg"], headers=header)


def unsigned(live: Live) -> str:
    """Return a token that declares no signature."""
    return jwt.encode(claims(live), "", "none")


def test_token_as_airflow_makes_them_is_taken(live: Live) -> None:
    """The token that the tests below change is valid without a change."""
    assert Person(live.origin, signed(live)).get("me")["name"] == "admin"


@pytest.mark.case("c03")
@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda live: signed(live, exp=int(time.time()) - 3600), id="expired"),
        pytest.param(lambda live: signed(live, nbf=int(time.time()) + 3600), id="of the future"),
        pytest.param(lambda live: signed(live, key="k" * 64), id="of another key"),
        pytest.param(lambda live: signed(live, aud="somebody else"), id="for somebody else"),
        pytest.param(unsigned, id="without a signature"),
        pytest.param(lambda live: str(live.admin.token)[:-8] + "AAAAAAAA", id="changed"),
        pytest.param(lambda _live: "garbage", id="garbage"),
        pytest.param(lambda _live: "a.b.c", id="three words"),
        pytest.param(lambda _live: "null", id="null"),
        pytest.param(lambda _live: "x" * 8000, id="long"),
    ],
)
def test_token_that_is_not_good_is_refused(live: Live, bad: Any) -> None:
    """A token of another signer, or not valid now, counts as none, in a header or a cookie."""
    token = bad(live)
    refused = Person(live.origin, token).get("me", expect=401)
    assert "log in" in refused["detail"]
    with httpx.Client(base_url=live.origin, cookies={"_token": token}, trust_env=False) as client:
        assert client.get(f"{API}/me").status_code == 401
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = client.put(ENABLED, json={"enabled": True}, headers=headers)
        assert answer.status_code == 401
    assert live.admin.get("sites")["sites"][0]["enabled"] is False


@pytest.mark.case("c03")
@pytest.mark.parametrize("name", ["token", "access_token", "_token", "jwt"])
def test_token_is_not_taken_from_an_address(live: Live, name: str) -> None:
    """Addresses appear in logs and histories, so the API ignores a token in an address."""
    answer = live.nobody.send("GET", f"{API}/me", params={name: live.admin.token})
    assert answer.status_code == 401


@pytest.mark.case("c12", "c14")
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:24])
def test_hostile_names_in_paths_are_refused(live: Live, run_id: str, value: str) -> None:
    """No value in a path makes the API fail, expose internals, or answer something else."""
    for path, methods in paths(live).items():
        if "{" not in path:
            continue
        asked = f"{live.origin}/oneroster{filled(path, run_id, quote(value, safe=''))}"
        for method in methods:
            # The address is sent unchanged: a client would normalise what the test tries.
            answer = live.admin.send(method, asked, **({} if method == "GET" else {"json": {}}))
            message = f"{method} {path} {value[:30]!r}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code in {200, 404, 405, 409, 411, 422}, message
            if answer.is_error and answer.headers["content-type"] == PROBLEM:
                assert not LEAKS.search(without(answer.json()["detail"], value)), message
            assert "Traceback" not in answer.text, message


def without(text: str, value: str) -> str:
    """Return a text without the requested value, which the text may repeat."""
    return text.replace(value, "").replace(repr(value)[1:-1], "")


@pytest.mark.case("c12")
@pytest.mark.parametrize(
    "path",
    [
        "../../pages.py",
        "..%2f..%2fpages.py",
        "%2e%2e/%2e%2e/pages.py",
        "lib/..%2f..%2f..%2fapi/app.py",
        "/etc/passwd",
        "%00",
        "oneroster.js%00.svg",
        "..\\..\\pages.py",
        "lib",
        "",
    ],
)
def test_static_files_are_only_ours(live: Live, path: str) -> None:
    """No spelling of a path leads out of the pages' folder, and no folder is listed."""
    asked = f"/oneroster/static/{fingerprint()}/{path}"
    answer = live.nobody.send("GET", live.origin + asked)
    assert answer.status_code in {400, 404}, answer.text[:200]
    assert not LEAKS.search(without(answer.text, path))


@pytest.mark.case("c04")
def test_one_person_can_not_fill_the_storage(live: Live) -> None:
    """A person can have at most 20 uploads in the queue; other people can still upload."""
    users, greedy = SCHOOL["users.csv"].encode(), live.person("op")
    for _ in range(20):
        greedy.upload(users, "users")
    kept = live.uploads()
    refused = greedy.send("POST", f"{API}/sites/default/uploads?kind=users", content=users)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert refused.json()["code"] == "upload.too_many"
    assert live.uploads() == kept
    live.admin.upload(users, "users")


@pytest.mark.case("c01")
@pytest.mark.parametrize(
    ("scheme", "headers", "is_ours"),
    [
        ("https", {"origin": "https://sync.example.org"}, True),
        ("http", {"origin": "http://sync.example.org"}, True),
        ("https", {"origin": "http://sync.example.org"}, False),
        ("http", {"origin": "https://sync.example.org"}, False),
        ("https", {"origin": "null"}, False),
        ("https", {}, False),
        ("https", {"origin": "http://sync.example.org", "sec-fetch-site": "same-origin"}, True),
        ("https", {"authorization": "Bearer token"}, True),
    ],
)
def test_own_origin_includes_the_scheme(
    scheme: str,
    headers: dict[str, str],
    *,
    is_ours: bool,
) -> None:
    """A page of the same host without TLS is not trusted, so its writes are refused."""
    sent = {"host": "sync.example.org", **headers}
    raw = [(name.encode(), value.encode()) for name, value in sent.items()]
    assert is_own({"type": "http", "scheme": scheme, "headers": raw}) is is_ours
