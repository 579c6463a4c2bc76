"""Any input is accepted, rejected or held; none causes a crash, a hang or unbounded memory use.

Hypothesis generates bytes, damages zips and changes cells. `make test` tries a few fixed examples,
`make long` many more. `ONEROSTER_EXAMPLES=10000` tries that many random examples.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from catalogue.case import only, written
from conftest import ADMIN, Site
from golden.held import held_by
from golden.school import SCHOOL, SCHOOL_1_2, zip_of
from oneroster_sync.cli import HELD, REJECTED, main

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.case("d09")

EXAMPLES = os.environ.get("ONEROSTER_EXAMPLES")
"""Number of random examples of each kind, for a search."""

OFTEN = pytest.mark.parametrize(
    "times",
    [
        pytest.param(1, id="some"),
        pytest.param(10, id="many", marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
"""Whether a test tries a few fixed examples, or many."""

MIB = 1 << 20
PROFILES = st.sampled_from(("tolerant", "strict"))
ENDS = {
    0: {"succeeded", "succeeded_with_errors", "no_changes"},
    HELD: {"held"},
    REJECTED: {"rejected"},
}
"""Exit code → possible outcomes; any other exit code is wrong for every input."""


def tried(check: Callable[..., None], times: int, *examples: dict[str, Any], **any_: Any) -> None:
    """Try a check with values of strategies, and each time with the given examples."""
    check = given(**any_)(check)
    for one in examples:
        check = example(**one)(check)
    settings(
        deadline=None,
        derandomize=EXAMPLES is None,
        max_examples=int(EXAMPLES or times),
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )(check)()


def judged(package: Path, profile: str) -> dict[str, Any]:
    """Validate a package on the command line, and check that the outcome is a known one."""
    words = ["validate", str(package), "--profile", profile, "--json"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    summary: dict[str, Any] = json.loads(result.stdout)
    assert summary["outcome"] in ENDS[result.exit_code]
    assert "Traceback" not in result.output
    if summary["outcome"] == "rejected":
        assert [one for one in summary["list"] if one["severity"] == "error"]
    return summary


NAMES = st.sampled_from(("OneRoster.zip", "users.csv", "courses.csv", "manifest.csv", "export"))
CSV_LIKE = st.lists(
    st.lists(
        st.sampled_from(("sourcedId", "a", '"', "é", "\r", "\0", "", " ", "\u2028")), max_size=6
    ),
    max_size=8,
).map(lambda rows: "\n".join(",".join(row) for row in rows).encode())
UNDER_HEADER = CSV_LIKE.map(lambda data: SCHOOL["users.csv"].split("\n")[0].encode() + b"\n" + data)
HEADS = st.sampled_from((b"", b"PK\x03\x04", b"PK\x05\x06", b"\xef\xbb\xbf", b"\xff\xfe"))
ANY_BYTES = st.one_of(
    st.tuples(HEADS, st.binary(max_size=2000)).map(b"".join), CSV_LIKE, UNDER_HEADER
)


@OFTEN
def test_any_bytes(times: int) -> None:
    """Any bytes with any file name get an outcome, and a rejection has an error."""

    def check(name: str, data: bytes, profile: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / name
            package.write_bytes(data)
            judged(package, profile)

    tried(check, 300 * times, name=NAMES, data=ANY_BYTES, profile=PROFILES)


Faults = list[tuple[str, int, int, bytes]]


def damaged(data: bytes, faults: Faults) -> bytes:
    """Return bytes with parts changed, removed, doubled or inserted."""
    for what, at, length, more in faults:
        at %= max(len(data), 1)  # noqa: PLW2901
        end = at + length
        if what == "change":
            data = (
                data[:at] + bytes(b ^ (more[0] if more else 1) for b in data[at:end]) + data[end:]
            )
        elif what == "cut":
            data = data[:at] + data[end:]
        elif what == "double":
            data = data[:end] + data[at:]
        else:
            data = data[:at] + more + data[at:]
    return data


FAULTS = st.lists(
    st.tuples(
        st.sampled_from(("change", "cut", "double", "insert")),
        st.integers(0, 1 << 16),
        st.integers(1, 40),
        st.binary(max_size=40),
    ),
    min_size=1,
    max_size=4,
)


@OFTEN
def test_any_damage_to_a_zip(times: int) -> None:
    """A zip with damaged bytes is rejected, or has the same rows as before."""

    def check(faults: Faults, profile: str, texts: dict[str, str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            package = zip_of(texts, Path(folder) / "OneRoster.zip")
            package.write_bytes(damaged(package.read_bytes(), faults))
            summary = judged(package, profile)
            if summary["outcome"] == "succeeded":
                assert summary["rows"]["users"] == 6

    schools = st.sampled_from((SCHOOL, SCHOOL_1_2))
    tried(check, 40 * times, faults=FAULTS, profile=PROFILES, texts=schools)


@OFTEN
def test_any_damage_to_a_file(times: int) -> None:
    """A package with any damage to one file gets an outcome."""

    def check(name: str, faults: Faults, profile: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            texts: dict[str, str | bytes] = {**SCHOOL, name: damaged(SCHOOL[name].encode(), faults)}
            judged(zip_of(texts, Path(folder) / "OneRoster.zip"), profile)

    names = st.sampled_from(sorted(SCHOOL))
    tried(check, 15 * times, name=names, faults=FAULTS, profile=PROFILES)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site for all examples; each example starts with the small school."""
    site = Site("any-cell", tmp_path_factory.mktemp("any-cell"))
    site.command("init", "--admin", ADMIN)
    return site


CELLS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        (
            *("", "=1+1", "true", "tobedeleted", "s", "ann", "maths", "gone", "x" * 300, "student"),
            *('"', "a\nb", "a\rb", "\0", "\u202eabc", "2026-02-30", "Bob@Example.org", "e\u0301"),
        )
    ),
)
FILES = st.sampled_from(("users", "courses", "classes", "enrollments", "orgs", "academicSessions"))


def with_cell(file: str, row: int, column: int, cell: str, *, quoted: bool) -> dict[str, str]:
    """Return the school with one cell changed; row 0 is the header."""
    rows = list(csv.reader(io.StringIO(SCHOOL[f"{file}.csv"])))
    row, text = row % len(rows), io.StringIO()
    cells = rows[row]
    cells[column % len(cells)] = cell
    writer = csv.writer(text, lineterminator="\n")
    for number, line in enumerate(rows):
        if number == row and not quoted:
            text.write(",".join(line) + "\n")
        else:
            writer.writerow(line)
    return {**SCHOOL, f"{file}.csv": text.getvalue()}


ANY_CELL: dict[str, Any] = {
    "file": FILES,
    "row": st.integers(0, 6),
    "column": st.integers(0, 20),
    "cell": CELLS,
    "profile": PROFILES,
    "quoted": st.booleans(),
}
ALWAYS_TRIED = [
    {"file": "users", "row": 2, "column": 0, "cell": ""},
    {"file": "users", "row": 2, "column": 3, "cell": "false"},
    {"file": "enrollments", "row": 3, "column": 6, "cell": "student"},
]


@OFTEN
def test_any_cell(school: Site, times: int) -> None:
    """Any change of one cell changes no user or course except that of its row."""
    synced(school, SCHOOL, "tolerant")
    before = held_by(school)

    def check(file: str, row: int, column: int, cell: str, profile: str, *, quoted: bool) -> None:
        if held_by(school) != before:
            synced(school, SCHOOL, "tolerant")
        texts = only(with_cell(file, row, column, cell, quoted=quoted), file)
        lines = SCHOOL[f"{file}.csv"].splitlines()
        own = lines[row % len(lines)].split(",")[0]

        outcome = synced(school, texts, profile)
        after = held_by(school)

        if outcome in {"rejected", "held"}:
            assert after == before
            return
        for kind in ("users", "courses"):
            touched = {i for i in before[kind] if after[kind].get(i) != before[kind][i]}
            assert touched <= ({own} if file == kind else set())
        again = synced(school, texts, profile)
        assert again in {"no_changes", "succeeded_with_errors", "held"}
        assert held_by(school) == after

    examples = [{**one, "profile": "tolerant", "quoted": True} for one in ALWAYS_TRIED]
    tried(check, 7 * times, *examples, **ANY_CELL)


def synced(site: Site, texts: dict[str, str], profile: str) -> str:
    """Sync a package on the command line, and check that the outcome is a known one."""
    with tempfile.TemporaryDirectory() as folder:
        package = written(texts, Path(folder))
        exit_code, run = site.command("sync", package, "--profile", profile)
    assert run["outcome"] in ENDS[exit_code]
    return str(run["outcome"])


def zeros(folder: Path) -> Path:
    """Write a zip whose users.csv is one endless line."""
    return zip_of({**SCHOOL, "users.csv": bytes(200 * MIB)}, folder / "OneRoster.zip")


def students(folder: Path) -> Path:
    """Write a single users.csv with 300,000 identical rows of a student."""
    header, *_, student, _ = SCHOOL["users.csv"].splitlines()
    (folder / "users.csv").write_text(f"{header}\n" + f"{student}\n" * 300_000)
    return folder / "users.csv"


def commas(folder: Path) -> Path:
    """Write a single users.csv whose lines have the maximum length and too many cells."""
    header = SCHOOL["users.csv"].splitlines()[0]
    (folder / "users.csv").write_text(f"{header}\n" + ("," * 100_000 + "x\n") * 300)
    return folder / "users.csv"


# On Linux, ru_maxrss includes the memory of the parent at the start of the process, so the script
# reads its own peak from /proc.
_MEASURED = """
import atexit, pathlib, resource, sys
from oneroster_sync.cli import main

def peak():
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024

used = pathlib.Path(sys.argv[1])
atexit.register(lambda: used.write_text(str(peak())))
main(sys.argv[2:])
"""


@pytest.mark.case("b12")
@pytest.mark.parametrize(
    "write",
    [zeros, *(pytest.param(write, marks=pytest.mark.long) for write in (students, commas))],
)
def test_memory_has_a_bound(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    """Validation takes at most 640 MiB of memory, however large the input is.

    Half of it is the base need of Python, Arrow, pandas and Great Expectations.
    """
    used, printed = tmp_path / "used", tmp_path / "printed"
    words = [
        sys.executable,
        "-c",
        _MEASURED,
        str(used),
        "--quiet",
        "validate",
        str(write(tmp_path)),
    ]
    with printed.open("w") as output:
        ended = subprocess.run(words, stdout=output, stderr=output, check=False)

    assert ended.returncode in ENDS
    assert "Traceback" not in printed.read_text("utf-8")
    assert int(used.read_text("utf-8")) < 640 * MIB
