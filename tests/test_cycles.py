"""Cycles of parents are found with one lookup for each record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneroster_sync.stages.validate.expectations import find_cyclic

RECORDS = st.sampled_from("abcdefgh")


class Counted(dict[str, str]):
    """Parents that count their lookups."""

    steps = 0

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Look up a parent that may be missing."""
        self.steps += 1
        return super().get(key, default)

    def __getitem__(self, key: str) -> str:
        self.steps += 1
        return super().__getitem__(key)


def chain(length: int) -> Counted:
    """Return so many records, each of which is the parent of the previous one."""
    return Counted({f"o{n}": f"o{n + 1}" for n in range(length)})


@pytest.mark.parametrize("end", ["nothing", "itself", "the start"])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_long_chain_takes_steps_by_its_length(end: str, *, backwards: bool) -> None:
    """Twice as many records take twice as many steps in every order of the rows."""
    steps = {}
    for length in (8_000, 16_000):
        parents = chain(length)
        if end != "nothing":
            parents[f"o{length}"] = f"o{length}" if end == "itself" else "o0"
        if backwards:
            parents = Counted(reversed(parents.items()))
        cyclic = find_cyclic(parents)
        assert len(cyclic) == {"nothing": 0, "itself": 1, "the start": length + 1}[end]
        steps[length] = parents.steps
    assert steps[8_000] <= 2 * 8_001
    assert steps[16_000] <= 2 * 16_001


@given(st.dictionaries(RECORDS, RECORDS))
def test_a_record_is_cyclic_if_its_parents_lead_back_to_it(parents: dict[str, str]) -> None:
    """A record whose ancestors form a cycle is not cyclic unless it is part of that cycle."""

    def meets_itself(record: str) -> bool:
        seen, current = set(), parents.get(record)
        while current is not None and current not in seen:
            seen.add(current)
            current = parents.get(current)
        return record in seen

    assert find_cyclic(parents) == {record for record in parents if meets_itself(record)}
