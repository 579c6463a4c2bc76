"""Print the reference of columns: `python -m oneroster_sync.stages.validate`."""

from __future__ import annotations

import sys

from oneroster_sync import settings
from oneroster_sync.stages.validate.columns import format_page

sys.stdout.write(format_page(settings.expectations()))
