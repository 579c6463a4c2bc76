"""Only retention and erasure can change the audit; neither the product nor a person can."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from oneroster_sync import database
from roster_of import SCHOOL

if TYPE_CHECKING:
    from conftest import Site

TABLES = ("changes", "events")
STATEMENTS = {
    "update": "update {table} set site = site where site = :site",
    "delete": "delete from {table} where site = :site",
    "update of nothing": "update {table} set site = site where false",
    "truncate": "truncate {table}",
    "truncate of another": "truncate sites cascade",
}


def read_audit(site: Site) -> list[list[tuple[object, ...]]]:
    """Return all rows of a site's audit."""
    return [site.rows(f"select t::text from {t} t where site = :site order by id") for t in TABLES]  # noqa: S608


@pytest.fixture
def audited(site: Site) -> Site:
    """Return a site with changes to its roster and with an event."""
    site.sync(SCHOOL)
    site.command("preferences", "--set", "profile=strict")
    assert all(read_audit(site))
    return site


@pytest.mark.case("c17")
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", STATEMENTS)
def test_rows_are_never_changed_and_never_removed(
    audited: Site, statement: str, table: str
) -> None:
    """No statement changes or removes a row, and the error says that the audit is append-only."""
    before = read_audit(audited)
    query = sa.text(STATEMENTS[statement].format(table=table))
    with (
        pytest.raises(sa.exc.ProgrammingError, match="the audit is append-only"),
        database.engine().begin() as connection,
    ):
        connection.execute(query, {"site": audited.name} if ":site" in query.text else {})
    assert read_audit(audited) == before


@pytest.mark.case("c17")
def test_leave_to_erase_ends_with_the_function(audited: Site) -> None:
    """The function of retention may delete rows; a statement after it may not."""
    before = read_audit(audited)
    query, bound = sa.text(STATEMENTS["delete"].format(table="changes")), {"site": audited.name}
    with database.engine().connect() as connection:
        far = {"site": audited.name, "before": dt.datetime.max.replace(tzinfo=dt.UTC)}
        dropped = connection.scalar(sa.text("select drop_from_audit(:site, :before)"), far)
        assert dropped == len(before[0])
        with pytest.raises(sa.exc.ProgrammingError, match="append-only"):
            connection.execute(query, bound)
        connection.rollback()
        with pytest.raises(sa.exc.ProgrammingError, match="append-only"):
            connection.execute(query, bound)
    assert read_audit(audited) == before
