"""The error classes of the product; each message is written for a person.

    OneRosterError
    ├── UserError             a person must change something: a request, a setting, a file
    │   ├── NotFoundError     there is no such site, run or record
    │   └── GoneError         the data was deleted when it expired
    ├── ConflictError         the state differs from what the caller saw; look again, then decide
    └── RetriableError        a retry may help

Any other exception is a defect or a fault of the system. Callers catch a base class: the command
line shows the message of every OneRosterError, Airflow retries only a RetriableError, and the API
answers 422, 404, 410, 409 and 503.
"""

from __future__ import annotations


class OneRosterError(Exception):
    """Base class; the message says what happened and, if possible, what to do.

    Attributes:
        code: A stable name that the API returns, such as `site.archived`.
    """

    code: str | None = None


class UserError(OneRosterError):
    """A person must change something: a request, a setting, a file."""


class NotFoundError(UserError):
    """There is no such site, run or record."""


class GoneError(UserError):
    """The data was deleted when it expired."""


class ConflictError(OneRosterError):
    """The state differs from what the caller saw; look again, then decide."""


class RetriableError(OneRosterError):
    """A retry may help."""
