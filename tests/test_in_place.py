"""A folder is read in place: each file once, without a copy, and never parts of two exports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from oneroster_sync import database, runs
from oneroster_sync.settings import Limits
from oneroster_sync.sources.digest import Hashing, sha256_of
from oneroster_sync.sources.errors import NotReadyError
from oneroster_sync.sources.in_place import FolderInPlace
from roster_of import SCHOOL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Site

LIMITS = Limits()
_SYNC = """
import json, sys
from oneroster_sync import cli
package, change, *words = sys.argv[1:]
opened, changing = [], False

def look(event, arguments):
    global changing
    if event != "open" or not isinstance(arguments[0], str) or changing:
        return
    path, _, flags = arguments
    if path.startswith(package + "/"):
        opened.append(path.removeprefix(package + "/"))
        if change and path.endswith("users.csv"):  # the last of them: all others are open by now
            changing = True
            exec(change, {"package": package})
            changing = False
    elif flags & 3 and path.endswith(".csv"):
        opened.append(f"written: {path}")

sys.addaudithook(look)
try:
    cli.main(["-q", "sync", package, *words])
finally:
    print(json.dumps(opened))
"""


def sync_watched(site: Site, package: Path, change: str = "") -> list[str]:
    """Sync in a process of its own, and return each opening of the package's files."""
    done = subprocess.run(
        [sys.executable, "-c", _SYNC, str(package), change, "--site", site.name, "--json"],
        env=os.environ | {"ONEROSTER_DATABASE_URL": database.url()},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout, done.stderr
    opened: list[str] = json.loads(done.stdout.splitlines()[-1])
    return opened


def newest(site: Site) -> runs.Run:
    """Return the newest run of a site."""
    with database.engine().connect() as connection:
        return runs.list_newest(connection, site.name, 1)[0]


def test_each_file_is_opened_once_and_none_is_copied(site: Site) -> None:
    """A sync opens each file of the folder once and writes no CSV file."""
    package = site.package(SCHOOL)
    opened = sync_watched(site, package)
    assert sorted(opened) == sorted(SCHOOL)
    assert newest(site).outcome is runs.Outcome.SUCCEEDED
    assert newest(site).sha256 == sha256_of(package)


@pytest.mark.case("b22")
def test_folder_that_changes_while_it_is_read_is_not_ready(site: Site) -> None:
    """A run whose folder changes while it is read fails without a change; a new sync succeeds."""
    package = site.package(SCHOOL)
    sync_watched(site, package, "open(package + '/courses.csv', 'a').write('\\\\n')")
    run = newest(site)
    assert run.outcome is runs.Outcome.FAILED
    assert site.codes({"run_id": run.run_id}) == {"source.not_ready"}
    assert site.users() == {}
    (package / "courses.csv").write_text(SCHOOL["courses.csv"], "utf-8")
    assert site.sync(package)["outcome"] == "succeeded"


_BESIDE = """
import gc, importlib.util, sys
from pydantic.v1 import main
from oneroster_sync.stages.validate import gx_loader
before = main.smart_deepcopy
gx_loader.load_beside()
gx_loader.load_beside()
gx_loader.load()
assert main.smart_deepcopy is before
assert gc.isenabled()
assert [name for name, module in sys.modules.items() if module is None] == []
from great_expectations.expectations.registry import list_registered_expectation_implementations
assert "expect_column_values_to_refer_to" in list_registered_expectation_implementations()
print("loaded once")
"""


def test_great_expectations_is_loaded_while_the_package_is_read() -> None:
    """Great Expectations loads in a thread beside the reading, once, and leaves nothing patched."""
    command = [sys.executable, "-c", _BESIDE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.endswith("loaded once\n"), done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files, one of them in a subfolder."""
    folder = tmp_path / "export"
    (folder / "more").mkdir(parents=True)
    for name in ("b.csv", "a.csv", "more/c.csv"):
        (folder / name).write_bytes(name.encode() * 100_000)
    return folder


def _same_size_and_time(folder: Path) -> None:
    before = (folder / "a.csv").stat()
    with (folder / "a.csv").open("r+b") as file:
        file.write(b"x")
    os.utime(folder / "a.csv", ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(folder: Path) -> None:
    before = (folder / "a.csv").stat()
    (folder / "new").write_bytes((folder / "a.csv").read_bytes())
    os.utime(folder / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / "new").rename(folder / "a.csv")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a.csv").write_bytes(b"other"),
        _same_size_and_time,
        _replace,
        lambda folder: (folder / "d.csv").write_bytes(b""),
        lambda folder: (folder / "more" / "c.csv").unlink(),
        lambda folder: (folder / "more").rename(folder / "less"),
    ],
    ids=["written", "same size and time", "replaced", "added", "removed", "renamed"],
)
def test_every_change_is_noticed(folder: Path, change: Callable[[Path], object]) -> None:
    """Each change of bytes or of the listing is noticed, even with the same size and time."""
    with FolderInPlace.open(folder, LIMITS) as opened:
        assert opened is not None
        opened.check_unchanged()
        change(folder)
        with pytest.raises(NotReadyError, match="changed while it was read"):
            opened.check_unchanged()


def test_what_was_opened_is_what_is_read(folder: Path) -> None:
    """Readers of one file are independent, later files are refused, the hash is the folder's."""
    expected = sha256_of(folder)
    with FolderInPlace.open(folder, LIMITS) as opened:
        assert opened is not None
        one, two = opened.read(folder / "a.csv"), opened.read(folder / "a.csv")
        assert (one.read(3), two.read(5), one.read(2)) == (b"a.c", b"a.csv", b"sv")
        with Hashing(opened.sha256) as hashing:
            assert hashing.result() == expected
        with pytest.raises(NotReadyError):
            opened.read(folder / "later.csv")


def test_links_and_what_is_too_large_are_copied_first(folder: Path, tmp_path: Path) -> None:
    """A folder with a link or too much data is not read in place; its copy reports errors."""
    small = Limits(unpacked=1000)
    with FolderInPlace.open(folder, small) as opened:
        assert opened is None
    with FolderInPlace.open(tmp_path / "nothing", LIMITS) as opened:
        assert opened is None
    (folder / "link.csv").symlink_to(folder / "a.csv")
    with FolderInPlace.open(folder, LIMITS) as opened:
        assert opened is None
