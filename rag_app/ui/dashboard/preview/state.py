"""An owner's trial chat: `/chat/7`, or one conversation of it with `?conversation=12`."""

import reflex as rx
from reflex.event import EventSpec

from rag_app.bootstrap import services
from rag_app.domain.conversations import Conversation
from rag_app.errors import NotFound, NotSignedIn
from rag_app.services.askers import Asker
from rag_app.ui import routes
from rag_app.ui.auth import current_owner
from rag_app.ui.chat.state import (
    ChatState,
    has_begun_anew,
    is_answering,
    on_page,
    show_conversation,
    show_nothing,
)
from rag_app.ui.chat.view import past_conversations
from rag_app.ui.dashboard.current_kb import CurrentKbState


class PreviewState(ChatState, rx.State):
    """One owner trying out one knowledge base."""

    kb_id: int = 0
    missing: bool = False
    n_ready: int = 0
    n_working: int = 0

    @rx.event
    async def open(self) -> EventSpec | None:
        """Show the knowledge base of the address, and its last trial conversation."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return None
        wanted, here = self.router.url.query_parameters.get("kb", ""), on_page(self)
        if wanted.isdigit() and wanted != here:  # another one was chosen above the tabs
            return rx.redirect(f"{routes.CHAT}/{wanted}")
        kb_id = int(here) if here.isdigit() and len(here) < 10 else 0
        if kb_id == self.kb_id and is_answering(self):  # the page was loaded again meanwhile
            return None
        show_nothing(self)
        self.kb_id, self.past = kb_id, []
        try:
            kb = await services().knowledge_bases.get(kb_id, owner_id=owner_id)
        except NotFound:
            self.missing = self.loaded = True
            return None
        self.missing, self.kb_name, self.kb_description = False, kb.name, kb.description
        self.n_ready, self.n_working = kb.n_ready, kb.n_working
        await self._show_wished(owner_id)
        self.loaded = True
        chosen = await self.get_state(CurrentKbState)
        chosen._settle(str(kb_id))  # the choice above the tabs follows the address
        return None

    async def _show_wished(self, owner_id: int) -> None:
        earlier = await self._earlier()
        self.past = past_conversations(earlier)
        wished = self.router.url.query_parameters.get("conversation", "")
        ids = [str(conversation.id) for conversation in earlier]
        newest = "" if has_begun_anew(self) else next(iter(ids), "")
        chosen = wished if wished in ids else newest
        if chosen:
            await show_conversation(self, int(chosen), Asker(owner_id=owner_id))

    async def _asker(self) -> Asker:
        owner_id = await current_owner(self)
        await services().knowledge_bases.get(self.kb_id, owner_id=owner_id)
        return Asker(owner_id=owner_id)

    async def _begin(self) -> Conversation:
        return await services().conversations.begin_preview(self.kb_id, owner_id=await current_owner(self))

    async def _earlier(self) -> list[Conversation]:
        return await services().conversations.previews(self.kb_id, owner_id=await current_owner(self))

    def _kb_of_documents(self) -> int | None:
        return self.kb_id
