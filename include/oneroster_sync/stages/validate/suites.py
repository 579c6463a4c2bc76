"""Suites: JSON under `expectations/<version>/<file>.json`, data and not code.

Every expectation names in its `meta` the finding `code` that a failing row gets, what was
`expected`, and the `effect`:

- `row`: an error; the row is not used, and its record stays as it is;
- `value`: a warning; the row is used without the value, and what is stored of it stays;
- `warn`: a warning; the row is used as it is.

By choice it has `used_by`, the settings of a site (`Settings.in_use`) that turn `value` into `row`;
`only` (`bulk` or `delta`); `profile` (`strict`), where tolerant does not ask for it; the `column`
to name in place of a derived one; and `leave_out` for rows that are neither used nor wrong. Great
Expectations' own `severity` follows from the effect; a suite of earlier days, that has a severity
and no effect, means `row` by `critical` and else `warn`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from oneroster_sync.errors import UserError
from oneroster_sync.findings import CODES

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from oneroster_sync.standard import Version
    from oneroster_sync.standard.modes import Mode


EFFECTS = ("row", "value", "warn")


class SuiteError(UserError):
    """A suite can't be used; the message names the file and what to correct."""


def load_suite(
    folder: Path,
    version: Version,
    file: str,
    mode: Mode,
    missing: set[str],
    in_use: Collection[str] = (),
    *,
    is_strict: bool = False,
) -> dict[str, Any]:
    """Read one suite.

    Args:
        folder: `expectations/`.
        version: Of the standard.
        file: Name without `.csv`.
        mode: Expectations for another mode are left out.
        missing: Columns that the file does not have; what is expected of them is left out.
        in_use: The settings by which the site's columns decide.
        is_strict: Whether what only the strict profile asks for is asked.

    Returns:
        The suite, with the effect of each expectation at this site and a severity to match.

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
    applied = [
        _settled(e, in_use)
        for e in expectations
        if _applies(e, mode, missing) and (is_strict or e["meta"].get("profile") != "strict")
    ]
    return {**suite, "expectations": applied}


def _settled(expectation: dict[str, Any], in_use: Collection[str]) -> dict[str, Any]:
    """Return an expectation with the effect that it has at this site."""
    meta = expectation["meta"]
    effect = effect_of(expectation)
    if effect == "value" and not set(meta.get("used_by", ())).isdisjoint(in_use):
        effect = "row"
    severity = "critical" if effect == "row" else "warning"
    return {**expectation, "severity": severity, "meta": {**meta, "effect": effect}}


def effect_of(expectation: dict[str, Any]) -> str:
    """Return an expectation's effect at a site that uses none of the settings it names."""
    by_severity = "row" if expectation.get("severity", "critical") == "critical" else "warn"
    return str(expectation["meta"].get("effect", by_severity))


def _problem(expectation: Any) -> str | None:
    """Return what is wrong with an expectation before Great Expectations sees it."""
    if not isinstance(expectation, dict):
        return "is no JSON object"
    for part in ("kwargs", "meta"):
        if not isinstance(expectation.get(part), dict):
            return f"needs {part}"
    meta = expectation["meta"]
    if meta.get("code") not in CODES:
        return f"needs meta.code to be a finding code, not {meta.get('code')!r}"
    if effect_of(expectation) not in EFFECTS:
        return f"needs meta.effect to be one of {', '.join(EFFECTS)}, not {meta['effect']!r}"
    return None


def _applies(expectation: dict[str, Any], mode: Mode, missing: set[str]) -> bool:
    kwargs = expectation["kwargs"]
    columns = {kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs}
    columns.update(kwargs.get("column_list", ()))
    only = expectation["meta"].get("only")
    return (only is None or only == mode.value) and not columns & missing
