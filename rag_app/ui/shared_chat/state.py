"""A visitor's chat through a public link. The link is checked anew in every handler."""

from typing import Any

import reflex as rx
from reflex.event import EventSpec

from rag_app.bootstrap import services
from rag_app.domain.conversations import Conversation
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.services.askers import Asker
from rag_app.ui.auth import current_visitor, visitor_token
from rag_app.ui.chat.state import (
    ChatState,
    has_begun_anew,
    is_answering,
    on_page,
    show_conversation,
    show_nothing,
    text_of,
)
from rag_app.ui.chat.view import past_conversations
from rag_app.ui.feedback import notify


class VisitState(ChatState, rx.State):
    """One visit."""

    gone: bool = False
    introducing: bool = False
    visitor_name: str = ""
    visitor_email: str = ""
    introduction_error: str = ""

    _slug: str = ""

    @rx.event
    async def open(self) -> None:
        """Show the knowledge base behind the link and this browser's last conversation with it."""
        slug = on_page(self)
        if slug == self._slug and is_answering(self):  # the page was loaded again meanwhile
            return
        self._slug = slug
        show_nothing(self)
        self.past, self.passage_open = [], False
        try:
            shared = await services().sharing.shared(slug)
        except NotFound:
            self.gone = self.loaded = True
            return
        self.gone, self.kb_name, self.kb_description = False, shared.name, shared.description
        if visitor_token(self) is not None:
            await _show_last(self)
        self.loaded = True

    @rx.event
    async def ask_name(self) -> None:
        """Open the window that asks for name and address."""
        await self._asker()
        visitor = await services().conversations.visitor(self._slug, visitor_token=_token(self))
        self.visitor_name = visitor.name or "" if visitor else ""
        self.visitor_email = visitor.email or "" if visitor else ""
        self.introduction_error = ""
        self.introducing = True

    @rx.event
    async def introduce(self, form: dict[str, Any]) -> EventSpec | None:
        """Keep the name and address the visitor leaves."""
        await self._asker()
        try:
            visitor = await services().conversations.introduce(
                self._slug,
                visitor_token=_token(self),
                name=text_of(form, "name"),
                email=text_of(form, "email"),
            )
        except InvalidInput as error:
            self.introduction_error = str(error)
            return None
        self.introducing = False
        self.visitor_name = visitor.name or ""
        return notify("Thank you. The owner of this chat can now get back to you.")

    @rx.event
    def stay_unknown(self) -> None:
        """Close the window."""
        self.introducing = False

    async def _asker(self) -> Asker:
        try:
            asker = current_visitor(self)
        except NotSignedIn as error:  # there is nothing to log in to here
            raise InvalidInput(str(error)) from error
        try:
            await services().sharing.shared(self._slug)
        except NotFound as error:
            raise NotFound("chat any more: its owner has ended the link") from error
        return asker

    async def _begin(self) -> Conversation:
        return await services().conversations.begin_visit(self._slug, visitor_token=_token(self))

    async def _earlier(self) -> list[Conversation]:
        return await services().conversations.of_visitor(self._slug, visitor_token=_token(self))


def _token(state: rx.State) -> str:
    current_visitor(state)  # raises where there is none
    return visitor_token(state) or ""


async def _show_last(state: VisitState) -> None:
    earlier = await state._earlier()
    state.past = past_conversations(earlier)
    if earlier and not has_begun_anew(state):
        await show_conversation(state, earlier[0].id, current_visitor(state))
