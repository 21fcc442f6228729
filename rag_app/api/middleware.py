"""What every request passes: origin, limits, headers, a name for the log.

request ── name it ── own origin? ── not too often? ── app ── security and cache headers ──►
"""

import time
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_app.api.auth import client_address
from rag_app.api.errors import problem, problem_for
from rag_app.bootstrap import services
from rag_app.errors import LimitReached

log = structlog.get_logger()

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OWN_PATHS = ("/api", "/auth", "/v1", "/mcp")
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
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        structlog.contextvars.bind_contextvars(request_id=uuid4().hex[:12])
        headers = Headers(scope=scope)
        if scope["method"] not in SAFE_METHODS and not self._is_own_origin(headers):
            refusal = problem(403, "This request came from another site.")
            await refusal(scope, receive, send)
            return
        if scope["path"].startswith(OWN_PATHS):
            try:
                address = client_address(Request(scope))
                services().limits.hit("requests", address, per_minute=self.requests_per_minute)
            except LimitReached as error:
                await problem_for(error)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_own_origin(self, headers: Headers) -> bool:
        """Whether a browser says that the request comes from our own pages, or none sent it."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
        if origin in self.allowed_origins:
            return True
        return urlsplit(origin).netloc == headers.get("host", "")


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
                    path=scope["path"],
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
