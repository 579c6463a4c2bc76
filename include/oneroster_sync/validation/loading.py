"""Great Expectations, without the libraries that only its statistics and their charts need.

It imports scipy.stats and altair at once, for expectations about distributions. They are 40 % of
what importing it takes, and no suite here asks for them; so they are loaded when something does.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_SELDOM_USED = ("altair", "scipy.stats")


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
    from oneroster_sync.validation import relations, rules  # noqa: F401  registers them
