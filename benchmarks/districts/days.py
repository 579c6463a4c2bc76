"""The names of the days."""

from __future__ import annotations

NAMES = ("day 1", "day 2", "no change")
"""Days whose packages every contestant syncs, in order; the last package is that of day 2."""
AGAIN = "no change again"
"""The last package once more, whose results can be reused."""
