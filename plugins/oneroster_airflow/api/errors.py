"""Problems: every refusal is JSON that says what happened and what to do (RFC 9457)."""

from __future__ import annotations

import logging
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import exc
from starlette.exceptions import HTTPException

from oneroster_sync.database import DatabaseError
from oneroster_sync.errors import (
    ConflictError,
    GoneError,
    NotFoundError,
    OneRosterError,
    RetriableError,
    UserError,
)

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

log = logging.getLogger(__name__)

_STORAGES = {"aiobotocore", "aiohttp", "botocore", "s3fs"}
"""Libraries of object stores, whose errors are not OSError."""
_PLACES = {"body", "query", "path", "header", "settings"}
MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """The error of one field."""

    field: str
    message: str


class ProblemBody(BaseModel):
    """Why a request was refused, and what to do."""

    title: str
    status: int
    detail: str
    code: str | None = None
    errors: list[FieldProblem] | None = None
    current: dict[str, Any] | None = None


class Problem(Exception):  # noqa: N818  it is an answer to the client, not a fault of ours
    """A refused request: `status`, a sentence, and optionally a stable code and more."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        errors: list[FieldProblem] | None = None,
        current: Any = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Set the parts of the answer."""
        super().__init__(detail)
        self.headers = headers
        self.body = ProblemBody(
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            code=code,
            errors=errors,
            current=jsonable_encoder(current),
        )

    def answer(self, headers: dict[str, str] | None = None) -> JSONResponse:
        """Return the response with the problem."""
        return JSONResponse(
            self.body.model_dump(exclude_none=True),
            status_code=self.body.status,
            media_type=MEDIA_TYPE,
            headers=headers or self.headers,
        )


def field_problems(errors: Any) -> list[FieldProblem]:
    """Return pydantic's errors as problems of fields with dotted names and sentences."""
    found = []
    for error in errors:
        names = [str(part) for part in error["loc"]]
        while names and names[0] in _PLACES:
            del names[0]
        message = str(error["msg"]).removeprefix("Value error, ")
        found.append(FieldProblem(field=".".join(names), message=sentence(message)))
    return found


def handle_problems(app: FastAPI) -> None:
    """Make the app answer every error with a problem."""
    app.exception_handler(Problem)(lambda _request, problem: problem.answer())
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(RequestValidationError)(_invalid)
    for kind in _STATUSES:
        app.exception_handler(kind)(_explained)
    # DatabaseError is retriable as well, but its text names variables and servers: it stays in the
    # log.
    for silence in (DatabaseError, exc.OperationalError, exc.InterfaceError, exc.TimeoutError):
        app.exception_handler(silence)(_no_database)


def _http_error(_request: Request, error: HTTPException) -> JSONResponse:
    return refused(error)


def refused(error: HTTPException) -> JSONResponse:
    """Return the answer to a refusal by FastAPI or Airflow."""
    # Airflow answers 403 to a forged token; missing permissions raise our own Problem.
    forged = error.status_code == HTTPStatus.FORBIDDEN
    status = HTTPStatus.UNAUTHORIZED if forged else HTTPStatus(error.status_code)
    texts = {
        HTTPStatus.BAD_REQUEST: "The body is not JSON in UTF-8.",
        HTTPStatus.UNAUTHORIZED: "You are not logged in, or your login has expired; log in again.",
        HTTPStatus.NOT_FOUND: "There is nothing here.",
    }
    detail = texts.get(status, sentence(str(error.detail)))
    headers = dict(error.headers) if error.headers else None
    return Problem(status, detail).answer(headers)


def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
    fields = field_problems(error.errors())
    named = "; ".join(f"{f.field}: {f.message}" if f.field else f.message for f in fields)
    return Problem(422, f"The request is not valid. {named}", errors=fields).answer()


_STATUSES: dict[type[OneRosterError], int] = {
    GoneError: 410,
    NotFoundError: 404,
    UserError: 422,
    ConflictError: 409,
    RetriableError: 503,
}
"""Base class of our errors → status of the answer; the most specific class counts."""


def _explained(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OneRosterError)
    return explained(error)


def explained(error: OneRosterError) -> JSONResponse:
    """Return the answer for one of our errors."""
    # GoneError and NotFoundError are UserErrors too, so they are listed before it.
    status = next(status for base, status in _STATUSES.items() if isinstance(error, base))
    return Problem(status, sentence(str(error)), code=error.code).answer()


def _no_database(_request: Request, error: Exception) -> JSONResponse:
    return unanswered(error)


def unanswered(error: Exception) -> JSONResponse:
    """Return the answer if the roster database can't be reached."""
    reference = _reference(error)
    detail = f"The roster database does not answer; try again in a moment ({reference})."
    return Problem(503, detail).answer()


def unexpected(error: Exception) -> JSONResponse:
    """Return the answer to an unexpected error, and log the error.

    The library of an object store raises errors of its own if the store can't be reached.
    """
    reference = _reference(error)
    if type(error).__module__.partition(".")[0] in _STORAGES:
        detail = f"The storage does not answer; try again in a moment ({reference})."
        return Problem(503, detail).answer()
    detail = f"This request failed; look for {reference} in the API server's log."
    return Problem(500, detail).answer()


def _reference(error: Exception) -> str:
    """Log the error, and return its reference for the client, who learns nothing else."""
    reference = uuid.uuid4().hex[:8]
    log.error("Request %s failed", reference, exc_info=error)
    return reference


def sentence(text: str) -> str:
    """Return a text that begins with a capital and ends with a full stop."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."
