"""Deadlines for each step of a place, independent of its library's timeouts.

Timeouts of libraries apply to the next bytes: a server that sends one byte every half second never
triggers them. So each step runs in a thread of its own, and the caller waits for the thread until
the deadline. Then the connection is aborted, which ends the step, and the caller continues.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from oneroster_sync.sources.errors import RetriableSourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oneroster_sync.sources.base import Entry, Patience, Place

T = TypeVar("T")

_ENDS_S = 5.0
"""Seconds to wait for the end of a step after its connection was aborted."""


class GivenUpError(RetriableSourceError):
    """A step took longer than its deadline."""


class WatchedPlace:
    """A place whose steps are aborted at their deadlines."""

    def __init__(self, place: Place, patience: Patience, abort: Callable[[], None]) -> None:
        """Wrap a place; `abort` cuts its connections and is called from another thread."""
        self._place = place
        self._patience = patience
        self._abort = abort
        self.name = place.name

    def list_entries(self) -> tuple[bool, list[Entry]]:
        """Return (True, [the file]) if the place is a file, else (False, the folder's files)."""
        return self._within(self._patience.look_s, self._place.list_entries)

    @contextlib.contextmanager
    def read(self, entry: Entry) -> Iterator[Iterator[bytes]]:
        """Open a file and yield its bytes in pieces; all of them within the deadline."""
        deadline = time.monotonic() + self._patience.whole_s
        opened = self._place.read(entry)
        pieces = self._within(self._patience.look_s, opened.__enter__)

        def watched() -> Iterator[bytes]:
            while True:
                left = deadline - time.monotonic()
                piece = self._within(left, lambda: next(pieces, None))
                if piece is None:
                    return
                yield piece

        try:
            yield watched()
        except GivenUpError:  # its thread may still use the file: don't close it
            raise
        except BaseException as error:
            ended = (type(error), error, error.__traceback__)
            self._within(self._patience.look_s, lambda: opened.__exit__(*ended))
            raise
        self._within(self._patience.look_s, lambda: opened.__exit__(None, None, None))

    def move(self, entry: Entry, folder: str, name: str) -> None:
        """Move a file into a folder beside it."""
        self._within(self._patience.move_s, lambda: self._place.move(entry, folder, name))

    def _within(self, seconds: float, step: Callable[[], T]) -> T:
        return within(seconds, step, self._abort, self.name)


def within(seconds: float, step: Callable[[], T], abort: Callable[[], None], name: str) -> T:
    """Run a step in a thread; return its result or raise its error, or abort it at its deadline.

    Args:
        seconds: How long the step may take.
        step: A function that waits for a server.
        abort: Cuts the connection that the step uses.
        name: Name of the place in messages.

    Raises:
        GivenUpError: The step took longer.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(step())
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            errors.append(error)

    # A daemon thread, so that a library that waits forever does not keep the process alive.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max(seconds, 0))
    if thread.is_alive():
        with contextlib.suppress(Exception):  # the step is given up anyway
            abort()
        thread.join(_ENDS_S)
        raise GivenUpError(
            "source.timeout", f"{name} was stopped because it took longer than {seconds:.0f} s"
        )
    if errors:
        raise errors[0]
    return results[0]
