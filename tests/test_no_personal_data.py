"""Personal data stays where it is needed: in the roster, its audit and its plans.

Every column of users.csv is filled with words that appear nowhere else. After whole runs, with
every kind of fault, all files and tables that a run leaves are searched for these words:

* data of students and parents, and data of columns that are not needed, is nowhere; * names,
usernames and e-mail addresses of staff are in no log, finding, report or run's record.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from golden.school import SCHOOL, SCHOOL_1_2, Texts, added
from oneroster_sync import database, settings
from oneroster_sync.standard import ALL_FILES, Version

if TYPE_CHECKING:
    from conftest import Site

PERSONAL = "Zqpersonal"
NEVER = "Zqnever"
_KEPT_OF_STAFF = {"givenName", "familyName", "username", "email"}
_OF_THE_ROW = {
    "sourcedId",
    "status",
    "dateLastModified",
    "enabledUser",
    "orgSourcedIds",
    "role",
    "primaryOrgSourcedId",
}


def row(header: str, sourced_id: str, *, outsider: bool = False, **cells: str) -> str:
    """Return a row of users.csv with marked words in every column with personal data."""
    values = {
        "sourcedId": sourced_id,
        "enabledUser": "true",
        "orgSourcedIds": "s",
        "role": "student" if outsider else "teacher",
        "primaryOrgSourcedId": "s",
    }
    for name in header.split(","):
        if name not in _OF_THE_ROW:
            mark = NEVER if outsider or name not in _KEPT_OF_STAFF else PERSONAL
            values[name] = f"{mark}{name}{sourced_id.removeprefix(NEVER)}"
    values["email"] += "@example.org"
    values |= {name: cell for name, cell in cells.items() if name in header.split(",")}
    return ",".join(values.get(name, "") for name in header.split(","))


def marked(texts: Texts) -> Texts:
    """Return the school with people of all kinds, valid and faulty, with marked words."""
    header = texts["users.csv"].splitlines()[0]
    people = [
        row(header, "ok1"),
        row(header, "ok2", username=f" {PERSONAL}blanks "),
        row(header, "named", email=f"{PERSONAL}no-address"),
        row(header, "long", familyName=PERSONAL * 30),
        row(header, "blank", givenName=""),
        row(header, "flag", enabledUser="maybe"),
        row(header, "shared1", email=f"{PERSONAL}shared@example.org"),
        row(header, "shared2", email=f"{PERSONAL}SHARED@example.org"),
        row(header, "twice"),
        row(header, "twice", givenName=f"{PERSONAL}other"),
        row(header, "again"),
        row(header, "again"),
        row(header, "bell", givenName=f"{PERSONAL}\x07"),
        row(header, "ragged") + f",{PERSONAL}",
        row(header, "unclear", outsider=True, role="pupil"),
        row(header, f"{NEVER}1", outsider=True),
        row(header, f"{NEVER}2", outsider=True, role="guardian"),
        row(header, f"{NEVER}3", outsider=True, enabledUser="maybe"),
        row(header, f"{NEVER}4", outsider=True, email="no address"),
    ]
    texts = added(texts, "users.csv", *people)
    texts = added(
        texts,
        "enrollments.csv",
        "e1,,,m1,s,ok1,teacher,,,",
        "e2,,,gone,s,ok2,teacher,,,",
        "e3,,,m1,s,named,teacher,,,",
        *(f"{NEVER}{n},,,m1,s,{NEVER}{n},student,,," for n in (1, 2, 3, 4)),
        f"{NEVER}5,,,gone,s,{NEVER}1,teacher,,,",
    )
    texts = with_every_file(texts)
    if "roles.csv" not in texts:
        return texts
    staff = {line.split(",")[0] for line in people} - {f"{NEVER}{n}" for n in (1, 2, 3, 4)}
    return added(
        texts,
        "roles.csv",
        *(f"r-{who},,,{who},primary,teacher,,,s," for who in sorted(staff - {"unclear"})),
        "r-unclear,,,unclear,primary,pupil,,,s,",
        *(f"{NEVER}r{n},,,{NEVER}{n},primary,parent,,,s,{NEVER}" for n in (1, 2, 3, 4)),
    )


def with_every_file(texts: Texts) -> Texts:
    """Return a package with all files of the standard; the files that are not needed are marked.

    Among them are demographics.csv and results.csv, which are about students only.
    """
    version = Version.V1_2 if "roles.csv" in texts else Version.V1_1
    others = {f"{name}.csv" for name in ALL_FILES[version]} - set(texts)
    content = f"sourcedId,status,dateLastModified,{NEVER}\n{NEVER}id,,,{NEVER}value\n"
    all_there = texts["manifest.csv"].replace(",absent", ",bulk")
    return {**texts, **dict.fromkeys(others, content), "manifest.csv": all_there}


def files_below(folder: Path, *, but: str = "") -> dict[str, str]:
    """Return the contents of all files below a folder as text, including those of Parquet files.

    Args:
        folder: The folder to read.
        but: Name of folders to leave out, such as that of a database, whose files come and go.
    """
    found = {}
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        if but in path.parent.parts:
            continue
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            found[str(path)] = f"{table.schema} {table.to_pylist()}"
        else:
            found[str(path)] = path.read_bytes().decode("utf-8", "replace")
    return found


def tables_of_the_database() -> dict[str, str]:
    """Return the rows of all tables as text."""
    names = "select tablename from pg_tables where schemaname = 'public' order by 1"
    with database.engine().connect() as connection:
        return {
            name: str(connection.scalars(sa.text(f'select t::text from "{name}" t')).all())  # noqa: S608
            for name in connection.scalars(sa.text(names)).all()
        }


def where(word: str, places: dict[str, str]) -> list[str]:
    """Return the names of the places that contain a word, ignoring case."""
    return [name for name, text in places.items() if word.lower() in text.lower()]


def run_folder(site: Site) -> Path:
    """Return the folder of a site's runs."""
    return Path(settings.storage().path) / "runs" / site.name


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files in this test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.case("c15")
@pytest.mark.parametrize("texts", [SCHOOL, SCHOOL_1_2])
def test_whole_run_leaves_no_trace_of_students(
    site: Site, caplog: pytest.LogCaptureFixture, temporary: Path, texts: Texts
) -> None:
    """A run that is applied has personal data only in its tables, the roster and the audit."""
    caplog.set_level(logging.DEBUG)
    package = site.package(marked(texts))

    code, held = site.command("sync", package)

    assert (code, held["outcome"]) == (3, "held")
    waiting = files_below(run_folder(site))
    assert where("quarantined/users.parquet", {name: name for name in waiting})

    code, applied = site.command("approve", held["run_id"])

    assert (code, applied["outcome"]) == (0, "succeeded_with_errors")
    assert {"ok1", "ok2", "again"} <= set(site.users())
    _, listed = site.command("history")
    after, tables = files_below(run_folder(site)), tables_of_the_database()
    outputs = {
        "log": caplog.text,
        "printed": str([held, applied, listed]),
        **{f"left in {name}": text for name, text in files_below(temporary).items()},
    }

    assert where(NEVER, {**waiting, **after, **tables, **outputs}) == []
    assert where(PERSONAL, outputs) == []
    assert where(PERSONAL, tables) == ["changes", "users"]
    holding = where(PERSONAL, {**waiting, **after})
    assert {Path(name).suffix for name in holding} == {".parquet"}
    assert {Path(name).parent.name for name in holding} == {"valid", "quarantined", "plan"}
    reports = {Path(name).name for name in after} & {"report.json", "results.json"}
    assert reports == {"report.json", "results.json"}


@pytest.mark.case("c15")
@pytest.mark.parametrize("texts", [SCHOOL, SCHOOL_1_2])
def test_data_that_is_no_longer_needed_is_deleted(site: Site, texts: Texts) -> None:
    """After a run is applied its rows are deleted, and only its plan has names."""
    held = site.sync(marked(texts))
    site.command("approve", held["run_id"])

    parents = {Path(n).parent.name for n in where(PERSONAL, files_below(run_folder(site)))}

    assert parents == {"plan"}


@pytest.mark.case("c15")
def test_rejected_run_shows_no_values(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A strict run that rejects a package gives the reason without a value of the package."""
    caplog.set_level(logging.DEBUG)

    run = site.sync(marked(SCHOOL), "--profile", "strict")

    assert run["outcome"] == "rejected"
    places = {
        "log": caplog.text,
        "printed": str(run),
        **files_below(run_folder(site)),
        **tables_of_the_database(),
    }
    mine = {name: text for name, text in places.items() if name not in {"users", "changes"}}
    assert where(NEVER, places) == []
    assert where(PERSONAL, mine) == []


@pytest.mark.parametrize("texts", [SCHOOL, SCHOOL_1_2])
def test_file_without_header_shows_no_values(
    site: Site, caplog: pytest.LogCaptureFixture, texts: Texts
) -> None:
    """If a file lacks its header, no message shows the first person's row as the header."""
    caplog.set_level(logging.DEBUG)
    header = texts["users.csv"].splitlines()[0]
    person = f"{NEVER}person"
    cells = dict.fromkeys(header.split(","), person)
    users = row(header, person, outsider=True, **cells) + "\n"

    run = site.sync({**texts, "users.csv": users})

    assert run["outcome"] == "rejected"
    places = {
        "log": caplog.text,
        "printed": str(run),
        **files_below(run_folder(site)),
        **tables_of_the_database(),
    }
    assert where(NEVER, places) == []


def test_sourced_id_that_is_an_address_is_not_logged(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A sourcedId that is an e-mail address appears in the log as a hash."""
    caplog.set_level(logging.DEBUG)
    address = f"{PERSONAL}address@example.org"
    header = SCHOOL["users.csv"].splitlines()[0]
    texts = added(
        SCHOOL,
        "users.csv",
        row(header, address, email=address),
        row(header, f"x{address}", email=f"x{address}", givenName=""),
    )
    texts = added(texts, "enrollments.csv", f"e1,,,m1,s,{address},teacher,,,")

    run = site.sync(texts)

    assert run["outcome"] == "succeeded_with_errors"
    assert site.users()[address] == "active"
    assert "sha256:" in caplog.text
    left = files_below(run_folder(site))
    reports = {name: text for name, text in left.items() if not name.endswith(".parquet")}
    assert where(PERSONAL, {"log": caplog.text, "reasons": str(run["reasons"]), **reports}) == []


@pytest.mark.case("c15")
@pytest.mark.parametrize("texts", [SCHOOL, SCHOOL_1_2])
@pytest.mark.parametrize("command", ["sync", "validate"])
def test_sourced_id_that_may_be_a_pupils_name_is_not_logged(
    site: Site, caplog: pytest.LogCaptureFixture, texts: Texts, command: str
) -> None:
    """The log shows a hash of a sourcedId if the row, or the role of its person, is unreadable."""
    caplog.set_level(logging.DEBUG)
    header = texts["users.csv"].splitlines()[0]
    texts = added(
        texts,
        "users.csv",
        row(header, "ok1"),
        row(header, "staff-with-an-error", email="no address"),
        row(header, f"{PERSONAL}-pupil", role="pupil", status="gone"),
        row(header, f"{PERSONAL}-ragged") + ",one,too,many",
        row(header, f"{PERSONAL}-bell", familyName="\x07"),
    )
    texts = added(
        texts,
        "enrollments.csv",
        f"{PERSONAL}-e1,,,m1,s,{PERSONAL}-pupil,pupil,,,",
        f"{PERSONAL}-e2,,,m1,s,ok1,teacher,,,,,,,",
        f"e3,,,m1,s,{PERSONAL}-pupil,teacher,,,",
        f"e4,,,m1,s,{PERSONAL}-nowhere,teacher,,,",
    )
    if "roles.csv" in texts:
        texts = added(
            texts,
            "roles.csv",
            "r1,,,ok1,primary,teacher,,,s,",
            "r2,,,staff-with-an-error,primary,teacher,,,s,",
            f"{PERSONAL}-r3,,,{PERSONAL}-pupil,primary,pupil,,,s,",
            f"r4,,,{PERSONAL}-nowhere,primary,teacher,,,s,",
        )

    _, result = site.command(command, site.package(texts))

    assert where(PERSONAL, {"log": caplog.text, "reasons": str(result.get("reasons"))}) == []
    hidden = [r.getMessage() for r in caplog.records if "sha256:" in r.getMessage()]
    files = {"users.csv", "enrollments.csv", *(["roles.csv"] if "roles.csv" in texts else [])}
    assert files <= {name for name in files for line in hidden if f" in {name}, row" in line}
    assert "staff-with-an-error" in caplog.text
