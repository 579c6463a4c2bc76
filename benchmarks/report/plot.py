"""Plot a bar for each contestant and day, as SVG, on a logarithmic scale."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from benchmarks.districts.days import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.report.results import Results

_WHO = ("read + sha256", "limit", "ours", "pandas + to_sql", "dlt merge")
_COLORS = ("#9aa5b1", "#52606d", "#2f6fed", "#d9a441", "#c4673f")
_LEFT, _WIDTH, _BAR, _GAP = 150, 460, 18, 30
_TEXT = 'font-family="sans-serif" font-size="12" fill="#3e4c59"'


def plot(results: Results) -> str:
    """Return an SVG of the medians of all whole syncs."""
    return "\n".join(_lines(results))


def _lines(results: Results) -> Iterator[str]:
    found = [s.median_s for d in NAMES for w in _WHO if (s := results.find(d, w))]
    # Whole decades, so that the grid has a line at each end.
    low = 10 ** math.floor(math.log10(min(found)))
    decades = math.log10(10 ** math.ceil(math.log10(max(found))) / low)
    height = len(NAMES) * (len(_WHO) * _BAR + _GAP) + 40
    width = _LEFT + _WIDTH + 70
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
    yield f'<rect width="{width}" height="{height}" fill="white"/>'
    for decade in range(round(decades) + 1):
        x = _LEFT + _WIDTH * decade / decades
        yield f'<line x1="{x:.0f}" y1="10" x2="{x:.0f}" y2="{height - 25}" stroke="#e4e7eb"/>'
        label = f"{low * 10**decade:g} s"
        yield f'<text x="{x:.0f}" y="{height - 8}" text-anchor="middle" {_TEXT}>{label}</text>'
    y = 10
    for day in NAMES:
        yield f'<text x="4" y="{y + 14}" font-weight="bold" {_TEXT}>{day}</text>'
        y += 20
        for who, color in zip(_WHO, _COLORS, strict=True):
            series = results.find(day, who)
            if series is None:
                continue
            size = _WIDTH * math.log10(series.median_s / low) / decades
            place = f'x="{_LEFT - 6}" y="{y + 12}" text-anchor="end"'
            yield f"<text {place} {_TEXT}>{escape(who)}</text>"
            yield (
                f'<rect x="{_LEFT}" y="{y + 2}" width="{size:.0f}" height="{_BAR - 4}" '
                f'fill="{color}"/>'
            )
            words = f"{series.median_s:.2f} s"
            yield f'<text x="{_LEFT + size + 5:.0f}" y="{y + 13}" {_TEXT}>{words}</text>'
            y += _BAR
        y += _GAP - 20
    yield "</svg>"
