"""Results of `make soak`, for docs/reliability.md.

A soak test records what it did with `record_property("soak", "1,000 days, seed 7")`. After a run
without failures, `--write-soak` writes these lines to the page, with date and commit.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

from catalogue.page import PAGE
from homes import PROJECT

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

KEY = "soak"
_TABLE = re.compile(r"(<!-- soak -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def lived(stats: Mapping[str, Sequence[Any]]) -> list[tuple[str, str]]:
    """Return the name of each passed soak test and what it did.

    Args:
        stats: Outcome → reports, as pytest's terminal reporter has them.
    """
    return [
        (report.nodeid.partition("::")[2].removeprefix("test_").replace("_", " "), str(done))
        for report in stats.get("passed", ())
        for key, done in report.user_properties
        if key == KEY and report.when == "call"
    ]


def write(done: Iterable[tuple[str, str]], today: dt.date, *, page: str) -> str:
    """Return the page with new rows for these tests; the rows of other tests stay."""
    return _TABLE.sub(lambda found: found[1] + _table(found[2], done, today) + found[3], page)


def write_page(done: Iterable[tuple[str, str]], today: dt.date) -> None:
    """Write the results of soak tests to docs/reliability.md."""
    PAGE.write_text(write(done, today, page=PAGE.read_text("utf-8")), "utf-8")


def _table(before: str, done: Iterable[tuple[str, str]], today: dt.date) -> str:
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in before.splitlines()[2:]}
    for test, what in done:
        rows[test] = f"| {test} | {what} | {today} | {_commit()} |"
    head = ["| test | lived through | on | commit |", "|---|---|---|---|"]
    return "\n".join([*head, *(rows[test] for test in sorted(rows)), ""])


def _commit() -> str:
    words = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
