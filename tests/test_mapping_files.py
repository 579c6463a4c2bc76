"""Mapping files: what is read, what is repaired, and what is refused, with its code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mapping_of import ids, links, mapping
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.sources.sniff import wrong_start
from oneroster_sync.stages.extract.mapping_csv import read_mapping
from oneroster_sync.standard.kinds import MAPPINGS, Kind
from roster_of import SCHOOL, roster_of

if TYPE_CHECKING:
    from pathlib import Path

IDS, LINKS = (f"{','.join(columns)}\n" for columns in MAPPINGS.values())


@pytest.mark.parametrize(
    ("kind", "header", "column"),
    [
        (Kind.IDS, "kind,oldSourcedId", "newSourcedId"),
        (Kind.IDS, "oldSourcedId,newSourcedId", "kind"),
        (Kind.LINKS, "email", "sourcedId"),
        (Kind.LINKS, "mail,sourcedId", "email"),
    ],
)
def test_other_header_is_refused_by_name(
    tmp_path: Path, kind: Kind, header: str, column: str
) -> None:
    """A missing column is named, and no row of the file is used."""
    refused = mapping(tmp_path, kind, "", header=f"{header}\n")
    assert refused.extracted.refused
    assert refused.extracted.tables == {}
    (finding,) = refused.extracted.findings.table().to_pylist()
    assert finding["code"] == "schema.missing_header"
    assert (finding["file"], finding["column"]) == (f"{kind}.csv", column)


def test_file_without_a_header_is_refused(tmp_path: Path) -> None:
    """A file without any column of a mapping gets one finding."""
    refused = mapping(tmp_path, Kind.IDS, "user,bob,y\n", header="user,ann,x\n")
    assert refused.extracted.refused
    assert refused.extracted.tables == {}
    (finding,) = refused.extracted.findings.table().to_pylist()
    assert (finding["code"], finding["file"]) == ("schema.no_known_column", "ids.csv")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "zip.empty"),
        (b"\n\n", "table.missing_header"),
        (b"kind;oldSourcedId;newSourcedId\nuser;ann;x\n", "csv.wrong_delimiter"),
        (b"kind,oldSourcedId,oldSourcedId,newSourcedId\n", "table.duplicate_header"),
        (IDS.encode() + b"user,ann,\xff\n", "csv.invalid_utf8"),
        (IDS.encode("utf-16"), "csv.invalid_utf8"),
        (IDS.encode() + b'user,"ann,x\n', "csv.unclosed_quote"),
        (IDS.encode() + b"user,ann," + b"x" * 200_000 + b"\n", "csv.field_too_large"),
        (b"PK\x03\x04" + bytes(20), "upload.wrong_kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_file_that_is_no_mapping_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    """An unreadable file is refused as a whole, with the reason."""
    refused = ids(tmp_path, content, header="")
    assert refused.extracted.refused
    assert [found for found, _, _ in refused.findings] == [code]


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A missing file has its own code."""
    extracted = read_mapping(tmp_path / "none.csv", Kind.IDS, Profile.TOLERANT)
    assert extracted.refused
    assert extracted.findings.table()["code"].to_pylist() == ["upload.not_found"]


def test_mark_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    """Quirks of spreadsheets are read: a byte order mark, CRLF, quotes, other column order."""
    moved = ids(
        tmp_path,
        b'"newSourcedId","kind","oldSourcedId","note"\r\n"2-ann","user","ann","she, too"\r\n',
        header="\ufeff",
    )
    assert moved.findings == []
    assert moved.users == [("rekey", "ann", "2-ann")]


def test_blanks_around_values_are_removed(tmp_path: Path) -> None:
    """Blanks around values are a warning that names the column, and in strict an error."""
    moved = ids(tmp_path, "user, ann ,x\n")
    assert moved.users == [("rekey", "ann", "x")]
    assert moved.findings == [("row.surrounding_space", 2, "oldSourcedId")]
    assert ids(tmp_path, "user, ann ,x\n", profile=Profile.STRICT).extracted.refused


def test_further_columns_of_links_are_not_read(tmp_path: Path) -> None:
    """The CSV report of account matching can be uploaded unchanged, with any notes in it."""
    adopted = links(
        tmp_path,
        "max@x.org,m,name,Max,Max M\n",
        header="email,sourcedId,match,accountName,personName\n",
        profile=Profile.STRICT,
    )
    assert adopted.findings == []
    assert adopted.users == [("adopt", None, "m")]


@pytest.mark.parametrize("sourced_id", ["=1+1", "-5", "+49", "@m", "|x", "'=1", "''-5"])
def test_escaped_cells_are_read_unescaped(tmp_path: Path, sourced_id: str) -> None:
    """A sourcedId that looks like a formula is read without the apostrophe that escapes it."""
    adopted = links(tmp_path, f"max@x.org,'{sourced_id}\n")
    assert adopted.users == [("adopt", None, sourced_id)]


def test_other_apostrophes_stay(tmp_path: Path) -> None:
    """An apostrophe that escapes nothing is part of the sourcedId."""
    assert links(tmp_path, "max@x.org,'m\n").users == [("adopt", None, "'m")]


@pytest.mark.parametrize("kind", [Kind.IDS, Kind.LINKS])
def test_strict_refuses_a_file_with_a_broken_row(tmp_path: Path, kind: Kind) -> None:
    """In strict a row with an error refuses the whole file."""
    assert mapping(tmp_path, kind, "user\n", profile=Profile.STRICT).extracted.refused


def test_many_rows_are_read_at_once(tmp_path: Path) -> None:
    """A hundred thousand rows are read and planned together."""
    count = 100_000
    roster = roster_of(users="sourced_id,email\n" + "".join(f"u{n},\n" for n in range(count)))
    moved = ids(tmp_path, "".join(f"user,u{n},x{n}\n" for n in range(count)), roster=roster)
    assert moved.plan.plan.count().users["rekeyed"] == count


# The type of an upload


@pytest.mark.parametrize(
    ("kind", "content", "what"),
    [
        (Kind.IDS, LINKS, "ids.csv; this is links.csv"),
        (Kind.LINKS, IDS, "links.csv; this is ids.csv"),
        (Kind.LINKS, SCHOOL["users.csv"], "links.csv; this is users.csv"),
        (Kind.IDS, SCHOOL["courses.csv"], "ids.csv; this is courses.csv"),
        (Kind.USERS, LINKS, "users.csv; this is links.csv"),
        (Kind.USERS, IDS, "users.csv; this is ids.csv"),
        (Kind.COURSES, "email,sourcedId,match,accountName,personName\n", "this is links.csv"),
        (Kind.PACKAGE, IDS, "a zip; this is ids.csv"),
        (Kind.IDS, "PK\x03\x04", "ids.csv; this is a zip"),
    ],
)
def test_other_file_is_named(kind: Kind, content: str, what: str) -> None:
    """A file that does not match its upload type is refused by name, mappings included."""
    finding = wrong_start(content.encode(), kind, name="the file")
    assert finding is not None
    assert what in str(finding.expected)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Kind.IDS, IDS),
        (Kind.IDS, "NewSourcedId,OldSourcedId,Kind,note\n"),
        (Kind.LINKS, LINKS),
        (Kind.LINKS, "\ufeffemail,sourcedId,match,accountName,personName\r\n"),
        (Kind.USERS, SCHOOL["users.csv"]),
        (Kind.COURSES, SCHOOL["courses.csv"]),
    ],
)
def test_right_file_passes(kind: Kind, content: str) -> None:
    """A file that matches its upload type passes."""
    assert wrong_start(content.encode(), kind, name="the file") is None
