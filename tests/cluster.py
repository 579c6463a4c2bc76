"""The production setup on one machine: the services of docker-compose.yaml, two workers, a bucket.

    with cluster() as there:
        there.consume_only("worker-1")
        there.live.admin.upload(zipped(SCHOOL))

PostgreSQL is the embedded one, reached by URL; Redis is Debian's; the bucket is on an S3 server.
The workers share no folder with each other or with any other service.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import celery
import kombu.pools
import psycopg
import sqlalchemy as sa

import composed
from live import Live, wait_for
from oneroster_sync.database.embedded import postgres
from oneroster_sync.local import airflow
from oneroster_sync.local.airflow_api import Api
from servers import BUCKET, HOST, S3, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composed import Services
    from oneroster_sync.local.airflow_api import Run

QUEUE = "default"
WORKERS = ("worker-1", "worker-2")
PEOPLE = {"viewer": "Viewer", "op": "Op"}
"""Login → FAB's role; the password is the login."""
SERVERS = ("api-server", "scheduler", "dag-processor", "triggerer")
_BOOT_S = 300
SOONER = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
}
"""Airflow notices a dead worker after seconds here; production takes five minutes."""


@dataclass
class Cluster:
    """The running services, their API clients, and the bucket and database that they share."""

    services: Services
    live: Live
    bucket: S3
    broker: str
    engine: sa.Engine

    def start(self, *names: str) -> None:
        """Start services one after the other, and wait until each reports that it is healthy."""
        for name in names:
            self.services.start(name, name, *(["--skip-serve-logs"] if name == "triggerer" else []))
            if name in {"redis", "api-server"}:  # others need them at start
                self._wait_until_well(name)
            if name == "api-server":
                self.live.api.warm_up()
        for name in names:
            self._wait_until_well(name)

    def start_worker(self, name: str) -> None:
        """Start a worker, and wait until it consumes the queue.

        On one machine two log servers would need the same port, so there is none: the logs are read
        from the bucket.
        """
        self.services.start("worker", name, "--celery-hostname", name, "--skip-serve-logs")
        wait_for(lambda: self._queues(name) or None, within_s=_BOOT_S)

    def consume_only(self, *names: str) -> None:
        """Let these workers take tasks from the queue, and no others."""
        for name in self._workers():
            control = self._control()
            command = control.add_consumer if name in names else control.cancel_consumer
            command(QUEUE, destination=[f"celery@{name}"], reply=True, timeout=20)
            while (QUEUE in self._queues(name)) != (name in names):
                time.sleep(0.2)

    def consume_all(self) -> None:
        """Let all workers take tasks from the queue.

        A worker that once stopped consuming the queue doesn't consume it after a reconnect.
        """
        self.consume_only(*self._workers())

    def ran(self, dag_run: Run, stage: str) -> dict[str, list[str]]:
        """Return, for each worker, the tries of a task that have a log on the worker's own disk."""
        under = f"dag_id={dag_run.dag_id}/run_id={dag_run.run_id}/task_id={stage}"
        found = {
            name: sorted(file.name for file in (home / "logs" / under).glob("attempt=*.log"))
            for name in self._workers()
            if (home := self.services.home(name)).exists()
        }
        return {name: tries for name, tries in found.items() if tries}

    def left_on(self, name: str) -> list[str]:
        """Return the files of runs on a worker's disk: packages, snapshots, plans."""
        home = self.services.home(name)
        kept = [home / part for part in ("storage", "home", "tmp", "work")]
        return sorted(str(path) for folder in kept for path in folder.rglob("*") if path.is_file())

    def wait_for_task(self, run: Run, stage: str, state: str) -> None:
        """Wait until a task is in a state."""
        wait_for(lambda: self.live.states(run).get(stage) == state or None)

    def _wait_until_well(self, name: str) -> None:
        def is_well() -> bool | None:
            log = self.services.log_file(name)
            assert self.services.is_running(name), log.read_text("utf-8")[-4000:]
            return self.services.is_healthy(name) or None

        wait_for(is_well, within_s=_BOOT_S)

    def _control(self) -> Any:
        """Return Celery's control over a new connection: Redis may have closed the pooled one."""
        kombu.pools.reset()
        return celery.Celery(broker=self.broker, set_as_current=False).control

    def _workers(self) -> list[str]:
        return [name for name in self.services.running if name.startswith("worker")]

    def _queues(self, name: str) -> list[str]:
        node = f"celery@{name}"
        found = self._control().inspect(destination=[node], timeout=5).active_queues() or {}
        return [queue["name"] for queue in found.get(node, [])]


@contextlib.contextmanager
def cluster(
    variables: Mapping[str, str] | None = None, settings: Mapping[str, str] = SOONER
) -> Iterator[Cluster]:
    """Start all services as production does, and stop them and delete their files at the end.

    Args:
        variables: Values of `.env` that differ from the defaults.
        settings: Additional environment variables, which shorten the tests' waits.
    """
    assert shutil.which("redis-server"), (
        "There is no redis-server, which Celery needs: make redis, or install it yourself "
        "(on Debian: apt-get install redis-server)"
    )
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="cluster-", ignore_cleanup_errors=True)
            )
        )
        database = folder / "database"
        postgres.start(database)
        stack.callback(postgres.stop, database)
        with psycopg.connect(postgres.url(database, "airflow"), autocommit=True) as server:
            server.execute("create database celery")
        bucket = stack.enter_context(s3_server())
        variables = {**composed.make_env(folder), **_own(database, bucket), **(variables or {})}
        api, health, redis = (airflow.free_port() for _ in range(3))
        origin = f"http://{HOST}:{api}"
        services = composed.Services(
            folder,
            composed.read(variables),
            {
                "http://api-server:8080": origin,
                "http://localhost:8080": origin,
                "http://localhost:8974": f"http://{HOST}:{health}",
                "@redis:6379": f"@{HOST}:{redis}",
                "redis-server": f"redis-server --bind {HOST} --port {redis}",
                "redis-cli": f"redis-cli -p {redis}",
            },
            {
                **settings,
                "AIRFLOW__API__HOST": HOST,
                "AIRFLOW__API__PORT": str(api),
                "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(health),
            },
        )
        stack.callback(services.stop)
        client = stack.enter_context(Api(origin, "admin"))
        yield _up(services, Live(client, {}, database, origin), bucket)


def _own(database: Path, bucket: S3) -> dict[str, str]:
    """Return the `.env` values of an installation that uses its own PostgreSQL and bucket."""
    places = {name: postgres.url(database, name) for name in ("airflow", "roster", "celery")}
    bare = {name: url.removeprefix("postgresql") for name, url in places.items()}
    return {
        "COMPOSE_PROFILES": "redis",
        "ADMIN_PASSWORD": "admin",
        "AIRFLOW_DATABASE_URL": f"postgresql+psycopg2{bare['airflow']}",
        "ONEROSTER_DATABASE_URL": places["roster"],
        "ONEROSTER_OWNER_URL": "",
        "CELERY_RESULT_BACKEND": f"db+postgresql+psycopg{bare['celery']}",
        "ONEROSTER_STORAGE_URL": f"s3://{BUCKET}/oneroster",
        "REMOTE_LOGGING": "True",
        "REMOTE_LOGS_URL": f"s3://{BUCKET}/logs",
        "AWS_ACCESS_KEY_ID": bucket.key,
        "AWS_SECRET_ACCESS_KEY": bucket.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": bucket.url,
        "WORKER_CONCURRENCY": "2",
    }


def _up(services: Services, live: Live, bucket: S3) -> Cluster:
    broker = services.environment("worker")["AIRFLOW__CELERY__BROKER_URL"]
    url = postgres.url(live.home, "roster").replace("postgresql", "postgresql+psycopg", 1)
    found = Cluster(services, live, bucket, broker, sa.create_engine(url))
    found.start("redis")
    services.run("prepare")
    for login, role in PEOPLE.items():
        who = ("--username", login, "--password", login, "--role", role)
        mail = ("--email", f"{login}@example.org", "--firstname", login, "--lastname", login)
        services.run("api-server", "airflow", "users", "create", *who, *mail)
    live.environment = services.environment("worker", "shell")
    live.oneroster("init", "--site", "default", "--admin", "admin@example.org")
    found.start(*SERVERS)
    for name in WORKERS:
        found.start_worker(name)
    wait_for(lambda: live.api.has_dag("oneroster_upload__default") or None, within_s=_BOOT_S)
    return found
