"""Great Expectations as in its tutorial: built-in expectations, default types and results.

    python -m benchmarks.peers.checked_by_gx PACKAGE

Checks users.csv and enrollments.csv of staff. The default result has up to twenty values of a
failing expectation, and no rows. Prints the number of failed expectations.
"""

from __future__ import annotations

import sys
from pathlib import Path

import great_expectations as gx
import pandas as pd

_NO_STAFF = ["student", "parent", "guardian", "relative"]
_STAFF = ["administrator", "aide", "proctor", "teacher"]
_EMAIL = r'^[^@\s,;<>"]+@[^@\s,;<>"]+\.[^@\s,;<>".]+$'
_LONGEST = 255


def check(folder: Path) -> int:
    """Return the number of failed expectations of users.csv and enrollments.csv."""
    orgs, classes, users, enrollments = (
        # pandas would read names such as NA, None and NULL as missing.
        pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False, na_values=[""])
        for name in ("orgs", "classes", "users", "enrollments")
    )
    users = users[~users["role"].isin(_NO_STAFF)]
    enrollments = enrollments[~enrollments["role"].isin(_NO_STAFF)]
    expect = gx.expectations
    ids = {"classSourcedId": classes, "userSourcedId": users, "schoolSourcedId": orgs}
    of_users = [
        *map(_required, ("sourcedId", "role", "orgSourcedIds", "enabledUser", "username")),
        *map(_required, ("givenName", "familyName")),
        *map(_short, ("sourcedId", "username", "givenName", "familyName", "email")),
        expect.ExpectColumnValuesToBeUnique(column="sourcedId"),
        expect.ExpectColumnValuesToBeInSet(column="role", value_set=_STAFF),
        expect.ExpectColumnValuesToBeInSet(column="enabledUser", value_set=["true", "false"]),
        expect.ExpectColumnValuesToBeInSet(
            column="orgSourcedIds", value_set=orgs["sourcedId"].tolist()
        ),
        expect.ExpectColumnValuesToMatchRegex(column="email", regex=_EMAIL),
        expect.ExpectColumnValuesToBeUnique(column="email"),
    ]
    of_enrollments = [
        *map(_required, ("sourcedId", *ids, "role")),
        _short("sourcedId"),
        expect.ExpectColumnValuesToBeUnique(column="sourcedId"),
        *(
            expect.ExpectColumnValuesToBeInSet(column=c, value_set=t["sourcedId"].tolist())
            for c, t in ids.items()
        ),
        expect.ExpectColumnValuesToBeInSet(column="role", value_set=_STAFF),
        expect.ExpectColumnValuesToBeInSet(column="primary", value_set=["true", "false"]),
        expect.ExpectColumnValuesToMatchStrftimeFormat(
            column="beginDate", strftime_format="%Y-%m-%d"
        ),
        expect.ExpectColumnValuesToMatchStrftimeFormat(
            column="endDate", strftime_format="%Y-%m-%d"
        ),
    ]
    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_pandas("package")
    failed = 0
    for name, rows, expectations in (
        ("users", users, of_users),
        ("enrollments", enrollments, of_enrollments),
    ):
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        result = definition.run(batch_parameters={"dataframe": rows})
        failed += sum(not one.success for one in result.results)
    return failed


def _required(column: str) -> gx.expectations.Expectation:
    return gx.expectations.ExpectColumnValuesToNotBeNull(column=column)


def _short(column: str) -> gx.expectations.Expectation:
    return gx.expectations.ExpectColumnValueLengthsToBeBetween(column=column, max_value=_LONGEST)


if __name__ == "__main__":
    sys.stdout.write(str(check(Path(sys.argv[1]))))
