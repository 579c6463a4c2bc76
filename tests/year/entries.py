"""What a calendar is made of: mishaps, and what happens."""

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
"""How a run ends whose package was taken."""
NONE: frozenset[str] = frozenset()


class Desk(Enum):
    """Who sits in the office when a plan is held."""

    RULES = "somebody who reads the reasons"
    NOBODY = "nobody"
    MISTAKEN = "somebody who approves whatever comes"


@dataclass(frozen=True, slots=True)
class Mishap:
    """A package that does not come as it should.

    Attributes:
        name: For the tally.
        deliver: Puts something, or nothing, where the sync looks.
        ends: How the run may end at first.
        codes: Reasons of which one at least must be told, where there are any.
        waits: Reasons of which one at least must be told of removals that wait while the rest goes
            on.
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
        last_on: The day of the last.
        settings: Preferences of the site.
        happens: In the evening of a day: what changes in the district, the SIS or the preferences.
        mishaps: By the day of the slot.
        afterwards: What people do at noon of a day.
        held: Days on which a good package is held, and for which reasons.
        may_be_held: Days on which a good one may be, and for which, if there is much at once.
        again_every: After so many syncs the same package is brought once more.
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
