"""What the days are called."""

from __future__ import annotations

NAMES = ("day 1", "day 2", "no change")
"""Of the days whose packages are synced by all, in order; the last package is that of day 2."""
AGAIN = "no change again"
"""The last package once more: what was judged before needs no second judgement."""
