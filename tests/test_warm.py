"""The process that runs tasks preloads what they need, and starts Airflow unchanged."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from oneroster_sync import database

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

HEAVY = {
    "airflow",
    "great_expectations",
    "jinja2",
    "marshmallow",
    "numpy",
    "pandas",
    "psycopg",
    "pyarrow",
    "pydantic",
    "sqlalchemy",
}
SYNC = """
import sys
from oneroster_sync.stages import preload
preload.load()
before = set(sys.modules)
from oneroster_sync.cli import main
sys.argv = ["oneroster", "-q", "sync", "--site", sys.argv[1], sys.argv[2]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before}), file=sys.stderr)
"""


def test_sync_imports_no_large_library_after_the_preload(site: Site, data: Path) -> None:
    """All six stages run, and no module of the large libraries is imported after the preload."""
    done = subprocess.run(
        [sys.executable, "-c", SYNC, site.name, str(data / "school-small-1.1.zip")],
        env={**os.environ, "ONEROSTER_DATABASE_URL": database.url()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert HEAVY.isdisjoint(done.stderr.splitlines()[-1].split())


READ = """
import sys
from oneroster_sync.stages import preload
preload.load_dags()
before = set(sys.modules)
from oneroster_airflow.dags import make_dag
make_dag("oneroster_upload__default"), make_dag("oneroster_sync__default")
make_dag("oneroster_watch")
print(*sorted(set(sys.modules) - before))
"""


def test_dag_file_imports_nothing_large_after_the_preload(site: Site) -> None:
    """The handlers of all providers' asset addresses are imported before a fork reads the file."""
    del site
    done = subprocess.run(
        [sys.executable, "-c", READ],
        env={**os.environ, "ONEROSTER_DATABASE_URL": database.url()},
        capture_output=True,
        text=True,
        check=True,
    )
    new = done.stdout.splitlines()[-1].split()
    assert {"boto3", "botocore"}.isdisjoint(new)
    assert len(new) < 20, new


def test_airflow_is_started_unchanged() -> None:
    """The module runs Airflow's own command line, with its arguments."""
    command = [sys.executable, "-m", "oneroster_sync.stages.preload", "scheduler", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "airflow scheduler" in done.stdout
    assert "--skip-serve-logs" in done.stdout
