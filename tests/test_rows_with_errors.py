"""Rows with errors: their findings, their protection, and another person's row."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from every_mode import MemorySite, carried_out, errors, synced
from golden.school import SCHOOL, SCHOOL_1_2, Texts, added, changed
from oneroster_sync.sites.preferences import Profile
from oneroster_sync.sites.thresholds import Guards
from oneroster_sync.stages.diff.id_mappings import plan_of_mapping
from oneroster_sync.stages.extract.mapping_csv import read_mapping
from oneroster_sync.stages.review.guards import check_plan
from oneroster_sync.standard.kinds import Kind
from oneroster_sync.standard.modes import Mode
from roster_of import plan_of, roster_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path


# Findings of rows with errors


@pytest.mark.parametrize("first", [True, False])
def test_sound_and_broken_row_of_one_id_are_both_errors(*, first: bool) -> None:
    """A correct and a broken row of one id are both errors, because either may be right."""
    site = synced(SCHOOL)
    broken = "bob,,,true,s,teacher,bob"
    header, rest = SCHOOL["users.csv"].replace("Bob,Ray", "Rob,Ray").split("\n", 1)
    text = f"{header}\n{broken}\n{rest}" if first else f"{header}\n{rest}{broken}\n"

    done = site.sync({**SCHOOL, "users.csv": text})

    assert sorted(code for code, id_ in errors(done) if id_ == "bob") == [
        "reference.duplicate_sourced_id",
        "row.width_mismatch",
    ]
    assert done.users == []


def test_two_primary_teachers_counts_no_row_with_an_error() -> None:
    """A row with an error is not a second primary teacher."""
    texts = added(SCHOOL, "enrollments.csv", "dan-m1,gone,,m1,s,dan,teacher,true,,")

    done = MemorySite().sync(texts)

    assert [key for key in done.finding_keys if key[1] == "enrollments.csv"] == [
        ("row.invalid_enum", "enrollments.csv", "dan-m1")
    ]


def test_two_primary_teachers_are_found_beside_a_third_with_an_error() -> None:
    """Two usable rows beside a third with an error are two primary teachers."""
    texts = added(
        SCHOOL,
        "enrollments.csv",
        "dan-m1,gone,,m1,s,dan,teacher,true,,",
        "bob-m1,,,m1,s,bob,teacher,true,,",
    )

    done = MemorySite().sync(texts)

    ids = [id_ for code, _, id_ in done.finding_keys if code == "semantic.two_primary_teachers"]
    assert set(ids) == {"ann-m1", "bob-m1"}


def test_two_equal_invalid_addresses_are_invalid() -> None:
    """Two equal invalid e-mails are both invalid, and no login that is taken."""
    texts = changed(SCHOOL, "users.csv", "ann@example.org", "nobody")
    texts = changed(texts, "users.csv", "bob@example.org", "nobody")

    done = MemorySite().sync(texts)

    assert [error for error in errors(done) if error[0].startswith(("row", "semantic"))] == [
        ("row.invalid_email", "ann"),
        ("row.invalid_email", "bob"),
    ]


@pytest.mark.parametrize("texts", [SCHOOL, SCHOOL_1_2])
def test_withheld_row_is_never_valid_and_not_judged(texts: Texts) -> None:
    """A row that was blanked for privacy has exactly one error, and is never valid."""
    if "roles.csv" in texts:
        texts = changed(texts, "roles.csv", "cat,primary,aide", "cat,primary,wizard")
    else:
        texts = changed(texts, "users.csv", "s,aide", "s,wizard")

    done = synced(texts if texts is SCHOOL else SCHOOL_1_2).sync(texts)

    of_cat = [code for code, file, id_ in done.finding_keys if (file, id_) == ("users.csv", "cat")]
    assert len(of_cat) == 1
    assert "cat" in done.bad("users")


def test_protection_of_a_renumbered_night_lasts_as_long_as_the_row() -> None:
    """A broken enrollment protects its assignment while the row exists, under any sourcedId."""
    site = synced(SCHOOL)
    header, *rows = SCHOOL["enrollments.csv"].splitlines()
    anew = [f"new-{row}" for row in rows]
    broken = [row.replace("new-bob-a1,,,a1", "new-bob-a1,,,gone") for row in anew]
    texts = {**SCHOOL, "enrollments.csv": "\n".join([header, *broken]) + "\n"}

    for night in range(4):
        done = site.sync(texts)
        assert done.assignments == [], night
        assert night == 0 or not done.plan.moves_links()

    mended = {**SCHOOL, "enrollments.csv": "\n".join([header, *anew]) + "\n"}
    assert site.sync(mended).assignments == []
    without_bob = [row for row in anew if "bob" not in row]
    texts = {**SCHOOL, "enrollments.csv": "\n".join([header, *without_bob]) + "\n"}
    assert site.sync(texts).assignments == [("remove", "bob", "art")]


# Another person under a known sourcedId


@pytest.mark.case("a88")
def test_another_person_under_a_known_id_changes_nothing() -> None:
    """If all names and the e-mail change at once, the record stays and the row is an error."""
    site = synced(SCHOOL)
    before = site.user("bob")
    texts = changed(
        SCHOOL, "users.csv", "bob,,Bob,Ray,,,bob@example.org", "bob,,Zoe,Fay,,,zoe@example.org"
    )

    done = site.sync(texts)

    assert errors(done) == [
        ("semantic.identity_reuse", "bob"),
        ("reference.target_quarantined", "bob-a1"),
    ]
    assert (done.users, done.assignments, site.user("bob")) == ([], [], before)


@pytest.mark.parametrize(
    "row", ["Zoe,Ray,,,zoe@example.org", "Bob,Fay,,,zoe@example.org", "Zoe,Fay,,,bob@example.org"]
)
def test_person_who_keeps_something_is_the_same(row: str) -> None:
    """A change of only a name or an e-mail does not make another person."""
    site = synced(SCHOOL)

    done = site.sync(changed(SCHOOL, "users.csv", "bob,,Bob,Ray,,,bob@example.org", f"bob,,{row}"))

    assert (errors(done), done.users) == ([], [("update", "bob")])


def test_another_person_is_settled_by_another_id(tmp_path: Path) -> None:
    """After the record has its own id, the other person is added as a new user."""
    site = synced(SCHOOL)
    other = changed(
        SCHOOL, "users.csv", "bob,,Bob,Ray,,,bob@example.org", "bob,,Zoe,Fay,,,zoe@example.org"
    )
    path = tmp_path / "ids.csv"
    path.write_text("kind,oldSourcedId,newSourcedId\nuser,bob,bob-of-2025\n", "utf-8")
    ids = read_mapping(path, Kind.IDS, Profile.TOLERANT).tables["ids"]
    site.roster = carried_out(site.roster, plan_of_mapping(Kind.IDS, ids, site.roster).plan)

    done = site.sync(other)

    assert errors(done) == []
    assert done.users == [("add", "bob"), ("deactivate", "bob-of-2025")]
    assert site.user("bob")["given_name"] == "Zoe"


@pytest.mark.parametrize(("reused", "held"), [(4, False), (5, True)])
def test_many_other_people_are_held(reused: int, *, held: bool) -> None:
    """From 5 records and 10 % on, reused sourcedIds hold the rest of the plan; fewer are errors."""
    users = "".join(f"\nu{n},Given{n},Family{n},u{n}@x.org" for n in range(45))
    roster = roster_of(users=f"sourced_id,given_name,family_name,email{users}")
    rows = [
        f"u{n},New{n},Name{n},n{n}@x.org" if n < reused else f"u{n},Given{n},Family{n},u{n}@x.org"
        for n in range(45)
    ]
    text = "\n".join(["sourcedId,givenName,familyName,email", *rows, "new,N,N,new@x.org"])
    planned = plan_of(roster, {"users.csv": text})
    good, bad = rows_of("users.csv", text)

    holds = check_plan(
        planned.plan,
        roster,
        Guards(),
        modes={"users": Mode.BULK},
        valid={"users": good},
        quarantined={"users": bad},
        rows={"users": 46},
        today=dt.date(2026, 11, 25),
        errors={"users": reused},
    )

    assert [hold.code for hold in holds] == (["guard.identity_reuse"] if held else [])


def test_deactivated_account_made_by_hand_is_named_each_night() -> None:
    """A hand-made account that a person deactivated is named by each run while it is inactive."""
    site = MemorySite(
        roster_of(users="id,sourced_id,email,status,managed\n5,,bob@example.org,inactive,no")
    )

    for _ in range(2):
        done = site.sync(SCHOOL)
        assert ("semantic.deactivated_account", "users.csv", "bob") in done.finding_keys
    assert site.status()["bob"] == "inactive"
    off = changed(SCHOOL, "users.csv", "bob,,,true", "bob,,,false")
    assert "semantic.deactivated_account" not in str(site.sync(off).finding_keys)


def test_adopted_account_is_none_of_these() -> None:
    """If the site adopts accounts, such an account becomes active from its row."""
    site = MemorySite(
        roster_of(users="id,sourced_id,email,status,managed\n5,,bob@example.org,inactive,no"),
        adopt_accounts=True,
    )

    done = site.sync(SCHOOL)

    assert "semantic.deactivated_account" not in str(done.finding_keys)
    assert site.status()["bob"] == "active"
