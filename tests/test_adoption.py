"""Account matching: which person each hand-made account belongs to, and when the sync adopts it."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from oneroster_sync import database, settings
from oneroster_sync.stages.diff.account_matching import match_accounts
from roster_of import ADMIN, SCHOOL, plan_of, roster_of, run_command

if TYPE_CHECKING:
    from conftest import Site

NOBODY = pa.array([], pa.string())
_ACCOUNT = """
insert into users (site, given_name, family_name, email, login, role, status, managed)
values (:site, :given, :family, :email, lower(:email), 'teacher', :status, false)
"""


def report(
    users: str, package: str, *, delta: bool = False
) -> dict[str, list[tuple[int, str | None]]]:
    """Return how the accounts of a roster match the people of a users.csv, by ids."""
    roster = roster_of(users=users)
    file = f"sourcedId,givenName,familyName,email\n{package}"
    planned = plan_of(roster, {"users.csv": file}, delta=["users.csv"] if delta else ())
    present = pa.array([line.split(",")[0] for line in package.split()], pa.string())
    found: dict[str, list[tuple[int, str | None]]] = {}
    for row in match_accounts(planned.plan.users, roster, present, whole=not delta).to_pylist():
        if row["id"] != ADMIN:
            found.setdefault(row["how"], []).append((row["id"], row["sourced_id"]))
    return found


def accounts(*rows: str) -> str:
    """Return hand-made accounts, each `given,family,email` with an optional status."""
    cells = (row.split(",") for row in rows)
    table = (f"{n},,{','.join(c[:3])},no,{(*c, 'active')[3]}" for n, c in enumerate(cells, start=1))
    return "\n".join(["id,sourced_id,given_name,family_name,email,managed,status", *table])


@pytest.mark.parametrize(
    ("account", "person", "how"),
    [
        ("Ann,Lee,ANN@x.org", "u,Anna,Poe,ann@x.org", "login"),
        ("Ann,Lee,ann@x.org,inactive", "u,Anna,Poe,ann@x.org", "login"),
        ("ann,LEE,a@old.org", "u,Ann,Lee,ann@x.org", "name"),
        ("Ann,Lee,a@old.org,inactive", "u,Ann,Lee,ann@x.org", "name"),
        ("Ann,Lee,ann@old.org", "u,Anna,Poe,Ann@x.org", "mailbox"),
        ("Ann,Lee,ann@old.org", "u,Ann,Lee,ann@x.org", "name"),
        ("Ann,Lee,ann@old.org", "u,Anna,Lee,anna@x.org", "orphan"),
        (",,ann@old.org", "u,,,anna@x.org", "orphan"),
        (",Lee,a@old.org", "u,,Lee,anna@x.org", "orphan"),
        ("Ann,Lee,ann@old.org,inactive", "u,Bob,Ray,bob@x.org", None),
        ("Ann,Lee,ann", "u,Anna,Poe,ann@x.org", "orphan"),
        ("Ann,Lee,a@b@old.org", "u,Anna,Poe,a@b@x.org", "mailbox"),
    ],
)
def test_account_matches_a_person(account: str, person: str, how: str | None) -> None:
    """The match is by login, name or mailbox, in this order; other active accounts are orphans."""
    sourced_id = None if how == "orphan" else "u"
    assert report(accounts(account), person) == ({how: [(1, sourced_id)]} if how else {})


@pytest.mark.parametrize(
    ("made", "package"),
    [
        (("Ann,Lee,a@old.org", "ann,lee,b@old.org"), "u,Ann,Lee,ann@x.org"),
        (("Ann,Lee,a@old.org",), "u,Ann,Lee,ann@x.org\nv,Ann,Lee,lee@x.org"),
        (("A,A,ann@old.org", "B,B,ann@older.org"), "u,Ann,Lee,ann@x.org"),
        (("A,A,ann@old.org",), "u,Ann,Lee,ann@x.org\nv,Bob,Ray,ann@y.org"),
        (("Ann,Lee,a@old.org", "Ann,Lee,ann@x.org"), "u,Anna,Poe,ann@x.org\nv,Ann,Lee,lee@y.org"),
    ],
    ids=["two accounts", "two people", "two mailboxes", "two addresses", "one has another's login"],
)
def test_match_that_is_not_unique_is_not_reported(made: tuple[str, ...], package: str) -> None:
    """A name or mailbox that is not unique on both sides gives no match."""
    found = report(accounts(*made), package)
    assert not {"name", "mailbox"} & found.keys()
    assert (1, None) in found["orphan"]


def test_person_with_an_account_is_no_near_match_of_another() -> None:
    """A person with an account, under this or a new sourcedId, is no near match of another one."""
    users = """
        id,sourced_id,given_name,family_name,email,managed
        1,,Ann,Lee,a@old.org,no
        2,u,Ann,Lee,ann@x.org,yes
        3,,Bob,Ray,b@old.org,no
        4,v,Bob,Ray,bob@x.org,yes
    """
    found = report(users, "u,Ann,Lee,ann@x.org\nw,Bob,Ray,bob@x.org")
    assert found == {"orphan": [(1, None), (3, None)]}


def test_linked_account_is_reported_until_it_is_managed() -> None:
    """A linked account is reported until the sync manages it."""
    users = """
        id,sourced_id,given_name,family_name,email,managed
        1,u,Ann,Lee,ann@x.org,no
        2,v,Bob,Ray,bob@x.org,yes
        3,w,Cec,Poe,cec@x.org,no
    """
    assert report(users, "u,Ann,Lee,ann@x.org\nv,Bob,Ray,bob@x.org") == {"linked": [(1, "u")]}


def test_delta_reports_no_orphans() -> None:
    """A delta holds only some of the people, so an account without a match is no orphan."""
    made = accounts("Ann,Lee,a@old.org", "Zoe,Fox,zoe@old.org")
    assert report(made, "u,Ann,Lee,ann@x.org", delta=True) == {"name": [(1, "u")]}


def test_match_of_the_credited_administrator_is_reported() -> None:
    """The report includes a match of the credited administrator's account."""
    roster = roster_of()
    planned = plan_of(roster, {"users.csv": "sourcedId,email\nboss,admin@x.org"})
    matched = match_accounts(planned.plan.users, roster, NOBODY, whole=True).to_pylist()
    assert matched == [{"id": ADMIN, "sourced_id": "boss", "how": "login"}]


# Managed accounts, and when they become managed

LINKED = "id,sourced_id,given_name,email,status,managed\n7,u,Annie,annie@x.org,{status},no"


@pytest.mark.parametrize(
    ("status", "enabled", "action"),
    [
        ("active", "true", "adopt"),
        ("inactive", "true", "adopt"),
        ("inactive", "false", "adopt"),
        ("active", "false", "deactivate"),
    ],
)
def test_linked_account_is_adopted_with_the_preference(
    status: str, enabled: str, action: str
) -> None:
    """With the preference, a linked account follows its row; a leaver is deactivated."""
    roster = roster_of(users=LINKED.format(status=status))
    text = f"sourcedId,givenName,email,enabledUser\nu,Ann,ann@x.org,{enabled}"
    assert plan_of(roster, {"users.csv": text}).users == []
    planned = plan_of(roster, {"users.csv": text}, adopt_accounts=True)
    assert planned.users == [(action, "u")]
    moved = planned.user("u")
    assert (moved["managed"], moved["given_name"]) == ((False, True), ("Annie", "Ann"))
    assert moved.get("status", (status, status))[1] == (
        "active" if enabled == "true" else "inactive"
    )


def test_linked_account_that_the_package_does_not_name_is_not_adopted() -> None:
    """Adoption needs the row of the person: an account without a row stays hand-made."""
    roster = roster_of(users=LINKED.format(status="active"))
    for text in ("sourcedId,email\nv,other@x.org", "sourcedId,email,status\nu,,tobedeleted"):
        planned = plan_of(roster, {"users.csv": text}, delta=["users.csv"], adopt_accounts=True)
        assert ("adopt", "u") not in planned.users
    absent = plan_of(roster, {"users.csv": "sourcedId,email\nv,v@x.org"}, adopt_accounts=True)
    assert absent.users == [("add", "v")]


def test_credited_administrator_is_never_adopted() -> None:
    """The credited administrator stays hand-made with every preference and link."""
    roster = roster_of(users=LINKED.format(status="active"), credited_admin=7)
    text = "sourcedId,givenName,email\nu,Ann,ann@x.org"
    assert plan_of(roster, {"users.csv": text}, adopt_accounts=True).users == []


def test_adopted_account_moves_to_its_new_sourced_id() -> None:
    """An account that is renamed and adopted at once is one change with both sourcedIds."""
    roster = roster_of(users="sourced_id,given_name,email,managed\nold,Ann,ann@x.org,no")
    text = "sourcedId,givenName,email\nnew,Ann,ann@x.org"
    planned = plan_of(roster, {"users.csv": text}, adopt_accounts=True)
    assert planned.users == [("adopt", "new")]
    assert planned.user("new") == {"sourced_id": ("old", "new"), "managed": (False, True)}


def test_login_that_an_adopted_account_leaves_is_free() -> None:
    """An adopted account gives up its old address, so two people may swap addresses."""
    users = "sourced_id,given_name,email,managed\nu,Ann,ann@x.org,no\nv,Bob,bob@x.org,no"
    text = "sourcedId,givenName,email\nu,Ann,bob@x.org\nv,Bob,ann@x.org"
    swapped = plan_of(roster_of(users=users), {"users.csv": text}, adopt_accounts=True)
    assert swapped.users == [("adopt", "u"), ("adopt", "v")]
    assert swapped.codes == []


@pytest.mark.parametrize("delta", [True, False])
def test_no_account_is_adopted_without_the_preference(*, delta: bool) -> None:
    """Without the preference, no match makes an account managed or changes its status."""
    users = """
        id,sourced_id,given_name,family_name,email,status,managed
        1,,Ann,Lee,ann@x.org,active,no
        2,,Bob,Ray,bob@x.org,inactive,no
        3,,Cec,Poe,c@old.org,active,no
        4,,Dan,Fox,dan@old.org,active,no
        5,e,Eve,Orr,eve@x.org,active,no
        6,f,Fay,Ash,fay@x.org,active,no
        7,g,Gus,Elm,gus@x.org,inactive,no
    """
    package = {
        "users.csv": """
            sourcedId,givenName,familyName,email
            a,Ann,Lee,ann@x.org
            b,Bob,Ray,bob@x.org
            c,Cec,Poe,cec@x.org
            d,Dan,Fix,dan@x.org
            e,Eva,Orr,eva@x.org
            f2,Fay,Ash,fay@x.org
            g,Gus,Elm,gus@x.org
            boss,Boss,Boss,admin@x.org
        """
    }
    files = ["users.csv"] if delta else []
    plan = plan_of(roster_of(users=users), package, delta=files).plan
    changed = [change for change in plan.users.to_pylist() if change["action"] != "add"]
    assert {change["id"] for change in changed} >= {1, 2, ADMIN}
    for change in changed:
        assert change["after_managed"] is False
        assert change["before_status"] == change["after_status"]


# From the report to the links

PEOPLE = ("=Ann,Lee,ANN@x.org,active", "Bob,Ray,bob@old.org,active", "Zoe,Fox,zoe@x.org,active")


def hire(site: Site, *people: str) -> None:
    """Make accounts by hand: `given,family,email,status`."""
    with database.engine().begin() as connection:
        for given, family, email, status in (person.split(",") for person in people):
            bound = {"given": given, "family": family, "email": email, "status": status}
            connection.execute(sa.text(_ACCOUNT), {"site": site.name, **bound})


def lines(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV text."""
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def folder_of(site: Site, run: dict[str, Any]) -> Path:
    """Return a run's folder."""
    return Path(settings.storage().path) / "runs" / site.name / str(run["run_id"])


def test_report_becomes_links(site: Site) -> None:
    """A preview reports matches before the first sync, and its edited CSV links the accounts.

    The next sync makes no second account, and the one after it has no changes.
    """
    hire(site, *PEOPLE)
    _, preview = site.command("plan", site.package(SCHOOL))
    _, output = site.command("adoption", preview["run_id"])
    assert [(a["how"], a["account"]["email"], a["sourced_id"]) for a in output["accounts"]] == [
        ("login", "ANN@x.org", "ann"),
        ("name", "bob@old.org", "bob"),
        ("orphan", "admin@district.example", None),
        ("orphan", "zoe@x.org", None),
    ]
    text = run_command(site, "adoption", preview["run_id"], "--csv")[1]
    assert lines(text)[0] == {
        "email": "ann@x.org",
        "sourcedId": "ann",
        "match": "login",
        "accountName": "'=Ann Lee",
        "personName": "",
    }
    assert (lines(text)[1]["personName"], lines(text)[1]["sourcedId"]) == ("Bob Ray", "bob")
    path = site.folder / "links.csv"
    path.write_text("".join(line for line in text.splitlines(keepends=True) if "zoe" not in line))

    code, run = site.command("sync", path, "--kind", "links")

    assert (code, run["outcome"], run["counts"]["users"]["adopted"]) == (0, "succeeded", 2)
    assert site.users() == {"ann": "active", "bob": "active"}
    synced = site.sync(SCHOOL)
    assert synced["counts"]["users"] | {"added": 1, "updated": 2} == synced["counts"]["users"]
    assert site.sync(SCHOOL)["outcome"] == "no_changes"
    emails = "select email from users where site = :site and sourced_id is not null order by 1"
    assert site.rows(emails) == [("ann@x.org",), ("bob@x.org",), ("cec@x.org",)]
    again = site.command("sync", path, "--kind", "links")[1]
    assert again["outcome"] == "succeeded_with_errors"
    # Bob has another address by now; Ann's account already has what the row asks for.
    assert site.codes(again) == {
        "mapping.already_so",
        "mapping.no_sourced_id",
        "mapping.unknown_account",
    }


def test_report_holds_ids_and_no_names(site: Site) -> None:
    """A run stores ids only; names are looked up when the report is read."""
    hire(site, *PEOPLE)
    run = site.sync(SCHOOL)
    table = pq.read_table(folder_of(site, run) / "adoption" / "accounts.parquet")
    assert table.column_names == ["id", "sourced_id", "how"]
    assert "Lee" not in str(table.to_pylist())
    assert "@" not in str(table.to_pylist())


def test_first_sync_with_near_matches_is_held(site: Site) -> None:
    """A first sync with near matches is held; its approval creates accounts with these sourcedIds.

    Only the first sync is held: later near matches need no decision.
    """
    hire(site, *PEOPLE)
    run = site.sync(SCHOOL)
    assert site.codes(run) >= {"guard.look_alikes"}
    assert "1 of 4 accounts" in run["reasons"][0]
    assert site.users() == {}
    done = site.command("approve", run["run_id"])[1]
    assert done["counts"]["users"]["adopted"] == 1
    path = site.folder / "links.csv"
    path.write_text("email,sourcedId\nbob@old.org,bob\nann@x.org,ann\n")
    linked = site.command("sync", path, "--kind", "links")[1]
    assert linked["outcome"] == "succeeded_with_errors"
    assert site.findings(linked) == [("mapping.sourced_id_taken", "links.csv", 2)]
    managed = "select managed from users where site = :site and sourced_id = 'ann'"
    assert site.rows(managed) == [(True,)]
    hire(site, "Dan,Doe,dan@old.org,active")
    more = f"{SCHOOL['users.csv']}dan,true,teacher,ddoe,Dan,Doe,dan@x.org\n"
    assert site.sync({**SCHOOL, "users.csv": more})["outcome"] == "succeeded"


def test_near_match_of_the_credited_administrator_holds_nothing(site: Site) -> None:
    """The sync never adopts the credited administrator, so a near match needs no decision."""
    with database.engine().begin() as connection:
        name = "update users set given_name = 'Bob', family_name = 'Ray' where site = :site"
        connection.execute(sa.text(name), {"site": site.name})
    run = site.sync(SCHOOL)
    assert run["outcome"] == "succeeded"
    assert site.command("adoption", run["run_id"])[1]["accounts"][0]["how"] == "name"


def test_site_without_accounts_of_its_own_has_no_report(site: Site) -> None:
    """A site whose accounts are all managed has no report and stores none."""
    site.command("sync", site.package(SCHOOL))
    path = site.folder / "links.csv"
    path.write_text("email,sourcedId\nadmin@district.example,boss\n")
    site.command("sync", path, "--kind", "links")
    run = site.sync(SCHOOL)
    assert not (folder_of(site, run) / "adoption").exists()
    assert site.command("adoption", run["run_id"])[1]["accounts"] == []
    assert "No hand-made account is left" in run_command(site, "adoption", run["run_id"])[1]


def test_missing_report_is_an_error(site: Site) -> None:
    """The report of a run whose folder was removed is an error, and so is an unknown run."""
    run = site.sync(SCHOOL)
    shutil.rmtree(folder_of(site, run))
    code, words = run_command(site, "adoption", run["run_id"])
    assert (code, "no longer exists" in words) == (1, True)
    assert run_command(site, "adoption", "nothing")[0] == 1


def test_preference_set_later_adopts_linked_accounts(site: Site) -> None:
    """The preference, set after the first sync, adopts the linked accounts at the next sync."""
    hire(site, "Annie,Lee,ann@x.org,active")
    site.sync({"users.csv": SCHOOL["users.csv"]})
    assert site.sync({"users.csv": SCHOOL["users.csv"]})["outcome"] == "no_changes"
    site.command("preferences", "--set", "adopt_accounts=true")
    run = site.sync({"users.csv": SCHOOL["users.csv"]})
    assert (run["outcome"], run["counts"]["users"]["adopted"]) == ("succeeded", 1)
    names = "select given_name, managed from users where site = :site and sourced_id = 'ann'"
    assert site.rows(names) == [("Ann", True)]
    assert site.sync({"users.csv": SCHOOL["users.csv"]})["outcome"] == "no_changes"
    site.command("undo", run["run_id"])
    assert site.rows(names) == [("Annie", False)]
