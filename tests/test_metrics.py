"""Our metrics and those of Great Expectations give the same results for each expectation.

Each suite judges random rows from fixed seeds twice: with our metrics in Arrow, and in the
library's ordinary way.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from oneroster_sync import settings
from oneroster_sync.stages.validate import gx_metrics, gx_runner
from oneroster_sync.stages.validate.gx_runner import Judge, as_json
from oneroster_sync.stages.validate.targets import TARGETS, Target
from oneroster_sync.standard.timestamps import in_utc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from great_expectations.core import ExpectationValidationResult

SUITES = sorted(settings.expectations().rglob("*.json"))
ODD = (
    *(None, "", "a", "A", "é", "e\u0301", "x" * 300, "a,b", "a, zz", "true", "false", "maybe"),
    *("2026-01-31", "2026-02-30", "1850-01-01", "2026-13-01", "2025", "teacher", "student"),
    *("tobedeleted", "active", "inactive", "2026-01-01T00:00:00Z", "2020-05-05T10:00:00.000Z"),
    *("school", "district", "ext:house", "scheduled", "homeroom", "ann@x.org", "ANN@x.org", "a b"),
    *("\u200b", "=1+1", "1", "09", "09,10", "primary", "secondary", "\U0001f600", " a", "zz"),
)
ROWS = 60


def columns_of(suite: dict[str, Any]) -> set[str]:
    """Return the columns that the expectations of a suite name."""
    found = {"sourcedId"}
    for expectation in suite["expectations"]:
        for name, value in expectation["kwargs"].items():
            if name in {"column", "column_A", "column_B"}:
                found.add(value)
            elif name == "column_list":
                found.update(value)
    return found


def spoiled(suite: dict[str, Any], seed: int) -> pa.Table:
    """Return a table of random cells, which include the values that each expectation allows."""
    rng = random.Random(seed)
    wanted = [
        value
        for expectation in suite["expectations"]
        for value in expectation["kwargs"].get("value_set") or ()
    ]
    cells = [*ODD, *wanted, *(f"id-{n}" for n in range(20))]
    columns = {
        name: pa.array([rng.choice(cells) for _ in range(ROWS)], pa.string())
        for name in sorted(columns_of(suite))
    }
    rows = pa.array(sorted(rng.sample(range(2, 500), ROWS)), pa.int64())
    return pa.table({"row": rows, **columns})


def targets(seed: int) -> dict[str, Target]:
    """Return targets for references: some ids are present, quarantined or removed."""
    rng = random.Random(seed)
    known = [*(f"id-{n}" for n in range(20)), "a", "b", "A"]

    def some() -> pa.Array:
        return pa.array(rng.sample(known, 8), pa.string())

    files = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")
    found = {}
    for name in (*files, "roles", "roles.userSourcedId", "enrollments.classSourcedId"):
        ids = some()
        types = [
            rng.choice(("school", "district", "ext:x", "schoolYear", "term", None)) for _ in ids
        ]
        about = {
            "sourcedId": ids,
            "type": pa.array(types, pa.string()),
            "schoolSourcedId": some(),
        }
        at = pa.array([rng.choice(("2019-01-01T00:00:00Z", "2027-01-01T00:00:00Z")) for _ in ids])
        modified = {"sourced_id": ids, "modified_at": in_utc(at)}
        found[name] = Target(
            ids, quarantined=some(), removed=some(), about=pa.table(about),
            modified=pa.table(modified),
        )  # fmt: skip
    return found


@pytest.fixture(
    params=[0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))],
    ids=lambda seed: f"seed-{seed}",
)
def seed(request: pytest.FixtureRequest) -> Iterator[int]:
    """A seed, with targets of that seed."""
    token = TARGETS.set(targets(request.param))
    yield request.param
    TARGETS.reset(token)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_expectation_decides_the_same_both_ways(
    path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Findings, counts and results are equal for each expectation."""
    suite = json.loads(path.read_text("utf-8"))
    table = spoiled(suite, seed)
    ours, theirs = Judge(), Judge()
    by_us = ours.judge(f"{path.stem}.csv", table, suite)
    assert by_us.num_rows > ROWS

    monkeypatch.setattr(gx_metrics, "_FINDERS", {})
    by_them = theirs.judge(f"{path.stem}.csv", table, suite)

    assert by_us.to_pylist() == by_them.to_pylist()
    assert ours.report == theirs.report
    for mine, other in zip(results_of(ours), results_of(theirs), strict=True):
        assert mine == other


@pytest.mark.parametrize("path", SUITES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_is_kept_is_what_great_expectations_would_write(
    path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our JSON of a result equals the library's own."""
    suite, kept = json.loads(path.read_text("utf-8")), []

    def both(one: ExpectationValidationResult) -> dict[str, Any]:
        kept.append((as_json(one), one.to_json_dict()))
        return kept[-1][0]

    monkeypatch.setattr(gx_runner, "as_json", both)
    Judge().judge(f"{path.stem}.csv", spoiled(suite, seed), suite)

    assert len(kept) == len(suite["expectations"])
    for ours, theirs in kept:
        assert json.dumps(ours) == json.dumps(theirs)


def results_of(judge: Judge) -> list[dict[str, Any]]:
    """Return the stored results of Great Expectations for each expectation."""
    (one,) = judge.results
    return [
        {
            "kind": result["expectation_config"]["type"],
            "kwargs": kwargs_of(result),
            **result["result"],
        }
        for result in one["result"]["results"]
    ]


def kwargs_of(result: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an expectation, without the id of its batch."""
    kwargs = result["expectation_config"]["kwargs"]
    return {name: value for name, value in kwargs.items() if name != "batch_id"}


def test_every_expectation_of_the_suites_has_metrics_of_ours() -> None:
    """Each expectation of our suites has a metric of ours."""
    named = {
        expectation["type"]
        for path in SUITES
        for expectation in json.loads(path.read_text("utf-8"))["expectations"]
    }
    assert named <= set(gx_metrics._FINDERS)


def test_an_unknown_expectation_is_judged_in_the_ordinary_way() -> None:
    """An unknown expectation of a user's own suite is judged in its place, in the ordinary way."""
    meta = {"code": "row.invalid_enum", "expected": "another title"}
    column: dict[str, Any] = {"column": "title"}
    suite = {
        "name": "customer",
        "expectations": [
            {
                "type": "expect_column_values_to_not_be_null",
                "kwargs": column,
                "meta": meta,
                "severity": "critical",
            },
            {
                "type": "expect_column_values_to_match_regex_list",
                "kwargs": {**column, "regex_list": ["^A", "^C"]},
                "meta": meta,
                "severity": "critical",
            },
            {
                # Unlike Python's, Arrow's regular expressions have no look-ahead.
                "type": "expect_column_values_to_match_regex",
                "kwargs": {**column, "regex": "^(?!Ch)"},
                "meta": meta,
                "severity": "warning",
            },
        ],
    }
    table = pa.table(
        {
            "row": pa.array([5, 9, 12, 13], pa.int64()),
            "sourcedId": pa.array(["1", "2", "3", "4"]),
            "title": pa.array(["Algebra", None, "Biology", "Chemistry"]),
        }
    )
    judge = Judge()
    found = judge.judge("courses.csv", table, suite)
    assert found.select(["row", "severity", "sourced_id"]).to_pylist() == [
        {"row": 9, "severity": "error", "sourced_id": "2"},
        {"row": 12, "severity": "error", "sourced_id": "3"},
        {"row": 13, "severity": "warning", "sourced_id": "4"},
    ]
    assert [one["unexpected"] for one in judge.report[0]["expectations"]] == [1, 1, 1]
