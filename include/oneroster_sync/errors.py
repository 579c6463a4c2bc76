"""The tree of errors that the product raises on purpose; each message is for a person.

    OneRosterError
    ├── UserError             somebody has to change something: a request, a setting, a file
    │   ├── NotFoundError     there is no such site, run or record
    │   └── GoneError         it was there, and was deleted when it expired
    ├── ConflictError         the state is another one than was assumed; look again, then decide
    └── RetriableError        another try may help

An error that is none of these is a defect or a fault of the system. Callers ask for a base: the
command line explains every OneRosterError, Airflow retries a RetriableError alone, and the API
answers 422, 404, 410, 409 and 503.
"""

from __future__ import annotations


class OneRosterError(Exception):
    """Raised on purpose; the message says what happened and, where it can, what to do.

    Attributes:
        code: A stable name that the API hands on, such as `site.archived`.
    """

    code: str | None = None


class UserError(OneRosterError):
    """Somebody has to change something: a request, a setting, a file."""


class NotFoundError(UserError):
    """There is no such site, run or record."""


class GoneError(UserError):
    """It was there, and was deleted when it expired."""


class ConflictError(OneRosterError):
    """The state is another one than was assumed; look again, then decide."""


class RetriableError(OneRosterError):
    """Another try may help."""
