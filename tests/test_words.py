"""Texts of findings: short, with the result for the row, and without a value of the package."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from golden.school import SCHOOL, SCHOOL_1_2, added, changed, codes, folder_of, opened
from oneroster_airflow import review_markdown
from oneroster_sync import database, notifications, settings
from oneroster_sync.cli import main
from oneroster_sync.findings import CODES, Finding, Findings, Severity
from oneroster_sync.findings.csv_export import format_csv
from oneroster_sync.findings.finding import describe
from oneroster_sync.operations.check import check_package
from oneroster_sync.runs import find, run_details
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.runs.run_log import log_findings
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.validate.data_docs import write_data_docs
from past import BASE_URL, choose

if TYPE_CHECKING:
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
    for text in (error, warning):
        assert text.endswith(code.hint)


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


def test_log_says_the_level_of_a_finding_once(caplog: pytest.LogCaptureFixture) -> None:
    """A warning is a line of the level WARNING; its text does not begin with the word again."""
    findings = Findings()
    findings.add(Finding("row.surrounding_space", Severity.WARNING, "users.csv", 2, "email"))
    findings.add(Finding("row.invalid_email", Severity.ERROR, "users.csv", 3, "email"))
    with caplog.at_level("INFO", logger="oneroster"):
        log_findings(findings.table())
    lines = [f"{record.levelname} {record.getMessage()}" for record in caplog.records]
    assert [line.split(" in ")[0] for line in lines] == [
        "WARNING error row.invalid_email",
        "WARNING row.surrounding_space",
    ]


_OLD = (
    *("Being told", "What people are told", "Plans that wait", "Nothing new", "The week,"),
    *("Many errors, from so many", "Nobody gets a mail", "No channel is told", "Who is credited"),
    *("waits for a person", "would go", "The site allows", "a person's word", "Asked by"),
    *("left as they are", "what they name was left", "[Mm]end(?:ed|ing|s)?", "because of it"),
    *("points to has errors of its own", "points to is not there:", "is none of those allowed"),
    *("[Tt]ake this run back", "What is taken back", "All of it", "Its users"),
    *("What would come of it", "Also what changed again", "Left alone, because"),
    *("Another limit for a while", "While removals wait", "Known records in the files, at least"),
    *("Rows with errors, more than", "How long a plan waits", "Undecided, it is discarded"),
    *("never caught up with", "Acts at once, without saving", "An hour off when"),
    *("There is none: syncs run", "Syncs only add", "Assignments end with their terms"),
    *("Like nobody", "Same mailbox", "Person of the package", "the sync / people, by hand"),
    *(
        "It waits its turn",
        "It begins",
        "It ended before it began",
        r"[Nn]o (?:run|row|line|change|account) fits",
    ),
    *("Bring a file of your own", "Make site", "Small letters", "is no e-mail address"),
    *("The very same file", "it is being looked at", "Links of accounts", "absent from the file"),
    *("As they stand", "Nothing here", "the first page", "goes by", "had its time", "[Ww]hoever"),
    *("[Nn]obody", "is told", "was told", "are told", "were told", "to be told", "[Tt]ell people"),
    *("stands", "besides", "by itself", "by themselves", "catch up", "come along", "no one can"),
)
"""Phrases of the review of the pages, and their like."""
_OLD_PHRASE = re.compile(rf"(?<![\w-])(?:{'|'.join(_OLD)})(?![\w-])")
_COMMENT = re.compile(r'/\*.*?\*/|^\s*//.*?$|^\s*#.*?$|""".*?"""', re.DOTALL | re.MULTILINE)
_TEXT = re.compile(r"""(["'`])((?:(?!\1).)*?[a-z] (?:(?!\1).)*?)\1|>([^<>{}]*[a-z] [^<>{}]*)<""")
_PROJECT = Path(__file__).resolve().parents[1]
_SOURCES = (
    ("ui/src", "ts*"),
    ("plugins/oneroster_airflow", "py"),
    ("include/oneroster_sync/notifications", "py"),
    ("include/oneroster_sync/findings", "toml"),
)


def list_texts(folder: str, ending: str) -> list[tuple[str, str]]:
    """Return the texts of a folder's sources, each with the file that it is in."""
    return [
        (file.name, found[2] or found[3])
        for file in sorted((_PROJECT / folder).rglob(f"*.{ending}"))
        if not {"test", "openapi"} & set(file.name.split("."))
        for found in _TEXT.finditer(_COMMENT.sub("", file.read_text("utf-8")))
    ]


@pytest.mark.parametrize(("folder", "ending"), _SOURCES)
def test_old_phrases_do_not_come_back(folder: str, ending: str) -> None:
    """Pages, messages, Required Actions and codes say what the review found, and its like, anew."""
    texts = list_texts(folder, ending)
    assert len(texts) > 60
    assert [(file, text) for file, text in texts if _OLD_PHRASE.search(text)] == []


def test_old_phrases_are_looked_for() -> None:
    """The test above reads texts of all kinds, and would find such a phrase in each."""
    for code in ('title="Nobody gets a mail"', "<Text>Who is credited here</Text>"):
        found = _TEXT.search(code)
        assert found is not None
        assert _OLD_PHRASE.search(found[2] or found[3])


def test_required_actions_and_pages_name_kinds_alike() -> None:
    """The headings of Required Actions are those of the pages' catalogue of words."""
    words = (_PROJECT / "ui/src/words/records.ts").read_text("utf-8")
    listed = re.search(r"export const KINDS.*?= \[(.*?)\n\];", words, re.DOTALL)
    assert listed is not None
    pages = dict(re.findall(r'\["(\w+)", "([^"]+)"\]', listed[1]))
    assert pages == review_markdown._KINDS


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
