"""What the log-in and registration pages know when they open.

The forms go to FastAPI, which answers a failure by leading back here with a short-lived cookie that
says what was wrong.
"""

import json
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote

import reflex as rx

from rag_app.ui import routes

FLASH_COOKIE = "rag_flash"
MAX_SHOWN = 300  # characters; the cookie is the visitor's own, but a page should not be flooded


@dataclass(frozen=True)
class Flash:
    """What to say, and what to fill in again."""

    message: str = ""
    email: str = ""
    name: str = ""


class SignInState(rx.State):
    """One visit to either page."""

    message: str = ""
    email: str = ""
    name: str = ""
    next_path: str = ""

    _shown_on: str = ""

    @rx.event
    def open(self) -> None:
        """Read the message left for this visit and where to go afterwards."""
        self.next_path = routes.local_path(self.router.url.query_parameters.get("next"))
        connection = self.router.session.session_id
        if self._shown_on == connection:  # the cookie is as old as the connection: said already
            self.message = ""
            return
        self._shown_on = connection
        flash = read_flash(self.router.headers.cookie)
        self.message, self.email, self.name = flash.message, flash.email, flash.name


def read_flash(cookies: str | None) -> Flash:
    """Return what the cookie says, or nothing if there is none or it makes no sense."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(cookies or "")
        content = json.loads(unquote(jar[FLASH_COOKIE].value))
    except (CookieError, KeyError, ValueError, RecursionError):
        return Flash()
    if not isinstance(content, dict):
        return Flash()
    return Flash(*(_text(content.get(key)) for key in ("message", "email", "name")))


def _text(value: object) -> str:
    return value[:MAX_SHOWN] if isinstance(value, str) else ""
