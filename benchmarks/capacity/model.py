"""Resources for 100, 1,000 and 10,000 districts: workers, database, bucket.

    make capacity             or: python -m benchmarks.capacity.model [--districts 100 1000]

Simulates a week of schedules, uploads, retries, a morning with an unavailable source and a worker
that dies. Finds the fewest slots with which 95 % of the scheduled runs wait less than 15 minutes
and 95 % of the uploads less than one. The costs of runs (`costs`) and the rows they store
(`storage`) were measured; everything else is assumed, and printed (`assumptions`). Prints Markdown;
`--write` puts it into docs/scale.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.capacity import growth
from benchmarks.capacity.assumptions import Assumptions
from benchmarks.capacity.costs import KINDS, Costs, CostsError, measured
from benchmarks.capacity.queue import Pool
from benchmarks.capacity.sizing import Sized, memory_of_worker, size
from benchmarks.capacity.storage import Kept
from benchmarks.report.documents import SCALE, write_parts
from benchmarks.report.results import Results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DISTRICTS = (100, 1_000, 10_000)
WORKER_MIB, SERVICE_MIB = 512, 1_024
"""Memory of an idle worker, and the memory reserved for each of Airflow's services."""
_SERVICES = 3
"""Services besides the schedulers: API server, DAG processor, triggerer."""
_CONNECTIONS_OF_RUN, _CONNECTIONS_OF_SERVICE = 2, 12
"""A task uses one connection for the site's lock and one for work; the engine's pool has 2 + 10."""
# Airflow's default of `[dag_processor] dag_file_processor_timeout`.
_DAG_FILE_LIMIT_S = 50
_KILO, _MEGA = 1e3, 1e6
GIB = 1 << 30


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--districts", type=int, nargs="+", default=DISTRICTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--costs-from",
        type=Path,
        metavar="FOLDER",
        help="take the costs from S.json, M.json and L.json of make bench, and keep them",
    )
    parser.add_argument(
        "--cold", action="store_true", help="with --costs-from: every task loads all it needs"
    )
    parser.add_argument("--shares", metavar="S=0.9,M=0.095,L=0.005", help="of districts")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {SCALE.name}")
    chosen = parser.parse_args()
    if min(chosen.districts) < 1:
        parser.error("--districts takes numbers from 1 on")
    try:
        if chosen.costs_from:
            measured(_results(chosen.costs_from), is_warm=not chosen.cold).save()
        costs, assumed = Costs.load(), Assumptions()
        if chosen.shares:
            assumed = dataclasses.replace(assumed, shares=_shares(chosen.shares))
    except (CostsError, ValueError) as error:
        parser.error(str(error))
    lines = as_markdown(chosen.districts, costs, Kept.load(), assumed, chosen.seed)
    text = "\n".join(lines)
    print(text)
    if chosen.write:
        write_parts(SCALE, {"tables": text, "assumptions": "\n".join(assumptions(assumed))})


def assumptions(assumed: Assumptions) -> Iterator[str]:
    """Yield the table of assumptions."""
    yield "| what | value | from |"
    yield "|---|---|---|"
    for cells in assumed.rows():
        yield f"| {' | '.join(cells)} |"


def as_markdown(
    districts: Sequence[int],
    costs: Costs,
    kept: Kept,
    assumed: Assumptions,
    seed: int,
) -> Iterator[str]:
    """Yield the lines of all tables."""
    sized = [size(number, costs, assumed, seed=seed) for number in districts]
    yield from _costs(costs)
    yield ""
    yield from _workers(sized, costs, assumed)
    yield ""
    yield from _database(sized, kept, assumed)


def _costs(costs: Costs) -> Iterator[str]:
    yield "### What a run takes"
    yield ""
    yield (
        "Seconds of a slot, and MiB; in a warm process, and with all that Airflow adds to a run of "
        f"six tasks that do nothing ({costs.airflow_s:.1f} s)."
    )
    yield ""
    yield f"| size | {' | '.join(f'{kind}, s | MiB' for kind in KINDS)} |"
    yield "|---|" + "--:|" * (2 * len(KINDS))
    for name in costs.runs:
        cells = [f"{costs.slot_s(name, k):.1f} | {costs.mib(name, k):,.0f}" for k in KINDS]
        yield f"| {name} | {' | '.join(cells)} |"
    if costs.notes:
        yield ""
    for note in costs.notes:
        yield f"- {note}"


def _workers(sized: Sequence[Sized], costs: Costs, assumed: Assumptions) -> Iterator[str]:
    each = assumed.slots_of_worker
    yield "### Workers"
    yield ""
    rows: list[tuple[str, list[str]]] = [
        ("scheduled runs in the week", [f"{s.runs[Pool.SCHEDULED]:,}" for s in sized]),
        ("uploads", [f"{s.runs[Pool.UPLOADS]:,}" for s in sized]),
        ("**slots for scheduled runs**", [f"**{s.slots[Pool.SCHEDULED]:,}**" for s in sized]),
        ("**slots for uploads**", [f"**{s.slots[Pool.UPLOADS]:,}**" for s in sized]),
        (f"workers of {each} slots and cores", [f"{workers(s, assumed):,}" for s in sized]),
        ("memory of each, GiB", [f"{_worker_gib(s, assumed):.1f}" for s in sized]),
        (
            "most memory of all runs at once, GiB",
            [f"{s.outcome.most_mib / 1024:.1f}" for s in sized],
        ),
        ("schedulers", [f"{s.schedulers:,}" for s in sized]),
        ("longest until a scheduler has begun a run", [_wait(s.begun_s) for s in sized]),
        ("p95 wait of scheduled runs", [_wait(s.outcome.p95(Pool.SCHEDULED)) for s in sized]),
        ("longest wait of one", [_wait(s.outcome.waits(Pool.SCHEDULED)[-1]) for s in sized]),
        ("p95 wait of uploads", [_wait(s.outcome.p95(Pool.UPLOADS)) for s in sized]),
        ("longest wait of one", [_longest(s, is_shared=False) for s in sized]),
        ("… had both pools their slots together", [_longest(s, is_shared=True) for s in sized]),
        ("most runs that wait at once", [f"{s.outcome.most_waiting:,}" for s in sized]),
        ("runs that took more than one try", [f"{s.tried_again:,}" for s in sized]),
        ("runs that failed: source away", [f"{s.failed:,}" for s in sized]),
        ("a slot works, share of the week", [f"{100 * s.use:.1f} %" for s in sized]),
        ("reading the DAG file, s", [f"{dag_file_s(costs, s.districts):.0f}" for s in sized]),
    ]
    yield from _table([f"{s.districts:,} districts" for s in sized], rows)


def _database(sized: Sequence[Sized], kept: Kept, assumed: Assumptions) -> Iterator[str]:
    yield "### Database and bucket"
    yield ""
    yield f"Rows, and bytes a row with its indexes: measured {kept.measured}."
    yield ""
    yield (
        "| table | bytes a row | kept, days | "
        + " | ".join(f"{s.districts:,}: rows a year | GiB after 1 year | 7 years" for s in sized)
        + " |"
    )
    yield "|---|--:|--:|" + "--:|" * (3 * len(sized))
    by_table = zip(*(_grown(s, kept, assumed) for s in sized), strict=True)
    sums = [[0.0, 0.0] for _ in sized]
    for same in by_table:
        first = same[0]
        cells = []
        for total, one in zip(sums, same, strict=True):
            total[0] += one.after(1)
            # Seven years are the default time for which the audit is kept.
            total[1] += one.after(7)
            cells += [_short(one.a_year), _gib(one.after(1)), _gib(one.after(7))]
        yield (
            f"| {first.name} | {first.row_bytes:,.0f} | {first.days or 'always'} | "
            f"{' | '.join(cells)} |"
        )
    cells = [f" | {_gib(one)} | {_gib(seven)}" for one, seven in sums]
    yield f"| **all** | | | {' | '.join(cells)} |"
    yield ""
    rows: list[tuple[str, list[str]]] = [
        ("bucket after 1 year, GiB", [_gib(_bucket(s, kept, assumed)) for s in sized]),
        (
            "of it packages and snapshots, at most",
            [_gib(growth.packages_at_once(kept, _busy(s))) for s in sized],
        ),
        ("connections to the roster database", [f"{connections(s):,}" for s in sized]),
        (
            "its cores in the busiest quarter of an hour",
            ["not known" if s.database_cores is None else f"{s.database_cores:.2f}" for s in sized],
        ),
    ]
    yield from _table([f"{s.districts:,} districts" for s in sized], rows)


def workers(sized: Sized, assumed: Assumptions) -> int:
    """Return the number of workers; uploads have workers of their own."""
    return sum(math.ceil(slots / assumed.slots_of_worker) for slots in sized.slots.values())


def connections(sized: Sized) -> int:
    """Return the maximum number of connections to the roster database."""
    services = sized.schedulers + _SERVICES
    return _CONNECTIONS_OF_RUN * sized.all_slots + _CONNECTIONS_OF_SERVICE * services


def dag_file_s(costs: Costs, districts: int) -> float:
    """Return the seconds to parse the DAG file, linear in the largest measurement."""
    most = max(costs.dag_file_s)
    return costs.dag_file_s[most] * districts / most


def sites_of_dag_file(costs: Costs) -> int:
    """Return the maximum number of sites before Airflow's parse times out (50 s)."""
    most = max(costs.dag_file_s)
    return int(_DAG_FILE_LIMIT_S / costs.dag_file_s[most] * most)


def _grown(sized: Sized, kept: Kept, assumed: Assumptions) -> list[growth.Growth]:
    ours = growth.database(sized.districts, kept, assumed)
    theirs = growth.airflow(sized.districts, kept, assumed)
    return [*ours, *(dataclasses.replace(one, name=f"*Airflow:* {one.name}") for one in theirs)]


def _bucket(sized: Sized, kept: Kept, assumed: Assumptions) -> float:
    files = sum(one.after(1) for one in growth.bucket(sized.districts, kept, assumed))
    return files + growth.packages_at_once(kept, _busy(sized))


def _busy(sized: Sized) -> dict[str, int]:
    """Return the sizes of the runs that are active at once, the largest first."""
    left, busy = sized.outcome.most_busy, {}
    for name in "LMS":
        of_size = len({one.run.number for one in sized.outcome.served if one.run.size == name})
        busy[name] = min(left, of_size)
        left -= busy[name]
    return busy


def _worker_gib(sized: Sized, assumed: Assumptions) -> float:
    runs = [one.run for one in sized.outcome.served]
    return memory_of_worker(runs, assumed.slots_of_worker, WORKER_MIB) / 1024


def _longest(sized: Sized, *, is_shared: bool) -> str:
    waits = (sized.shared if is_shared else sized.outcome).waits(Pool.UPLOADS)
    return _wait(waits[-1]) if waits else "–"


def _table(heads: Sequence[str], rows: Sequence[tuple[str, list[str]]]) -> Iterator[str]:
    yield f"| | {' | '.join(heads)} |"
    yield "|---|" + "--:|" * len(heads)
    for name, cells in rows:
        yield f"| {name} | {' | '.join(cells)} |"


def _wait(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"  # noqa: PLR2004


def _gib(size: float) -> str:
    return f"{size / GIB:,.2f}" if size < 10 * GIB else f"{size / GIB:,.0f}"


def _short(rows: float) -> str:
    if rows >= _MEGA:
        return f"{rows / _MEGA:,.1f} M"
    return f"{rows / _KILO:,.0f} k" if rows >= 10 * _KILO else f"{rows:,.0f}"


def _results(folder: Path) -> list[Results]:
    found = (Results.load(folder / f"{name}.json") for name in "SML")
    return [one for one in found if one is not None]


def _shares(given: str) -> dict[str, float]:
    try:
        shares = {name: float(value) for name, value in (p.split("=") for p in given.split(","))}
    except ValueError as error:
        raise ValueError(f"--shares is {given!r}; it takes S=0.9,M=0.095,L=0.005") from error
    if (
        set(shares) != set("SML")
        or min(shares.values()) < 0
        or not math.isclose(sum(shares.values()), 1)
    ):
        raise ValueError(f"--shares is {given!r}; S, M and L have to come to 1 together")
    return shares


if __name__ == "__main__":
    main()
