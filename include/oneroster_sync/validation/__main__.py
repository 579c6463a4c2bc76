"""Print the reference of columns: `python -m oneroster_sync.validation`."""

from __future__ import annotations

import sys

from oneroster_sync import settings
from oneroster_sync.validation.columns import as_markdown

sys.stdout.write(as_markdown(settings.expectations()))
