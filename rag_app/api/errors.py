"""Errors as `application/problem+json` with a sentence a person understands.

Source: RFC 9457, https://www.rfc-editor.org/rfc/rfc9457
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rag_app import errors
from rag_app.services.outages import OUTAGES, as_outage

log = structlog.get_logger()

STATUS: tuple[tuple[type[errors.RagAppError], int], ...] = (
    (errors.TooLarge, 413),
    (errors.Conflict, 409),
    (errors.Unsupported, 415),
    (errors.InvalidInput, 422),
    (errors.NotSignedIn, 401),
    (errors.NotAllowed, 403),
    (errors.NotFound, 404),
    (errors.LimitReached, 429),
    (errors.StorageFull, 507),
    (errors.TransientError, 503),
    (errors.PermanentError, 502),
)
RETRY_AFTER_S = 3


def problem(status: int, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """One answer in the form of RFC 9457."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(
        content | more, status_code=status, headers=headers, media_type="application/problem+json"
    )


def problem_for(error: errors.RagAppError) -> JSONResponse:
    """The answer for one of our own errors."""
    status = next((code for kind, code in STATUS if isinstance(error, kind)), 500)
    headers: dict[str, str] = {}
    if isinstance(error, errors.LimitReached):
        headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, errors.TransientError):
        headers["Retry-After"] = str(round(error.retry_after_s or RETRY_AFTER_S))
    elif isinstance(error, errors.NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    field = getattr(error, "field", None)
    more: dict[str, Any] = {"field": field} if field else {}
    if limit := getattr(error, "limit", None):
        more["limit"] = limit
    if problems := getattr(error, "problems", None):
        more["errors"] = [{"loc": [name], "msg": text} for name, text in problems.items()]
    return problem(status, str(error), headers=headers, **more)


def add_handlers(app: FastAPI) -> None:
    """Turn whatever a route raises into a problem."""

    @app.exception_handler(errors.RagAppError)
    async def ours(_: Request, error: errors.RagAppError) -> JSONResponse:
        return problem_for(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        if any(item["loc"][0] == "path" for item in found):  # an id that cannot be one names nothing
            return problem(404, "There is nothing at this address.")
        return problem(422, _sentence(found), errors=[_plain(item) for item in found[:20]])

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        sentences = {404: "There is nothing at this address.", 405: "This address does not take that method."}
        detail = sentences.get(error.status_code, str(error.detail))
        return problem(error.status_code, detail, headers=dict(error.headers or {}))

    async def away(_: Request, error: Exception) -> JSONResponse:
        outage = as_outage(error)
        if outage is None:
            raise error
        log.warning("database_unreachable", error=type(error).__name__)
        return problem_for(outage)

    # By name, for what `Exception` catches is raised once more after it is answered.
    for kind in OUTAGES:
        app.add_exception_handler(kind, away)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.exception("request_failed", path=request.url.path, method=request.method)
        return problem(500, "Something went wrong on our side. It has been logged.")


def _sentence(found: Sequence[Any]) -> str:
    first = found[0]
    where = ".".join(str(part) for part in first["loc"] if part not in {"body", "query"})
    reason = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {reason}." if where else f"{reason}."


def _plain(item: Any) -> dict[str, Any]:
    # Without the input: it may be a password, or text that JSON cannot carry.
    return {"loc": [str(part) for part in item["loc"]], "msg": str(item["msg"]), "type": item["type"]}
