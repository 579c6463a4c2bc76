"""The command line: its JSON for programs, its output for people, its exit codes."""

from __future__ import annotations

import gc
import getpass
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from oneroster_sync import database
from oneroster_sync.cli import main, maintenance, sites
from roster_of import SCHOOL, changed, now, run_command

if TYPE_CHECKING:
    from conftest import Site

STAFF = {"users.csv": SCHOOL["users.csv"]}
COUNTS = {
    "users": {"added", "updated", "deactivated", "reactivated", "errors", "ignored"},
    "courses": {"added", "updated", "removed", "reactivated", "errors"},
    "assignments": {"added", "removed", "errors"},
}


def test_sync_prints_one_object(site: Site) -> None:
    """`sync --json` prints one line with id, outcome, hash, counts and findings."""
    package = site.package(changed(SCHOOL, "users.csv", "Bob,Ray", ",Ray"))
    result = CliRunner().invoke(main, ["sync", str(package), "--site", site.name, "--json"])
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    run = json.loads(line)
    assert str(uuid.UUID(run["run_id"])) == run["run_id"]
    assert run["outcome"] == "succeeded_with_errors"
    assert set(run["plan_hash"]) <= set("0123456789abcdef")
    assert len(run["plan_hash"]) == 64
    for kind, names in COUNTS.items():
        assert names <= set(run["counts"][kind])
        assert all(isinstance(number, int) for number in run["counts"][kind].values())
    assert set(run["counts"]) == set(COUNTS)
    assert set(run["findings"]) >= {"errors", "warnings"}
    assert run["findings"]["errors"] == 2
    assert run["site"] == site.name


def test_exit_codes(site: Site) -> None:
    """The exit codes are 0 done, 2 usage, 3 held, 4 rejected, and 1 where nothing could be done."""
    assert site.command("sync", site.package(STAFF))[0] == 0
    assert site.command("sync", site.package(STAFF))[0] == 0
    empty = site.package({"users.csv": STAFF["users.csv"].splitlines()[0] + "\n"})
    assert site.command("sync", empty)[0] == 3
    assert site.command("plan", empty)[0] == 3
    assert site.command("sync", site.folder / "nothing.zip")[0] == 4
    assert run_command(site, "sync")[0] == 2
    assert run_command(site, "sync", empty, "--scope", "everything")[0] == 2
    assert run_command(site, "explain", "nobody@x.org")[0] == 1
    stranger = CliRunner().invoke(main, ["sync", str(empty), "--site", "nowhere"])
    assert stranger.exit_code == 1
    assert "oneroster init --site nowhere --admin EMAIL" in stranger.output


def test_package_that_can_not_be_used_is_rejected(site: Site) -> None:
    """A rejected package changes nothing, and the run names the reason and the remedy."""
    path = site.folder / "OneRoster.zip"
    path.write_bytes(b"not a zip")
    code, run = site.command("sync", path)
    assert (code, run["outcome"]) == (4, "rejected")
    assert run["counts"] is None
    assert site.codes(run) == {"zip.invalid_archive"}
    assert run["reasons"][0].startswith(
        "The file is not a complete zip archive. The package is not used. Export"
    )
    assert site.users() == {}


def test_strict_profile_rejects_what_tolerant_repairs(site: Site) -> None:
    """The tolerant profile uses a package that the strict profile rejects."""
    package = site.package(STAFF)
    assert site.command("sync", package, "--profile", "strict")[0] == 4
    assert site.users() == {}
    assert site.command("sync", package, "--profile", "tolerant")[0] == 0


def test_init_makes_a_site_once(site: Site) -> None:
    """`init` makes a site with one hand-made administrator; a second `init` changes nothing."""
    code, made = site.command("init", "--admin", "another@district.example")
    assert (code, made["made"]) == (0, False)
    query = "select email, role, status, managed, sourced_id from users where site = :site"
    assert site.rows(query) == [("admin@district.example", "administrator", "active", False, None)]
    assert "exists already" in run_command(site, "init", "--admin", "another@district.example")[1]


@pytest.mark.parametrize("name", ["No Spaces", "UPPER", "../up", "", "x" * 64])
def test_site_needs_a_plain_name(name: str) -> None:
    """A name that can't be a folder or a part of a DAG id is refused with a message."""
    result = CliRunner().invoke(main, ["init", "--site", name, "--admin", "a@x.org"])
    assert result.exit_code == 2
    assert "site" in result.output
    with database.engine().connect() as connection:
        found = connection.exec_driver_sql("select 1 from sites where site = %s", (name,)).all()
    assert found == []


def test_plan_shows_and_changes_nothing(site: Site) -> None:
    """`plan` prints every change and whether a threshold holds the plan, and applies nothing."""
    code, run = site.command("plan", site.package(SCHOOL))
    assert (code, run["outcome"]) == (0, "planned")
    assert [(c["action"], c["sourced_id"]) for c in run["changes"]["users"]] == [
        ("add", "ann"),
        ("add", "bob"),
        ("add", "cec"),
    ]
    assert len(run["changes"]["courses"]) == len(run["changes"]["assignments"]) == 2
    assert site.users() == {}
    assert site.courses() == {}
    done = site.sync(SCHOOL)
    assert done["plan_hash"] == run["plan_hash"]
    assert done["counts"] == run["counts"]
    assert site.command("plan", site.package(SCHOOL))[1]["outcome"] == "no_changes"


def test_plan_that_would_be_held_leaves_nothing_to_decide(site: Site) -> None:
    """A held preview exits with 3, and no person can approve it."""
    site.sync(STAFF)
    empty = site.package({"users.csv": STAFF["users.csv"].splitlines()[0] + "\n"})
    code, run = site.command("plan", empty)
    assert (code, run["outcome"]) == (3, "held")
    assert run_command(site, "approve", run["run_id"])[0] == 1
    assert set(site.users().values()) == {"active"}


def test_validate_needs_no_site(site: Site) -> None:
    """`validate` needs no roster: it prints rows, findings, and whether the package is rejected."""
    package = site.package(changed(SCHOOL, "users.csv", "Bob,Ray", ",Ray"))
    code, checked = site.command("validate", package)
    assert (code, checked["outcome"]) == (0, "succeeded_with_errors")
    assert checked["rows"] == {"users": 3, "courses": 2, "classes": 2, "enrollments": 3}
    assert checked["findings"]["errors"] == 2
    errors = [f for f in checked["list"] if f["severity"] == "error"]
    assert [(f["code"], f["file"], f["row"]) for f in errors] == [
        ("row.missing_required_value", "users.csv", 3),
        ("reference.target_quarantined", "enrollments.csv", 3),
    ]
    assert site.command("validate", package, "--profile", "strict")[0] == 4
    assert site.rows("select 1 from runs where site = :site") == []


def test_history_lists_the_newest_first(site: Site) -> None:
    """`history` lists runs with outcome and counts, the newest first, up to the limit."""
    assert "has no runs yet" in run_command(site, "history")[1]
    first, second = site.sync(STAFF), site.sync(STAFF)
    code, listed = site.command("history")
    assert code == 0
    assert [run["run_id"] for run in listed["runs"]] == [second["run_id"], first["run_id"]]
    assert listed["runs"][1] == first
    assert len(site.command("history", "--limit", "1")[1]["runs"]) == 1
    words = run_command(site, "history")[1]
    assert first["run_id"] in words
    assert "3 added" in words


def test_run_names_the_person_who_asked(site: Site) -> None:
    """A run names the person who ran the command."""
    assert site.sync(STAFF)["requested_by"] == f"{getpass.getuser()} on the command line"


def test_database_url_can_be_connected_to(site: Site) -> None:
    """`database-url` prints only the URL in use, for psql and similar programs."""
    import psycopg

    code, output = run_command(site, "database-url")
    assert code == 0
    with psycopg.connect(output.strip()) as connection:
        found = connection.execute("select 1 from sites where site = %s", [site.name]).fetchall()
    assert found == [(1,)]


OF_ONE_SITE = [
    *([name] for name in sorted(set(main.commands) - {"sites", "protections"})),
    *(["protections", name] for name in sorted(maintenance.protections.commands)),
]


@pytest.mark.parametrize("command", OF_ONE_SITE, ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    """Every command has help, --site and --json."""
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert result.output.splitlines()[2].strip()
    assert "--site" in result.output
    assert "--json" in result.output


@pytest.mark.parametrize("command", sorted(sites.sites.commands))
def test_every_command_about_sites_explains_itself(command: str) -> None:
    """Commands about sites take them as arguments, and have help and --json too."""
    result = CliRunner().invoke(main, ["sites", command, "--help"])
    assert result.exit_code == 0
    assert sites.sites.commands[command].help
    assert "--json" in result.output


def test_contract_of_commands() -> None:
    """The commands that other tools call exist."""
    assert set(main.commands) >= {
        *("init", "validate", "plan", "sync", "approve", "discard", "undo"),
        *("history", "explain", "database-url"),
    }


def test_installed_command_logs_on_stderr(site: Site) -> None:
    """The installed `oneroster` prints JSON on stdout and its log on stderr, without names."""
    ended = subprocess.run(
        [
            str(Path(sys.executable).with_name("oneroster")),
            *("sync", str(site.package(SCHOOL)), "--site", site.name, "--json"),
        ],
        env={**os.environ, "ONEROSTER_DATABASE_URL": database.url()},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(ended.stdout)["outcome"] == "succeeded"
    for line in ("users.csv (bulk): 3 rows, 3 kept.", "add user ann", "The run ended: succeeded."):
        assert line in ended.stderr
    for name in ("Ann", "Lee", "ann@x.org", "alee"):
        assert name not in ended.stderr.replace("user ann", "")


def test_times_are_in_utc(site: Site) -> None:
    """A run's times have a time zone, which is UTC."""
    run = site.sync(STAFF)
    for name in ("started_at", "ended_at"):
        assert run[name].endswith("+00:00")
    assert run["started_at"] <= run["ended_at"] <= now().isoformat()


def test_a_part_of_a_setting_is_changed_alone(site: Site) -> None:
    """A dotted name changes one part of a group, and keeps the other parts."""
    command = ("preferences", "--set")
    site.command(*command, "guards.users.cap=40")
    code, chosen = site.command(*command, "guards.removals_wait=true")
    assert code == 0
    assert (chosen["guards"]["users"]["cap"], chosen["guards"]["removals_wait"]) == (40, True)
    for wrong in ("guards.nothing=1", "days.first=1", "none.of=1", "site=x"):
        assert run_command(site, *command, wrong)[0] == 2


def test_collector_runs_seldom_within_a_command() -> None:
    """A command ends soon: the collector looks for cycles seldom, and as before once it ended."""
    before, within = gc.get_threshold(), list[int]()
    main.add_command(click.Command("look", callback=lambda: within.append(gc.get_threshold()[0])))
    try:
        assert CliRunner().invoke(main, ["look"]).exit_code == 0
    finally:
        main.commands.pop("look")
    assert within[0] >= 50 * before[0]
    assert gc.get_threshold() == before
