"""Uploads through the API become runs, or are refused before they use resources.

The sync of the site is off, because uploads do not need it.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import zipfile
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import psutil
import pytest

from live import SYNC, UPLOAD, running, wait_for
from oneroster_sync.local import runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Live

SITE = "sites/default"
UPLOADS = f"{SITE}/uploads"
MIB = 1 << 20


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """A running Airflow with the site `default`, whose sync is off."""
    with running() as live:
        yield live


@pytest.fixture(scope="module")
def district(data: Path) -> bytes:
    """A sample district."""
    return (data / "district-small-1.1.zip").read_bytes()


@pytest.fixture(scope="module")
def lone(data: Path) -> dict[str, bytes]:
    """The files of the sample district by name."""
    with zipfile.ZipFile(data / "district-small-1.1.zip") as package:
        return {name: package.read(name) for name in package.namelist()}


@pytest.fixture(scope="module")
def first(live: Live, district: bytes) -> dict[str, Any]:
    """The first upload: the API's answer, and its run."""
    uploaded = live.admin.upload(district)
    return {"uploaded": uploaded, "run": live.follow(uploaded)}


def runs_in_airflow(live: Live, dag_id: str = UPLOAD) -> int:
    """Return how many runs of a DAG Airflow has."""
    found = live.admin.get(f"/api/v2/dags/{dag_id}/dagRuns", limit=1)
    return int(found["total_entries"])


@pytest.fixture
def unchanged(live: Live, first: dict[str, Any]) -> Iterator[None]:
    """Check that a test leaves neither a run nor a file behind."""
    before = runs_in_airflow(live), live.uploads()
    yield
    wait_for(lambda: True if (runs_in_airflow(live), live.uploads()) == before else None)


def test_upload_becomes_a_run(live: Live, first: dict[str, Any], district: bytes) -> None:
    """The upload DAG reads an uploaded package and applies it, although the sync is off."""
    uploaded, run = first["uploaded"], first["run"]
    assert uploaded["sha256"] == run["sha256"] == hashlib.sha256(district).hexdigest()
    assert (uploaded["size"], uploaded["same_as"]) == (len(district), None)
    assert uploaded["dag_id"] == run["dag_run"]["dag_id"] == UPLOAD
    assert (run["outcome"], run["type"]) == ("succeeded", "Users + courses, manual upload")
    assert (run["trigger"], run["requested_by"]) == ("upload", "admin")
    assert run["counts"]["users"]["added"] == 20
    assert run["sentence"].startswith("Applied: 20 users added, 91 courses added")
    assert live.admin.get(f"{SITE}/preferences")["enabled"] is False


def test_uploaded_file_is_gone_when_it_was_read(live: Live, first: dict[str, Any]) -> None:
    """An uploaded package, which may hold students, is deleted when its run has ended."""
    assert live.uploads() == []


@pytest.mark.case("b17")
def test_same_package_again_points_to_the_first(
    live: Live, first: dict[str, Any], district: bytes
) -> None:
    """A second upload of the same bytes is accepted, and its answer names the first run."""
    again = live.admin.upload(district)
    assert again["same_as"]["run_id"] == first["run"]["run_id"]
    assert again["same_as"]["outcome"] == "succeeded"
    assert again["run_id"] != first["run"]["run_id"]
    assert live.follow(again)["outcome"] == "no_changes"


def test_a_check_plans_like_a_sync_and_changes_nothing(
    live: Live, first: dict[str, Any], lone: dict[str, bytes]
) -> None:
    """A check reads, validates and plans a file; its plan is neither held nor applied.

    A later check of the same file compares itself with the first check and finds no new errors.
    """
    del first
    header = lone["users.csv"].splitlines(keepends=True)[0]
    nobody = header + b"".join(lone["users.csv"].splitlines(keepends=True)[1:3])
    started = live.admin.ask("POST", f"{UPLOADS}?kind=users&check_only=true", content=nobody)
    assert started["dag_run_id"].startswith("check_users__")
    run = live.follow(started)
    assert (run["outcome"], run["is_preview"], run["is_applied"]) == ("discarded", True, False)
    assert run["counts"]["users"]["deactivated"] > 0
    assert "It would be held" in run["sentence"]
    assert (run["can"]["approve"], run["held_at"]) == (False, None)
    assert run["dag_run"]["state"] == "success"
    assert live.uploads() == []
    again = live.admin.ask("POST", f"{UPLOADS}?kind=users&check_only=true", content=nobody)
    assert again["same_as"]["is_preview"] is True
    compared = live.follow(again)
    assert compared["is_preview"] is True
    comparison = live.admin.get(f"runs/{again['run_id']}/comparison")
    assert comparison["earlier"]["run_id"] == run["run_id"]
    assert (comparison["errors"]["fixed"], comparison["errors"]["new"]) == (0, 0)


@pytest.mark.long
def test_lone_files_touch_their_own_kind(
    live: Live, first: dict[str, Any], lone: dict[str, bytes]
) -> None:
    """A single users.csv changes only users, and a single courses.csv only courses."""
    op = live.person("op")
    fewer = b"".join(lone["courses.csv"].splitlines(keepends=True)[:-1])
    started = [op.upload(lone["users.csv"], "users"), op.upload(fewer, "courses")]
    of_users, of_courses = (live.follow(one) for one in started)
    assert (of_users["type"], of_users["outcome"]) == ("Users, manual upload", "no_changes")
    assert of_courses["type"] == "Courses, manual upload"
    assert of_courses["requested_by"] == "op"
    assert of_courses["counts"]["courses"]["removed"] == 1
    assert sum(of_courses["counts"]["users"].values()) == 0
    assert live.uploads() == []


def test_run_is_there_before_it_is_recorded(live: Live, first: dict[str, Any]) -> None:
    """The DAG run of an upload can be followed at once, even while it is queued."""
    started = live.admin.upload(b"PK\x05\x06" + bytes(18))
    where = f"dag-runs/{started['dag_id']}/{started['dag_run_id'].replace('+', '%2B')}"
    at_once = live.admin.get(where)
    assert at_once["run_id"] == started["run_id"]
    assert at_once["dag_run"]["state"] in {"queued", "running"}
    assert [stage["stage"] for stage in at_once["dag_run"]["stages"]] == [
        *("extract", "validate", "diff", "review", "apply", "record")
    ]
    run = live.follow(started)
    assert live.admin.get(where)["recorded"] is True
    assert run["outcome"] == "rejected"
    assert run["dag_run"]["state"] == "failed"
    assert live.uploads() == []


@pytest.mark.case("a16")
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("kind", "name", "what"),
    [
        ("users", "courses.csv", "this is courses.csv"),
        ("courses", "users.csv", "this is users.csv"),
        ("package", "users.csv", "this is users.csv"),
        ("users", "", "this is a zip"),
    ],
)
def test_wrong_file_is_named(
    live: Live, district: bytes, lone: dict[str, bytes], kind: str, name: str, what: str
) -> None:
    """A file of another kind than the button takes is refused at once, and the error names it."""
    refused = live.admin.upload(lone.get(name, district), kind, 415)
    assert refused["code"] == "upload.wrong_kind"
    assert what in refused["detail"]


@pytest.mark.usefixtures("unchanged")
def test_empty_file_is_refused(live: Live) -> None:
    """An empty file is refused and starts no run."""
    assert "empty" in live.admin.upload(b"", "users", 422)["detail"]


@pytest.mark.usefixtures("unchanged")
def test_unknown_kind_and_unknown_site_are_refused(live: Live, district: bytes) -> None:
    """An upload with an unknown kind, without a kind or to an unknown site is refused."""
    assert live.admin.upload(district, "demographics", 422)["errors"][0]["field"] == "kind"
    live.admin.ask("POST", UPLOADS, 422, content=district)
    where = "sites/atlantis/uploads?kind=package"
    assert "atlantis" in live.admin.ask("POST", where, 404, content=district)["detail"]


@pytest.mark.usefixtures("unchanged")
def test_length_has_to_be_declared(live: Live, district: bytes) -> None:
    """An upload without a length is refused, because its progress could not be shown."""
    where = f"{UPLOADS}?kind=package"
    assert (
        "Content-Length" in live.admin.ask("POST", where, 411, content=iter([district]))["detail"]
    )


def test_limits_are_returned(live: Live) -> None:
    """The API returns the size limits, so that a page shows them before an upload."""
    limits = live.person("viewer").get(f"{UPLOADS}/limits")
    assert limits == {
        "package": 256 * MIB,
        **dict.fromkeys(("users", "courses"), 512 * MIB),
        **dict.fromkeys(("ids", "links"), 64 * MIB),
    }


class Raw:
    """A client that can send any headers and any bytes."""

    def __init__(self, live: Live, headers: str, kind: str = "package") -> None:
        """Connect, and send the head of an upload."""
        at = urlsplit(live.origin)
        self.socket = socket.create_connection((at.hostname, at.port), timeout=30)
        head = (
            f"POST /oneroster/api/v1/{UPLOADS}?kind={kind} HTTP/1.1\r\nHost: {at.netloc}\r\n"
            f"Authorization: Bearer {live.admin.token}\r\n{headers}\r\n\r\n"
        )
        self.socket.sendall(head.encode())

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close the connection."""
        self.socket.close()

    def status(self) -> int:
        """Return the status of the answer."""
        return int(self.socket.makefile("rb").readline().split()[1])


@pytest.mark.case("c04")
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("kind", "size"), [("package", 256), ("users", 512), ("courses", 512)])
def test_too_large_an_upload_is_refused_before_it_comes(live: Live, kind: str, size: int) -> None:
    """A length of one byte more than the limit is refused before any byte of the body."""
    with Raw(live, f"Content-Length: {size * MIB + 1}", kind) as client:
        assert client.status() == 413


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "+7", "٣", "many"])
def test_length_that_is_no_number_is_refused(live: Live, length: str) -> None:
    """A length that is not a number is refused."""
    with Raw(live, f"Content-Length: {length}") as client:
        assert client.status() in {400, 411}


@pytest.mark.case("c04")
@pytest.mark.usefixtures("unchanged")
def test_length_that_contradicts_the_body_is_refused(live: Live) -> None:
    """A chunked body that also declares a length is refused, because the two contradict.

    The test sends only the head: the server closes the connection after it.
    """
    with Raw(live, "Content-Length: 5\r\nTransfer-Encoding: chunked") as client:
        assert client.status() == 400


@pytest.mark.case("b18")
@pytest.mark.usefixtures("unchanged")
def test_client_that_goes_away_leaves_nothing(live: Live, district: bytes) -> None:
    """An interrupted upload starts no run, and its received bytes are deleted."""
    with Raw(live, f"Content-Length: {len(district)}") as client:
        client.socket.sendall(district[: len(district) // 2])
        wait_for(lambda: live.uploads() or None)


@pytest.mark.case("c04")
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("drips", [False, pytest.param(True, marks=pytest.mark.long)])
def test_slow_client_is_given_up(live: Live, district: bytes, *, drips: bool) -> None:
    """An upload that sends nothing, or a byte now and then, gets 408 and leaves nothing behind."""
    with Raw(live, f"Content-Length: {len(district)}") as client:
        client.socket.sendall(district[:10])
        client.socket.settimeout(0.5)
        for byte in district[10:]:
            if drips:
                client.socket.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                assert client.socket.recv(1, socket.MSG_PEEK)
                break
        assert client.status() == 408


LARGE = 200 * MIB


def server_of(live: Live) -> list[psutil.Process]:
    """Return the processes of the API server."""
    found = []
    for process in runner.members(live.home):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any("api" in word and "server" in word for word in process.cmdline()):
                found.append(process)
    return found


def memory_of(processes: list[psutil.Process]) -> int:
    """Return the resident memory of some processes together, in bytes."""
    taken = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            taken += process.memory_info().rss
    assert taken > 0
    return taken


class Watch(threading.Thread):
    """Records the maximum memory of some processes."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        """Prepare to watch these processes together."""
        super().__init__(daemon=True)
        self._processes, self._over = processes, threading.Event()
        self.taken = 0

    def run(self) -> None:
        """Measure until `stop` is called."""
        while not self._over.wait(0.1):
            self.taken = max(self.taken, memory_of(self._processes))

    def stop(self) -> int:
        """Stop, and return the maximum."""
        self._over.set()
        self.join()
        return self.taken


@pytest.mark.case("d05")
def test_memory_does_not_grow_with_an_upload(live: Live, first: dict[str, Any]) -> None:
    """During an upload of 200 MiB, the API server's memory grows by less than 64 MiB."""
    block = b"PK\x03\x04" + bytes(MIB - 4)
    server = server_of(live)
    before, watch = memory_of(server), Watch(server)
    watch.start()
    started = live.admin.ask(
        "POST",
        f"{UPLOADS}?kind=package",
        headers={"Content-Length": str(LARGE)},
        content=(block for _ in range(LARGE // MIB)),
    )
    most = watch.stop()
    assert started["size"] == LARGE
    assert live.follow(started)["outcome"] == "rejected"
    assert most - before < 64 * MIB
    assert live.uploads() == []


def test_sync_that_is_off_does_not_run_now(live: Live, first: dict[str, Any]) -> None:
    """Run now is refused while the sync is off, because Airflow would keep the run queued."""
    before = runs_in_airflow(live, SYNC)
    refused = live.admin.post(f"{SITE}/runs", expect=409)
    assert refused["code"] == "sync.disabled"
    assert runs_in_airflow(live, SYNC) == before


def test_run_now_reads_the_source_of_the_site(
    live: Live, first: dict[str, Any], data: Path
) -> None:
    """An operator starts the scheduled sync manually, and it reads the site's own source."""
    shown = live.admin.get(f"{SITE}/preferences")
    settings = {**shown["settings"], "source": str(data / "district-small-1.1.zip")}
    live.admin.put(f"{SITE}/preferences", {"version": shown["version"], "settings": settings})
    live.admin.put(f"{SITE}/enabled", {"enabled": True})
    try:
        started = live.person("op").post(f"{SITE}/runs")
        run = live.follow(started)
    finally:
        live.admin.put(f"{SITE}/enabled", {"enabled": False})
    assert started["dag_id"] == SYNC
    assert run["type"] == "Users + courses, started by hand"
    assert (run["trigger"], run["requested_by"]) == ("schedule", "op")
    assert run["sha256"] == first["run"]["sha256"]
    assert run["outcome"] in {"no_changes", "succeeded"}
    assert (data / "district-small-1.1.zip").exists()


@pytest.mark.case("b33")
@pytest.mark.long
def test_killed_server_forgets_nothing(live: Live, first: dict[str, Any], district: bytes) -> None:
    """After the API server is killed and restarted, sessions and uploads work as before."""
    where = f"runs/{first['run']['run_id']}"
    before = live.admin.get(f"{SITE}/preferences"), live.admin.get(where)
    killed = server_of(live)
    for process in killed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(killed, 30)
    wait_for(lambda: live.api.is_up() or None)
    assert (live.admin.get(f"{SITE}/preferences"), live.admin.get(where)) == before
    again = live.admin.upload(district)
    assert again["same_as"] is not None
    assert live.follow(again)["outcome"] in {"no_changes", "succeeded"}
