"""Make Great Expectations' Data Docs of a run on request.

Making the pages takes longer than validating a small package, and few are ever opened. So a run
keeps the results as JSON (`results.json`), and this module makes the pages from them in a separate
process: an API server that imported Great Expectations would never release its memory.

    python -m oneroster_sync.stages.validate.data_docs FOLDER < results.json
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneroster_sync.errors import OneRosterError
from oneroster_sync.runs.artifacts import RunFolder
from oneroster_sync.sources.work_folder import work_folder

if TYPE_CHECKING:
    from oneroster_sync.runs import Run

_TIMEOUT_S = 300
_UNUSED_ASSETS = (
    "fonts",
    "images/validation_failed_unexpected_values.gif",
    "images/glossary_scroller.gif",
)


class DataDocsError(OneRosterError):
    """Great Expectations failed to make its pages; the results are kept."""


def make_data_docs(results: list[dict[str, Any]], folder: Path) -> None:
    """Write the pages of some results into a local folder, in a separate process.

    Args:
        results: Results in the form of `Judge.results`.
        folder: Folder for `index.html` and its assets.

    Raises:
        DataDocsError: Great Expectations failed, or took more than five minutes.
    """
    try:
        subprocess.run(  # noqa: S603  this module
            [sys.executable, "-m", __name__, str(folder)],
            input=json.dumps(results).encode(),
            capture_output=True,
            check=True,
            timeout=_TIMEOUT_S,
        )
    except subprocess.SubprocessError as error:
        raise DataDocsError(str(error)) from error


def write_data_docs(results: list[dict[str, Any]], folder: Path) -> None:
    """Write the pages in this process, which imports Great Expectations; see `make_data_docs`."""
    from oneroster_sync.stages.validate import gx_loader

    gx_loader.load()
    import great_expectations as gx

    from oneroster_sync.stages.validate.gx_internals import (
        ExpectationSuiteIdentifier,
        RunIdentifier,
        ValidationResultIdentifier,
        expectationSuiteValidationResultSchema,
    )
    from oneroster_sync.stages.validate.gx_patches import once

    context = gx.get_context(mode="ephemeral")
    # An ephemeral context has a site of its own, whose pages would be made as well.
    context.delete_data_docs_site("local_site")
    context.add_data_docs_site("report", _site(folder))
    run_id = RunIdentifier()
    with once():
        for one in results:
            context.suites.add(gx.ExpectationSuite(**one["suite"]))
            name = ExpectationSuiteIdentifier(name=one["suite"]["name"])
            result = expectationSuiteValidationResultSchema.load(one["result"])
            result.meta["run_id"] = run_id
            context.validation_results_store.store_validation_results(
                suite_validation_result=result,
                suite_validation_result_identifier=ValidationResultIdentifier(
                    batch_identifier=name.name, expectation_suite_identifier=name, run_id=run_id
                ),
                expectation_suite_identifier=name,
            )
        context.build_data_docs()
    for asset in _UNUSED_ASSETS:
        path = folder / "static" / asset
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _site(folder: Path) -> dict[str, Any]:
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
    return {
        "class_name": "SiteBuilder",
        "site_name": "OneRoster package",
        "show_how_to_buttons": False,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": store,
    }


if __name__ == "__main__":
    write_data_docs(json.load(sys.stdin), Path(sys.argv[1]))


def read_report(run: Run) -> list[dict[str, Any]] | None:
    """Return Great Expectations' report of each file, or None if nothing was validated."""
    try:
        report: list[dict[str, Any]] = RunFolder.of(run.site, run.run_id).read_json("report")
    except FileNotFoundError:
        return None
    return report


def ensure_data_docs(run: Run) -> RunFolder | None:
    """Make Great Expectations' pages of a run in `report/` of its folder, unless they exist.

    Returns:
        The folder of the run; None if the run has no results.

    Raises:
        DataDocsError: Great Expectations failed to make them.
    """
    folder = RunFolder.of(run.site, run.run_id)
    if folder.has("report/index.html"):
        return folder
    if not folder.has("results.json"):
        return None
    with work_folder() as pages:
        make_data_docs(folder.read_json("results"), pages)
        folder.copy_in(pages, "report")
    return folder
