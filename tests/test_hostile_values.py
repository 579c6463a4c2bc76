"""Hostile values in every column of every file are harmless in all outputs.

The outputs here are those of the command line: the log of a run, answers as text and as JSON,
downloads, and the report of Great Expectations. `test_hostile_in_airflow.py` has the outputs of a
server.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import hostile
from conftest import ADMIN
from golden.school import manifest
from oneroster_sync import database, runs
from oneroster_sync.cli import HELD, main
from oneroster_sync.findings.csv_export import COLUMNS, format_csv
from oneroster_sync.findings.finding import shown
from oneroster_sync.runs import run_details
from oneroster_sync.stages.validate.data_docs import ensure_data_docs
from oneroster_sync.standard import ROSTERING_FILES, Version, rostering_file
from test_forged_lines import BREAKS, FORGED, check

if TYPE_CHECKING:
    from click.testing import Result

    from conftest import Site

pytestmark = pytest.mark.case("c06")
OBEYED = {"Cc", "Cf", "Zl", "Zp", "Cs"}
"""Categories of characters that a terminal or a reader obeys, or that hide text."""
REFUSED = ("line feed", "carriage return")
"""Line breaks that end the reading of a file, so each test puts them into one file."""
STARTS = ("=1+1", "+1", "-1", "@SUM(1)", "\uff1d1", "|calc", "%0A")
_FITTING = {
    "status": "active",
    "dateLastModified": "2026-09-01T00:00:00Z",
    "enabledUser": "true",
    "startDate": "2026-08-01",
    "endDate": "2027-06-01",
    "beginDate": "2026-08-01",
    "schoolYear": "2027",
    "classType": "scheduled",
    "primary": "false",
    "orgSourcedIds": "o",
    "orgSourcedId": "o",
    "primaryOrgSourcedId": "o",
    "schoolSourcedId": "o",
    "courseSourcedId": "c",
    "classSourcedId": "k",
    "userSourcedId": "u",
    "schoolYearSourcedId": "y",
    "termSourcedIds": "y",
    "parentSourcedId": "",
    "role": "teacher",
    "roleType": "primary",
}
_TYPES = {"orgs": "school", "academicSessions": "schoolYear"}
_FIRST = dict(zip(ROSTERING_FILES, "yockrue", strict=True))


def texts(version: Version, values: list[str], files: tuple[str, ...] = ROSTERING_FILES) -> Any:
    """Return a package with each value in each column, one row for each.

    Args:
        version: The version of the standard.
        values: The hostile values.
        files: The files with these values; the first row of each file is correct.
    """
    written = {}
    for name in ROSTERING_FILES:
        file = rostering_file(name, version)
        if file is None:
            continue
        columns = [column.name for column in file.columns]
        number, rows = 0, [_row(name, columns, _FIRST[name])]
        for column in columns if name in files else ():
            for value in values:
                number += 1
                rows.append({**_row(name, columns, f"{_FIRST[name]}{number}"), column: value})
        buffer = io.StringIO()
        lines = csv.DictWriter(buffer, columns, lineterminator="\n")
        lines.writeheader()
        lines.writerows(rows)
        written[f"{name}.csv"] = buffer.getvalue()
    modes = dict.fromkeys((name.removesuffix(".csv") for name in written), "bulk")
    return {"manifest.csv": manifest(version, **modes), **written}


def _row(name: str, columns: list[str], id_: str) -> dict[str, str]:
    row = {column: _FITTING.get(column, f"{column} {id_}") for column in columns}
    return {
        **row,
        "sourcedId": id_,
        **({"type": _TYPES[name]} if name in _TYPES else {}),
        **({"email": f"{id_}@x.org"} if "email" in row else {}),
    }


def ask(site: Site, *words: str) -> Result:
    """Run a command with its answer as text, as a person does."""
    return CliRunner().invoke(main, [*words, "--site", site.name])


def lines_are_ours(printed: str) -> None:
    """Check that an answer has no character that a terminal obeys, and no forged line."""
    for line in printed.split("\n"):
        assert not [c for c in line if unicodedata.category(c) in OBEYED], ascii(line)
        assert not line.startswith(FORGED), ascii(line)


def one_object(printed: str) -> dict[str, Any]:
    """Return the printed JSON object: one line of ASCII."""
    assert printed.count("\n") == 1
    assert printed.isascii()
    found: dict[str, Any] = json.loads(printed)
    return found


@pytest.mark.parametrize("profile", ["tolerant", "strict"])
@pytest.mark.parametrize("version", [Version.V1_1, Version.V1_2])
@pytest.mark.parametrize("name", BREAKS)
def test_no_cell_makes_a_line(site: Site, name: str, version: Version, profile: str) -> None:
    """A line break or an escape in any column starts no line of the log."""
    value = f"x{BREAKS[name]}{FORGED}{FORGED}"
    each = [(file,) for file in ROSTERING_FILES] if name in REFUSED else [ROSTERING_FILES]
    for files in each:
        package = str(site.package(texts(version, [value], files)))
        words = ["sync", package, "--profile", profile, "--json", "--site", site.name]
        result = CliRunner().invoke(main, words)
        check(result.stderr)
        run = one_object(result.stdout)
        assert run["outcome"] not in {None, "failed"}
    lines_are_ours(ask(site, "history").stdout)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, dict[str, Any]]:
    """Return a site with hostile values in its roster, and the run with the most findings."""
    from conftest import Site

    site = Site("hostile-values", tmp_path_factory.mktemp("hostile"))
    site.command("init", "--admin", ADMIN)
    values = [text for text in (*hostile.PAYLOADS, *STARTS) if text]
    package = texts(Version.V1_1, values)
    broken = io.StringIO()
    csv.writer(broken, lineterminator="\n").writerows(
        [f"{text}!", "", "", "maybe", "o", "teacher", f"b{n}"] for n, text in enumerate(values)
    )
    package["users.csv"] += broken.getvalue().replace("\n", "," * 11 + "\n")
    run = site.sync(package)
    assert run["outcome"] in {"succeeded_with_errors", "held"}, run
    if run["outcome"] == "held":
        run = site.command("approve", run["run_id"], "--reason", hostile.PAYLOADS[0])[1]
    return site, run


def test_answers_in_words_are_seen(seen: tuple[Site, dict[str, Any]]) -> None:
    """Text answers show characters that reverse, hide or break text as escapes."""
    site, run = seen
    for text in hostile.PAYLOADS:
        result = ask(site, "explain", text)
        assert result.exit_code in {0, 1}
        lines_are_ours(result.stdout)
    turned = next(text for text in hostile.PAYLOADS if text.startswith("\u202e"))
    assert "\\u202egro.live\\u202c" in ask(site, "explain", turned).stdout
    lines_are_ours(ask(site, "adoption", run["run_id"]).stdout)


def test_answers_as_json_are_the_values(seen: tuple[Site, dict[str, Any]]) -> None:
    """JSON answers hold exactly the written value, and none of it leaves its string."""
    site, _ = seen
    for text in (*hostile.PAYLOADS, *STARTS):
        words = ["explain", "--json", "--site", site.name, "--", text]
        found = one_object(CliRunner().invoke(main, words).stdout)
        assert {record["sourced_id"] for record in found["records"]} <= {text, None}


@pytest.mark.case("c07")
def test_findings_are_a_sound_csv(seen: tuple[Site, dict[str, Any]]) -> None:
    """Each value is in its cell, none is a formula, and each row has all columns."""
    _, run = seen
    with database.engine().connect() as connection:
        export = "".join(format_csv(run_details.all_findings(connection, run["run_id"])))
    header, *rows = csv.reader(io.StringIO(export.removeprefix("\ufeff"), newline=""), strict=True)
    assert tuple(header) == COLUMNS
    assert rows
    assert {len(row) for row in rows} == {len(COLUMNS)}
    for row in rows:
        assert not [cell for cell in row if cell.lstrip(" ")[:1] in tuple("=+-@|%\t\r\n\0\uff1d")]
    named = {row[COLUMNS.index("sourced_id")] for row in rows}
    named |= {row[COLUMNS.index("target")] for row in rows}
    for text in (*hostile.PAYLOADS, *STARTS):
        assert {f"{text}!", f"'{text}!"} & named, text


def test_report_holds_no_value(seen: tuple[Site, dict[str, Any]]) -> None:
    """The report and the Data Docs hold no value of the package."""
    _, record = seen
    with database.engine().connect() as connection:
        run = runs.get(connection, record["run_id"])
    assert run
    found = ensure_data_docs(run)
    assert found
    folder = Path(found.path.path)
    pages = [path for path in folder.glob("report/**/*") if path.suffix in {".html", ".js"}]
    assert pages
    for path in (*pages, folder / "report.json", folder / "results.json"):
        assert_without_values(path)


def assert_without_values(path: Path) -> None:
    """Check that a file holds no payload, neither as written nor escaped."""
    text = path.read_text("utf-8")
    for payload in hostile.PAYLOADS:
        if len(payload) > len("constructor") and payload.isascii():
            assert payload not in text, (path, payload)
            assert json.dumps(payload)[1:-1] not in text, (path, payload)


def test_names_of_schools_are_seen_where_a_plan_is_held(site: Site) -> None:
    """The reasons of a held plan name schools, each on one line in log, answers and record."""
    for setting in hostile.ONLY_SCHOOLS:
        assert site.command("preferences", "--set", setting)[0] == 0
    assert site.sync(hostile.schools())["outcome"] == "succeeded"
    package = str(site.package(hostile.schools(without=5)))

    result = ask(site, "sync", package)

    assert result.exit_code == HELD
    check(result.stderr)
    lines_are_ours(result.stdout)
    reasons = site.command("history")[1]["runs"][0]["reasons"]
    of_schools = [
        one for one in reasons if one.startswith("guard.school_removals: 5 of 6 users of")
    ]
    assert len(of_schools) == len(hostile.PAYLOADS) + 2
    for reason in reasons:
        lines_are_ours(reason)
    answers = "\n".join(reasons)
    assert all(shown(text) in answers for text in hostile.PAYLOADS)
