"""Non-public names of Great Expectations that this package uses, and the attributes it needs.

The module that uses a name says why: `gx_patches` (do repeated work once), `gx_runner` (decide by
our own metrics), `data_docs`, `relations`. A name is looked up on first access, because importing
the library takes a second.
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
        # Patched while a package is judged.
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
        # Results that are built from decisions.
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
    """Look up one of the names; see `Internals.find`."""
    return GX.find(name)
