"""`oneroster check` names sites whose source is unreadable after an upgrade, and the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from oneroster_sync import database

if TYPE_CHECKING:
    from conftest import Site


def stored_source(site: Site, source: str) -> None:
    """Store a source as an earlier version did; the current version would refuse it."""
    with database.engine().begin() as connection:
        statement = "update preferences set source = :source where site = :site"
        bound = {"site": site.name, "source": source}
        assert connection.execute(sa.text(statement), bound).rowcount == 1


@pytest.mark.parametrize(
    ("source", "scheme"),
    [
        ("simplecache::s3://bucket/exports/", "simplecache"),
        ("simplecache::https://sis.example.org/o.zip", "simplecache"),
        ("github://district:roster@main/o.zip", "github"),
        ("zip://o.zip::s3://bucket/exports/all.zip", "zip"),
        ("http://sis.example.org/o.zip", "http"),
    ],
)
def test_site_with_a_source_of_old_is_named(site: Site, source: str, scheme: str) -> None:
    """The warning names the site, the scheme and the command, but not the source."""
    stored_source(site, source)
    code, answer = site.command("check")
    named = [w for w in answer["warnings"] if f"the site {site.name} can't be synced" in w]
    assert (code, len(named)) == (0, 1)
    assert f"({scheme})" in named[0]
    assert f"oneroster preferences --site {site.name} --set source=" in named[0]
    assert source not in named[0]


@pytest.mark.parametrize("source", ["s3://bucket/exports/", "/srv/sis", None])
def test_site_with_a_source_of_today_is_not(site: Site, source: str | None) -> None:
    """A readable source causes no warning."""
    if source:
        stored_source(site, source)
    _, answer = site.command("check")
    assert not any("can't be synced" in warning for warning in answer["warnings"])
