"""What it costs: a formula over prices that are given. The prices here are examples, nobody's."""

from __future__ import annotations

from dataclasses import dataclass, fields

HOURS_A_MONTH = 730
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Prices:
    """Unit prices in a currency of your choice; the values are round examples.

    Attributes:
        core_hour: Of a core of a worker or a service.
        gib_hour: Of a GiB of its memory.
        database_core_hour: Of a core of a managed PostgreSQL, its memory included.
        database_gib_month: Of a GiB of its disk, with backups.
        bucket_gib_month: Of a GiB in the bucket.
    """

    core_hour: float = 0.04
    gib_hour: float = 0.005
    database_core_hour: float = 0.10
    database_gib_month: float = 0.20
    bucket_gib_month: float = 0.025

    @classmethod
    def names(cls) -> list[str]:
        """Return what has a price."""
        return [one.name for one in fields(cls)]


@dataclass(frozen=True, slots=True)
class Use:
    """What is paid for.

    Attributes:
        worker_cores: Of all workers, while all are there.
        worker_gib: Their memory.
        worker_share: Of the time, how much they are there: less than 1 where they follow the work.
        service_cores: Of the services that are always there.
        service_gib: Their memory.
        database_cores: Of PostgreSQL.
        database_gib: On its disk.
        bucket_gib: In the bucket.
    """

    worker_cores: float
    worker_gib: float
    worker_share: float
    service_cores: float
    service_gib: float
    database_cores: float
    database_gib: float
    bucket_gib: float


def a_month(use: Use, prices: Prices) -> dict[str, float]:
    """Return what a month costs, by what it is for.

    workers  = 730 h × share × (cores × core_hour + GiB × gib_hour)
    services = 730 h × (cores × core_hour + GiB × gib_hour)
    database = 730 h × cores × database_core_hour + GiB × database_gib_month
    bucket   = GiB × bucket_gib_month
    """
    worker = use.worker_cores * prices.core_hour + use.worker_gib * prices.gib_hour
    service = use.service_cores * prices.core_hour + use.service_gib * prices.gib_hour
    return {
        "workers": HOURS_A_MONTH * use.worker_share * worker,
        "services": HOURS_A_MONTH * service,
        "database": HOURS_A_MONTH * use.database_cores * prices.database_core_hour
        + use.database_gib * prices.database_gib_month,
        "bucket": use.bucket_gib * prices.bucket_gib_month,
    }
