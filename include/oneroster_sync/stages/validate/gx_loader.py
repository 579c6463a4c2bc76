"""Great Expectations, loaded without what no suite here asks for.

It imports scipy.stats and altair at once, for expectations about distributions, and the libraries
of every cloud that is installed. They are half of what importing it takes. The first two are loaded
when something asks for them; the clouds are not there for it at all, since our data is in memory.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SELDOM_USED = ("altair", "scipy.stats")
_NEVER_USED = ("boto3", "botocore", "google.cloud", "azure", "pyspark")


class _Later(ModuleType):
    """Stands for a module until something of it is wanted."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        real = importlib.import_module(self.__name__)
        self.__dict__.update(real.__dict__)
        return getattr(real, name)


def load() -> None:
    """Import Great Expectations and register the expectations of our own."""
    for name in _SELDOM_USED:
        sys.modules.setdefault(name, _Later(name))
    with _absent(_NEVER_USED), _uncollected():
        from oneroster_sync.stages.validate import expectations, relations  # noqa: F401  registers them


@contextlib.contextmanager
def _absent(names: tuple[str, ...]) -> Iterator[None]:
    """Let modules that are not loaded look as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # not to be found
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Spare the garbage collector what stays for good: 400,000 objects, looked at ten times."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
