"""Run the embedded PostgreSQL and Airflow on one machine, without Docker.

Production does not use this package: there, URLs name the databases, and the platform runs
Airflow's services. Everything here needs the extra `local`.
"""

from __future__ import annotations
