"""Everything runs against one real PostgreSQL, started once, with a home of its own.

Each test that changes a roster takes a site of its own (`site`), so that tests don't meet.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catalogue.promises import PROMISES
from catalogue.tally import tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

_HOME = tempfile.TemporaryDirectory(prefix="oneroster-tests-", ignore_cleanup_errors=True)
_PROJECT = Path(__file__).resolve().parents[1]
os.environ["ONEROSTER_HOME"] = _HOME.name
os.environ["AIRFLOW_HOME"] = str(Path(_HOME.name) / "airflow")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(_PROJECT / "plugins")
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(_PROJECT / "dags")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["ONEROSTER_ALLOWED_PACKAGES"] = tempfile.gettempdir()
os.environ.pop("ONEROSTER_DATABASE_URL", None)
os.environ.pop("ONEROSTER_STORAGE_URL", None)

DATA = Path(__file__).parent / "data"
ADMIN = "admin@district.example"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note for each test which cases of the catalogue it proves; refuse those that are none.

    Modules that start an Airflow come first: they wait a lot, and none of them should be the last.
    """
    items.sort(key=lambda item: not hasattr(getattr(item, "module", None), "running"))
    for item in items:
        for mark in item.iter_markers("case"):
            for case in mark.args:
                if case not in PROMISES:
                    raise pytest.UsageError(f"{item.nodeid}: there is no case {case}")
                item.user_properties.append(("case", case))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases of the catalogue were tried and held."""
    for line in tally(terminalreporter.stats):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def postgresql() -> Iterator[None]:
    """Start the embedded PostgreSQL, and stop it when all is done."""
    from oneroster_sync.local import postgres

    home = Path(_HOME.name)
    postgres.start(home)
    yield
    from oneroster_sync.store import database

    database.engine().dispose()
    postgres.stop(home)
    _HOME.cleanup()


@pytest.fixture(scope="session")
def data() -> Path:
    """The sample packages."""
    return DATA


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to the roster database."""
    from oneroster_sync.store import database

    with database.engine().connect() as connection:
        yield connection


@dataclass
class Site:
    """One site, driven through the command line as its users drive it."""

    name: str
    folder: Path
    _numbers: Any = field(default_factory=itertools.count)

    def command(self, *words: object) -> tuple[int, dict[str, Any]]:
        """Run `oneroster WORDS --site … --json`; return the exit code and what it printed."""
        from click.testing import CliRunner

        from oneroster_sync.cli import main

        told = [str(word) for word in words]
        result = CliRunner().invoke(
            main, [*told, "--site", self.name, "--json"], catch_exceptions=False
        )
        printed = result.stdout.strip().splitlines()
        return result.exit_code, json.loads(printed[-1]) if printed else {}

    def sync(self, package: Path | dict[str, str], *options: str) -> dict[str, Any]:
        """Sync a package, or CSV texts by file name, and return the run."""
        return self.command("sync", self.package(package), *options)[1]

    def package(self, package: Path | dict[str, str]) -> Path:
        """Return a folder with the CSV texts, or the path as it is."""
        if isinstance(package, Path):
            return package
        folder = self.folder / f"package-{next(self._numbers)}"
        folder.mkdir()
        for name, text in package.items():
            (folder / name).write_text(text, "utf-8")
        return folder

    def rows(self, query: str, **bound: object) -> list[tuple[Any, ...]]:
        """Return rows of the roster database; `:site` is bound to this site."""
        import sqlalchemy as sa

        from oneroster_sync.store import database

        with database.engine().connect() as connection:
            found = connection.execute(sa.text(query), {"site": self.name, **bound})
            return [tuple(row) for row in found]

    def users(self) -> dict[str, str]:
        """Return the status of each user that has a sourcedId."""
        query = "select sourced_id, status from users where site = :site and sourced_id is not null"
        return dict(self.rows(query))

    def courses(self) -> dict[str, str]:
        """Return the status of each course."""
        return dict(self.rows("select sourced_id, status from courses where site = :site"))

    def assignments(self) -> dict[tuple[str, str], str]:
        """Return the status of each course assignment, by the sourcedIds of user and course."""
        query = (
            "select u.sourced_id, c.sourced_id, a.status from course_assignments a "
            "join users u on u.id = a.user_id join courses c on c.id = a.course_id "
            "where a.site = :site"
        )
        return {(user, course): status for user, course, status in self.rows(query)}

    def findings(self, run: dict[str, Any]) -> list[tuple[str, str | None, int | None]]:
        """Return code, file and row of a run's findings, in order."""
        query = "select code, file, row from findings where run_id::text = :run_id order by seq"
        return [(c, f, r) for c, f, r in self.rows(query, run_id=run["run_id"])]

    def codes(self, run: dict[str, Any]) -> set[str]:
        """Return the codes of a run's findings."""
        return {code for code, _, _ in self.findings(run)}


_NUMBERS = itertools.count(1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A fresh site with one hand-made administrator."""
    made = Site(f"site-{next(_NUMBERS)}", tmp_path)
    made.command("init", "--admin", ADMIN)
    return made


def csv_text(header: str, *rows: Sequence[str] | str) -> str:
    """Return CSV text from a header and rows."""
    return (
        "\n".join([header, *(row if isinstance(row, str) else ",".join(row) for row in rows)])
        + "\n"
    )
