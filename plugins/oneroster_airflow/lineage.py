"""Lineage of syncs for OpenLineage: source → package → tables of the roster.

Airflow's OpenLineage provider sends it. Without the provider or a transport, nothing is imported
here. A dataset is a place and not the files of one run, so that a catalogue has one of each kind
for a site; no dataset is named after a person or an uploaded file.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from upath import UPath

    from oneroster_sync.runs import Run

log = logging.getLogger(__name__)

_LISTENER = "airflow.providers.openlineage.plugins.listener"
"""A module that Airflow imports in each process if the provider is active, and only then."""
_TABLES = {"users": "users", "courses": "courses", "assignments": "course_assignments"}
"""Record type → its table."""
_NOT_CHANGED = {"errors", "ignored"}

Name = tuple[str, str]
"""Namespace and name of a dataset, by the naming rules of OpenLineage."""


def report(stage: str, run: Run) -> None:
    """Add the inputs and outputs of a stage to the lineage of the running task."""
    if _LISTENER not in sys.modules:
        return
    from airflow.providers.openlineage.api import emit_dataset_lineage, is_openlineage_active

    try:
        inputs, outputs = find_datasets(stage, run)
        if is_openlineage_active() and (inputs or outputs):
            emit_dataset_lineage(inputs=inputs, outputs=outputs)
    except Exception as error:  # noqa: BLE001 - lineage is never in the way of a run
        log.warning("The lineage of %s was not sent: %s.", stage, type(error).__name__)


def find_datasets(stage: str, run: Run) -> tuple[list[Any], list[Any]]:
    """Return the input and output datasets of a stage of a run."""
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import dataset_version_dataset

    if not run.of_package:
        package, source = [], []
    else:
        of_package = dataset_version_dataset.DatasetVersionDatasetFacet(run.sha256 or "")
        facets: dict[str, Any] = {"version": of_package} if run.sha256 else {}
        package = [(name_package(run.site), facets)]
        source = [name_source(run)]
    inputs = [InputDataset(*name, facets=facets) for name, facets in package]
    if stage == "extract":
        written = [OutputDataset(*name, facets=facets) for name, facets in package if run.sha256]
        return [InputDataset(*name) for name in source], written
    if stage != "apply":
        return inputs, []
    return inputs, _tables(run) if run.applied_at else []


def name_source(run: Run) -> Name:
    """Return the dataset name of the source of a run's package.

    A person chose the path of an upload, so the dataset of an upload is named after its site.
    """
    from oneroster_sync.runs import Trigger
    from oneroster_sync.sources.url import SourceUrl

    if run.trigger is not Trigger.SCHEDULE or not run.package:
        return f"{dag_names.ASSETS}{run.site}", "upload"
    source = SourceUrl.parse(run.package)
    if source.is_local:
        return "file", source.path
    port = source.port_or(None)
    is_bucket = source.scheme not in {"sftp", "https"}
    host = source.host if is_bucket or not port else f"{source.host}:{port}"
    return f"{source.scheme}://{host}", source.path.strip("/") if is_bucket else source.path


def name_package(site: str) -> Name:
    """Return the dataset name of a site's packages, by the storage of their snapshots."""
    from oneroster_sync import settings

    folder: UPath = settings.storage_of("runs", site)
    if folder.protocol in {"", "file", "local"}:
        return "file", str(folder.path)
    bucket, _, path = folder.path.strip("/").partition("/")
    return f"{folder.protocol}://{bucket}", path


def _tables(run: Run) -> list[Any]:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset, schema_dataset

    from oneroster_sync.roster.columns import (
        COURSE_FIELDS,
        STORED_ASSIGNMENTS,
        USER_FIELDS,
        record_schema,
    )

    columns = {
        "users": record_schema(USER_FIELDS),
        "courses": record_schema(COURSE_FIELDS),
        "assignments": STORED_ASSIGNMENTS,
    }
    server, schema = _find_database()
    tables: list[Any] = []
    for record_type, table in _TABLES.items():
        numbers = (run.counts or {}).get(record_type, {})
        changed = sum(number for word, number in numbers.items() if word not in _NOT_CHANGED)
        fields = [
            schema_dataset.SchemaDatasetFacetFields(name=column.name, type=str(column.type))
            for column in columns[record_type]
        ]
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=changed
        )
        tables.append(
            OutputDataset(
                server,
                f"{schema}.{table}",
                facets={"schema": schema_dataset.SchemaDatasetFacet(fields=fields)},
                outputFacets={"outputStatistics": statistics},
            )
        )
    namespace, name = name_asset(dag_names.roster_asset(run.site))
    return [*tables, OutputDataset(namespace, name)]


def _find_database() -> tuple[str, str]:
    """Return the namespace of the roster database's server, and the database with its schema."""
    import sqlalchemy as sa

    from oneroster_sync import database

    engine = database.engine()
    with engine.connect() as connection:
        schema = connection.scalar(sa.text("select current_schema()"))
    url = engine.url
    return f"postgres://{url.host or 'localhost'}:{url.port or 5432}", f"{url.database}.{schema}"


def name_asset(uri: str) -> Name:
    """Return the dataset name of one of our assets."""
    site, _, name = uri.removeprefix(dag_names.ASSETS).partition("/")
    return f"{dag_names.ASSETS}{site}", name


def convert_asset(asset: Any, _context: Any) -> Any:
    """Return the dataset of one of our assets; the provider calls it for inlets and outlets."""
    from openlineage.client.event_v2 import Dataset

    return Dataset(*name_asset(asset.uri))
