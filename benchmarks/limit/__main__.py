"""The limit: the fastest honest script for the same work, written by hand with Polars and COPY.

    python -m benchmarks.limit PACKAGE DATABASE_URL ADMIN_ID

The script reads a OneRoster 1.1 bulk package, reports the same failing rows, computes the same
changes and writes the same rows with their audit, all in one transaction. It has no framework and
no safety: no repairs, no held plans, no stored artifacts, no locks, no causes of findings, no
deltas, zips or other versions, and a traceback for a broken export. All that it leaves out makes it
faster, never slower.

The product has created the database with the site `default`; the benchmark compares the results of
both in the database, row by row.
"""

from __future__ import annotations

import datetime as dt
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import psycopg

from benchmarks.limit.checks import Checked, check
from benchmarks.limit.hash_only import sha256_of
from benchmarks.limit.writes import Run, copy_out

_USER = ("given_name", "family_name", "email", "login", "username", "role", "org_sourced_ids")
_COURSE = (
    "title",
    "course_code",
    "grades",
    "subjects",
    "org_sourced_id",
    "school_year_sourced_id",
)
_LINKS = {
    "orgs": ("name", "type", "parent_sourced_id"),
    "classes": ("course_sourced_id", "ends_on"),
    "enrollments": ("class_sourced_id", "user_sourced_id", "role", "course_sourced_id"),
}
_PAIR = ["user_sourced_id", "course_sourced_id"]


def sync(folder: Path, url: str, admin: int) -> None:
    """Sync a package.

    Args:
        folder: Folder of its CSV files.
        url: URL of the roster database.
        admin: `id` of the credited administrator.
    """
    # In a thread, as the product does: hashlib releases the GIL.
    with ThreadPoolExecutor(1) as pool, psycopg.connect(url) as connection:
        digest = pool.submit(sha256_of, folder)
        checked = check(folder)
        run, stored = Run(connection, admin), _Stored(connection)
        users, courses = _user_changes(checked, stored, admin), _course_changes(checked, stored)
        links, protected = _links(checked, stored)
        run.open(str(folder), digest.result(), checked, stored.known())
        run.write_records("user", "users", _USER, stored.users, users)
        run.write_records("course", "courses", _COURSE, stored.courses, courses)
        run.write_assignments(
            _assignment_changes(checked, stored, users, courses, links["enrollments"], protected)
        )
        for name, merged in links.items():
            run.write_links(name, stored.links[name], merged)
        run.close()


class _Stored:
    """The stored roster."""

    def __init__(self, connection: psycopg.Connection) -> None:
        record = "id, sourced_id, {}, status, managed"
        site = "where site = 'default'"
        users, courses = (record.format(", ".join(names)) for names in (_USER, _COURSE))
        self.users = copy_out(connection, f"select {users} from users {site}")
        self.courses = copy_out(connection, f"select {courses} from courses {site}")
        self.assignments = copy_out(
            connection,
            "select u.sourced_id as user_sourced_id, c.sourced_id as course_sourced_id, "
            "a.user_id, a.course_id, a.status from course_assignments a "
            "join users u on u.id = a.user_id join courses c on c.id = a.course_id "
            "where a.site = 'default' and a.managed",
        )
        self.links = {
            name: copy_out(
                connection, f"select {', '.join(('sourced_id', *names))} from {name} {site}"
            )
            for name, names in _LINKS.items()
        }

    def known(self) -> dict[str, pl.Series]:
        """Return file → stored sourcedIds, for the files about people."""
        enrollments = self.links["enrollments"]["sourced_id"]
        return {"users.csv": self.users["sourced_id"], "enrollments.csv": enrollments}


def _user_changes(checked: Checked, stored: _Stored, admin: int) -> pl.DataFrame:
    good, bad, before = checked.good["users"], checked.bad["users"], stored.users
    org = pl.col("orgSourcedIds")
    desired = good.select(
        pl.col("sourcedId").alias("sourced_id"),
        pl.col("givenName").alias("given_name"),
        pl.col("familyName").alias("family_name"),
        pl.coalesce("email", "login").alias("email"),
        "login",
        "username",
        "role",
        pl.when(org.str.contains(","))
        .then(
            org.str.split(",").list.eval(pl.element().str.strip_chars()).list.sort().list.join(",")
        )
        .otherwise(org)
        .alias("org_sourced_ids"),
        pl.when(pl.col("enabledUser") == "false")
        .then(pl.lit("inactive"))
        .otherwise(pl.lit("active"))
        .alias("status"),
        "row",
        pl.col("orgSourcedIds.left_out").alias("org_sourced_ids.left_out"),
        pl.col("username.left_out"),
    )
    known = before.filter(pl.col("sourced_id").is_not_null())
    # COPY writes booleans as t and f, and everything is read as text.
    ours = known.filter((pl.col("managed") == "t") & (pl.col("id") != str(admin)))
    leaving, coming = (
        (pl.col("status_before") == was) & (pl.col("status") == now)
        for was, now in (("active", "inactive"), ("inactive", "active"))
    )
    # `implode`, because Polars deprecates `is_in` with a series of the column's own type as
    # ambiguous.
    strangers = bad.filter(~pl.col("sourcedId").is_in(known["sourced_id"].implode()))
    gone = (
        ours.filter(pl.col("status") == "active")
        .join(good, left_on="sourced_id", right_on="sourcedId", how="anti")
        .join(bad, left_on="sourced_id", right_on="sourcedId", how="anti")
        .join(strangers.drop_nulls("login"), on="login", how="anti")
    )
    return _record_changes(
        _USER,
        desired,
        known,
        ours,
        gone,
        "inactive",
        action=pl.when(leaving)
        .then(pl.lit("deactivate"))
        .when(coming)
        .then(pl.lit("reactivate"))
        .otherwise(pl.lit("update")),
        reason=pl.when(leaving)
        .then(pl.lit("enabledUser is false"))
        .otherwise(pl.lit("in the package")),
        goes="deactivate",
    )


def _course_changes(checked: Checked, stored: _Stored) -> pl.DataFrame:
    good, known = checked.good["courses"], stored.courses
    sources = ("title", "courseCode", "grades", "subjects", "orgSourcedId", "schoolYearSourcedId")
    desired = good.select(
        pl.col("sourcedId").alias("sourced_id"),
        *(pl.col(source).alias(name) for name, source in zip(_COURSE, sources, strict=True)),
        pl.lit("active").alias("status"),
        "row",
        *(
            pl.col(f"{source}.left_out").alias(f"{name}.left_out")
            for name, source in zip(_COURSE, sources, strict=True)
            if source in ("courseCode", "orgSourcedId", "schoolYearSourcedId")
        ),
    )
    ours = known.filter(pl.col("managed") == "t")
    gone = (
        ours.filter(pl.col("status") == "active")
        .join(good, left_on="sourced_id", right_on="sourcedId", how="anti")
        .join(checked.bad["courses"], left_on="sourced_id", right_on="sourcedId", how="anti")
    )
    back = pl.col("status_before") == "removed"
    return _record_changes(
        _COURSE,
        desired,
        known,
        ours,
        gone,
        "removed",
        action=pl.when(back).then(pl.lit("reactivate")).otherwise(pl.lit("update")),
        reason=pl.lit("in the package"),
        goes="remove",
    )


def _record_changes(
    fields: tuple[str, ...],
    desired: pl.DataFrame,
    known: pl.DataFrame,
    ours: pl.DataFrame,
    gone: pl.DataFrame,
    away: str,
    *,
    action: pl.Expr,
    reason: pl.Expr,
    goes: str,
) -> pl.DataFrame:
    """Return adds, updates and removals, each with all fields before and after."""
    names = (*fields, "status")
    added = desired.join(known, on="sourced_id", how="anti").with_columns(
        action=pl.lit("add"), reason=pl.lit("in the package")
    )
    both = desired.join(ours, on="sourced_id", suffix="_before")
    # A value that was left out leaves the stored value unchanged.
    both = both.with_columns(
        pl.when(pl.col(f"{n}.left_out")).then(pl.col(f"{n}_before")).otherwise(pl.col(n)).alias(n)
        for n in names
        if f"{n}.left_out" in both.columns
    )
    # ne_missing, because `!=` is null if a side is null, and a filter drops nulls: no such change
    # would be found.
    moved = pl.any_horizontal(pl.col(n).ne_missing(pl.col(f"{n}_before")) for n in names)
    both = both.filter(moved).with_columns(action=action, reason=reason)
    left = gone.with_columns(pl.col(n).alias(f"{n}_before") for n in names).with_columns(
        action=pl.lit(goes), reason=pl.lit("absent from the file"), status=pl.lit(away)
    )
    columns = ["action", "id", "sourced_id", *names, *(f"{n}_before" for n in names), "reason"]
    # Additions have no values before, removals none after: diagonal fills these columns with nulls.
    parts = pl.concat([added, both, left], how="diagonal").select(*columns, "row")
    return parts.sort("sourced_id")


def _links(checked: Checked, stored: _Stored) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Return the merged links, and the protected enrollments among them."""
    good, bad = checked.good, checked.bad
    ends = dict(good["academicSessions"].select("sourcedId", "endDate").iter_rows())
    terms = good["classes"]["termSourcedIds"].unique().to_list()
    last = {cell: max(ends[term.strip()] for term in cell.split(",")) for cell in terms}
    fresh = {
        "orgs": good["orgs"].select(
            sourced_id="sourcedId", name="name", type="type", parent_sourced_id="parentSourcedId"
        ),
        "classes": good["classes"].select(
            sourced_id="sourcedId",
            course_sourced_id="courseSourcedId",
            ends_on=pl.col("termSourcedIds").replace_strict(last, return_dtype=pl.String),
        ),
    }
    hanging = {
        "orgs": {},
        "classes": {"courses": "course_sourced_id"},
        "enrollments": {
            "users": "user_sourced_id",
            "classes": "class_sourced_id",
            "courses": "course_sourced_id",
        },
    }
    merged: dict[str, pl.DataFrame] = {}
    kept = pl.DataFrame()
    for name, columns in hanging.items():
        old = stored.links[name].join(
            good[name], left_on="sourced_id", right_on="sourcedId", how="anti"
        )
        stays = _among("sourced_id", bad[name])
        for file, column in columns.items():
            stays |= _among(column, bad[file])
        if name == "enrollments":
            fresh[name] = (
                good[name]
                .select(
                    sourced_id="sourcedId",
                    class_sourced_id="classSourcedId",
                    user_sourced_id="userSourcedId",
                    role="role",
                )
                .join(
                    merged["classes"].select("sourced_id", "course_sourced_id"),
                    left_on="class_sourced_id",
                    right_on="sourced_id",
                    how="left",
                )
            )
            pairs = bad[name].select(
                user_sourced_id="userSourcedId", class_sourced_id="classSourcedId"
            )
            of_pair = old.join(pairs, on=pairs.columns, how="semi")
            kept = pl.concat([old.filter(stays), of_pair]).unique("sourced_id")
        else:
            kept = old.filter(stays)
        merged[name] = pl.concat([fresh[name], kept])
    return merged, kept


def _assignment_changes(
    checked: Checked,
    stored: _Stored,
    users: pl.DataFrame,
    courses: pl.DataFrame,
    enrollments: pl.DataFrame,
    protected: pl.DataFrame,
) -> pl.DataFrame:
    """Return the changes of course assignments from enrollments of teachers."""
    back = courses.filter(pl.col("status") == "active")["sourced_id"]
    was_removed = stored.courses.filter(pl.col("status") == "removed")["sourced_id"]
    gone = pl.concat(
        [
            courses.filter(pl.col("status") == "removed")["sourced_id"],
            was_removed.filter(~was_removed.is_in(back.implode())),
        ]
    )
    people, offered = (
        pl.concat([before["sourced_id"], made["sourced_id"]]).drop_nulls()
        for before, made in ((stored.users, users), (stored.courses, courses))
    )
    teaches = (pl.col("role") == "teacher") & pl.col("course_sourced_id").is_not_null()
    rows = checked.good["enrollments"].select(sourced_id="sourcedId", row="row")
    wanted = (
        enrollments.join(protected, on="sourced_id", how="anti")
        .filter(
            teaches,
            pl.col("user_sourced_id").is_in(people.implode()),
            pl.col("course_sourced_id").is_in(offered.implode()),
            ~pl.col("course_sourced_id").is_in(gone.implode()),
        )
        .join(rows, on="sourced_id", how="left")
        .group_by(_PAIR)
        .agg(pl.col("row").min())
        .join(stored.assignments, on=_PAIR, how="left")
        .rename({"status": "status_before"})
    )
    before = pl.col("status_before")
    added = wanted.filter(before.is_null() | (before == "removed")).select(
        *_PAIR,
        "status_before",
        "row",
        status=pl.lit("active"),
        action=pl.when(before.is_null()).then(pl.lit("add")).otherwise(pl.lit("reactivate")),
        reason=pl.lit("enrolled in a class of the course"),
    )
    kept = pl.concat([wanted.select(_PAIR), protected.filter(teaches).select(_PAIR)])
    active = stored.assignments.filter(pl.col("status") == "active")
    in_gone = pl.col("course_sourced_id").is_in(gone.implode())
    out = pl.concat(
        [active.join(kept, on=_PAIR, how="anti"), active.join(kept, on=_PAIR).filter(in_gone)]
    )
    over = _ended(stored).with_columns(over=True)
    removed = out.join(over, on=_PAIR, how="left").select(
        *_PAIR,
        status_before="status",
        row=pl.lit(None, added["row"].dtype),
        status=pl.lit("removed"),
        action=pl.lit("remove"),
        reason=pl.when(pl.col("over"))
        .then(pl.lit("the terms of its classes have ended"))
        .when(in_gone)
        .then(pl.lit("the course is removed"))
        .otherwise(pl.lit("no longer enrolled in a class of the course")),
    )
    return pl.concat([added, removed]).sort(_PAIR)


def _ended(stored: _Stored) -> pl.DataFrame:
    """Return the pairs whose classes have all ended before today."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    ends = stored.links["classes"].select(class_sourced_id="sourced_id", ends_on="ends_on")
    enrolled = stored.links["enrollments"].join(ends, on="class_sourced_id", how="left")
    is_current = (pl.col("ends_on") >= today).fill_null(value=True)
    pairs = enrolled.group_by(_PAIR).agg(is_current.any().alias("is_current"))
    return pairs.filter(~pl.col("is_current")).select(_PAIR)


def _among(column: str, rows: pl.DataFrame) -> pl.Expr:
    return pl.col(column).is_in(rows["sourcedId"].drop_nulls().implode()).fill_null(value=False)


if __name__ == "__main__":
    sync(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
