"""The app that Airflow's server mounts at /oneroster: the JSON API and the pages' files."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.staticfiles import StaticFiles

from oneroster_airflow.api import models
from oneroster_airflow.api.auth import May, Reader, asked_by
from oneroster_airflow.api.errors import MEDIA_TYPE, ProblemBody, handle_problems
from oneroster_airflow.api.routes import (
    accounts,
    change_feed,
    decisions,
    documents,
    notifications,
    preferences,
    protections,
    records,
    reports,
    run_details,
    runs,
    sites,
    uploads,
)
from oneroster_airflow.api.security import Safety
from oneroster_airflow.ui import FOLDER, fingerprint
from oneroster_sync.errors import OneRosterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.dependencies.models import Dependant
    from starlette.responses import Response
    from starlette.types import Scope

MOUNT = "/oneroster"
PREFIX = "/api/v1"
_REFUSALS = {
    400: "The body cannot be read.",
    401: "The request is not logged in.",
    403: "The user may not do this.",
    404: "There is no such site, run or record.",
    422: "The request is not valid.",
    503: "The roster database or the storage does not answer.",
}


class UnguardedRouteError(OneRosterError):
    """A route declares no permission."""


def create_app() -> FastAPI:
    """Create the app.

    Raises:
        UnguardedRouteError: A route declares no permission.
    """
    app = FastAPI(
        title="OneRoster sync",
        version="1",
        description="Preferences, uploads, runs and their stories. Log in as for Airflow's API.",
        # FastAPI's own document and pages ask for no login; `/openapi.json` below needs a reader.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        default_response_class=JSONResponse,
    )
    api = APIRouter(prefix=PREFIX, responses=_responses())
    for module in (
        sites,
        preferences,
        uploads,
        runs,
        run_details,
        accounts,
        decisions,
        records,
        change_feed,
        notifications,
        protections,
        reports,
        documents,
    ):
        api.include_router(module.router)

    @api.get("/openapi.json", include_in_schema=False)
    def openapi(actor: Reader) -> dict[str, Any]:
        """Return the description of this API."""
        del actor
        return describe(app)

    for route in api.routes:
        if isinstance(route, APIRoute) and permission(route) is None:
            raise UnguardedRouteError(f"{route.path} names no permission")
    app.include_router(api)
    # After the check above: this is the only route without a permission.
    app.add_api_route("/health", _health, tags=["health"], include_in_schema=False)
    app.mount(f"/static/{fingerprint()}", _Files(directory=FOLDER))
    app.add_middleware(Safety)
    handle_problems(app)
    return app


def permission(route: APIRoute) -> May | None:
    """Return the permission that a route requires."""
    asked = [may for call in _calls(route.dependant) if (may := asked_by(call))]
    return asked[0] if asked else None


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with types, problems, and the permission of each route."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": MOUNT}],
    )
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods:
                operation = document["paths"][route.path_format][method.lower()]
                _complete(operation, permission(route))
    return document


def _complete(operation: dict[str, Any], may: May | None) -> None:
    """Add the permission and the problems to an operation, which FastAPI leaves out."""
    summary, _, more = operation["description"].partition("\n")
    operation["summary"] = summary.rstrip(".")
    operation["description"] = f"{summary}\n{more}\n\nPermission: {may}.".replace("\n\n\n", "\n\n")
    operation["x-permission"] = may
    problem = {"schema": {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}}
    for status, answer in operation["responses"].items():
        if int(status) >= HTTPStatus.BAD_REQUEST:
            answer["content"] = {MEDIA_TYPE: problem}


def _responses() -> dict[int | str, dict[str, Any]]:
    """Return the error answers of every route."""
    return {
        status: {"model": ProblemBody, "description": words} for status, words in _REFUSALS.items()
    }


def _calls(dependant: Dependant) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def _health() -> models.Health:
    """Report that the pages are mounted; for anybody, and without data."""
    return models.Health(status="healthy")


class _Files(StaticFiles):
    """The pages' files, under a path that changes with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file that a browser may cache permanently."""
        response = await super().get_response(path, scope)
        if path.endswith(".js"):
            # Python's type depends on the machine: a slim image has no list of MIME types.
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
