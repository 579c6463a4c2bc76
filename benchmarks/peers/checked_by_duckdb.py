"""The same checks in DuckDB's SQL: report every failing row of staff; nothing is written.

    python -m benchmarks.peers.checked_by_duckdb PACKAGE

Prints the findings as JSON lists: code, file, row, column. The benchmark compares them with the
product's findings.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES = ("academicSessions", "orgs", "courses", "classes", "users", "enrollments")
_NO_STAFF = "('student', 'parent', 'guardian', 'relative')"
_STAFF = "('administrator', 'aide', 'proctor', 'teacher')"
_EMAIL = r"""'^[^@\s,;<>"]+@[^@\s,;<>"]+\.[^@\s,;<>".]+$'"""
_OF_USED_ROWS = """('semantic.class_without_teacher', 'semantic.org_type_mismatch',
    'semantic.school_mismatch', 'semantic.session_type_mismatch',
    'semantic.two_primary_teachers')"""
_MISSING, _ENUM = "row.missing_required_value", "row.invalid_enum"
# coalesce, because `null not in (…)` is null: a row without a role would be lost unchecked.
_KEPT = {
    "users": f"coalesce(role not in {_NO_STAFF}, true)",
    "enrollments": f"""coalesce(role not in {_NO_STAFF}, true)
        and coalesce("userSourcedId" not in (select * from others), true)""",
}
_REQUIRED = {
    "academicSessions": "title type startDate endDate schoolYear",
    "orgs": "name type",
    "courses": "title orgSourcedId",
    "classes": "title courseSourcedId classType schoolSourcedId termSourcedIds",
    "users": "role orgSourcedIds enabledUser username givenName familyName",
    "enrollments": "classSourcedId userSourcedId schoolSourcedId role",
}
_SHORT = {
    "orgs": "name",
    "courses": "title courseCode",
    "classes": "title",
    "users": "username givenName familyName email",
}
_SETS = {
    "academicSessions": {"type": "('gradingPeriod', 'semester', 'schoolYear', 'term')"},
    "orgs": {"type": "('department', 'school', 'district', 'local', 'state', 'national')"},
    "classes": {"classType": "('homeroom', 'scheduled')"},
    "users": {"role": _STAFF},
    "enrollments": {"role": _STAFF},
}
_LEFT_OUT = {
    "courses": "('orgSourcedId', 'schoolYearSourcedId', 'courseCode')",
    "classes": "('title', 'classType', 'schoolSourcedId', 'termSourcedIds')",
    "users": "('orgSourcedIds', 'username')",
    "enrollments": "('schoolSourcedId', 'primary', 'beginDate', 'endDate')",
}
"""File → columns whose wrong values are only a warning, without losing the row."""
_BOOLEANS = {"users": "enabledUser", "enrollments": "primary"}
_DATES = {
    "academicSessions": ("startDate", "endDate"),
    "enrollments": ("beginDate", "endDate"),
}
_REFERENCES = {
    "academicSessions": {"parentSourcedId": "academicSessions"},
    "orgs": {"parentSourcedId": "orgs"},
    "courses": {"orgSourcedId": "orgs", "schoolYearSourcedId": "academicSessions"},
    "classes": {
        "courseSourcedId": "courses",
        "schoolSourcedId": "orgs",
        "termSourcedIds": "academicSessions",
    },
    "users": {"orgSourcedIds": "orgs"},
    "enrollments": {
        "classSourcedId": "classes",
        "userSourcedId": "users",
        "schoolSourcedId": "orgs",
    },
}


def check(folder: Path) -> list[tuple[str, str, int, str]]:
    """Return code, file, row and column of every finding."""
    connection = duckdb.connect()
    connection.execute("create table found (code text, file text, row bigint, name text)")
    connection.execute("create table bad (file text, id text, row bigint)")
    for name in _FILES:
        _read(connection, folder, name)
        union = " union all ".join(
            f"select '{code}', '{name}.csv', row, '{column}' from {name} where {wrong}"
            for wrong, column, code in _rules(name)
        )
        connection.execute(f"insert into found {union}")
        connection.execute(
            f"""insert into bad select distinct '{name}', "sourcedId", row from {name}
            where row in (select row from found where file = '{name}.csv'
            and code <> 'semantic.missing_login' and code not in {_OF_USED_ROWS}
            and (code like 'semantic.%' and code <> 'semantic.date_order'
                 or name not in {_LEFT_OUT.get(name, "('')")}))"""
        )
    connection.execute(
        """insert into found select 'semantic.class_without_teacher', 'classes.csv', row,
        'sourcedId' from classes where "sourcedId" not in (
            select "classSourcedId" from enrollments where "classSourcedId" is not null
            and coalesce(role not in ('administrator', 'aide', 'proctor'), true))"""
    )
    connection.execute(
        f"""insert into found select distinct 'semantic.two_primary_teachers', 'enrollments.csv',
        row, 'primary' from ({_PRIMARIES})"""
    )
    connection.execute(
        f"""delete from found where code in {_OF_USED_ROWS}
        and exists (select 1 from bad where bad.file || '.csv' = found.file
                    and bad.row = found.row)"""
    )
    found: list[tuple[str, str, int, str]] = connection.execute("from found").fetchall()
    return found


def _read(connection: duckdb.DuckDBPyConnection, folder: Path, name: str) -> None:
    """Read a file into a table, with row numbers; staff only."""
    path = folder / f"{name}.csv"
    source = f"read_csv('{path}', all_varchar = true, header = true, delim = ',', quote = '\"')"
    rows = f"select *, row_number() over () + 1 as row from {source}"
    if name == "users":
        address = f"case when regexp_matches(username, {_EMAIL}) then username end"
        rows = f"select *, lower(coalesce(email, {address})) as login from ({rows})"
        connection.execute(
            f"""create table others as select "sourcedId" from {source} where role in {_NO_STAFF}
            except select "sourcedId" from {source} where {_KEPT["users"]}"""
        )
    kept = _KEPT.get(name, "true")
    connection.execute(f"create table {name} as select * from ({rows}) where {kept}")
    if name == "users":  # rows that may be a student's are not checked
        connection.execute(f"update users set login = null where {_unclear()}")


def _rules(name: str) -> Iterator[tuple[str, str, str]]:
    """Yield each rule: its SQL condition, its column and the code of the finding."""
    yield f"{_twice(name, 'sourcedId')}", "sourcedId", "reference.duplicate_sourced_id"
    yield "status = 'tobedeleted'", "status", "semantic.tobedeleted_in_bulk"
    yield "status not in ('active', 'tobedeleted')", "status", _ENUM
    condition = f" and not {_unclear()}" if name == "users" else ""
    for column in ("sourcedId", *_REQUIRED[name].split()):
        of_all = column in {"sourcedId", "role"}
        yield f'"{column}" is null{"" if of_all else condition}', column, _MISSING
    for column in ("sourcedId", *_SHORT.get(name, "").split()):
        of_all = column == "sourcedId"
        yield f'length("{column}") > 255{"" if of_all else condition}', column, "row.too_long"
    for column, values in _SETS.get(name, {}).items():
        yield f'"{column}" not in {values}', column, _ENUM
    if name in _BOOLEANS:
        column = _BOOLEANS[name]
        yield f"\"{column}\" not in ('true', 'false'){condition}", column, "row.invalid_boolean"
    for column in _DATES.get(name, ()):
        yield f"not {_right_date(column)}", column, "row.invalid_date"
    if name in _DATES:
        first, last = _DATES[name]
        rights = f"{_right_date(first)} and {_right_date(last)}"
        yield f'"{last}" < "{first}" and {rights}', last, "semantic.date_order"
    yield from _references(name, condition)
    yield from _relations(name)
    if name == "users":
        yield f"not regexp_matches(email, {_EMAIL}){condition}", "email", "row.invalid_email"
        claims = "coalesce(\"enabledUser\" <> 'false', true)"  # a disabled user claims no login
        taken = f"{_twice(name, 'login', claims)} and {claims} and not {_twice(name, 'sourcedId')}"
        yield taken, "email", "semantic.login_taken"
        yield f"login is null{condition}", "email", "semantic.missing_login"


def _references(name: str, condition: str) -> Iterator[tuple[str, str, str]]:
    for column, file in _REFERENCES[name].items():
        # Without nulls: `not in` a list with a null is never true.
        ids = f'select "sourcedId" from {file} where "sourcedId" is not null'
        bad = f"select id from bad where file = '{file}' and id is not null"
        missing, broken = f'"{column}" not in ({ids})', f'"{column}" in ({bad})'
        if column.endswith("Ids"):
            parts = f"list_transform(string_split(\"{column}\", ','), lambda x: trim(x))"
            missing = f'not list_has_all((select list("sourcedId") from {file}), {parts})'
            broken = f"list_has_any((select list(id) from bad where file = '{file}'), {parts})"
        yield missing + condition, column, "reference.missing_target_record"
        if file != name:
            yield broken + condition, column, "reference.target_quarantined"


def _relations(name: str) -> Iterator[tuple[str, str, str]]:
    """Yield the rules about relations, which are only warnings."""
    if name in {"classes", "enrollments"}:
        wrong = f'"schoolSourcedId" in ({_others("orgs", "school")})'
        yield wrong, "schoolSourcedId", "semantic.org_type_mismatch"
    if name == "courses":
        wrong = f'"schoolYearSourcedId" in ({_others("academicSessions", "schoolYear")})'
        yield wrong, "schoolYearSourcedId", "semantic.session_type_mismatch"
    if name == "enrollments":
        wrong = """exists (select 1 from classes c where c."sourcedId" = "classSourcedId"
            and c."schoolSourcedId" <> enrollments."schoolSourcedId"
            and c."sourcedId" not in (select id from bad where file = 'classes' and id is not null))
            """
        yield wrong, "schoolSourcedId", "semantic.school_mismatch"


_PRIMARIES = """
    with used as (
        select * from enrollments where row not in (select row from bad where file = 'enrollments'))
    select a.row from used a join used b on a."classSourcedId" = b."classSourcedId"
        and a."userSourcedId" <> b."userSourcedId"
        and coalesce(a."beginDate", '0') <= coalesce(b."endDate", '9999-99-99')
        and coalesce(b."beginDate", '0') <= coalesce(a."endDate", '9999-99-99')
    where a.role = 'teacher' and a.primary = 'true' and b.role = 'teacher' and b.primary = 'true'
        and coalesce(a.status, '') <> 'tobedeleted' and coalesce(b.status, '') <> 'tobedeleted'"""


def _others(name: str, kind: str) -> str:
    return f"""select "sourcedId" from {name} where type <> '{kind}' and "sourcedId" is not null
        and "sourcedId" not in (select id from bad where file = '{name}' and id is not null)"""


def _twice(name: str, column: str, among: str = "true") -> str:
    return (
        f'"{column}" in (select "{column}" from {name} where "{column}" is not null and {among} '
        f'group by "{column}" having count(*) > 1)'
    )


def _unclear() -> str:
    return f"not coalesce(role in {_STAFF}, false)"


def _right_date(column: str) -> str:
    right = f"""regexp_full_match("{column}", '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')
        and try_cast("{column}" as date) is not null"""
    return f'("{column}" is null or ({right}))'


if __name__ == "__main__":
    sys.stdout.write(json.dumps(check(Path(sys.argv[1]))))
