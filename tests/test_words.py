"""Texts of findings: short, with the result for the row, and without a value of the package."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from golden.school import SCHOOL, SCHOOL_1_2, added, changed, codes, folder_of, opened
from oneroster_sync import database, notifications, settings
from oneroster_sync.cli import main
from oneroster_sync.findings import CODES, Finding, Severity
from oneroster_sync.findings.csv_export import format_csv
from oneroster_sync.findings.finding import describe
from oneroster_sync.operations.check import check_package
from oneroster_sync.runs import find, run_details
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.validate.data_docs import write_data_docs
from past import BASE_URL, choose

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site
    from golden.school import Texts
    from oneroster_sync.findings.codes import Code

_IDIOMS = re.compile(
    r"\b(?:told|tells?|stands?|is none|are none|isn't|though|besides|can't be had|goes by"
    r"|by itself|by themselves|all the same|had its time|nobody has said|no one can tell)\b",
    re.IGNORECASE,
)
"""Idioms that are hard to read in another language, and similar ones."""
_WORDS = 25


def texts_of(code: Code) -> list[str]:
    """Return all texts of a code."""
    return [code.meaning, code.if_error, code.if_warning, code.hint]


@pytest.mark.case("b55")
@pytest.mark.parametrize("code", CODES.values(), ids=list(CODES))
def test_words_of_codes_are_plain_and_few(code: Code) -> None:
    """Each sentence has one subject and at most 25 words, and no idiom."""
    for text in texts_of(code):
        assert not _IDIOMS.search(text), text
        assert ";" not in text, text
        for sentence in re.split(r"(?<=[.?])\s", text):
            assert len(sentence.split()) <= _WORDS, sentence
    assert code.meaning.endswith(".")
    assert re.match(r"[A-Z`].*\.$", code.hint)


@pytest.mark.case("b55")
@pytest.mark.parametrize("code", CODES.values(), ids=list(CODES))
def test_error_and_warning_of_a_code_differ(code: Code) -> None:
    """The text of a finding says whether the row was used, and what to do."""
    error, warning = (Finding(code.name, severity).for_a_person() for severity in Severity)
    if code.name.partition(".")[0] not in {"source", "guard"}:
        assert error.partition(code.meaning)[2] != warning.partition(code.meaning)[2]
        assert code.if_error in error
        assert code.if_warning in warning
    for said in (error, warning):
        assert said.endswith(code.hint)


@pytest.mark.parametrize("file", sorted(settings.expectations().rglob("*.json")), ids=str)
def test_words_of_suites_are_plain_and_few(file: Path) -> None:
    """The expected values of suites follow the same rules."""
    for one in json.loads(file.read_text("utf-8"))["expectations"]:
        expected = one["meta"]["expected"]
        assert len(expected.split()) <= _WORDS, expected
        assert not _IDIOMS.search(expected), expected


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("Lee", "a word of 3 letters"),
        ("Ann Lee", "2 words"),
        ("ann@example.org", "an e-mail address"),
        ("0815", "a number of 4 digits"),
        ("s3cret!", "a word of 7 characters"),
        (" ", "nothing"),
    ],
)
def test_value_is_described_by_its_shape(value: str, shape: str) -> None:
    """A value that is in no list of ours is never quoted."""
    assert describe(value) == shape


@pytest.mark.case("b56")
def test_same_fault_of_all_files_is_one_finding(tmp_path: Path) -> None:
    """Stamps in bulk files and missing lines of the manifest are one finding each for a package."""
    texts = dict(SCHOOL)
    for name in ("orgs.csv", "users.csv", "courses.csv"):
        header, rest = texts[name].split("\n", 1)
        texts[name] = f"{header}\n" + rest.replace(",,,", ",active,2026-09-01T00:00:00.000Z,", 2)
    lines = [
        line
        for line in texts["manifest.csv"].splitlines()
        if not line.startswith(("file.results", "file.categories", "file.lineItems"))
    ]
    texts["manifest.csv"] = "\n".join(lines) + "\n"

    found = opened(folder_of(texts, tmp_path / "p")).findings

    assert sorted(codes(found)) == ["manifest.missing_property", "row.field_forbidden_in_bulk"]
    expected = dict(zip(codes(found), found.table()["expected"].to_pylist(), strict=True))
    assert "file.results" in expected["manifest.missing_property"]
    assert "users.csv" in expected["row.field_forbidden_in_bulk"]


@pytest.mark.case("b57")
def test_log_lists_causes_and_not_rows(site: Site) -> None:
    """A hundred rows with one fault are one line of the log, with their number."""
    rows = [f"x{n},,,true,s,teacher,x{n},,,Ray,,,x{n}@example.org,,,,," for n in range(100)]
    package = site.package(added(SCHOOL, "users.csv", *rows))
    words = ["sync", str(package), "--site", site.name, "--json"]

    log = CliRunner().invoke(main, words, catch_exceptions=False).stderr

    lines = [line for line in log.splitlines() if "row.missing_required_value in users.csv" in line]
    assert len(lines) <= 2
    assert "row 8 and 99 more" in log
    assert not re.search(r"\bx4[0-9]\b", log)


PERSONAL = {
    "givenName": "Zqshiftgiven",
    "familyName": "Zqshiftfamily",
    "middleName": "Zqshiftmiddle",
    "email": "zqshiftmail@zqshift.example",
    "sms": "zqshiftsms0815",
    "phone": "zqshiftphone4711",
    "password": "zqshiftpassword!",
    "username": "zqshiftuser",
    "userIds": "{zqshifttype:zqshiftid}",
    "identifier": "zqshiftidentifier",
    "preferredGivenName": "Zqshiftpreferred",
    "pronouns": "zqshiftpronouns",
}
# No other test writes these words: the searched tables also have rows of earlier tests.
_SEARCHED = re.compile("zqshift", re.IGNORECASE)


def shifted(texts: Texts, by: int) -> Texts:
    """Return the package with the values of every file under a neighbour's header."""
    moved = dict(texts)
    header, *rows = csv.reader(io.StringIO(texts["users.csv"]))
    personal = [
        [
            PERSONAL.get(name, cell) + (str(n) if name in PERSONAL else "")
            for name, cell in zip(header, row, strict=True)
        ]
        for n, row in enumerate(rows)
    ]
    moved["users.csv"] = _written([header, *personal])
    for name, text in moved.items():
        if name != "manifest.csv":
            head, *lines = csv.reader(io.StringIO(text))
            moved[name] = _written([head, *(line[-by:] + line[:-by] for line in lines)])
    return moved


def _written(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def outputs(site: Site, run_id: str, tmp_path: Path) -> dict[str, str]:
    """Return the content of everything that a run stores, by its place."""
    found: dict[str, str] = {}
    run = find(run_id)
    folder = RunFolder.of(run.site, run_id)
    with database.engine().connect() as connection:
        tables = connection.scalars(
            sa.text("select tablename from pg_tables where schemaname = current_schema()")
        ).all()
        for table in tables:
            rows = connection.scalars(sa.text(f'select t::text from "{table}" t')).all()  # noqa: S608
            found[f"database {table}"] = "\n".join(rows)
        found["findings.csv"] = "".join(format_csv(run_details.all_findings(connection, run_id)))
        choose(site)
        notice = notifications.of_run(connection, run, base_url=BASE_URL)
        found["notification"] = notice.message.text() if notice else ""
    for data in ("findings", "snapshots", "valid", "quarantined", "plan"):
        for name, table in folder.read_tables(data).items():
            found[f"folder {data} {name}"] = str(table.to_pylist())
    for name in ("results", "report", "extracted", "run"):
        if folder.has(f"{name}.json"):
            found[f"folder {name}"] = json.dumps(folder.read_json(name))
    if folder.has("results.json"):
        write_data_docs(folder.read_json("results"), tmp_path / "docs")
        for page in (tmp_path / "docs").rglob("*.html"):
            found[f"Data Docs {page.name}"] = page.read_text("utf-8")
    return found


@pytest.mark.case("b58")
@pytest.mark.parametrize("profile", ["tolerant", "strict"])
@pytest.mark.parametrize("by", [1, -1], ids=["right", "left"])
@pytest.mark.parametrize("texts", [SCHOOL, SCHOOL_1_2], ids=["1.1", "1.2"])
def test_shifted_columns_show_no_value_anywhere(
    site: Site, tmp_path: Path, texts: Texts, by: int, profile: str
) -> None:
    """Names, addresses and passwords under another header are in no log, file, table or message."""
    package = site.package(shifted(texts, by))
    words = ["sync", str(package), "--site", site.name, "--profile", profile, "--json"]

    result = CliRunner().invoke(main, words, catch_exceptions=False)
    run: dict[str, Any] = json.loads(result.stdout)

    assert run["outcome"] == "rejected"
    left = outputs(site, run["run_id"], tmp_path)
    left |= {"log": result.stderr, "answer": result.stdout}
    assert {
        place: _SEARCHED.findall(text) for place, text in left.items() if _SEARCHED.search(text)
    } == {}


@pytest.mark.parametrize("by", [1, -1], ids=["right", "left"])
def test_shifted_columns_show_no_value_in_a_check(
    tmp_path: Path, by: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The check of a package without a site shows no value either."""
    with caplog.at_level("INFO"):
        checked = check_package(folder_of(shifted(SCHOOL, by), tmp_path / "p"), Profile.TOLERANT)
    assert not _SEARCHED.search(str(checked.findings.table().to_pylist()) + caplog.text)


def test_unknown_property_of_a_manifest_is_not_quoted(tmp_path: Path) -> None:
    """An unknown property may contain anything, so it is not quoted."""
    texts = changed(
        SCHOOL, "manifest.csv", "manifest.version,1.0", "manifest.version,1.0\nAnn Lee,1"
    )
    found = opened(folder_of(texts, tmp_path / "p")).findings.table().to_pylist()
    assert [(f["code"], f["column"]) for f in found] == [("manifest.unknown_property", "2 words")]
