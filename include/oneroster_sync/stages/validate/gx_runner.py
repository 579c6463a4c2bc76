"""Run suites with Great Expectations, fast, and report every failing row.

Each expectation decides by itself (Great Expectations' `_validate`), from metrics that `gx_metrics`
finds in the Arrow table. An expectation without such metrics is validated by Great Expectations in
its ordinary way, on a DataFrame whose index is the position of the rows. Values are excluded from
its results, because they are personal data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from oneroster_sync.findings import Severity
from oneroster_sync.stages.validate import gx_loader
from oneroster_sync.stages.validate.omitted_values import FOUND
from oneroster_sync.stages.validate.suites import SuiteError
from oneroster_sync.stages.validate.targets import TARGETS

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite, ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from numpy.typing import NDArray

    from oneroster_sync.stages.validate.gx_metrics import Columns

    Judged = tuple[ExpectationValidationResult, NDArray[np.int64]]
    """Great Expectations' result of an expectation, and the positions of the unexpected rows."""

_RESULT_FORMAT = {
    # COMPLETE names every failing row, SUMMARY 20 of them. The index query is one text with all of
    # them; building it takes most of the time.
    "result_format": "COMPLETE",
    "return_unexpected_index_query": False,
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
    "include_unexpected_rows": False,
}
REFERS = "expect_column_values_to_refer_to"
PLAIN = (str, int, float, bool, type(None), list, dict)


class Judge:
    """Validates the files of one package, and keeps Great Expectations' results.

    Attributes:
        report: For each file, the numbers of each expectation's result.
        results: For each file, its suite and Great Expectations' result as JSON, from which Data
            Docs are made.
    """

    def __init__(self) -> None:
        """Import Great Expectations and our own expectations."""
        gx_loader.load()
        self.report: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []

    def judge(self, name: str, table: pa.Table, suite: dict[str, Any]) -> pa.Table:
        """Run a suite on one file, and return the findings, schema `FOUND`.

        Args:
            name: The file, with `.csv`.
            table: Its rows, with columns `row` and `sourcedId`.
            suite: The suite, as `load_suite` returns it.

        Raises:
            SuiteError: Great Expectations could not evaluate an expectation.
        """
        from oneroster_sync.stages.validate.gx_metrics import Columns
        from oneroster_sync.stages.validate.gx_patches import described_once, once

        columns = Columns(table)
        expectations = _by_column(_suite(name, suite).expectations)
        with described_once():
            judged = [_decide(expectation, columns) for expectation in expectations]
        if any(one is None for one in judged):
            with once():
                judged = _with_ordinary(name, table, expectations, judged)
        decided = [one for one in judged if one is not None]
        self.results.append({"suite": suite, "result": _result(suite["name"], decided)})
        self.report.append(_reported(name, table.num_rows, [result for result, _ in decided]))
        return _findings(name, table, columns, decided)


def _by_column(expectations: list[Expectation]) -> list[Expectation]:
    """Sort expectations in the order in which Great Expectations validates them: by column.

    The order must be the same for both ways of validation: the results of the ordinary way have
    nothing but their order to match them with expectations.
    """
    groups: dict[str | None, list[Expectation]] = {}
    for expectation in expectations:
        groups.setdefault(getattr(expectation, "column", None), []).append(expectation)
    return [expectation for group in groups.values() for expectation in group]


def _decide(expectation: Expectation, columns: Columns) -> Judged | None:
    """Let an expectation decide by our metrics; return None if they are not known."""
    from oneroster_sync.stages.validate.gx_metrics import find_metrics

    metrics = find_metrics(expectation, columns)
    if metrics is None:
        return None
    decided = expectation._validate(  # noqa: SLF001  no public method takes metrics by their names
        metrics=metrics.values, runtime_configuration={"result_format": _RESULT_FORMAT}
    )
    return expectation._build_evr(decided), metrics.unexpected  # noqa: SLF001


def _with_ordinary(
    name: str, table: pa.Table, expectations: list[Expectation], judged: list[Judged | None]
) -> list[Judged | None]:
    """Let Great Expectations validate the expectations that are not judged yet."""
    import great_expectations as gx

    missing = [e for e, one in zip(expectations, judged, strict=True) if one is None]
    # The unnamed index is the position of each row, which Great Expectations returns.
    frame = table.drop_columns([c for c in ("flaw", "withheld") if c in table.column_names])
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = (
        context.data_sources.add_pandas(name)
        .add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe("rows")
    )
    suite = gx.ExpectationSuite(
        name=name, expectations=[expectation.configuration for expectation in missing]
    )
    definition = gx.ValidationDefinition(name=name, data=batch, suite=context.suites.add(suite))
    context.validation_definitions.add(definition)
    result = definition.run(
        batch_parameters={"dataframe": frame.to_pandas()}, result_format=_RESULT_FORMAT
    )
    answers = iter([_ordinary(name, one) for one in result.results])
    return [one if one is not None else next(answers) for one in judged]


def _ordinary(name: str, one: ExpectationValidationResult) -> Judged:
    config = one.expectation_config
    assert config is not None
    info = one.exception_info or {}
    if info.get("raised_exception") or _any_raised(info):
        raise SuiteError(f"the suite of {name} can't be evaluated: {config.type} {config.kwargs}")
    rows = np.asarray(one.result.pop("unexpected_index_list", None) or [], dtype=np.int64)
    return one, np.sort(rows)


def _result(suite: str, decided: list[Judged]) -> dict[str, Any]:
    """Return Great Expectations' result of a validation, as JSON."""
    import great_expectations as gx
    from great_expectations.core import ExpectationSuiteValidationResult

    from oneroster_sync.stages.validate.gx_internals import calc_validation_statistics

    results = [result for result, _ in decided]
    totals = calc_validation_statistics(results)
    result: dict[str, Any] = ExpectationSuiteValidationResult(
        results=[],
        success=totals.success,
        suite_name=suite,
        statistics={
            "evaluated_expectations": totals.evaluated_expectations,
            "successful_expectations": totals.successful_expectations,
            "unsuccessful_expectations": totals.unsuccessful_expectations,
            "success_percent": totals.success_percent,
        },
        meta={"great_expectations_version": gx.__version__},
    ).to_json_dict()
    # to_json_dict would copy each result deeply and dump it twice, so they are added later.
    return {**result, "results": [as_json(one) for one in results]}


_UNSET = ("id", "notes", "description", "rendered_content", "expectation_context")


def as_json(one: ExpectationValidationResult) -> dict[str, Any]:
    """Return the same as `one.to_json_dict()`, without its three deep copies and two schemas.

    These took a third of the time for a small package. Special values use the ordinary way.
    """
    from oneroster_sync.stages.validate.gx_internals import convert_to_json_serializable

    config = one.expectation_config
    if config is None or one.rendered_content is not None or _is_special(config):
        document: dict[str, Any] = one.to_json_dict()
        return document
    severity = config.severity
    return {
        "success": one.success,
        "expectation_config": {
            "type": config.type,
            "kwargs": config.kwargs,
            "meta": config.meta,
            "severity": getattr(severity, "value", severity),
        },
        "result": convert_to_json_serializable(one.result),
        "meta": one.meta,
        "exception_info": one.exception_info,
    }


def _is_special(config: ExpectationConfiguration) -> bool:
    """Return whether a configuration has more than a type, plain arguments and meta."""
    return any(getattr(config, name, None) is not None for name in _UNSET) or not all(
        type(value) in PLAIN for value in config.kwargs.values()
    )


def _suite(name: str, suite: dict[str, Any]) -> ExpectationSuite:
    """Return Great Expectations' suite object, which silently drops unknown keys."""
    import great_expectations as gx

    try:
        made = gx.ExpectationSuite(**suite)
    except Exception as error:
        raise SuiteError(f"{name}: invalid expectation suite: {error}") from error
    known = {expectation.expectation_type for expectation in made.expectations}
    for expectation in suite["expectations"]:
        if expectation.get("type") not in known:
            raise SuiteError(f"the suite of {name}: there is no {expectation.get('type')!r}")
    return made


def _findings(name: str, table: pa.Table, columns: Columns, decided: list[Judged]) -> pa.Table:
    tables = [FOUND.empty_table()]
    for one, rows in decided:
        count = len(rows)
        if not count:
            continue
        config = one.expectation_config
        assert config is not None
        meta = config.meta or {}
        column = meta.get("column") or config.kwargs.get("column")
        severity = Severity.ERROR if config.severity == "critical" else Severity.WARNING
        at = pa.array(rows)
        tables.append(
            pa.table(
                {
                    "code": pa.repeat(meta["code"], count),
                    "severity": pa.repeat(severity.value, count),
                    "file": pa.repeat(name, count),
                    "row": table["row"].take(at),
                    "column": pa.repeat(pa.scalar(column, pa.string()), count),
                    "sourced_id": table["sourcedId"].take(at),
                    "expected": pa.repeat(pa.scalar(meta.get("expected"), pa.string()), count),
                    "rows": np.ones(count, np.int64),
                    **_pointed_to(config, columns, at),
                    "effect": pa.repeat(_effect(config), count),
                },
                schema=FOUND,
            )
        )
    return pa.concat_tables(tables)


def _effect(config: ExpectationConfiguration) -> str:
    """Return the effect on a failing row; an old suite defines it by its severity only."""
    by_severity = "row" if config.severity == "critical" else "warn"
    return str((config.meta or {}).get("effect", by_severity))


def _pointed_to(
    config: ExpectationConfiguration, columns: Columns, at: pa.Array
) -> dict[str, pa.Array]:
    """Return the target file and record of each failing row, if the failure is its reference.

    A user who is not in the package may be a student, so only users of the package are named.
    """
    kwargs, count = config.kwargs, len(at)
    target = TARGETS.get().get(kwargs.get("file", "")) if config.type == REFERS else None
    if target is None:
        return {"target_file": pa.nulls(count, pa.string()), "target": pa.nulls(count, pa.string())}
    file, _, by_other = kwargs["file"].partition(".")
    ids = pa.nulls(count, pa.string())
    if not by_other and (file, kwargs["state"]) != ("users", "present"):
        ids = columns[kwargs["column"]].values.take(at)
        if kwargs.get("lists"):
            distinct = ids.dictionary_encode()
            refused = target.first_refused(distinct.dictionary, kwargs["state"])
            ids = refused.take(distinct.indices)
    return {"target_file": pa.repeat(f"{file}.csv", count), "target": ids}


def _reported(name: str, rows: int, results: list[ExpectationValidationResult]) -> dict[str, Any]:
    """Return the numbers of each expectation's result for one file, without values."""
    expectations = []
    for one in results:
        config = one.expectation_config
        assert config is not None
        meta = config.meta or {}
        expectations.append(
            {
                "expectation": config.type,
                "column": meta.get("column") or config.kwargs.get("column"),
                "expected": meta.get("expected"),
                "severity": str(getattr(config.severity, "value", config.severity)),
                "effect": _effect(config),
                "code": meta["code"],
                "success": bool(one.success),
                "unexpected": int(one.result.get("unexpected_count") or 0),
                "checked": int(one.result.get("element_count") or rows),
            }
        )
    return {
        "file": name,
        "rows": rows,
        "success": all(bool(one.success) for one in results),
        "expectations": expectations,
    }


def _any_raised(info: dict[str, Any]) -> bool:
    """Return whether a metric raised; the entries are keyed by metric."""
    return any(isinstance(v, dict) and v.get("raised_exception") for v in info.values())
