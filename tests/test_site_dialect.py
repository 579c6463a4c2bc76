"""A site's encoding, delimiter and order of dates are read as it sets them, and never guessed.

Many systems cannot write UTF-8, commas or YYYY-MM-DD. Without the preference, a finding suggests
it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from golden.school import SCHOOL, Texts, as_delta, codes, folder_of
from oneroster_sync.cli.app import main
from oneroster_sync.findings import CODES
from oneroster_sync.operations.check import check_package
from oneroster_sync.sites.preferences import DateOrder, Delimiter, Encoding, Profile
from oneroster_sync.stages.extract.dialect import Dialect

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

NAMES = {**SCHOOL, "users.csv": SCHOOL["users.csv"].replace(",Ray,", ',"Müller, Zoë",')}
DELIMITERS = [d for d in Delimiter if d is not Delimiter.COMMA]


def parted(texts: Texts, delimiter: str, *, manifest: bool = True) -> Texts:
    """Return the package with another delimiter, as a spreadsheet would write it."""
    made = dict(texts)
    for name, text in texts.items():
        if manifest or name != "manifest.csv":
            # Inside quotes, a comma is part of the value.
            parts = text.split('"')
            parts[::2] = [part.replace(",", delimiter) for part in parts[::2]]
            made[name] = '"'.join(parts)
    return made


def with_dates(texts: Texts, form: str) -> Texts:
    """Return the package with its dates in another form, such as `{m}/{d}/{y}`."""
    made = dict(texts)
    for name in ("academicSessions.csv", "enrollments.csv"):
        for date in ("2026-08-01", "2026-12-01", "2027-06-01"):
            year, month, day = (int(part) for part in date.split("-"))
            made[name] = made[name].replace(date, form.format(y=year, m=month, d=day))
    return made


@pytest.mark.parametrize("has_manifest", [True, False])
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_delimiter_of_the_site_is_read(
    tmp_path: Path, delimiter: Delimiter, *, has_manifest: bool
) -> None:
    """Files with the site's delimiter are read, and commas in names and lists stay commas."""
    texts = parted(NAMES, delimiter.character, manifest=has_manifest)
    plain = check_package(folder_of(NAMES, tmp_path / "plain"), Profile.TOLERANT)

    read = check_package(
        folder_of(texts, tmp_path / "p"), Profile.TOLERANT, Dialect(delimiter=delimiter)
    )

    assert codes(read.findings) == []
    assert read.valid == plain.valid
    assert "Müller, Zoë" in read.valid["users"]["familyName"].to_pylist()
    assert "09,10" in read.valid["courses"]["grades"].to_pylist()


def test_other_delimiters_are_named_with_what_to_do(tmp_path: Path) -> None:
    """A delimiter other than the site's refuses the package, and the hint names the preference."""
    semicolons = folder_of(parted(SCHOOL, ";"), tmp_path / "p")
    unstated = check_package(semicolons, Profile.TOLERANT)
    commas = check_package(
        folder_of(SCHOOL, tmp_path / "q"), Profile.TOLERANT, Dialect(delimiter=Delimiter.TAB)
    )

    assert (unstated.rejected, commas.rejected) == (True, True)
    assert "csv.wrong_delimiter" in codes(unstated.findings, "error")
    assert set(codes(commas.findings, "error")) == {"csv.wrong_delimiter"}
    assert "preferences" in CODES["csv.wrong_delimiter"].hint
    expected = commas.findings.table()["expected"].to_pylist()
    assert set(expected) == {"tabs, as the preferences say"}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_encoding_of_the_site_is_read(tmp_path: Path, mark: bytes) -> None:
    """Windows-1252 is read if the site sets it, unless a byte order mark means UTF-8."""
    encoding = "utf-8" if mark else "windows-1252"
    texts = {name: mark + text.encode(encoding) for name, text in NAMES.items()}
    dialect = Dialect(encoding=Encoding.WINDOWS_1252)

    read = check_package(folder_of(texts, tmp_path / "p"), Profile.TOLERANT, dialect)

    assert codes(read.findings) == []
    assert "Müller, Zoë" in read.valid["users"]["familyName"].to_pylist()


@pytest.mark.parametrize("data", ["Müller".encode(), b"M\x81ller", "Müller".encode("utf-16")])
def test_file_of_another_encoding_is_refused(tmp_path: Path, data: bytes) -> None:
    """A file in another encoding than the site's is refused, so that no name is garbled."""
    texts: dict[str, str | bytes] = {
        **SCHOOL,
        "users.csv": SCHOOL["users.csv"].encode().replace(b"Ray", data),
    }
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        texts["users.csv"] = SCHOOL["users.csv"].encode("utf-16")
    dialect = Dialect(encoding=Encoding.WINDOWS_1252)

    read = check_package(folder_of(texts, tmp_path / "p"), Profile.TOLERANT, dialect)

    assert read.rejected
    assert codes(read.findings, "error") in (["csv.other_encoding"], ["csv.invalid_utf8"])


@pytest.mark.parametrize(
    ("form", "order"),
    [
        ("{m}/{d}/{y}", DateOrder.MONTH_FIRST),
        ("{m:02}/{d:02}/{y}", DateOrder.MONTH_FIRST),
        ("{m}/{d}/{y} 0:00", DateOrder.MONTH_FIRST),
        ("{d}.{m}.{y}", DateOrder.DAY_FIRST),
        ("{d:02}-{m:02}-{y}", DateOrder.DAY_FIRST),
    ],
)
def test_order_of_dates_of_the_site_is_read(tmp_path: Path, form: str, order: DateOrder) -> None:
    """Dates are read in the site's order; without it, their values are left out."""
    package = folder_of(with_dates(SCHOOL, form), tmp_path / "p")
    plain = check_package(folder_of(SCHOOL, tmp_path / "plain"), Profile.TOLERANT)

    read = check_package(package, Profile.TOLERANT, Dialect(date_order=order))
    unstated = check_package(package, Profile.TOLERANT)

    assert (codes(read.findings), read.valid) == ([], plain.valid)
    assert set(codes(unstated.findings)) == {"row.invalid_date"}
    assert "preferences" in CODES["row.invalid_date"].hint


def test_date_that_is_none_in_that_order_is_named(tmp_path: Path) -> None:
    """A date that is invalid in the site's order is a finding, and not read in another order."""
    texts = with_dates(SCHOOL, "{y}-{m:02}-{d:02}")
    texts["enrollments.csv"] = texts["enrollments.csv"].replace("2026-08-01", "8/13/2026")

    read = check_package(
        folder_of(texts, tmp_path / "p"), Profile.TOLERANT, Dialect(date_order=DateOrder.DAY_FIRST)
    )

    assert codes(read.findings) == ["row.invalid_date"]


def test_site_says_how_its_files_are_written(site: Site) -> None:
    """After preferences are set on the command line, syncs read bulk and delta files as written."""
    texts = with_dates(NAMES, "{m}/{d}/{y}")
    package = {name: text.encode("windows-1252") for name, text in parted(texts, ";").items()}
    folder = folder_of(package, site.folder / "export")

    assert site.sync(folder)["outcome"] == "rejected"
    settings = ("encoding=windows-1252", "delimiter=semicolon", "date_order=month_first")
    for setting in settings:
        assert site.command("preferences", "--set", setting)[0] == 0
    first = site.sync(folder)

    assert (first["outcome"], first["counts"]["users"]["added"]) == ("succeeded", 4)
    assert first["counts"]["assignments"]["added"] == 2
    assert site.sync(folder)["outcome"] == "no_changes"

    row = "bob,active,2026-10-01T00:00:00.000Z,true,s,teacher,bob,,Bob,Çelik,,,bob@example.org,,,,,"
    delta = {
        n: t.encode("windows-1252") for n, t in parted(as_delta(SCHOOL, users=[row]), ";").items()
    }
    second = site.sync(folder_of(delta, site.folder / "delta"))

    assert (second["outcome"], second["counts"]["users"]["updated"]) == ("succeeded", 1)
    names = site.rows("select family_name from users where site = :site and sourced_id = 'bob'")
    assert names == [("Çelik",)]
    assert site.command("sync", folder, "--profile", "strict")[1]["outcome"] == "rejected"


def test_packages_are_compared_as_each_is_written(tmp_path: Path) -> None:
    """`oneroster compare` reads both packages with one set of options, or B with its own."""
    plain = folder_of(NAMES, tmp_path / "plain")
    made = parted(with_dates(NAMES, "{m}/{d}/{y}"), ";")
    odd = folder_of({n: t.encode("cp1252") for n, t in made.items()}, tmp_path / "odd")
    options = {"encoding": "windows-1252", "delimiter": "semicolon", "date-order": "month_first"}
    of_both = [word for name, value in options.items() for word in (f"--{name}", value)]
    of_b = [word for name, value in options.items() for word in (f"--{name}-b", value)]
    standard = {"encoding": "utf-8", "delimiter": "comma", "date-order": "iso"}
    back = [word for name, value in standard.items() for word in (f"--{name}-b", value)]

    def outcome(*words: object) -> str:
        words = ("compare", *words, "--json")
        ended = CliRunner().invoke(main, [*map(str, words)], catch_exceptions=False)
        return str(json.loads(ended.stdout)["outcome"])

    assert outcome(plain, odd) == "rejected"
    assert outcome(plain, odd, *of_b) == "same"
    assert outcome(odd, odd, *of_both) == "same"
    assert outcome(odd, plain, *of_both) == "rejected"
    assert outcome(odd, plain, *of_both, *back) == "same"
