"""dlt with its disposition `merge`: a table each for users, courses, classes and enrollments.

    python -m benchmarks.peers.merged_by_dlt PACKAGE DATABASE_URL

pyarrow reads the files, and dlt loads the Arrow tables as Parquet by ADBC: its fastest way into
PostgreSQL (by default it writes INSERT statements). Staff only. dlt checks no values and writes no
audit, and with `merge`, records that are no longer in the files stay in the tables.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dlt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_STAFF = pa.array(["student", "parent", "guardian", "relative"])


def sync(folder: Path, url: str, state: Path) -> None:
    """Merge a package into the dataset `merged`.

    Args:
        folder: Folder of its CSV files.
        url: URL of the database.
        state: Folder for the state of dlt's pipeline.
    """
    # dlt requires a host and a password, even if a socket needs neither.
    reachable = url.replace("@/", ":none@localhost/")
    pipeline = dlt.pipeline(
        "oneroster",
        pipelines_dir=str(state),
        destination=dlt.destinations.postgres(reachable),
        dataset_name="merged",
    )
    names = ("users", "courses", "classes", "enrollments")
    pipeline.run(
        [
            dlt.resource(
                _read(folder / f"{name}.csv"),
                name=name,
                write_disposition="merge",
                primary_key="sourcedId",
            )
            for name in names
        ],
        loader_file_format="parquet",
    )


def _read(path: Path) -> Iterator[pa.Table]:
    names = path.open(encoding="utf-8").readline().strip().split(",")
    options = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    table = pacsv.read_csv(path, convert_options=options)
    if "role" in names:
        table = table.filter(pc.invert(pc.is_in(table["role"], _NO_STAFF)))
    yield table


if __name__ == "__main__":
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    sync(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
