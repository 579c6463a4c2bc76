"""A site file shows its changes, applies exactly these, and reports errors with their lines."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import ADMIN, Site
from databases import fresh_database, using
from oneroster_sync.operations.sites_file import as_yaml
from oneroster_sync.operations.strict_yaml import WrongFileError, read
from roster_of import SCHOOL
from site_files import SiteFile, run_sites, sites

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EMPTY = {"users.csv": SCHOOL["users.csv"].splitlines()[0] + "\n"}


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """A database with the sites `north` and `south`."""
    with fresh_database() as url, using(url):
        for name in ("north", "south"):
            assert sites("create", name, "--admin", ADMIN)[0] == 0
        yield


@pytest.fixture
def file(tmp_path: Path) -> SiteFile:
    """A site file without contents."""
    return SiteFile(tmp_path / "sites.yaml")


def north(tmp_path: Path) -> Site:
    """Return the site `north`."""
    return Site("north", tmp_path)


def test_a_plan_lists_changes_by_site_and_preference(file: SiteFile) -> None:
    """The plan lists old and new value of each changed preference, and nothing else."""
    file.write("""
        north:
          time_utc: 02:45
          guards:
            users: {percent: 15}
        south:
          source: /srv/sis
        west:
          credited_admin: west@x.org
          scope: users
    """)
    planned = file.plan()
    assert planned["outcome"] == "planned"
    assert [(site["site"], site["actions"]) for site in planned["sites"]] == [
        ("north", ["change"]),
        ("south", ["change"]),
        ("west", ["create"]),
    ]
    assert [site["changes"] for site in planned["sites"]] == [
        [
            {"preference": "time_utc", "before": "02:00", "after": "02:45"},
            {"preference": "guards.users.percent", "before": 10.0, "after": 15.0},
        ],
        [{"preference": "source", "before": None, "after": "/srv/sis"}],
        [
            {"preference": "credited_admin", "before": None, "after": "west@x.org"},
            {"preference": "scope", "before": "users_and_courses", "after": "users"},
        ],
    ]
    words = run_sites("plan", file.path)[1]
    assert '  time_utc: "02:00" → "02:45"' in words
    assert f"--plan {planned['plan_hash']}" in words
    assert sites("list")[1]["sites"] == [
        {"site": name, "archived_at": None, "archived_by": None, "last_run": None}
        for name in ("north", "south")
    ], "`sites plan` changed something"


def test_a_plan_is_applied_once(file: SiteFile, tmp_path: Path) -> None:
    """The apply reports the plan that it did, and afterwards the file changes nothing."""
    file.write("""
        north:
          time_utc: "03:30"
        west:
          credited_admin: west@x.org
    """)
    planned = file.plan()
    done = file.apply("--plan", planned["plan_hash"])
    assert done == {**planned, "outcome": "succeeded"}
    assert north(tmp_path).command("preferences")[1]["time_utc"] == "03:30"
    west = Site("west", tmp_path)
    assert west.command("preferences")[1]["credited_admin"] == "west@x.org"
    assert file.plan()["outcome"] == file.apply()["outcome"] == "no_changes"
    query = "select actor from events where site = :site order by id desc limit 1"
    assert west.rows(query)[0][0].endswith("on the command line, by sites.yaml")


def test_another_plan_than_the_one_looked_at_is_refused(file: SiteFile, tmp_path: Path) -> None:
    """An apply with the hash of an outdated plan is refused and changes nothing."""
    file.write("north: {time_utc: '03:30'}")
    looked_at = file.plan()["plan_hash"]
    assert north(tmp_path).command("preferences", "--set", "scope=users")[0] == 0
    code, words = run_sites("apply", file.path, "--plan", looked_at)
    assert (code, "look at the plan again" in words) == (1, True)
    assert north(tmp_path).command("preferences")[1]["time_utc"] == "02:00"
    looked_at = file.plan()["plan_hash"]
    file.write("north: {time_utc: '03:31'}")
    assert run_sites("apply", file.path, "--plan", looked_at)[0] == 1


def test_a_site_that_is_not_in_the_file_stays(file: SiteFile, tmp_path: Path) -> None:
    """A site that the file does not name stays, or is archived on request with its held plans."""
    south = Site("south", tmp_path)
    south.sync(SCHOOL)
    held = south.sync(EMPTY)
    assert held["outcome"] == "held"
    file.write("north:")
    assert file.plan()["outcome"] == "no_changes"
    planned = file.plan("--archive-missing")
    assert [(site["site"], site["actions"]) for site in planned["sites"]] == [
        ("south", ["archive"])
    ]
    assert sites("apply", file.path, "--plan", planned["plan_hash"])[0] == 1, (
        "another plan was applied"
    )
    file.apply("--archive-missing", "--plan", planned["plan_hash"])
    assert south.command("history")[1]["runs"][0]["outcome"] == "discarded"
    assert file.plan("--archive-missing")["outcome"] == "no_changes"


def test_a_file_archives_and_restores(file: SiteFile) -> None:
    """`archived` archives or restores a site; without it, the site stays as it is."""
    assert file.write("south: {archived: true}").apply()["sites"][0]["actions"] == ["archive"]
    assert file.write("south:").plan()["outcome"] == "no_changes"
    file.write("south:\n  time_utc: 04:00")
    assert file.wrong() == [(3, "south")]
    file.write("south:\n  archived: false\n  time_utc: 04:00")
    assert file.apply()["sites"][0]["actions"] == ["restore", "change"]


def test_the_last_site_is_not_archived_by_a_file(file: SiteFile) -> None:
    """A file that would archive the last site is refused as a whole."""
    file.write("north: {archived: true}\nsouth: {archived: true}")
    code, words = run_sites("apply", file.path)
    assert (code, "the last site in use" in words) == (1, True)
    assert {site["archived_at"] for site in sites("list")[1]["sites"]} == {None}
    file.write("""
        north: {archived: true}
        south: {archived: true}
        west: {credited_admin: w@x.org}
    """)
    assert len(file.apply()["sites"]) == 3


def test_an_export_changes_nothing(file: SiteFile, tmp_path: Path) -> None:
    """An export of any preferences gives a file that changes nothing, texts included."""
    note = "ends: {never} # 12:30, 'yes' é 日"
    wished = {
        "time_utc": "12:30",
        "days": ["sunday", "monday"],
        "source": "sftp://sis.example.org/exports",
        "source_connection": "sis",
        "pause_windows": [{"first_on": "2027-06-15", "last_on": "2027-08-15", "note": note}],
        "notices": {"recipients": ["on@x.org"], "channels": ["slack"], "errors_from": 3},
        "guards": {"raised": {"percent": 100, "until": "2027-01-31", "note": "null"}},
        "create_only_until": "2027-09-01",
        "stale_after_days": None,
        "done_within_hours": 5,
        "stale_protection_runs": 30,
        "encoding": "windows-1252",
        "delimiter": "tab",
        "date_order": "day_first",
    }
    file.write_all(yaml.safe_dump({"version": 1, "sites": {"north": wished}}))
    file.apply()
    sites("archive", "south")
    file.write_all(sites("export")[1]["file"])
    assert file.plan()["outcome"] == "no_changes"
    assert file.plan("--archive-missing")["outcome"] == "no_changes"
    assert north(tmp_path).command("preferences")[1]["pause_windows"][0]["note"] == note
    text = run_sites("export", "north")[1]
    assert "source_connection: sis" in text
    assert "south:" not in text


def test_an_exported_installation_is_made_anew(file: SiteFile) -> None:
    """The exported file makes the same sites in an empty installation."""
    file.write("north: {time_utc: '12:30', source: /srv/sis}").apply()
    file.write_all(sites("export")[1]["file"])
    with fresh_database() as url, using(url):
        assert [site["actions"] for site in file.apply()["sites"]] == [["create"], ["create"]]
        assert sites("export")[1]["file"] == file.path.read_text("utf-8")


def test_no_secret_is_exported(file: SiteFile, tmp_path: Path) -> None:
    """A stored source with a password, which old versions allowed, is not in the export."""
    from oneroster_sync import database

    with database.engine().begin() as connection:
        connection.exec_driver_sql(
            "update preferences set source = 'sftp://me:zqsecret@sis.example.org/o' "
            "where site = 'north'"
        )
    text = sites("export")[1]["file"]
    assert "zqsecret" not in text
    assert "may hold a secret: the sources of north" in text
    file.write_all(text)
    assert file.plan()["outcome"] == "no_changes"


WRONG = [
    ("north:\n  time_utcc: 02:00", [(4, "north.time_utcc")], "time_utc, perhaps"),
    ("north:\n  time_utc: 25:00", [(4, "north.time_utc")], "valid time"),
    ("north:\n  scope: some", [(4, "north.scope")], "'users', 'users_and_courses'"),
    ("north:\n  days: [monday, someday]", [(4, "north.days.1")], "'monday', 'tuesday'"),
    ("north:\n  guards:\n    user: {}", [(5, "north.guards.user")], "users, perhaps"),
    (
        "north:\n  guards:\n    users:\n      percent: 101",
        [(6, "north.guards.users.percent")],
        "less than or equal to 100",
    ),
    ("north:\n  archived: maybe", [(4, "north.archived")], "true or false"),
    ("north:\nsouth:\nnorth:", [(5, "north")], "each name once"),
    ("north:\n  scope: users\n  scope: users", [(5, "north.scope")], "each name once"),
    ("North: {}", [(3, "North")], "lower-case letters"),
    ("../b: {}", [(3, "../b")], "lower-case letters"),
    ("north: [1]", [(3, "north")], "preferences by name"),
    ("west: {}", [(3, "west.credited_admin")], "whose account is made"),
    ("west: {credited_admin: me}", [(3, "west.credited_admin")], "e-mail address"),
    ("west:\n  archived: true", [(4, "west.archived")], "an existing site"),
    ("north: {credited_admin: no@x.org}", [(3, "north.credited_admin")], "an active account"),
    ("north:\n  source: sftp://me:pw@h/o", [(4, "north.source")], "another value"),
    ("north: &a {}\nsouth: *a", [(4, "")], "YAML"),
    ("north: !!python/object:os.system {}", [(3, "north")], "without a tag"),
    ("north: {", [(4, "")], "YAML"),
    (
        "north:\n  nonsense: 1\nsouth:\n  rubbish: 2",
        [(4, "north.nonsense"), (6, "south.rubbish")],
        "one of credited_admin",
    ),
    (
        "north:\n  time_utc: 99:00\nsouth:\n  scope: x",
        [(4, "north.time_utc"), (6, "south.scope")],
        "valid time",
    ),
]


@pytest.mark.parametrize(("text", "places", "expected"), WRONG, ids=[it[0] for it in WRONG])
def test_each_error_has_its_line(
    file: SiteFile, text: str, places: list[tuple[int, str]], expected: str
) -> None:
    """Each error has its line and the expected value, and does not repeat the value."""
    file.write(text)
    assert file.wrong() == places
    code, words = run_sites("plan", file.path)
    assert code == 4
    assert f"{file.path}:{places[0][0]}:" in words
    assert expected in words
    assert "Nothing was changed." in words
    assert "me:pw" not in words


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b"sites: {}", 1),
        (b"version: 2\nsites: {}", 1),
        (b"version: true\nsites: {}", 1),
        (b"version: 1\nsites: {}\nother: 1", 3),
        (b"version: 1\nsites: {}\n---\nversion: 1", 3),
        (b"version: 1\nsites:\n  north: {note: \xff}", 3),
        (b"version: 1\nsites:\n  north: {note: \x01}", 3),
        (b"[" * 5000, 1),
        (b"# " + b"x" * (1 << 20), 1),
    ],
)
def test_an_invalid_file_is_refused(file: SiteFile, content: bytes, line: int) -> None:
    """A file of any bytes is refused with a line, and never with a stack trace."""
    file.path.write_bytes(content)
    assert [at for at, _ in file.wrong()] == [line]


def test_a_file_that_is_not_there_is_a_wrong_use(file: SiteFile) -> None:
    """A missing file is a usage error that names the path."""
    code, words = run_sites("plan", file.path)
    assert (code, str(file.path) in words) == (2, True)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Any bytes are either read or refused."""
    with contextlib.suppress(WrongFileError):
        read(content)


_PLAIN: Any = st.none() | st.booleans() | st.integers() | st.text()
_VALUES: Any = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@example({"\x85": "a\u2028b", "\ufeff": ["12:30", "no", "1e3", "~", "0x1", "2027-01-01"]})
@given(_VALUES)
def test_written_values_are_read_back(value: Any) -> None:
    """Each text and number that the export writes is read as the same value."""
    assert read(as_yaml(value).encode()).value == value
