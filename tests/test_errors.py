"""Errors of the product form one tree, so that callers handle bases and not single classes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import oneroster_sync
from oneroster_airflow.api.errors import handle_problems
from oneroster_sync.errors import (
    ConflictError,
    GoneError,
    NotFoundError,
    OneRosterError,
    RetriableError,
    UserError,
)
from oneroster_sync.sites.registry import ArchivedSiteError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_IMPORTED = {"env", "versions", "__main__"}
"""Scripts that run when they are imported."""


def own_errors() -> Iterator[type[Exception]]:
    """Yield every exception class that the product defines."""
    for module in pkgutil.walk_packages(oneroster_sync.__path__, "oneroster_sync."):
        if NOT_IMPORTED.isdisjoint(module.name.split(".")):
            for _, found in inspect.getmembers(
                importlib.import_module(module.name), inspect.isclass
            ):
                if issubclass(found, Exception) and found.__module__ == module.name:
                    yield found


def test_every_error_is_in_the_tree() -> None:
    """An error of the product is an OneRosterError, with at most one of the tree's bases."""
    found = set(own_errors())
    assert len(found) > 40
    assert [error.__qualname__ for error in found if not issubclass(error, OneRosterError)] == []
    for error in found:
        bases = [
            base for base in (UserError, ConflictError, RetriableError) if issubclass(error, base)
        ]
        assert len(bases) <= 1, error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UserError("no such thing"), 422, None),
        (NotFoundError("no such site"), 404, None),
        (GoneError("it has expired"), 410, None),
        (ConflictError("somebody was first"), 409, None),
        (RetriableError("the server is away"), 503, None),
        (ArchivedSiteError("the site is archived"), 409, "site.archived"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_api_answers_by_base(error: OneRosterError, status: int, code: str | None) -> None:
    """An error without its own handler gets the status of its base, and its message."""
    app = FastAPI()
    handle_problems(app)

    @app.get("/")
    def fail() -> None:
        raise error

    answer = TestClient(app, raise_server_exceptions=False).get("/")
    body = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code)
    assert body["detail"].lower().startswith(str(error).lower())
