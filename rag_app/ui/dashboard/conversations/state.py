"""The list of conversations, and the one that is being read."""

from datetime import UTC, datetime
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from rag_app.bootstrap import services
from rag_app.domain.conversations import Conversation
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.services.askers import Asker
from rag_app.ui import routes
from rag_app.ui.auth import current_owner
from rag_app.ui.chat.state import CitationState, on_page, positive, text_of
from rag_app.ui.chat.view import Turn, turns
from rag_app.ui.dashboard.conversations.view import (
    ConversationView,
    answer_costs,
    conversation_cost,
    conversation_view,
)
from rag_app.ui.feedback import notify

PAGE = 25
READ = 400  # messages of one conversation shown at once


class ConversationsState(rx.State):
    """The list with its filters; `chosen_kb` and `status` are empty for all."""

    conversations: list[ConversationView] = []
    loaded: bool = False
    has_more: bool = False
    chosen_kb: str = ""
    status: str = ""
    query: str = ""
    with_previews: bool = False
    is_empty: bool = False

    @rx.event
    async def load(self) -> None:
        """Read the newest conversations."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        found = await _page(self, owner_id, before=None)
        self.conversations = found
        self.loaded = True

    @rx.event
    async def show_more(self) -> None:
        """Read the next ones."""
        owner_id = await current_owner(self)
        before = self.conversations[-1].id if self.conversations else None
        self.conversations = [*self.conversations, *await _page(self, owner_id, before=before)]

    @rx.event
    async def filter_kb(self, kb_id: str) -> None:
        """Show the conversations of one knowledge base, or of all."""
        self.chosen_kb = kb_id if str(kb_id).isdigit() else ""
        await _reload(self)

    @rx.event
    async def filter_status(self, status: str) -> None:
        """Show open or closed ones, or both."""
        self.status = status if status in ("active", "closed") else ""
        await _reload(self)

    @rx.event
    async def search(self, form: dict[str, Any]) -> None:
        """Show those in which a text occurs."""
        self.query = text_of(form, "query")[:200]
        await _reload(self)

    @rx.event
    async def show_previews(self, shown: bool) -> None:
        """Show the owner's own trials as well, or not."""
        self.with_previews = shown is True
        await _reload(self)

    @rx.event
    async def show_all(self) -> None:
        """Take all filters away."""
        self.chosen_kb, self.status, self.query, self.with_previews = "", "", "", False
        await _reload(self)


class ConversationState(CitationState, rx.State):
    """One conversation being read."""

    conversation: ConversationView = ConversationView()
    turns: list[Turn] = []
    remarks: dict[str, str] = {}
    cost: str = ""
    costs: dict[str, str] = {}
    loaded: bool = False
    missing: bool = False
    deleting: bool = False
    kb_id: int = 0

    @rx.event
    async def open(self) -> None:
        """Read the conversation of the address."""
        self.loaded = self.missing = self.passage_open = self.deleting = False
        self.turns, self.conversation = [], ConversationView()
        self.cost, self.costs = "", {}
        here = on_page(self)
        try:
            owner_id = await current_owner(self)
            conversation_id = positive(int(here) if here.isdigit() and len(here) < 11 else 0)
            await _read(self, conversation_id, owner_id)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        except NotFound:
            self.missing = True
        self.loaded = True

    @rx.event
    async def close(self) -> EventSpec:
        """Let nobody go on with it."""
        await _set_status(self, "closed")
        return notify("Closed. The visitor can read it and begin a new one.")

    @rx.event
    async def reopen(self) -> EventSpec:
        """Let its visitor go on."""
        await _set_status(self, "active")
        return notify("Open again.")

    @rx.event
    def ask_to_delete(self) -> None:
        """Ask whether it shall be deleted."""
        self.deleting = True

    @rx.event
    def keep(self) -> None:
        """Do not delete it."""
        self.deleting = False

    @rx.event
    async def delete(self) -> list[Any]:
        """Delete it, with all its messages."""
        owner_id = await current_owner(self)
        await services().conversations.delete(positive(self.conversation_id), owner_id=owner_id)
        self.deleting = False
        return [rx.redirect(routes.CONVERSATIONS), notify("The conversation was deleted.")]

    async def _asker(self) -> Asker:
        return Asker(owner_id=await current_owner(self))

    def _kb_of_documents(self) -> int | None:
        return self.kb_id


async def _page(state: ConversationsState, owner_id: int, *, before: int | None) -> list[ConversationView]:
    try:
        found = await services().conversations.list_of(
            owner_id,
            kb_id=int(state.chosen_kb) if state.chosen_kb else None,
            status=state.status or None,
            query=state.query or None,
            include_previews=state.with_previews,
            before=before,
            limit=PAGE + 1,
        )
    except NotFound:  # the knowledge base was deleted meanwhile
        state.chosen_kb, found = "", []
    state.has_more = len(found) > PAGE
    is_filtered = bool(state.chosen_kb or state.status or state.query or state.with_previews)
    state.is_empty = not (found or is_filtered or before)
    return _views(found[:PAGE])


async def _reload(state: ConversationsState) -> None:
    state.conversations = await _page(state, await current_owner(state), before=None)


async def _read(state: ConversationState, conversation_id: int, owner_id: int) -> None:
    conversation, messages = await services().conversations.read(
        conversation_id, asker=Asker(owner_id=owner_id), limit=READ
    )
    usage = await services().usage_reports.of_conversation(conversation_id, owner_id=owner_id)
    state.conversation_id, state.kb_id = conversation.id, conversation.kb_id
    [state.conversation] = _views([conversation])
    state.turns = turns(messages, for_owner=True)
    state.cost, state.costs = conversation_cost(usage), answer_costs(usage, messages)
    state.remarks = {str(m.id): m.feedback_reason for m in messages if m.feedback_reason}


async def _set_status(state: ConversationState, status: str) -> None:
    owner_id = await current_owner(state)
    if not state.conversation_id:
        raise InvalidInput("No conversation is open.")
    changed = await services().conversations.set_status(
        state.conversation_id, owner_id=owner_id, status=status
    )
    [state.conversation] = _views([changed])


def _views(found: list[Conversation]) -> list[ConversationView]:
    now = datetime.now(UTC)
    return [conversation_view(conversation, now=now) for conversation in found]
