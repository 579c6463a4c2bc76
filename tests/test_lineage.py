"""Lineage of a sync: the datasets of each stage; test_notices_in_airflow sends it."""

from __future__ import annotations

import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow
import jsonschema
import pytest

from composed import PROJECT
from golden.school import SCHOOL
from oneroster_airflow import lineage
from oneroster_sync import database, runs, settings
from oneroster_sync.provider_info import get_provider_info
from oneroster_sync.runs import Run, Trigger

if TYPE_CHECKING:
    from conftest import Site

STAGES = ("extract", "validate", "diff", "review", "apply", "record")


def names(datasets: list[Any]) -> list[tuple[str, str]]:
    """Return namespace and name of datasets."""
    return [(dataset.namespace, dataset.name) for dataset in datasets]


def of_stages(run: Run) -> dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]]:
    """Return the datasets that each stage reads and writes."""
    found = {stage: lineage.find_datasets(stage, run) for stage in STAGES}
    return {stage: (names(inputs), names(outputs)) for stage, (inputs, outputs) in found.items()}


def test_a_sync_leads_from_its_source_to_the_tables(site: Site) -> None:
    """The stages read what extract writes, and apply writes the tables with their columns."""
    run = runs.find(site.sync(SCHOOL)["run_id"])
    package = ("file", str(settings.storage_of("runs", site.name)))
    url = database.engine().url
    server = f"postgres://{url.host or 'localhost'}:{url.port or 5432}"
    tables = [
        (server, f"{url.database}.public.{table}")
        for table in ("users", "courses", "course_assignments")
    ]
    upload = (f"oneroster://{site.name}", "upload")
    roster = (f"oneroster://{site.name}", "roster")
    assert of_stages(run) == {
        "extract": ([upload], [package]),
        **dict.fromkeys(("validate", "diff", "review", "record"), ([package], [])),
        "apply": ([package], [*tables, roster]),
    }
    users, courses, assignments, _ = lineage.find_datasets("apply", run)[1]
    changed = [each.outputFacets["outputStatistics"].rowCount for each in (users, courses)]
    assert changed == [4, 2]
    assert "email" in {field.name for field in users.facets["schema"].fields}
    assert len(assignments.facets["schema"].fields) > 3
    (read,) = lineage.find_datasets("diff", run)[0]
    assert read.facets["version"].datasetVersion == run.sha256


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/srv/sis", ("file", "/srv/sis")),
        ("sftp://jo@sis.example.org/out", ("sftp://sis.example.org:22", "/out")),
        ("sftp://sis.example.org:2222/out", ("sftp://sis.example.org:2222", "/out")),
        ("s3://exports/north/new", ("s3://exports", "north/new")),
        ("https://sis.example.org/o.zip", ("https://sis.example.org:443", "/o.zip")),
    ],
)
def test_sources_are_named_as_openlineage_names_places(
    site: Site, source: str, expected: tuple[str, str]
) -> None:
    """The dataset of a source has the name of its server and its path, without a login."""
    run = runs.find(site.sync(SCHOOL)["run_id"])
    scheduled = dataclasses.replace(run, trigger=Trigger.SCHEDULE, package=source)
    assert lineage.name_source(scheduled) == expected
    by_hand = dataclasses.replace(run, trigger=Trigger.UPLOAD, package="/in/ann lee.zip")
    assert "ann" not in str(of_stages(by_hand))


def test_run_that_was_not_applied_writes_no_table(site: Site) -> None:
    """A rejected package has no tables as outputs, and an undo has no package as input."""
    applied = site.sync(SCHOOL)
    rejected = runs.find(site.sync({"users.csv": "no,columns\n"})["run_id"])
    assert rejected.applied_at is None
    assert of_stages(rejected)["apply"][1] == []
    undone = site.command("undo", applied["run_id"])[1]
    inputs, outputs = of_stages(runs.find(undone["run_id"]))["apply"]
    assert (inputs, len(outputs)) == ([], 4)


def test_an_asset_of_ours_is_the_dataset_that_apply_writes() -> None:
    """The roster as an inlet of another DAG is the dataset that a sync writes."""

    class Given:
        uri = "oneroster://north/roster"

    found = lineage.convert_asset(Given, None)
    assert (found.namespace, found.name) == ("oneroster://north", "roster")


def test_airflow_takes_what_the_package_says_of_itself() -> None:
    """The provider's information conforms to Airflow's schema and names the converter."""
    schema = json.loads((Path(airflow.__path__[0]) / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
    (ours,) = get_provider_info()["asset-uris"]
    assert (ours["schemes"], ours["handler"]) == (["oneroster"], None)
    module, _, name = ours["to_openlineage_converter"].rpartition(".")
    assert getattr(importlib.import_module(module), name) is lineage.convert_asset


@pytest.mark.case("b62")
def test_disabled_lineage_imports_nothing() -> None:
    """While the provider is disabled, a report imports neither it nor the client."""
    program = (
        "import sys; sys.path[:0] = ['plugins']; from oneroster_airflow import lineage;"
        "lineage.report('apply', None);"
        "print([m for m in sys.modules if 'openlineage' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == "[]"
