"""The settings: environment variables, each with a default.

| variable                 | unset means                                                    |
|--------------------------|----------------------------------------------------------------|
| `ONEROSTER_HOME`         | `.oneroster/` in the checkout, else `oneroster/` in Airflow's home |
| `ONEROSTER_DATABASE_URL` | Airflow's option `[oneroster] database_url`, or else the PostgreSQL
|                          | that this project starts in `ONEROSTER_HOME`                   |
| `ONEROSTER_OWNER_URL`    | one role owns and uses the tables; only `migrate` reads this    |
| `ONEROSTER_STORAGE_URL`  | the folder `storage/` of `ONEROSTER_HOME`                       |
| `ONEROSTER_TEMPORARY`    | `oneroster-<user id>` in the system's folder for temporary files |
| `ONEROSTER_KEEP_FILES_DAYS` | 90: plans and reports of runs                                |
| `ONEROSTER_KEEP_FINDINGS_DAYS` | 90: findings, row by row                                  |
| `ONEROSTER_KEEP_AUDIT_DAYS` | 2557, seven years: changes, with values before and after     |
| `ONEROSTER_KEEP_PENDING_DAYS` | 30: deltas that were read and not applied                  |
| `ONEROSTER_KEEP_PENDING_PACKAGES` | 60: packages of such deltas                            |
| `ONEROSTER_PACKED_MIB`   | a zip may have 512 MiB                                         |
| `ONEROSTER_UNPACKED_MIB` | the files of a package may have 4,096 MiB in total             |
| `ONEROSTER_PACKAGE_FILES` | a package may hold 64 files                                   |
| `ONEROSTER_UNPACKED_RATIO` | a file of a zip may be 100 times as large as it is packed    |
| `ONEROSTER_LINE_KIB`     | a line may have 128 KiB                                        |
| `ONEROSTER_FINDINGS_OF_CAUSE` | 100,000: how many findings of one cause the database holds |
| `ONEROSTER_UPLOAD_SECONDS` | 60: how long an upload may pause or be too slow                |
| `ONEROSTER_SETTLE_SECONDS` | 2: between the two listings of a source                       |
| `ONEROSTER_WATCH_SECONDS`  | 30: between two checks for a new package that starts a sync   |
| `ONEROSTER_GUARD`        | `oneroster`: only requests that reach our DAGs are checked      |
| `ONEROSTER_ALLOWED_HOSTS` | requests may have any Host header                             |
| `ONEROSTER_HSTS_SECONDS` | 0: no header Strict-Transport-Security                          |
| `ONEROSTER_ALLOWED_…`     | see `sites.allow_list`: what a site may use                    |
"""

from __future__ import annotations

import functools
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oneroster_sync import provider_info
from oneroster_sync.errors import UserError
from oneroster_sync.identifiers import checked

if TYPE_CHECKING:
    from upath import UPath

MIB = 1 << 20
PROJECT = Path(__file__).resolve().parents[2]
"""The folder of the checkout, if there is one: dags/, plugins/, include/ and expectations/."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """Retention: days that data is kept after its run has ended.

    Pending deltas are kept for `pending_days` after they arrived, of at most `pending_packages`.
    """

    files_days: int = 90
    findings_days: int = 90
    audit_days: int = 2557
    pending_days: int = 30
    pending_packages: int = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """Size limits of a package: bytes, number of files, bytes of a line, compression ratio."""

    packed: int = 512 * MIB
    unpacked: int = 4096 * MIB
    entries: int = 64
    ratio: int = 100
    line: int = 128 * 1024

    @classmethod
    def in_force(cls) -> Limits:
        """Return the limits, with those that environment variables set.

        Raises:
            SettingError: A variable is not a valid number.
        """
        usual = cls()
        packed = mebibytes("ONEROSTER_PACKED_MIB", usual.packed // MIB)
        unpacked = mebibytes("ONEROSTER_UNPACKED_MIB", usual.unpacked // MIB)
        return cls(
            packed=packed,
            unpacked=unpacked,
            entries=_count("ONEROSTER_PACKAGE_FILES", usual.entries),
            ratio=_count("ONEROSTER_UNPACKED_RATIO", usual.ratio),
            line=_count("ONEROSTER_LINE_KIB", usual.line >> 10) << 10,
        )


class SettingError(UserError, ValueError):
    """The value of a setting is not valid; the message names the setting."""


def home() -> Path:
    """Return the folder of the embedded PostgreSQL, the packages, the snapshots and the reports.

    For an installed package, the folder is in Airflow's home and not beside the code: an upgrade
    may replace the Python environment.
    """
    given = os.environ.get("ONEROSTER_HOME")
    if given:
        return Path(given).absolute()
    if is_checkout():
        return PROJECT / ".oneroster"
    return Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser().absolute() / "oneroster"


@functools.cache
def is_checkout() -> bool:
    """Return whether this module is in a checkout of the project, not installed as a package."""
    try:
        return 'name = "oneroster-sync"' in (PROJECT / "pyproject.toml").read_text("utf-8")
    except OSError:
        return False


def database_url() -> str | None:
    """Return the URL of the roster database, or None for the embedded PostgreSQL."""
    return os.environ.get("ONEROSTER_DATABASE_URL") or provider_info.find_database_url()


def name_database_setting() -> str:
    """Return the name of the setting that holds the URL of the roster database, for messages."""
    if os.environ.get("ONEROSTER_DATABASE_URL") or provider_info.find_database_url() is None:
        return "ONEROSTER_DATABASE_URL"
    return "[oneroster] database_url in Airflow's configuration"


def owner_url() -> str | None:
    """Return the URL for upgrades as the owner of the tables, or None if there is one role only.

    Only `oneroster migrate` uses the URL; the services do not need it.
    """
    return os.environ.get("ONEROSTER_OWNER_URL") or None


def storage() -> UPath:
    """Return the root folder of packages, snapshots, plans and reports.

    Listings of an object store are not cached, because other machines write to it too.

    Raises:
        SettingError: The URL is wrong, or no installed library supports its scheme.
    """
    from upath import UPath  # loads fsspec, which is slow: import it only here

    url = _storage_url()
    try:
        if url.startswith(("/", "file:")):
            # A plain path becomes a pathlib path, whose operations are ten times faster than
            # fsspec's.
            return UPath(UPath(url).path)
        return UPath(url, protocol=None, use_listings_cache=False)
    except (ValueError, ImportError):
        scheme = url.partition(":")[0]
        raise SettingError(
            f"ONEROSTER_STORAGE_URL begins with {scheme}:, which no installed library supports; "
            "name a folder, or a bucket with s3://"
        ) from None


def local_storage() -> Path | None:
    """Return the root of the storage if it is a folder of this machine, else None."""
    url = _storage_url()
    return Path(url) if url.startswith("/") else None


def _storage_url() -> str:
    return os.environ.get("ONEROSTER_STORAGE_URL") or str(home() / "storage")


def storage_of(part: str, site: str) -> UPath:
    """Return the folder of a site in a part of the storage.

    Raises:
        SiteNameError: The name is not valid for a site; its path could lead to another folder.
    """
    return storage() / part / checked(site)


def expectations() -> Path:
    """Return the folder of the suites: `ONEROSTER_EXPECTATIONS`, or the package's own.

    In a checkout, the package's own folder is a symbolic link, which a copy may lack.
    """
    given = os.environ.get("ONEROSTER_EXPECTATIONS")
    packaged = Path(__file__).with_name("expectations")
    return Path(given or (packaged if packaged.is_dir() else PROJECT / "expectations"))


def keeping() -> Keeping:
    """Return the retention, with the values that environment variables set.

    Raises:
        SettingError: A variable is not a valid number.
    """
    return Keeping(
        **{
            name: _number(f"ONEROSTER_KEEP_{name.upper()}", default)
            for name, default in asdict(Keeping()).items()
        }
    )


_LONGEST = 36_525
"""A hundred years, in days."""


def _number(name: str, default: int) -> int:
    given = os.environ.get(name) or str(default)
    if not given.isdecimal() or not 1 <= int(given) <= _LONGEST:
        what = name.rpartition("_")[2].lower()
        raise SettingError(
            f"{name} must be a number of {what}, from 1 to {_LONGEST}, not {given!r}"
        )
    return int(given)


_HOUR_S = 3600


def _read_seconds(name: str, *, default: str, least: int) -> int:
    """Return a setting in whole seconds, from `least` to an hour.

    Raises:
        SettingError: The variable is not such a number.
    """
    given = os.environ.get(name) or default
    # isdigit is true for `²` too, which int refuses.
    if not (given.isascii() and given.isdigit() and least <= int(given) <= _HOUR_S):
        raise SettingError(
            f"{name} is {given!r}; it must be whole seconds, from {least} to {_HOUR_S}"
        )
    return int(given)


def upload_seconds() -> int:
    """Return how long an upload may pause, or be below the minimum rate, in seconds.

    Raises:
        SettingError: The variable is not a whole number from 1 to an hour.
    """
    return _read_seconds("ONEROSTER_UPLOAD_SECONDS", default="60", least=1)


def settle_seconds() -> int:
    """Return how long to wait between the two listings of a source, in seconds.

    Raises:
        SettingError: The variable is not a whole number from 0 to an hour.
    """
    return _read_seconds("ONEROSTER_SETTLE_SECONDS", default="2", least=0)


def watch_seconds() -> int:
    """Return the interval between checks of sources for new packages, in seconds.

    Raises:
        SettingError: The variable is not a whole number from 1 to an hour.
    """
    return _read_seconds("ONEROSTER_WATCH_SECONDS", default="30", least=1)


_SCOPES = ("oneroster", "airflow")


def guards_all_of_airflow() -> bool:
    """Return whether all requests to Airflow are checked, as in our own deployments.

    Raises:
        SettingError: The variable is not one of `_SCOPES`.
    """
    given = os.environ.get("ONEROSTER_GUARD") or _SCOPES[0]
    if given not in _SCOPES:
        raise SettingError(f"ONEROSTER_GUARD is {given!r}; it is one of {', '.join(_SCOPES)}")
    return given == "airflow"


def allowed_hosts() -> frozenset[str] | None:
    """Return the allowed Host headers in addition to loopback; None allows any."""
    given = os.environ.get("ONEROSTER_ALLOWED_HOSTS") or ""
    hosts = frozenset(host.strip().lower() for host in given.split(",") if host.strip())
    return hosts or None


def hsts_seconds() -> int:
    """Return max-age of the header Strict-Transport-Security in seconds; 0 for no header.

    Raises:
        SettingError: The variable is not a whole number.
    """
    given = os.environ.get("ONEROSTER_HSTS_SECONDS") or "0"
    if not (given.isascii() and given.isdigit()):
        raise SettingError(f"ONEROSTER_HSTS_SECONDS is {given!r}; it must be whole seconds")
    return int(given)


def findings_of_cause() -> int:
    """Return how many findings of one cause the database holds; the run's file holds all.

    Raises:
        SettingError: The variable holds no whole number.
    """
    return _count("ONEROSTER_FINDINGS_OF_CAUSE", 100_000)


def _count(name: str, unset: int) -> int:
    """Return a number that a variable holds.

    Raises:
        SettingError: It holds anything else than a whole number from 1 on.
    """
    value = os.environ.get(name) or str(unset)
    if not (value.isascii() and value.isdigit() and int(value)):
        raise SettingError(f"{name} is {value!r}; it takes a whole number, 1 or more")
    return int(value)


def mebibytes(name: str, unset: int) -> int:
    """Return a limit in bytes from a variable in whole mebibytes, or `unset` MiB by default.

    Raises:
        SettingError: The variable is not a whole number, 1 or more.
    """
    value = os.environ.get(name) or str(unset)
    if not (value.isascii() and value.isdigit() and int(value)):
        raise SettingError(f"{name} is {value!r}; it takes a whole number of MiB, 1 or more")
    return int(value) << 20
