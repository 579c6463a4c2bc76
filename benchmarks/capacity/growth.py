"""Stored data of a number of districts: rows and bytes after a year, in database and bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.districts.days import NAMES
from oneroster_sync.settings import Keeping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.capacity.assumptions import Assumptions
    from benchmarks.capacity.storage import Kept

YEAR_DAYS = 365
AIRFLOW_DAYS = 90
"""Retention of Airflow's own records: `databaseCleanup` of deploy/helm/values.yaml."""
ROSTER = ("users", "courses", "course_assignments", "orgs", "roles", "classes", "enrollments")
"""Tables with the current state; all other tables hold history."""
FIRST, CHANGED = NAMES[0], NAMES[1]
_WEEKDAYS, _WEEK = 5, 7


@dataclass(frozen=True, slots=True)
class Growth:
    """One table of the database, or one kind of file.

    Attributes:
        name: Name of the table or kind.
        a_year: Rows, or bytes of files, that a year of syncs adds.
        standing: Rows, or bytes, after the first sync of every district.
        row_bytes: Bytes of a row with its indexes; 1 for files.
        days: Retention; None for no limit.
    """

    name: str
    a_year: float
    standing: float
    row_bytes: float
    days: int | None

    def after(self, years: float) -> float:
        """Return the stored bytes after a number of years."""
        kept = years if self.days is None else min(years, self.days / YEAR_DAYS)
        return (self.standing + self.a_year * kept) * self.row_bytes


def runs_a_week(districts: float, assumed: Assumptions) -> dict[str, dict[str, float]]:
    """Return the expected number of runs in a week, by size and kind."""
    days = _WEEKDAYS + (_WEEK - _WEEKDAYS) * assumed.weekend_share
    runs: dict[str, dict[str, float]] = {}
    for size, share in assumed.shares.items():
        of_size = districts * share
        runs[size] = {kind: of_size * days * part for kind, part in assumed.kinds.items()}
        runs[size][CHANGED] += of_size * assumed.uploads_a_week
    return runs


def database(
    districts: float, kept: Kept, assumed: Assumptions, keeping: Keeping | None = None
) -> Iterator[Growth]:
    """Yield the growth of each table of the roster database.

    A changed day of the benchmark has more changes than an ordinary day: the assumed share of them
    counts. A package has the same errors every night, so findings count as measured.
    """
    keeping = keeping or Keeping()
    days = {
        "findings": keeping.findings_days,
        "causes": keeping.findings_days,
        "changes": keeping.audit_days,
    }
    tables = sorted({t for by in kept.rows.values() for rows in by.values() for t in rows})
    weekly = runs_a_week(districts, assumed)
    for table in tables:
        changing = table in ROSTER or table == "changes"
        a_year = sum(
            runs
            * assumed.weeks_a_year
            * max(0.0, _rows(kept, size, kind, table))
            * (assumed.churn if changing else 1)
            for size, by in weekly.items()
            for kind, runs in by.items()
        )
        is_gone = days.get(table, YEAR_DAYS) < YEAR_DAYS  # rows of the first syncs have expired
        standing = (
            0.0
            if is_gone
            else sum(
                districts * share * _rows(kept, size, FIRST, table)
                for size, share in assumed.shares.items()
            )
        )
        yield Growth(table, a_year, standing, kept.row_bytes.get(table, 0.0), days.get(table))


def airflow(districts: float, kept: Kept, assumed: Assumptions) -> Iterator[Growth]:
    """Yield the growth of each table of Airflow's metadata; its rows are DAG runs."""
    weekly = sum(n for by in runs_a_week(districts, assumed).values() for n in by.values())
    for table, each in kept.airflow_bytes.items():
        yield Growth(table, weekly * assumed.weeks_a_year, 0, each, AIRFLOW_DAYS)


def bucket(
    districts: float, kept: Kept, assumed: Assumptions, keeping: Keeping | None = None
) -> Iterator[Growth]:
    """Yield the growth of the files of runs in the bucket: plan, report and findings.

    Packages are not included: they are deleted when their run has ended.
    """
    keeping = keeping or Keeping()
    weekly = runs_a_week(districts, assumed)
    for size, by in weekly.items():
        a_year = sum(
            runs * assumed.weeks_a_year * _folder(kept, size, kind) for kind, runs in by.items()
        )
        # The files of the newest applied run stay, because an undo may need them.
        standing = districts * assumed.shares[size] * _folder(kept, size, CHANGED)
        yield Growth(f"runs of {size}", a_year, standing, 1, keeping.files_days)


def packages_at_once(kept: Kept, busy: dict[str, int]) -> float:
    """Return the bytes of packages and snapshots while this many runs are active."""
    # Twice: the private copy of a package, and the snapshots that are made of it.
    return sum(2 * n * _package(kept, size) for size, n in busy.items())


def _larger(small: float, middle: float) -> float:
    """Extrapolate linearly from S and M to L."""
    from benchmarks.districts import SIZES

    (s_users, _), (m_users, _), (l_users, _) = (SIZES[size] for size in "SML")
    return middle + (middle - small) * (l_users - m_users) / (m_users - s_users)


def _rows(kept: Kept, size: str, kind: str, table: str) -> float:
    if size in kept.rows:
        return kept.rows[size][kind].get(table, 0)
    small, middle = (kept.rows[one][kind].get(table, 0) for one in "SM")
    return max(0.0, _larger(small, middle))


def _folder(kept: Kept, size: str, kind: str) -> float:
    if size in kept.folders:
        return kept.folders[size][kind]
    return max(0.0, _larger(kept.folders["S"][kind], kept.folders["M"][kind]))


def _package(kept: Kept, size: str) -> float:
    if size in kept.packages:
        return kept.packages[size]
    return _larger(kept.packages["S"], kept.packages["M"])
