"""Running suites with Great Expectations, so that it is fast and names every failing row.

The DataFrame's index holds the row numbers, so Great Expectations' own index of unexpected rows
is the answer. Values are excluded from its results: they are personal data.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from oneroster_sync.findings import SCHEMA, Severity
from oneroster_sync.validation import loading
from oneroster_sync.validation.suites import SuiteError
from oneroster_sync.validation.targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from great_expectations.core import ExpectationSuite, ExpectationSuiteValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

_RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "return_unexpected_index_query": False,
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
}
_REFERS = "expect_column_values_to_refer_to"
_UNUSED_ASSETS = (
    "fonts",
    "images/validation_failed_unexpected_values.gif",
    "images/glossary_scroller.gif",
)


class Judge:
    """One Great Expectations context for one validation, with its Data Docs."""

    def __init__(self, docs: Path | None) -> None:
        """Open the context; `docs` is the local folder of the Data Docs, None to write none."""
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
        loading.load()
        import great_expectations as gx

        self._docs = docs
        self.report: list[dict[str, Any]] = []
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False}
        self._context.delete_data_docs_site("local_site")
        if docs is not None:
            self._context.add_data_docs_site("report", _site(docs))

    def judge(self, name: str, frame: pd.DataFrame, suite: dict[str, Any]) -> pa.Table:
        """Return the findings of one file.

        Args:
            name: The file, with `.csv`.
            frame: Its rows, indexed by row number, with a column `sourcedId`.
            suite: As `load_suite` returns it.

        Raises:
            SuiteError: Great Expectations could not evaluate an expectation.
        """
        import great_expectations as gx

        from oneroster_sync.validation.once import once

        source = self._context.data_sources.add_pandas(name)
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("rows")
        definition = gx.ValidationDefinition(
            name=name, data=batch, suite=self._context.suites.add(_suite(name, suite))
        )
        self._context.validation_definitions.add(definition)
        with once():
            result = definition.run(
                batch_parameters={"dataframe": frame},
                result_format=_RESULT_FORMAT,
            )
        self._context.data_sources.delete(name)  # or it would keep the rows for good
        found = _findings(name, frame, result)
        self.report.append(_reported(name, len(frame), result))
        return found

    def write_docs(self) -> None:
        """Write the Data Docs of everything that was judged, if they are wanted."""
        if self._docs is None:
            return
        import shutil

        from oneroster_sync.validation.once import once

        with once():
            self._context.build_data_docs()
        for asset in _UNUSED_ASSETS:
            path = self._docs / "static" / asset
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _suite(name: str, suite: dict[str, Any]) -> ExpectationSuite:
    """Return a suite as Great Expectations has it; it drops in silence what it does not know."""
    import great_expectations as gx

    try:
        made = gx.ExpectationSuite(**suite)
    except Exception as error:
        raise SuiteError(f"the suite of {name} is none: {error}") from error
    known = {expectation.expectation_type for expectation in made.expectations}
    for expectation in suite["expectations"]:
        if expectation.get("type") not in known:
            raise SuiteError(f"the suite of {name}: there is no {expectation.get('type')!r}")
    return made


def _site(docs: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "site_name": "OneRoster package",
        "show_how_to_buttons": False,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
    }


def _findings(name: str, frame: pd.DataFrame, result: ExpectationSuiteValidationResult) -> pa.Table:
    tables = [SCHEMA.empty_table()]
    ids = frame["sourcedId"]
    for one in result.results:
        config = one.expectation_config
        assert config is not None
        raised = (one.exception_info or {}).get("raised_exception")
        if raised or (not raised and one.exception_info and _any_raised(one.exception_info)):
            raise SuiteError(
                f"the suite of {name} can't be evaluated: {config.type} {config.kwargs}"
            )
        rows = np.asarray(one.result.get("unexpected_index_list") or [], dtype=np.int64)
        if not rows.size:
            continue
        meta = config.meta or {}
        column = meta.get("column") or config.kwargs.get("column")
        severity = Severity.ERROR if config.severity == "critical" else Severity.WARNING
        count = len(rows)
        tables.append(
            pa.table(
                {
                    "code": pa.repeat(meta["code"], count),
                    "severity": pa.repeat(severity.value, count),
                    "file": pa.repeat(name, count),
                    "row": rows,
                    "column": pa.repeat(pa.scalar(column, pa.string()), count),
                    "sourced_id": pa.array(ids.loc[rows.tolist()], pa.string(), from_pandas=True),
                    "expected": pa.repeat(pa.scalar(meta.get("expected"), pa.string()), count),
                    "rows": np.ones(count, np.int64),
                    **_pointed_to(config, frame, rows),
                },
                schema=SCHEMA,
            )
        )
    return pa.concat_tables(tables)


def _pointed_to(
    config: ExpectationConfiguration, frame: pd.DataFrame, rows: np.ndarray[Any, Any]
) -> dict[str, pa.Array]:
    """Return which record of which file each row points to, where that is what it fails at.

    A user who is not there may be a student, so of users only those are named who are.
    """
    kwargs, count = config.kwargs, len(rows)
    target = TARGETS.get().get(kwargs.get("file", "")) if config.type == _REFERS else None
    if target is None:
        return {"target_file": pa.nulls(count, pa.string()), "target": pa.nulls(count, pa.string())}
    file, _, by_other = kwargs["file"].partition(".")
    ids = pa.nulls(count, pa.string())
    if not by_other and (file, kwargs["state"]) != ("users", "present"):
        cells = frame.loc[rows.tolist(), kwargs["column"]]
        ids = pa.array(cells, pa.string(), from_pandas=True)
        if kwargs.get("lists"):
            distinct = ids.dictionary_encode()
            refused = target.first_refused(distinct.dictionary, kwargs["state"])
            ids = refused.take(distinct.indices)
    return {"target_file": pa.repeat(f"{file}.csv", count), "target": ids}


def _reported(name: str, rows: int, result: ExpectationSuiteValidationResult) -> dict[str, Any]:
    """Return what became of each expectation of one file, in numbers and without values."""
    expectations = []
    for one in result.results:
        config = one.expectation_config
        assert config is not None
        meta = config.meta or {}
        expectations.append(
            {
                "expectation": config.type,
                "column": meta.get("column") or config.kwargs.get("column"),
                "expected": meta.get("expected"),
                "severity": str(getattr(config.severity, "value", config.severity)),
                "code": meta["code"],
                "success": bool(one.success),
                "unexpected": int(one.result.get("unexpected_count") or 0),
                "checked": int(one.result.get("element_count") or rows),
            }
        )
    return {
        "file": name,
        "rows": rows,
        "success": bool(result.success),
        "expectations": expectations,
    }


def _any_raised(info: dict[str, Any]) -> bool:
    """Tell whether one of the metrics raised; their entries are keyed by metric."""
    return any(isinstance(v, dict) and v.get("raised_exception") for v in info.values())
