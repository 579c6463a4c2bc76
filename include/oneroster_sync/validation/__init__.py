"""Stage 2, validate: the suites under `expectations/` decide which rows are used.

`rules` and `relations` add what the suites need and Great Expectations lacks; `suites` loads them;
`judging` runs one over one file; `validate` walks the files in an order in which a target stands
before what points to it. Importing this package is cheap; Great Expectations is loaded when a stage
runs.
"""

from __future__ import annotations

from oneroster_sync.validation.validate import (
    Validated,
    asks_what_is_known,
    unusable_files,
    validate,
)

__all__ = ["Validated", "asks_what_is_known", "unusable_files", "validate"]
