"""Great Expectations' Data Docs of a run, made when somebody asks for them.

Their pages take longer than validating a small package does, and few are ever opened. So a run
keeps the results as JSON (`results.json`), and this module makes the pages from them, in a
process of its own: an API server that imported Great Expectations would keep its memory for good.

    python -m oneroster_sync.validation.data_docs FOLDER < results.json
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

_TIMEOUT_S = 300
_UNUSED_ASSETS = (
    "fonts",
    "images/validation_failed_unexpected_values.gif",
    "images/glossary_scroller.gif",
)


class DataDocsError(Exception):
    """Great Expectations could not make its pages; the results themselves are kept."""


def make_data_docs(results: list[dict[str, Any]], folder: Path) -> None:
    """Write the pages of some results into a local folder, in a process of its own.

    Args:
        results: As `Judge.results` has them.
        folder: Where `index.html` and what belongs to it is written.

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
    """Write the pages in this process, which loads Great Expectations; see `make_data_docs`."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    from oneroster_sync.validation import loading

    loading.load()
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import (
        expectationSuiteValidationResultSchema,
    )
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    from oneroster_sync.validation.once import once

    context = gx.get_context(mode="ephemeral")
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
