"""Forty documented exports: the first day gives the expected roster, the second loses nothing.

The table in `dialects` names the page or repository of each entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlparse

import pytest

from dialects import DIALECTS, as_page
from oneroster_sync import settings

if TYPE_CHECKING:
    from conftest import Site
    from dialects.export import Dialect


def counted(run: dict[str, dict[str, dict[str, int]]], kind: str) -> dict[str, int]:
    """Return the counts of a kind that are not zero, without pupils."""
    numbers = run["counts"][kind].items()
    return {word: number for word, number in numbers if number and word != "ignored"}


def test_every_dialect_has_its_source() -> None:
    """There are at least forty dialects, each with a source and a description."""
    assert len(DIALECTS) >= 40
    assert len({one.name for one in DIALECTS}) == len(DIALECTS)
    for one in DIALECTS:
        assert urlparse(one.source).scheme == "https"
        assert one.peculiar


def test_page_of_dialects_is_that_of_the_table() -> None:
    """docs/reference/dialects.md has the content of the table."""
    page = settings.PROJECT / "docs" / "reference" / "dialects.md"
    assert page.read_text("utf-8") == as_page()


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_documented_dialect(site: Site, dialect: Dialect) -> None:
    """Day one gives the expected users, day two adds only Eve, day three changes nothing."""
    for setting in dialect.preferences:
        assert site.command("preferences", "--set", setting)[0] == 0
    first_day = dialect.export().write(site.folder / "1.zip")
    second_day = dialect.next_day().write(site.folder / "2.zip")

    first = site.sync(first_day, *dialect.options)

    assert first["outcome"] == dialect.outcome
    assert set(dialect.codes) <= site.codes(first)
    assert (len(site.users()), len(site.assignments())) == (dialect.users, dialect.assignments)
    if dialect.outcome == "rejected":
        assert site.sync(second_day, *dialect.options)["outcome"] == "rejected"
        return
    assert first["findings"]["errors"] == 0
    before = set(site.users()), set(site.assignments())

    second = site.sync(second_day, *dialect.options)

    assert second["outcome"] == "succeeded"
    assert counted(second, "users") == {"added": 1}
    assert counted(second, "courses") == {}
    assert counted(second, "assignments") == ({"added": 1} if dialect.assignments else {})
    assert set(site.users().values()) == {"active"}
    assert set(site.assignments().values()) <= {"active"}
    assert before[0] < set(site.users())
    assert before[1] <= set(site.assignments())
    assert site.sync(second_day, *dialect.options)["outcome"] == "no_changes"
