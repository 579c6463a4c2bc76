"""What a sync holds, leaves out and undoes, through the real DAGs of one Airflow.

The school of these tests has two buildings with twenty teachers each. The tests run in order: each
restores the school, under the same sourcedIds.
"""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from conftest import csv_text
from live import SYNC, UPLOAD, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from live import Live

pytestmark = pytest.mark.long

TODAY = dt.datetime.now(dt.UTC).date()
SCHOOLS = ("north", "south")
ORGS = "sourcedId,name,type\n" + "".join(f"{s},{s.capitalize()} School,school\n" for s in SCHOOLS)
HEADER = "sourcedId,enabledUser,orgSourcedIds,role,username,givenName,familyName,email"
SESSIONS = "sourcedId,title,type,startDate,endDate,schoolYear\n"
EVERYBODY = [(school, number) for school in SCHOOLS for number in range(20)]


def package(
    people: Iterable[tuple[str, int]] = EVERYBODY,
    *,
    prefix: str = "",
    more: Iterable[str] = (),
    org: str = "",
    sessions: tuple[int, int] = (-60, 120),
    taught: int = 40,
) -> dict[str, str]:
    """Return the school's package as CSV texts.

    Args:
        people: The staff, by school and number.
        prefix: The prefix of the sourcedIds of users and courses.
        more: More rows of users.csv.
        org: Another org of every user.
        sessions: First and last day of the only term, in days from today.
        taught: The number of classes in the package.
    """
    first, last = (TODAY + dt.timedelta(days=days) for days in sessions)
    schools = {school: f'"{school},{org}"' if org else school for school in SCHOOLS}
    rows = [
        f"{prefix}{s}{n},true,{schools[s]},teacher,{s}{n},G{n},F{s}{n},{s}{n}@x.org"
        for s, n in people
    ]
    classes = [(s, n) for s, n in EVERYBODY][:taught]
    return {
        "orgs.csv": ORGS,
        "academicSessions.csv": f"{SESSIONS}term,Term,term,{first},{last},{last.year}\n",
        "users.csv": csv_text(HEADER, *rows, *more),
        "courses.csv": csv_text(
            "sourcedId,title,courseCode,orgSourcedId",
            *(f"{prefix}c-{s}{n},Course {s} {n},K-{s}{n},{s}" for s, n in EVERYBODY),
        ),
        "classes.csv": csv_text(
            "sourcedId,title,courseSourcedId,schoolSourcedId,termSourcedIds",
            *(f"k-{s}{n},K,{prefix}c-{s}{n},{s},term" for s, n in classes),
        ),
        "enrollments.csv": csv_text(
            "sourcedId,classSourcedId,userSourcedId,role",
            *(f"e-{s}{n},k-{s}{n},{prefix}{s}{n},teacher" for s, n in classes if (s, n) in people),
        ),
    }


class School:
    """The school, synced through Airflow."""

    def __init__(self, live: Live, folder: Path) -> None:
        """Store the Airflow and the folder for packages."""
        self.live = live
        self._folder = folder
        self._count = 0

    def written(self, texts: dict[str, str]) -> Path:
        """Write the CSV texts to a new folder and return it."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
        return folder

    def sync(self, texts: dict[str, str]) -> dict[str, Any]:
        """Upload a package, wait until its run has an outcome, and return the run."""
        conf = {"package": str(self.written(texts)), "kind": "package"}
        return self.outcome_of(self.live.api.trigger(UPLOAD, conf).run_id)

    def outcome_of(self, dag_run: str) -> dict[str, Any]:
        """Return the run of a DAG run of the upload DAG as soon as it has an outcome."""

        def ended() -> dict[str, Any] | None:
            found = self.live.admin.send("GET", f"dag-runs/{UPLOAD}/{dag_run}").json()
            run = self.live.admin.send("GET", f"runs/{found.get('run_id')}").json()
            return run if run.get("outcome") and run["stage"] != "extract" else None

        return wait_for(ended)

    def stages_where(
        self, started: dict[str, Any], name: str, state: str
    ) -> list[dict[str, Any]] | None:
        """Return the stages of a DAG run if the named one is in this state."""
        dag_run = quote(started["dag_run_id"], safe="")
        found = self.live.admin.get(f"dag-runs/{started['dag_id']}/{dag_run}")
        stages: list[dict[str, Any]] = found["dag_run"]["stages"]
        return stages if any((s["stage"], s["state"]) == (name, state) for s in stages) else None

    def prefers(self, **settings: Any) -> None:
        """Set preferences."""
        words = [w for n, v in settings.items() for w in ("--set", f"{n}={json.dumps(v)}")]
        self.live.oneroster("preferences", *words)

    def discard(self, run: dict[str, Any]) -> None:
        """Discard a held plan."""
        self.live.admin.post(f"runs/{run['run_id']}/discard", {"reason": "a test"})

    def approve(self, run: dict[str, Any]) -> None:
        """Approve a held plan, and wait until it is applied."""
        body = {"plan_hash": run["plan_hash"], "reason": "a test"}
        self.live.admin.post(f"runs/{run['run_id']}/approve", body)
        assert self.live.decided(run["run_id"])["applied_at"]

    def active(self) -> int:
        """Return how many managed users are active."""
        query = "select count(*) from users where managed and status = 'active'"
        return int(self.live.rows(query)[0][0])


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """Yield a school that has been synced once."""
    with running() as live:
        made = School(live, tmp_path_factory.mktemp("packages"))
        assert made.sync(package())["outcome"] == "succeeded"
        yield made


def test_a_school_that_is_missing_is_named(school: School) -> None:
    """A package that lacks half of one school is held within the site's threshold, by name."""
    lax = {"percent": 60, "minimum": 5}
    school.prefers(guards=dict.fromkeys(("users", "courses", "assignments"), lax))
    run = school.sync(package([p for p in EVERYBODY if p[0] == "north" or p[1] < 8]))
    assert run["outcome"] == "held"
    assert {(h["code"], h["school"]) for h in run["holds"]} == {
        ("guard.school_removals", "South School")
    }
    (south,) = run["schools"]
    assert (south["name"], south["users"]["gone"], south["users"]["active"]) == (
        "South School",
        12,
        20,
    )
    assert run["expires_at"] is not None
    school.discard(run)
    assert school.active() == 40


def test_additions_go_on_while_removals_wait(school: School) -> None:
    """New users are added at once; a second DAG run holds the pending removals."""
    school.prefers(guards={"removals_wait": True})
    newcomer = "new,true,north,teacher,new,New,Comer,new@x.org"
    run = school.sync(package(EVERYBODY[:30], more=[newcomer]))
    assert run["outcome"] == "succeeded"
    assert run["withheld"]["why"] == "removals_wait"
    assert run["withheld"]["users"] == {"deactivated": 10}
    removals = school.outcome_of(f"removals__{run['run_id']}")
    assert removals["outcome"] == "held"
    assert removals["removals_of"] == run["run_id"]
    assert school.live.admin.get(f"runs/{run['run_id']}")["removals_run"] == removals["run_id"]
    assert removals["counts"]["users"]["deactivated"] == 10
    assert school.active() == 41
    school.discard(removals)
    school.prefers(guards={})
    assert school.sync(package())["counts"]["users"]["deactivated"] == 1
    assert school.active() == 40


def test_a_limit_raised_for_one_run_counts_once(school: School) -> None:
    """A threshold raised for one run lets one mass removal through, and an undo restores all."""
    school.prefers(guards={"raised": {"percent": 80, "until": None, "note": "a school closes"}})
    run = school.sync(package(EVERYBODY[:30]))
    assert run["outcome"] == "succeeded"
    assert school.live.oneroster("preferences")["guards"]["raised"] is None
    held = school.sync(package(EVERYBODY[:20]))
    assert held["outcome"] == "held"
    school.discard(held)
    started = school.live.admin.post(f"runs/{run['run_id']}/undo", {"kind": "user"})
    undone = school.live.follow(started)
    assert undone["counts"]["users"]["reactivated"] == 10
    assert undone["undo_of"]["kind"] == "user"
    assert school.active() == 40


def test_new_sourced_ids_are_approved_and_nobody_leaves(school: School) -> None:
    """A mass change of sourcedIds needs an approval and keeps the accounts."""
    school.sync(package())
    ids = school.live.rows("select id from users where managed and status = 'active' order by id")
    run = school.sync(package(prefix="2-"))
    assert run["outcome"] == "held"
    assert {(h["code"], h["kind"]) for h in run["holds"]} == {
        ("guard.identity_shift", "users"),
        ("guard.identity_shift", "courses"),
    }
    assert run["counts"]["users"]["rekeyed"] == run["counts"]["courses"]["rekeyed"] == 40
    assert run["counts"]["assignments"] == {"added": 0, "removed": 0, "errors": 0}
    body = {"plan_hash": run["plan_hash"], "reason": "the SIS was replaced"}
    school.live.admin.post(f"runs/{run['run_id']}/approve", body)
    applied = wait_for(lambda: _applied(school, run))
    assert applied["outcome"] == "succeeded"
    assert ids == school.live.rows(
        "select id from users where managed and status = 'active' order by id"
    )
    back = school.sync(package())
    body = {"plan_hash": back["plan_hash"], "reason": "the tests go on"}
    school.live.admin.post(f"runs/{back['run_id']}/approve", body)
    wait_for(lambda: _applied(school, back))


def test_a_rollover_only_adds(school: School) -> None:
    """In add-only mode, absent users stay and new users are added until the chosen day."""
    school.prefers(create_only_until=TODAY.isoformat())
    newcomer = "fresh,true,north,teacher,fresh,Fresh,Comer,fresh@x.org"
    run = school.sync(package(EVERYBODY[:30], more=[newcomer]))
    school.prefers(create_only_until=None)
    assert run["outcome"] == "succeeded"
    assert run["withheld"]["why"] == "create_only"
    assert run["withheld"]["users"] == {"deactivated": 10}
    assert school.active() == 41
    assert school.sync(package())["counts"]["users"]["deactivated"] == 1


def test_the_next_syncs_tell_of_the_rollover(school: School) -> None:
    """The list of next syncs shows unsaved add-only mode and raised thresholds."""
    asked = {
        "days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
        "time_utc": "02:00",
        "create_only_until": (TODAY + dt.timedelta(days=2)).isoformat(),
        "raised": {"percent": 50, "until": None},
    }
    lines = school.live.admin.post("sites/default/preferences/upcoming", asked)["upcoming"]
    assert len(lines[0]["notes"]) == 2
    assert lines[0]["notes"][0].startswith("only adds, until ")
    assert lines[-1]["notes"] == []


def test_classes_of_an_ended_term_go_uncounted(school: School) -> None:
    """Assignments of an ended term are removed without a hold.

    An earlier end of a term is held once.
    """
    over = package(sessions=(-120, -1))
    moved = school.sync(over)
    assert [h["code"] for h in moved["holds"]] == ["guard.moved_terms"]
    school.approve(moved)
    run = school.sync({**over, **_untaught(over)})
    assert run["outcome"] == "succeeded"
    assert run["counts"]["assignments"]["removed"] == 40
    assert school.sync(package())["counts"]["assignments"]["added"] == 40


def test_packages_of_others_and_of_other_years_are_held(school: School) -> None:
    """Next year's export, another district's and half of ours are held, each with its reason."""
    guards = {kind: {"percent": 100, "minimum": 900} for kind in ("users", "courses", "school")}
    school.prefers(guards=guards)
    newcomer = "late,true,north,teacher,late,Late,Comer,late@x.org"
    early = school.sync(package(sessions=(200, 500), more=[newcomer]))
    assert [h["code"] for h in early["holds"]] == ["guard.other_year"]
    assert "next year's" in early["holds"][0]["limit"]
    other = {
        "users.csv": csv_text(
            HEADER, *(f"z{n},true,north,teacher,z{n},Z{n},Z{n},z{n}@z.org" for n in range(40))
        )
    }
    foreign = school.sync(other)
    assert "guard.wrong_source" in {h["code"] for h in foreign["holds"]}
    school.discard(foreign)
    school.prefers(guards={})
    half = school.sync(package(EVERYBODY[:20]))
    assert "guard.removals" in {h["code"] for h in half["holds"]}
    school.discard(half)
    assert school.active() == 40


@pytest.mark.case("b21")
def test_a_half_written_file_is_not_read(school: School) -> None:
    """A scheduled sync does not read an incomplete zip, and reads it once it is complete."""
    folder = school.written(package(EVERYBODY[:10]))
    drop = folder / "drop"
    drop.mkdir()
    whole = folder / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for file in sorted(folder.glob("*.csv")):
            archive.write(file, file.name)
    (drop / "OneRoster.zip").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    school.prefers(source=str(drop))
    school.live.admin.put("sites/default/enabled", {"enabled": True})
    try:
        started = school.live.admin.post("sites/default/runs")
        assert started["dag_id"] == SYNC
        stages = wait_for(lambda: school.stages_where(started, "extract", "up_for_retry"))
        assert {stage["stage"] for stage in stages if stage["state"] == "success"} == set()
        assert school.active() == 40
        whole.replace(drop / "OneRoster.zip")
        wait_for(lambda: school.stages_where(started, "review", "awaiting_input"))
    finally:
        school.live.admin.put("sites/default/enabled", {"enabled": False})
    run = school.live.admin.get(f"runs/{started['run_id']}")
    assert run["counts"]["users"]["deactivated"] == 30
    school.discard(run)
    log = school.live.admin.send("GET", f"runs/{run['run_id']}/log").text
    assert "OneRoster.zip is still being written" in log
    assert school.active() == 40


def test_one_missing_org_is_one_cause(school: School) -> None:
    """All rows that refer to a missing org are one cause with the org and their number."""
    school.prefers(guards={"error_percent": 100})
    run = school.sync(package(org="nowhere"))
    causes = school.live.admin.get(f"runs/{run['run_id']}/causes")["causes"]
    (cause,) = [cause for cause in causes if cause["target"] == "nowhere"]
    assert cause["severity"] == "warning"
    assert cause["affected"] >= 40
    log = "".join(
        school.live.admin.send("GET", f"runs/{run['run_id']}/log").text.splitlines(keepends=True)
    )
    assert "nowhere" in log
    assert school.active() == 40
    school.prefers(guards={})


def _untaught(texts: dict[str, str]) -> dict[str, str]:
    """Return classes and enrollments with only one class that has no teacher."""
    header = texts["classes.csv"].splitlines()[0]
    row = texts["classes.csv"].splitlines()[1]
    enrolled = texts["enrollments.csv"].splitlines()[0]
    return {
        "classes.csv": csv_text(header, row),
        "enrollments.csv": csv_text(enrolled, "aide,k-north0,north0,aide"),
    }


def _applied(school: School, run: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] = school.live.admin.get(f"runs/{run['run_id']}")
    return found if found["applied_at"] else None
