"""Tables of the private names that we use from libraries, one table for each library.

A release of the library may move any of these names. The look-up then reports which name moved, its
old module, and the table that lists it; a test looks up each name of each table.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from oneroster_sync.errors import OneRosterError


@dataclass(frozen=True, slots=True)
class Internal:
    """The location of a private name, and the parts of it that we use.

    Attributes:
        module: The module that defines it.
        uses: The attributes of a class, or parameters of a function, that we use.
        is_bound_later: Whether it has a value only later, for example while a task runs.
    """

    module: str
    uses: tuple[str, ...] = ()
    is_bound_later: bool = False


class MovedError(OneRosterError, ImportError):
    """A private name is not in its module any more; the message says which, and in which table."""


@dataclass(frozen=True, slots=True)
class Internals:
    """The private names of one library, and the release for which they are tested.

    Attributes:
        table: The module that holds this table.
        package: The library's name on PyPI.
        tested: The tested version, or its first parts.
        names: Name → its location.
    """

    table: str
    package: str
    tested: str
    names: dict[str, Internal]

    def find(self, name: str) -> Any:
        """Return the object of a name.

        Raises:
            AttributeError: The table does not list the name.
            MovedError: This release of the library does not have it.
        """
        found = self.names.get(name)
        if found is None:
            raise AttributeError(f"module {self.table!r} has no attribute {name!r}")
        try:
            return getattr(importlib.import_module(found.module), name)
        except (ImportError, AttributeError) as error:
            raise MovedError(
                f"{self.package} {version(self.package)} has no {found.module}.{name}, which "
                f"OneRoster uses of {self.tested}; it is listed in {self.table}"
            ) from error

    def is_tested(self) -> bool:
        """Return whether the installed release is the tested one."""
        # With the dots, because 1.24 is no release of 1.2.
        return f"{version(self.package)}.".startswith(f"{self.tested}.")
