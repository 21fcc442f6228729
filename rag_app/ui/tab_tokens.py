"""Tie what a browser tab remembers on the server to the person in front of it.

Reflex finds the state of a tab by a token that the browser chooses and that travels in an address.
Whoever knows it would be shown that state. Here the server's own token is made of the tab's and of the
cookies, so the same tab token in another browser, or after signing in as somebody else, is another tab.
"""

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rag_app.services.cookies import sign_in_cookie, visitor_cookie

EVENTS = "/_event"


class TabTokens:
    """Replaces the tab's token in the handshake of its websocket."""

    def __init__(self, app: ASGIApp, *, secret: str) -> None:
        self.app = app
        self.secret = secret.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection on."""
        if scope["type"] in {"websocket", "http"} and scope["path"].startswith(EVENTS):
            scope = {**scope, "query_string": self._bound(scope)}
        await self.app(scope, receive, send)

    def _bound(self, scope: Scope) -> bytes:
        person = _person(Headers(scope=scope).get("cookie", ""))
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return urlencode([(k, self._tie(v, person) if k == "token" else v) for k, v in pairs]).encode()

    def _tie(self, token: str, person: str) -> str:
        digest = hmac.new(self.secret, f"{token}\n{person}".encode(), hashlib.sha256).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _person(cookies: str) -> str:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(cookies)
    except CookieError:
        return ""
    names = [name(is_https=https) for name in (sign_in_cookie, visitor_cookie) for https in (True, False)]
    return "|".join(jar[name].value if name in jar else "" for name in names)
