"""A small school as CSV text, for tests that change a little of it.

Ann teaches both Mathematics classes, Bob teaches Art with Cat's help, Dan leads the school. Stu is
a student and Pat a parent: neither may appear anywhere. The package breaks no rule of the standard,
so that each finding is the result of a test's change.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa

from oneroster_sync.operations.check import Checked, check_package
from oneroster_sync.roster.model import Known
from oneroster_sync.settings import Limits
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.stages.extract.package import Extracted, extract_package
from oneroster_sync.standard import ALL_FILES, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from oneroster_sync.findings import Findings

Texts = dict[str, str]

_ORGS = """\
sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId
d,,,District,district,,
s,,,School,school,,d
"""
_SESSIONS = """\
sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear
y,,,Year,schoolYear,2026-08-01,2027-06-01,,2027
t,,,Fall,term,2026-08-01,2026-12-01,y,2027
"""
_COURSES = """\
sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes
maths,,,y,Mathematics,M1,"09,10",s,Maths,
art,,,y,Art,A1,09,s,Art,
"""
_CLASSES = """\
sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods
m1,,,Maths 1,09,maths,M1-1,scheduled,,s,t,,,
m2,,,Maths 2,10,maths,M1-2,scheduled,,s,t,,,
a1,,,Art 1,09,art,A1-1,scheduled,,s,t,,,
"""
_USERS = """\
sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password
ann,,,true,s,teacher,ann,,Ann,Lee,,,ann@example.org,,,,,
bob,,,true,s,teacher,bob,,Bob,Ray,,,bob@example.org,,,,,
cat,,,true,s,aide,cat,,Cat,Orr,,,cat@example.org,,,,,
dan,,,true,s,administrator,dan,,Dan,Fox,,,dan@example.org,,,,,
stu,,,true,s,student,stu,,Stu,Poe,,,stu@example.org,,,pat,09,
pat,,,true,s,parent,pat,,Pat,Poe,,,pat@example.org,,,,,
"""
_ENROLLMENTS = """\
sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate
ann-m1,,,m1,s,ann,teacher,true,2026-08-01,2026-12-01
ann-m2,,,m2,s,ann,teacher,true,,
bob-a1,,,a1,s,bob,teacher,true,,
cat-a1,,,a1,s,cat,aide,false,,
stu-m1,,,m1,s,stu,student,,,
"""
_USERS_1_2 = """\
sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns
ann,,,true,ann,,Ann,Lee,,,ann@example.org,,,,,,,,,,s,
bob,,,true,bob,,Bob,Ray,,,bob@example.org,,,,,,,,,,s,
cat,,,true,cat,,Cat,Orr,,,cat@example.org,,,,,,,,,,s,
dan,,,true,dan,,Dan,Fox,,,dan@example.org,,,,,,,,,,s,
stu,,,true,stu,,Stu,Poe,,,stu@example.org,,,pat,09,,,,,,s,
pat,,,true,pat,,Pat,Poe,,,pat@example.org,,,,,,,,,,s,
"""
_ROLES = """\
sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId
r-ann,,,ann,primary,teacher,,,s,
r-bob,,,bob,primary,teacher,,,s,
r-cat,,,cat,primary,aide,,,s,
r-dan,,,dan,primary,principal,,,s,
r-stu,,,stu,primary,student,,,s,
r-pat,,,pat,primary,parent,,,s,
"""


def manifest(version: str, **modes: str) -> str:
    """Return a manifest that lists every file of the version; files without a mode are absent."""
    files = sorted(ALL_FILES[Version(version)])
    lines = ["propertyName,value", "manifest.version,1.0", f"oneroster.version,{version}"]
    lines += [f"file.{name},{modes.get(name, 'absent')}" for name in files]
    return "\n".join(lines) + "\n"


_COMMON = {
    "orgs.csv": _ORGS,
    "academicSessions.csv": _SESSIONS,
    "courses.csv": _COURSES,
    "classes.csv": _CLASSES,
    "enrollments.csv": _ENROLLMENTS,
}


def _with_manifest(version: str, texts: Texts) -> Texts:
    names = (name.removesuffix(".csv") for name in texts)
    return {"manifest.csv": manifest(version, **dict.fromkeys(names, "bulk")), **texts}


SCHOOL = _with_manifest("1.1", {**_COMMON, "users.csv": _USERS})
"""The school in OneRoster 1.1."""

SCHOOL_1_2 = _with_manifest("1.2", {**_COMMON, "users.csv": _USERS_1_2, "roles.csv": _ROLES})
"""The same school in OneRoster 1.2."""


def changed(texts: Mapping[str, str], file: str, old: str, new: str) -> Texts:
    """Return the texts with one place of one file replaced."""
    assert texts[file].count(old) == 1, f"{old!r} occurs {texts[file].count(old)} times in {file}"
    return {**texts, file: texts[file].replace(old, new)}


def added(texts: Mapping[str, str], file: str, *rows: str) -> Texts:
    """Return the texts with rows added at the end of one file."""
    return {**texts, file: texts[file] + "".join(f"{row}\n" for row in rows)}


def columns_reversed(text: str) -> str:
    """Return a CSV text with its columns in reverse order; the values hold no commas."""
    rows = [line.split(",") for line in text.splitlines()]
    return "".join(",".join(row[::-1]) + "\n" for row in rows)


def person(sourced_id: str, **values: str) -> str:
    """Return a row of users.csv in 1.1: a teacher, except for the given values."""
    cells = {
        "status": "",
        "enabled": "true",
        "orgs": "s",
        "role": "teacher",
        "username": sourced_id,
        "given": "Given",
        "family": "Family",
        "email": f"{sourced_id}@example.org",
        **values,
    }
    return (
        "{id},{status},,{enabled},{orgs},{role},{username},,{given},{family},,,{email},,,,,"
    ).format(id=sourced_id, **cells)


def without(texts: Mapping[str, str], *files: str) -> Texts:
    """Return the texts without some files."""
    return {name: text for name, text in texts.items() if name not in files}


def as_delta(texts: Mapping[str, str], **files: Iterable[str]) -> Texts:
    """Return a delta package with the given rows below the headers of their files."""
    version = "1.2" if "roles.csv" in texts else "1.1"
    package = {"manifest.csv": manifest(version, **dict.fromkeys(files, "delta"))}
    for name, rows in files.items():
        header = texts[f"{name}.csv"].split("\n", 1)[0]
        package[f"{name}.csv"] = "".join(f"{line}\n" for line in (header, *rows))
    return package


def folder_of(texts: Mapping[str, str | bytes], folder: Path) -> Path:
    """Write the files into a new folder and return it."""
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def zip_of(texts: Mapping[str, str | bytes], path: Path) -> Path:
    """Write the files into a zip and return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return path


def opened(
    package: Path,
    profile: str = "tolerant",
    *,
    known: Iterable[str] = (),
    roles: Mapping[str, str] | None = None,
    enrollments: Iterable[str] = (),
    **limits: int,
) -> Extracted:
    """Extract a package.

    Args:
        package: A zip, a folder or a single CSV file.
        profile: The profile, tolerant or strict.
        known: sourcedIds of users whom the site already has.
        roles: sourcedIds of remembered roles → user of each.
        enrollments: sourcedIds of remembered enrollments.
        limits: Size limits.
    """
    ids = [list(values) for values in (known, roles or {}, (roles or {}).values(), enrollments)]
    users, role_ids, role_users, enrolled = (pa.array(values, pa.string()) for values in ids)
    remembered = Known(
        users=users,
        role_ids=role_ids,
        role_users=role_users,
        role_types=pa.repeat("primary", len(role_ids)),
        enrollments=enrolled,
    )
    return extract_package(package, Profile(profile), remembered, limits=Limits(**limits))


def users_checked(folder: Path, texts: Mapping[str, str], profile: str = "tolerant") -> Checked:
    """Extract and validate a single users.csv."""
    (folder / "users.csv").write_text(texts["users.csv"], "utf-8")
    return check_package(folder / "users.csv", Profile(profile))


def summarize(findings: Findings) -> list[tuple[str, str | None, int | None]]:
    """Return code, file and row of each finding, in order."""
    rows = findings.table().select(["code", "file", "row"]).to_pylist()
    return [(row["code"], row["file"], row["row"]) for row in rows]


def codes(findings: Findings, severity: str | None = None) -> list[str]:
    """Return the codes of the findings in order, on request only those of one severity."""
    rows = findings.table().select(["code", "severity"]).to_pylist()
    return [row["code"] for row in rows if severity in {None, row["severity"]}]
