"""Runs by the API: lists, timelines, logs and reports of runs that a real Airflow made."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from airflow.utils.log.file_task_handler import StructuredLogMessage

from golden.school import SCHOOL, added, changed, folder_of, person, zip_of
from live import STAGES, UPLOAD, running, wait_for
from oneroster_airflow.api.airflow_db import _is_of_story, _line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live import Live

SITE = "sites/default"
FLAWED = added(
    changed(SCHOOL, "users.csv", "bob,,,true", "bob,,,maybe"),
    "users.csv",
    person("eve", given="=Eve"),
    person("=fay", enabled="perhaps"),
)
"""Bob's row and the row of =fay have errors, and so do the rows that refer to Bob."""
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\S+Z (DEBUG|INFO|WARNING|ERROR) +.|=== [a-z_]+, try \d+ ===$)")


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Yield an Airflow with the site `default`."""
    with running() as live:
        yield live


@pytest.fixture(scope="module")
def ids(live: Live, data: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make the runs, and return their ids by outcome, the oldest first."""
    folder = tmp_path_factory.mktemp("packages")
    package = zip_of(FLAWED, folder / "OneRoster.zip")
    applied = live.follow(live.person("op").upload(package.read_bytes()))
    same = live.oneroster("sync", str(package))
    shown = live.admin.get(f"{SITE}/preferences")
    guards = {**shown["settings"]["guards"], "users": {"percent": 0, "minimum": 1, "cap": 0}}
    settings = {**shown["settings"], "guards": guards}
    live.admin.put(f"{SITE}/preferences", {"version": shown["version"], "settings": settings})
    fewer = changed(FLAWED, "users.csv", "dan,,,true", "dan,,,false")
    held = live.oneroster("sync", str(folder_of(fewer, folder / "fewer")))
    rejected = live.oneroster("sync", str(data / "microsoft-sds"))
    runs = {"applied": applied, "same": same, "held": held, "rejected": rejected}
    assert [run["outcome"] for run in runs.values()] == [
        *("succeeded_with_errors", "succeeded_with_errors", "held", "rejected")
    ]
    return {name: run["run_id"] for name, run in runs.items()}


def listed(live: Live, ids: dict[str, str], **asked: Any) -> list[str]:
    """Return the names of the runs in a list."""
    names = {run_id: name for name, run_id in ids.items()}
    return [names[run["run_id"]] for run in live.admin.get(f"{SITE}/runs", **asked)["runs"]]


def test_runs_are_listed_newest_first(live: Live, ids: dict[str, str]) -> None:
    """The list shows every run, the newest first, with its outcome, numbers and sentence."""
    found = live.admin.get(f"{SITE}/runs")
    assert [run["run_id"] for run in found["runs"]] == list(ids.values())[::-1]
    assert (found["total"], found["older"]) == (4, None)
    rejected, held, same, applied = found["runs"]
    assert [run["type"] for run in (applied, same)] == [
        "Users + courses, manual upload",
        "Users + courses, command line",
    ]
    assert applied["findings"]["errors"] >= 3
    assert applied["counts"]["users"] | {"added": 4, "errors": 2} == applied["counts"]["users"]
    assert same["sentence"].startswith("Nothing to change. 3 rows had errors and were skipped")
    assert held["sentence"] == "Held, nothing was changed: 1 of 4 users would be deactivated."
    assert rejected["sentence"].startswith("Rejected, nothing was changed")
    assert all(run["started_at"] <= run["ended_at"] for run in found["runs"])


def test_pages_hold_each_run_once(live: Live, ids: dict[str, str]) -> None:
    """The cursor leads through all runs, page by page, shows each once, and ends."""
    seen: list[str] = []
    before: dict[str, Any] = {}
    for _ in range(4):
        page = live.admin.get(f"{SITE}/runs", limit=1, **before)
        assert page["total"] == 4
        seen += [run["run_id"] for run in page["runs"]]
        before = {"before": page["older"]}
    assert before == {"before": None}
    assert seen == list(ids.values())[::-1]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"outcome": "held"}, ["held"]),
        ({"outcome": ["held", "rejected"]}, ["rejected", "held"]),
        ({"outcome": "running"}, []),
        ({"trigger": "upload"}, ["applied"]),
        ({"trigger": "command", "outcome": "succeeded_with_errors"}, ["same"]),
        ({"from": "2026-01-01", "to": "2999-12-31", "limit": 2}, ["rejected", "held"]),
        ({"to": "2000-01-01"}, []),
    ],
)
def test_lists_are_narrowed(
    live: Live, ids: dict[str, str], asked: dict[str, Any], names: list[str]
) -> None:
    """The list can be filtered by outcome, trigger and days."""
    assert listed(live, ids, **asked) == names


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 0},
        {"limit": 201},
        {"limit": "many"},
        {"before": "garbage"},
        {"before": "20261124T120000.000000Z_1; drop table runs"},
        {"outcome": "fine"},
        {"trigger": "magic"},
        {"from": "yesterday"},
        {"from": "0001-01-01"},
        {"to": "9999-12-31"},
        {"to": "2026-02-30"},
    ],
)
def test_invalid_condition_of_a_list_is_refused(live: Live, asked: dict[str, Any]) -> None:
    """An invalid condition is refused with 422."""
    live.admin.get(f"{SITE}/runs", 422, **asked)


def test_trend_leads_to_now(live: Live, ids: dict[str, str]) -> None:
    """The trend has every ended run, the oldest first, including runs without changes."""
    points = live.admin.get(f"{SITE}/trend")["points"]
    assert [point["run_id"] for point in points] == list(ids.values())
    assert [point["changes"] for point in points][:2] == [7, 0]
    assert live.admin.get(f"{SITE}/trend", limit=1)["points"] == points[-1:]


def test_run_shows_package_plan_and_stages(live: Live, ids: dict[str, str]) -> None:
    """A run shows its package, its plan, the stages of its DAG run, and the possible actions."""
    run = live.admin.get(f"runs/{ids['applied']}")
    assert (run["package"], run["oneroster_version"]) == ("OneRoster.zip", "1.1")
    assert re.fullmatch("[0-9a-f]{64}", run["plan_hash"])
    assert run["credited_admin"] == "admin@example.org"
    has = {"changes": 7, "report": True, "accounts": True, "log": True, "issues": 1}
    assert run["has"] == has
    assert run["can"] == {"approve": False, "discard": False, "undo": True}
    assert (run["dag_run"]["dag_id"], run["dag_run"]["state"]) == (UPLOAD, "success")
    stages = run["dag_run"]["stages"]
    assert [(s["stage"], s["state"], s["try_number"]) for s in stages] == [
        (stage, "success", 1) for stage in STAGES
    ]
    moments = [moment for stage in stages for moment in (stage["started_at"], stage["ended_at"])]
    assert moments == sorted(moments)


def test_held_run_shows_the_numbers_of_its_hold(live: Live, ids: dict[str, str]) -> None:
    """A held run shows the guard's numbers, and offers a decision only to those who may decide."""
    run = live.admin.get(f"runs/{ids['held']}")
    (hold,) = run["holds"]
    assert (hold["code"], hold["kind"], hold["found"], hold["of"]) == (
        *("guard.removals", "users"),
        *(1, 4),
    )
    assert run["can"] == {"approve": True, "discard": True, "undo": False}
    assert (run["decision"], run["applied_at"], run["dag_run"]) == (None, None, None)
    has = {"changes": 1, "report": True, "accounts": True, "log": False, "issues": 1}
    assert run["has"] == has
    assert not any(live.person("op").get(f"runs/{ids['held']}")["can"].values())


def test_dag_run_leads_to_its_run(live: Live, ids: dict[str, str]) -> None:
    """A DAG run leads to its run; a DAG run of another DAG is refused as foreign."""
    behind = live.admin.get(f"runs/{ids['applied']}")["dag_run"]
    where = f"dag-runs/{UPLOAD}/{quote(behind['dag_run_id'], safe='')}"
    found = live.admin.get(where)
    assert (found["run_id"], found["recorded"]) == (ids["applied"], True)
    assert found["dag_run"] == behind
    assert live.admin.get("dag-runs/payroll/x", 404)["code"] == "dag_run.foreign"
    assert live.admin.get(f"dag-runs/{UPLOAD}/x", 404)["code"] == "dag_run.unknown"


def test_changes_are_listed_by_name(live: Live, ids: dict[str, str]) -> None:
    """Every change of an applied run is listed by name, page by page, and can be searched."""
    where = f"runs/{ids['applied']}/changes"
    whole = live.admin.get(where)
    assert whole["applied"] is True
    assert {c["label"] for c in whole["changes"] if c["kind"] == "assignment"} == {
        "Ann Lee → Mathematics"
    }
    first = live.admin.get(where, limit=3)
    second = live.admin.get(where, limit=200, after=first["next"])
    assert first["changes"] + second["changes"] == whole["changes"]
    assert second["next"] is None
    (dan,) = live.admin.get(where, q="dan fox", kind="user")["changes"]
    assert (dan["action"], dan["sourced_id"], dan["file"], dan["row"]) == (
        *("add", "dan", "users.csv"),
        5,
    )
    assert live.admin.get(where, action="deactivate")["changes"] == []
    live.admin.get(where, 422, kind="school")


def test_planned_changes_are_marked_as_not_applied(live: Live, ids: dict[str, str]) -> None:
    """The changes of a held run are listed the same way, marked as not applied."""
    found = live.admin.get(f"runs/{ids['held']}/changes")
    assert found["applied"] is False
    assert ("deactivate", "Dan Fox") in {(c["action"], c["label"]) for c in found["changes"]}
    none = live.admin.get(f"runs/{ids['rejected']}/changes")
    assert none == {"changes": [], "next": None, "applied": False}


@pytest.mark.case("b37")
def test_expired_plan_is_gone(live: Live, ids: dict[str, str]) -> None:
    """The answer for an expired plan is 410 with the reason, and the run is still there."""
    folder = live.home / "storage" / "runs" / "default" / ids["held"]
    (folder / "plan.json").rename(folder / "plan.away")
    try:
        assert "deleted" in live.admin.get(f"runs/{ids['held']}/changes", 410)["detail"]
        assert live.admin.get(f"runs/{ids['held']}")["outcome"] == "held"
    finally:
        (folder / "plan.away").rename(folder / "plan.json")


def test_causes_name_their_rows(live: Live, ids: dict[str, str]) -> None:
    """Each cause appears once, with the number of its rows and its first row."""
    causes = live.admin.get(f"runs/{ids['applied']}/causes")["causes"]
    (flag,) = (cause for cause in causes if cause["code"] == "row.invalid_boolean")
    assert (flag["file"], flag["column"], flag["rows"], flag["first_row"]) == (
        *("users.csv", "enabledUser"),
        *(2, 3),
    )
    assert flag["meaning"]
    assert flag["hint"]
    assert [cause["severity"] for cause in causes] == sorted(cause["severity"] for cause in causes)


def test_findings_are_listed_row_by_row(live: Live, ids: dict[str, str]) -> None:
    """Each finding names its row, and pages and filters lead to all of them."""
    where = f"runs/{ids['applied']}/findings"
    whole = live.admin.get(where, limit=200)["findings"]
    first = live.admin.get(where, limit=2)
    assert first["findings"] == whole[:2]
    assert live.admin.get(where, limit=200, after=first["next"])["findings"] == whole[2:]
    errors = live.admin.get(where, severity="error", file="users.csv", column="enabledUser")
    assert [(f["row"], f["sourced_id"]) for f in errors["findings"]] == [(3, "bob"), (9, "=fay")]
    live.admin.get(where, 422, severity="fatal")


@pytest.mark.case("c07")
def test_findings_are_downloaded_without_formulas(live: Live, ids: dict[str, str]) -> None:
    """The download is a CSV with a fixed name and without cells that a spreadsheet calculates."""
    answer = live.admin.send("GET", f"runs/{ids['applied']}/findings.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    name = f'attachment; filename="findings-{ids["applied"]}.csv"'
    assert answer.headers["content-disposition"] == name
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    whole = live.admin.get(f"runs/{ids['applied']}/findings", limit=200)["findings"]
    assert [row["code"] for row in rows] == [finding["code"] for finding in whole]
    assert "'=fay" in {row["sourced_id"] for row in rows}


def test_log_has_every_stage_in_order(live: Live, ids: dict[str, str]) -> None:
    """The full log is plain text: a section for each try of a stage, a line for each message."""
    answer = live.admin.send("GET", f"runs/{ids['applied']}/log")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert [line for line in lines if line.startswith("===")] == [
        f"=== {stage}, try 1 ===" for stage in STAGES
    ]
    assert [line for line in lines if not LINE.match(line)] == []
    assert "users.csv (bulk): 8 rows, 6 kept" in answer.text
    assert "The run ended: succeeded_with_errors" in answer.text
    for private in ("Ann", "Lee", "ann@example.org"):
        assert private not in answer.text
    download = live.admin.send("GET", f"runs/{ids['applied']}/log?download=true")
    assert download.headers["content-disposition"].startswith("attachment; ")
    assert download.text.startswith(answer.text)
    listed = download.text.removeprefix(answer.text).splitlines()
    assert [line for line in listed if line.startswith("===")] == [
        "=== every change of the plan ===",
        "=== every finding ===",
    ]
    run = live.admin.get(f"runs/{ids['applied']}")
    changes = sum(line.startswith("add ") for line in listed)
    assert changes == sum(numbers["added"] for numbers in run["counts"].values())
    found = [line for line in listed if line.startswith(("error ", "warning "))]
    assert len(found) == sum(run["findings"].values())
    for private in ("Ann", "Lee", "ann@example.org"):
        assert private not in download.text


def test_the_story_is_the_log_without_airflows_own_lines(live: Live, ids: dict[str, str]) -> None:
    """The story leaves out Airflow's own lines; each of its lines is a line of the log."""
    address = f"runs/{ids['applied']}/log"
    whole = live.admin.send("GET", address).text.splitlines()
    story = live.admin.send("GET", f"{address}?story=true").text.splitlines()
    assert any("Filling up the DagBag" in line for line in whole)
    assert not any("DagBag" in line for line in story)
    assert set(story) < set(whole)
    assert any("The run ended: succeeded_with_errors" in line for line in story)
    assert [line for line in story if line.startswith("===")] == [
        f"=== {stage}, try 1 ===" for stage in STAGES
    ]


def test_twenty_thousand_lines_are_written_in_a_moment() -> None:
    """A line costs a few processor microseconds, so that a long log opens at once."""
    at = dt.datetime(2026, 11, 24, 2, tzinfo=dt.UTC)
    messages = [
        StructuredLogMessage.model_validate(
            {
                "timestamp": at,
                "level": "info",
                "event": f"add user u{n}: in the package.",
                "logger": "oneroster",
                "dag_id": UPLOAD,
                "task_id": "diff",
                "try_number": 1,
            }
        )
        for n in range(20_000)
    ]
    began = time.process_time()
    lines = [_line(message) for message in messages if _is_of_story(message)]
    assert time.process_time() - began < 0.4
    assert lines[7] == "2026-11-24T02:00:00Z        INFO     add user u7: in the package.\n"


def test_run_of_the_command_line_has_no_log(live: Live, ids: dict[str, str]) -> None:
    """A run of the command line has no log here, and the answer says so."""
    assert "command line" in live.admin.get(f"runs/{ids['same']}/log", 404)["detail"]


def test_report_shows_each_expectation(live: Live, ids: dict[str, str]) -> None:
    """The report shows each expectation with the numbers of checked rows and of failed rows."""
    report = live.admin.get(f"runs/{ids['applied']}/report")
    (users,) = (suite for suite in report["suites"] if suite["file"] == "users.csv")
    assert (users["version"], users["success"], users["rows"]) == ("1.1", False, 6)
    failed = [e for e in users["expectations"] if not e["success"] and e["severity"] == "critical"]
    assert [(e["column"], e["unexpected"], e["checked"], e["code"]) for e in failed] == [
        ("enabledUser", 2, 6, "row.invalid_boolean")
    ]
    assert failed[0]["title"].startswith("enabledUser: ")
    assert "rejected" in live.admin.get(f"runs/{ids['rejected']}/report", 404)["detail"]


def test_data_docs_are_downloaded(live: Live, ids: dict[str, str]) -> None:
    """The download of the Data Docs is a zip of only the pages about this run."""
    docs = live.admin.get(f"runs/{ids['applied']}/report")["docs"]
    answer = live.admin.send("GET", f"/{docs}")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        texts = {name: archive.read(name) for name in archive.namelist()}
    (index,) = (name for name in texts if name.endswith("index.html"))
    assert "users" in texts[index].decode()
    assert {Path(name).suffix for name in texts} <= {".html", ".css", ".png", ".svg", ".ico"}
    assert all(name == Path(name).as_posix() and ".." not in name for name in texts)
    assert not any(b"ann@example.org" in text for text in texts.values())
    assert "rejected" in live.admin.get(f"runs/{ids['rejected']}/report/docs.zip", 404)["detail"]


ABOUT_A_RUN = ["", "/changes", "/causes", "/findings", "/findings.csv", "/log"]
ABOUT_A_RUN += ["/report", "/report/docs.zip"]


@pytest.mark.case("c12")
@pytest.mark.parametrize(
    "run", ["00000000-0000-0000-0000-000000000000", "nonsense", "'%20or%201=1"]
)
@pytest.mark.parametrize("path", ABOUT_A_RUN)
def test_unknown_run_is_not_found(live: Live, run: str, path: str) -> None:
    """An unknown or invalid run id is answered with 404 and a sentence."""
    assert "There is no run" in live.admin.get(f"runs/{run}{path}", 404)["detail"]


def test_history_of_a_record_names_its_runs(live: Live, ids: dict[str, str]) -> None:
    """A search finds a person, and the person's history names the runs that changed them."""
    (found,) = live.admin.get(f"{SITE}/records", q="ann lee")["records"]
    assert (found["kind"], found["label"], found["managed"]) == ("user", "Ann Lee", True)
    story = live.admin.get(f"{SITE}/records/user/{found['id']}")
    changes = {(c["kind"], c["action"], c["run_id"], c["other"]) for c in story["changes"]}
    assert changes == {
        ("user", "add", ids["applied"], None),
        ("assignment", "add", ids["applied"], "Mathematics"),
    }
    assert {c["requested_by"] for c in story["changes"]} == {"op"}
    assert {c["credited_to"] for c in story["changes"]} == {"admin@example.org"}
    assert live.admin.get(f"{SITE}/records", q=" ") == {"records": []}
    assert live.admin.get(f"{SITE}/records", q="%") == {"records": []}
    live.admin.get(f"{SITE}/records", 422)
    live.admin.get(f"{SITE}/records", 422, q="a\0b")
    live.admin.get(f"{SITE}/records/user/{2**62}", 404)
    live.admin.get(f"{SITE}/records/school/1", 422)
    live.admin.get(f"sites/atlantis/records/user/{found['id']}", 404)


def test_the_change_feed_has_all_changes_page_by_page(live: Live, ids: dict[str, str]) -> None:
    """The pages of the change feed hold the changes of all runs in order, each once."""
    operator, found, after = live.person("op"), [], "0"
    while (page := operator.get(f"{SITE}/changes", after=after, limit=7))["changes"]:
        assert len(page["changes"]) <= 7
        found += page["changes"]
        after = page["next"]
    assert (after, page["next"]) == (f"1.{found[-1]['seq']}",) * 2
    assert page["version_complete"]
    assert [change["seq"] for change in found] == sorted({change["seq"] for change in found})
    assert {change["run_id"] for change in found} == {ids["applied"]}
    changes = live.admin.get(f"runs/{ids['applied']}/changes", limit=200)["changes"]
    assert [(c["kind"], c["action"], c["sourced_id"]) for c in found] == [
        (c["kind"], c["action"], c["sourced_id"]) for c in changes
    ]
    ann = next(change for change in found if change["sourced_id"] == "ann")
    assert (ann["before"], ann["after"]["given_name"]) == (None, "Ann")
    assert ann["made_at"].endswith("Z")


def test_the_change_feed_is_for_those_who_may_see_persons(live: Live, ids: dict[str, str]) -> None:
    """The change feed refuses viewers, invalid cursors, and cursors beyond its end."""
    live.person("viewer").get(f"{SITE}/changes", 403)
    for asked in ({"after": "x"}, {"limit": 0}, {"limit": 10_001}):
        live.admin.get(f"{SITE}/changes", 422, **asked)
    gone = live.admin.get(f"{SITE}/changes", 410, after="99")
    assert gone["code"] == "changes.gone"
    live.admin.get("sites/nowhere/changes", 404)


ASSETS = {f"oneroster://default/{name}" for name in ("arrivals", "roster", "source")}


def assets_of(live: Live) -> list[dict[str, Any]]:
    """Return the site's assets in Airflow; the scheduler takes a minute to add one."""
    shown = live.admin.get("/api/v2/assets", uri_pattern="oneroster://default/%")
    return list(shown["assets"])


def test_only_a_changed_roster_has_an_event(
    live: Live, ids: dict[str, str], tmp_path: Path
) -> None:
    """Only a run that changed the roster has an event of the asset, with its numbers."""
    same = zip_of(FLAWED, tmp_path / "OneRoster.zip").read_bytes()
    again = live.follow(live.person("op").upload(same))
    wait_for(lambda: {asset["uri"] for asset in assets_of(live)} == ASSETS)
    events = live.admin.get("/api/v2/assets/events", limit=100)["asset_events"]
    assert again["run_id"] not in {event["extra"].get("run_id") for event in events}
    (event,) = [event for event in events if event["extra"].get("run_id") == ids["applied"]]
    assert (event["source_dag_id"], event["source_task_id"]) == (UPLOAD, "apply")
    counts = live.admin.get(f"runs/{ids['applied']}")["counts"]
    expected = {"site": "default", "run_id": ids["applied"], "version": 1, "counts": counts}
    assert event["extra"] == expected


def test_an_event_of_a_roster_is_for_administrators(live: Live, ids: dict[str, str]) -> None:
    """Only an administrator may make an event by hand, because other DAGs would start from it."""
    for asset in wait_for(lambda: assets_of(live)):
        body = {"asset_id": asset["id"]}
        refused = live.person("op").send("POST", "/api/v2/assets/events", json=body)
        assert refused.status_code == 403, refused.text
