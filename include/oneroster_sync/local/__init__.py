"""One machine, no Docker: an embedded PostgreSQL and an embedded Airflow.

Production does not need this package: there the databases come by URL and Airflow's parts are run
by the platform. Everything here needs the extra `local`.
"""

from __future__ import annotations
