"""The changes and findings of a run, page by page: the same before and after its approval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from conftest import Site
from oneroster_sync import database, runs
from oneroster_sync.runs import run_details
from oneroster_sync.runs.artifacts import all_findings
from oneroster_sync.stages.diff.plan import read_plan
from oneroster_sync.stages.diff.preview import page_of_plan
from oneroster_sync.stages.validate.data_docs import read_report
from roster_of import SCHOOL, changed

NEXT_DAY = {
    "users.csv": """\
sourcedId,enabledUser,role,username,givenName,familyName,email
ann,true,teacher,alee,Anna,Lee,ann@x.org
cec,false,aide,cpoe,Cec,Poe,cec@x.org
dan,true,teacher,dan,Dan,Fox,dan@x.org
boss,true,administrator,boss,Boss,Bee,admin@district.example
""",
    "courses.csv": "sourcedId,title,courseCode\nmaths,Mathematics,M1\nbio,Biology,B1\nold,Old,O1\n",
    "classes.csv": "sourcedId,title,courseSourcedId\nm1,Maths 1,maths\nb1,Bio 1,bio\n",
    "enrollments.csv": """\
sourcedId,classSourcedId,userSourcedId,role
e1,m1,dan,teacher
e2,b1,ann,teacher
""",
}
WITH_OLD = changed(SCHOOL, "courses.csv", "art,Art", "old,Old,O1\nart,Art")
FIELDS = {"kind", "action", "sourced_id", "label", "fields", "reason", "file", "row"}
FIELDS |= {"schools", "role", "email"}


def of_plan(run: dict[str, Any], **asked: Any) -> tuple[list[dict[str, Any]], int | None]:
    """Return a page of a plan's changes."""
    with database.engine().connect() as connection:
        plan = read_plan(runs.find(run["run_id"]))
        return page_of_plan(connection, plan, **{"limit": 100, **asked})


def of_audit(run: dict[str, Any], **asked: Any) -> tuple[list[dict[str, Any]], int | None]:
    """Return a page of a run's changes."""
    with database.engine().connect() as connection:
        return run_details.page_of_changes(connection, run["run_id"], **{"limit": 100, **asked})


def all_pages(page: Any, run: dict[str, Any], limit: int, **asked: Any) -> list[dict[str, Any]]:
    """Return the changes of all pages; no page is empty or longer than the limit."""
    found, after = [], 0
    while True:
        changes, following = page(run, after=after, limit=limit, **asked)
        assert len(changes) <= limit
        found += changes
        if following is None:
            return found
        assert len(changes) == limit
        assert following > after
        after = following


def in_one_order(changes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return changes sorted by name, so that those of a plan and of an audit can be compared."""
    names = sorted(FIELDS - {"fields"})
    plain = [
        (
            *(change[name] for name in ("kind", "label", *names)),
            sorted(change["fields"], key=lambda moved: str(moved["field"])),
        )
        for change in changes
    ]
    return sorted(plain, key=lambda change: change[:2])


def short(changes: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return kind, action and label of changes."""
    return [(change["kind"], change["action"], change["label"]) for change in changes]


@dataclass(frozen=True)
class Story:
    """A run that was held and then approved, with the changes of its plan before the approval."""

    site: Site
    run: dict[str, Any]
    planned: list[dict[str, Any]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A run with changes of every kind: to users, to courses and to assignments."""
    site = Site("run-details", tmp_path_factory.mktemp("run-details"))
    site.command("init", "--admin", "admin@district.example")
    site.sync(WITH_OLD)
    site.sync(SCHOOL)
    site.command("preferences", "--set", 'guards={"users": {"cap": 0}}')
    run = site.sync(NEXT_DAY)
    assert run["outcome"] == "held"
    planned, following = of_plan(run)
    assert following is None
    assert site.command("approve", run["run_id"])[1]["outcome"] == "succeeded"
    return Story(site, run, planned)


def test_changes_are_narrowed_to_a_school(site: Site) -> None:
    """The planned and the applied changes of a school are the same, with the person's role."""
    orgs = "sourcedId,name,type\nlake,Lake School,school\nhill,Hill School,school\n"
    head = "sourcedId,enabledUser,role,username,givenName,familyName,email,orgSourcedIds\n"

    def staff(*rows: str) -> dict[str, str]:
        return {"orgs.csv": orgs, "users.csv": head + "".join(f"{row}\n" for row in rows)}

    ann, bob = "ann,true,teacher,ann,Ann,Lee,ann@x.org,lake", "bob,true,aide,bob,Bob,Fox,b@x.org,"
    site.sync(staff(ann, f'{bob}"lake,hill"', "cec,true,teacher,cec,Cec,May,c@x.org,hill"))
    site.command("preferences", "--set", 'guards={"users": {"cap": 0}}')
    run = site.sync(staff(ann.replace("Ann", "Anna")))
    assert run["outcome"] == "held"
    expected = {
        "lake": [
            ("update", "ann", ["lake"], "teacher"),
            ("deactivate", "bob", ["hill", "lake"], "aide"),
        ],
        "hill": [
            ("deactivate", "bob", ["hill", "lake"], "aide"),
            ("deactivate", "cec", ["hill"], "teacher"),
        ],
        "elsewhere": [],
    }

    def summarize(page: Any, school: str) -> list[tuple[Any, ...]]:
        changes, _ = page(run, school=school)
        return [
            (change["action"], change["sourced_id"], change["schools"], change["role"])
            for change in changes
        ]

    assert {school: summarize(of_plan, school) for school in expected} == expected
    assert site.command("approve", run["run_id"])[1]["outcome"] == "succeeded"
    assert {school: summarize(of_audit, school) for school in expected} == expected


def test_plan_lists_its_changes(story: Story) -> None:
    """A held plan lists every change by kind, action and name, with reason and row."""
    assert {frozenset(change) for change in story.planned} == {frozenset(FIELDS)}
    assert short(story.planned) == [
        ("user", "update", "Anna Lee"),
        ("user", "deactivate", "Bob Ray"),
        ("user", "adopt", "admin@district.example"),
        ("user", "deactivate", "Cec Poe"),
        ("user", "add", "Dan Fox"),
        ("course", "remove", "Art"),
        ("course", "add", "Biology"),
        ("course", "update", "Mathematics"),
        ("course", "reactivate", "Old"),
        ("assignment", "add", "Anna Lee → Biology"),
        ("assignment", "remove", "Anna Lee → Mathematics"),
        ("assignment", "remove", "Bob Ray → Art"),
        ("assignment", "add", "Dan Fox → Mathematics"),
    ]
    ann, bob = story.planned[:2]
    assert ann["fields"] == [
        {"field": "given_name", "label": "given name", "before": "Ann", "after": "Anna"}
    ]
    assert (ann["sourced_id"], ann["file"], ann["row"]) == ("ann", "users.csv", 2)
    assert bob["fields"] == [
        {"field": "status", "label": "status", "before": "active", "after": "inactive"}
    ]
    assert (bob["reason"], bob["row"]) == ("absent from the file", None)


def test_plan_and_audit_list_the_same_changes(story: Story) -> None:
    """The changes after an approval are those that the plan showed before."""
    assert in_one_order(of_audit(story.run)[0]) == in_one_order(story.planned)


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 13, 14])
@pytest.mark.parametrize("asked", [{}, {"kind": "course"}, {"action": "add"}, {"q": "ann"}])
@pytest.mark.parametrize("page", [of_plan, of_audit])
def test_pages_have_each_change_once(
    story: Story, page: Any, limit: int, asked: dict[str, str]
) -> None:
    """Every requested change is on exactly one page and in order, planned or applied."""
    whole, following = page(story.run, **asked)
    assert following is None
    assert len(whole) > 1
    assert all_pages(page, story.run, limit, **asked) == whole


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"kind": "user"}, 5),
        ({"action": "add"}, 4),
        ({"kind": "assignment", "action": "remove"}, 2),
        ({"kind": "course", "action": "adopt"}, 0),
    ],
)
def test_changes_are_chosen_by_kind_and_action(
    story: Story, asked: dict[str, str], count: int
) -> None:
    """Filters by kind, by action, and by both select the same changes in plan and audit."""
    planned, applied = (in_one_order(page(story.run, **asked)[0]) for page in (of_plan, of_audit))
    assert len(planned) == count
    assert planned == applied


@pytest.mark.parametrize(
    ("q", "labels"),
    [
        ("DAN", ["Dan Fox"]),
        ("fox", ["Dan Fox"]),
        ("dan fox", ["Dan Fox"]),
        ("ann@x", ["Anna Lee"]),
        ("B1", ["Biology"]),
        ("bob", ["Bob Ray"]),
        ("Mathematics", ["Mathematics"]),
        ("nobody", []),
        ("%", []),
        ("_", []),
        ("a.b", []),
        ("\\", []),
        ("'", []),
    ],
)
@pytest.mark.parametrize("page", [of_plan, of_audit])
def test_search_takes_words_literally(story: Story, page: Any, q: str, labels: list[str]) -> None:
    """A search finds names, addresses, titles, codes and sourcedIds, and has no wildcards."""
    found = [c["label"] for c in page(story.run, q=q)[0] if c["kind"] != "assignment"]
    assert found == labels


def test_undo_lists_its_changes(site: Site) -> None:
    """The changes of an undo are listed like those of any run, reversed and with the reason."""
    site.sync(WITH_OLD)
    run = site.sync(NEXT_DAY)
    site.command("preferences", "--set", 'guards={"users": {"cap": 0}}')
    undone = site.command("undo", run["run_id"])[1]
    assert undone["outcome"] == "held"
    planned, _ = of_plan(undone, undoes=True)
    back = {(c["kind"], c["label"]): c for c in planned}
    assert back["user", "Bob Ray"]["action"] == "reactivate"
    assert back["user", "Dan Fox"]["action"] == "deactivate"
    assert back["user", "Ann Lee"]["fields"] == [
        {"field": "given_name", "label": "given name", "before": "Anna", "after": "Ann"}
    ]
    assert {change["reason"] for change in planned} == {f"undo of run {run['run_id']}"}
    assert {(change["file"], change["row"]) for change in planned} == {(None, None)}
    assert len(planned) == sum(
        count
        for kind in run["counts"].values()
        for word, count in kind.items()
        if word not in {"errors", "ignored"}
    )
    assert site.command("approve", undone["run_id"])[1]["outcome"] == "succeeded"
    assert in_one_order(of_audit(undone)[0]) == in_one_order(planned)


def test_logins_are_not_shown(site: Site) -> None:
    """The normalised login is internal: a changed address is one field, not two."""
    site.sync(SCHOOL)
    run = site.sync(changed(SCHOOL, "users.csv", "ann@x.org", "Ann.Lee@x.org"))
    (change,), _ = of_audit(run)
    assert change["fields"] == [
        {
            "field": "email",
            "label": "e-mail address",
            "before": "ann@x.org",
            "after": "Ann.Lee@x.org",
        }
    ]


def test_findings_come_in_order_and_page_by_page(site: Site) -> None:
    """Every finding of a run comes once, in its order, with its meaning and what to do."""
    run = site.sync(changed(SCHOOL, "users.csv", "Ann,Lee", ",Lee"))

    def page(run: dict[str, Any], **asked: Any) -> tuple[list[dict[str, Any]], int | None]:
        with database.engine().connect() as connection:
            return run_details.page_of_findings(connection, run["run_id"], **asked)

    found = all_pages(page, run, 7)
    assert [(f["code"], f["file"], f["row"]) for f in found] == site.findings(run)
    assert [f["seq"] for f in found] == list(range(1, len(found) + 1))
    assert all(f["meaning"] and f["hint"] for f in found)

    (blank,) = all_pages(page, run, 9, severity="error", file="users.csv")
    assert (blank["code"], blank["row"], blank["column"], blank["sourced_id"]) == (
        "row.missing_required_value",
        2,
        "givenName",
        "ann",
    )
    assert all_pages(page, run, 9, code=blank["code"], column="givenName") == [blank]
    assert all_pages(page, run, 9, q="GIVENname", severity="error") == [blank]
    for q in ("%", "_", "\\", "' or 1=1 --"):
        assert all(q in str(f) for f in all_pages(page, run, 9, q=q))


def test_report_holds_numbers_and_no_values(site: Site) -> None:
    """The report has for each expectation the number of failed rows, and never a value."""
    package = changed(SCHOOL, "users.csv", "Ann,Lee,ann@x.org", "Zqgiven,,zq no address")
    run = site.sync(changed(package, "users.csv", "ann,true", "ann,zqflag"))
    report = read_report(runs.find(run["run_id"]))
    assert report is not None
    assert "zq" not in str(report).lower()
    (users,) = (suite for suite in report if suite["file"] == "users.csv")
    assert (users["rows"], users["success"]) == (3, False)
    failed = {
        (e["column"], e["code"], e["unexpected"]) for e in users["expectations"] if not e["success"]
    }
    assert ("familyName", "row.missing_required_value", 1) in failed
    assert ("enabledUser", "row.invalid_boolean", 1) in failed
    assert all(e["checked"] <= 3 for e in users["expectations"])
    errors = {code for code, _, _ in failed_codes(run)}
    assert {"row.missing_required_value", "row.invalid_boolean"} <= errors


def failed_codes(run: dict[str, Any]) -> set[tuple[str, str | None, int | None]]:
    """Return code, file and row of the findings in the folder of a run."""
    rows = all_findings(runs.find(run["run_id"])).to_pylist()
    return {(row["code"], row["file"], row["row"]) for row in rows}


def test_run_without_validation_has_no_report(site: Site) -> None:
    """A package that extract rejects has no report."""
    run = site.sync({"users.csv": ""})
    assert run["outcome"] == "rejected"
    assert read_report(runs.find(run["run_id"])) is None
