"""All that we use of Great Expectations beside its public interface: names, and what of each.

Why each is used says the module that does: `gx_patches` (work done once in place of many times),
`gx_runner` (deciding by metrics of our own), `data_docs`, `relations`. A name is looked up when it
is asked for, since loading the library takes a second.
"""

from __future__ import annotations

from typing import Any

from oneroster_sync.internals import Internal, Internals

_IDENTIFIERS = "great_expectations.data_context.types.resource_identifiers"
_RESULTS = "great_expectations.core.expectation_validation_result"
GX = Internals(
    __name__,
    package="great-expectations",
    tested="1.24",
    names={
        # What is patched while a package is judged.
        "Expectation": Internal(
            "great_expectations.expectations.expectation",
            ("configuration", "_validate", "_build_evr"),
        ),
        "ExpectationConfiguration": Internal(
            "great_expectations.expectations.expectation_configuration",
            (
                *("type", "kwargs", "meta", "notes", "description", "severity", "id"),
                "rendered_content",
            ),
        ),
        "IDDict": Internal("great_expectations.core.id_dict", ("to_id",)),
        "view": Internal("great_expectations.render.view", ("Environment",)),
        # What is made of decisions.
        "calc_validation_statistics": Internal(
            "great_expectations.validator.validator", ("validation_results",)
        ),
        "convert_to_json_serializable": Internal("great_expectations.util", ("data",)),
        "expectationSuiteValidationResultSchema": Internal(_RESULTS, ("load",)),
        "RunIdentifier": Internal("great_expectations.core.run_identifier"),
        "ExpectationSuiteIdentifier": Internal(_IDENTIFIERS, ("name",)),
        "ValidationResultIdentifier": Internal(
            _IDENTIFIERS, ("batch_identifier", "expectation_suite_identifier", "run_id")
        ),
        "multicolumn_condition_partial": Internal(
            "great_expectations.expectations.metrics.map_metric_provider"
            ".multicolumn_condition_partial",
            ("engine",),
        ),
    },
)


def __getattr__(name: str) -> Any:
    """Return one of the names; see `Internals.find`."""
    return GX.find(name)
