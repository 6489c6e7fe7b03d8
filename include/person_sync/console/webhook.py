"""The endpoint a Marketo webhook calls: `POST /webhook/sync-person`. It asks for no user, but for a shared secret."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Request
from fastapi.responses import JSONResponse

from include.person_sync.console.acceptance import accept_request
from include.person_sync.console.sync_request import BadRequest, parse_sync_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from include.person_sync.console.ports import RunLauncher

log = logging.getLogger(__name__)

PATH: Final = "/webhook/sync-person"
SECRET_HEADER: Final = "X-Person-Sync-Secret"  # noqa: S105 - the header's name, no secret
BODY_LIMIT: Final = 16 * 1024
"""Far above any template; whoever sends more is no Marketo webhook of ours."""


def webhook_router(launcher: RunLauncher) -> APIRouter:
    """Return the router of the webhook. The secret is checked before the body is read."""
    router = APIRouter()

    @router.post(PATH, status_code=202, dependencies=[Depends(secret_check(launcher))])
    def sync_person(request: Request, body: Annotated[bytes, Depends(limited_body)]) -> JSONResponse:
        """Take a request to create a person and answer at once; the run it starts does the work."""
        wanted = parse_sync_request(body, request.headers.get("content-type", ""))
        answer = accept_request(wanted, launcher)
        return JSONResponse(answer.body, status_code=answer.status)

    return router


def secret_check(launcher: RunLauncher) -> Callable[..., None]:
    """Return the dependency that lets in only who shows a secret; it takes as long for a wrong one as for a right."""

    def check(secret: Annotated[str | None, Header(alias=SECRET_HEADER)] = None) -> None:
        if secret is None or not _is_one_of(secret, launcher.secrets()):
            raise HTTPException(401, {"status": "unauthorized", "message": f"{SECRET_HEADER} is missing or wrong."})

    return check


def _is_one_of(shown: str, secrets: Sequence[str]) -> bool:
    """Return True for a known secret; all are compared, so that the time tells nothing."""
    if not any(secrets):
        log.error("a webhook was called but no secret is set; make the connection person_sync_webhook")
    sent = shown.encode("latin-1")  # as a header's bytes were decoded; a secret may hold any letters
    matches = [hmac.compare_digest(sent, secret.encode()) for secret in secrets if secret]
    return any(matches)


async def limited_body(request: Request) -> bytes:
    """Return the body, reading no more of it than the limit. Answers 413 beyond it, 400 for a broken length."""
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest("Content-Length", "is not a number")
    if int(length) > BODY_LIMIT:
        raise _too_large()
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_LIMIT:
            raise _too_large()
    return body


def _too_large() -> HTTPException:
    detail: dict[str, Any] = {"status": "too_large", "message": f"The body has more than {BODY_LIMIT} bytes."}
    return HTTPException(413, detail)
