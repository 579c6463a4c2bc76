"""Time the parsing of the DAG file for the sites in the database.

    python -m benchmarks.scale.dag_file

Prints the seconds of several parses as JSON. Airflow itself is imported before, as in the process
that parses DAG files.
"""

from __future__ import annotations

import json
import runpy
import sys
import time

from benchmarks import PROJECT

TIMES = 3
MAKE_SITES = """
insert into sites (site) select 'site_' || lpad(n::text, 4, '0')
from generate_series(2, %(count)s) n on conflict do nothing;
insert into preferences
select (jsonb_populate_record(p, jsonb_build_object('site', s.site))).*
from preferences p cross join sites s
where p.site = 'default' and s.site not in (select site from preferences)
"""
"""SQL that creates sites up to a total number, with the preferences of `default`."""


def seconds() -> list[float]:
    """Return the seconds of several parses; the first one includes imports."""
    # As Airflow does before it parses a DAG file.
    sys.path.append(str(PROJECT / "plugins"))
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        runpy.run_path(str(PROJECT / "dags" / "oneroster.py"))
        took.append(time.perf_counter() - began)
    return took


if __name__ == "__main__":
    sys.stdout.write(json.dumps(seconds()))
