"""Names that a library does not offer in public and that we use all the same: one table a library.

Its next release may move any of them. Then the look-up says which one, where it stood, and in which
table that is noted; a test asks for each name of each table by itself.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from oneroster_sync.errors import OneRosterError


@dataclass(frozen=True, slots=True)
class Internal:
    """Where a name stands, and what is used of it.

    Attributes:
        module: The module that has it.
        uses: Attributes of a class, or parameters of a function, that we name.
        is_bound_later: Whether it has a value only later, such as while a task runs.
    """

    module: str
    uses: tuple[str, ...] = ()
    is_bound_later: bool = False


class MovedError(OneRosterError, ImportError):
    """A name stands no longer where it did; the message says which, and where that is noted."""


@dataclass(frozen=True, slots=True)
class Internals:
    """The names of one library, and the release of it for which they were read and are tested.

    Attributes:
        table: The module that holds this table.
        package: The library, as pip calls it.
        tested: The beginning of its version.
        names: The names.
    """

    table: str
    package: str
    tested: str
    names: dict[str, Internal]

    def find(self, name: str) -> Any:
        """Return what a name stands for.

        Raises:
            AttributeError: The table does not have it.
            MovedError: This release of the library does not.
        """
        found = self.names.get(name)
        if found is None:
            raise AttributeError(f"module {self.table!r} has no attribute {name!r}")
        try:
            return getattr(importlib.import_module(found.module), name)
        except (ImportError, AttributeError) as error:
            raise MovedError(
                f"{self.package} {version(self.package)} has no {found.module}.{name}, which "
                f"OneRoster uses of {self.tested}; it is noted in {self.table}"
            ) from error

    def is_tested(self) -> bool:
        """Return whether the library is of the release that was tested."""
        return f"{version(self.package)}.".startswith(f"{self.tested}.")
