"""What the last days brought and took: nine per cent a day is never beyond the limit of one run."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW = dt.timedelta(days=7)
"""How long what was applied counts together with a plan."""
HEALS = dt.timedelta(days=30)
"""How long after somebody went by mere absence their return is taken for a mended export."""


@dataclass(frozen=True, slots=True)
class Recent:
    """What runs changed within the window without a person's approval, and why people went.

    Attributes:
        gone: Kind → records that went and have not come back; not counted are those that were
            approved, let through by a raised limit, undone, or ended with their terms.
        added: Users who were added and are still active.
        reactivated: Users who came back, not from mere absence, and are still active.
        active: Kind → managed active records at the beginning of the window.
        absent: Users of the plan who come back and had gone by mere absence within `HEALS`.
        disabled: Users of the plan who come back and whom `enabledUser=false` had disabled.
        second: Users of the plan who went before because no primary role was one of staff.
    """

    gone: Mapping[str, int] = field(default_factory=dict)
    added: int = 0
    reactivated: int = 0
    active: Mapping[str, int] = field(default_factory=dict)
    absent: frozenset[int] = frozenset()
    disabled: frozenset[int] = frozenset()
    second: frozenset[int] = frozenset()
