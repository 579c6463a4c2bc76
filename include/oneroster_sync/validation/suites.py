"""Suites: JSON under `expectations/<version>/<file>.json`, data and not code.

Every expectation names in its `meta` the finding `code` that a failing row gets and what was
`expected`; by choice `only` (`bulk` or `delta`), the `column` to name in place of a derived one,
and `leave_out` for rows that are neither used nor wrong. Its `severity` decides: `critical`
quarantines the row, anything else is a warning.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from oneroster_sync.findings import CODES

if TYPE_CHECKING:
    from pathlib import Path

    from oneroster_sync.package.manifest import Mode
    from oneroster_sync.spec import Version


class SuiteError(Exception):
    """A suite can't be used; the message names the file and what to correct."""


def load_suite(
    folder: Path, version: Version, file: str, mode: Mode, missing: set[str]
) -> dict[str, Any]:
    """Read one suite.

    Args:
        folder: `expectations/`.
        version: Of the standard.
        file: Name without `.csv`.
        mode: Expectations for another mode are left out.
        missing: Columns that the file does not have; what is expected of them is left out.

    Raises:
        SuiteError: The file is missing, is no JSON, or names an unknown finding code.
    """
    path = folder / version.value / f"{file}.json"
    try:
        suite = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SuiteError(
            f"{path} is missing: every file of OneRoster {version} needs a suite"
        ) from None
    except json.JSONDecodeError as error:
        raise SuiteError(f"{path} is no JSON: {error}") from error
    expectations = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(expectations, list) or not isinstance(suite.get("name"), str):
        raise SuiteError(f"{path} is no suite: it needs a name and a list of expectations")
    for number, expectation in enumerate(expectations, start=1):
        problem = _problem(expectation)
        if problem is not None:
            raise SuiteError(f"{path}: expectation {number} {problem}")
    return {**suite, "expectations": [e for e in expectations if _applies(e, mode, missing)]}


def _problem(expectation: Any) -> str | None:
    """Return what is wrong with an expectation before Great Expectations sees it."""
    if not isinstance(expectation, dict):
        return "is no JSON object"
    for part in ("kwargs", "meta"):
        if not isinstance(expectation.get(part), dict):
            return f"needs {part}"
    code = expectation["meta"].get("code")
    return None if code in CODES else f"needs meta.code to be a finding code, not {code!r}"


def _applies(expectation: dict[str, Any], mode: Mode, missing: set[str]) -> bool:
    kwargs = expectation["kwargs"]
    columns = {kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs}
    columns.update(kwargs.get("column_list", ()))
    only = expectation["meta"].get("only")
    return (only is None or only == mode.value) and not columns & missing
