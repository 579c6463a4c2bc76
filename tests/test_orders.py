"""No order of marking, clearing and retrying tasks applies a plan without review or approval.

An applied plan was clear in review, or was approved by its hash. `orders.py` explains how all
orders are walked.
"""

from __future__ import annotations

import functools
import os
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from conftest import ADMIN
from oneroster_sync import database, pipeline, runs
from oneroster_sync.operations import approval
from oneroster_sync.operations.approval import OtherPlanError
from oneroster_sync.pipeline import begin
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.stages.base import MissingStageError
from oneroster_sync.stages.diff.plan import DefectivePlanError
from oneroster_sync.standard.kinds import Kind
from orders import _UPSTREAM, SHORTEST, Walk, due, shortest_dangerous
from roster_of import diffed, now, request_of, reviewed
from run_states import (
    DEEDS,
    DONE,
    EVERYBODY,
    FAILED,
    OTHERS,
    PACKAGES,
    SKIPPED,
    TASKS,
    Deed,
    Product,
    staff,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Site
    from oneroster_sync.runs import Run

BEFORE, HARMLESS, DANGEROUS = (EVERYBODY, "Given"), (EVERYBODY, "Other"), (4, "Given")
"""The roster before the run and after either package: the active users, and their first name."""
SEED = int(os.environ.get("ORDERS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


@pytest.fixture
def product(site: Site) -> Product:
    """A site of ten people, and a run that would deactivate six of them."""
    assert site.sync({"users.csv": staff(EVERYBODY)})["outcome"] == "succeeded"
    return Product(site)


def hash_of(site: Site, package: str) -> str:
    """Return the hash of a package's plan."""
    result = site.command("plan", site.package({"users.csv": PACKAGES[package]}))[1]
    return str(result["plan_hash"])


def check(walk: Walk, approvable: str | None = None) -> None:
    """Check every call: only a plan that was clear or approved has been applied.

    Args:
        walk: The calls that were made.
        approvable: The hash of the dangerous plan, if administrators approve it in the walk.
    """
    for step in walk.steps.values():
        before, after = walk.shelf.facts[step.before], walk.shelf.facts[step.after]
        run = after.run
        if before.roster != after.roster:
            assert (step.task, before.roster) == ("apply", BEFORE)
            assert run is not None
            approved = run.decision == "approved" and run.decided_hash == approvable
            assert after.roster == HARMLESS or (after.roster == DANGEROUS and approved), run
        if step.task == "apply" and step.called.state == DONE:
            assert run is not None
            assert run.applied_at is not None, "apply is green, and nothing was applied"
        if run is not None and run.decision == "approved":
            assert run.plan_hash == run.decided_hash, "another plan is shown as approved"
        if step.task == "record" and run is not None:
            assert run.outcome is not None, "a run is recorded without an outcome"


def test_the_walk_is_of_the_real_dag(product: Product) -> None:
    """The tasks, their upstream tasks and their trigger rules are those of the DAG."""
    tasks = product._dag.task_dict
    assert {t: set(tasks[t].upstream_task_ids) for t in TASKS} == {
        t: set(before) for t, before in _UPSTREAM.items()
    }
    rules = {t: tasks[t].trigger_rule.value for t in TASKS}
    special = {"apply": "none_failed_min_one_success", "record": "all_done"}
    assert rules == dict.fromkeys(TASKS, "all_success") | special


@pytest.mark.parametrize(
    ("package", "tasks", "roster"),
    [("harmless", "sssskss", HARMLESS), ("dangerous", "ssssw..", BEFORE)],
)
def test_a_run_that_is_left_alone(product: Product, package: str, tasks: str, roster: Any) -> None:
    """A harmless package is applied without a person; a dangerous one is held."""
    if not product.holds(package):
        product.replace()
    walk = Walk(product)
    stands = [stand for stand in walk.orders(0) if not walk.scheduled(stand)]
    assert [stand.tasks for stand in stands] == [tasks]
    assert walk.shelf.facts[stands[0].product].roster == roster
    check(walk)
    walk.shelf.close()


@pytest.mark.case("b43")
def test_every_order_of_two_deeds(product: Product) -> None:
    """No two actions of operators lead to the deactivation of six people."""
    walk = Walk(product)
    assert len(walk.orders(2, DEEDS)) > 100
    assert {one.roster for one in walk.shelf.facts} == {BEFORE}
    check(walk)
    walk.shelf.close()


@pytest.mark.long  # the shortest dangerous orders have four actions: 18 s of a processor
@pytest.mark.case("b43")
def test_every_order_of_four_deeds(product: Product) -> None:
    """No four actions of operators, at any moment, lead to the deactivation of six people.

    No one approves here, so the roster stays unchanged, however the tasks are marked and cleared.
    """
    dangerous = hash_of(product.site, "dangerous")
    walk = Walk(product)
    found = walk.orders(4, DEEDS)
    facts = walk.shelf.facts
    dares = [stand for stand in found if facts[stand.product].would_dare(dangerous)]
    assert sum(("apply", None) in due(stand.tasks) for stand in dares) > 100
    assert {one.roster for one in facts} == {BEFORE}
    check(walk)
    shortest = shortest_dangerous(walk, dangerous, len(SHORTEST))
    assert tuple(map(str, shortest)) == SHORTEST
    walk.shelf.close()


def test_plan_that_was_made_after_the_review_was_marked_is_not_applied(product: Product) -> None:
    """With the review marked as done, a package that is validated again is not applied unreviewed.

    The tasks that are called are those that Airflow calls for an operator who marks `review` and
    all later tasks as done, and then clears `validate` alone and `apply` alone.
    """
    for task in ("extract", "validate", "diff", "validate"):
        assert product.call(task).state == DONE
    assert product.call("apply").state == FAILED
    assert product.roster() == BEFORE
    assert product.call("diff").state == DONE
    assert product.call("apply").state == SKIPPED
    assert (product.roster(), product.outcome) == (BEFORE, "held")


@pytest.mark.parametrize("task", ["extract", "validate", "diff", "review"])
def test_nothing_but_apply_goes_on_after_an_approval(product: Product, task: str) -> None:
    """An approved plan stays the same, even if the source has another package by then."""
    for called in ("extract", "validate", "diff", "review"):
        product.call(called)
    product.decide(Deed("approve"))
    product.replace()
    approved = product.run
    assert product.call(task).state == DONE
    assert product.run == approved
    assert product.call("apply").state == DONE
    assert (product.roster(), product.outcome) == (DANGEROUS, "succeeded")


def test_approving_again_is_of_the_plan_that_was_approved(site: Site) -> None:
    """A repeated approval is of the plan that was approved first, not of the run's newest plan."""
    site.sync({"users.csv": staff(EVERYBODY)})
    run = reviewed(site, {"users.csv": PACKAGES["dangerous"]})
    assert run.plan_hash
    approve: Any = {"by": "Ann", "now": now(), "plan_hash": run.plan_hash}
    approval.note_approval(run.run_id, **approve)
    note(run, plan_hash="0" * 64)
    for plan_hash in ("0" * 64, None):
        with pytest.raises(OtherPlanError, match=run.plan_hash):
            approval.approve(run.run_id, by="Ann", now=now(), plan_hash=plan_hash)
    assert approval.approve(run.run_id, **approve).outcome == "superseded"
    assert "the approved plan" in runs.find(run.run_id).reasons[0]
    assert len(site.users()) == EVERYBODY


def test_review_reads_the_plan_that_was_recorded(site: Site) -> None:
    """Review checks the hash of the plan's file and refuses the file of another plan."""
    run = diffed(site, {"users.csv": staff(EVERYBODY)})
    other = diffed(site, {"users.csv": staff(4)})
    folder = RunFolder.of(site.name, run.run_id)
    folder.take(RunFolder.of(site.name, other.run_id), "plan")
    with pytest.raises(DefectivePlanError, match=str(run.plan_hash)):
        pipeline.review(run, now=now())


@pytest.mark.parametrize(
    ("stage", "missing"), [("extract", "diff"), ("extract", "review"), ("validate", "review")]
)
def test_stage_whose_input_is_missing_says_so(site: Site, stage: str, missing: str) -> None:
    """A stage without its input fails and names the stage to clear."""
    run = diffed(site, {"users.csv": staff(EVERYBODY)})
    run = pipeline.extract(run, Kind.PACKAGE) if stage == "extract" else pipeline.validate(run)
    assert (run.plan_hash, run.reviewed_hash, run.base_version) == (None, None, None)
    assert RunFolder.of(site.name, run.run_id).read_tables("plan") == {}
    asks: dict[str, Callable[[Run], Run]] = {
        "diff": pipeline.diff,
        "review": functools.partial(pipeline.review, now=now()),
    }
    with pytest.raises(MissingStageError, match="; clear "):
        asks[missing](run)
    with pytest.raises(MissingStageError, match="there is no plan; clear diff"):
        pipeline.apply(run, now=now())


def test_plan_is_reviewed_where_it_was_made_before(site: Site) -> None:
    """A run that reuses an earlier plan has its own review, of its own input."""
    package = {"users.csv": staff(EVERYBODY)}
    outcomes = [site.sync(package)["outcome"] for _ in range(2)]
    assert outcomes == ["succeeded", "no_changes"]
    run = pipeline.extract(begin(request_of(site, package), now=now()), Kind.PACKAGE)
    assert run.same_as is not None
    assert (run.stage, run.reviewed_hash) == ("diff", None)
    run = pipeline.review(run, now=now())
    assert (run.stage, run.reviewed_hash) == ("review", run.plan_hash)
    assert pipeline.apply(run, now=now()).outcome == "no_changes"


def test_plan_that_a_person_had_to_approve_is_not_taken_over(site: Site) -> None:
    """A run reuses an earlier plan only if a review found that plan clear."""
    package = {"users.csv": staff(EVERYBODY)}
    for _ in range(2):
        judged = site.sync(package)
    with_evidence = runs.find(judged["run_id"])
    assert with_evidence.reviewed_hash == with_evidence.plan_hash
    note(with_evidence, reviewed_hash=None)
    assert runs.find(site.sync(package)["run_id"]).same_as is None


def test_run_without_an_administrator_succeeds_at_a_retry(site: Site) -> None:
    """A run that failed without an active administrator succeeds at a retry with one."""
    set_admin(site, "inactive")
    request = request_of(site, {"users.csv": staff(EVERYBODY)})
    failed = pipeline.record(begin(request, now=now()), now=now())
    assert (failed.outcome, failed.credited_admin_id) == ("failed", None)
    assert "credited administrator" in failed.reasons[0]
    set_admin(site, "active")
    run = begin(request, now=now())
    assert run.credited_admin_id is not None
    run = pipeline.diff(pipeline.validate(pipeline.extract(run, Kind.PACKAGE)))
    run = pipeline.apply(pipeline.review(run, now=now()), now=now())
    assert pipeline.record(run, now=now()).outcome == "succeeded"


def set_admin(site: Site, status: str) -> None:
    """Set the status of the credited administrator's account."""
    with database.engine().begin() as connection:
        statement = "update users set status = :status where site = :site and email = :email"
        bound = {"status": status, "site": site.name, "email": ADMIN}
        assert connection.execute(sa.text(statement), bound).rowcount == 1


def note(run: Run, **values: Any) -> None:
    """Set columns of a run's record directly in the database."""
    with database.engine().begin() as connection:
        runs.update(connection, run.run_id, **values)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_every_order_of_calls(
    product: Product, record_property: Callable[[str, object], None]
) -> None:
    """The rule holds for every order of calls, with approvals and another package in between.

    The walk continues until it reaches no new state, so it covers every order of every length.
    """
    approvable = hash_of(product.site, "dangerous")
    walk = Walk(product)
    waiting, seen = [0], {0}
    while waiting:
        number = waiting.pop()
        reached = [walk.step(number, task).after for task in TASKS]
        reached += [walk.other(number, deed) for deed in OTHERS]
        new = set(reached) - seen
        seen |= new
        waiting += new
    rosters = {facts.roster for facts in walk.shelf.facts}
    assert rosters == {BEFORE, HARMLESS, DANGEROUS}
    check(walk, approvable)
    walk.shelf.close()
    record_property("soak", f"{len(seen):,} states, {len(TASKS) + len(OTHERS)} calls from each")


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_random_orders_of_calls(
    product: Product, record_property: Callable[[str, object], None]
) -> None:
    """The rule holds for long random orders, in which every call is really made.

    `ORDERS_SEED` repeats a printed seed; `ORDERS_RUNS` sets the number of runs.
    """
    approvable = hash_of(product.site, "dangerous")
    drawn = random.Random(SEED)
    sys.stdout.write(f"ORDERS_SEED={SEED}\n")
    runs = int(os.environ.get("ORDERS_RUNS", "40"))
    record_property("soak", f"{runs} runs of 20 calls, ORDERS_SEED={SEED}")
    for _ in range(runs):
        product.site.command("sync", product.site.package({"users.csv": staff(EVERYBODY)}))
        product.begin_another()
        calls = []
        for _ in range(20):
            choices: list[str | Deed] = [*TASKS, *OTHERS]
            deed = drawn.choice(choices)
            calls.append(str(deed))
            before = product.roster()
            if not isinstance(deed, Deed):
                product.call(deed)
            elif deed.word == "replace":
                product.replace()
            else:
                product.decide(deed)
            after, run = product.roster(), product.run
            if before != after and after[0] == DANGEROUS[0]:
                assert run is not None, calls
                decided = (run.decision, run.decided_hash)
                assert (deed, *decided) == ("apply", "approved", approvable), calls
