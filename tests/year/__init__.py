"""A simulated year of a district: the truth, a SIS's export, mishaps, and the roster.

* `truth` and `life` are the real district, which the sync cannot see;
* `sis` assigns sourcedIds, `mishaps` spoil the export, `agenda` sets the dates;
* `simulation` syncs each day's package, `office` decides about held plans;
* `soak` adds killed processes, database restarts and full disks;
* `watch` compares the roster with the truth, `tally` counts.
"""

from __future__ import annotations

from year.agenda import AUTUMN as AUTUMN
from year.agenda import YEAR as YEAR
from year.simulation import Simulation as Simulation
from year.simulation import WrongError as WrongError
