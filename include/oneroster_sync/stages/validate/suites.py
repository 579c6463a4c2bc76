"""Load suites: JSON files `expectations/<version>/<file>.json`, data and not code.

The `meta` of every expectation has the finding `code` of a failing row, the text `expected`,
and the `effect`:

- `row`: an error; the row is not used, and its record stays unchanged;
- `value`: a warning; the row is used without the value, and the stored value stays;
- `warn`: a warning; the row is used unchanged.

Optional keys: `used_by`, the settings of a site (`Settings.in_use`) that turn `value` into `row`;
`only` (`bulk` or `delta`); `profile` (`strict`), for expectations that tolerant skips; `column`, to
report in place of a derived one; and `leave_out`, for rows that are neither used nor wrong. Great
Expectations' own `severity` follows from the effect. In an old suite with a severity and no effect,
`critical` means `row` and any other severity `warn`.
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
        folder: The folder `expectations/`.
        version: Version of the standard.
        file: Name of the file, without `.csv`.
        mode: Mode of the file; expectations for the other mode are left out.
        missing: Columns that the file does not have; their expectations are left out.
        in_use: The settings in use at the site, compared with `used_by`.
        is_strict: Whether expectations of the strict profile apply.

    Returns:
        The suite, with the effect of each expectation at this site and a matching severity.

    Raises:
        SuiteError: The file is missing, is not JSON, or has an invalid expectation.
    """
    path = folder / version.value / f"{file}.json"
    try:
        suite = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SuiteError(
            f"{path} is missing: every file of OneRoster {version} needs a suite"
        ) from None
    except json.JSONDecodeError as error:
        raise SuiteError(f"{path} is not JSON: {error}") from error
    expectations = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(expectations, list) or not isinstance(suite.get("name"), str):
        raise SuiteError(f"{path} is not a suite: it needs a name and a list of expectations")
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
    """Return an expectation with its effect at this site."""
    meta = expectation["meta"]
    effect = effect_of(expectation)
    if effect == "value" and not set(meta.get("used_by", ())).isdisjoint(in_use):
        effect = "row"
    severity = "critical" if effect == "row" else "warning"
    return {**expectation, "severity": severity, "meta": {**meta, "effect": effect}}


def effect_of(expectation: dict[str, Any]) -> str:
    """Return an expectation's effect at a site that uses none of the settings it names."""
    # Critical is Great Expectations' own default (1.24).
    by_severity = "row" if expectation.get("severity", "critical") == "critical" else "warn"
    return str(expectation["meta"].get("effect", by_severity))


def _problem(expectation: Any) -> str | None:
    """Return what is wrong with an expectation, or None; Great Expectations checks the rest."""
    if not isinstance(expectation, dict):
        return "is not a JSON object"
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
    # A missing column is one finding of extract, which each row would repeat.
    return (only is None or only == mode.value) and not columns & missing
