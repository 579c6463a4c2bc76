"""A poison package: whoever reads it is ended by the system, and the next day's is synced."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from oneroster_sync.store import database
from roster_of import SCHOOL

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

MIB = 1 << 20
STAFF = 400_000
SPARE = 64 * MIB
"""What a process gets beyond what the small school takes."""
_SYNC = """
import sys
from pathlib import Path
from oneroster_sync.cli import main
try:
    main()
finally:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmPeak:"):
            print(int(line.split()[1]) << 10)
"""


def sync(site: Site, package: Path, limit: int | None = None) -> tuple[int, str, str]:
    """Sync a package in a process with so much memory; return its end and what it said."""
    limited = partial(resource.setrlimit, resource.RLIMIT_AS, (limit, limit)) if limit else None
    ended = subprocess.run(
        [sys.executable, "-c", _SYNC, "sync", str(package), "--site", site.name, "--json"],
        env={**os.environ, "ONEROSTER_DATABASE_URL": database.url()},
        preexec_fn=limited,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture
def poison(site: Site) -> Path:
    """A package that needs more memory than there is."""
    header = SCHOOL["users.csv"].splitlines()[0]
    rows = (f"{n:060},true,teacher,u{n},Given,Family,u{n}@x.org\n" for n in range(STAFF))
    return site.package({**SCHOOL, "users.csv": f"{header}\n" + "".join(rows)})


@pytest.mark.case("b34")
def test_next_day_is_not_blocked(site: Site, poison: Path) -> None:
    """A reader that runs out of memory each time leaves failed runs, and nothing else."""
    code, told, _ = sync(site, site.package(SCHOOL))
    assert code == 0
    limit = int(told.splitlines()[-1]) + SPARE

    for _ in range(2):
        code, _, said = sync(site, poison, limit)
        assert code != 0, said
    code, told, said = sync(site, site.package(SCHOOL), limit)

    assert code == 0, said
    assert json.loads(told.splitlines()[0])["outcome"] == "no_changes"
    assert site.users() == dict.fromkeys(("ann", "bob", "cec"), "active")
    ends = site.rows("select outcome from runs where site = :site order by started_at")
    assert ends == [("succeeded",), ("failed",), ("failed",), ("no_changes",)]
