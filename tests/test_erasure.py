"""Erasure removes all values that identify a person from a site, and keeps the history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import ADMIN, csv_text
from oneroster_sync import settings
from oneroster_sync.operations.erasure import NotErasedError, erase
from roster_of import SCHOOL, changed, now, run_command

if TYPE_CHECKING:
    from conftest import Site

_TABLES = """
select table_name, bool_or(column_name = 'site') from information_schema.columns
where table_schema = 'public' and column_name in ('site', 'run_id')
  and table_name in (select tablename from pg_tables) group by 1
"""
_RUNS = "select run_id from runs where site = :site"
WORDS = ("zq-bob", "zqbob@x.org", "zqbray", "Zqrobert", "Zqray", "zqold@x.org")
"""All values that identify Bob, now and before."""
BOB, ROW = "bob,true,teacher,bray,Bob,Ray,bob@x.org", "zqbray,Zqrobert,Zqray,zqold@x.org"
EARLIER = {
    name: text.replace(BOB, f"zq-bob,true,teacher,{ROW}").replace(",bob,", ",zq-bob,")
    for name, text in SCHOOL.items()
}
WITH = {name: text.replace("zqold@x.org", "zqbob@x.org") for name, text in EARLIER.items()}
BROKEN = changed(WITH, "users.csv", "zq-bob,true,teacher", "zq-bob,true,wizard")
WITHOUT = {
    name: "".join(line for line in text.splitlines(keepends=True) if "zq-bob" not in line)
    for name, text in WITH.items()
}


def places(site: Site) -> dict[str, str]:
    """Return everything that is stored for a site as text: each table and each file."""
    found = {}
    for table, is_of_site in site.rows(_TABLES):
        of = (
            "site = :site"
            if is_of_site
            else "run_id in (select run_id from runs where site = :site)"
        )
        found[table] = str(site.rows(f"select t.* from {table} t where {of} order by t::text"))  # noqa: S608
    root = Path(settings.storage().path) / "runs" / site.name
    for path in (p for p in root.rglob("*") if p.is_file()):
        if path.suffix == ".parquet":
            found[str(path)] = str(pq.read_table(pa.BufferReader(path.read_bytes())).to_pylist())
        else:
            found[str(path)] = path.read_text("utf-8", "replace")
    return found


def where(site: Site) -> set[tuple[str, str]]:
    """Return the words that are still stored, and their places."""
    return {(w, name) for name, text in places(site).items() for w in WORDS if w in text}


@pytest.fixture
def left(site: Site) -> Site:
    """Return a site whose Bob had another e-mail, then a row with an error, and has left."""
    for package in (EARLIER, WITH, BROKEN, WITHOUT):
        site.sync(package)
    assert site.users()["zq-bob"] == "inactive"
    assert {word for word, _ in where(site)} == set(WORDS)
    return site


@pytest.mark.parametrize("term", ["zq-bob", "ZQBob@x.org"])
def test_erased_values_are_nowhere(left: Site, term: str) -> None:
    """No table and no file holds a sourcedId, an e-mail or a name; the history has the actions."""
    code, erased = left.command("erase", term, "--reason", "asked for on 2 November")
    assert (code, len(erased["runs"])) == (0, 4)
    assert where(left) == set()
    record = left.command("explain", erased["alias"])[1]["records"][0]
    actions = [change["action"] for change in record["changes"] if change["kind"] == "user"]
    assert sorted(actions) == ["add", "deactivate", "update"]
    events = "select event, actor, details ->> 'reason' from events where site = :site"
    ((event, _, reason),) = left.rows(f"{events} and event = 'erased'")
    assert (event, reason) == ("erased", "asked for on 2 November")


def test_the_rest_of_the_site_goes_on(left: Site) -> None:
    """After an erasure the same package changes nothing, and a returning person is a new user."""
    others = left.rows("select * from users where site = :site order by id")
    left.command("erase", "zq-bob")
    now_there = left.rows("select * from users where site = :site order by id")
    assert sum(a != b for a, b in zip(others, now_there, strict=True)) == 1
    assert left.sync(WITHOUT)["outcome"] == "no_changes"
    back = left.sync(WITH)
    assert (back["outcome"], back["counts"]["users"]["added"]) == ("succeeded", 1)


def test_findings_that_younger_runs_refer_to_are_erased_too(site: Site) -> None:
    """A run of the same package refers to an earlier run's findings: no run shows the person."""
    site.sync(EARLIER)
    first, again = site.sync(BROKEN), site.sync(BROKEN)
    refers = "select findings_of::text from runs where site = :site and run_id = :run"
    assert site.rows(refers.replace(":run", f"'{again['run_id']}'")) == [(first["run_id"],)]
    shown = """
    select f.run_id::text, f.sourced_id from run_findings f join runs r on r.run_id = f.run_id
    where r.site = :site and f.severity = 'error' and f.file = 'users.csv'
    """
    both = {first["run_id"], again["run_id"]}
    assert {*site.rows(shown)} == {(run, "zq-bob") for run in both}
    site.sync(WITHOUT)

    _, erased = site.command("erase", "zq-bob")

    assert {*site.rows(shown)} == {(run, erased["alias"]) for run in both}
    assert where(site) == set()


def test_earlier_sourced_ids_are_erased_too(site: Site) -> None:
    """Findings and rows under a sourcedId that the person had earlier do not show it any more."""
    before = {name: text.replace("zq-bob", "zq-ann") for name, text in EARLIER.items()}
    site.sync(before)
    site.sync(changed(before, "users.csv", "zq-ann,true,teacher", "zq-ann,true,wizard"))
    site.sync(EARLIER)
    assert site.users()["zq-bob"] == "active"
    assert "zq-ann" not in site.users()
    site.sync(WITHOUT)
    assert "zq-ann" in places(site)["findings"]

    code, erased = site.command("erase", "zq-bob")

    assert code == 0, erased
    assert {name for name, text in places(site).items() if "zq-ann" in text} == set()
    assert where(site) == set()


def test_undo_does_not_restore_an_erased_person(left: Site) -> None:
    """An undo of the run that deactivated an erased person does not restore the person."""
    run = left.command("history", "--limit", "1")[1]["runs"][0]
    left.command("erase", "zq-bob")
    assert left.command("undo", run["run_id"])[1]["outcome"] == "no_changes"
    assert where(left) == set()


def test_active_user_and_credited_admin_are_not_erased(site: Site) -> None:
    """An active user and the credited admin can't be erased; nothing changes then."""
    site.sync(WITH)
    before = places(site)
    for term, why in (
        ("zq-bob", "the account is active"),
        ("admin@district.example", "changes are credited to this account"),
        ("nobody", "has no person with that sourcedId"),
    ):
        code, words = run_command(site, "erase", term)
        assert (code, why in words) == (1, True), words
    assert places(site) == before


def test_held_plan_with_the_person_is_decided_first(site: Site) -> None:
    """A held plan is frozen: a decision is needed before a person in it can be erased."""
    header = "sourcedId,enabledUser,role,username,givenName,familyName,email"
    people = [f"u{n},true,teacher,u{n},G,F,u{n}@x.org" for n in range(10)]
    site.sync({"users.csv": csv_text(header, *people)})
    site.sync({"users.csv": csv_text(header, *people[1:])})
    held = site.sync({"users.csv": csv_text(header, *people[:4])})
    with pytest.raises(NotErasedError, match=f"the plan of run {held['run_id']} contains them"):
        erase(site.name, "u0", by="somebody", now=now())
    site.command("discard", held["run_id"])
    assert erase(site.name, "u0", by="somebody", now=now()).alias.startswith("erased-")


def test_people_of_other_sites_are_left_alone(left: Site, tmp_path: Path) -> None:
    """A user with the same sourcedId at another site is another person and stays."""
    twin = replace(left, name=f"{left.name}-twin", folder=tmp_path / "twin")
    twin.folder.mkdir()
    twin.command("init", "--admin", ADMIN)
    for package in (WITH, WITHOUT):
        twin.sync(package)
    before = places(twin)
    left.command("erase", "zq-bob")
    assert where(left) == set()
    assert places(twin) == before
