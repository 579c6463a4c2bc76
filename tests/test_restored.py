"""A restored database is a day older than the packages and the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conftest import ADMIN, Site
from databases import fresh_database, server, url_of, using
from roster_of import NEXT_DAY, SCHOOL, as_delta, changed
from test_killed import assert_next_day

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKUP = "yesterdays_backup"


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[Site]:
    """A site whose database lost the last synced day."""
    site = Site("restored", tmp_path)
    with fresh_database() as url:
        name = url.rpartition("/")[2].partition("?")[0]
        with using(url):
            site.command("init", "--admin", ADMIN)
            assert site.sync(SCHOOL)["outcome"] == "succeeded"
        server("create database {} template {}", BACKUP, name)
        try:
            with using(url):
                assert site.sync(NEXT_DAY)["outcome"] == "succeeded"
            server("drop database {} with (force)", name)
            server("create database {} template {}", name, BACKUP)
            with using(url_of(name)):
                assert site.users() == dict.fromkeys(("ann", "bob", "cec"), "active")
                yield site
        finally:
            server("drop database {} with (force)", BACKUP)


@pytest.mark.case("b35")
def test_next_bulk_package_sets_it_right(restored: Site) -> None:
    """The next sync of the lost day's bulk package restores its state."""
    assert restored.sync(NEXT_DAY)["outcome"] == "succeeded"
    assert_next_day(restored)


@pytest.mark.case("b35")
def test_delta_that_builds_on_what_was_lost(restored: Site) -> None:
    """A delta's rows that refer to lost records are rejected; the next bulk package fixes it.

    Other changes of a lost delta stay unknown until then.
    """
    header = "sourcedId,status,dateLastModified,classSourcedId,userSourcedId,role"
    row = "e9,active,2026-11-25T00:00:00Z,m1,dan,teacher"
    delta = as_delta("1.1", {"enrollments.csv": f"{header}\n{row}\n"})

    run = restored.sync(delta)

    assert run["outcome"] == "rejected"
    finding = ("reference.missing_target_record", "enrollments.csv", 2)
    assert finding in restored.findings(run)
    bulk = changed(NEXT_DAY, "enrollments.csv", "e1,m1,ann", "e9,m1,dan,teacher\ne1,m1,ann")
    assert restored.sync(bulk)["outcome"] == "succeeded"
    assert restored.assignments()["dan", "maths"] == "active"
