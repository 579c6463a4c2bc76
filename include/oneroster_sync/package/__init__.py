"""The door: what comes in as a package leaves as one staff-only snapshot per file.

`opening` knows zips, folders and lone files; `manifest` which files count and how; `lines` and
`reading` turn CSV into tables; `headers` and `repairs` hold the named repairs of the tolerant
profile; `staff` drops everybody who is not staff; `extract` is the stage. `mapping` reads ids.csv
and links.csv, which are no packages.

A repair is made only where there is one way to read what was meant, and each is a finding.
"""

from __future__ import annotations

from oneroster_sync.package.extract import Extracted, extract
from oneroster_sync.package.opening import Limits
from oneroster_sync.package.staff import Known

__all__ = ["Extracted", "Known", "Limits", "extract"]
