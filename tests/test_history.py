"""`explain` shows why a user or a course is as it is: who, when, from which row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roster_of import SCHOOL, changed, run_command

if TYPE_CHECKING:
    from conftest import Site


STAFF = {"users.csv": SCHOOL["users.csv"]}


def explained(site: Site, term: str) -> dict[str, Any]:
    """Return the only record that a term names."""
    code, answer = site.command("explain", term)
    assert code == 0
    (record,) = answer["records"]
    return dict(record)


def test_story_of_a_deactivated_teacher(site: Site) -> None:
    """The history of a user has time, run, reason, row and credited admin of each change."""
    renamed = changed(STAFF, "users.csv", "Bob,Ray", "Robert,Ray")
    disabled = changed(renamed, "users.csv", "bob,true", "bob,false")
    runs = [site.sync(package) for package in (STAFF, renamed, disabled)]

    record = explained(site, "bob")

    assert (record["kind"], record["status"], record["managed"]) == ("user", "inactive", True)
    assert record["protected"] is None
    changes = record["changes"]
    assert [change["action"] for change in changes] == ["add", "update", "deactivate"]
    assert [change["run_id"] for change in changes] == [run["run_id"] for run in runs]
    last = changes[-1]
    assert last["reason"] == "enabledUser is false"
    assert (last["file"], last["row"]) == ("users.csv", 3)
    assert last["credited_to"] == "admin@district.example"
    assert last["requested_by"] == runs[-1]["requested_by"]
    assert last["made_at"].endswith("+00:00")
    assert last["fields"] == {"status": ["active", "inactive"]}
    assert changes[1]["fields"] == {"given_name": ["Bob", "Robert"]}

    code, words = run_command(site, "explain", "BOB@x.org")
    assert code == 0
    first, *lines = words.splitlines()
    assert first == "user bob: inactive"
    assert len(lines) == 3
    assert "deactivate user bob" in lines[-1]
    assert "enabledUser is false (users.csv row 3)" in lines[-1]
    assert runs[-1]["run_id"] in lines[-1]
    assert "credited to admin@district.example" in lines[-1]


def test_assignments_are_part_of_both_stories(site: Site) -> None:
    """The history of a user has the user's assignments, that of a course its assignments."""
    site.sync(SCHOOL)
    of_bob = [c for c in explained(site, "bob")["changes"] if c["kind"] == "assignment"]
    of_art = [c for c in explained(site, "art")["changes"] if c["kind"] == "assignment"]
    assert [(c["user_sourced_id"], c["course_sourced_id"]) for c in of_bob] == [("bob", "art")]
    assert of_art == of_bob
    assert (of_bob[0]["file"], of_bob[0]["row"]) == ("enrollments.csv", 3)


def test_found_by_address_or_sourced_id(site: Site) -> None:
    """A user is found by e-mail in any spelling, and by the exact sourcedId."""
    site.sync(STAFF)
    assert explained(site, "Ann@X.org")["sourced_id"] == "ann"
    assert explained(site, "ann")["email"] == "ann@x.org"
    code, answer = site.command("explain", "ANN")
    assert (code, answer["records"]) == (1, [])
    assert "has no user or course ANN" in run_command(site, "explain", "ANN")[1]


def test_user_and_course_of_one_sourced_id_are_both_explained(site: Site) -> None:
    """A sourcedId that a user and a course share names both."""
    site.sync(
        {
            **changed(STAFF, "users.csv", "ann,", "7,"),
            "courses.csv": "sourcedId,title\n7,Art\n",
        }
    )
    kinds = [record["kind"] for record in site.command("explain", "7")[1]["records"]]
    assert kinds == ["user", "course"]


def test_why_a_record_is_protected(site: Site) -> None:
    """`explain` names the reason why the credited admin or a hand-made record is protected."""
    site.sync(changed(STAFF, "users.csv", "cec@x.org", "admin@district.example"))
    record = explained(site, "cec")
    assert record["protected"] == "it is the credited administrator"
    assert [change["action"] for change in record["changes"]] == ["adopt"]
    site.sync(changed(STAFF, "users.csv", "cec,", "zoe,"))
    site.command("preferences", "--set", "credited_admin=ann@x.org")
    assert explained(site, "cec")["protected"] == (
        "it was made by hand and is not managed by the sync"
    )
    assert "protected because it is the credited" in run_command(site, "explain", "ann")[1]


def test_findings_about_a_record_are_listed(site: Site) -> None:
    """`explain` lists the findings about a record, each with run, code and row."""
    site.sync(STAFF)
    run = site.sync(changed(STAFF, "users.csv", "Bob,Ray", ",Ray"))
    (finding,) = explained(site, "bob")["findings"]
    assert (finding["code"], finding["row"], finding["column"]) == (
        "row.missing_required_value",
        3,
        "givenName",
    )
    assert finding["run_id"] == run["run_id"]


def test_history_is_of_one_site(site: Site) -> None:
    """A history is of one site, even if two sites share sourcedIds and e-mails."""
    other = type(site)(f"{site.name}-b", site.folder)
    other.command("init", "--admin", "admin@district.example")
    run = site.sync(STAFF)
    assert other.command("explain", "bob")[0] == 1
    other.sync(site.package(STAFF))
    runs = {change["run_id"] for change in explained(site, "bob")["changes"]}
    assert runs == {run["run_id"]}
