"""Findings name each defect of a package, and all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from every_mode import NOW, mixed, synced
from golden.school import (
    SCHOOL,
    SCHOOL_1_2,
    Texts,
    added,
    changed,
    codes,
    folder_of,
    opened,
    without,
)
from oneroster_sync.operations.check import check_package
from oneroster_sync.sites.preferences import Profile
from roster_of import run_command

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

_SDS = {
    "orgs.csv": "sourcedId,name,type\ns,School,school\n",
    "users.csv": "sourcedId,username,givenName,familyName\nann,ann,Ann,Lee\n",
    "roles.csv": "userSourcedId,orgSourcedId,role\nann,s,teacher\n",
    "classes.csv": "sourcedId,orgSourcedId,title\nm1,s,Maths\n",
    "enrollments.csv": "classSourcedId,userSourcedId,role\nm1,ann,teacher\n",
}
_LOOK_ALIKES: dict[str, tuple[str, Texts]] = {
    "SDS v2": ("SDS v2", _SDS),
    "SDS v2 without classes": ("SDS v2", without(_SDS, "classes.csv", "enrollments.csv")),
    "Canvas": (
        "Canvas",
        {
            "users.csv": "user_id,login_id,first_name,email,status\n1,a,Ann,a@x.org,active\n",
            "courses.csv": "course_id,short_name,long_name,status\n1,M,Maths,active\n",
        },
    ),
    "Apple": (
        "Apple School Manager",
        {
            "staff.csv": "person_id,first_name,last_name\n1,Ann,Lee\n",
            "students.csv": "person_id,first_name,last_name\n2,Stu,Poe\n",
            "classes.csv": "class_id,course_id,instructor_id\n1,1,1\n",
        },
    ),
    "Moodle": (
        "Moodle",
        {"users.csv": "username,firstname,lastname,email,course1\nann,Ann,Lee,ann@x.org,M\n"},
    ),
    "Google": (
        "Google Workspace",
        {"users.csv": "First Name [Required],Org Unit Path [Required]\nA,/\n"},
    ),
}


def expected(folder: Path, texts: Texts, code: str) -> list[str]:
    """Return the expected values of the findings with this code."""
    rows = opened(folder_of(texts, folder / "p")).findings.table().to_pylist()
    return [row["expected"] or "" for row in rows if row["code"] == code]


@pytest.mark.case("b50")
@pytest.mark.parametrize(("name", "texts"), _LOOK_ALIKES.values(), ids=list(_LOOK_ALIKES))
def test_other_format_is_refused_by_its_name(tmp_path: Path, name: str, texts: Texts) -> None:
    """A package of another format has one finding, which names the format."""
    extracted = opened(folder_of(texts, tmp_path / "p"))
    assert codes(extracted.findings) == ["package.lookalike"]
    assert name in extracted.findings.table()["expected"][0].as_py()


@pytest.mark.parametrize("column", ["firstname", "orgSourcedId", "code", "user_id"])
@pytest.mark.parametrize("file", ["users.csv", "classes.csv", "enrollments.csv"])
def test_additional_column_makes_no_other_format(tmp_path: Path, file: str, column: str) -> None:
    """A OneRoster file with a column of another format is still a OneRoster file."""
    text = "".join(
        f"{line},{column if number == 0 else ''}\n"
        for number, line in enumerate(SCHOOL[file].splitlines())
    )
    assert "package.lookalike" not in codes(
        opened(folder_of({**SCHOOL, file: text}, tmp_path / "p")).findings
    )


@pytest.mark.case("a38")
@pytest.mark.parametrize(
    ("file", "column", "other"),
    [
        ("users.csv", "familyName", "lastName"),
        ("users.csv", "givenName", "First Name"),
        ("users.csv", "email", "Email_Address"),
        ("users.csv", "role", "userType"),
        ("classes.csv", "courseSourcedId", "courseId"),
        ("courses.csv", "title", "courseName"),
        ("enrollments.csv", "userSourcedId", "teacher_id"),
    ],
)
def test_renamed_header_is_recognised(tmp_path: Path, file: str, column: str, other: str) -> None:
    """A header with another name than the standard's is named with the one that it means."""
    texts = changed(SCHOOL, file, f",{column},", f",{other},")
    (sentence,) = expected(tmp_path, texts, "schema.missing_header")
    assert sentence == f"{column}; found {other}: did you mean {column}?"


@pytest.mark.case("b51")
@pytest.mark.parametrize(
    "text",
    [
        "<!doctype html>\n<p>Log in\n",
        "Report of Monday\n\nname,phone\nAnn,5\n",
        "1,Ann,Lee\n2,B,C\n",
    ],
)
def test_junk_has_its_own_finding(tmp_path: Path, text: str) -> None:
    """A file without any column of the standard has its own finding, which quotes nothing of it."""
    extracted = opened(folder_of({**SCHOOL, "users.csv": text}, tmp_path / "p"))
    rows = [f for f in extracted.findings.table().to_pylist() if f["file"] == "users.csv"]
    assert [row["code"] for row in rows] == ["schema.no_known_column"]
    assert not any(word in str(rows) for word in ("Ann", "doctype", "Report", "phone"))


@pytest.mark.case("b51")
@pytest.mark.parametrize("text", ["<!doctype html>\n<p>Log in\n", "1,Ann,Lee\n2,B,C\n", ""])
def test_junk_has_no_version(site: Site, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """An unreadable file gets no version, although the site's last package was OneRoster 1.2."""
    site.sync(SCHOOL_1_2)
    caplog.clear()
    run = site.sync({"users.csv": text})

    assert run["outcome"] == "rejected"
    query = "select oneroster_version from runs where run_id::text = :run"
    assert site.rows(query, run=run["run_id"]) == [(None,)]
    assert "a version of OneRoster that could not be determined" in caplog.text
    path = site.package({"users.csv": text})
    assert site.command("validate", path)[1]["version"] is None
    assert "The version of OneRoster is unknown" in run_command(site, "validate", path)[1]
    assert site.command("validate", site.package({"users.csv": "givenName\n"}))[1]["version"]


def test_lone_users_of_1_1_without_a_role_needs_no_other_file(tmp_path: Path) -> None:
    """The column role is missing: no message asks to add a file to a lone users.csv."""
    users = {"users.csv": SCHOOL["users.csv"].replace(",role,", ",metadata.r,")}
    users["users.csv"] = users["users.csv"].replace("orgSourcedIds", "metadata.o")
    findings = opened(folder_of(users, tmp_path / "p") / "users.csv").findings.table().to_pylist()
    errors = [f for f in findings if f["severity"] == "error"]
    assert [(f["code"], f["column"]) for f in errors] == [("schema.missing_header", "role")]


@pytest.mark.case("b52")
def test_new_person_of_a_delta_without_a_role_is_a_warning() -> None:
    """One finding for each package counts the rows that were read as pupils', without a name."""
    site = synced(SCHOOL_1_2)
    rows = "".join(
        f"{who},active,{NOW},true,{who},,New,Person,,,{who}@x.org{',' * 11}\n" for who in "xy"
    )
    done = site.sync(mixed(SCHOOL_1_2, {"users": "delta", "roles": "delta"}, users=rows, roles=""))
    found = [f for f in done.findings if f["code"] == "semantic.nobodys_row"]
    assert [(f["severity"], f["rows"], f["row"], f["sourced_id"]) for f in found] == [
        ("warning", 2, None, None)
    ]
    assert "x" not in site.status()


FAULTS = {
    "users.csv": ("familyName", "nachname"),
    "courses.csv": ("title", "titel"),
    "orgs.csv": ("s,,,School,school", "s,,,School,shcool"),
    "academicSessions.csv": ("t,,,Fall,term,2026-08-01", "t,,,Fall,term,01.08.2026"),
    "enrollments.csv": ("bob-a1,,,a1,s,bob,teacher", "bob-a1,,,a1,s,bob,teecher"),
}


@pytest.mark.case("b53")
@pytest.mark.parametrize("profile", list(Profile))
def test_all_defects_are_found_at_once(tmp_path: Path, profile: Profile) -> None:
    """A missing header hides no other finding: of its file, of other files, of any row."""
    texts = dict(SCHOOL)
    for file, (old, new) in FAULTS.items():
        texts = changed(texts, file, old, new)
    texts = added(texts, "users.csv", "eve,,,perhaps,s,teacher,eve,,Eve,,,,eve@x.org,,,,,")
    texts = changed(texts, "manifest.csv", "file.classes,bulk", "file.classes,absent")

    checked = check_package(folder_of(texts, tmp_path / "p"), profile)

    assert checked.rejected
    rows = checked.findings.table().to_pylist()
    assert {(f["file"], f["column"]) for f in rows} >= {
        ("users.csv", "familyName"),
        ("users.csv", "enabledUser"),
        ("courses.csv", "title"),
        ("orgs.csv", "type"),
        ("academicSessions.csv", "startDate"),
        ("enrollments.csv", "role"),
        ("classes.csv", None),
    }
    # No reference is reported as missing because its target's file is unreadable.
    assert "reference.missing_target_record" not in {f["code"] for f in rows}


def test_broken_file_hides_no_other(tmp_path: Path) -> None:
    """Two unreadable files are both named, with the errors of the third."""
    texts = {**SCHOOL, "orgs.csv": "", "courses.csv": SCHOOL["courses.csv"].replace(",", ";")}
    texts = changed(texts, "enrollments.csv", "a1,s,bob,teacher", "a1,s,bob,teecher")
    checked = check_package(folder_of(texts, tmp_path / "p"), Profile.TOLERANT)
    assert set(codes(checked.findings, "error")) == {
        "table.missing_header",
        "csv.wrong_delimiter",
        "row.invalid_enum",
    }


@pytest.mark.case("b53")
def test_run_names_the_missing_header_first(site: Site) -> None:
    """The run is rejected because of the header, and its findings include those of the rows."""
    texts = changed(SCHOOL, "courses.csv", "title", "titel")
    texts = changed(texts, "enrollments.csv", "a1,s,bob,teacher", "a1,s,bob,teecher")
    run = site.sync(texts)
    assert run["outcome"] == "rejected"
    assert "courses.csv" in run["reasons"][0]
    assert site.codes(run) >= {"schema.missing_header", "row.invalid_enum"}
    assert site.users() == {}


def test_rejected_delta_is_never_pending(site: Site) -> None:
    """Rows of a delta whose other file is unreadable are not pending for the next plan."""
    site.sync(SCHOOL)
    row = f"new,active,{NOW},true,s,teacher,new,,New,Person,,,new@x.org,,,,,\n"
    texts = mixed(SCHOOL, {"users": "delta", "courses": "delta"}, users=row, courses="")
    texts["courses.csv"] = texts["courses.csv"].replace("title", "titel")
    assert site.sync(texts)["outcome"] == "rejected"
    assert site.sync(SCHOOL)["outcome"] == "no_changes"
    assert "new" not in site.users()
