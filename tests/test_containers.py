"""Production in containers that really run: the Dockerfile and docker-compose.yaml.

Every command is a block of docs/guide/production.md, or of that page in the older version.
docs/design/containers.md lists what the replacements of official images can't show.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from composed import PROJECT
from live import UPLOAD, wait_for
from oneroster_sync import database
from places import zipped
from production import SERVICES, Production, older_version
from roster_of import NEXT_DAY, SCHOOL, changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.soak, pytest.mark.topology]

USER_OF = {"postgres": "999", "redis": "999"}
AIRFLOW_USER = "50000"
NOTHING = "0000000000000000"
WITH_EVE = changed(NEXT_DAY, "users.csv", "dan,true,aide,dan,Dan", "eve,true,aide,eve,Eve")
WITH_EVE = changed(WITH_EVE, "users.csv", "dan@x.org", "eve@x.org")
"""A package that no other test brings: whatever ran before, there is something to apply."""
NOTICED_S = 330
"""Airflow retries a task if its worker was silent for five minutes."""
PERSONAL = re.compile(r"\b(Ann|Lee|Bob|Ray|ann@x\.org|bob@x\.org)\b")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """Yield a new installation by the guide, of a checkout that only its owner can read."""
    there = Production.clone(tmp_path_factory.mktemp("new"), umask="077")
    try:
        there.start()
        yield there
    finally:
        there.remove()


def roster(there: Production) -> dict[str, str]:
    """Return the status of each user with a sourcedId."""
    query = "select sourced_id, status from users where sourced_id is not null order by 1"
    return dict(there.psql(query))


def sync(there: Production, package: dict[str, str]) -> dict[str, Any]:
    """Upload a package and wait for the end of its run.

    Services are healthy before Airflow has read the DAG file, so the first upload may be refused.
    """
    person, content = there.person(), zipped(package)

    def accepted() -> str | None:
        answer = person.send("POST", "sites/default/uploads?kind=package", content=content)
        if answer.status_code == 409 and answer.json()["code"] == "dag.unknown":
            return None
        run_id: str = answer.raise_for_status().json()["run_id"]
        return run_id

    return there.follow(person, wait_for(accepted))


def test_every_service_is_well_without_a_capability(
    there: Production, record_property: Callable[[str, object], None]
) -> None:
    """Each process runs as its service's user, without a capability or a way to get one."""
    healthy = there.wait_until_healthy()
    for service in SERVICES:
        for container in there.containers(service):
            assert container in healthy
            found = list(there.processes(container))
            assert found, container
            for process in found:
                user = USER_OF.get(service, AIRFLOW_USER)
                assert set(process["Uid"].split()) == {user}, (container, process["Name"])
                kept = {process[f"Cap{which}"] for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
                assert kept == {NOTHING}, (container, process["Name"])
                assert process["NoNewPrivs"] == "1", (container, process["Name"])
    record_property("soak", f"{len(healthy)} containers by podman and runc, stand-in images")


def test_nothing_of_the_image_can_be_changed(there: Production) -> None:
    """The root is read-only, root owns the code, and the image has no tools of the tests."""
    container = next(iter(there.containers("worker")))
    with pytest.raises(AssertionError, match="Read-only file system"):
        there.podman("exec", container, "touch", "/opt/oneroster/dags/more.py")
    owners = there.podman("exec", container, "find", "/opt/oneroster", "-not", "-user", "root")
    assert owners == ""
    packages = there.podman("exec", container, "pip", "list", "--format", "freeze")
    assert not re.search(r"(?m)^(pytest|mypy|ruff|playwright)==", packages)


def test_database_and_broker_have_no_way_outside(there: Production) -> None:
    """Only the API server listens, on the loopback address; the databases' network is closed."""
    published = there.podman("ps", "--format", "{{.Names}} {{.Ports}}")
    ports = [line for line in published.splitlines() if "->" in line]
    assert len(ports) == 1
    assert f"127.0.0.1:{there.port}->8080/tcp" in ports[0]
    (postgres,) = there.containers("postgres")
    networks = there.podman("inspect", postgres, "--format", "{{json .NetworkSettings.Networks}}")
    assert re.findall(r'"(oneroster_\w+)":', networks) == ["oneroster_databases"]
    assert (
        there.podman("network", "inspect", "oneroster_databases", "--format", "{{.Internal}}")
        == "true"
    )


def test_an_administrator_logs_in_by_the_form(there: Production) -> None:
    """FAB's form accepts the password of .env, and refuses another one."""
    given = there.variables()
    for password, may in ((given["ADMIN_PASSWORD"], True), ("wrong", False)):
        with httpx.Client(base_url=there.url, timeout=60, trust_env=False) as browser:
            form = browser.get("/auth/login/", follow_redirects=True).text
            token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', form)
            login = {"username": given["ADMIN_USERNAME"], "password": password}
            browser.post("/auth/login/", data={**login, "csrf_token": token[0]})
            answer = browser.get("/oneroster/api/v1/me")
            assert answer.is_success == may, answer.text
            if may:
                assert answer.json()["may"]["administer"]


def test_an_upload_is_synced_with_the_right_counts(there: Production) -> None:
    """A package goes through six stages on Celery's workers, and no log names a person."""
    began = time.monotonic()
    run = sync(there, SCHOOL)
    assert run["outcome"] == "succeeded", run
    assert time.monotonic() - began < 90
    counts = run["counts"]
    assert {kind: numbers["added"] for kind, numbers in counts.items()} == {
        "users": 3,
        "courses": 2,
        "assignments": 2,
    }
    assert roster(there) == {"ann": "active", "bob": "active", "cec": "active"}
    output = there.sh(there.guide("The first sync")[-1])
    assert "succeeded" in output
    for service in SERVICES:
        for container in there.containers(service):
            assert not PERSONAL.search(there.podman("logs", container)), container
    (container, *_) = there.containers("worker")
    secrets = [
        value
        for name, value in there.variables().items()
        if name.endswith(("_PASSWORD", "_KEY", "_SECRET"))
    ]
    logs = there.podman(
        "exec", container, "grep", "-rhF", "-e", "oneroster", "/var/lib/oneroster/logs"
    )
    assert [value for value in secrets if value and value in logs] == []


def test_a_scheduled_sync_reads_the_mounted_folder(there: Production) -> None:
    """`packages/` of the checkout is a source that every worker can read and none can write."""
    (there.folder / "packages" / "OneRoster.zip").write_bytes(zipped(NEXT_DAY))
    (there.folder / "packages").chmod(0o755)
    (there.folder / "packages" / "OneRoster.zip").chmod(0o644)
    person = there.person()
    saved = person.get("sites/default/preferences")
    settings = {**saved["settings"], "source": "/packages", "days": ["monday"], "time_utc": "02:30"}
    person.put("sites/default/preferences", {"settings": settings, "version": saved["version"]})
    person.put("sites/default/enabled", {"enabled": True})
    run = there.follow(person, person.post("sites/default/runs")["run_id"])
    assert (run["outcome"], run["trigger"]) == ("succeeded", "schedule"), run
    assert roster(there) == {"ann": "active", "bob": "inactive", "cec": "active", "dan": "active"}
    container = next(iter(there.containers("worker")))
    with pytest.raises(AssertionError, match="Read-only file system"):
        there.podman("exec", container, "touch", "/packages/more.zip")


def test_a_backup_can_be_restored(there: Production) -> None:
    """The guide's blocks restore a backup: later changes are gone, and the next sync works."""
    before = roster(there)
    backup, _encrypted = there.guide("Backup")
    there.sh(backup)
    kept = {file.name: file.stat().st_mode & 0o777 for file in (there.folder / "backups").iterdir()}
    assert kept == dict.fromkeys(("roster.dump", "airflow.dump", "storage.tar", "env"), 0o600)
    assert there.sh("git status --porcelain") == "", "git would include a backup"
    assert sync(there, SCHOOL)["outcome"] == "succeeded"
    assert roster(there) != before

    there.sh(*there.guide("Restore"))

    there.wait_until_healthy()
    assert roster(there) == before
    run = sync(there, SCHOOL)
    assert run["outcome"] == "succeeded", run
    assert roster(there)["bob"] == "active"


def test_a_worker_that_is_killed_loses_nothing(there: Production) -> None:
    """If a worker is killed during apply, nothing is changed, and another worker retries."""
    person = there.person()
    before = roster(there)
    lock = there.hold("lock table changes in exclusive mode; select pg_sleep(600)")
    try:
        started = person.upload(zipped(WITH_EVE))
        where = f"/api/v2/dags/{UPLOAD}/dagRuns/{started['dag_run_id']}/taskInstances/apply"

        def at_work() -> str | None:
            waits = "select 1 from pg_locks where not granted and relation = 'changes'::regclass"
            found = person.send("GET", where).json()
            return found["hostname"] if there.psql(waits) and found["state"] == "running" else None

        host = wait_for(at_work)
        (victim,) = [name for name in there.containers("worker") if there.hostname(name) == host]
        there.podman("kill", "--signal", "KILL", victim)
    finally:
        lock.kill()
        lock.wait()
        ended = (
            "select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'pg_sleep.600'"
        )
        there.psql(f"{ended} and pid <> pg_backend_pid()")
    assert roster(there) == before
    run = there.follow(person, started["run_id"], within_s=NOTICED_S + 180)
    assert run["outcome"] == "succeeded", run
    tries = person.send("GET", where).json()
    assert tries["try_number"] == 2
    assert tries["hostname"] != host
    assert roster(there)["eve"] == "active"
    there.sh("docker compose up --detach")
    there.wait_until_healthy()


def test_everything_may_go_down_and_come_up(there: Production) -> None:
    """`down` and `up` lose nothing: the volumes stay, and `prepare` finds everything ready."""
    before = roster(there)
    there.sh("docker compose down", "docker compose up --detach")
    there.wait_until_healthy()
    assert roster(there) == before
    (prepare,) = there.containers("prepare")
    assert "there already" in there.podman("logs", prepare)


def test_an_older_version_is_upgraded_and_goes_back(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """An upgrade migrates the schema and keeps the history; a restored backup goes back."""
    older = older_version(PROJECT)
    there = Production.clone(tmp_path, f"git -C {PROJECT} archive {older}")
    try:
        there.start()
        old_schema = there.psql("select version_num from oneroster_schema_version")
        first = sync(there, SCHOOL)
        assert first["outcome"] == "succeeded", first
        before, old = roster(there), there.sh("git rev-parse HEAD").strip()

        there.release()
        there.sh("git fetch -q origin && git checkout -q origin/main -- docs/guide/production.md")
        backup, restore, upgrade = (there.guide(each) for each in ("Backup", "Restore", "Upgrade"))
        there.sh("git checkout -q HEAD -- docs/guide/production.md", backup[0], *upgrade)

        there.wait_until_healthy()
        new_schema = there.psql("select version_num from oneroster_schema_version")
        assert new_schema == [[database.HEAD]] != old_schema
        migrations = f"migrations {old_schema[0][0]} to {database.HEAD}"
        record_property("soak", f"from {older} and back, {migrations}")
        assert roster(there) == before
        run = sync(there, NEXT_DAY)
        assert run["outcome"] == "succeeded", run
        assert roster(there)["bob"] == "inactive"
        output = there.sh("docker compose exec worker oneroster history --json")
        assert first["run_id"] in output

        there.sh(
            f"git checkout -q {old}",
            "docker compose down",
            "docker compose build",
            "docker compose up --detach postgres",
            *restore,
        )
        there.wait_until_healthy()
        assert there.psql("select version_num from oneroster_schema_version") == old_schema
        assert roster(there) == before
        assert sync(there, NEXT_DAY)["outcome"] == "succeeded"
    finally:
        there.remove()
