"""A package can't forge log lines or send commands to a terminal."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from golden.school import SCHOOL
from oneroster_sync.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

FORGED = "INFO    The run ended: succeeded."
BREAKS = {
    "line feed": "\r\n",
    "carriage return": "\r",
    "other line ends": "\x85\u2028\u2029",
    "escapes": "\x1b[2J\x1b]0;owned\x07\v\f\x7f" + "\b" * 40,
    "one byte escapes": "\x9b31m\x90\x9d\u202e\u2066\u200b",
    "nul": "\0",
}
USERS, ORGS = SCHOOL["users.csv"], SCHOOL["orgs.csv"]
MANIFEST = """propertyName,value
manifest.version,1.0
oneroster.version,1.1
source.systemName,"{}"
file.users,"{}"
file.{},bulk
"""


def packages(hostile: str) -> dict[str, dict[str, str]]:
    """Return packages that hold a hostile text in each place that a log may name."""
    quoted = f'"{hostile}"'
    return {
        "sourcedId": {"users.csv": USERS.replace("\nbob,", f"\n{quoted},")},
        "sourcedId with an error": {
            "users.csv": USERS.replace("\nbob,,,true", f"\n{quoted},,,maybe")
        },
        "target": {
            "users.csv": USERS,
            "orgs.csv": ORGS.replace("school,,d", f"school,,{quoted}"),
        },
        "name": {"users.csv": USERS.replace(",Bob,", f",{quoted},")},
        "role": {"users.csv": USERS.replace(",s,teacher,bob", f",s,{quoted},bob")},
        "another header": {"users.csv": USERS.replace("status,", f"{quoted},status,", 1)},
        "part of a header": {"users.csv": USERS.replace("givenName", f'"given{hostile}Name"')},
        "file": {**SCHOOL, f"{hostile}.csv": "x\n"},
        "folder": {**SCHOOL, f"{hostile}/users.csv": USERS},
        "manifest": {**SCHOOL, "manifest.csv": MANIFEST.format(hostile, hostile, hostile)},
    }


def zipped(folder: Path, texts: dict[str, str]) -> Path:
    """Return a zip of files with exactly these names, including NUL."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name.replace("\0", "~")), text)
    path = folder / f"OneRoster-{len(list(folder.iterdir()))}.zip"
    path.write_bytes(written.getvalue().replace(b"~", b"\0"))
    return path


def check(printed: str) -> None:
    """Check that the product wrote each line, without characters that a terminal obeys."""
    obeyed = {"Cc", "Cf", "Zl", "Zp", "Cs"}
    for line in printed.removesuffix("\n").split("\n"):
        assert re.match(r"(INFO   |WARNING|ERROR  ) \S", line), ascii(printed)
        assert not line.startswith(FORGED + FORGED), ascii(line)
        assert not [c for c in line if unicodedata.category(c) in obeyed], ascii(line)


@pytest.mark.case("c09")
@pytest.mark.parametrize("profile", ["tolerant", "strict"])
@pytest.mark.parametrize("name", BREAKS)
def test_no_text_of_a_package_makes_a_line(site: Site, name: str, profile: str) -> None:
    """Text of a package starts no line of the log on the command line, and no terminal obeys it."""
    hostile = f"x{BREAKS[name]}{FORGED}{FORGED}"
    for texts in packages(hostile).values():
        package = zipped(site.folder, texts)
        words = ["sync", str(package), "--site", site.name, "--profile", profile]
        result = CliRunner().invoke(main, words)
        assert result.exit_code in {0, 3, 4}
        check(result.stderr)


@pytest.mark.case("c09")
def test_reason_of_a_decision_makes_no_line(site: Site) -> None:
    """The reason of a decision starts no line of the log or of an explanation."""
    hostile = "fine\r\n" + FORGED + "\x1b[2J"
    site.sync(SCHOOL)
    site.command("preferences", "--set", 'guards={"users": {"cap": 0}}')
    without = "\n".join(row for row in USERS.splitlines() if not row.startswith("cat,"))
    held = site.sync({"users.csv": without})
    assert held["outcome"] == "held"
    words = ["approve", held["run_id"], "--site", site.name, "--reason", hostile]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0
    check(result.stderr)
    for command in (["history"], ["explain", "cat"]):
        result = CliRunner().invoke(main, [*command, "--site", site.name])
        assert "\x1b" not in result.output
        assert not [line for line in result.output.splitlines() if line.startswith(FORGED)]
