"""A simulated year of a district: the truth, a SIS's export, mishaps, and the roster.

* `truth` and `life` are the district as it is, which the sync can't see;
* `sis` gives it sourcedIds, `mishaps` spoil the export, `agenda` says when;
* `simulation` brings each day's package to the sync, `office` decides about what is held;
* on the way there `soak` lets machines die, databases restart and disks fill up;
* `watch` compares the roster with the truth, `tally` counts.
"""

from __future__ import annotations

from year.agenda import AUTUMN as AUTUMN
from year.agenda import YEAR as YEAR
from year.simulation import Simulation as Simulation
from year.simulation import WrongError as WrongError
