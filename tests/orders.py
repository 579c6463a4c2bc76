"""Every order in which users can make Airflow run the tasks of one run, explored in process.

A user who may run a DAG may mark a task as success or failed, and may clear it, alone or with its
downstream tasks, at any time. Marking sets a state and calls no code; clearing makes Airflow call
the task again. `Walk` models the states of the tasks and Airflow's trigger rules. The tasks
themselves are not modelled: see run_states.py. The effect of each task on each state of the product
is tried once, so that thousands of orders take seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

from run_states import (
    CUT,
    DEEDS,
    DONE,
    ENDED,
    FAILED,
    NEW,
    OTHERS,
    QUESTION,
    SKIPPED,
    TASKS,
    WAITS,
    Called,
    Deed,
    Product,
    Shelf,
)


class Stand(NamedTuple):
    """A point of an order: the state of each task, and the number of the product's state."""

    tasks: str
    product: int


@dataclass(frozen=True)
class Step:
    """One call of a task: its result, and the product's states before and after it."""

    task: str
    before: int
    after: int
    called: Called


class Walk:
    """All orders of users' actions on one run, with the work of Airflow's scheduler in between."""

    def __init__(self, product: Product) -> None:
        """Start with a requested run of which no task was called."""
        self.product, self.shelf = product, Shelf(product)
        self.steps: dict[tuple[int, str], Step] = {}
        self._others: dict[tuple[int, Deed], int] = {}
        self.start = Stand(NEW * len(TASKS), 0)

    def step(self, number: int, task: str) -> Step:
        """Return the effect of a task on a state of the product; the first time, run the task."""
        if (number, task) not in self.steps:
            self.shelf.put_back(number)
            called = self.product.call(task)
            self.steps[number, task] = Step(task, number, self.shelf.keep(), called)
        return self.steps[number, task]

    def orders(
        self, depth: int, deeds: Iterable[Deed] = (*DEEDS, *OTHERS)
    ) -> dict[Stand, tuple[Deed, ...]]:
        """Return every stand that actions can lead to, whatever the scheduler does between them.

        Returns:
            Stand → one of the shortest orders that lead to it.
        """
        deeds = tuple(deeds)
        found: dict[Stand, tuple[Deed, ...]] = {}
        edge = self._settle(self.start, (), found)
        for _ in range(depth):
            reached: dict[Stand, tuple[Deed, ...]] = {}
            for stand in edge:
                for deed in deeds:
                    for after in self.do(stand, deed):
                        if after not in found and after not in reached:
                            reached[after] = (*found[stand], deed)
            edge = [
                new for stand, order in reached.items() for new in self._settle(stand, order, found)
            ]
        return found

    def _settle(
        self, stand: Stand, order: tuple[Deed, ...], found: dict[Stand, tuple[Deed, ...]]
    ) -> list[Stand]:
        """Record a stand and all stands that the scheduler reaches from it; return the new ones."""
        waiting, new = [stand], []
        while waiting:
            stand = waiting.pop()
            if stand not in found:
                found[stand] = order
                new.append(stand)
                waiting += self.scheduled(stand)
        return new

    def scheduled(self, stand: Stand) -> list[Stand]:
        """Return the stands that the scheduler's next step can reach, one for each task due."""
        found = []
        for task, state in due(stand.tasks):
            if state is None:
                found.append(self.called(stand, task))
            else:
                found.append(Stand(put(stand.tasks, task, state), stand.product))
        return [after for after in found if after != stand]

    def called(self, stand: Stand, task: str) -> Stand:
        """Return the stand after the call of a task."""
        step = self.step(stand.product, task)
        tasks = put(stand.tasks, task, step.called.state)
        for skipped in step.called.skips:
            if tasks[TASKS.index(skipped)] not in {DONE, FAILED}:
                tasks = put(tasks, skipped, SKIPPED)
        return Stand(tasks, step.after)

    def do(self, stand: Stand, deed: Deed) -> list[Stand]:
        """Return the stands after an action; none if it changes nothing."""
        if deed in OTHERS:
            after = Stand(stand.tasks, self.other(stand.product, deed))
        elif deed.word == "retry":
            if (deed.task, None) not in due(stand.tasks):
                return []
            first = self.called(stand, deed.task)
            after = self.called(Stand(stand.tasks, first.product), deed.task)
        else:
            state = {"mark success": DONE, "mark failed": FAILED, "clear": NEW}[deed.word]
            at, tasks = TASKS.index(deed.task), stand.tasks
            for task in TASKS[at:] if deed.downstream else TASKS[at : at + 1]:
                tasks = put(tasks, task, state)
            after = Stand(tasks, stand.product)
        return [after] if after != stand else []

    def other(self, number: int, deed: Deed) -> int:
        """Return the product's state after an action that is not one of Airflow's."""
        if (number, deed) not in self._others:
            self.shelf.put_back(number)
            if deed.word == "replace":
                self.product.replace()
            else:
                self.product.decide(deed)
            self._others[number, deed] = self.shelf.keep()
        return self._others[number, deed]


class Order(NamedTuple):
    """Actions before the first call of a task, and actions while no task is due."""

    first: tuple[Deed, ...]
    later: tuple[Deed, ...] = ()

    def __str__(self) -> str:
        """Return the order as readable text."""
        return " | ".join(", ".join(map(str, deeds)) for deeds in self)

    def holds(self, other: Order) -> bool:
        """Return whether this order has all actions of another order, in the same sequence."""
        return all(_in_order(mine, theirs) for mine, theirs in zip(self, other, strict=True))


def order_of(text: str) -> Order:
    """Parse an order from a text like those of `SHORTEST`."""
    first, _, later = text.partition("|")
    return Order(_deeds(first), _deeds(later))


def _deeds(text: str) -> tuple[Deed, ...]:
    by_name = {str(deed): deed for deed in DEEDS}
    return tuple(by_name[name.strip()] for name in text.split(",") if name.strip())


SHORTEST = (
    "mark success review | ",
    "mark success review_decision | ",
    " | mark success review_decision",
    " | mark success extract and downstream, clear apply",
    " | mark success extract and downstream, clear apply and downstream",
    " | mark success validate and downstream, clear apply",
    " | mark success validate and downstream, clear apply and downstream",
    " | mark success diff and downstream, clear apply",
    " | mark success diff and downstream, clear apply and downstream",
    "mark success review and downstream | clear apply",
    "mark success review and downstream | clear review_decision and downstream",
    "mark success review and downstream | clear apply and downstream",
    " | mark success review and downstream, clear apply",
    " | mark success review and downstream, clear apply and downstream",
    "mark success review_decision and downstream | clear apply",
    "mark success review_decision and downstream | clear apply and downstream",
    " | mark success review_decision and downstream, clear apply",
    " | mark success review_decision and downstream, clear apply and downstream",
    "mark success diff and downstream | clear diff, clear apply",
    "mark success diff and downstream | clear diff, clear review_decision and downstream",
)
"""The shortest dangerous orders: actions before the first call of a task | actions while no task is
due.

A test proves that they are the shortest; another test runs them in a live Airflow.
"""
ATTACKS = (
    "mark success review and downstream | clear validate, clear apply",
    "mark success review and downstream | clear extract, clear apply",
)
"""Orders that deactivated six people when a plan was not yet identified by its hash alone."""


def _in_order(deeds: tuple[Deed, ...], wanted: tuple[Deed, ...]) -> bool:
    rest = iter(deeds)
    return all(deed in rest for deed in wanted)


def shortest_dangerous(walk: Walk, plan_hash: str, count: int) -> list[Order]:
    """Return the shortest orders that call `apply` on a plan without an approval.

    A person can follow them in a live Airflow, because no action falls between two calls. No order
    has an unnecessary action.
    """
    found: list[Order] = []
    edge = [(Order(()), walk.start, _settled(walk, walk.start, plan_hash)[0])]
    while len(found) < count:
        reached = [longer for one in edge for longer in _longer(walk, *one)]
        edge = []
        for order, begun, after in reached:
            if any(order.holds(shorter) for shorter in found):
                continue
            stands, dares = _settled(walk, after, plan_hash)
            if dares:
                found.append(order)
            else:
                edge.append((order, begun, stands))
    return found[:count]


def _longer(walk: Walk, order: Order, begun: Stand, stands: Stand) -> Iterator[tuple[Any, ...]]:
    """Yield the orders with one more action, each with the stands that it leads to."""
    for deed in DEEDS:
        if not order.later and deed.word.startswith("mark") and deed.task != TASKS[0]:
            for after in walk.do(begun, deed):
                yield Order((*order.first, deed)), after, after
        if deed.word != "retry":
            for after in walk.do(stands, deed):
                yield Order(order.first, (*order.later, deed)), begun, after


def _settled(walk: Walk, stand: Stand, plan_hash: str) -> tuple[Stand, bool]:
    """Return the stand where no task is due, and whether `apply` was called on the plan before."""
    dares = False
    while todo := walk.scheduled(stand):
        is_called = ("apply", None) in due(stand.tasks)
        dares |= is_called and walk.shelf.facts[stand.product].would_dare(plan_hash)
        stand = todo[0]
    return stand, dares


def due(tasks: str) -> list[tuple[str, str | None]]:
    """Return what the scheduler does next: call a task (None), or set it to a state.

    The DAG is a chain, except that `apply` follows both `review` and the decision. The trigger
    rules are those of the DAG: `apply` needs one success and no failure, `record` always runs.
    """
    state = dict(zip(TASKS, tasks, strict=True))
    found: list[tuple[str, str | None]] = []
    for task, before in _UPSTREAM.items():
        if state[task] == WAITS:
            found.append((task, None))
        if state[task] != NEW or not {state[one] for one in before} <= ENDED:
            continue
        states = {state[one] for one in before}
        if task == "record" or not before or states == {DONE}:
            found.append((task, None))
        elif states & {FAILED, CUT}:
            found.append((task, CUT))
        elif task == "apply" and DONE in states:
            found.append((task, None))
        else:
            found.append((task, SKIPPED))
    return found


_UPSTREAM: dict[str, tuple[str, ...]] = {
    "extract": (),
    "validate": ("extract",),
    "diff": ("validate",),
    "review": ("diff",),
    QUESTION: ("review",),
    "apply": ("review", QUESTION),
    "record": ("apply",),
}


def put(tasks: str, task: str, state: str) -> str:
    """Return the states with the state of one task replaced."""
    at = TASKS.index(task)
    return tasks[:at] + state + tasks[at + 1 :]
