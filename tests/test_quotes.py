"""Quotes and line breaks: no text inside a value becomes a row, and no row is lost silently.

The tolerant profile reads what has only one reading. If the end of a row is unclear, the lines up
to the next certain row are one error, and that run removes no record of that type.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from golden.school import (
    SCHOOL,
    SCHOOL_1_2,
    as_delta,
    folder_of,
    manifest,
    opened,
    person,
    summarize,
)
from oneroster_sync.stages.extract import csv_lines

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site
    from oneroster_sync.stages.extract.package import Extracted

FILE = "users.csv"
HEADER = SCHOOL[FILE].splitlines()[0]
EVIL = person("evil", email="evil@example.org")


def quoted(number: int, given: str = "", note: str = "") -> str:
    """Return a teacher's row with quotes around the given name and the telephone's cell."""
    given = given or f"Given {number}"
    cells = person(f"u{number}", given="#", family="Family").split(",")
    cells[cells.index("#")] = '"' + given.replace('"', '""') + '"'
    if note:
        cells[14] = '"' + note.replace('"', '""') + '"'
    return ",".join(cells)


def users(rows: list[str]) -> dict[str, str]:
    """Return a lone users.csv."""
    return {FILE: "\n".join([HEADER, *rows]) + "\n"}


def read(folder: Path, rows: list[str], profile: str = "tolerant") -> Extracted:
    """Extract a lone users.csv."""
    return opened(folder_of(users(rows), folder) / FILE, profile)


def kept(extracted: Extracted) -> dict[str | None, str | None]:
    """Return the sourcedId of each row, and its flaw."""
    return {row["sourcedId"]: row["flaw"] for row in extracted.tables["users"].to_pylist()}


def large(changes: dict[int, str], count: int = 400) -> list[str]:
    """Return rows of teachers, some of them replaced: row 2 of the file is number 2."""
    return [changes.get(number, quoted(number)) for number in range(2, count + 2)]


def test_quotes_in_pairs_are_read_as_they_stand(tmp_path: Path) -> None:
    """`Ben "Benny"` in an unquoted value is that name, with one warning for the file."""
    rows = [person("ben", given='Ben "Benny"'), person("bo", given='Bo"b"y'), person("cy")]

    extracted = read(tmp_path / "p", rows)

    assert not extracted.refused
    assert summarize(extracted.findings) == [("csv.unescaped_quote", FILE, 2)]
    assert extracted.findings.table()["rows"].to_pylist() == [2]
    names = extracted.tables["users"]["givenName"].to_pylist()
    assert names == ['Ben "Benny"', 'Bo"b"y', "Given"]
    assert read(tmp_path / "strict", rows, "strict").refused


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_break_in_quotes_is_a_space(tmp_path: Path, end: str) -> None:
    """A line break inside a quoted value is a space, with a warning, and the row is used."""
    rows = [quoted(1), quoted(2, f"Mary{end}Ann"), quoted(3)]

    extracted = read(tmp_path / "p", rows)

    assert not extracted.refused
    assert summarize(extracted.findings) == [("csv.field_line_break", FILE, 3)]
    names = extracted.tables["users"]["givenName"].to_pylist()
    assert names == ["Given 1", "Mary Ann", "Given 3"]
    assert kept(extracted) == {"u1": None, "u2": None, "u3": None}
    assert read(tmp_path / "strict", rows, "strict").refused


@pytest.mark.parametrize("text", ["see:\n{}\nend", "see:\n\n{}\n\n,,,\nend"])
def test_text_in_quotes_is_no_row(tmp_path: Path, text: str) -> None:
    """A note that contains whole rows stays a note: its own row is read, and no row of the note."""
    rows = large({50: quoted(50, note=text.format(EVIL, EVIL))})

    extracted = read(tmp_path / "p", rows)

    assert not extracted.refused
    assert summarize(extracted.findings) == [("csv.field_line_break", FILE, 50)]
    assert "evil" not in kept(extracted)
    assert set(kept(extracted).values()) == {None}
    assert len(kept(extracted)) == 400


def test_text_that_may_be_two_rows_is_unread(tmp_path: Path) -> None:
    """Lines that could be split into whole rows are neither one row nor several."""
    rows = large({50: quoted(50, note=f"see:\n{EVIL}\n{EVIL}\n")})

    extracted = read(tmp_path / "p", rows)

    assert "evil" not in kept(extracted)
    assert kept(extracted)[None] == "csv.unread_lines"
    assert len(kept(extracted)) == 400


@pytest.mark.parametrize(
    "given", ['Bo"b', '"Robert "Bob" Ray"', '"Bob"y', ' "Bob"', '"Bob" ', "5' 6\" tall"]
)
def test_row_with_unclear_values_is_one_error(tmp_path: Path, given: str) -> None:
    """If the end of a row is certain but its values are not, that row alone is an error."""
    rows = large({50: person("u50", given=given)})

    extracted = read(tmp_path / "p", rows)

    assert not extracted.refused
    assert kept(extracted)["u50"] == "csv.unescaped_quote"
    assert len(kept(extracted)) == 400
    assert extracted.rows["users"] == 400


def test_lines_without_a_sure_end_are_one_region(tmp_path: Path) -> None:
    """After an unclosed quote all lines up to the next certain row are one error, and no row."""
    rows = large({200: person("u200", given='"Bob'), 201: EVIL, 202: person("u202")})

    extracted = read(tmp_path / "p", rows)

    assert not extracted.refused
    found = kept(extracted)
    assert found[None] == "csv.unread_lines"
    assert {"u200", "evil", "u202"}.isdisjoint(found)
    assert len(found) == 398
    assert [r["row"] for r in extracted.tables["users"].to_pylist() if r["flaw"]] == [200]


def test_text_before_a_quote_that_closes_nothing_is_no_row(tmp_path: Path) -> None:
    """If the opening quote of a note is missing, the text of the note is no row either."""
    note = quoted(200, note=f"see:\n{EVIL}\nend")
    rows = large({200: note.replace('"see:', "see:")}, 400)

    extracted = read(tmp_path / "p", rows)

    assert "evil" not in kept(extracted)
    assert kept(extracted)[None] == "csv.unread_lines"


def test_two_quotes_missing_in_two_rows_hide_no_row(tmp_path: Path) -> None:
    """Rows between two missing quotes are unread, and not one long value."""
    faults = {200: person("u200", given='"Bob'), 203: person("u203", given='Cat"')}

    extracted = read(tmp_path / "p", large(faults))

    assert not extracted.refused
    found = kept(extracted)
    assert found[None] == "csv.unread_lines"
    unread = {f"u{number}" for number in range(2, 402)} - set(found)
    assert unread == {"u200", "u201", "u202", "u203"}


def test_two_quotes_missing_in_a_file_without_others_refuse_it(tmp_path: Path) -> None:
    """If no row with quotes shows where the lines end, the package is refused."""
    rows = [person(f"u{n}") for n in range(2, 500)]
    rows[200] = person("u202", given='"Bob')
    rows[203] = person("u205", given='Cat"')

    assert read(tmp_path / "p", rows).refused


@pytest.mark.parametrize(
    ("rows", "row"),
    [
        (large({401: person("u401", given='"Bob')}), 401),
        (large({50: person("u50", given='"Bob')}, 90), 50),
        (
            [person(f"u{n}", given='"Bob' if n == 200 else "Bob") for n in range(2, 20_000)],
            200,
        ),
        (large({n: person(f"u{n}", given='"Bob') for n in range(100, 3000, 20)}, 4000), 100),
    ],
    ids=["to the end", "more than one line in a hundred", "no sure row", "everywhere"],
)
def test_too_much_that_is_unread_refuses_the_file(
    tmp_path: Path, rows: list[str], row: int
) -> None:
    """An unread region to the end, of 100 lines or of 1 % of the lines refuses the package."""
    extracted = read(tmp_path / "p", rows)

    assert extracted.refused
    ((code, file, at),) = summarize(extracted.findings)
    assert (code.split(".")[0], file, at) == ("csv", FILE, row)


@pytest.mark.parametrize("block", [1500, 4096, 40_000])
def test_blocks_leave_no_trace_of_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """Quotes are read the same however the file is divided into blocks."""
    rows = large(
        {
            7: quoted(7, "Mary\nAnn"),
            8: quoted(8, note=f"a\n{EVIL}\nb"),
            300: person("u300", given='"Bob'),
            301: person("u301"),
            302: person("u302", given='Ben "Benny"'),
            900: person("u900", given='Ben "Benny"'),
            901: person("u901", given='Bo"b'),
            950: quoted(950, "A\nB\nC"),
        },
        1000,
    )
    package = folder_of(users(rows), tmp_path / "p") / FILE
    whole = opened(package)

    monkeypatch.setattr(csv_lines, "BLOCK", block)
    cut = opened(package)

    assert not whole.refused
    assert (cut.rows, summarize(cut.findings)) == (whole.rows, summarize(whole.findings))
    by_row = [("row", "ascending")]
    assert cut.tables["users"].sort_by(by_row) == whole.tables["users"].sort_by(by_row)
    assert sum(1 for flaw in kept(whole).values() if flaw) == 2


def _with_faults(rows: list[str], rng: random.Random) -> list[str]:
    """Return rows in which some have a few quotes more or fewer."""
    rows = list(rows)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(rows))
        near = [n for n in range(at, min(at + 12, len(rows))) if '"' in rows[n]]
        if not near:
            continue
        at = rng.choice(near)
        row = rows[at]
        places = [n for n, c in enumerate(row) if c == '"']
        place = rng.choice(places)
        match rng.randrange(4):
            case 0 | 1:
                rows[at] = row[:place] + row[place + 1 :]
            case 2:
                place = rng.randrange(len(row))
                rows[at] = row[:place] + '"' + row[place:]
            case _:
                rows[at] = row.replace('""', '"')
    return rows


def _note(rng: random.Random) -> str:
    evil = [
        person("evil", email="evil@example.org"),
        person("evil", given='"Evil"', email="evil@example.org"),
        "evil,,,true",
        "see, below",
        'he said "yes"',
        "",
        ",,,,",
    ]
    return "\n".join(rng.choice(evil) for _ in range(rng.randrange(1, 6)))


@pytest.mark.parametrize("block", range(15))
def test_random_faults_make_no_row_and_lose_none(tmp_path: Path, block: int) -> None:
    """For any missing or surplus quotes: no note becomes a row, and no row is lost silently."""
    read_files = 0
    for seed in range(10 * block, 10 * block + 10):
        rng = random.Random(seed)
        rows = _with_faults(_rows_with_notes(rng), rng)
        extracted = read(tmp_path / f"p{seed}", rows)
        if extracted.refused:
            continue
        read_files += 1
        table = extracted.tables["users"].to_pylist()
        used = [row for row in table if row["flaw"] is None]
        assert not [row for row in used if row["sourcedId"] == "evil"], seed
        assert "evil@example.org" not in [row["email"] for row in used], seed
        missing = {f"u{number}" for number in range(2, 402)} - {row["sourcedId"] for row in table}
        # A row that names no record protects every record of the file.
        nameless = [row for row in table if row["sourcedId"] is None and row["flaw"] is not None]
        unread = [row for row in nameless if row["flaw"] == "csv.unread_lines"]
        assert unread or len(missing) <= len(nameless), seed
    assert read_files, "all files were refused, so nothing was tried"


def _rows_with_notes(rng: random.Random) -> list[str]:
    """Return 400 teachers' rows: two at most hold a note, since many notes refuse the file."""
    notes = rng.sample(range(2, 402), rng.choice([0, 1, 1, 2]))
    rows = []
    for number in range(2, 402):
        kind = rng.randrange(10)
        if number in notes:
            rows.append(quoted(number, note=_note(rng)))
        elif kind < 1:
            rows.append(quoted(number, "Mary\nAnn"))
        elif kind < 7:
            rows.append(quoted(number, f"Given, {number}"))
        else:
            rows.append(person(f"u{number}"))
    return rows


PEOPLE = range(2, 302)
ENROLLMENTS = SCHOOL["enrollments.csv"].splitlines()[0]


def district(
    *, people: dict[int, str] | None = None, without: tuple[int, ...] = ()
) -> dict[str, str]:
    """Return a package of 300 teachers of Mathematics."""
    rows = [(people or {}).get(n, quoted(n)) for n in PEOPLE if n not in without]
    taught = [f"e{n},,,m1,s,u{n},teacher,false,," for n in PEOPLE if n not in without]
    return {
        **SCHOOL,
        **users(rows),
        "enrollments.csv": "\n".join([ENROLLMENTS, *taught]) + "\n",
    }


def test_nothing_is_removed_while_lines_of_a_bulk_file_are_unread(site: Site) -> None:
    """A missing person may be among the unread lines, so no user or assignment is removed.

    The rest of the package is used, and the first run with a correct file applies the removals.
    """
    site.sync(district())
    fault = {50: person("u50", given='"Bob'), 51: person("u51"), 60: quoted(60, "Renamed")}
    package = district(people=fault, without=(70,))
    package["users.csv"] = package["users.csv"].replace("u80,,,", "u80,tobedeleted,,")
    package["enrollments.csv"] = package["enrollments.csv"].replace(
        "e90,,,m1,s,u90,teacher,false,,\n", ""
    )

    run = site.sync(package)

    assert run["outcome"] == "succeeded_with_errors"
    assert run["counts"]["users"]["errors"] == 1
    assert run["counts"]["users"]["deactivated"] == run["counts"]["assignments"]["removed"] == 0
    assert set(site.users().values()) == {"active"}
    assert set(site.assignments().values()) == {"active"}
    name = site.rows("select given_name from users where site = :site and sourced_id = 'u60'")
    assert name == [("Renamed",)]
    assert ("csv.unread_lines", "users.csv", 50) in site.findings(run)

    run = site.sync(district(without=(70,)))

    assert (run["outcome"], run["counts"]["users"]["deactivated"]) == ("succeeded", 1)
    assert site.users()["u70"] == "inactive"


@pytest.mark.parametrize("file", ["courses.csv", "classes.csv", "enrollments.csv"])
def test_unread_lines_of_other_files_take_no_assignment(site: Site, file: str) -> None:
    """Unread courses, classes or enrollments may be those that an assignment depends on."""
    more = {
        "courses.csv": [f'c{n},,,y,"Course {n}",C{n},09,s,Art,' for n in range(300)],
        "classes.csv": [f'k{n},,,"Class {n}",09,c{n},K{n},scheduled,,s,t,,,' for n in range(300)],
        "enrollments.csv": [f'x{n},,,k{n},s,u{n + 2},"teacher",false,,' for n in range(300)],
    }
    package = district()
    for name, rows in more.items():
        package[name] += "".join(f"{row}\n" for row in rows)
    site.sync(package)
    before = site.assignments()
    texts = package[file].splitlines()
    texts[-103] = texts[-103].replace('"', "", 1)
    texts[-102] = texts[-102].replace('"', "x", 1)
    del texts[-50]

    run = site.sync({**package, file: "\n".join(texts) + "\n"})

    assert run["outcome"] == "succeeded_with_errors"
    assert "csv.unread_lines" in site.codes(run)
    assert run["counts"]["assignments"]["removed"] == run["counts"]["courses"]["removed"] == 0
    assert site.assignments() == before
    assert set(before.values()) == {"active"}
    assert site.sync(package)["outcome"] == "no_changes"


def test_unread_lines_of_a_delta_put_the_site_out_of_step(site: Site) -> None:
    """A delta's unread lines never come again, so a finding asks for a bulk file."""
    site.sync(district())
    stamp = ",active,2026-10-01T00:00:00.000Z,true"
    names = dict.fromkeys(range(2, 12), "New")
    rows = [quoted(n, names.get(n, "")).replace(",,,true", stamp, 1) for n in PEOPLE]
    rows[100] = rows[100].replace('"Given', '"Given,', 1).replace('"', "", 1)

    run = site.sync(as_delta(SCHOOL, users=rows))
    again = site.sync(as_delta(SCHOOL, users=rows[:50]))

    assert run["outcome"] == "succeeded_with_errors"
    assert run["counts"]["users"] | {"errors": 1, "updated": 10} == run["counts"]["users"]
    assert "package.out_of_step" in site.codes(again)


def test_unread_roles_remove_no_user(site: Site) -> None:
    """In 1.2 an unread role may make a person staff: the account stays."""
    header, roles = SCHOOL_1_2["users.csv"].splitlines()[0], SCHOOL_1_2["roles.csv"]
    users_1_2 = [f"u{n},,,true,u{n},,Given,Family,,,u{n}@example.org,,,,,,,,,,s," for n in PEOPLE]
    granted = [f'r{n},,,u{n},primary,"teacher",,,s,' for n in PEOPLE]
    package = {
        **SCHOOL_1_2,
        "users.csv": "\n".join([header, *users_1_2]) + "\n",
        "enrollments.csv": district()["enrollments.csv"],
        "roles.csv": "\n".join([roles.splitlines()[0], *granted]) + "\n",
    }
    site.sync(package)
    granted[100] = granted[100].replace('"teacher"', '"teacher')
    granted[101] = granted[101].replace('"', "")
    del granted[200]
    before = site.users(), site.assignments()
    assert len(before[0]) == len(before[1]) == len(PEOPLE)

    spoilt = "\n".join([roles.splitlines()[0], *granted]) + "\n"
    run = site.sync({**package, "roles.csv": spoilt})

    assert "csv.unread_lines" in site.codes(run)
    assert run["counts"]["users"]["deactivated"] == run["counts"]["assignments"]["removed"] == 0
    assert (site.users(), site.assignments()) == before
    assert site.sync(package)["outcome"] == "no_changes"


@pytest.mark.parametrize("mode", ["bulk", "delta"])
@pytest.mark.parametrize("seed", range(6))
def test_random_faults_remove_nothing(site: Site, seed: int, mode: str) -> None:
    """The file still has all people of yesterday: no fault in its quotes removes a record."""
    rng = random.Random(seed)
    notes = {n: quoted(n, note=_note(rng)) for n in rng.sample(list(PEOPLE), 3)}
    site.sync(district())
    before = site.users(), site.assignments()
    rows = [notes.get(n, quoted(n)) for n in PEOPLE]
    if mode == "delta":
        stamp = ",active,2026-10-01T00:00:00.000Z,true"
        rows = [row.replace(",,,true", stamp, 1) for row in rows]
    spoilt = _with_faults(rows, rng)
    text = "\n".join([HEADER, *spoilt]) + "\n"
    whole = district() if mode == "bulk" else {"manifest.csv": manifest("1.1", users="delta")}

    run = site.sync({**whole, "users.csv": text})

    assert run["outcome"] in {"no_changes", "succeeded", "succeeded_with_errors", "rejected"}
    assert (site.users(), site.assignments()) == before
    assert site.sync(district())["outcome"] in {"no_changes", "succeeded"}
    assert (site.users(), site.assignments()) == before
