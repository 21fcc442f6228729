"""Who is looking at this page? Asked in every handler, answered by the database.

The cookie travels with the websocket's handshake and never changes while it is open, so its presence
proves nothing: a sign-in that ended meanwhile is noticed by asking.
"""

from http.cookies import CookieError, SimpleCookie

import reflex as rx

from rag_app.bootstrap import services
from rag_app.crypto import hash_token
from rag_app.domain.accounts import SignIn
from rag_app.errors import NotSignedIn
from rag_app.services.askers import Asker
from rag_app.services.cookies import is_visitor_token, sign_in_cookie, visitor_cookie


def _cookie(state: rx.State, name: str) -> str | None:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(state.router.headers.cookie or "")
    except CookieError:
        return None
    return jar[name].value if name in jar else None


async def current_sign_in(state: rx.State) -> SignIn:
    """The visitor's sign-in. Raises NotSignedIn."""
    is_https = services().settings.is_https
    return await services().accounts.sign_in(_cookie(state, sign_in_cookie(is_https=is_https)))


async def current_owner(state: rx.State) -> int:
    """The id of the account that is signed in. Raises NotSignedIn."""
    return (await current_sign_in(state)).user.id


def visitor_token(state: rx.State) -> str | None:
    """The token a visitor of shared chats is known by in this browser."""
    token = _cookie(state, visitor_cookie(is_https=services().settings.is_https))
    return token if is_visitor_token(token) else None


def current_visitor(state: rx.State) -> Asker:
    """The visitor as one who may ask. Raises NotSignedIn when the browser keeps no cookies."""
    token = visitor_token(state)
    if token is None:
        raise NotSignedIn("This chat needs a cookie to know you again. Allow cookies and reload the page.")
    return Asker(visitor_token_hash=hash_token(token))
