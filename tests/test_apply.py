"""Apply writes the plan, its audit rows and the run's record in one transaction or not at all."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from oneroster_sync import database, pipeline, runs
from oneroster_sync.database import locks
from oneroster_sync.findings import SCHEMA
from oneroster_sync.pipeline import begin
from oneroster_sync.roster.columns import COURSE_FIELDS, USER_FIELDS
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.stages import apply as applying
from oneroster_sync.stages.apply import NotApprovedError
from oneroster_sync.stages.diff.plan import Counts, DefectivePlanError, read_plan
from oneroster_sync.standard.kinds import Kind
from roster_of import SCHOOL, changed, diffed, now, request_of, reviewed

if TYPE_CHECKING:
    from conftest import Site
    from oneroster_sync.runs import Run

FIELDS = {
    "user": ("sourced_id", *USER_FIELDS, "status", "managed"),
    "course": ("sourced_id", *COURSE_FIELDS, "status", "managed"),
}
"""The columns that an image of the audit holds, for each kind."""

CHANGES = """
select c.kind, c.action, c.sourced_id, u.sourced_id, k.sourced_id, c.before, c.after
from changes c
left join users u on u.id = c.user_id
left join courses k on k.id = c.course_id
where c.run_id::text = :run_id
"""
MUCH = {
    "users.csv": """\
sourcedId,enabledUser,role,username,givenName,familyName,email
ann,true,teacher,alee,Anna,Lee,ann@x.org
cec,false,aide,cpoe,Cec,Poe,cec@x.org
dan,true,teacher,dan,Dan,Fox,dan@x.org
boss,true,teacher,boss,Boss,Boss,admin@district.example
""",
    "courses.csv": "sourcedId,title,courseCode\nmaths,Mathematics,M1\nbio,Biology,B1\n",
    "classes.csv": "sourcedId,title,courseSourcedId\nm1,Maths 1,maths\nb1,Bio 1,bio\n",
    "enrollments.csv": """\
sourcedId,classSourcedId,userSourcedId,role
e1,m1,dan,teacher
e2,b1,ann,teacher
""",
}
"""A day on which the school has changes of every kind."""


@pytest.fixture
def school(site: Site) -> Site:
    """Return a site that has synced the school."""
    assert site.sync(SCHOOL)["outcome"] == "succeeded"
    return site


def images(site: Site) -> dict[tuple[str, Any], dict[str, Any]]:
    """Return every record of a site by kind and key, with the columns of the audit's images."""
    found: dict[tuple[str, Any], dict[str, Any]] = {}
    for kind, names in FIELDS.items():
        query = f"select {', '.join(names)} from {kind}s where site = :site"  # noqa: S608
        rows = (row for row in site.rows(query) if row[0] is not None)
        found |= {(kind, row[0]): dict(zip(names, row, strict=True)) for row in rows}
    for pair, status in site.assignments().items():
        found["assignment", pair] = {"status": status}
    return found


def audit(site: Site, run_id: str) -> dict[tuple[str, Any], tuple[str, Any, Any]]:
    """Return action, before and after of each change in a run's audit rows."""
    return {
        (kind, (user, course) if kind == "assignment" else sourced_id): (action, before, after)
        for kind, action, sourced_id, user, course, before, after in site.rows(
            CHANGES, run_id=run_id
        )
    }


def everything(site: Site) -> list[list[tuple[Any, ...]]]:
    """Return all rows of a site's roster, of its audit, and of the files stored for it."""
    tables = "users courses course_assignments orgs roles classes enrollments changes sites"
    return [
        site.rows(f"select t.* from {table} t where site = :site order by t::text")  # noqa: S608
        for table in tables.split()
    ]


def version(site: Site) -> int:
    """Return how many plans have been applied to a site."""
    return int(site.rows("select roster_version from sites where site = :site")[0][0])


def test_changes_are_differences_are_counts(school: Site) -> None:
    """The differences in the database, the audit rows and the run's counts are the same."""
    before = images(school)
    run = school.sync(MUCH)
    after, audited = images(school), audit(school, run["run_id"])

    differing = {key for key in before | after if before.get(key) != after.get(key)}
    assert differing == set(audited)
    actions: dict[str, int] = {}
    for (kind, _), (action, _, _) in audited.items():
        actions[f"{kind} {action}"] = actions.get(f"{kind} {action}", 0) + 1
    users, courses, assignments = (run["counts"][k] for k in ("users", "courses", "assignments"))
    assert actions == {
        "user add": users["added"],
        "user adopt": users["adopted"],
        "user update": users["updated"],
        "user deactivate": users["deactivated"],
        "course add": courses["added"],
        "course update": courses["updated"],
        "course remove": courses["removed"],
        "assignment add": assignments["added"],
        "assignment remove": assignments["removed"],
    }


def test_audit_shows_each_record_before_and_after(school: Site) -> None:
    """The images in the audit are the records before and after the run."""
    before = images(school)
    run = school.sync(MUCH)
    after = images(school)
    for key, (action, was, became) in audit(school, run["run_id"]).items():
        assert became == after[key], key
        if action == "adopt":
            assert was == {**after[key], "sourced_id": None}
        else:
            assert was == before.get(key), key


def test_audit_names_person_account_and_place(school: Site) -> None:
    """Every audit row names the requester, the credited admin, time, reason, and row if any."""
    run = school.sync(MUCH)
    rows = school.rows(
        "select c.kind, c.action, c.requested_by, a.email, c.made_at is not null, c.reason, "
        "c.file, c.row from changes c join users a on a.id = c.credited_admin_id "
        "where c.run_id::text = :run_id",
        run_id=run["run_id"],
    )
    assert {row[2:5] for row in rows} == {(run["requested_by"], "admin@district.example", True)}
    assert ("user", "add", "in the package", "users.csv", 4) in {(*r[:2], *r[5:]) for r in rows}
    assert ("user", "deactivate", "absent from the file", "users.csv", None) in {
        (*r[:2], *r[5:]) for r in rows
    }
    assert all(reason for *_, reason, _, _ in rows)


def test_unmanaged_records_are_untouched(school: Site) -> None:
    """The sync changes nothing of hand-made accounts and the credited admin but a sourcedId."""
    query = "select * from users where site = :site and not managed order by id"
    ((admin, *others),) = [school.rows(query)]
    school.sync(MUCH)
    ((linked, *more),) = [school.rows(query)]
    assert others == more == []
    moved = [
        (was, became)
        for was, became in zip(admin, linked, strict=True)
        if was != became and not hasattr(was, "tzinfo")
    ]
    assert moved == [(None, "boss")]


def test_roster_version_counts_applied_plans(school: Site) -> None:
    """A plan with changes adds one to the roster version; an empty plan does not."""
    assert version(school) == 1
    school.sync(SCHOOL)
    assert version(school) == 1
    run = school.sync(MUCH)
    assert version(school) == 2
    assert school.rows(
        "select base_version, applied_version from runs where run_id::text = :run_id",
        run_id=run["run_id"],
    ) == [(1, 2)]


def test_links_are_stored_with_an_empty_plan(school: Site) -> None:
    """Enrollments with new sourcedIds are stored, although no user or course changes."""
    run = school.sync(changed(SCHOOL, "enrollments.csv", "e1,", "new,"))
    assert run["outcome"] == "no_changes"
    ids = "select sourced_id from enrollments where site = :site order by 1"
    assert school.rows(ids) == [("e2",), ("e3",), ("new",)]


def tamper(run: Run, table: str, column: str, value: str) -> None:
    """Change a cell of the plan in the run's folder."""
    folder = RunFolder.of(run.site, run.run_id)
    frozen = folder.read_tables("plan")[table]
    at = frozen.column_names.index(column)
    values = [value, *frozen[column].to_pylist()[1:]]
    folder.add_table(
        "plan", table, frozen.set_column(at, frozen.schema.field(at), pa.array(values, pa.string()))
    )


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("users", "after_email", "thief@x.org"),
        ("users", "after_role", "administrator"),
        ("courses", "after_title", "Something else"),
        ("assignments", "course_sourced_id", "maths"),
        ("links.classes", "course_sourced_id", "maths"),
    ],
)
def test_plan_that_was_tampered_with_is_not_applied(
    site: Site, table: str, column: str, value: str
) -> None:
    """A plan with another hash than the recorded one is refused, and nothing changes."""
    run = reviewed(site, MUCH)
    tamper(run, table, column, value)
    before = everything(site)
    with pytest.raises(DefectivePlanError, match=run.plan_hash):
        pipeline.apply(run, now=now())
    assert everything(site) == before


def test_base_version_that_was_tampered_with_is_not_applied(school: Site) -> None:
    """The base version comes from the run's record, not from the plan's file."""
    stale = diffed(school, SCHOOL)
    school.sync(MUCH)
    folder = RunFolder.of(stale.site, stale.run_id)
    folder.write_json("plan", {**folder.read_json("plan"), "base_version": version(school)})
    pipeline.apply(pipeline.review(stale, now=now()), now=now())
    assert school.users()["bob"] == "active"
    assert school.sync(SCHOOL)["outcome"] == "no_changes"


def test_second_apply_does_nothing(site: Site) -> None:
    """A second apply of a run changes nothing and returns the first result."""
    run = reviewed(site, SCHOOL)
    first = pipeline.apply(run, now=now())
    before = everything(site)
    again = pipeline.apply(run, now=now())
    assert again == first
    assert everything(site) == before


def test_earlier_stages_of_an_applied_run_change_nothing(site: Site) -> None:
    """An applied run that starts again, as a cleared task does, finds its recorded outcome."""
    request = request_of(site, SCHOOL)
    for _ in range(2):
        run = begin(request, now=now())
        if run.outcome is None:
            run = pipeline.diff(pipeline.validate(pipeline.extract(run, Kind.PACKAGE)))
            run = pipeline.apply(pipeline.review(run, now=now()), now=now())
        run = pipeline.record(run, now=now())
        assert run.outcome == "succeeded"
    assert version(site) == 1
    assert len(audit(site, run.run_id)) == 7


def apply_by_force(run: Run) -> None:
    """Apply a run's plan without a check of the run's outcome."""
    applying.apply_plan(
        database.engine(),
        run.run_id,
        read_plan(run),
        Counts(),
        SCHEMA.empty_table(),
        {},
        now=now(),
    )


def test_held_plan_is_not_applied_without_a_decision(school: Site) -> None:
    """Apply itself refuses a held plan without a decision, whatever calls it."""
    run = reviewed(school, changed(SCHOOL, "enrollments.csv", _rows(SCHOOL), ""))
    assert run.outcome == "held"
    before = everything(school)
    with pytest.raises(NotApprovedError, match=run.run_id):
        apply_by_force(run)
    assert everything(school) == before


def test_plan_that_was_not_reviewed_is_reviewed_first(school: Site) -> None:
    """Apply refuses a plan without a recorded review, and the pipeline reviews it first."""
    run = diffed(school, changed(SCHOOL, "enrollments.csv", _rows(SCHOOL), ""))
    before = everything(school)
    with pytest.raises(NotApprovedError, match="has not been reviewed"):
        apply_by_force(run)
    assert pipeline.apply(run, now=now()).outcome == "held"
    assert everything(school) == before


def _rows(package: dict[str, str]) -> str:
    """Return the rows of enrollments.csv without the header."""
    return package["enrollments.csv"].split("\n", 1)[1]


@pytest.mark.parametrize("ended", ["rejected", "discarded", "superseded", "failed", "skipped"])
def test_run_that_ended_is_not_applied(site: Site, ended: str) -> None:
    """A run that ended with another outcome is never applied."""
    run = reviewed(site, {"users.csv": SCHOOL["users.csv"]})
    with database.engine().begin() as connection:
        runs.update(connection, run.run_id, outcome=ended)
    with pytest.raises(NotApprovedError, match=ended):
        apply_by_force(run)
    assert site.users() == {}


@pytest.mark.case("b15")
def test_stale_plan_is_made_again(school: Site) -> None:
    """A plan without approval is made again if another plan was applied in the meantime."""
    renamed = changed(SCHOOL, "users.csv", "Bob,Ray", "Robert,Ray")
    stale = reviewed(school, renamed)
    newer = school.sync(MUCH)
    assert newer["outcome"] == "succeeded"

    run = pipeline.record(pipeline.apply(stale, now=now()), now=now())

    assert run.outcome == "succeeded"
    assert run.plan_hash != stale.plan_hash
    assert (stale.base_version, run.base_version) == (1, 2)
    audited = audit(school, run.run_id)
    assert audited["user", "bob"][0] == "reactivate"
    assert audited["user", "bob"][2]["given_name"] == "Robert"
    assert school.sync(renamed)["outcome"] == "no_changes"


def test_stale_plan_is_judged_again(school: Site) -> None:
    """A plan that is made again goes through the guards again, and is held if they say so."""
    everybody = changed(
        {"users.csv": SCHOOL["users.csv"]},
        "users.csv",
        "cec,",
        "".join(f"u{n},true,aide,u{n},U,N,u{n}@x.org\n" for n in range(10)) + "cec,",
    )
    stale = reviewed(school, SCHOOL)
    assert stale.outcome is None
    school.sync(everybody)
    run = pipeline.record(pipeline.apply(stale, now=now()), now=now())
    assert run.outcome == "held"
    assert run.reasons[0].startswith("guard.removals: 10 of 13 users")
    assert school.users()["u1"] == "active"


def test_findings_are_stored_with_the_run(site: Site) -> None:
    """A run's findings are stored once, even if stages are repeated."""
    run = reviewed(site, changed(SCHOOL, "users.csv", "Bob,Ray", ",Ray"))
    run = pipeline.review(pipeline.diff(pipeline.validate(run)), now=now())
    run = pipeline.record(pipeline.apply(run, now=now()), now=now())
    run = pipeline.record(run, now=now())
    errors = [
        (code, file, row)
        for code, file, row in site.rows(
            "select code, file, row from run_findings where run_id::text = :run_id "
            "and severity = 'error' order by seq",
            run_id=run.run_id,
        )
    ]
    assert errors == [
        ("row.missing_required_value", "users.csv", 3),
        ("reference.target_quarantined", "enrollments.csv", 3),
    ]
    assert run.findings is not None
    assert run.findings["errors"] == 2


def test_runs_of_a_site_take_turns(site: Site) -> None:
    """A second run of a site waits for the first; runs of other sites don't wait."""
    engine = database.engine()
    with locks.hold_site_turn(engine, site.name):
        with pytest.raises(locks.BusyError), locks.hold_site_turn(engine, site.name, wait_s=0):
            pass
        with locks.hold_site_turn(engine, f"{site.name}-other", wait_s=0):
            pass
    with locks.hold_site_turn(engine, site.name, wait_s=0):
        pass


def test_refused_changes_are_a_failed_run(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """If the database refuses a plan, nothing changes, the run fails, and no name is logged."""
    constraint = f"constraint no_bob check (site <> '{site.name}' or given_name <> 'Bob')"
    with database.engine().begin() as connection:
        connection.exec_driver_sql(f"alter table users add {constraint} not valid")
    before = everything(site)
    try:
        with pytest.raises(Exception, match="no_bob") as caught:
            pipeline.sync(request_of(site, SCHOOL), clock=now)
    finally:
        with database.engine().begin() as connection:
            connection.exec_driver_sql("alter table users drop constraint no_bob")
    assert everything(site) == before
    ((outcome, reasons),) = site.rows("select outcome, reasons from runs where site = :site")
    assert outcome == "failed"
    assert "nothing was changed" in reasons
    output = "".join(traceback.format_exception(caught.value)) + caplog.text + str(reasons)
    assert "bob@x.org" not in output
    assert "Ray" not in output
