"""Scheduled runs of a site with a remote source: what they record, and which files they move."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oneroster_sync import pipeline, runs, settings
from oneroster_sync.pipeline import Request, begin
from oneroster_sync.runs import Run, Trigger
from oneroster_sync.sources import local
from oneroster_sync.sources.base import Login, Patience
from oneroster_sync.sources.errors import RefusedSourceError, RetriableSourceError, SourceError
from oneroster_sync.stages.extract import acquire
from oneroster_sync.standard.kinds import Kind
from places import zipped
from roster_of import SCHOOL, now
from servers import HOST, LOGIN, PASSWORD, closed_port, sftp_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Site
    from servers import Sftp

STAFF = zipped({"users.csv": SCHOOL["users.csv"]})
NOBODY = zipped({"users.csv": SCHOOL["users.csv"].splitlines()[0] + "\n"})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sftp]:
    """Yield an SFTP server with a folder `out`."""
    (tmp_path / "sftp" / "out").mkdir(parents=True)
    with sftp_server(tmp_path / "sftp") as server:
        yield server


def put(server: Sftp, content: bytes, *, at: int) -> None:
    """Write a package to the server, as if the SIS had exported it at this time."""
    path = server.folder / "out" / "OneRoster.zip"
    path.write_bytes(content)
    os.utime(path, (at, at))


def choose(site: Site, **settings: str) -> None:
    """Save preferences."""
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    assert site.command("preferences", *words)[0] == 0


def logins(server: Sftp | None, **other: Any) -> Callable[[str], Login]:
    """Return a function that finds the connection `sis`, with these fields replaced."""

    def login_of(connection: str) -> Login:
        assert connection == "sis"
        assert server is not None
        usual = {"host": HOST, "port": server.port, "login": LOGIN, "password": PASSWORD}
        return Login(connection, **{**usual, "extra": server.extra(), **other})

    return login_of


def scheduled(site: Site, server: Sftp | None = None, **other: Any) -> Run:
    """Run the stages of a scheduled run one after the other, as the tasks of a DAG do."""
    login_of = logins(server, **other)
    request = Request(site=site.name, trigger=Trigger.SCHEDULE, requested_by="the schedule")
    run = begin(request, now=now())
    with contextlib.suppress(SourceError), pipeline.note_failure(run):
        run = pipeline.extract(run, Kind.PACKAGE, login_of)
        run = pipeline.diff(pipeline.validate(run))
        run = pipeline.apply(pipeline.review(run, now=now()), now=now())
    run = pipeline.record(runs.find(run.run_id), now=now())
    acquire.move_read_package(run, login_of)
    return run


def names(server: Sftp) -> list[str]:
    """Return the zips in `out` and in `done`, in order."""
    out = server.folder / "out"
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.zip"))


def test_a_package_from_elsewhere_is_synced_and_left(site: Site, server: Sftp) -> None:
    """A run reads the newest package of its source, stores its hash, and does not move it."""
    choose(site, source=f"sftp://{HOST}/out", source_connection="sis")
    put(server, STAFF, at=1_790_000_000)
    run = scheduled(site, server)
    assert (run.outcome, run.package) == ("succeeded", f"sftp://{HOST}/out")
    assert len(site.users()) == 3
    again = scheduled(site, server)
    assert (again.outcome, again.sha256) == ("no_changes", run.sha256)
    assert names(server) == ["OneRoster.zip"]


def test_it_is_moved_when_the_run_ended_well(site: Site, server: Sftp) -> None:
    """After a good run the package is moved to `done` under a unique name; else it stays."""
    choose(site, source=f"sftp://{HOST}/out", source_connection="sis", source_after="move")
    put(server, STAFF, at=1_790_000_000)
    run = scheduled(site, server)
    moved = f"done/OneRoster.{run.started_at:%Y%m%dT%H%M%SZ}.zip"
    assert (run.outcome, names(server)) == ("succeeded", [moved])
    failed = scheduled(site, server)
    assert (failed.outcome, site.codes({"run_id": failed.run_id})) == (
        "failed",
        {"source.not_found"},
    )
    put(server, NOBODY, at=1_790_000_500)
    held = scheduled(site, server)
    assert (held.outcome, names(server)) == ("held", ["OneRoster.zip", moved])


def test_a_run_says_why_it_got_no_package(site: Site, server: Sftp) -> None:
    """If a fetch fails, sentence, reason and finding name the cause and the correction."""
    choose(site, source=f"sftp://{HOST}/out", source_connection="sis")
    run = scheduled(site, server, password="wrong")  # noqa: S106  it is meant to be
    assert run.outcome == "failed"
    assert run.reasons[0] == (
        f"{HOST} refused the login of sis; check login, password and key in the Airflow "
        "connection, and what they may read"
    )
    assert site.codes({"run_id": run.run_id}) == {"source.login_refused"}
    run = scheduled(site, server, port=closed_port())
    assert site.codes({"run_id": run.run_id}) == {"source.unreachable"}


def test_a_source_that_is_back_is_synced_by_the_next_try(site: Site, server: Sftp) -> None:
    """After a failed fetch, the next try of the same run succeeds without its findings."""
    choose(site, source=f"sftp://{HOST}/out", source_connection="sis")
    put(server, STAFF, at=1_790_000_000)
    request = Request(site=site.name, trigger=Trigger.SCHEDULE, requested_by="the schedule")
    usual = {"package.missing_manifest", "schema.missing_header"}
    run = begin(request, now=now())
    with pytest.raises(RetriableSourceError), pipeline.note_failure(run):
        pipeline.extract(run, Kind.PACKAGE, logins(server, port=closed_port()))
    run = pipeline.extract(runs.find(run.run_id), Kind.PACKAGE, logins(server))
    run = pipeline.diff(pipeline.validate(run))
    run = pipeline.apply(pipeline.review(run, now=now()), now=now())
    run = pipeline.record(run, now=now())
    assert (run.outcome, site.codes({"run_id": run.run_id})) == ("succeeded", usual)
    assert run.reasons == ()


def test_nothing_that_a_run_leaves_holds_a_secret(site: Site, server: Sftp) -> None:
    """Neither the run's folder nor its record nor the audit holds a secret of the connection."""
    choose(site, source=f"sftp://{HOST}/out", source_connection="sis")
    put(server, STAFF, at=1_790_000_000)
    run = scheduled(site, server)
    scheduled(site, server, extra={})
    folder = settings.storage() / "runs" / site.name
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "fetched.json" for path in files)
    kept = [path.read_bytes() for path in files]
    kept += [repr(row).encode() for row in site.rows("select * from runs where site = :site")]
    kept += [repr(row).encode() for row in site.rows("select * from events where site = :site")]
    assert run.run_id.encode() in b"".join(kept)
    for secret in (PASSWORD, server.host_key.split()[1]):
        assert secret.encode() not in b"".join(kept)


def test_a_folder_of_the_worker_follows_pattern_and_move(site: Site, tmp_path: Path) -> None:
    """A local folder is read by the pattern of names, and the package moved if the site says so."""
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "OneRoster.zip").write_bytes(STAFF)
    (drop / "other.zip").write_bytes(b"newer, and none of ours")
    os.utime(drop / "OneRoster.zip", (1_790_000_000, 1_790_000_000))
    choose(site, source=str(drop), source_pattern="oneroster*.zip", source_after="move")
    run = scheduled(site)
    assert run.outcome == "succeeded"
    moved = f"OneRoster.{run.started_at:%Y%m%dT%H%M%SZ}.zip"
    assert [path.name for path in (drop / "done").iterdir()] == [moved]
    assert sorted(path.name for path in drop.iterdir()) == ["done", "other.zip"]


def test_a_folder_of_csv_files_is_never_moved(site: Site, tmp_path: Path) -> None:
    """A folder of CSV files, which an SIS overwrites, is never moved."""
    drop = site.package({"users.csv": SCHOOL["users.csv"]})
    choose(site, source=drop.as_uri(), source_after="move")
    assert scheduled(site).outcome == "succeeded"
    assert [path.name for path in drop.iterdir()] == ["users.csv"]


def test_without_airflow_a_connection_cannot_be_used(site: Site) -> None:
    """A connection of Airflow can't be used outside of Airflow, and the error says so."""
    choose(site, source=f"sftp://{HOST}/out", source_connection="sis")
    request = Request(site=site.name, trigger=Trigger.SCHEDULE, requested_by="the schedule")
    with pytest.raises(SourceError, match="can only be used in Airflow"):
        pipeline.extract(begin(request, now=now()), Kind.PACKAGE)


HIDDEN = "Zqsecret"
NO_PACKAGES = {
    "passwd": f"root:{HIDDEN}:0:0:{HIDDEN}:/root:/bin/sh\n",
    "users.csv": f"{HIDDEN},{HIDDEN}2\n{HIDDEN}3,{HIDDEN}4\n",
    "settings.csv": f"key,value\nsecret,{HIDDEN}\n",
    "key.zip": f"-----BEGIN KEY-----\n{HIDDEN}\n",
    "settings.ini": f"[core]\nfernet_key = {HIDDEN}\n",
}


@pytest.mark.case("c11")
@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.parametrize("name", NO_PACKAGES)
def test_source_is_no_way_to_read_the_server(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, what: str
) -> None:
    """A file of the server that is not a package is not used, and its content is not shown."""
    caplog.set_level("DEBUG")
    place = tmp_path / "etc"
    place.mkdir()
    (place / name).write_text(NO_PACKAGES[name], "utf-8")
    path = place if what == "folder" else place / name
    choose(site, source=path.as_uri(), source_pattern="*")
    run = scheduled(site)
    assert run.outcome in {"rejected", "failed", "no_changes"}
    kept = Path(settings.storage().path) / "runs" / site.name
    files = [file for file in kept.rglob("*") if file.is_file()]
    rows = site.rows("select f::text from run_findings f where run_id::text = :run", run=run.run_id)
    assert HIDDEN not in f"{caplog.text} {run} {rows}"
    assert [file for file in files if HIDDEN.encode() in file.read_bytes()] == []
    assert site.users() == {}


@pytest.mark.case("b21")
def test_a_folder_that_is_still_written_is_not_read(site: Site, tmp_path: Path) -> None:
    """A run fails while a file of the folder is named as unfinished; the next one reads all."""
    folder = site.package({"users.csv": SCHOOL["users.csv"]})
    growing = folder / "courses.csv.part"
    growing.write_text(SCHOOL["courses.csv"][:20], "utf-8")
    choose(site, source=str(folder))

    run = scheduled(site)

    assert (run.outcome, site.users()) == ("failed", {})
    assert "still being written" in run.reasons[0]
    growing.write_text(SCHOOL["courses.csv"], "utf-8")
    growing.rename(folder / "courses.csv")
    assert scheduled(site).outcome == "succeeded"
    assert site.courses() == dict.fromkeys(("art", "maths"), "active")


@pytest.fixture
def closed() -> Iterator[Path]:
    """Yield a folder with a package and CSV files without the right to read them."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "csv").mkdir()
        (folder / "csv" / "users.csv").write_text(SCHOOL["users.csv"], "utf-8")
        (folder / "OneRoster.zip").write_bytes(STAFF)
        (folder / "shut").mkdir()
        for path in (folder / "csv" / "users.csv", folder / "OneRoster.zip", folder / "shut"):
            path.chmod(0o000)
        folder.chmod(0o755)
        # Root may read everything, so this process becomes another user here.
        me = os.geteuid()
        os.seteuid(65534 if me == 0 else me)
        try:
            yield folder
        finally:
            os.seteuid(me)
            (folder / "shut").chmod(0o700)


@pytest.mark.case("b23")
@pytest.mark.parametrize("name", ["OneRoster.zip", "csv", "shut"])
def test_unreadable_file_is_refused_in_one_sentence(closed: Path, name: str) -> None:
    """An unreadable file is named with the user id, and the fetch is not retried."""
    with (
        tempfile.TemporaryDirectory() as into,
        pytest.raises(RefusedSourceError, match=rf"user id \d+\) may not read .*{name}") as caught,
    ):
        local.copy(local.newest_package(closed / name), Path(into) / "copy", Patience())
    assert caught.value.code == "source.not_permitted"
    assert not isinstance(caught.value, RetriableSourceError)
