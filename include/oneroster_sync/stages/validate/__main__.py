"""Print the reference of columns: `python -m oneroster_sync.stages.validate`."""

from __future__ import annotations

import sys

from oneroster_sync import settings
from oneroster_sync.stages.validate.columns import as_markdown

sys.stdout.write(as_markdown(settings.expectations()))
