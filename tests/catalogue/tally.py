"""Count the cases of the catalogue that a test run tried, and those that held."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from catalogue.promises import PROMISES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

_TOLD = ("passed", "failed", "error")


def tally(stats: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of the tally; a case holds if all its tests passed.

    Args:
        stats: Outcome → reports, from pytest's terminal reporter.
    """
    held: dict[str, bool] = defaultdict(lambda: True)
    tests = 0
    for outcome in _TOLD:
        for report in stats.get(outcome, ()):
            # The report of a module that can't be imported has no properties.
            properties = getattr(report, "user_properties", ())
            cases = {case for key, case in properties if key == "case"}
            tests += bool(cases) and report.when == "call"
            for case in cases:
                held[case] &= outcome == "passed"
    if not held:
        return
    yield (
        f"catalogue: {len(held)} of {len(PROMISES)} cases tried by {tests} tests, "
        f"{sum(held.values())} held"
    )
    broken = [case for case in PROMISES if not held.get(case, True)]
    if broken:
        yield f"catalogue: NOT held: {', '.join(broken)}"
