"""An invented school district: its days, packages and faults, and the expected roster.

* `make_district(seed, users)` returns the first day, `next_day(district, rng)` the day after;
* `bulk_package` and `delta_package` return the rows that an SIS would export; `write_zip`,
  `write_folder` and `write_lone_csv` write the files;
* `plant_faults` puts a named fault into about one row in a hundred;
* `desired` returns the roster that a sync must give: the oracle, independent of the product.
"""

from __future__ import annotations

from district.days import BUSY as BUSY
from district.days import QUIET as QUIET
from district.days import Rates as Rates
from district.days import next_day as next_day
from district.desired import Desired as Desired
from district.desired import desired as desired
from district.faults import FAULT_NAMES as FAULT_NAMES
from district.faults import Fault as Fault
from district.faults import plant_faults as plant_faults
from district.make import make_district as make_district
from district.model import District as District
from district.rows import Package as Package
from district.rows import Table as Table
from district.rows import bulk_package as bulk_package
from district.rows import delta_package as delta_package
from district.rows import shuffled as shuffled
from district.state import EMPTY as EMPTY
from district.state import Roster as Roster
from district.unsettled import plant_settled_faults as plant_settled_faults
from district.words import ID_STYLES as ID_STYLES
from district.write import STYLES as STYLES
from district.write import Style as Style
from district.write import write_folder as write_folder
from district.write import write_lone_csv as write_lone_csv
from district.write import write_zip as write_zip
