"""Format the results of many sites as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.scale.waiting import best_minute, late, late_from, not_once, per_second, percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.scale.at_rest import Rest
    from benchmarks.scale.waiting import Upload, Wave

_LONG_S = 90


def of_waves(waves: Sequence[Wave], machine: str) -> Iterator[str]:
    """Yield the tables of the waves."""
    count = len(waves[0].runs)
    yield f"{_sites(count)} due at the same minute. {machine}."
    yield ""
    rows: list[tuple[str, Callable[[Wave], str]]] = [
        ("uploads weigh", lambda w: w.weights),
        ("synced", lambda w: f"{sum(run.is_done for run in w.runs):,}"),
        ("outcomes", lambda w: ", ".join(f"{n:,} {name}" for name, n in w.outcomes.items())),
        ("not exactly once", lambda w: f"{len(not_once(w.runs)):,}"),
        ("**not run, because nobody had begun in time**", lambda w: f"**{len(late(w.runs)):,}**"),
        ("… which begins at a number of sites of", lambda w: _number(late_from(w.runs))),
        ("longest until the scheduler had begun a run", lambda w: _of(w, "begun_s", 100)),
        ("from the slot to `extract`, median", lambda w: _of(w, "extract_s", 50)),
        ("p95", lambda w: _of(w, "extract_s", 95)),
        ("longest", lambda w: _of(w, "extract_s", 100)),
        ("from the slot to the end of the run, median", lambda w: _of(w, "ended_s", 50)),
        ("p95", lambda w: _of(w, "ended_s", 95)),
        ("from the slot to the end of the last one", lambda w: _time(w.wall_s)),
        ("tasks begun in a second", lambda w: _rate(per_second(w.tasks))),
        ("in the best minute", lambda w: _rate(best_minute(w.tasks))),
        ("tasks that took more than one try", lambda w: f"{w.tried_again:,}"),
        ("most connections to PostgreSQL", lambda w: f"{w.connections:,}"),
        ("Airflow's database before and after, MiB", _database),
    ]
    yield f"| wave | {' | '.join(wave.name for wave in waves)} |"
    yield "|---|" + "--:|" * len(waves)
    for name, cell in rows:
        yield f"| {name} | {' | '.join(cell(wave) for wave in waves)} |"
    yield ""
    yield from _services(waves)
    uploaded = [wave for wave in waves if wave.upload is not None]
    if uploaded:
        yield ""
        yield from _uploads(uploaded)


def _services(waves: Sequence[Wave]) -> Iterator[str]:
    heads = " | ".join(f"{wave.name}: CPU s | most MiB" for wave in waves)
    yield f"| service | {heads} |"
    yield "|---|" + "--:|" * (2 * len(waves))
    for name in waves[0].services:
        cells = [
            f"{wave.services[name].cpu_s:,.0f} | {wave.services[name].peak_mib:,.0f}"
            for wave in waves
        ]
        yield f"| {name} | {' | '.join(cells)} |"


def _uploads(waves: Sequence[Wave]) -> Iterator[str]:
    rows: list[tuple[str, Callable[[Upload], str]]] = [
        ("tasks of scheduled runs that waited then", lambda u: f"{u.ahead:,}"),
        ("until the API had taken it in", lambda u: _time(u.answered_s)),
        ("until `extract` began", lambda u: _time(u.extract_s)),
        ("until its end", lambda u: _time(u.ended_s)),
        ("of it waiting for slots", lambda u: _time(u.waited_s)),
        ("outcome", lambda u: u.outcome or "–"),
    ]
    uploads = [wave.upload for wave in waves if wave.upload is not None]
    heads = [
        f"{wave.name}, {wave.weights} ({upload.weight})"
        for wave, upload in zip(waves, uploads, strict=True)
    ]
    yield f"| an upload amid the wave | {' | '.join(heads)} |"
    yield "|---|" + "--:|" * len(uploads)
    for name, cell in rows:
        yield f"| {name} | {' | '.join(cell(upload) for upload in uploads)} |"


def of_rests(rests: Sequence[Rest], machine: str) -> Iterator[str]:
    """Yield the table of sites at rest."""
    rows: list[tuple[str, Callable[[Rest], str]]] = [
        ("making them by `oneroster sites apply`", lambda r: _maybe(r.apply_s)),
        ("until Airflow then had all their DAGs", lambda r: _time(r.dags_s)),
        ("one reading of the DAG file", lambda r: _time(r.dag_file_s)),
        ("one site more: until its DAGs are there", lambda r: _time(r.new_site_s)),
        ("one upload, from end to end", lambda r: _time(r.upload_s)),
        *(
            (f"{name}, share of a core at idle", _idle(name))
            for name in ("scheduler", "dag-processor")
        ),
        ("all services together", lambda r: f"{100 * sum(r.idle_share.values()):.0f} %"),
        ("Airflow's database, MiB", lambda r: f"{r.airflow_mib:,.0f}"),
        *((f"the API's list `{path}`, ms", _list(path)) for path in rests[0].list_ms),
        ("`oneroster sites plan` on a file of all", lambda r: _maybe(r.plan_s)),
    ]
    yield f"{machine}."
    yield ""
    yield f"| at rest | {' | '.join(_sites(r.sites) for r in rests)} |"
    yield "|---|" + "--:|" * len(rests)
    for name, cell in rows:
        yield f"| {name} | {' | '.join(cell(rest) for rest in rests)} |"


def _sites(count: int) -> str:
    return f"{count:,} {'site' if count == 1 else 'sites'}"


def _idle(name: str) -> Callable[[Rest], str]:
    return lambda rest: f"{100 * rest.idle_share[name]:.0f} %"


def _list(path: str) -> Callable[[Rest], str]:
    return lambda rest: f"{rest.list_ms[path]:,.0f}"


def _database(wave: Wave) -> str:
    before, after = wave.airflow_mib
    return f"{before:,.0f} → {after:,.0f}"


def _of(wave: Wave, what: str, percent: float) -> str:
    values = [value for run in wave.runs if (value := getattr(run, what)) is not None]
    return _maybe(percentile(values, percent))


def _maybe(seconds: float | None) -> str:
    return "–" if seconds is None else _time(seconds)


def _time(seconds: float) -> str:
    if seconds >= _LONG_S:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004  digits


def _number(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _rate(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1f}"
