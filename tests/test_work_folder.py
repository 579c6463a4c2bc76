"""A package's files that a killed process leaves behind are removed by the next process."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import csv_text
from oneroster_sync import settings
from oneroster_sync.operations import retention
from oneroster_sync.settings import SettingError
from oneroster_sync.sources import uploads, work_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site

WORK = """
import sys
from oneroster_sync.sources.work_folder import work_folder
with work_folder() as folder:
    (folder / "OneRoster.zip").write_bytes(b"students")
    print(folder, flush=True)
    sys.stdin.read()
"""
UPLOAD = """
import sys
from oneroster_sync.sources.sniff import Kind
from oneroster_sync.sources.uploads import Receiving
with Receiving(sys.argv[1], Kind.USERS) as receiving:
    receiving.write(b"sourcedId,status,dateLastModified,enabledUser" * 99)
    receiving._file.flush()
    print(receiving._part.path, flush=True)
    sys.stdin.read()
"""
USERS = csv_text(
    "sourcedId,enabledUser,orgSourcedIds,role,username,givenName,familyName,email",
    "ann,true,s,teacher,ann,Ann,Lee,ann@x.example",
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all work folders in this test."""
    folder = tmp_path / "temporary"
    monkeypatch.setenv("ONEROSTER_TEMPORARY", str(folder))
    return folder


@contextmanager
def working(script: str, *words: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a process that makes a file and waits; yield it and the path that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


def killed(script: str, *words: str) -> Path:
    """Let a process make a file, kill it, and return the path of the file."""
    with working(script, *words) as (process, left):
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert left.exists()
    return left


@pytest.mark.case("c32")
def test_what_a_killed_process_left_is_swept(temporary: Path) -> None:
    """A sweep removes the whole folder of a killed process; a second sweep finds nothing."""
    left = killed(WORK)
    assert (left / "OneRoster.zip").read_bytes() == b"students"
    assert work_folder.sweep() == 1
    assert list(temporary.iterdir()) == []
    assert work_folder.sweep() == 0


@pytest.mark.case("c32")
def test_the_folder_of_a_living_process_is_spared() -> None:
    """A sweep spares the folders of running processes, its own included."""
    with working(WORK) as (_, theirs), work_folder.work_folder() as mine:
        assert work_folder.sweep() == 0
        assert theirs.exists()
        assert mine.exists()
    assert not mine.exists()


@pytest.mark.case("c32")
def test_a_block_that_ends_leaves_nothing(temporary: Path) -> None:
    """A work folder is removed at the end of its block, even after an error."""
    with work_folder.work_folder() as folder:
        (folder / "inside").mkdir()
    with pytest.raises(ValueError, match="x"), work_folder.work_folder():
        raise ValueError("x")
    assert list(temporary.iterdir()) == []


@pytest.mark.case("c32")
def test_nobody_else_can_enter(temporary: Path) -> None:
    """Only the owner can enter the folders, even one that existed with open permissions."""
    temporary.mkdir(mode=0o755)
    with work_folder.work_folder() as folder:
        for path in (temporary, folder):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.case("c32")
def test_a_folder_of_somebody_else_is_refused(temporary: Path, tmp_path: Path) -> None:
    """A folder that is a link or belongs to another user is refused, and nothing is written."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    temporary.symlink_to(elsewhere)
    with pytest.raises(SettingError, match="ONEROSTER_TEMPORARY"), work_folder.work_folder():
        pass
    temporary.unlink()
    if os.geteuid() == 0:
        temporary.mkdir()
        os.chown(temporary, 65534, 65534)
        with pytest.raises(SettingError, match="ONEROSTER_TEMPORARY"), work_folder.work_folder():
            pass
        shutil.rmtree(temporary)


@pytest.mark.case("c32")
def test_every_run_sweeps(site: Site) -> None:
    """The next run of any site removes the leftovers, and so does the watch."""
    left = killed(WORK)
    assert site.sync({"users.csv": USERS})["outcome"] == "succeeded"
    assert not left.exists()
    again = killed(WORK)
    retention.delete_expired(site.name, now=dt.datetime.now(dt.UTC))
    assert not again.exists()


@pytest.mark.case("c32")
def test_an_upload_that_was_cut_off_by_a_kill_goes(site: Site) -> None:
    """A dead server's partial upload is removed within minutes, but a running upload never is."""
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2)
    with working(UPLOAD, site.name) as (_, part):
        uploads.sweep_unfinished(site.name, now=later + dt.timedelta(hours=1))
        assert part.exists()
    left = killed(UPLOAD, site.name)
    whole = settings.storage_of("uploads", site.name) / "whole" / "users.csv"
    whole.parent.mkdir(parents=True)
    whole.write_bytes(b"x")
    uploads.sweep_unfinished(site.name, now=later)
    assert not left.parent.exists()
    assert whole.exists()


@pytest.mark.case("c32")
def test_a_run_sweeps_uploads_that_were_cut_off(site: Site) -> None:
    """The next run removes interrupted uploads."""
    left = killed(UPLOAD, site.name)
    earlier = dt.datetime.now().timestamp() - 120  # noqa: DTZ005  as in the file system
    os.utime(left, (earlier, earlier))
    site.sync({"users.csv": USERS})
    assert not left.parent.exists()
