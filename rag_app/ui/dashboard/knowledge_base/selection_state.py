"""The documents that are selected, and what is done to all of them."""

from collections.abc import Sequence
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.bulk import BulkAction, BulkResult
from rag_app.errors import InvalidInput
from rag_app.services.document_bulk import MAX_AT_ONCE
from rag_app.ui.arguments import as_id, as_text
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.knowledge_base.state import KnowledgeBaseState, show_again
from rag_app.ui.feedback import notify
from rag_app.ui.wording import counted

MOST_NAMED = 5
_DONE: dict[BulkAction, str] = {
    "delete": "deleted",
    "reingest": "being read again",
    "retry": "being tried again",
    "add_tags": "tagged",
    "remove_tags": "without these tags now",
}


class SelectionState(rx.State):
    """What is selected, over all pages of the list."""

    selected: list[int] = []
    all_selected: bool = False
    is_deleting: bool = False
    is_tagging: bool = False
    tag_error: str = ""
    names: list[str] = []  # of some that are about to be deleted
    more_names: str = ""

    _names: dict[int, str] = {}

    @rx.var
    def n_selected(self) -> int:
        """How many there are."""
        return len(self.selected)

    @rx.event
    def clear(self) -> None:
        """Select nothing."""
        self.reset()

    @rx.event
    async def select(self, document_id: int, is_selected: bool) -> None:
        """Select a document, or not."""
        owner_id = await current_owner(self)
        document = await services().documents.get(await _kb_id(self), as_id(document_id), owner_id=owner_id)
        others = {each: name for each, name in self._names.items() if each != document.id}
        _set(self, {**others, document.id: document.name} if is_selected is True else others)
        self.all_selected = False

    @rx.event
    async def select_page(self, are_selected: bool) -> None:
        """Select all documents on show, or none of them."""
        await current_owner(self)
        rows = (await self.get_state(KnowledgeBaseState)).rows
        shown = {row.id: row.name for row in rows}
        others = {each: name for each, name in self._names.items() if each not in shown}
        _set(self, {**others, **shown} if are_selected is True else others)
        self.all_selected = are_selected is True

    @rx.event
    async def ask_to_delete(self) -> None:
        """Ask before documents are lost."""
        await current_owner(self)
        names = list(self._names.values())
        self.names = names[:MOST_NAMED]
        n_more = len(names) - len(self.names)
        self.more_names = f"and {counted(n_more, 'other')}" if n_more else ""
        self.is_deleting = bool(names)

    @rx.event
    async def open_tags(self) -> None:
        """Ask for tags."""
        await current_owner(self)
        self.is_tagging, self.tag_error = bool(self.selected), ""

    @rx.event
    def close(self) -> None:
        """Do nothing."""
        self.is_deleting = self.is_tagging = False

    @rx.event
    async def delete(self) -> Any:
        """Delete what is selected."""
        self.is_deleting = False
        return await _do(self, "delete")

    @rx.event
    async def read_again(self) -> Any:
        """Read what is selected again; its present text is used until then."""
        return await _do(self, "reingest")

    @rx.event
    async def retry(self) -> Any:
        """Try those again that failed."""
        return await _do(self, "retry")

    @rx.event
    async def save_tags(self, form: dict[str, Any]) -> Any:
        """Give tags to what is selected, or take them away."""
        takes_away = as_text(form, "change") == "remove"
        try:
            done = await _do(
                self, "remove_tags" if takes_away else "add_tags", as_text(form, "tags").split(",")
            )
        except InvalidInput as error:
            self.tag_error = str(error)
            return None
        self.is_tagging = False
        return done


async def _do(state: SelectionState, action: BulkAction, tags: Sequence[str] = ()) -> Any:
    owner_id = await current_owner(state)
    kb_id, wanted = await _kb_id(state), list(state.selected)
    n_done, skipped = 0, []
    for start in range(0, len(wanted), MAX_AT_ONCE):
        ids = wanted[start : start + MAX_AT_ONCE]
        result = await services().document_bulk.do(kb_id, action, ids, owner_id=owner_id, tags=tags)
        n_done, skipped = n_done + result.n_done, [*skipped, *result.skipped]
    if not wanted:
        return None
    state.reset()
    await show_again(await state.get_state(KnowledgeBaseState), owner_id)
    said = told(action, BulkResult(n_done, tuple(skipped)))
    return [KnowledgeBaseState.watch, notify(said, tone="warn" if skipped else "success")]


def told(action: BulkAction, result: BulkResult) -> str:
    """What came of it, in words."""
    are = "is" if result.n_done == 1 else "are"
    past = action == "delete"
    verb = ("was" if result.n_done == 1 else "were") if past else are
    done = f"{counted(result.n_done, 'document')} {verb} {_DONE[action]}." if result.n_done else ""
    if not result.skipped:
        return done
    left = counted(len(result.skipped), "document")
    stayed = f"{left} stayed as {'it is' if len(result.skipped) == 1 else 'they are'}"
    return f"{done} {stayed}: {result.skipped[0].reason}".strip()


async def _kb_id(state: SelectionState) -> int:
    return (await state.get_state(CurrentKbState)).kb_id


def _set(state: SelectionState, names: dict[int, str]) -> None:
    state._names, state.selected = names, list(names)
