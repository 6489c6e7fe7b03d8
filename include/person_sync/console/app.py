"""The app: its routes, who may call them, and how errors are told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse

from include.errors import ConfigError, RetryableError, SyncError
from include.person_sync.console.acceptance import newest_first, run_prefix
from include.person_sync.console.sync_request import BadRequest
from include.person_sync.console.webhook import webhook_router

if TYPE_CHECKING:
    from fastapi import Request

    from include.person_sync.console.ports import Access, RunLauncher

log = logging.getLogger(__name__)


def create_app(access: Access, launcher: RunLauncher) -> FastAPI:
    """
    Return the app. Every route asks for a signed-in user, but for the webhook, which asks for its secret.

    There are no generated documentation pages: they would be open to everybody.
    """
    app = FastAPI(title="Person sync", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(webhook_router(launcher))
    app.include_router(requests_router(launcher), dependencies=[Depends(access.user)])
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(SyncError, _sync_error)
    return app


def requests_router(launcher: RunLauncher) -> APIRouter:
    """Return the route that tells what became of the calls for one person."""
    router = APIRouter()

    @router.get("/requests/{marketo_id}")
    def requests(marketo_id: int) -> dict[str, Any]:
        """Return the person's link and the runs the webhook started for it, newest first."""
        row = launcher.row_of(marketo_id)
        runs = newest_first(launcher.runs(run_prefix(marketo_id)), marketo_id)
        return {
            "marketoId": marketo_id,
            "dynamicsType": row.table if row else None,
            "dynamicsId": row.row_id if row else None,
            "runs": [{"runId": run.run_id, "state": run.state} for run in runs],
        }

    return router


async def _http_error(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - FastAPI's interface
    """Return an error as a flat object, as the webhook's other answers are."""
    assert isinstance(error, HTTPException)  # noqa: S101 - tells the type checker what FastAPI guarantees
    detail: Any = error.detail
    body = detail if isinstance(detail, dict) else {"status": "refused", "message": detail}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _bad_request(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    assert isinstance(error, BadRequest)  # noqa: S101
    return JSONResponse(
        {"status": "bad_request", "field": error.field, "message": f"{error.field} {error.message}."}, status_code=400
    )


async def _sync_error(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    """Return 503 for what may pass or needs an administrator; the caller learns no more than that."""
    if isinstance(error, RetryableError):
        log.warning("a request could not be served now: %s", error)
        message, wait = "Try again later.", str(int(error.retry_after_s or 5))
        return JSONResponse({"status": "unavailable", "message": message}, 503, headers={"Retry-After": wait})
    log.error("a request could not be served: %s", error)
    word = "not_configured" if isinstance(error, ConfigError) else "failed"
    return JSONResponse({"status": word, "message": "The log of the API server says what is wrong."}, 503)
