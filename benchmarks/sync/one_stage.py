"""Run one stage of a run in a process of its own, like Airflow's tasks.

    python -m benchmarks.sync.one_stage extract RUN_ID PACKAGE
    python -m benchmarks.sync.one_stage validate RUN_ID

Prints JSON: the run's plan hash so far, its outcome, and whether Great Expectations was imported.
"""

from __future__ import annotations

import datetime as dt
import json
import sys

STAGES = ("extract", "validate", "diff", "review", "apply", "record")


def run_stage(name: str, run_id: str, package: str | None) -> None:
    """Run a stage of the site `default`, in a process that begins as the command line does."""
    from oneroster_sync.cli.app import collect_seldom

    # Before the imports, as in the command line: a sixth of their time is the garbage collector's.
    collect_seldom()
    from oneroster_sync import database, pipeline, runs
    from oneroster_sync.database import locks
    from oneroster_sync.runs import Trigger
    from oneroster_sync.standard.kinds import Kind

    now = dt.datetime.now(dt.UTC)
    with locks.hold_site_turn(database.engine(), "default"):
        if name == "extract":
            request = pipeline.Request(
                run_id=run_id,
                site="default",
                package=package,
                trigger=Trigger.COMMAND,
                requested_by="the benchmark",
            )
            run = pipeline.extract(pipeline.begin(request, now=now), Kind.PACKAGE)
        elif name == "validate":
            run = pipeline.validate(runs.find(run_id))
        elif name == "diff":
            run = pipeline.diff(runs.find(run_id))
        elif name == "review":
            run = pipeline.review(runs.find(run_id), now=now)
            pipeline.supersede_older(run, now=now)
        elif name == "apply":
            run = pipeline.apply(runs.find(run_id), now=now)
        else:
            run = pipeline.record(runs.find(run_id), now=now)
    answer = {
        "plan_hash": run.plan_hash,
        "outcome": run.outcome,
        "great_expectations": "great_expectations" in sys.modules,
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    run_stage(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)  # noqa: PLR2004
