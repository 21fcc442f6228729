"""How the documents of the chosen knowledge base are cut, tried out on one of them while it is being set.

Nothing changes before it is saved. While documents are being read again a background event looks about once
a second, as that of the list of documents does.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from rag_app.bootstrap import services
from rag_app.errors import Conflict, InvalidInput, NotFound, NotSignedIn, RagAppError
from rag_app.ui import routes
from rag_app.ui.arguments import as_text, one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.settings.chunks_view import (
    NAMES,
    CutView,
    PreviewView,
    Reading,
    cut_view,
    document_options,
    hints,
    numbers,
    preview_view,
    reading,
)
from rag_app.ui.feedback import notify
from rag_app.ui.presence import is_connected, is_open_at
from rag_app.ui.wording import counted

LOOK_EVERY_S = 1.0
PATIENCE = 60  # looks without a connection before a tab counts as closed
MOST_OPTIONS = 200  # the newest documents; any does to try a size


class ChunksState(rx.State):
    """What stands in the card; `kb_id` is 0 while the owner has no knowledge base."""

    kb_id: int = 0
    draft: dict[str, str] = {"chunk_tokens": "", "overlap_tokens": ""}
    hints: dict[str, str] = {"chunk_tokens": "", "overlap_tokens": ""}
    errors: dict[str, str] = {}
    cut: CutView = CutView()
    documents: list[tuple[str, str]] = []
    document_id: str = ""
    preview: PreviewView = PreviewView()
    problem: str = ""  # why there is no preview
    reading: Reading = Reading()
    said: str = ""
    is_changed: bool = False
    is_cutting: bool = False
    is_saving: bool = False
    is_asking: bool = False
    n_forms: int = 0  # a new key makes the browser forget what was typed

    _saved: dict[str, str] = {}
    _n_cuts: int = 0
    _watcher: int = 0
    _n_watchers: int = 0

    @rx.event
    async def load(self) -> Any:
        """Read how documents are cut."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return None
        n_forms, n_cuts, n_watchers = self.n_forms, self._n_cuts, self._n_watchers
        self.reset()
        self.n_forms, self._n_cuts, self._n_watchers = n_forms + 1, n_cuts + 1, n_watchers
        kb_id = (await self.get_state(CurrentKbState)).kb_id
        try:
            await _read(self, kb_id, owner_id)
        except NotFound:  # the owner has none yet
            return None
        found = await services().documents.list_of(
            kb_id, owner_id=owner_id, limit=MOST_OPTIONS, status="ready"
        )
        self.kb_id, self.documents = kb_id, document_options(found)
        self.document_id = self.documents[0][0] if self.documents else ""
        return [ChunksState.try_out, ChunksState.watch]

    @rx.event
    async def change(self, name: str, value: str) -> Any:
        """Type another number."""
        await current_owner(self)
        self.draft = self.draft | {one_of(name, NAMES): str(value)[:20]}
        self.is_changed, self.said = self.draft != self._saved, ""
        return ChunksState.try_out

    @rx.event
    async def choose_document(self, document_id: str) -> Any:
        """Try it out on another document."""
        await current_owner(self)
        self.document_id = one_of(document_id, dict(self.documents))
        return ChunksState.try_out

    @rx.event(background=True)
    async def try_out(self) -> None:
        """Cut the chosen document as it is set and as it is being set; the newest wish counts."""
        async with self:
            if not self.kb_id or not self.document_id:
                return
            self._n_cuts += 1
            mine, kb_id, document_id = self._n_cuts, self.kb_id, int(self.document_id)
            changes, self.is_cutting = numbers(self.draft), True
        problem, errors, shown = "", {}, None
        try:
            shown = preview_view(
                await services().chunk_previews.preview(
                    kb_id, document_id, owner_id=await current_owner(self), changes=changes
                )
            )
        except InvalidInput as error:
            errors = dict(error.problems)
        except (NotSignedIn, NotFound, Conflict) as error:
            problem = str(error)
        except RagAppError as error:  # no key for the model that counts the tokens
            problem = f"There is no preview just now. {error}"
        async with self:
            if self._n_cuts != mine:
                return
            self.is_cutting, self.errors, self.problem = False, errors, problem
            if shown is not None:
                self.preview = shown

    @rx.event
    async def discard(self) -> Any:
        """Go back to what is saved."""
        await current_owner(self)
        self.draft, self.errors, self.is_changed = self._saved, {}, False
        self.n_forms += 1
        return ChunksState.try_out

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Cut new files like this from now on."""
        if self.is_saving or not self.kb_id:
            return
        owner_id = await current_owner(self)
        self.is_saving = True
        yield
        self.draft = {name: as_text(form, name) or self.draft[name] for name in NAMES}
        try:
            await services().knowledge_bases.set_rag_config(
                self.kb_id, owner_id=owner_id, changes=numbers(self.draft)
            )
            await _read(self, self.kb_id, owner_id)
            self.said = "Saved. New files are cut like this from now on."
        except InvalidInput as error:
            self.errors, self.is_changed = dict(error.problems), True
            return
        finally:
            self.is_saving = False
        yield ChunksState.try_out

    @rx.event
    async def ask(self) -> None:
        """Ask before documents are read again."""
        await current_owner(self)
        self.is_asking = True

    @rx.event
    def keep(self) -> None:
        """Read nothing again."""
        self.is_asking = False

    @rx.event
    async def read_again(self) -> Any:
        """Read the documents again whose chunks have another size."""
        if not self.kb_id:
            return None
        owner_id = await current_owner(self)
        self.is_asking, self.said = False, ""
        n_queued = await services().documents.reingest_all(self.kb_id, owner_id=owner_id)
        await _look(self, owner_id)
        if not n_queued:
            return notify("Nothing is left to be read again; what is being read now is cut anew already.")
        return ChunksState.watch

    @rx.event(background=True)
    async def watch(self) -> Any:
        """Look again and again while documents are being read; one such event per visit is enough."""
        async with self:
            if self._watcher or not self.kb_id:
                return
            self._n_watchers += 1
            mine = self._watcher = self._n_watchers
        try:
            async for message in _looks(self, mine):
                yield message
        finally:
            async with self:
                if self._watcher == mine:
                    self._watcher = 0


async def _read(state: ChunksState, kb_id: int, owner_id: int) -> None:
    """Show what is saved. Raises NotFound."""
    found = await services().chunk_previews.settings(kb_id, owner_id=owner_id)
    sizes = {"chunk_tokens": found.size.tokens, "overlap_tokens": found.size.overlap_tokens}
    state._saved = state.draft = {name: str(value) for name, value in sizes.items()}
    state.cut, state.hints = cut_view(found), hints(found.most_tokens)
    state.errors, state.is_changed = {}, False


async def _look(state: ChunksState, owner_id: int) -> None:
    found = await services().chunk_previews.settings(state.kb_id, owner_id=owner_id)
    progress = await services().documents.progress(state.kb_id, owner_id=owner_id)
    state.cut, state.reading = cut_view(found), reading(progress)


async def _looks(state: ChunksState, mine: int) -> AsyncIterator[EventSpec]:
    """Look once a second, holding the lock for assignments only; yields what is to be said."""
    unseen = 0
    while unseen <= PATIENCE:
        async with state:
            if state._watcher != mine or not is_open_at(state, routes.SETTINGS):
                return
            kb_id = state.kb_id
            unseen = 0 if is_connected(state) else unseen + 1
        if unseen == 0:
            owner_id = await current_owner(state)
            try:
                # In this order: what is counted after the last file was done has it counted.
                progress = await services().documents.progress(kb_id, owner_id=owner_id)
                found = await services().chunk_previews.settings(kb_id, owner_id=owner_id)
            except NotFound:  # deleted meanwhile
                return
            async with state:
                if state._watcher != mine:
                    return
                was_open, now = state.reading.is_open, reading(progress)
                for name, value in (("cut", cut_view(found)), ("reading", now)):
                    if getattr(state, name) != value:
                        setattr(state, name, value)
                if not now.is_open:
                    state._watcher = 0  # under the lock, so that one begun now is watched
            if not now.is_open:
                if was_open:
                    yield _ended(found.n_otherwise)
                return
        await asyncio.sleep(LOOK_EVERY_S)


def _ended(n_otherwise: int) -> EventSpec:
    if n_otherwise:
        left = counted(n_otherwise, "document")
        return notify(f"Reading is done, but {left} could not be cut anew; the list says why.", tone="warn")
    return notify("All documents have chunks of the new size.")
