"""Where things live: settings by environment variable, each with an embedded default.

| variable                 | unset means                                                    |
|--------------------------|----------------------------------------------------------------|
| `ONEROSTER_HOME`         | `.oneroster/` in the checkout, else `oneroster/` in Airflow's home |
| `ONEROSTER_DATABASE_URL` | Airflow's option `[oneroster] database_url`, or else the PostgreSQL
|                          | that this project starts in `ONEROSTER_HOME`                   |
| `ONEROSTER_OWNER_URL`    | one role owns the tables and uses them; used by `migrate` alone |
| `ONEROSTER_STORAGE_URL`  | the folder `storage/` of `ONEROSTER_HOME`                       |
| `ONEROSTER_TEMPORARY`    | `oneroster-<user id>` in the system's folder for temporary files |
| `ONEROSTER_KEEP_FILES_DAYS` | 90: plans and reports of runs                                |
| `ONEROSTER_KEEP_FINDINGS_DAYS` | 90: findings, row by row                                  |
| `ONEROSTER_KEEP_AUDIT_DAYS` | 2557, seven years: what was changed, before and after        |
| `ONEROSTER_KEEP_PENDING_DAYS` | 30: deltas that were read and not applied                  |
| `ONEROSTER_KEEP_PENDING_PACKAGES` | 60: packages of such deltas                            |
| `ONEROSTER_PACKED_MIB`   | a zip may have 512 MiB                                         |
| `ONEROSTER_UNPACKED_MIB` | the files of a package may have 4,096 MiB in all               |
| `ONEROSTER_UPLOAD_SECONDS` | 60: how long an upload may stand still, or fall behind         |
| `ONEROSTER_SETTLE_SECONDS` | 2: between the two looks at a package of a source             |
| `ONEROSTER_WATCH_SECONDS`  | 30: between two looks for a new package that starts a sync    |
| `ONEROSTER_GUARD`        | `oneroster`: only requests that reach a DAG of ours are judged  |
| `ONEROSTER_ALLOWED_HOSTS` | requests may name any host                                    |
| `ONEROSTER_HSTS_SECONDS` | 0: browsers are not told to come by TLS only                    |
| `ONEROSTER_ALLOWED_…`     | what a site may use: `sites.allow_list`                        |
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
"""The checkout, where there is one: the folder of dags/, plugins/, include/ and expectations/."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long things are kept: days after their run has ended.

    Pending deltas are kept for so many days after they arrived, and of so many packages.
    """

    files_days: int = 90
    findings_days: int = 90
    audit_days: int = 2557
    pending_days: int = 30
    pending_packages: int = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a package may be: bytes, files, and bytes out per byte in."""

    packed: int = 512 * MIB
    unpacked: int = 4096 * MIB
    entries: int = 64
    ratio: int = 100
    line: int = 128 * 1024

    @classmethod
    def in_force(cls) -> Limits:
        """Return the limits, with what the operator set.

        Raises:
            SettingError: A limit that was set is none.
        """
        usual = cls()
        packed = mebibytes("ONEROSTER_PACKED_MIB", usual.packed // MIB)
        unpacked = mebibytes("ONEROSTER_UNPACKED_MIB", usual.unpacked // MIB)
        return cls(packed=packed, unpacked=unpacked)


class SettingError(UserError, ValueError):
    """A setting holds what it can't; the message names it."""


def home() -> Path:
    """Return the folder of the embedded PostgreSQL, the packages, the snapshots and the reports.

    An installed package has no folder of its own: what is kept must not lie in an environment of
    Python's, which the next upgrade may replace.
    """
    given = os.environ.get("ONEROSTER_HOME")
    if given:
        return Path(given).absolute()
    if is_checkout():
        return PROJECT / ".oneroster"
    return Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser().absolute() / "oneroster"


@functools.cache
def is_checkout() -> bool:
    """Return whether the package lies in a checkout of this project, and is not installed."""
    try:
        return 'name = "oneroster-sync"' in (PROJECT / "pyproject.toml").read_text("utf-8")
    except OSError:
        return False


def database_url() -> str | None:
    """Return the URL of the roster database, or None for the embedded PostgreSQL."""
    return os.environ.get("ONEROSTER_DATABASE_URL") or provider_info.find_database_url()


def name_database_setting() -> str:
    """Return what sets the URL of the roster database, for messages."""
    if os.environ.get("ONEROSTER_DATABASE_URL") or provider_info.find_database_url() is None:
        return "ONEROSTER_DATABASE_URL"
    return "[oneroster] database_url in Airflow's configuration"


def owner_url() -> str | None:
    """Return the URL by which the owner of the tables upgrades them, or None if one role does all.

    `oneroster migrate` alone uses it: the services need not have it.
    """
    return os.environ.get("ONEROSTER_OWNER_URL") or None


def storage() -> UPath:
    """Return the root under which packages, snapshots, plans and reports are kept.

    What an object store holds is asked anew each time: another machine may have written meanwhile.

    Raises:
        SettingError: Nothing here can read or write what the variable names.
    """
    from upath import UPath  # it loads fsspec, for which not everybody waits

    url = _storage_url()
    try:
        if url.startswith(("/", "file:")):
            # A plain path is one of pathlib's, whose every step is ten times as fast as fsspec's.
            return UPath(UPath(url).path)
        return UPath(url, protocol=None, use_listings_cache=False)
    except (ValueError, ImportError):
        scheme = url.partition(":")[0]
        raise SettingError(
            f"ONEROSTER_STORAGE_URL begins with {scheme}:, which nothing here can use; name a "
            "folder, or a bucket by s3://"
        ) from None


def local_storage() -> Path | None:
    """Return the root of the storage where it is a folder of this machine, else None."""
    url = _storage_url()
    return Path(url) if url.startswith("/") else None


def _storage_url() -> str:
    return os.environ.get("ONEROSTER_STORAGE_URL") or str(home() / "storage")


def storage_of(part: str, site: str) -> UPath:
    """Return the folder in which a part of the storage keeps what is a site's, and only that.

    Raises:
        SiteNameError: No site can be called so; its folder could be another one's.
    """
    return storage() / part / checked(site)


def expectations() -> Path:
    """Return the folder of the Great Expectations suites: the package's own unless one is named.

    In a checkout that is a link, which a copy of the package need not have.
    """
    given = os.environ.get("ONEROSTER_EXPECTATIONS")
    packaged = Path(__file__).with_name("expectations")
    return Path(given or (packaged if packaged.is_dir() else PROJECT / "expectations"))


def keeping() -> Keeping:
    """Return how long things are kept.

    Raises:
        SettingError: A variable is no number.
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
        raise SettingError(f"{name} is a number of {what}, from 1 to {_LONGEST}, not {given!r}")
    return int(given)


_HOUR_S = 3600


def _read_seconds(name: str, *, default: str, least: int) -> int:
    """Return a setting in whole seconds, up to an hour.

    Raises:
        SettingError: The variable holds anything else.
    """
    given = os.environ.get(name) or default
    if not (given.isascii() and given.isdigit() and least <= int(given) <= _HOUR_S):
        raise SettingError(
            f"{name} is {given!r}; it takes whole seconds, from {least} to {_HOUR_S}"
        )
    return int(given)


def upload_seconds() -> int:
    """Return how long a client may send nothing, or be behind the slowest pace, in seconds.

    Raises:
        SettingError: The variable holds anything but a whole number, from 1 to an hour.
    """
    return _read_seconds("ONEROSTER_UPLOAD_SECONDS", default="60", least=1)


def settle_seconds() -> int:
    """Return how long to wait between the two looks at a source's package, in seconds.

    Raises:
        SettingError: The variable holds anything but a whole number, from 0 to an hour.
    """
    return _read_seconds("ONEROSTER_SETTLE_SECONDS", default="2", least=0)


def watch_seconds() -> int:
    """Return how often sources are looked at for new packages, in seconds.

    Raises:
        SettingError: The variable holds anything but a whole number, from 1 to an hour.
    """
    return _read_seconds("ONEROSTER_WATCH_SECONDS", default="30", least=1)


_SCOPES = ("oneroster", "airflow")


def guards_all_of_airflow() -> bool:
    """Return whether the whole Airflow is guarded, as in our own deployments.

    Raises:
        SettingError: The variable names no scope.
    """
    given = os.environ.get("ONEROSTER_GUARD") or _SCOPES[0]
    if given not in _SCOPES:
        raise SettingError(f"ONEROSTER_GUARD is {given!r}; it is one of {', '.join(_SCOPES)}")
    return given == "airflow"


def allowed_hosts() -> frozenset[str] | None:
    """Return the names by which the server may be asked, besides loopback; None for any name."""
    given = os.environ.get("ONEROSTER_ALLOWED_HOSTS") or ""
    hosts = frozenset(host.strip().lower() for host in given.split(",") if host.strip())
    return hosts or None


def hsts_seconds() -> int:
    """Return how long browsers are to come by TLS only, in seconds; 0 says nothing of it.

    Raises:
        SettingError: The variable holds no whole number.
    """
    given = os.environ.get("ONEROSTER_HSTS_SECONDS") or "0"
    if not (given.isascii() and given.isdigit()):
        raise SettingError(f"ONEROSTER_HSTS_SECONDS is {given!r}; it takes whole seconds")
    return int(given)


def mebibytes(name: str, unset: int) -> int:
    """Return a limit in bytes, from a variable that holds whole mebibytes.

    Raises:
        SettingError: It holds anything else.
    """
    value = os.environ.get(name) or str(unset)
    if not (value.isascii() and value.isdigit() and int(value)):
        raise SettingError(f"{name} is {value!r}; it takes a whole number of MiB, 1 or more")
    return int(value) << 20
