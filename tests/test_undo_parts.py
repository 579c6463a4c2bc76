"""Undo in parts: one kind, one record, what changed since, and what deltas go by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roster_of import SCHOOL, as_delta, changed, said
from test_undo import ANN, BOB, NEXT_DAY, roster, staff

if TYPE_CHECKING:
    from conftest import Site


def undone(site: Site, run: dict[str, Any], *options: str) -> dict[str, Any]:
    """Take a run back, or a part of it."""
    return site.command("undo", run["run_id"], *options)[1]


def test_one_kind_is_taken_back(site: Site) -> None:
    """Courses go back as they were; users and what they teach stay as the run made them."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    before = roster(site)
    taken = undone(site, run, "--kind", "course")
    assert taken["outcome"] == "succeeded"
    assert sum(taken["counts"]["users"].values()) == 0
    assert site.courses() == {"art": "active", "maths": "active", "bio": "removed"}
    assert roster(site)[0] == before[0]


def test_one_record_is_taken_back_with_its_assignments(site: Site) -> None:
    """What the run did to one person is taken back, and to nobody else."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    taken = undone(site, run, "--record", "dan")
    assert taken["counts"]["users"] == {**taken["counts"]["users"], "deactivated": 1, "updated": 0}
    assert site.users()["dan"] == "inactive"
    assert site.users()["ann"] == "active"
    assert site.assignments()["dan", "maths"] == "removed"
    assert site.assignments()["ann", "bio"] == "active"


def test_one_record_that_the_run_did_not_touch_changes_nothing(site: Site) -> None:
    """Where there is nothing to take back, nothing is done."""
    site.sync(staff(ANN, BOB))
    run = site.sync(staff(ANN))
    assert undone(site, run, "--record", "ann")["outcome"] == "no_changes"


def test_what_changed_since_is_put_back_if_chosen(site: Site) -> None:
    """Chosen, a record goes back to what it was before the run, whatever came after."""
    site.sync(staff(ANN, BOB))
    run = site.sync(staff("ann,Anna,ann@x.org", "bob,Robert,bob@x.org"))
    site.sync(staff("ann,Annette,ann@x.org", "bob,Robert,bob@x.org"))
    taken = undone(site, run, "--changed-too")
    assert taken["counts"]["users"]["updated"] == 2
    names = "select given_name from users where site = :site and managed order by sourced_id"
    assert site.rows(names) == [("Ann",), ("Bob",)]


def test_what_is_as_it_was_already_is_no_change(site: Site) -> None:
    """A record that somebody put back before the undo is left out of its plan."""
    site.sync(staff(ANN, BOB))
    run = site.sync(staff(ANN))
    site.sync(staff(ANN, BOB))
    assert undone(site, run, "--changed-too")["outcome"] == "no_changes"


def test_what_is_as_it_was_already_is_not_left_alone(site: Site) -> None:
    """Chosen too, an assignment that came back by itself is no exception that is told of."""
    site.sync(SCHOOL)
    run = site.sync(changed(SCHOOL, "enrollments.csv", "e2,a1,bob,teacher\n", ""))
    site.sync(SCHOOL)
    told = [said(site, "undo", run["run_id"], *more) for more in ((), ("--changed-too",))]
    assert ["left alone" in text for _, text in told] == [True, False]


def enrolled(site: Site) -> list[tuple[Any, ...]]:
    """Return the enrollments that deltas go by."""
    query = "select sourced_id, user_sourced_id from enrollments where site = :site order by 1"
    return site.rows(query)


def test_delta_after_an_undo_finds_what_was_before(site: Site) -> None:
    """An undo puts back what deltas go by: a later delta does not take the assignment again."""
    site.sync(SCHOOL)
    before = enrolled(site)
    gone = "sourcedId,status,dateLastModified,classSourcedId,userSourcedId,role\n"
    delta = as_delta(
        "1.1",
        {"enrollments.csv": f"{gone}e2,tobedeleted,2026-11-20T00:00:00Z,a1,bob,teacher\n"},
    )
    run = site.sync(delta)
    assert site.assignments()["bob", "art"] == "removed"
    assert len(enrolled(site)) == len(before) - 1

    assert undone(site, run)["outcome"] == "succeeded"

    assert enrolled(site) == before
    assert site.assignments()["bob", "art"] == "active"
    other = as_delta(
        "1.1",
        {"enrollments.csv": f"{gone}e9,active,2026-11-21T00:00:00Z,m1,bob,teacher\n"},
    )
    site.sync(other)
    assert site.assignments()["bob", "art"] == "active"
    assert site.assignments()["bob", "maths"] == "active"


def test_enrollments_that_moved_since_are_left_alone(site: Site) -> None:
    """What a later run brought is not taken out by the undo of an earlier one."""
    site.sync(SCHOOL)
    run = site.sync(changed(SCHOOL, "enrollments.csv", "e2,a1,bob,teacher\n", ""))
    site.sync(SCHOOL)
    before = enrolled(site)
    undone(site, run)
    assert enrolled(site) == before


def test_undo_of_one_record_moves_its_enrollments_only(site: Site) -> None:
    """Of one person, what deltas go by is put back for that person."""
    site.sync(SCHOOL)
    fewer = changed(SCHOOL, "enrollments.csv", "e1,m1,ann,teacher\ne2,a1,bob,teacher\n", "")
    run = site.sync(fewer)
    assert enrolled(site) == [("e3", "cec")]
    undone(site, run, "--record", "bob")
    assert enrolled(site) == [("e2", "bob"), ("e3", "cec")]
    assert site.assignments() == {("ann", "maths"): "removed", ("bob", "art"): "active"}


def test_undo_survives_the_loss_of_its_files(site: Site) -> None:
    """Without the run's folder the records go back all the same."""
    from oneroster_sync.runs.artifacts import RunFolder

    site.sync(staff(ANN, BOB))
    run = site.sync(staff(ANN))
    for name in ("plan", "before"):
        RunFolder.of(site.name, run["run_id"]).remove(name)
    assert undone(site, run)["outcome"] == "succeeded"
    assert site.users() == {"ann": "active", "bob": "active"}
