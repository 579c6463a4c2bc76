"""Measure many sites on two Celery workers: all due at the same minute, and at rest.

    make bench-scale ARGS="--sites 100"      or: python -m benchmarks.scale.measure --sites 100

Runs the services of docker-compose.yaml as processes of this machine (tests/cluster.py), with the
sizes and time-outs that it ships.

*Waves:* each site has its own source and is enabled; all are due at one minute. There are three
waves: the first sync; the next day's package; and the first package again, with uploads of ordinary
priority. During each wave, a package is uploaded to one more site. The result comes from the
databases: whether all runs are done, once and in time, and how long each waited.

*At rest:* all sites are paused: times of the DAG file, a new site, an upload, the lists and the
plan of a file, size of the database, and the services' use while nothing happens.

Needs redis-server (make redis). Keeps build/bench/scale.json, prints Markdown; `--write` puts it
into docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import PROJECT
from benchmarks.districts import SIZES
from benchmarks.report.documents import SCALE, write_parts
from benchmarks.scale.at_rest import Rest, rest
from benchmarks.scale.production import house
from benchmarks.scale.tables import of_rests, of_waves
from benchmarks.scale.waiting import SiteRun, TaskRun, Upload, Used, Wave
from benchmarks.scale.wave import send
from benchmarks.timing.machine import machine
from oneroster_sync.local.console import step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RESULTS = PROJECT / "build" / "bench" / "scale.json"
_WAVES = (("day 1", 1, False), ("day 2", 2, False), ("day 1 again", 1, True))
"""Name, day of the packages, and whether uploads have the same priority as other runs."""


@dataclass(slots=True)
class Scale:
    """All results.

    Attributes:
        machine: Descriptions of the machine for the waves and for the sites at rest.
        settings: Size of the sites, number of different districts, slots.
        waves: The waves in order.
        rests: Results at rest, by increasing number of sites.
    """

    machine: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    waves: list[Wave] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the results to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Scale:
        """Read the results of an earlier run; empty if there is no file."""
        if not path.exists():
            return cls()
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        waves = [_wave(one) for one in kept.pop("waves")]
        rests = [Rest(**one) for one in kept.pop("rests")]
        return cls(**kept, waves=waves, rests=rests)


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sites", type=int, default=100, help="due at the same minute; 0: none")
    parser.add_argument("--waves", type=int, default=3, choices=(1, 2, 3))
    parser.add_argument("--rest", type=int, nargs="*", default=[1, 100, 1_000], help="of sites")
    parser.add_argument("--idle", type=float, default=60, help="seconds")
    parser.add_argument("--size", choices=SIZES, default="S", help="of every site")
    parser.add_argument("--distinct", type=int, default=10, help="different districts")
    parser.add_argument("--slots", type=int, default=4, help="of each worker")
    parser.add_argument(
        "--parallelism", type=int, help="tasks that Airflow gives to Celery; else all slots"
    )
    parser.add_argument("--hours", type=float, default=3, help="after which a wave is given up")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {SCALE.name}")
    chosen = parser.parse_args()
    if min([chosen.sites, *chosen.rest], default=0) < 0 or 0 in chosen.rest:
        parser.error("--sites takes a number from 0 on, --rest numbers from 1 on")
    if min(chosen.distinct, chosen.slots, chosen.parallelism or 1) < 1:
        parser.error("--distinct, --slots and --parallelism take numbers from 1 on")
    scale = Scale.load(RESULTS)
    parallelism = chosen.parallelism or 2 * chosen.slots
    settings = {
        "size": chosen.size,
        "distinct": chosen.distinct,
        "slots": chosen.slots,
        "parallelism": parallelism,
    }
    variables = {"WORKER_CONCURRENCY": str(chosen.slots), "PARALLELISM": str(parallelism)}
    if chosen.sites:
        scale.settings, scale.waves = settings, []
        scale.machine["waves"] = machine()
        for wave in _waves(chosen, variables):
            scale.waves.append(wave)
            scale.save(RESULTS)
    if chosen.rest:
        scale.rests, scale.machine["rest"] = [], machine()
        for one in _rests(chosen, variables):
            scale.rests.append(one)
            scale.save(RESULTS)
    print("\n".join(as_markdown(scale)))
    if chosen.write:
        write_parts(SCALE, {name: "\n".join(lines) for name, lines in parts(scale).items()})


def parts(scale: Scale) -> dict[str, list[str]]:
    """Return place in the page → lines, for the parts that were measured."""
    found = {}
    if scale.waves:
        used = scale.settings
        slots = (
            f"{scale.machine['waves']}; size {used['size']}, {used['distinct']} different "
            f"districts, two workers of {used['slots']} slots, parallelism {used['parallelism']}"
        )
        found["waves"] = list(of_waves(scale.waves, slots))
    if scale.rests:
        found["rest"] = list(of_rests(scale.rests, scale.machine["rest"]))
    return found


def as_markdown(scale: Scale) -> Iterator[str]:
    """Yield the lines of all tables."""
    for lines in parts(scale).values():
        yield from lines
        yield ""


def _waves(chosen: argparse.Namespace, variables: Mapping[str, str]) -> Iterator[Wave]:
    count: int = chosen.sites
    with (
        _folder() as folder,
        house(Path(folder), chosen.size, chosen.distinct, variables) as there,
    ):
        there.copy_packages(count, 1)
        with step(f"{count:,} sites"):
            there.apply(count, None)
            there.wait_for_dags(count)
            there.switch_on(count)
        for name, day, is_same in _WAVES[: chosen.waves]:
            if is_same:
                there.reset_priorities()
            weights = "all the same" if is_same else "as shipped"
            with step(f"wave of {count:,} sites: {name}", done="done"):
                wave = send(there, count, name=name, day=day, weights=weights, hours=chosen.hours)
            yield wave


def _rests(chosen: argparse.Namespace, variables: Mapping[str, str]) -> Iterator[Rest]:
    with (
        _folder() as folder,
        house(Path(folder), chosen.size, chosen.distinct, variables) as there,
    ):
        yield from rest(there, chosen.rest, idle_s=chosen.idle)


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="scale-", ignore_cleanup_errors=True)


def _wave(kept: dict[str, Any]) -> Wave:
    return Wave(
        **{
            **kept,
            "runs": [SiteRun(**one) for one in kept["runs"]],
            "tasks": [TaskRun(**one) for one in kept["tasks"]],
            "upload": Upload(**kept["upload"]) if kept["upload"] else None,
            "services": {name: Used(**one) for name, one in kept["services"].items()},
            "airflow_mib": tuple(kept["airflow_mib"]),
        }
    )


if __name__ == "__main__":
    main()
