"""What every request passes: origin, limits, headers, a name for the log.

request ── name it ── open at all? ── own origin? ── not too often? ── not too much? ── app ── headers ──►
"""

import re
import time
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from fastapi import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_app.api.auth import client_address
from rag_app.api.errors import problem, problem_for
from rag_app.bootstrap import services
from rag_app.errors import LimitReached

log = structlog.get_logger()

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OWN_PATHS = ("/api", "/auth", "/v1", "/mcp")
ASKS_DATABASE = (*OWN_PATHS, "/s/", "/health")
# What Reflex would serve besides the pages: files from anybody to anybody, and what is for developers.
CLOSED = re.compile(r"/+(_upload|_all_routes|auth-codespace)(/|$)")
UPLOAD = re.compile(r"/api/knowledge-bases/\d+/(knowledge/upload|documents/\d+/versions)/?")
MAX_BODY_BYTES = 2**20  # of a request that is no upload; the longest text we take is far shorter
SOCKETS_SHARE = 10  # of the requests a caller may make, this part may open a page's connection
TOO_LONG = f"This request is longer than {MAX_BODY_BYTES // 2**20} MB."
_SLUG = re.compile(r"^(/api/shared/)[^/]+")
IMMUTABLE = "public, max-age=31536000, immutable"
PERMISSIONS = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"


class Guard:
    """Refuses what other sites make a browser send, and what comes too often."""

    def __init__(self, app: ASGIApp, *, allowed_origins: frozenset[str], requests_per_minute: int) -> None:
        self.app = app
        self.allowed_origins = allowed_origins
        self.requests_per_minute = requests_per_minute

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] == "websocket" and not self._is_own_origin(Headers(scope=scope)):
            await send({"type": "websocket.close", "code": 1008, "reason": "foreign origin"})
            return
        if scope["type"] == "websocket" and self._comes_too_often(scope):
            await send({"type": "websocket.close", "code": 1013, "reason": "too many connections"})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        structlog.contextvars.bind_contextvars(request_id=uuid4().hex[:12])
        refusal = self._refusal(scope)
        if refusal is not None:
            await _hear_out(scope, receive)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive if _is_upload(scope) else _limited(receive), send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if CLOSED.match(scope["path"]):
            return problem(404, "There is nothing at this address.")
        if scope["method"] not in SAFE_METHODS and not self._is_own_origin(headers):
            return problem(403, "This request came from another site.")
        if scope["path"].startswith(ASKS_DATABASE) and (error := self._comes_too_often(scope)):
            return problem_for(error)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            return problem(422, "The Content-Length of this request is not a number.")
        if int(length[:20]) > MAX_BODY_BYTES and not _is_upload(scope):
            return problem(413, TOO_LONG)
        return None

    def _comes_too_often(self, scope: Scope) -> LimitReached | None:
        name, allowed = "requests", self.requests_per_minute
        if scope["type"] == "websocket":  # each is given memory that stays a while
            name, allowed = "sockets", max(1, allowed // SOCKETS_SHARE)
        try:
            services().limits.hit(name, client_address(HTTPConnection(scope)), per_minute=allowed)
        except LimitReached as error:
            return error
        return None

    def _is_own_origin(self, headers: Headers) -> bool:
        """Whether a browser says that the request comes from our own pages, or none sent it."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
        if origin in self.allowed_origins:
            return True
        return urlsplit(origin).netloc == headers.get("host", "-")


def _is_upload(scope: Scope) -> bool:
    """Whether a request brings files, which are counted where they are read, after asking who sends them."""
    kind = Headers(scope=scope).get("content-type", "")
    return bool(UPLOAD.fullmatch(scope["path"])) and kind.lower().startswith("multipart/form-data")


async def _hear_out(scope: Scope, receive: Receive) -> None:
    """Read a short body that nobody wants: a connection closed on unread bytes may lose the answer."""
    length = Headers(scope=scope).get("content-length", "")
    left = int(length) if length.isascii() and length.isdigit() and len(length) < 10 else 0
    while 0 < left <= MAX_BODY_BYTES:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return
        left -= len(message.get("body", b""))


def _limited(receive: Receive) -> Receive:
    """Give a body on as long as it is not too long."""
    left = MAX_BODY_BYTES

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, TOO_LONG)
        return message

    return counted


class ResponseHeaders:
    """Security headers on everything, cache headers on what never changes, one log line a request."""

    def __init__(self, app: ASGIApp, *, csp: str, is_https: bool) -> None:
        self.app = app
        self.csp = csp
        self.is_https = is_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and complete its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(scope, MutableHeaders(scope=message), status)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            if scope["path"].startswith(OWN_PATHS):
                log.info(
                    "request",
                    method=scope["method"],
                    path=_SLUG.sub(r"\1…", scope["path"]),  # whoever knows a link's name may use it
                    status=status,
                    duration_ms=round((time.perf_counter() - started) * 1000, 1),
                )
            structlog.contextvars.clear_contextvars()

    def _complete(self, scope: Scope, headers: MutableHeaders, status: int) -> None:
        path: str = scope["path"]
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Permissions-Policy", PERMISSIONS)
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Content-Security-Policy", self.csp)
        if self.is_https:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        if path.startswith("/assets/") and status in {200, 206, 304}:
            headers["Cache-Control"] = IMMUTABLE  # their names carry a hash of what is in them
        elif path.startswith(OWN_PATHS):
            headers.setdefault("Cache-Control", "no-store")
        elif "text/html" in headers.get("content-type", ""):
            headers.setdefault("Cache-Control", "no-cache")
