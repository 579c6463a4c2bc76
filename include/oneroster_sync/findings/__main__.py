"""Print the reference of finding codes: `python -m oneroster_sync.findings`."""

from __future__ import annotations

import sys

from oneroster_sync.findings.reference import format_page

sys.stdout.write(format_page())
