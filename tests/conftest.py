"""One real PostgreSQL for each test process, sites for the tests, and the level of each test.

The level follows from what a test uses: a Chromium (`browser`), an Airflow (`airflow`), the
database (`integration`), or none of these (`unit`: the modules that `UNIT` names). A test of level
`unit` that connects to a database gets an error. A test that changes a roster uses a site of its
own (`site`), so that tests don't affect each other.
"""

from __future__ import annotations

import datetime as dt
import gc
import itertools
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

import homes
import slowest
import soaking
from catalogue.promises import PROMISES
from catalogue.tally import tally

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from sqlalchemy.engine import Connection

gc.disable()  # until collection ends: imports make a million objects and hardly any garbage
homes.prefer_memory()
_HOME = homes.root() / "home"
os.environ["ONEROSTER_HOME"] = str(_HOME)
os.environ["AIRFLOW_HOME"] = str(_HOME / "airflow")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(homes.PROJECT / "plugins")
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(homes.PROJECT / "dags")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = "of the tests".ljust(64, ".")  # SHA512 needs 64 bytes
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["ONEROSTER_SETTLE_SECONDS"] = "0"  # a source is listed twice without a wait
os.environ["ONEROSTER_ALLOWED_PACKAGES"] = tempfile.gettempdir()
# Until a test uses the fixture `postgresql`, a connection to the database is an error.
os.environ["ONEROSTER_DATABASE_URL"] = "none://tests-of-level-unit-have-no-database"
os.environ.pop("ONEROSTER_STORAGE_URL", None)

DATA = Path(__file__).parent / "data"
ADMIN = "admin@district.example"


LEVELS = ("unit", "integration", "airflow", "browser", "topology")
UNIT = {
    *("test_capacity_queue", "test_compare_packages", "test_cycles", "test_desired"),
    *("test_dag_integrity", "test_errors", "test_findings", "test_helm", "test_house"),
    *(
        "test_bundle",
        "test_documents",
        "test_make_setup",
        "test_package_csv",
        "test_package_deltas",
    ),
    *("test_package_files", "test_package_headers", "test_package_manifest"),
    *("test_package_repairs", "test_package_rows", "test_package_staff", "test_package_zip"),
    *("test_patterns", "test_plan_hash", "test_plan_users", "test_plan_logins"),
    *("test_plan_roles", "test_plan_rekeys", "test_plan_courses", "test_plan_assignments"),
    *(
        "test_plan_quarantine",
        "test_plan_terms",
        "test_project",
        "test_quotes",
        "test_scale",
        "test_schedule",
    ),
    *("test_sentences", "test_suites", "test_guards", "test_guards_by_school", "test_internals"),
    "test_run_queue",
}
"""Modules whose tests need neither a database nor an Airflow, unless a test's fixtures do."""


LANES = {
    # Airflow with everything that a sync needs; both lanes take about the same time.
    "first": (
        *("test_dags", "test_trust_in_airflow", "test_sources_in_airflow", "test_pages_trust"),
        *("test_api_decisions", "test_api_permissions", "test_api_preferences"),
        *("test_api_safety", "test_api_document"),
    ),
    "second": (
        *("test_pages", "test_pages_truth", "test_pages_held", "test_api_uploads"),
        *("test_api_runs", "test_review", "test_api_adoption", "test_sites_in_airflow"),
    ),
    # No Airflow runs, but the test process creates its API server: one import for all.
    "server": (
        *("test_airflow_requests", "test_airflow_routes", "test_web_server"),
        "test_api_connections",
    ),
}
"""Modules that share an Airflow: one worker runs a whole lane, so no module waits for a start."""
BY_THEMSELVES = {"test_oracle", "test_faults", "test_faults_of_pending", "test_orders"}
"""Modules of long tests that share nothing: each test goes to the next free worker."""
EARLY = ("test_existing_airflow", "test_topology", "test_several_servers")
"""Modules of `make long` that keep one worker busy for minutes."""
LARGE = (
    *("test_catalogue", "test_killed", "test_add_column"),
    *("test_faults", "test_sources_runs", "test_dialects", "test_oracle", "test_orders"),
    *("test_hostile_values", "test_any_input", "test_quotes", "test_three_days", "test_golden"),
    *("test_sources_drip", "test_local_postgres", "test_benchmarks", "test_pending", "test_apply"),
    *("test_unread", "test_words", "test_isolation"),
    *("test_outcomes", "test_metrics", "test_faults_of_pending", "test_sample_packages"),
)
"""The longest modules, the longest first: small ones at the end keep all workers busy."""
_LANE_OF = {module: lane for lane, modules in LANES.items() for module in modules}


def level_of(item: pytest.Item) -> str:
    """Return the level of a test: the one it is marked with, or that of the most costly fixture."""
    named = [level for level in LEVELS if item.get_closest_marker(level)]
    if named:
        return named[-1]
    taken = set(getattr(item, "fixturenames", ()))
    if has_airflow(item):
        code = getattr(getattr(item, "function", None), "__code__", None)
        drives = "page" in taken or (code is not None and "browsing" in code.co_names)
        return "browser" if drives else "airflow"
    return "unit" if item.path.stem in UNIT and "postgresql" not in taken else "integration"


def has_airflow(item: pytest.Item) -> bool:
    """Return whether the module of a test uses an Airflow."""
    live = sys.modules.get("live")
    running = getattr(getattr(item, "module", None), "running", None)
    return live is not None and running is live.running


@pytest.hookimpl(tryfirst=True)  # before pytest selects tests by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its level and record the catalogue's cases that it proves.

    The longest tests come first, so that the workers finish together.
    """
    items.sort(key=_turn_of)
    for item in items:
        item.add_marker(level_of(item))
        for mark in item.iter_markers("case"):
            for case in mark.args:
                if case not in PROMISES:
                    raise pytest.UsageError(f"{item.nodeid}: there is no case {case}")
                item.user_properties.append(("case", case))


def pytest_collection_finish() -> None:
    """Enable the garbage collector, but never for the objects that the imports have made."""
    gc.enable()
    gc.freeze()


def _turn_of(item: pytest.Item) -> tuple[object, ...]:
    """Return the sort key of a test: early ones first, then by Airflow, lane and size."""
    module = item.path.stem
    is_early = module in EARLY and item.get_closest_marker("long")
    place = EARLY.index(module) if is_early else len(EARLY)
    size = LARGE.index(module) if module in LARGE else len(LARGE)
    return place, not has_airflow(item), _LANE_OF.get(module, "zzz"), size


class Lanes(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each worker one module at a time, or one lane of modules.

    xdist's own groups (`--dist loadgroup`) do not work with pytest 9.2: xdist 3.8 writes them to an
    attribute of tests that pytest no longer reads.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = Path(nodeid.partition("::")[0]).stem
        if module in BY_THEMSELVES:
            return nodeid
        return _LANE_OF.get(module, module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes:
    """Return a scheduler that gives workers whole modules and lanes."""
    return Lanes(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options `--slowest` and `--write-soak`."""
    parser.addoption("--slowest", action="store_true", help="print what each test costs")
    help_ = "write the results of soak tests to docs/reliability.md"
    parser.addoption("--write-soak", action="store_true", help=help_)


def pytest_configure(config: pytest.Config) -> None:
    """Measure the cost of tests if `--slowest` is set."""
    if config.getoption("--slowest"):
        config.pluginmanager.register(slowest.Cost())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Print how many cases of the catalogue were tested and held, and the slowest if wanted."""
    for line in (*tally(terminalreporter.stats), *slowest.summary(terminalreporter.stats)):
        terminalreporter.write_line(line)
    done = soaking.lived(terminalreporter.stats)
    for test, what in done:
        terminalreporter.write_line(f"soak: {test}: {what}")
    if done and exitstatus == 0 and config.getoption("--write-soak"):
        soaking.write_page(done, dt.datetime.now(dt.UTC).date())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, Any]:
    """Add the last lines of Airflow's logs to the report of a failed test that used an Airflow."""
    report = yield
    if report.failed and has_airflow(item):
        tail = sys.modules["live"].tail_of_logs()
        report.sections.append(("the ends of Airflow's logs", tail))
    return report


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Close the Chromium that a module used, and the shared Airflow after its last module.

    While Chromium is open, no other code can run an event loop. Modules that use an Airflow run
    first, so after the last of them no module needs it.
    """
    if "browser" in sys.modules and (nextitem is None or nextitem.path != item.path):
        sys.modules["browser"].close()
    if nextitem is not None and has_airflow(item) and not has_airflow(nextitem):
        sys.modules["live"].stop_shared()


def pytest_unconfigure() -> None:
    """Stop what this process still runs: the sweeper would do so too, but later."""
    if "live" in sys.modules:
        sys.modules["live"].stop_shared()


@pytest.fixture(autouse=True, scope="module")
def _database(request: pytest.FixtureRequest) -> None:
    """Start the database for every module except those of level `unit`.

    It must run before the other fixtures of a module, because some of them create sites.
    """
    if request.path.stem not in UNIT:
        request.getfixturevalue("postgresql")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[None]:
    """The embedded PostgreSQL of this test process, with the roster's tables."""
    from oneroster_sync import database
    from oneroster_sync.database.embedded import postgres
    from oneroster_sync.stages.validate import gx_loader

    gx_loader.load()
    gc.freeze()  # imported objects stay, so the collector need not visit them again
    homes.fill(_HOME)
    postgres.start(_HOME)
    without = os.environ.pop("ONEROSTER_DATABASE_URL")
    database.engine.cache_clear()
    yield
    database.engine().dispose()
    postgres.stop(_HOME)
    os.environ["ONEROSTER_DATABASE_URL"] = without


@pytest.fixture(scope="session")
def data() -> Path:
    """The sample packages."""
    return DATA


@pytest.fixture
def connection(postgresql: None) -> Iterator[Connection]:
    """A connection to the roster database."""
    from oneroster_sync import database

    with database.engine().connect() as connection:
        yield connection


@dataclass
class Site:
    """One site, driven through the command line as its users drive it."""

    name: str
    folder: Path
    _numbers: Any = field(default_factory=itertools.count)

    def command(self, *words: object) -> tuple[int, dict[str, Any]]:
        """Run `oneroster WORDS --site … --json`; return the exit code and the printed JSON."""
        from click.testing import CliRunner

        from oneroster_sync.cli import main

        arguments = [str(word) for word in words]
        result = CliRunner().invoke(
            main, [*arguments, "--site", self.name, "--json"], catch_exceptions=False
        )
        printed = result.stdout.strip().splitlines()
        return result.exit_code, json.loads(printed[-1]) if printed else {}

    def sync(self, package: Path | dict[str, str], *options: str) -> dict[str, Any]:
        """Sync a package, or CSV texts by file name, and return the run."""
        return self.command("sync", self.package(package), *options)[1]

    def package(self, package: Path | dict[str, str]) -> Path:
        """Write CSV texts to a new folder and return it; return a path unchanged."""
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

        from oneroster_sync import database

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
        """Return code, file and row number of a run's findings, in order."""
        query = "select code, file, row from run_findings where run_id::text = :run_id order by seq"
        return [(c, f, r) for c, f, r in self.rows(query, run_id=run["run_id"])]

    def codes(self, run: dict[str, Any]) -> set[str]:
        """Return the codes of a run's findings."""
        return {code for code, _, _ in self.findings(run)}


_NUMBERS = itertools.count(1)


@pytest.fixture
def site(postgresql: None, tmp_path: Path) -> Site:
    """A new site with one administrator that was made by hand."""
    made = Site(f"site-{next(_NUMBERS)}", tmp_path)
    made.command("init", "--admin", ADMIN)
    return made


def csv_text(header: str, *rows: Sequence[str] | str) -> str:
    """Return CSV text from a header and rows."""
    return (
        "\n".join([header, *(row if isinstance(row, str) else ",".join(row) for row in rows)])
        + "\n"
    )
