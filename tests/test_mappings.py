"""Each row of a mapping changes a sourcedId or links an account, or is a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mapping_of import ids, links, mapping
from oneroster_sync.standard.kinds import Kind
from roster_of import roster_of

if TYPE_CHECKING:
    from pathlib import Path


def test_sourced_ids_move_and_nothing_else(tmp_path: Path) -> None:
    """Users and courses, managed or not, keep all fields; stored links get the new sourcedId."""
    moved = ids(tmp_path, "user,ann,2-ann\nuser,cec,2-cec\nuser,lea,2-lea\ncourse,art,2-art\n")
    assert moved.findings == []
    assert moved.users == [("rekey", old, f"2-{old}") for old in ("ann", "cec", "lea")]
    assert moved.courses == [("rekey", "art", "2-art")]
    plan = moved.plan.plan
    assert plan.assignments.num_rows == 0
    assert {*plan.users["reason"].to_pylist(), *plan.courses["reason"].to_pylist()} == {
        "named in ids.csv"
    }
    assert plan.users["row"].to_pylist() == [2, 3, 4]
    for change in (*plan.users.to_pylist(), *plan.courses.to_pylist()):
        for name in change:
            if name.startswith("before_") and name != "before_sourced_id":
                assert change[name] == change[name.replace("before", "after")]
    assert plan.links["enrollments"].select(
        ["sourced_id", "user_sourced_id", "course_sourced_id"]
    ).to_pylist() == [
        {"sourced_id": "e1", "user_sourced_id": "2-ann", "course_sourced_id": "2-art"},
        {"sourced_id": "e2", "user_sourced_id": "bob", "course_sourced_id": "2-art"},
    ]
    assert plan.links["roles"]["user_sourced_id"].to_pylist() == ["2-ann"]
    assert plan.links["classes"]["course_sourced_id"].to_pylist() == ["2-art"]
    assert all(not table.num_rows for name, table in plan.links.items() if name.endswith(".gone"))


def test_kinds_do_not_meet(tmp_path: Path) -> None:
    """Users and courses have separate sourcedIds: both may have and get the same one."""
    roster = roster_of(users="sourced_id,email\n7,a@x.org", courses="sourced_id,title\n7,Art")
    moved = ids(tmp_path, "user,7,8\ncourse,7,8\n", roster=roster)
    assert (moved.users, moved.courses) == ([("rekey", "7", "8")], [("rekey", "7", "8")])


def test_accounts_become_managed(tmp_path: Path) -> None:
    """An account that is hand-made or only linked becomes managed; its other fields stay."""
    adopted = links(tmp_path, "MAX@x.org,m\nold@x.org,o\nlea@x.org,lea\n")
    assert adopted.findings == []
    assert adopted.users == [("adopt", "lea", "lea"), ("adopt", None, "m"), ("adopt", None, "o")]
    changes = adopted.plan.plan.users.to_pylist()
    assert {change["after_managed"] for change in changes} == {True}
    assert [change["after_status"] for change in changes] == ["active", "active", "inactive"]
    assert {change["reason"] for change in changes} == {"named in links.csv"}
    assert adopted.plan.plan.links == {}


def test_credited_administrator_is_linked_and_not_managed(tmp_path: Path) -> None:
    """The credited admin gets the sourcedId, is never managed, and the run has a finding."""
    adopted = links(tmp_path, "admin@x.org,boss\n")
    assert adopted.users == [("adopt", None, "boss")]
    assert adopted.plan.plan.users["after_managed"].to_pylist() == [False]
    assert adopted.findings == [("mapping.credited_admin", 2, "email")]
    again = links(
        tmp_path,
        "ann@x.org,ann\n",
        roster=roster_of(users="id,sourced_id,email,managed\n5,ann,ann@x.org,no", credited_admin=5),
    )
    assert again.users == []
    assert again.findings == [("mapping.already_so", 2, "sourcedId")]


def test_row_that_asks_for_the_current_state_is_no_error(tmp_path: Path) -> None:
    """A row that asks for the current state is skipped, and one warning counts such rows."""
    moved = ids(tmp_path, "user,gone,ann\nuser,bob,bob\ncourse,gone,art\n")
    assert (moved.users, moved.courses) == ([], [])
    assert {code for code, _, _ in moved.findings} == {"mapping.already_so"}
    assert sum(moved.plan.findings.table()["rows"].to_pylist()) == 3
    assert moved.plan.quarantined.num_rows == 0
    adopted = links(tmp_path, "ann@x.org,ann\n")
    assert adopted.users == []
    assert adopted.findings == [("mapping.already_so", 2, "sourcedId")]


def test_same_row_twice_is_one(tmp_path: Path) -> None:
    """A repeated row is used once, with a warning."""
    moved = ids(tmp_path, "user,ann,x\nuser,ann,x\ncourse,ann,x\n")
    assert moved.users == [("rekey", "ann", "x")]
    assert ("reference.repeated_row", 3, None) in moved.findings
    adopted = links(tmp_path, "max@x.org,m\nMax@X.org,m\n")
    assert adopted.users == [("adopt", None, "m")]
    assert adopted.findings == [("reference.repeated_row", 3, None)]


def test_account_without_a_sourced_id_is_passed_over(tmp_path: Path) -> None:
    """Rows of orphans without a sourcedId are skipped without an error."""
    adopted = links(tmp_path, "max@x.org,\nold@x.org,\n,\nlea@x.org,lea\n")
    assert adopted.users == [("adopt", "lea", "lea")]
    assert adopted.findings == [("mapping.no_sourced_id", 2, "sourcedId")]
    assert adopted.plan.findings.table()["rows"].to_pylist() == [2]


def test_file_without_rows_changes_nothing(tmp_path: Path) -> None:
    """A file with only a header changes nothing, with a warning."""
    for kind in (Kind.IDS, Kind.LINKS):
        empty = mapping(tmp_path, kind, "")
        assert empty.plan.plan.is_empty()
        assert not empty.plan.plan.moves_links()
        assert empty.findings == [("table.no_rows", None, None)]


# Rows that can't be used


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        ("user,nobody,x", "mapping.unknown_record", "oldSourcedId"),
        ("course,ann,x", "mapping.unknown_record", "oldSourcedId"),
        ("course,chess,x", "mapping.unknown_record", "oldSourcedId"),
        ("user,ANN,x", "mapping.unknown_record", "oldSourcedId"),
        ("user,ann,bob", "mapping.sourced_id_taken", "newSourcedId"),
        ("user,ann,cec", "mapping.sourced_id_taken", "newSourcedId"),
        ("user,ann,lea", "mapping.sourced_id_taken", "newSourcedId"),
        ("course,art,maths", "mapping.sourced_id_taken", "newSourcedId"),
        ("course,art,chess", "mapping.sourced_id_taken", "newSourcedId"),
        ("group,ann,x", "row.invalid_enum", "kind"),
        ("User,ann,x", "row.invalid_enum", "kind"),
        (",ann,x", "row.missing_required_value", "kind"),
        ("user,,x", "row.missing_required_value", "oldSourcedId"),
        ("user,ann,", "row.missing_required_value", "newSourcedId"),
        ("user,ann, ", "row.missing_required_value", "newSourcedId"),
        (f"user,ann,{'x' * 256}", "row.too_long", "newSourcedId"),
        ("user,ann", "row.width_mismatch", None),
        ("user,ann,x,y", "row.width_mismatch", None),
        ("user,ann,x\x07", "row.invalid_character", None),
    ],
)
def test_row_of_ids_that_can_not_be_used(
    tmp_path: Path, row: str, code: str, column: str | None
) -> None:
    """An unusable row is an error with its place, and the rows around it are used."""
    moved = ids(tmp_path, f"user,zoe,2-zoe\n{row}\ncourse,music,2-music\n")
    assert (code, 3, column) in moved.findings
    assert moved.users == [("rekey", "zoe", "2-zoe")]
    assert moved.courses == [("rekey", "music", "2-music")]
    assert moved.plan.quarantined["row"].to_pylist() == [3]
    assert moved.plan.valid["row"].to_pylist() == [2, 4]


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        ("nobody@x.org,m", "mapping.unknown_account", "email"),
        ("max,m", "mapping.unknown_account", "email"),
        ("ann@x.org,m", "mapping.account_linked", "sourcedId"),
        ("lea@x.org,m", "mapping.account_linked", "sourcedId"),
        ("max@x.org,ann", "mapping.sourced_id_taken", "sourcedId"),
        ("max@x.org,lea", "mapping.sourced_id_taken", "sourcedId"),
        (",m", "row.missing_required_value", "email"),
        (f"max@x.org,{'m' * 256}", "row.too_long", "sourcedId"),
        ("max@x.org,m,x", "row.width_mismatch", None),
        ("max@x.org,m\x00", "row.invalid_character", None),
    ],
)
def test_row_of_links_that_can_not_be_used(
    tmp_path: Path, row: str, code: str, column: str | None
) -> None:
    """An unusable row is an error with its place, and the other rows are used."""
    adopted = links(tmp_path, f"old@x.org,o\n{row}\n")
    assert (code, 3, column) in adopted.findings
    assert adopted.users == [("adopt", None, "o")]
    assert adopted.plan.quarantined["row"].to_pylist() == [3]


@pytest.mark.parametrize(
    "rows",
    [
        "user,ann,x\nuser,ann,y\n",
        "user,ann,x\nuser,bob,x\n",
        "user,ann,x\nuser,ann,y\nuser,bob,y\n",
    ],
    ids=["one to two", "two to one", "both"],
)
def test_rows_that_contradict_each_other(tmp_path: Path, rows: str) -> None:
    """If two rows name one record, or give one sourcedId, neither is used."""
    moved = ids(tmp_path, rows + "course,art,x\n")
    assert moved.users == []
    assert moved.courses == [("rekey", "art", "x")]
    assert {code for code, _, _ in moved.findings} == {"mapping.named_twice"}
    assert len(moved.findings) == rows.count("\n")


@pytest.mark.parametrize(
    "rows",
    [
        "user,ann,bob\nuser,bob,ann\n",
        "user,ann,bob\nuser,bob,x\n",
        "user,bob,x\nuser,ann,bob\nuser,cec,ann\n",
        "user,gone,ann\nuser,ann,x\n",
    ],
    ids=["swap", "chain", "longer chain", "chain that began before"],
)
def test_sourced_ids_that_are_handed_on(tmp_path: Path, rows: str) -> None:
    """A swap or a chain of sourcedIds is refused, and none of its rows is used."""
    moved = ids(tmp_path, rows)
    assert moved.users == []
    assert not moved.plan.plan.moves_links()
    assert moved.findings == [
        ("mapping.handed_on", row, "newSourcedId") for row in range(2, 2 + rows.count("\n"))
    ]


@pytest.mark.parametrize(
    "rows",
    ["max@x.org,m\nMAX@x.org,n\n", "max@x.org,m\nold@x.org,m\n"],
    ids=["one account", "one sourcedId"],
)
def test_links_that_contradict_each_other(tmp_path: Path, rows: str) -> None:
    """Two rows that link one account, or one person, are both refused."""
    adopted = links(tmp_path, rows)
    assert adopted.users == []
    assert [code for code, _, _ in adopted.findings] == ["mapping.named_twice"] * 2


@pytest.mark.parametrize(
    ("users", "linked"),
    [
        ("1,,a@x.org,inactive,no\n2,,a@x.org,active,no", [2]),
        ("1,,a@x.org,inactive,no\n2,,a@x.org,inactive,no", [1]),
        ("1,z,a@x.org,inactive,yes\n2,,a@x.org,inactive,no", [2]),
        ("1,,a@x.org,inactive,no\n2,z,a@x.org,active,yes", []),
    ],
    ids=["active first", "older first", "not linked first", "active one is another's"],
)
def test_login_means_one_account(tmp_path: Path, users: str, linked: list[int]) -> None:
    """Of several accounts with one login, the active or else the oldest is linked, or none."""
    roster = roster_of(users=f"id,sourced_id,email,status,managed\n{users}")
    adopted = links(tmp_path, "a@x.org,m\n", roster=roster)
    assert adopted.plan.plan.users["id"].to_pylist() == linked


@pytest.mark.parametrize(
    ("kind", "row", "codes"),
    [
        (Kind.IDS, "zq@x.org,ann,zq@y.org", ["row.invalid_enum"]),
        (Kind.LINKS, "zq@x.org,m", ["mapping.unknown_account"]),
        (Kind.LINKS, "zq@x.org,m,", ["table.surplus_cells", "mapping.unknown_account"]),
    ],
)
def test_findings_name_no_value(tmp_path: Path, kind: Kind, row: str, codes: list[str]) -> None:
    """A finding about a row shows no value of it except the sourcedId."""
    read = mapping(tmp_path, kind, f"{row}\n")
    assert [one["code"] for one in read.list_findings()] == codes
    assert "zq" not in str(read.list_findings())
