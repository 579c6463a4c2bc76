"""Production as in docker-compose.yaml: parts share only databases, broker and bucket.

Real processes run with the file's own commands and environments: FAB's logins, Celery on Redis, and
two workers with homes of their own. docs/design/topology.md says what the death of each part
causes.
"""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from cluster import QUEUE, SERVERS, WORKERS, Cluster, cluster
from live import STAGES, UNASKED, UPLOAD, wait_for
from oneroster_sync.database import locks
from oneroster_sync.local.airflow_api import Run
from places import zipped
from roster_of import NEXT_DAY, SCHOOL, changed
from servers import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

FIRST, SECOND = WORKERS
WRONG = changed(SCHOOL, "users.csv", "cec@x.org", "no address")
DAY_AFTER = changed(NEXT_DAY, "courses.csv", "art,Art,", "art,Arts,")


@pytest.fixture(scope="module")
def there() -> Iterator[Cluster]:
    """Production, with both workers consuming the queue."""
    with cluster() as running:
        yield running


def dag_run_of(started: dict[str, Any]) -> Run:
    """Return the DAG run that the API started."""
    return Run(started["dag_id"], started["dag_run_id"], "queued")


def roster(there: Cluster) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return status by user, title by course, and status by assignment."""
    rows = there.live.rows
    users = dict(rows("select sourced_id, status from users where sourced_id is not null"))
    courses = dict(rows("select sourced_id, title from courses"))
    query = (
        "select u.sourced_id || ' ' || c.sourced_id, a.status from course_assignments a "
        "join users u on u.id = a.user_id join courses c on c.id = a.course_id"
    )
    return users, courses, dict(rows(query))


def is_planned(at: dt.datetime | None) -> bool:
    """Return whether the next scheduled sync is on a Monday at 02:30, in the future."""
    return at is not None and f"{at:%A %H:%M}" == "Monday 02:30" and at > dt.datetime.now(dt.UTC)


def test_every_service_says_that_it_is_well(there: Cluster) -> None:
    """Each service's health check passes, and fails for a worker that does not exist."""
    for name in ("redis", *SERVERS):
        assert there.services.is_healthy(name), name
    for name in WORKERS:
        assert there.services.is_healthy("worker", name), name
    assert not there.services.is_healthy("worker", "worker-9")


def test_preparing_again_changes_nothing(there: Cluster) -> None:
    """A second run of the init step changes nothing."""
    output = there.services.run("prepare", name="again")
    assert "there already" in output
    assert there.live.person("admin").get("me")["may"]["administer"]


@pytest.mark.case("b40")
def test_each_stage_of_a_run_on_the_other_worker(there: Cluster) -> None:
    """A run continues on another worker at each stage, because no stage needs a local file."""
    there.consume_only()
    started = there.live.person("op").upload(zipped(SCHOOL))
    run = dag_run_of(started)
    for stage, worker in zip(STAGES, (FIRST, SECOND) * 3, strict=True):
        with locks.hold_site_turn(there.engine, "default"):
            there.consume_only(worker)
            wanted = "success" if stage == "record" else "running"
            there.wait_for_task(run, stage, wanted)
            there.consume_only()
        there.wait_for_task(run, stage, "success")
        assert there.left_on(worker) == []
    there.consume_only(*WORKERS)
    assert there.live.wait(run).state == "success"
    assert {stage: there.ran(run, stage) for stage in STAGES} == {
        stage: {worker: ["attempt=1.log"]}
        for stage, worker in zip(STAGES, (FIRST, SECOND) * 3, strict=True)
    }
    users, courses, assignments = roster(there)
    assert users == {"ann": "active", "bob": "active", "cec": "active"}
    assert courses == {"art": "Art", "maths": "Maths"}
    assert assignments == {"ann maths": "active", "bob art": "active"}


@pytest.mark.case("b40")
def test_artifacts_of_a_run_are_read_through_the_api_server(there: Cluster) -> None:
    """The API server reads report, findings and log of a run without the workers' disks."""
    op = there.live.person("op")
    started = op.upload(zipped(WRONG))
    run = there.live.follow(started)
    assert run["outcome"] in {"succeeded_with_errors", "no_changes"}, run
    where = f"runs/{started['run_id']}"
    suites = op.get(f"{where}/report")["suites"]
    assert "users" in {suite["file"].removesuffix(".csv") for suite in suites}
    packed = op.send("GET", f"{where}/report/docs.zip")
    assert packed.content.startswith(b"PK")
    findings = op.send("GET", f"{where}/findings.csv").text
    assert "cec" in findings
    log = op.send("GET", f"{where}/log").text
    for stage in STAGES:
        assert f"=== {stage}, try 1 ===" in log
    assert "users.csv (bulk): 3 rows" in log
    assert not any((there.services.home("api-server") / "storage").rglob("*"))
    assert there.bucket.keys()
    assert [key for key in there.bucket.keys() if "/uploads/" in key] == []  # noqa: SIM118


@pytest.mark.case("c00")
def test_a_viewer_cannot_change_anything(there: Cluster) -> None:
    """FAB's viewer sees preferences and runs, but cannot upload, save or undo or see names."""
    viewer, admin = there.live.person("viewer"), there.live.admin
    (run, *_) = viewer.get("sites/default/runs")["runs"]
    saved = admin.get("sites/default/preferences")
    assert viewer.upload(zipped(SCHOOL), expect=403)["code"] == "permission.operate"
    body = {"settings": saved["settings"], "version": saved["version"]}
    for method, path, json in (
        ("PUT", "sites/default/preferences", body),
        ("PUT", "sites/default/enabled", {"enabled": True}),
        ("POST", f"runs/{run['run_id']}/undo", {}),
    ):
        assert viewer.ask(method, path, 403, json=json)["code"] == "permission.administer", path
    for part in ("findings", "changes", "log"):
        assert viewer.get(f"runs/{run['run_id']}/{part}", 403)["code"] == "permission.details"
    assert viewer.send("GET", "/api/v2/plugins").status_code == 200, (
        "a viewer cannot load the pages"
    )
    runs = f"/api/v2/dags/{UPLOAD}/dagRuns"
    assert viewer.send("POST", runs, json={"logical_date": None}).status_code == 403


def test_a_saved_schedule_and_a_package_in_the_bucket(there: Cluster) -> None:
    """A schedule saved through the API reaches the scheduler, and a sync reads the bucket."""
    admin = there.live.admin
    there.bucket.put("out/OneRoster.zip", zipped(NEXT_DAY))
    saved = admin.get("sites/default/preferences")
    settings = {
        **saved["settings"],
        "source": f"s3://{BUCKET}/out",
        "days": ["monday"],
        "time_utc": "02:30",
    }
    admin.put("sites/default/preferences", {"settings": settings, "version": saved["version"]})
    admin.put("sites/default/enabled", {"enabled": True})
    wait_for(lambda: is_planned(there.live.next_run()) or None)
    run = there.live.follow(admin.post("sites/default/runs"))
    assert (run["outcome"], run["trigger"]) == ("succeeded", "schedule"), run
    assert roster(there)[1] == {"art": "Art", "maths": "Mathematics"}


@pytest.mark.case("b14", "b39")
def test_a_worker_that_dies_while_it_applies_loses_nothing(there: Cluster) -> None:
    """A worker that is killed during apply, with its disk, leaves the roster as it was.

    The server drops its transaction at once, the other worker takes the next try, and the change is
    applied once.
    """
    op = there.live.person("op")
    there.live.follow(op.upload(zipped(NEXT_DAY)))
    there.consume_only(FIRST)
    with there.engine.connect() as lock, lock.begin():
        lock.execute(sa.text("lock table changes in exclusive mode"))
        before = roster(there)
        started = op.upload(zipped(DAY_AFTER))
        run = dag_run_of(started)
        waits = sa.text(
            "select pid from pg_locks where not granted and relation = 'changes'::regclass"
        )
        blocked = wait_for(lambda: lock.scalar(waits))
        assert there.live.states(run)["apply"] == "running"
        assert there.ran(run, "apply") == {FIRST: ["attempt=1.log"]}
        there.services.kill(FIRST)
        shutil.rmtree(there.services.home(FIRST))
        alive = "select pid from pg_stat_activity where pid = %s"
        wait_for(lambda: there.live.rows(alive, blocked) == [] or None, within_s=30)
        assert roster(there) == before
    there.consume_only(SECOND)
    assert there.live.wait(run, may_retry=True).state == "success"
    assert there.live.states(run) == UNASKED
    tries = {task.task_id: task.try_number for task in there.live.api.tasks(run)}
    assert {stage: tries[stage] for stage in STAGES} == {**dict.fromkeys(STAGES, 1), "apply": 2}
    assert there.ran(run, "apply") == {SECOND: ["attempt=2.log"]}
    assert roster(there)[1] == {"art": "Arts", "maths": "Mathematics"}
    query = "select sourced_id, action from changes where run_id::text = %s"
    assert there.live.rows(query, started["run_id"]) == [("art", "update")]
    assert there.live.admin.get(f"runs/{started['run_id']}")["outcome"] == "succeeded"
    log = there.live.admin.send("GET", f"runs/{started['run_id']}/log").text
    assert "=== apply, try 2 ===" in log


@pytest.mark.case("b41")
def test_every_other_part_may_die_and_come_back(there: Cluster) -> None:
    """Broker and all servers are killed during a run, and after their restart it succeeds."""
    op = there.live.person("op")
    there.live.follow(op.upload(zipped(NEXT_DAY)))
    with locks.hold_site_turn(there.engine, "default"):
        started = op.upload(zipped(SCHOOL))
        run = dag_run_of(started)
        there.wait_for_task(run, "extract", "running")
        for name in ("redis", *SERVERS):
            there.services.kill(name)
        there.start("redis", *SERVERS)
        there.consume_all()
    assert there.live.wait(run, within_s=400, may_retry=True).state == "success"
    users, courses, assignments = roster(there)
    assert users == {"ann": "active", "bob": "active", "cec": "active", "dan": "inactive"}
    assert courses == {"art": "Art", "maths": "Maths"}
    assert assignments["bob art"] == "active"
    query = "select count(*) from changes where run_id::text = %s and sourced_id = 'bob'"
    assert there.live.rows(query, started["run_id"]) == [(1,)]


def test_a_worker_can_be_added(there: Cluster) -> None:
    """An additional worker takes the next run from the queue."""
    there.start_worker("worker-3")
    there.consume_only("worker-3")
    started = there.live.person("op").upload(zipped(DAY_AFTER))
    assert there.live.follow(started)["outcome"] in {"succeeded", "no_changes"}
    assert set(there.ran(dag_run_of(started), "extract")) == {"worker-3"}
    assert QUEUE in there._queues("worker-3")
