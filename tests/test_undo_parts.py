"""Undo in parts: one record type, one record, later changes, and stored links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roster_of import SCHOOL, as_delta, changed, run_command
from test_undo import ANN, BOB, NEXT_DAY, roster, staff

if TYPE_CHECKING:
    from conftest import Site


def undone(site: Site, run: dict[str, Any], *options: str) -> dict[str, Any]:
    """Undo a run, or a part of it."""
    return site.command("undo", run["run_id"], *options)[1]


def test_one_kind_is_taken_back(site: Site) -> None:
    """The undo restores courses; users and their assignments stay as the run made them."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    before = roster(site)
    taken = undone(site, run, "--kind", "course")
    assert taken["outcome"] == "succeeded"
    assert sum(taken["counts"]["users"].values()) == 0
    assert site.courses() == {"art": "active", "maths": "active", "bio": "removed"}
    assert roster(site)[0] == before[0]


def test_one_record_is_taken_back_with_its_assignments(site: Site) -> None:
    """The undo restores one person's record and assignments, and no other person's."""
    site.sync(SCHOOL)
    run = site.sync(NEXT_DAY)
    taken = undone(site, run, "--record", "dan")
    assert taken["counts"]["users"] == {**taken["counts"]["users"], "deactivated": 1, "updated": 0}
    assert site.users()["dan"] == "inactive"
    assert site.users()["ann"] == "active"
    assert site.assignments()["dan", "maths"] == "removed"
    assert site.assignments()["ann", "bio"] == "active"


def test_one_record_that_the_run_did_not_touch_changes_nothing(site: Site) -> None:
    """The undo of an unchanged record has no changes."""
    site.sync(staff(ANN, BOB))
    run = site.sync(staff(ANN))
    assert undone(site, run, "--record", "ann")["outcome"] == "no_changes"


def test_record_changed_since_is_restored_if_chosen(site: Site) -> None:
    """With `--changed-too` a record is restored even if a later run changed it."""
    site.sync(staff(ANN, BOB))
    run = site.sync(staff("ann,Anna,ann@x.org", "bob,Robert,bob@x.org"))
    site.sync(staff("ann,Annette,ann@x.org", "bob,Robert,bob@x.org"))
    taken = undone(site, run, "--changed-too")
    assert taken["counts"]["users"]["updated"] == 2
    names = "select given_name from users where site = :site and managed order by sourced_id"
    assert site.rows(names) == [("Ann",), ("Bob",)]


def test_restored_record_is_no_change(site: Site) -> None:
    """A record that already has its old values is not in the plan of the undo."""
    site.sync(staff(ANN, BOB))
    run = site.sync(staff(ANN))
    site.sync(staff(ANN, BOB))
    assert undone(site, run, "--changed-too")["outcome"] == "no_changes"


def test_restored_assignment_is_not_reported(site: Site) -> None:
    """With `--changed-too` an assignment that is already restored is not reported as left alone."""
    site.sync(SCHOOL)
    run = site.sync(changed(SCHOOL, "enrollments.csv", "e2,a1,bob,teacher\n", ""))
    site.sync(SCHOOL)
    outputs = [run_command(site, "undo", run["run_id"], *more) for more in ((), ("--changed-too",))]
    assert ["left alone" in text for _, text in outputs] == [True, False]


def enrolled(site: Site) -> list[tuple[Any, ...]]:
    """Return the stored enrollments, which deltas depend on."""
    query = "select sourced_id, user_sourced_id from enrollments where site = :site order by 1"
    return site.rows(query)


def test_delta_after_an_undo_finds_the_restored_links(site: Site) -> None:
    """An undo restores the stored links: a later delta does not remove the assignment again."""
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
    """The undo of an earlier run keeps the enrollments of a later one."""
    site.sync(SCHOOL)
    run = site.sync(changed(SCHOOL, "enrollments.csv", "e2,a1,bob,teacher\n", ""))
    site.sync(SCHOOL)
    before = enrolled(site)
    undone(site, run)
    assert enrolled(site) == before


def test_undo_of_one_record_moves_its_enrollments_only(site: Site) -> None:
    """The undo of one person restores the stored links of this person only."""
    site.sync(SCHOOL)
    fewer = changed(SCHOOL, "enrollments.csv", "e1,m1,ann,teacher\ne2,a1,bob,teacher\n", "")
    run = site.sync(fewer)
    assert enrolled(site) == [("e3", "cec")]
    undone(site, run, "--record", "bob")
    assert enrolled(site) == [("e2", "bob"), ("e3", "cec")]
    assert site.assignments() == {("ann", "maths"): "removed", ("bob", "art"): "active"}


def test_undo_survives_the_loss_of_its_files(site: Site) -> None:
    """Without the run's folder the undo still restores the records."""
    from oneroster_sync.runs.artifacts import RunFolder

    site.sync(staff(ANN, BOB))
    run = site.sync(staff(ANN))
    for name in ("plan", "before"):
        RunFolder.of(site.name, run["run_id"]).remove(name)
    assert undone(site, run)["outcome"] == "succeeded"
    assert site.users() == {"ann": "active", "bob": "active"}
