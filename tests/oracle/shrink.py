"""Reduce steps that show a difference: fewer steps, fewer files, fewer rows."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from oracle.pairing import DivergenceError, Pairing, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracle.sis import Pack, Row

T = TypeVar("T")

_NUMBER = re.compile(r"\d+")


def replay(steps: list[Step]) -> list[str]:
    """Take steps on a new site; return the differences after the first step that shows any."""
    pairing = Pairing()
    try:
        for step in steps:
            if step.of and step.of not in pairing.model.runs:
                continue  # its run was left out
            pairing.take(step)
    except DivergenceError as error:
        return error.wrong
    except Exception as error:  # noqa: BLE001  an unexpected exception is a difference too
        return [f"{type(error).__name__}: {error}"]
    finally:
        pairing.close()
    return []


def shrink(steps: list[Step], *, tries: int = 200) -> tuple[list[Step], list[str]]:
    """Return the fewest steps, with the smallest packages, that differ in the same way.

    Args:
        steps: Steps that differ.
        tries: How many smaller stories are tried at most.
    """
    wrong = replay(steps)
    if not wrong:
        return steps, ["it does not happen again"]
    left = [tries]

    def differs(shorter: list[Step]) -> bool:
        nonlocal wrong
        if left[0] == 0:
            return False
        left[0] -= 1
        found = replay(shorter)
        if not found or _sort(found) != _sort(wrong):
            return False
        wrong = found
        return True

    steps = _fewer(steps, differs, lambda some: some)
    for at in range(len(steps)):
        pack = steps[at].pack
        if pack is not None:
            steps = _smaller(steps, pack, differs)
    return steps, wrong


def _sort(wrong: list[str]) -> str:
    """Return the sort of a difference: the first one, without ids."""
    return _NUMBER.sub("", wrong[0].split(":")[0])


def _fewer(
    items: list[T], differs: Callable[[list[Step]], bool], story: Callable[[list[T]], list[Step]]
) -> list[T]:
    """Leave out items, half of them first, as long as the story with the rest still differs."""
    size = max(1, len(items) // 2)
    while items:
        at = 0
        while at < len(items):
            rest = items[:at] + items[at + size :]
            if differs(story(rest)):
                items = rest
            else:
                at += size
        if size == 1:
            return items
        size //= 2
    return items


def _smaller(steps: list[Step], pack: Pack, differs: Callable[[list[Step]], bool]) -> list[Step]:
    """Leave out files and rows of a package; each step with this package gets the smaller one."""
    for name in list(pack.files):

        def without(rows: list[Row] | None, name: str = name, pack: Pack = pack) -> Pack:
            files = dict(pack.files)
            if rows is None:
                del files[name]
            else:
                files[name] = replace(files[name], rows=rows)
            return replace(pack, files=files)

        def story(
            rows: list[Row] | None,
            pack: Pack = pack,
            steps: list[Step] = steps,
            with_rows: Callable[..., Pack] = without,
        ) -> list[Step]:
            smaller = with_rows(rows)
            return [replace(s, pack=smaller) if s.pack is pack else s for s in steps]

        alone = len(pack.files) == 1
        rows = None
        if alone or not differs(story(None)):
            rows = _fewer(pack.files[name].rows, differs, story)
        smaller = without(rows)
        steps = [replace(s, pack=smaller) if s.pack is pack else s for s in steps]
        pack = smaller
    return steps


def as_text(steps: list[Step]) -> str:
    """Return steps as text."""
    return "\n".join(step.to_text() for step in steps)
