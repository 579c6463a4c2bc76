"""If another person has a known sourcedId, only the people who decide see both names.

Findings, logs, notifications and downloads name no person. The names are stored beside the
findings, and deleted with them or when one of the two people is erased.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from oneroster_sync import database, runs, settings
from oneroster_sync.operations.retention import delete_expired
from oneroster_sync.runs import other_people
from oneroster_sync.settings import Keeping
from roster_of import SCHOOL, changed, now, run_command
from test_retention import age

if TYPE_CHECKING:
    from conftest import Site

pytestmark = pytest.mark.case("a88")
BOB = "bob,true,teacher,bray,Bob,Ray,bob@x.org"
REUSED = changed(SCHOOL, "users.csv", BOB, "bob,true,teacher,zqfay,Zqzoe,Zqfay,zqzoe@x.org")
"""The package in which Zoe Fay has the sourcedId of Bob Ray."""
NAMES = {"known": "Bob Ray", "coming": "Zqzoe Zqfay"}
WORDS = ("Zqzoe", "Zqfay", "zqfay", "zqzoe@x.org")


def names(site: Site, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the names that are stored with a run, by sourcedId."""
    with database.engine().connect() as connection:
        assert runs.get(connection, run["run_id"]).site == site.name
        return other_people.names_of(connection, run["run_id"], ["bob", "amy", "cec"])


def test_both_names_are_kept_with_the_run(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A run stores the known and the new name for a sourcedId; no other output has them."""
    site.sync(SCHOOL)
    with caplog.at_level("DEBUG"):
        run = site.sync(REUSED)

    assert "semantic.identity_reuse" in site.codes(run)
    assert names(site, run) == {"bob": NAMES}
    found = site.rows("select f.* from run_findings f where run_id::text = :run", run=run["run_id"])
    found += site.rows("select c.* from run_causes c where run_id::text = :run", run=run["run_id"])
    found += site.rows("select r.* from runs r where run_id::text = :run", run=run["run_id"])
    for text in (str(found), caplog.text, str(run), run_command(site, "history")[1]):
        assert not [word for word in WORDS if word in text]


def test_names_are_those_of_the_newest_plan(site: Site) -> None:
    """A second run of the same package has the names too; a run of a corrected one has none."""
    site.sync(SCHOOL)
    site.sync(REUSED)
    again = site.sync(REUSED)
    settled = site.sync(SCHOOL)

    assert (names(site, again), names(site, settled)) == ({"bob": NAMES}, {})


def test_names_of_a_plan_that_waits_are_kept(site: Site) -> None:
    """A held run shows the names, and keeps them after its plan was applied."""
    site.sync(SCHOOL)
    for setting in ("guards.users.percent=10", "guards.users.minimum=1"):
        site.command("preferences", "--set", setting)
    fewer = {**REUSED, "users.csv": REUSED["users.csv"].replace("cec,true", "cec,false")}
    held = site.sync(fewer)
    assert (held["outcome"], names(site, held)) == ("held", {"bob": NAMES})

    assert site.command("approve", held["run_id"])[1]["outcome"] == "succeeded_with_errors"
    assert names(site, held) == {"bob": NAMES}


def everywhere(site: Site) -> str:
    """Return all rows and files with names of the site."""
    root = settings.storage_of("runs", site.name)
    files = [p for p in root.rglob("other_people/*") if p.is_file()]
    table = site.rows("select o.* from other_people o where site = :site")
    return f"{table} {[str(file) for file in files]}"


def test_names_are_deleted_when_the_known_person_is_erased(site: Site) -> None:
    """An erasure of the known person deletes both names from the table and the files."""
    site.sync(SCHOOL)
    run = site.sync(REUSED)
    site.sync({**SCHOOL, "users.csv": SCHOOL["users.csv"].replace("bob,true", "bob,false")})
    assert "Zqzoe" in everywhere(site)

    assert site.command("erase", "bob")[0] == 0

    assert names(site, run) == {}
    assert everywhere(site) == "[] []"


def test_names_are_deleted_when_the_new_person_is_erased(site: Site) -> None:
    """An erasure of the new person, found by the e-mail, deletes both names too."""
    site.sync(SCHOOL)
    run = site.sync(REUSED)
    row = "zqnew,true,teacher,zqfay,Zqzoe,Zqfay,zqzoe@x.org"
    more = {**SCHOOL, "users.csv": f"{SCHOOL['users.csv'].rstrip()}\n{row}\n"}
    site.sync(more)
    site.sync({**more, "users.csv": more["users.csv"].replace("zqnew,true", "zqnew,false")})
    assert names(site, run) == {"bob": NAMES}

    assert site.command("erase", "zqnew")[0] == 0

    assert names(site, run) == {}
    assert everywhere(site) == "[] []"


def test_names_expire_with_the_findings(site: Site) -> None:
    """The names are deleted with the findings to which they belong."""
    site.sync(SCHOOL)
    run = site.sync(REUSED)
    site.sync(SCHOOL)
    keeping = Keeping(files_days=10, findings_days=20, audit_days=40)

    age(site, run, 19)
    delete_expired(site.name, now=now(), keeping=keeping)
    assert names(site, run) == {"bob": NAMES}
    delete_expired(site.name, now=now() + dt.timedelta(days=2), keeping=keeping)
    assert names(site, run) == {}
