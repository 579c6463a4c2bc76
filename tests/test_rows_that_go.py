"""A row that removes its record claims and protects nothing, in bulk, in a delta and in 1.0."""

from __future__ import annotations

import csv
import io

import pytest

from every_mode import NOW, body, errors, gone, mixed, row, synced
from golden.school import SCHOOL, SCHOOL_1_2, Texts, added, as_delta, changed, without
from oneroster_sync.standard.logins import normalize_login

# Removing rows claim nothing


def test_same_person_under_another_id_in_a_delta() -> None:
    """A deleted row claims no address: the person may have a new sourcedId in the same delta."""
    site = synced(SCHOOL)
    texts = as_delta(
        SCHOOL,
        users=[
            row("bob", "tobedeleted", family="Ray"),
            row("b2", given="Bob", family="Ray", email="bob@example.org"),
        ],
    )

    done = site.sync(texts)

    assert errors(done) == []
    assert done.users == [("rekey", "b2")]


@pytest.mark.case("a87")
def test_new_person_with_the_address_of_a_leaver() -> None:
    """A new person may have the address of a person whom the same delta deletes."""
    site = synced(SCHOOL)
    texts = as_delta(
        SCHOOL,
        users=[row("bob", "tobedeleted"), row("new", email="bob@example.org")],
    )

    done = site.sync(texts)

    assert (errors(done), done.users) == ([], [("deactivate", "bob"), ("add", "new")])


def test_leaver_whose_row_names_the_address_of_another() -> None:
    """An address in a deleted row keeps no user active and refuses no other row."""
    site = synced(SCHOOL)
    texts = as_delta(
        SCHOOL,
        users=[row("bob", "tobedeleted", email="ann@example.org"), row("ann", given="Anna")],
    )

    done = site.sync(texts)

    assert (errors(done), done.users) == ([], [("update", "ann"), ("deactivate", "bob")])


@pytest.mark.parametrize("mode", ["bulk", "delta"])
def test_disabled_row_claims_no_login(mode: str) -> None:
    """A disabled row's address may belong to another person, in bulk and in a delta."""
    site = synced(SCHOOL)
    if mode == "bulk":
        off = changed(SCHOOL, "users.csv", "bob,,,true", "bob,,,false")
        texts = added(off, "users.csv", "new,,,true,s,teacher,new,,New,One,,,bob@example.org,,,,,")
    else:
        rows = [row("bob", enabled="false", family="Ray"), row("new", email="bob@example.org")]
        texts = as_delta(SCHOOL, users=rows)

    done = site.sync(texts)

    assert (errors(done), done.users) == ([], [("deactivate", "bob"), ("add", "new")])
    assert site.sync(texts).users == []


def test_disabled_row_with_the_address_of_an_active_user() -> None:
    """A disabled row with the address of an active user is used, and the active user keeps it."""
    site = synced(SCHOOL)

    done = site.sync(
        as_delta(SCHOOL, users=[row("bob", enabled="false", family="Ray", email="ann@example.org")])
    )

    assert (errors(done), done.users) == ([], [("deactivate", "bob")])
    assert site.status()["ann"] == "active"


@pytest.mark.parametrize("mode", ["bulk", "delta"])
def test_login_of_a_user_who_loses_the_last_role_is_free(mode: str) -> None:
    """A new user may have the address of a user who loses the last role in the same package."""
    site = synced(SCHOOL_1_2)
    roles = body(SCHOOL_1_2, "roles.csv").replace("bob", "new")
    if mode == "delta":
        roles = gone("r-bob", 10) + f"\nr-new,active,{NOW},new,primary,teacher,,,s,\n"
    users = f"new,active,{NOW},true,new,,New,One,,,bob@example.org,,,,,,,,,,s,\n"

    done = site.sync(mixed(SCHOOL_1_2, {"roles": mode, "users": "delta"}, roles=roles, users=users))

    assert (errors(done), done.users) == ([], [("deactivate", "bob"), ("add", "new")])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("gross@x.org", "gro\u00df@x.org", False),
        ("\u00e9va@x.org", "e\u0301va@x.org", True),
        ("\u00c9VA@x.org", "e\u0301va@X.ORG", True),
        ("ANN@x.org", "ann@x.org", True),
        ("i\u0307@x.org", "\u0130@x.org", True),
    ],
)
def test_logins_are_compared_in_one_spelling(one: str, other: str, *, same: bool) -> None:
    """Logins are equal if only case or Unicode composition differs; other letters differ."""
    assert (normalize_login(one) == normalize_login(other)) is same


# 1.0, and rows of a bulk file with `tobedeleted`


_OLD_NAMES = {
    "schoolYearSourcedId": "schoolYearId",
    "termSourcedIds": "termSourcedId",
    "userIds": "userId",
    "agentSourcedIds": "agents",
}
_NOT_IN_1_0 = {"enabledUser", "grades", "schoolYear", "middleName", "password", "periods"}
_NOT_IN_1_0 |= {"beginDate", "endDate", "subjectCodes"}


def in_1_0() -> Texts:
    """Return the school as OneRoster 1.0: no manifest, a status in each row, no enabledUser."""
    texts = without(SCHOOL, "manifest.csv")
    for file, text in texts.items():
        rows = list(csv.DictReader(io.StringIO(text)))
        session = file == "academicSessions.csv"
        kept = [n for n in rows[0] if n not in _NOT_IN_1_0 or (session and n.endswith("Date"))]
        lines = [[_OLD_NAMES.get(name, name) for name in kept]]
        lines += [[("active" if n == "status" else row[n]) for n in kept] for row in rows]
        texts[file] = "".join(",".join(line) + "\n" for line in lines)
    return texts


@pytest.mark.case("a87")
def test_inactive_row_of_1_0_goes() -> None:
    """In 1.0, a row with status inactive claims and protects nothing, however broken it is."""
    first = in_1_0()
    site = synced(first)
    assert site.status() == dict.fromkeys(("ann", "bob", "cat", "dan"), "active")
    texts = changed(
        first,
        "users.csv",
        "bob,active,,s,teacher,bob,,Bob,Ray,,bob@example.org",
        "bob,inactive,,,teacher,,,,,,ann@example.org",
    )

    done = site.sync(texts)

    assert errors(done) == []
    assert done.users == [("deactivate", "bob")]
    assert done.assignments == [("remove", "bob", "art")]
    again = site.sync(texts)
    assert (again.users, again.assignments) == ([], [])


def test_inactive_course_of_1_0_takes_its_assignments_along() -> None:
    """An inactive course of 1.0 loses its assignments, even with its classes and enrollments."""
    site = synced(in_1_0())

    done = site.sync(changed(in_1_0(), "courses.csv", "art,active", "art,inactive"))

    assert errors(done) == []
    assert done.courses == [("remove", "art")]
    assert done.assignments == [("remove", "bob", "art")]


@pytest.mark.parametrize(
    ("file", "id_", "went"),
    [
        ("users.csv", "bob", {"users": [("deactivate", "bob")]}),
        ("courses.csv", "art", {"courses": [("remove", "art")]}),
        ("classes.csv", "a1", {}),
        ("enrollments.csv", "bob-a1", {}),
    ],
)
def test_tobedeleted_in_bulk_is_a_removal(
    file: str, id_: str, went: dict[str, list[tuple[str, str]]]
) -> None:
    """In tolerant, a row with `tobedeleted` in a bulk file is a removal with a warning."""
    site = synced(SCHOOL)
    line = next(line for line in SCHOOL[file].splitlines() if line.startswith(f"{id_},"))
    texts = changed(SCHOOL, file, line, line.replace(f"{id_},,", f"{id_},tobedeleted,", 1))

    done = site.sync(texts)

    assert errors(done) == []
    assert done.finding_keys == [("semantic.tobedeleted_in_bulk", file, id_)]
    assert done.users == went.get("users", [])
    assert done.courses == went.get("courses", [])
    assert done.assignments == [("remove", "bob", "art")]


def test_tobedeleted_in_bulk_is_an_error_in_strict() -> None:
    """Strict rejects a bulk file with `tobedeleted`, because the standard forbids it."""
    site = synced(SCHOOL, profile="strict")

    done = site.sync(changed(SCHOOL, "users.csv", "bob,,,true", "bob,tobedeleted,,true"))

    assert done.refused
    assert site.status()["bob"] == "active"
