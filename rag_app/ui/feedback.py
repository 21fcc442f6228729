"""Messages in the corner of the page.

From a handler: `return notify("Saved.")`, or `yield notify("…", tone="warn")` on the way. Errors need
nothing: `show_error` is the app's exception handler and shows our own errors in their own words.

They travel as ordinary state, not as scripts to run, so the page's Content-Security-Policy can forbid
`eval`.
"""

import dataclasses
from typing import Literal, TypeAlias, cast

import reflex as rx
import structlog
from reflex.event import EventSpec

from rag_app.errors import NotSignedIn, RagAppError
from rag_app.ui import routes
from rag_app.ui.components.base import SCRIPTS

log = structlog.get_logger()

MOST_SHOWN = 4

Tone: TypeAlias = Literal["success", "info", "warn", "danger"]


@dataclasses.dataclass(frozen=True)
class Notice:
    """One message."""

    id: int
    text: str
    tone: str


class FeedbackState(rx.State):
    """The messages on show."""

    notices: list[Notice] = []
    _count: int = 0

    @rx.event
    def show(self, text: str, tone: str) -> None:
        """Add a message; the oldest goes when there are too many, and a repeated one moves up."""
        self._count += 1
        others = [notice for notice in self.notices if notice.text != text]
        self.notices = [*others, Notice(self._count, text, tone)][-MOST_SHOWN:]

    @rx.event
    def dismiss(self, notice_id: int) -> None:
        """Take a message away."""
        self.notices = [notice for notice in self.notices if notice.id != notice_id]


class Notices(rx.Component):
    """The corner itself; `assets/ui/notices.js`."""

    library = f"{SCRIPTS}/notices.js"
    tag = "Notices"

    items: rx.Var[list[Notice]]

    on_dismiss: rx.EventHandler[rx.event.passthrough_event_spec(int)]  # ty: ignore[invalid-type-form]


def notices() -> rx.Component:
    """Show the messages; the app wraps every page in this once."""
    return Notices.create(items=FeedbackState.notices, on_dismiss=FeedbackState.dismiss)


def notify(text: str, *, tone: Tone = "success") -> EventSpec:
    """Show a message in the corner."""
    return cast(EventSpec, FeedbackState.show(text, tone))


def show_error(exception: Exception) -> EventSpec:
    """Say what went wrong: our own errors in their words, anything else as our fault, logged.

    A handler that finds its visitor signed out leads to the log-in page. Reflex checks the name of
    the argument and the type of the answer.
    """
    if isinstance(exception, NotSignedIn):
        return rx.redirect(routes.LOGIN)
    if isinstance(exception, RagAppError):
        return notify(str(exception), tone="danger")
    log.error("handler_failed", error=type(exception).__name__, exc_info=exception)
    return notify("Something went wrong on our side. It was logged; please try again.", tone="danger")
