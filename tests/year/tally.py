"""The results of a simulated year, as text for a person."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oneroster_sync.runs import Run

_WIDTH = 24


@dataclass(slots=True)
class Tally:
    """The numbers of a year.

    Attributes:
        seed: The seed of the simulation.
        days: The days of the calendar.
        runs: The first outcomes of runs: a held one counts as held.
        became: The final outcomes of held plans.
        holds: Held plans by guard.
        decisions: The decisions of people.
        changes: The applied changes, by kind and action.
        mishaps: Mishaps of packages.
        faults: The numbers of runs that were killed, or failed without a database or a disk.
        bad_rows: Rows of otherwise good packages that could not be used.
        paused: Days without a sync because of a pause window.
        no_login: The highest number of active users without an e-mail to log in.
        wrong: All wrong results.
        deactivations: The number of wrong deactivations among them.
        by_mistake: People deactivated by a wrong approval.
        put_back: The number of them whom an undo restored; others had left, or were named.
    """

    seed: int
    days: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    became: Counter[str] = field(default_factory=Counter)
    holds: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    changes: dict[str, Counter[str]] = field(default_factory=dict)
    mishaps: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    bad_rows: int = 0
    paused: int = 0
    no_login: int = 0
    wrong: list[str] = field(default_factory=list)
    deactivations: int = 0
    by_mistake: int = 0
    put_back: int = 0

    def note_end(self, run: Run) -> None:
        """Count a run by its first outcome."""
        self.runs[str(run.outcome)] += 1
        self.holds.update({hold["code"] for hold in run.holds} if run.holds else ())

    def note_changes(self, run: Run) -> None:
        """Count the applied changes of a run."""
        for kind, numbers in (run.counts or {}).items():
            words = {word: n for word, n in numbers.items() if word not in {"errors", "ignored"}}
            self.changes.setdefault(kind, Counter()).update(words)

    def to_text(self) -> str:
        """Return the tally as lines."""
        lines = [
            ("seed", str(self.seed)),
            ("days", f"{self.days}, {self.paused} of them without a sync because of a pause"),
            ("runs", f"{sum(self.runs.values())}: {_listed(self.runs)}"),
            ("plans held", _listed(self.holds)),
            ("what became of them", _listed(self.became)),
            ("people", _listed(self.decisions)),
            ("mishaps", f"{sum(self.mishaps.values())}: {_listed(self.mishaps)}"),
            ("faults", f"{sum(self.faults.values())}: {_listed(self.faults)}"),
            ("bad rows", str(self.bad_rows)),
            ("without a login", f"{self.no_login} at most, on any day"),
            *((kind, _listed(words)) for kind, words in self.changes.items()),
            ("wrong approvals", f"{self.by_mistake} deactivated, {self.put_back} put back by undo"),
            ("wrong deactivations", str(self.deactivations)),
        ]
        rows = [f"{name:<{_WIDTH}}{value}" for name, value in lines]
        return "\n".join([*rows, *(f"WRONG  {line}" for line in self.wrong)])


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(counter.items()) if n) or "none"
