"""Airflow's form for a held plan, and how often its task looks for a decision."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from oneroster_airflow import review_markdown
from oneroster_airflow.dags.site_dags import sync_dag, upload_dag
from oneroster_airflow.dags.watch_dag import watch_dag
from oneroster_airflow.review_operator import until_next_check
from oneroster_sync.runs import Outcome, Run, Trigger
from oneroster_sync.sites.preferences import Preferences, Scope

BEGAN = dt.datetime(2026, 11, 25, 2, tzinfo=dt.UTC)
COUNTS = {
    "users": {"added": 0, "updated": 2, "deactivated": 1600, "errors": 0, "ignored": 9},
    "courses": {"added": 0, "updated": 0, "removed": 0, "errors": 0},
    "assignments": {"added": 5, "removed": 30, "errors": 0},
}
HOLD = {
    "code": "guard.removals",
    "kind": "users",
    "found": 1600,
    "of": 2000,
    "limit": "less than 10 %",
    "text": "guard.removals: 1,600 of 2,000 users (80.0 %); less than 10 %. More would go.",
}


def a_run(**values: Any) -> Run:
    """Return the record of a held run."""
    return Run.opened(
        **{
            "run_id": "5a9b8766-7b6f-5c42-98cf-2f2726617d8c",
            "site": "north",
            "trigger": Trigger.SCHEDULE,
            "requested_by": "the schedule",
            "scope": Scope.USERS_AND_COURSES,
            "preferences": Preferences(site="north"),
            "started_at": BEGAN,
            "ended_at": BEGAN,
            "outcome": Outcome.HELD,
            "plan_hash": "a" * 64,
            "counts": COUNTS,
            "holds": (HOLD,),
            "reasons": (HOLD["text"],),
            "expires_at": BEGAN + dt.timedelta(hours=72),
            **values,
        }
    )


def school(name: str, **numbers: dict[str, int]) -> dict[str, Any]:
    """Return the counts of a plan for one school."""
    nothing = dict.fromkeys(("added", "changed", "gone", "ended", "active"), 0)
    kinds = ("users", "courses", "assignments")
    return {"school": name, "name": name, **{k: nothing | numbers.get(k, {}) for k in kinds}}


def lines(run: Run) -> list[str]:
    """Return the lines of a run's form, as they are shown."""
    return re.sub(r"\\(.)", r"\1", review_markdown.body_of(run)).splitlines()


def test_numbers_are_shown_where_there_are_some() -> None:
    """The table shows only the record types and actions with a count above zero."""
    shown = lines(a_run())
    at = shown.index("|  | updated | deactivated | added | removed |")
    assert shown[at + 2 : at + 5] == [
        "| Users | 2 | 1,600 | 0 |  |",
        "| Course assignments |  |  | 5 | 30 |",
        "",
    ]
    assert (
        "- 1,600 of 2,000 users would be deactivated (80.0 %). Limit: less than 10 %. "
        "(`guard.removals`)" in shown
    )
    assert review_markdown.subject_of(a_run()) == "north: 1,600 of 2,000 users would be deactivated"
    assert "Expires 2026-11-28 02:00 UTC, then discarded." in shown


def test_counts_are_named_in_words() -> None:
    """A sourcedId change is described in words, and not by the name of its count."""
    shown = lines(a_run(counts={"users": {"added": 0, "rekeyed": 3}}))
    assert "|  | given another sourcedId |" in shown


def test_schools_are_shown_the_hardest_hit_first() -> None:
    """The form shows removals and additions of the ten schools with the most removals."""
    hit = school("East", users={"gone": 6, "active": 10, "added": 1}, courses={"ended": 2})
    shown = lines(a_run(schools=[hit, *(school(f"S{n}") for n in range(11))]))
    at = shown.index("| School | Users | Courses | Course assignments |")
    assert shown[at + 2] == "| East | 6 of 10 removed, 1 added | 2 ended | – |"
    assert [line[:5] for line in shown[at + 10 : at + 13]] == ["| S7 ", "| S8 ", ""]
    assert shown[at + 13] == "… and 2 more schools."
    assert "School" not in "".join(lines(a_run()))


@pytest.mark.case("c06")
@pytest.mark.parametrize(
    "name", ["[click](https://evil.example)", "a | b", "<img src=x>", "**x**", "# x\n# y", "`x`"]
)
def test_names_are_no_markup(name: str) -> None:
    """The name of a school is shown literally, with every character of markup escaped."""
    body = review_markdown.body_of(a_run(schools=[school(name)]))
    (row,) = [line for line in body.splitlines() if line.endswith(" | – | – | – |")]
    cell = row.removeprefix("| ").removesuffix(" | – | – | – |")
    assert re.sub(r"\\(.)", r"\1", cell.replace("\u2060", "")) == name.replace("\n", " ")
    assert not re.search(r"(?<!\\)[\[\]|<>*#`]", cell)


def test_run_of_earlier_days_is_shown_too() -> None:
    """An old run without schools, counts and an expiry can be decided."""
    shown = lines(a_run(counts=None, schools=None, expires_at=None))
    assert any(line.startswith("**Approve** applies exactly this plan.") for line in shown)
    assert not any("discarded on" in line for line in shown)


def test_answer_names_the_plan() -> None:
    """The plan's hash is a constant of the form, and a reason is optional."""
    form = review_markdown.form_of(a_run())
    assert form.get_param("plan_hash").schema["const"] == "a" * 64
    assert form.validate() == {"reason": None, "plan_hash": "a" * 64}


@pytest.mark.parametrize(
    ("waited_s", "pause_s"),
    [(0, 15), (60, 15), (100, 25), (2000, 500), (3600, 600), (255_600, 600), (259_170, 30)],
)
def test_it_looks_the_less_often_the_longer_it_waits(waited_s: int, pause_s: int) -> None:
    """The pause between two looks is a quarter of the time so far, within bounds."""
    now = BEGAN + dt.timedelta(seconds=waited_s)
    assert until_next_check(a_run(), now).total_seconds() == pause_s


def test_it_looks_when_the_time_is_over() -> None:
    """If the expiry has passed already, the next look follows at once."""
    late = BEGAN + dt.timedelta(hours=72)
    assert until_next_check(a_run(), late).total_seconds() == 1
    assert until_next_check(a_run(expires_at=None), late).total_seconds() == 600


def test_every_try_of_every_task_has_an_end() -> None:
    """Every task has a timeout; the time for a person's decision is separate."""
    built = [sync_dag("town"), upload_dag("town"), watch_dag()]
    tasks = {f"{dag.dag_id}.{task.task_id}": task for dag in built for task in dag.tasks}
    assert len(tasks) >= 8 + 8 + 4
    assert [name for name, task in tasks.items() if not task.execution_timeout] == []
    assert tasks["oneroster_sync__town.review_decision"].response_timeout is None
