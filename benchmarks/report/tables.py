"""Format results as Markdown tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.districts import SIZES
from benchmarks.districts.days import AGAIN, NAMES
from benchmarks.report.targets import bounded_by, targets
from benchmarks.sync.one_stage import STAGES
from benchmarks.sync.through_airflow import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.report.results import Results, Series

_SYNCING = (
    *("read + sha256", "limit, free schema", "limit", "psql COPY + MERGE", "Polars + ADBC"),
    *("ours", "pandas + to_sql", "dlt merge"),
)
_JUDGING = ("ours", "DuckDB SQL", "pandera", "GX, the ordinary way")


def as_markdown(results: Results, smaller: Results | None = None) -> Iterator[str]:
    """Yield the lines of all tables.

    Args:
        results: The results.
        smaller: The results of size M, to compare with L.
    """
    users, enrollments = SIZES[results.size]
    yield f"Size {results.size}: {users:,} users, {enrollments:,} enrollments. {results.machine}."
    yield "Medians of whole processes; memory is the peak of the whole tree, without PostgreSQL."
    yield ""
    yield from syncs(results)
    yield ""
    yield from work_done(results)
    yield ""
    yield from _again(results)
    yield ""
    yield from _stages(results)
    yield ""
    yield from _validations(results)
    yield ""
    yield from _around(results)
    yield ""
    yield from _targets(results, smaller)
    yield ""
    for day, words in results.facts.items():
        yield f"- {day}: {words}."
    for note in results.notes:
        yield f"- {note}"


def syncs(results: Results) -> Iterator[str]:
    """Yield the table of whole syncs."""
    heads = " | ".join(f"{day}, s | ÷ limit | CPU s | MiB" for day in NAMES)
    yield f"| whole sync | {heads} |"
    yield "|---|" + "--:|" * 12
    for who in _SYNCING:
        cells = [f"**{who}**" if who == "ours" else who]
        for day in NAMES:
            series = results.find(day, who)
            ratio = results.ratio(day, who, day, "limit")
            if series is None or ratio is None:
                cells += [""] * 4
                continue
            cells += [_time(series.median_s), f"{ratio:.2f}", _time(series.median_cpu_s)]
            cells += [f"{series.median_mib:,.0f}"]
        yield f"| {' | '.join(cells)} |"


def format_states(kept: Mapping[str, Results | None]) -> str:
    """Return a sentence that says of which state of the code the tables of each size are."""
    states = {size: one.state if one and one.state else "" for size, one in kept.items()}
    if len({*states.values()}) == 1 and all(states.values()):
        return f"All tables are of one state of the code: {next(iter(states.values()))}."
    words = "; ".join(f"{size}: {state or 'an earlier one'}" for size, state in states.items())
    return f"The tables are of different states of the code. {words}."


def format_large(results: Results) -> str:
    """Return a sentence about the whole syncs of a large district."""
    series = [found for day in NAMES if (found := results.find(day, "ours"))]
    seconds = ", ".join(f"{one.median_s:.0f}" for one in series)
    peak = max(one.median_mib for one in series) / 1024
    return f"A district of ten times as many takes {seconds} seconds and at most {peak:.1f} GiB."


def work_done(results: Results) -> Iterator[str]:
    """Yield the table of CPU times of each sync, with PostgreSQL's part."""
    heads = " | ".join(f"{day}: own CPU s | PostgreSQL's | both ÷ limit | WAL MiB" for day in NAMES)
    yield f"| processors and write-ahead log | {heads} |"
    yield "|---|" + "--:|" * 12
    for who in _SYNCING[1:]:
        cells = [f"**{who}**" if who == "ours" else who]
        for day in NAMES:
            series, limit = results.find(day, who), results.find(day, "limit")
            if series is None or limit is None:
                cells += [""] * 4
                continue
            cells += [_time(series.median_cpu_s), _time(series.median_server_cpu_s)]
            cells += [f"{series.median_work_s / limit.median_work_s:.2f}"]
            cells += [f"{series.median_wal_mib:,.0f}"]
        yield f"| {' | '.join(cells)} |"


def missed(results: Results) -> list[str]:
    """Return texts about stable targets that are missed by a factor of two."""
    return [
        f"{target.what}: {target.to_text()[1]}, aimed at {target.to_text()[0]}"
        for target in targets(results, None)
        if target.is_stable and results.size in target.sizes and not target.is_met(2)
    ]


def _again(results: Results) -> Iterator[str]:
    yield "| the same package once more | s | ÷ read + sha256 | CPU s | MiB |"
    yield "|---|--:|--:|--:|--:|"
    for who in ("read + sha256", "ours"):
        series = results.find(AGAIN, who)
        ratio = results.ratio(AGAIN, who, AGAIN, "read + sha256")
        if series is not None and ratio is not None:
            yield _row(who, series, ratio)


def _row(who: str, series: Series, ratio: float) -> str:
    name = f"**{who}**" if who == "ours" else who
    rest = f"{_time(series.median_cpu_s)} | {series.median_mib:,.0f}"
    return f"| {name} | {_time(series.median_s)} | {ratio:.2f} | {rest} |"


def _stages(results: Results) -> Iterator[str]:
    heads = " | ".join(f"{day}, s | MiB" for day in NAMES)
    yield f"| ours, each stage a process of its own | {heads} | of it imports, s |"
    yield "|---|" + "--:|" * 7
    for stage in STAGES:
        cells = [stage]
        for day in NAMES:
            series = results.find(f"{day}: {stage}", "stages")
            cells += [_time(series.median_s), f"{series.median_mib:,.0f}"] if series else ["", ""]
        imports = sorted(results.imports[stage])
        yield f"| {' | '.join(cells)} | {imports[len(imports) // 2]:.2f} |"


def _validations(results: Results) -> Iterator[str]:
    yield "| validation only, day 2 | s | ÷ DuckDB | CPU s | MiB |"
    yield "|---|--:|--:|--:|--:|"
    for who in _JUDGING:
        series = results.find("validation", who)
        ratio = results.ratio("validation", who, "validation", "DuckDB SQL")
        if series is not None and ratio is not None:
            yield _row(who, series, ratio)


def _around(results: Results) -> Iterator[str]:
    yield "| in Airflow | s |"
    yield "|---|--:|"
    for what in (EMPTY, *NAMES, AGAIN):
        series = results.find(what, "through Airflow")
        if series is not None:
            name = "an empty DAG of the same shape" if what == EMPTY else f"{what}, the real DAG"
            yield f"| {name} | {_time(series.median_s)} |"
    for name, series in results.series.items():
        what, _, who = name.partition("/")
        if who == "DAG file":
            yield f"| reading the DAG file, {what} | {series.median_s:.3f} |"


def _targets(results: Results, smaller: Results | None) -> Iterator[str]:
    yield "Ratios are of processor time, PostgreSQL's included; in Airflow the clock decides."
    yield ""
    yield "| target | aim | found | |"
    yield "|---|--:|--:|---|"
    for target in targets(results, smaller):
        aim, found = target.to_text()
        text = "met"
        if not target.is_met():
            text = f"**not met**: {', '.join(bounded_by(results, target.what))}"
        if results.size not in target.sizes:
            text = f"meant for {' and '.join(target.sizes)}"
        yield f"| {target.what} | {aim} | {found} | {text} |"


def _time(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"  # noqa: PLR2004  digits
