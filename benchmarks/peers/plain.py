"""Plain pandas and `to_sql`, as a data engineer would write it on a free afternoon.

    python -m benchmarks.peers.plain PACKAGE DATABASE_URL

Reads the files, keeps staff, moves rows that fail a few checks into a table of errors, compares
with the tables by an outer merge, writes new rows by `to_sql`, updates the others statement by
statement, and writes an audit. It uses no transaction, a bad row does not protect its record, and
only the obvious is checked.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

_EMAIL = r'^[^@\s,;<>"]+@[^@\s,;<>"]+\.[^@\s,;<>".]+$'
_STAFF = ["administrator", "aide", "proctor", "teacher"]
_USER = ["sourcedId", "givenName", "familyName", "email", "username", "role", "orgSourcedIds"]
_COURSE = ["sourcedId", "title", "courseCode", "grades", "subjects", "orgSourcedId"]


def sync(folder: Path, url: str) -> None:
    """Sync a package into tables of its own."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    orgs, courses, classes, users, enrollments = (
        pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("orgs", "courses", "classes", "users", "enrollments")
    )
    users = users[~users["role"].isin(["student", "parent", "guardian", "relative"])]
    enrollments = enrollments[enrollments["role"].isin(_STAFF)]
    errors = [
        _refuse(users, users["role"].isin(_STAFF), "role"),
        _refuse(users, users["email"].str.match(_EMAIL) | (users["email"] == ""), "email"),
        _refuse(users, users["enabledUser"].isin(["true", "false"]), "enabledUser"),
        _refuse(users, users["givenName"].str.len().between(1, 255), "givenName"),
        _refuse(users, users["familyName"].str.len().between(1, 255), "familyName"),
        _refuse(users, users["orgSourcedIds"].isin(orgs["sourcedId"]), "orgSourcedIds"),
        _refuse(users, ~users["sourcedId"].duplicated(keep=False), "sourcedId"),
        _refuse(courses, courses["title"] != "", "title"),
        _refuse(courses, courses["orgSourcedId"].isin(orgs["sourcedId"]), "orgSourcedId"),
        _refuse(classes, classes["courseSourcedId"].isin(courses["sourcedId"]), "course"),
        _refuse(enrollments, enrollments["classSourcedId"].isin(classes["sourcedId"]), "class"),
        _refuse(enrollments, enrollments["userSourcedId"].isin(users["sourcedId"]), "user"),
        _refuse(enrollments, _is_date(enrollments["beginDate"]), "beginDate"),
        _refuse(enrollments, _is_date(enrollments["endDate"]), "endDate"),
        _refuse(enrollments, ~enrollments["sourcedId"].duplicated(keep=False), "sourcedId"),
    ]
    refused = pd.concat(errors)
    refused.to_sql("plain_errors", engine, if_exists="replace", index=False)
    bad = set(refused["sourcedId"])
    users = users[~users["sourcedId"].isin(bad)][_USER]
    courses = courses[~courses["sourcedId"].isin(bad)][_COURSE]
    teaching = enrollments[(enrollments["role"] == "teacher") & ~enrollments["sourcedId"].isin(bad)]
    pairs = teaching.merge(classes, left_on="classSourcedId", right_on="sourcedId")
    pairs = pairs[["userSourcedId", "courseSourcedId"]].drop_duplicates()
    pairs = pairs[pairs["userSourcedId"].isin(users["sourcedId"])]
    pairs = pairs[pairs["courseSourcedId"].isin(courses["sourcedId"])]
    for table, rows, key in (
        ("plain_users", users, ["sourcedId"]),
        ("plain_courses", courses, ["sourcedId"]),
        ("plain_assignments", pairs, ["userSourcedId", "courseSourcedId"]),
    ):
        _merge(engine, table, rows, key)


def _refuse(rows: pd.DataFrame, right: pd.Series[bool], column: str) -> pd.DataFrame:
    wrong = rows.loc[~right, ["sourcedId"]].assign(column=column)
    return wrong.reset_index(names="row")


def _is_date(cells: pd.Series[str]) -> pd.Series[bool]:
    return (cells == "") | pd.to_datetime(cells, format="%Y-%m-%d", errors="coerce").notna()


def _merge(engine: sa.Engine, table: str, rows: pd.DataFrame, key: list[str]) -> None:
    """Update a table to match rows, and write the changes into another table."""
    fields = [name for name in rows.columns if name not in key]
    if sa.inspect(engine).has_table(table):
        held = pd.read_sql_table(table, engine)
    else:
        held = rows.iloc[:0].assign(status="")
    both = rows.merge(held, on=key, how="outer", suffixes=("", "_held"), indicator="side")
    added = both[both["side"] == "left_only"]
    gone = both[(both["side"] == "right_only") & (both["status"] == "active")]
    matched = both[both["side"] == "both"]
    moved = matched["status"] != "active"
    for name in fields:
        moved |= matched[name] != matched[f"{name}_held"]
    changed = matched[moved]
    new = added[[*key, *fields]].assign(status="active")
    new.to_sql(table, engine, if_exists="append", index=False)
    columns = ", ".join(f'"{name}"' for name in key)
    where = " and ".join(f'"{name}" = :{name}' for name in key)
    sets = "".join(f'"{name}" = :{name}, ' for name in fields)
    with engine.begin() as connection:
        # Without it each update below reads the whole table.
        index = f"create index if not exists {table}_key on {table} ({columns})"
        connection.execute(sa.text(index))
        if len(changed):
            update = sa.text(f"update {table} set {sets}status = 'active' where {where}")
            connection.execute(update, _records(changed[[*key, *fields]]))
        if len(gone):
            leave = sa.text(f"update {table} set status = 'removed' where {where}")
            connection.execute(leave, _records(gone[key]))
    audit = pd.concat(
        part[key].assign(action=action, made_at=dt.datetime.now(dt.UTC))
        for part, action in ((added, "add"), (changed, "update"), (gone, "remove"))
    )
    audit.to_sql(f"{table}_audit", engine, if_exists="append", index=False)


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


if __name__ == "__main__":
    sync(Path(sys.argv[1]), sys.argv[2])
