"""What was tried with a document and what came of it, for people to read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.knowledge_bases import JobEvent
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.ui.arguments import as_id
from rag_app.ui.auth import current_owner
from rag_app.ui.components import badge, section_header
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.wording import counted

# What happened, in a word or two, its tone, and what it means.
_WORDS: dict[str, tuple[str, str, str]] = {
    "queued": ("Queued", "neutral", "It waits for its turn."),
    "asked_again": ("Asked again", "neutral", "It waits for its turn once more."),
    "begun": ("Begun", "accent", "Its text is being read."),
    "resumed": ("Begun again", "warn", "The process that read it had stopped in the middle."),
    "handed_back": ("Put back", "neutral", "The server was being stopped; it goes on by itself."),
    "waits": ("Did not work", "warn", ""),
    "failed": ("Failed", "danger", ""),
    "completed": ("Ready", "success", "It can be found."),
    "cancelled": ("Stopped", "neutral", "Somebody stopped it."),
}


@dataclass(frozen=True)
class EventView:
    """One line."""

    at: str
    what: str
    tone: str
    text: str


class AttemptsState(rx.State):
    """The lines of the document named by the address, newest first."""

    lines: list[EventView] = []

    @rx.event
    async def load(self) -> None:
        """Read them."""
        self.lines = []
        address = self.router.url
        try:
            owner_id = await current_owner(self)
            kb_id = as_id((await self.get_state(CurrentKbState)).kb_id)
            document_id = as_id(address.path.rstrip("/").rpartition("/")[2])
            found = await services().documents.attempts(kb_id, document_id, owner_id=owner_id)
        except (NotSignedIn, NotFound, InvalidInput):  # the page says so
            return
        self.lines = event_views(found)


def event_views(events: Iterable[JobEvent]) -> list[EventView]:
    """Say what happened."""
    return [_view(one) for one in events]


def attempts() -> rx.Component:
    """Show the lines; nothing where nothing was kept."""
    return rx.cond(
        AttemptsState.lines,
        rx.el.section(
            section_header(title="What was tried", text="Newest first; times are UTC."),
            rx.el.ol(rx.foreach(AttemptsState.lines, _line), class_name="card divide-y divide-line"),
            id="attempts",
            class_name="mt-8 flex flex-col gap-3",
        ),
    )


def _line(line: EventView) -> rx.Component:
    return rx.el.li(
        rx.el.span(line.at, class_name="w-36 flex-none text-sm text-muted tabular-nums"),
        badge(line.what, tone=line.tone),
        rx.el.span(line.text, class_name="min-w-0 basis-64 grow break-words text-sm"),
        class_name="flex flex-wrap items-baseline gap-x-3 gap-y-1 px-4 py-2.5",
    )


def _view(event: JobEvent) -> EventView:
    what, tone, meaning = _WORDS[event.kind]
    again = ""
    if event.kind == "waits" and event.retry_in_s is not None:
        again = f"Trying again in {counted(event.retry_in_s, 'second')}."
    text = " ".join(part for part in (event.reason or meaning, again) if part)
    at = event.at.astimezone(UTC)
    return EventView(f"{at.day} {at:%b %Y, %H:%M:%S}", what, tone, text)
