"""Every order in which people can have Airflow run the tasks of one run, walked in process.

Whoever may run a DAG may mark a task as done or as failed, and may clear it, alone or with what
comes after it, at any moment. Marking sets a state and calls nothing; clearing has the task called
again. `Walk` models that: the states of the tasks and Airflow's trigger rules. What the tasks do is
no model: see run_states.py. What each task does to each state of the product is tried out once, and
thousands of orders take seconds.
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
    """Where an order has led to: the state of each task, and the number of the product's state."""

    tasks: str
    product: int


@dataclass(frozen=True)
class Step:
    """A call of a task: what it came to, and the states of the product around it."""

    task: str
    before: int
    after: int
    called: Called


class Walk:
    """All orders of deeds upon one run, with Airflow's scheduler at work between them."""

    def __init__(self, product: Product) -> None:
        """Begin where the run has been asked for, and no task was called."""
        self.product, self.shelf = product, Shelf(product)
        self.steps: dict[tuple[int, str], Step] = {}
        self._others: dict[tuple[int, Deed], int] = {}
        self.start = Stand(NEW * len(TASKS), 0)

    def step(self, number: int, task: str) -> Step:
        """Return what a task does to a state of the product; it is tried out the first time."""
        if (number, task) not in self.steps:
            self.shelf.put_back(number)
            called = self.product.call(task)
            self.steps[number, task] = Step(task, number, self.shelf.keep(), called)
        return self.steps[number, task]

    def orders(
        self, depth: int, deeds: Iterable[Deed] = (*DEEDS, *OTHERS)
    ) -> dict[Stand, tuple[Deed, ...]]:
        """Return every stand that deeds lead to, however the scheduler's work falls between them.

        Returns:
            Stand → one of the shortest orders that lead there.
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
        """Note a stand, and all that the scheduler makes of it; return those that are new."""
        waiting, new = [stand], []
        while waiting:
            stand = waiting.pop()
            if stand not in found:
                found[stand] = order
                new.append(stand)
                waiting += self.scheduled(stand)
        return new

    def scheduled(self, stand: Stand) -> list[Stand]:
        """Return where the scheduler's next step may lead: to another stand for each task due."""
        found = []
        for task, state in due(stand.tasks):
            if state is None:
                found.append(self.called(stand, task))
            else:
                found.append(Stand(put(stand.tasks, task, state), stand.product))
        return [after for after in found if after != stand]

    def called(self, stand: Stand, task: str) -> Stand:
        """Return where the call of a task leads."""
        step = self.step(stand.product, task)
        tasks = put(stand.tasks, task, step.called.state)
        for skipped in step.called.skips:
            if tasks[TASKS.index(skipped)] not in {DONE, FAILED}:
                tasks = put(tasks, skipped, SKIPPED)
        return Stand(tasks, step.after)

    def do(self, stand: Stand, deed: Deed) -> list[Stand]:
        """Return where a deed leads; nowhere when it changes nothing."""
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
        """Return the state that another deed than an operator's leads to."""
        if (number, deed) not in self._others:
            self.shelf.put_back(number)
            if deed.word == "replace":
                self.product.replace()
            else:
                self.product.decide(deed)
            self._others[number, deed] = self.shelf.keep()
        return self._others[number, deed]


class Order(NamedTuple):
    """Deeds that are done before any task was called, and deeds for which all stands still."""

    first: tuple[Deed, ...]
    later: tuple[Deed, ...] = ()

    def __str__(self) -> str:
        """Return it as a person would say it."""
        return " | ".join(", ".join(map(str, deeds)) for deeds in self)

    def holds(self, other: Order) -> bool:
        """Tell whether all deeds of another order are done in this one, and in that order."""
        return all(_in_order(mine, theirs) for mine, theirs in zip(self, other, strict=True))


def order_of(text: str) -> Order:
    """Return the order that a text like those of `SHORTEST` names."""
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
"""The shortest dangerous orders: what is done before any task was called | and in a standstill.

A test holds that they are the shortest; another one does them in a live Airflow.
"""
ATTACKS = (
    "mark success review and downstream | clear validate, clear apply",
    "mark success review and downstream | clear extract, clear apply",
)
"""Orders by which six people were deactivated before a plan was known by its hash alone."""


def _in_order(deeds: tuple[Deed, ...], wanted: tuple[Deed, ...]) -> bool:
    rest = iter(deeds)
    return all(deed in rest for deed in wanted)


def shortest_dangerous(walk: Walk, plan_hash: str, count: int) -> list[Order]:
    """Return the shortest orders by which `apply` is called upon a plan that nobody approved.

    They are such as a person can keep to in a live Airflow: nothing has to be done between two
    calls. None has a deed more than it needs.
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
    """Return the orders that have one deed more, each with where it leads."""
    for deed in DEEDS:
        if not order.later and deed.word.startswith("mark") and deed.task != TASKS[0]:
            for after in walk.do(begun, deed):
                yield Order((*order.first, deed)), after, after
        if deed.word != "retry":
            for after in walk.do(stands, deed):
                yield Order(order.first, (*order.later, deed)), begun, after


def _settled(walk: Walk, stand: Stand, plan_hash: str) -> tuple[Stand, bool]:
    """Return where all stands still, and whether `apply` was called upon the plan on the way."""
    dares = False
    while todo := walk.scheduled(stand):
        is_called = ("apply", None) in due(stand.tasks)
        dares |= is_called and walk.shelf.facts[stand.product].would_dare(plan_hash)
        stand = todo[0]
    return stand, dares


def due(tasks: str) -> list[tuple[str, str | None]]:
    """Return what the scheduler would do next: call a task (None), or set it to a state.

    The DAG is a chain, but `apply` comes after `review` and after the question. The trigger rules
    are those of the DAG: `apply` wants no failure and one success, `record` is called in any case.
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
    """Return the states with one replaced."""
    at = TASKS.index(task)
    return tasks[:at] + state + tasks[at + 1 :]
