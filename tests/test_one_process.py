"""A sync in one process keeps its tables in memory and has the same result as separate stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from conftest import ADMIN, Site
from oneroster_sync import database, pipeline, runs, settings
from oneroster_sync.stages.apply import RefusedByDatabaseError
from oneroster_sync.stages.record import record
from oneroster_sync.stages.review.stage import supersede_older
from roster_of import NEXT_DAY, SCHOOL, changed, now, request_of, reviewed

if TYPE_CHECKING:
    from oneroster_sync.runs import Run

BROKEN = changed(SCHOOL, "users.csv", "bob,true,teacher", "bob,true,wizard")
EMPTY = {**SCHOOL, "users.csv": SCHOOL["users.csv"].splitlines()[0] + "\n"}
DAYS = {"first": SCHOOL, "broken": BROKEN, "next": NEXT_DAY, "held": EMPTY}


def one_by_one(site: Site, package: dict[str, str]) -> Run:
    """Sync as the tasks of a DAG do: each stage reads what the previous one wrote."""
    run = reviewed(site, package)
    supersede_older(run, now=now())
    return record(pipeline.apply(run, now=now()), now=now())


def at_once(site: Site, package: dict[str, str]) -> Run:
    """Sync as the command line does."""
    return pipeline.sync(request_of(site, package), clock=now)


def files_of(run: Run) -> dict[str, Any]:
    """Return the files of a run, with the rows of tables."""
    root = Path(settings.storage_of("runs", run.site).path) / run.run_id
    return {
        str(path.relative_to(root)): pq.read_table(path) if path.suffix == ".parquet" else None
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def other(site: Site, tmp_path: Path) -> Site:
    """Another site like the first one."""
    folder = tmp_path / "other"
    folder.mkdir()
    made = Site(f"{site.name}-too", folder)
    made.command("init", "--admin", ADMIN)
    return made


def test_one_process_has_the_same_result_as_separate_stages(site: Site, other: Site) -> None:
    """Counts, findings, roster and the remaining files are those of separate stages."""
    for day, package in DAYS.items():
        runs = at_once(site, package), one_by_one(other, package)
        one, two = (run.summary() for run in runs)
        for what in ("outcome", "counts", "findings"):
            assert one[what] == two[what], day
        assert site.findings(one) == other.findings(two), day
        left, right = map(files_of, runs)
        assert left.keys() == right.keys(), day
        for name, table in left.items():
            if table is not None and not name.startswith(("plan/", "before/", "protected/")):
                assert table.drop_columns(_OWN & set(table.column_names)).equals(
                    right[name].drop_columns(_OWN & set(table.column_names))
                ), (day, name)
        assert site.users() == other.users(), day
        assert site.assignments() == other.assignments(), day


_OWN = {"id"}
"""Numbers that differ from site to site."""


def test_no_table_is_read_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stage passes its tables on in memory: a whole sync reads no Parquet file."""
    read = []

    real = pq.ParquetFile

    def noted(source: Any, **options: Any) -> Any:
        read.append(source)
        return real(source, **options)

    monkeypatch.setattr(pq, "ParquetFile", noted)
    assert at_once(site, SCHOOL).outcome == "succeeded"
    assert at_once(site, BROKEN).outcome == "succeeded_with_errors"
    assert read == []


def test_a_held_plan_is_approved_by_another_process(site: Site) -> None:
    """A plan that was held in one process can be approved in another."""
    assert at_once(site, SCHOOL).outcome == "succeeded"
    held = at_once(site, EMPTY)
    assert held.outcome == "held"
    assert {name.split("/")[0] for name in files_of(held)} >= {"plan", "valid", "quarantined"}
    code, run = site.command("approve", held.run_id)
    assert (code, run["outcome"]) == (0, "succeeded_with_errors")
    assert set(site.users().values()) == {"inactive"}


REFUSE = """
create function refuse_it() returns trigger language plpgsql as $$ begin
    raise exception 'no' using errcode = 'check_violation';
end $$;
create trigger refuse_it before update on courses
for each row when (old.site = '{site}') execute function refuse_it();
"""


def test_failed_run_leaves_its_tables(site: Site) -> None:
    """A run that can't be applied leaves the files of its stages, as in Airflow."""
    assert at_once(site, SCHOOL).outcome == "succeeded"
    request = request_of(site, NEXT_DAY)
    with database.engine().begin() as connection:
        connection.execute(sa.text(REFUSE.format(site=site.name)))
    try:
        with pytest.raises(RefusedByDatabaseError):
            pipeline.sync(request, clock=now)
    finally:
        with database.engine().begin() as connection:
            connection.execute(sa.text("drop function refuse_it cascade"))
    run = runs.find(request.run_id)
    assert run.outcome == "failed"
    left = {name.split("/")[0] for name in files_of(run)}
    assert left >= {"plan", "valid", "quarantined", "snapshots"}
