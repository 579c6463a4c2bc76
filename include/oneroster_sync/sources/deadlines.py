"""A place whose every step has a deadline, whatever its library waits for.

Time limits of libraries are for the next bytes: a server that sends one byte every half second
never meets them. So each step runs in a thread of its own, and the caller waits for it no longer
than the deadline. Then the connection is aborted, which ends the step, and the caller goes on.
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
"""How long a step may take to end after its connection was aborted."""


class GivenUpError(RetriableSourceError):
    """A step took longer than its deadline."""


class WatchedPlace:
    """A place that is given up when a step of it takes too long."""

    def __init__(self, place: Place, patience: Patience, abort: Callable[[], None]) -> None:
        """Watch a place; `abort` cuts its connections, from another thread than the one at work."""
        self._place = place
        self._patience = patience
        self._abort = abort
        self.name = place.name

    def look(self) -> tuple[bool, list[Entry]]:
        """Return whether the place is one file, and that file or those of the folder."""
        return self._within(self._patience.look_s, self._place.look)

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
        except GivenUpError:  # the place may be at work still, and nobody waits for it
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
    """Return what a step returns, or raise what it raises; give it up at its deadline.

    Args:
        seconds: How long it may take.
        step: What waits for a server.
        abort: Cuts the connection that it waits for.
        name: What to call the server's place in a sentence.

    Raises:
        GivenUpError: It took longer.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(step())
        except BaseException as error:  # noqa: BLE001  it is raised where the step was asked for
            errors.append(error)

    # A daemon: what a library waits for without end must not keep the process from ending.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max(seconds, 0))
    if thread.is_alive():
        with contextlib.suppress(Exception):  # it only hastens the end
            abort()
        thread.join(_ENDS_S)
        raise GivenUpError(
            "source.timeout", f"{name} was given up, because it took longer than {seconds:.0f} s"
        )
    if errors:
        raise errors[0]
    return results[0]
