"""What a simulated year came to, as a person reads it."""

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
        seed: Of the life that was lived.
        days: Days of the calendar.
        runs: How runs ended at first: a held one counts as held.
        became: What became of held plans.
        holds: Held plans by guard.
        decisions: What people did.
        changes: What was applied, by kind and word.
        mishaps: What went wrong with packages.
        faults: How often a run was killed, or failed for want of a database or a disk.
        bad_rows: Rows of otherwise good packages that could not be used.
        paused: Days on which a sync was not wanted because of a pause window.
        no_login: How many were active without an address to log in with, at most.
        wrong: Everything that should not have happened.
        deactivations: How many wrong deactivations there are among it.
        by_mistake: People deactivated by a wrong approval.
        put_back: How many of them undo brought back; others had left by then, or were named.
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
        """Count a run as it ended at first."""
        self.runs[str(run.outcome)] += 1
        self.holds.update({hold["code"] for hold in run.holds} if run.holds else ())

    def note_changes(self, run: Run) -> None:
        """Count what a run applied."""
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
        told = [f"{name:<{_WIDTH}}{value}" for name, value in lines]
        return "\n".join([*told, *(f"WRONG  {line}" for line in self.wrong)])


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(counter.items()) if n) or "none"
