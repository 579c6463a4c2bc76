"""Format the counts of a run: as columns of a list, and as text."""

from __future__ import annotations

from typing import Any

_KINDS = {"users": "user", "courses": "course", "assignments": "course assignment"}
_NOT_DONE = {"errors", "ignored"}
_DONE = {"rekeyed": "given another sourcedId"}
"""Name of a count → text, where people do not understand the name."""
_COLUMNS = {
    "added": ("added",),
    "updated": ("updated", "reactivated", "adopted", "rekeyed"),
    "removed": ("deactivated", "removed"),
    "errors": ("errors",),
}
"""Column in the list of runs → the counts that it adds up; every kind of change is in one."""


def sum_counts(counts: dict[str, dict[str, int]] | None) -> dict[str, dict[str, int]] | None:
    """Sum the counts of a run for the list of runs: kind → column → number."""
    if counts is None:
        return None
    return {
        kind: {
            column: sum(numbers.get(word, 0) for word in words)
            for column, words in _COLUMNS.items()
        }
        for kind, numbers in counts.items()
    }


def count_changes(counts: dict[str, dict[str, int]] | None) -> int:
    """Return the number of records that a plan changes."""
    return sum(
        number
        for numbers in (counts or {}).values()
        for word, number in numbers.items()
        if word not in _NOT_DONE
    )


def format_changes(counts: dict[str, dict[str, int]] | None) -> str:
    """Format the changes of a plan, such as `20 users added, 3 users deactivated`."""
    return ", ".join(list_changes(counts)) or "nothing"


def list_changes(counts: dict[str, dict[str, int]] | None) -> list[str]:
    """Format the changes of a plan, with one item for each kind of change."""
    return [
        f"{_counted(number, _KINDS[kind])} {format_counts(word)}"
        for kind, numbers in (counts or {}).items()
        for word, number in numbers.items()
        if number and word not in _NOT_DONE
    ]


def format_counts(word: str) -> str:
    """Return the text for the name of a count, such as `given another sourcedId`."""
    return _DONE.get(word, word)


def format_left_out(withheld: dict[str, Any]) -> str:
    """Format the withheld part of a plan, such as `left out until 2027-08-15: …`."""
    parts = [
        f"{kind}: "
        + ", ".join(f"{number:,} {format_counts(word)}" for word, number in withheld[kind].items())
        for kind in _KINDS
        if withheld.get(kind)
    ]
    waits = "that is decided" if withheld["why"] == "removals_wait" else withheld["until"]
    return f"left out until {waits}: {'; '.join(parts)}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
