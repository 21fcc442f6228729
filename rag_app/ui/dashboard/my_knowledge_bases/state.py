"""The knowledge bases on show, and what is being done to one of them."""

from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.errors import NotSignedIn
from rag_app.services.knowledge_bases import Provider
from rag_app.ui.arguments import as_id
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.my_knowledge_bases.view import KbCard, Task, calm, cards, tasks
from rag_app.ui.feedback import notify

PAGE = 50


class MyKnowledgeBasesState(rx.State):
    """The cards, in two sections, and the one that is about to be deleted."""

    active: list[KbCard] = []
    archived: list[KbCard] = []
    tasks: list[Task] = []
    calm: str = ""
    has_any: bool = False
    has_more: bool = False
    is_loading: bool = True

    deleting_id: int = 0
    deleting_name: str = ""
    is_deleting: bool = False

    @rx.event
    async def load(self) -> None:
        """Read the newest knowledge bases."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        found = await _newest(owner_id)
        known = await services().knowledge_bases.providers(owner_id=owner_id)
        self.tasks, self.calm = tasks(found[:PAGE], known), calm(found[:PAGE])
        self.active = self.archived = []
        _add(self, found, known)
        self.has_any, self.is_loading = bool(found), False

    @rx.event
    async def show_more(self) -> None:
        """Add the next, older ones."""
        owner_id = await current_owner(self)
        shown = [card.id for card in (*self.active, *self.archived)]
        known = await services().knowledge_bases.providers(owner_id=owner_id)
        _add(self, await _newest(owner_id, before=min(shown, default=None)), known)

    @rx.event
    async def archive(self, kb_id: int) -> Any:
        """Put one aside: its public link answers no more, its documents stay."""
        return await _set_active(self, kb_id, False)

    @rx.event
    async def bring_back(self, kb_id: int) -> Any:
        """Use an archived one again."""
        return await _set_active(self, kb_id, True)

    @rx.event
    async def ask_to_delete(self, kb_id: int) -> None:
        """Ask for the name before anything is lost."""
        owner_id = await current_owner(self)
        kb = await services().knowledge_bases.get(as_id(kb_id), owner_id=owner_id)
        self.deleting_id, self.deleting_name = kb.id, kb.name

    @rx.event
    def keep(self) -> None:
        """Delete nothing."""
        self.deleting_id = 0

    @rx.event
    async def delete(self, typed_name: str) -> Any:
        """Delete the one whose name was asked for."""
        if not self.deleting_id or self.is_deleting:
            return
        owner_id = await current_owner(self)
        self.is_deleting = True
        yield
        try:
            await services().knowledge_bases.delete(
                self.deleting_id, owner_id=owner_id, typed_name=str(typed_name)
            )
        finally:
            self.is_deleting = False
        self.deleting_id = 0
        yield [
            notify(f"“{self.deleting_name}” was deleted."),
            CurrentKbState.load,
            MyKnowledgeBasesState.load,
        ]


async def _newest(owner_id: int, *, before: int | None = None) -> list[KnowledgeBase]:
    return await services().knowledge_bases.list_of(owner_id, before=before, limit=PAGE + 1)


def _add(state: MyKnowledgeBasesState, found: list[KnowledgeBase], known: list[Provider]) -> None:
    shown = found[:PAGE]
    state.has_more = len(found) > PAGE
    state.active = [*state.active, *cards((kb for kb in shown if kb.is_active), known)]
    state.archived = [*state.archived, *cards((kb for kb in shown if not kb.is_active), known)]


async def _set_active(state: MyKnowledgeBasesState, kb_id: int, is_active: bool) -> Any:
    owner_id = await current_owner(state)
    changed = await services().knowledge_bases.update(
        as_id(kb_id), owner_id=owner_id, changes={"is_active": is_active}
    )
    done = "is in use again." if is_active else "was archived. You can bring it back at any time."
    return [notify(f"“{changed.name}” {done}"), CurrentKbState.load, MyKnowledgeBasesState.load]
