"""Pages at /s/<slug>: a visitor is known from the first page on, and a dead link answers 404."""

import re

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_app.api.auth import remember_visitor, visitor_token
from rag_app.bootstrap import services
from rag_app.errors import NotFound

_SHARE_PAGE = re.compile(r"/s/([A-Za-z0-9_-]{1,100})/?")


class SharePages:
    """Completes the answers for pages of shared chats."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; what is not a share page is left alone."""
        found = _SHARE_PAGE.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None or scope["method"] not in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        is_alive = await _is_alive(found.group(1))
        cookies = Response()
        if is_alive and visitor_token(Request(scope)) is None:
            remember_visitor(cookies)

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                if not is_alive and message["status"] == 200:
                    message["status"] = 404
                headers = MutableHeaders(scope=message)
                headers["X-Robots-Tag"] = "noindex"  # a link is for whom it was given to
                for cookie in cookies.headers.getlist("set-cookie"):
                    headers.append("set-cookie", cookie)
            await send(message)

        await self.app(scope if is_alive else _unconditional(scope), receive, completed)


def _unconditional(scope: Scope) -> Scope:
    """A request that cannot be answered with "as you have it": the browser has the living link's page."""
    conditions = {b"if-none-match", b"if-modified-since"}
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0].lower() not in conditions]}


async def _is_alive(slug: str) -> bool:
    try:
        await services().sharing.shared(slug)
    except NotFound:
        return False
    return True
