"""Polars and ADBC: stage by binary COPY, then merge in the database.

python -m benchmarks.peers.merged_by_polars PACKAGE DATABASE_URL
"""

from __future__ import annotations

import sys
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from benchmarks.peers.merge_sql import FILES, MERGES

_STUDENTS = ["student", "parent", "guardian", "relative"]


def sync(folder: Path, url: str) -> None:
    """Merge a package into the shipped tables, in one transaction."""
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        for name in FILES:
            rows = pl.scan_csv(folder / f"{name}.csv", infer_schema=False)
            if "role" in rows.collect_schema():
                rows = rows.filter(~pl.col("role").is_in(_STUDENTS))
            cursor.adbc_ingest(
                f"s_{name}", rows.collect().to_arrow(), mode="create", temporary=True
            )
            cursor.execute(f"analyze s_{name}")
        for statement in MERGES.strip().split(";\n"):
            cursor.execute(statement.removesuffix(";"))
        connection.commit()


if __name__ == "__main__":
    sync(Path(sys.argv[1]), sys.argv[2])
