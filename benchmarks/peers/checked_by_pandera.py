"""pandera in lazy mode, so that it reports every failing row: users and enrollments of staff.

    python -m benchmarks.peers.checked_by_pandera PACKAGE

Prints the number of failures of each file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

_NO_STAFF = ["student", "parent", "guardian", "relative"]
_STAFF = ["administrator", "aide", "proctor", "teacher"]
_EMAIL = r'^[^@\s,;<>"]+@[^@\s,;<>"]+\.[^@\s,;<>".]+$'
_DATE = r"^\d{4}-\d{2}-\d{2}$"


def check(folder: Path) -> dict[str, int]:
    """Return the numbers of failures in users.csv and enrollments.csv."""
    orgs, classes, users, enrollments = (
        # pandas would read names such as NA, None and NULL as missing.
        pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False, na_values=[""])
        for name in ("orgs", "classes", "users", "enrollments")
    )
    users = users[~users["role"].isin(_NO_STAFF)]
    enrollments = enrollments[~enrollments["role"].isin(_NO_STAFF)]
    text = pa.Check.str_length(max_value=255)
    of_users = pa.DataFrameSchema(
        {
            "sourcedId": pa.Column(checks=text, unique=True),
            "role": pa.Column(checks=pa.Check.isin(_STAFF)),
            "orgSourcedIds": pa.Column(checks=pa.Check.isin(orgs["sourcedId"])),
            "enabledUser": pa.Column(checks=pa.Check.isin(["true", "false"])),
            "username": pa.Column(checks=text),
            "givenName": pa.Column(checks=text),
            "familyName": pa.Column(checks=text),
            "email": pa.Column(
                checks=[text, pa.Check.str_matches(_EMAIL)],
                nullable=True,
                unique=True,
                report_duplicates="all",
            ),
        }
    )
    of_enrollments = pa.DataFrameSchema(
        {
            "sourcedId": pa.Column(checks=text, unique=True),
            "classSourcedId": pa.Column(checks=pa.Check.isin(classes["sourcedId"])),
            "userSourcedId": pa.Column(checks=pa.Check.isin(users["sourcedId"])),
            "schoolSourcedId": pa.Column(checks=pa.Check.isin(orgs["sourcedId"])),
            "role": pa.Column(checks=pa.Check.isin(_STAFF)),
            "primary": pa.Column(checks=pa.Check.isin(["true", "false"]), nullable=True),
            "beginDate": pa.Column(checks=pa.Check.str_matches(_DATE), nullable=True),
            "endDate": pa.Column(checks=pa.Check.str_matches(_DATE), nullable=True),
        }
    )
    return {
        "users": _failures(of_users, users),
        "enrollments": _failures(of_enrollments, enrollments),
    }


def _failures(schema: pa.DataFrameSchema, rows: pd.DataFrame) -> int:
    try:
        schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as errors:
        return len(errors.failure_cases)
    return 0


if __name__ == "__main__":
    sys.stdout.write(json.dumps(check(Path(sys.argv[1]))))
