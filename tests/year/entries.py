"""The entries of a calendar: mishaps and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from oneroster_sync.runs import Outcome

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from district import District
    from year.simulation import Simulation

    Happening = Callable[[Simulation, dt.date], None]

TAKEN = frozenset({Outcome.SUCCEEDED, Outcome.SUCCEEDED_WITH_ERRORS, Outcome.NO_CHANGES})
"""Outcomes of a run that accepted its package."""
NONE: frozenset[str] = frozenset()


class Desk(Enum):
    """Who decides about held plans."""

    RULES = "somebody who reads the reasons"
    NOBODY = "nobody"
    MISTAKEN = "somebody who approves whatever comes"


@dataclass(frozen=True, slots=True)
class Mishap:
    """A faulty delivery of a package.

    Attributes:
        name: Name for the tally.
        deliver: Function that delivers a faulty package, or none, to the source.
        ends: Possible first outcomes of the run.
        codes: Expected reasons of a hold or a rejection: at least one of them, if any.
        waits: Expected reasons for pending removals while the rest is applied: at least one, if
            any.
        desk: Who decides.
    """

    name: str
    deliver: Callable[[Simulation, District], None]
    ends: frozenset[Outcome]
    codes: frozenset[str] = NONE
    waits: frozenset[str] = NONE
    desk: Desk = Desk.RULES


@dataclass(frozen=True, slots=True)
class Agenda:
    """A calendar.

    Attributes:
        first_on: The day of the first sync.
        last_on: The day of the last sync.
        settings: Preferences of the site.
        happens: Day → changes of the district, the SIS or the preferences in the evening.
        mishaps: Day of the sync → mishap.
        afterwards: Day → actions of people at noon.
        held: Days on which a good package is held → reasons.
        may_be_held: Days on which a good package may be held → reasons.
        again_every: After each such number of syncs, the same package is synced again.
    """

    first_on: dt.date
    last_on: dt.date
    settings: Mapping[str, Any]
    happens: Mapping[dt.date, tuple[Happening, ...]]
    mishaps: Mapping[dt.date, Mishap]
    afterwards: Mapping[dt.date, tuple[Happening, ...]] = field(default_factory=dict)
    held: Mapping[dt.date, frozenset[str]] = field(default_factory=dict)
    may_be_held: Mapping[dt.date, frozenset[str]] = field(default_factory=dict)
    again_every: int = 10
