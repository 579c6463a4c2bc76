"""A run succeeds even if its reports and summaries can't be written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oneroster_sync import pipeline
from oneroster_sync.runs.artifacts import RunFolder
from roster_of import SCHOOL, now, request_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Site


def a_folder(path: Path) -> None:
    """Create a folder where a file would be written."""
    (path / "in the way").mkdir(parents=True)


@pytest.mark.case("b11", "b32")
@pytest.mark.parametrize(
    ("name", "block"),
    [("results.json.part", a_folder), ("report.json.part", a_folder), ("run.json.part", a_folder)],
)
def test_report_that_can_not_be_written(
    site: Site, caplog: pytest.LogCaptureFixture, name: str, block: Callable[[Path], None]
) -> None:
    """The package is applied, and the log names the missing report."""
    request = request_of(site, SCHOOL)
    folder = RunFolder.of(site.name, request.run_id)
    folder.path.mkdir(parents=True)
    block(Path(folder.path.path) / name)

    run = pipeline.sync(request, clock=now)

    assert run.outcome == "succeeded"
    assert site.users() == dict.fromkeys(("ann", "bob", "cec"), "active")
    assert "can't be written" in caplog.text
    assert site.sync(SCHOOL)["outcome"] == "no_changes"
