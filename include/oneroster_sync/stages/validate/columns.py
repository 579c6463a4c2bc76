"""How missing, blank, odd and dangling values of each column are handled, and the page about it.

The answers come from two sources: `standard.files` defines the columns, and the suites define the
allowed values. A column that the sync reads and that has no answer is a defect: a `SuiteError`
names it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneroster_sync.stages.validate.suites import EFFECTS, SuiteError, effect_of
from oneroster_sync.standard import ROSTERING_FILES, Column, Need, Version, rostering_file
from oneroster_sync.standard.files import Type
from oneroster_sync.standard.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_NOT_NULL = "expect_column_values_to_not_be_null"
_REFERS = "expect_column_values_to_refer_to"
_ODD_CODES = {
    "reference.duplicate_sourced_id",
    "row.invalid_boolean",
    "row.invalid_date",
    "row.invalid_email",
    "row.invalid_enum",
    "row.invalid_timestamp",
    "row.invalid_year",
    "row.too_long",
}
_LISTED = {Type.ENUM, Type.BOOLEAN, Type.DATE, Type.YEAR, Type.TIME}
"""Types that do not accept every text."""
STATES = ("missing", "blank", "odd", "dangling")
"""Ways in which a value can be wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The effect of a wrong value in the tolerant profile; strict rejects all violations.

    Attributes:
        effect: `file` (the package is rejected), `row`, `value` or `warn`, as in suites; `fine` if
            the value is accepted.
        used_by: Settings that turn `value` into `row`.
    """

    effect: str
    used_by: tuple[str, ...] = ()

    def at(self, in_use: Collection[str]) -> str:
        """Return the effect at a site that uses the settings `in_use`."""
        is_used = self.effect == "value" and not set(self.used_by).isdisjoint(in_use)
        return "row" if is_used else self.effect


_FINE = Answer("fine")


def answers(suites: Path, version: Version, name: str, mode: Mode) -> dict[str, dict[str, Answer]]:
    """Return column → state → answer for the columns that the sync reads of a file.

    A state that is impossible for a column has no answer: only references can dangle.

    Args:
        suites: The folder `expectations/`.
        version: Version of the standard.
        name: The file, without `.csv`.
        mode: Bulk or delta.

    Raises:
        SuiteError: A column has no answer.
    """
    file = rostering_file(name, version)
    assert file is not None
    suite = json.loads((suites / version.value / f"{name}.json").read_text("utf-8"))
    rules = [
        one for one in suite["expectations"] if one["meta"].get("only", mode.value) == mode.value
    ]
    return {c.canonical: _of_column(c, name, version, rules, mode) for c in file.read_columns}


def _of_column(
    column: Column, name: str, version: Version, rules: list[dict[str, Any]], mode: Mode
) -> dict[str, Answer]:
    own = [
        one
        for one in rules
        if column.canonical in {one["meta"].get("column"), one["kwargs"].get("column")}
    ]
    blank = _worst([one for one in own if one["type"] == _NOT_NULL])
    odd = _worst([one for one in own if one["meta"]["code"] in _ODD_CODES])
    dangling = _worst(
        [one for one in own if one["type"] == _REFERS and one["kwargs"]["state"] == "present"]
    )
    place = f"OneRoster {version}, {name}.csv, {column.canonical}"
    is_ours = column.canonical in {"status", "dateLastModified"}
    if column.need is not Need.OPTIONAL and blank is None:
        raise SuiteError(f"{place}: no expectation covers a blank value")
    if column.type in _LISTED and odd is None and not (is_ours and mode is Mode.BULK):
        raise SuiteError(f"{place}: no expectation covers an odd value")
    if column.target and dangling is None:
        raise SuiteError(f"{place}: no expectation covers a dangling value")
    missing = Answer("file" if column.need is Need.ESSENTIAL else "warn")
    found = {"missing": missing, "blank": blank or _FINE, "odd": odd or _FINE}
    if column.target and dangling:
        if column.target == "academicSessions" and mode is Mode.DELTA:
            dangling = _FINE  # sessions are not remembered, so a delta may point to any
        return {"missing": missing, "blank": blank or _FINE, "dangling": dangling}
    return found


def _worst(rules: list[dict[str, Any]]) -> Answer | None:
    """Return the most severe effect of some rules, with all settings that make it more severe."""
    if not rules:
        return None
    effect = min((effect_of(one) for one in rules), key=EFFECTS.index)
    used_by = {setting for one in rules for setting in one["meta"].get("used_by", ())}
    return Answer(effect, tuple(sorted(used_by)))


_WORDS = {
    "fine": "as it is",
    "file": "**package rejected**",
    "row": "**row not used**",
    "value": "value left out",
    "warn": "warning",
}
_HEAD = """\
# Columns

This page says what the sync uses each column for, and what happens if the column or a value is
missing or wrong.

- *missing*: the file has no such column.
- *blank*: the cell is empty.
- *odd*: the column does not allow the value: it is not one of the listed words, not a date, not an
  e-mail address, or too long.
- *dangling*: the value refers to a record that does not exist.

The tables are for the *tolerant* profile. *Value left out* means a warning: the row is used without
the value, and the stored value does not change. *Row not used* means an error: the row's record,
and all records that depend on it, do not change. The *strict* profile rejects a package for every
violation of the standard. Columns that are not listed are never read.

*With SETTING: row not used* means that a site with this setting needs the value. `guards.school` is
set if the site has a threshold for each school. `expire_ended_terms` needs no such rule: if the
terms of a class can't be read, the class keeps the last day that is stored.

<!-- generated by `python -m oneroster_sync.stages.validate`; a test compares -->
"""


def format_page(suites: Path) -> str:
    """Return docs/reference/columns.md.

    Raises:
        SuiteError: A column has no answer.
    """
    return _HEAD + "".join(part for name in ROSTERING_FILES for part in _table(suites, name))


def _table(suites: Path, name: str) -> Iterator[str]:
    yield f"\n## {name}.csv\n\n"
    yield "| column | versions | type | what it is used for | missing | blank | odd | dangling |\n"
    yield "|---|---|---|---|---|---|---|---|\n"
    rows: dict[str, dict[str, list[Version]]] = {}
    for version in Version:
        file = rostering_file(name, version)
        if file is None:
            continue
        bulk, delta = (answers(suites, version, name, mode) for mode in (Mode.BULK, Mode.DELTA))
        for column in file.read_columns:
            text = _format_answers(bulk[column.canonical], delta[column.canonical])
            cells = f"{_type(column)} | {column.use} | {' | '.join(text)}"
            rows.setdefault(column.canonical, {}).setdefault(cells, []).append(version)
    for canonical, variants in rows.items():
        for cells, versions in variants.items():
            yield f"| `{canonical}` | {', '.join(versions)} | {cells} |\n"


def _type(column: Column) -> str:
    many = "list of " if column.is_list else ""
    return f"{many}{column.type}" + (f" → {column.target}.csv" if column.target else "")


def _format_answers(bulk: dict[str, Answer], delta: dict[str, Answer]) -> list[str]:
    """Return the texts of the four answers, for bulk and delta if they differ."""
    lines = []
    for state in STATES:
        one, other = (_to_text(of.get(state)) for of in (bulk, delta))
        lines.append(one if one == other else f"bulk: {one}; delta: {other}")
    return lines


def _to_text(answer: Answer | None) -> str:
    if answer is None:
        return "–"
    words = _WORDS[answer.effect]
    if answer.used_by:
        settings = ", ".join(f"`{setting}`" for setting in answer.used_by)
        words += f"; with {settings}: row not used"
    return words
