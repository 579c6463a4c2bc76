"""Run a production of many sites, each with its own source, all defined in one file.

    with house(4, folder) as there:
        there.make(100, at=None)

The services are those of docker-compose.yaml (tests/cluster.py), with its sizes and timeouts.
Storage and sources are folders that all workers share, as by default.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import yaml

from benchmarks import PROJECT
from benchmarks.districts import packages
from cluster import SERVERS, WORKERS, cluster
from live import wait_for
from oneroster_sync.database.embedded import postgres, postmaster
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cluster import Cluster

ADMIN = "admin@example.org"
FIRST = "default"
"""The site that exists from the beginning; it has no schedule."""
YEAR = 2026
_DAYS = (1, 2)
_READ_S = 1_200
_SITES_DAGS = """
select count(*) from dag where not is_stale and dag_id ~ '^oneroster_(sync|upload)__site-'
"""
_DUE = "select count(*) from dag where not is_paused and next_dagrun = %s"
_SAME_WEIGHTS = """\
def task_policy(task):
    task.priority_weight, task.weight_rule = 1, "downstream"
"""
"""Code that resets the priority weights of the uploads' DAGs, by Airflow's own hook."""


@dataclass
class House:
    """The running production, and its sites' packages.

    Attributes:
        there: The running services.
        folder: Contains a folder for each site, and the file of all sites.
        size: Size of every site: S, M or L.
        distinct: Number of different districts, which the sites share in turns.
    """

    there: Cluster
    folder: Path
    size: str
    distinct: int

    def sites(self, count: int) -> list[str]:
        """Return the names of the first `count` sites."""
        return [f"site-{number:05}" for number in range(1, count + 1)]

    def copy_packages(self, count: int, day: int) -> None:
        """Copy the package of a day into each site's folder."""
        for number, name in enumerate(self.sites(count)):
            own = self.folder / name
            own.mkdir(exist_ok=True)
            fresh = own / ".OneRoster.zip"
            fresh.unlink(missing_ok=True)
            # A link takes no time and no space, and the rename shows a sync a whole package or the
            # one before.
            os.link(self.package(number, day), fresh)
            fresh.replace(own / "OneRoster.zip")

    def package(self, number: int, day: int) -> Path:
        """Return the zip of a district on a day; create it if needed."""
        seed = 1 + number % self.distinct
        path = self.folder / f"{self.size}-{seed}-day{day}.zip"
        if not path.exists():
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(packages(self.size, seed, YEAR)[day].iterdir()):
                    archive.write(file, file.name)
        return path

    def apply(self, count: int, at: dt.datetime | None) -> float:
        """Create sites from a file, optionally due at a time; return the seconds."""
        began = time.perf_counter()
        applied = self.there.live.oneroster("sites", "apply", str(self.write_file(count, at)))
        assert applied["outcome"] in {"succeeded", "no_changes"}, applied
        return time.perf_counter() - began

    def write_file(self, count: int, at: dt.datetime | None) -> Path:
        """Write the file of the first `count` sites."""
        sites: dict[str, dict[str, Any]] = {}
        for name in self.sites(count):
            sites[name] = {"credited_admin": ADMIN, "source": str(self.folder / name)}
            if at is not None:
                sites[name] |= {"days": [f"{at:%A}".lower()], "time_utc": f"{at:%H:%M}"}
        file = self.folder / "sites.yaml"
        file.write_text(yaml.safe_dump({"version": 1, "sites": sites}), "utf-8")
        return file

    def wait_for_dags(self, count: int) -> float:
        """Wait until Airflow has the sites' DAGs; return the seconds."""
        began = time.perf_counter()
        wait_for(lambda: self.airflow(_SITES_DAGS) == [(2 * count,)] or None, within_s=_READ_S)
        return time.perf_counter() - began

    def switch_on(self, count: int) -> None:
        """Enable the syncs of the first `count` sites."""
        for name in self.sites(count):
            self.there.live.admin.put(f"sites/{name}/enabled", {"enabled": True})

    def is_due(self, count: int, at: dt.datetime) -> bool:
        """Return whether Airflow plans runs of all sites for a time."""
        return self.airflow(_DUE, at) == [(count,)]

    def reset_priorities(self) -> None:
        """Reset the priority of uploads' tasks; the DAG processor parses the DAGs again."""
        home = self.there.services.home("dag-processor")
        policy = home / "airflow" / "config" / "airflow_local_settings.py"
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text(_SAME_WEIGHTS, "utf-8")
        # Airflow reads its local settings only when a process starts.
        self.there.services.kill("dag-processor")
        self.there.start("dag-processor")
        path = f"/api/v2/dags/{dag_names.upload_dag_id(FIRST)}/tasks"

        def is_so() -> bool | None:
            tasks = self.there.live.api._call("GET", path)["tasks"]  # noqa: SLF001  tests' own
            return {task["priority_weight"] for task in tasks} == {1} or None

        wait_for(is_so, within_s=_READ_S)

    def airflow(self, query: str, *bound: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query of Airflow's database."""
        with psycopg.connect(self.database) as connection:
            return connection.execute(query, bound).fetchall()

    @property
    def database(self) -> str:
        """Return the URL of Airflow's database."""
        return postgres.url(self.there.live.home, "airflow")

    def airflow_mib(self) -> float:
        """Return the size of Airflow's database."""
        ((size,),) = self.airflow("select pg_database_size('airflow')")
        return float(size) / (1 << 20)

    def services(self) -> dict[str, list[int]]:
        """Return service → ids of its first processes."""
        running = self.there.services.running
        found = {name: [running[name].pid] for name in (*SERVERS, "redis")}
        found["workers"] = [running[name].pid for name in WORKERS]
        server = postmaster.find(self.there.live.home / "postgres" / "data")
        assert server is not None
        return {**found, "PostgreSQL": [server.pid]}

    def run(self, service: str, *command: str) -> str:
        """Run one of our programs in the environment of a service; return its output."""
        done = subprocess.run(  # noqa: S603  programs of our own
            command,
            env=self.there.services.environment(service, "shell"),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed: {done.stdout}{done.stderr}"[-4000:])
        return done.stdout

    def upload(self, day: int) -> dict[str, Any]:
        """Upload the first district's package of a day to the first site."""
        content = self.package(0, day).read_bytes()
        started: dict[str, Any] = self.there.live.admin.upload(content)
        return started


@contextlib.contextmanager
def house(folder: Path, size: str, distinct: int, variables: Mapping[str, str]) -> Iterator[House]:
    """Start production as in docker-compose.yaml, and clean up after the block.

    Args:
        folder: Folder for packages and storage, which the workers share.
        size: Size of every site: S, M or L.
        distinct: How many different districts there are.
        variables: Variables in which `.env` differs from `.env.example`.
    """
    as_shipped = {
        "ONEROSTER_STORAGE_URL": (folder / "storage").as_uri(),
        "REMOTE_LOGGING": "False",
        "REMOTE_LOGS_URL": "",
        "WORKER_CONCURRENCY": "",
        "PARALLELISM": "",
    }
    (folder / "storage").mkdir()
    with cluster({**as_shipped, **variables}, settings={}) as there:
        yield House(there, folder, size, distinct)


def as_seconds(output: str) -> list[float]:
    """Return the numbers that a program printed as JSON."""
    return [float(one) for one in json.loads(output)]
