"""The documents on show, kept up to date while files are being read.

A background event looks at the database about once a second while there is work. It ends when nothing
works, when the page is left, when its tab is gone, and when a newer visit has begun.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from rag_app.bootstrap import services
from rag_app.errors import NotFound, NotSignedIn
from rag_app.ui import routes
from rag_app.ui.arguments import as_id, one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.knowledge_base.view import (
    FILTERS,
    Batch,
    DocumentRow,
    Listing,
    Summary,
    batch,
    finished,
    hint,
    rows,
    summary,
    tag_options,
)
from rag_app.ui.feedback import notify
from rag_app.ui.presence import is_connected, is_open_at
from rag_app.ui.wording import counted

PAGE = 50
LOOK_EVERY_S = 1.0
PATIENCE = 60  # looks without a connection before a tab counts as closed
MOST_DUPLICATES = 5
MAX_NAME = 200


class KnowledgeBaseState(rx.State):
    """One page of documents, its filters, and the document that is about to be deleted."""

    summary: Summary = Summary()
    batch: Batch = Batch()
    rows: list[DocumentRow] = []
    has_older: bool = False
    has_newer: bool = False
    is_loading: bool = True
    status: str = ""
    tag: str = ""
    tags: list[tuple[str, str]] = []
    name: str = ""
    n_resets: int = 0
    hint: str = ""
    duplicates: list[str] = []
    more_duplicates: str = ""

    deleting_id: int = 0
    deleting_name: str = ""
    replacing_id: int = 0
    replacing_name: str = ""
    replacing_url: str = ""

    _n_duplicates: int = 0
    _newer: list[int] = []
    _before: int = 0
    _watcher: int = 0  # the one background event that looks now
    _n_watchers: int = 0
    _has_news: bool = False

    @rx.event
    async def load(self) -> Any:
        """Show the first page of the chosen knowledge base; `?status=failed` shows only those."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return None
        self._watcher = 0
        wish = self.router.url.query_parameters.get("status", "")
        self.status, self.name, self.tag, self.tags = wish if wish in dict(FILTERS) else "", "", "", []
        self.n_resets += 1
        _forget_duplicates(self)
        self.deleting_id = self.replacing_id = 0
        allowed = await services().quotas.one_file(
            owner_id=owner_id, most_bytes=services().documents.max_bytes
        )
        self.hint = hint(allowed.most_bytes)
        kb_id = (await self.get_state(CurrentKbState)).kb_id
        self.summary = Summary(kb_id=kb_id)
        self.batch, self.rows = Batch(), []
        self.is_loading = False
        if kb_id == 0:
            return None
        await _first_page(self, owner_id)
        self.tags = tag_options(await services().documents.facets(kb_id, owner_id=owner_id))
        return KnowledgeBaseState.watch

    @rx.event(background=True)
    async def watch(self) -> Any:
        """Look again and again while files are being read; one such event per visit is enough."""
        async with self:
            if self._watcher:
                self._has_news = True
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

    @rx.event
    async def file_uploaded(self, name: str, is_duplicate: bool) -> Any:
        """Show a file that has arrived; say so if the same bytes were there already."""
        await current_owner(self)
        if is_duplicate is True:
            _name_duplicate(self, str(name)[:MAX_NAME])
        return KnowledgeBaseState.watch

    @rx.event
    def forget_duplicates(self) -> None:
        """Take the message about duplicates away."""
        _forget_duplicates(self)

    @rx.event
    async def filter_status(self, status: str) -> Any:
        """Show only documents of one status."""
        owner_id = await current_owner(self)
        self.status = one_of(status, dict(FILTERS))
        await _first_page(self, owner_id)
        return KnowledgeBaseState.watch

    @rx.event
    async def filter_tag(self, tag: str) -> Any:
        """Show only documents with a tag."""
        owner_id = await current_owner(self)
        self.tag = one_of(tag, dict(self.tags) or {""})
        await _first_page(self, owner_id)
        return KnowledgeBaseState.watch

    @rx.event
    async def filter_name(self, name: str) -> Any:
        """Show only documents whose name contains a text."""
        owner_id = await current_owner(self)
        self.name = str(name).replace("\x00", "")[:MAX_NAME]
        await _first_page(self, owner_id)
        return KnowledgeBaseState.watch

    @rx.event
    async def show_all(self) -> Any:
        """Take the filters away."""
        owner_id = await current_owner(self)
        self.status = self.name = self.tag = ""
        self.n_resets += 1
        await _first_page(self, owner_id)
        return KnowledgeBaseState.watch

    @rx.event
    async def older(self) -> Any:
        """Go to the next page."""
        owner_id = await current_owner(self)
        if self.rows and self.has_older:
            self._newer = [*self._newer, self._before]
            self._before = self.rows[-1].id
        await _look(self, owner_id)
        return KnowledgeBaseState.watch

    @rx.event
    async def newer(self) -> Any:
        """Go back one page."""
        owner_id = await current_owner(self)
        if self._newer:
            *self._newer, self._before = self._newer
        await _look(self, owner_id)
        return KnowledgeBaseState.watch

    @rx.event
    async def retry(self, job_id: int) -> Any:
        """Try a failed or cancelled file again."""
        owner_id = await current_owner(self)
        await services().documents.retry(self.summary.kb_id, as_id(job_id), owner_id=owner_id)
        await _look(self, owner_id)
        return KnowledgeBaseState.watch

    @rx.event
    async def retry_all(self) -> Any:
        """Try every failed file again."""
        owner_id = await current_owner(self)
        n_retried = await services().documents.retry_all_failed(self.summary.kb_id, owner_id=owner_id)
        await _first_page(self, owner_id)
        return [KnowledgeBaseState.watch, notify(f"{counted(n_retried, 'file')} will be tried again.")]

    @rx.event
    async def cancel(self, job_id: int) -> Any:
        """Stop reading a file."""
        owner_id = await current_owner(self)
        await services().documents.cancel(self.summary.kb_id, as_id(job_id), owner_id=owner_id)
        await _look(self, owner_id)
        return KnowledgeBaseState.watch

    @rx.event
    async def read_again(self, document_id: int) -> Any:
        """Read a document anew; its present text is used until then."""
        owner_id = await current_owner(self)
        await services().documents.reingest(self.summary.kb_id, as_id(document_id), owner_id=owner_id)
        await _look(self, owner_id)
        return KnowledgeBaseState.watch

    @rx.event
    async def ask_to_delete(self, document_id: int) -> None:
        """Ask before a document is lost."""
        owner_id = await current_owner(self)
        document = await services().documents.get(self.summary.kb_id, as_id(document_id), owner_id=owner_id)
        self.deleting_id, self.deleting_name = document.id, document.name

    @rx.event
    async def ask_to_replace(self, document_id: int) -> None:
        """Ask for another file of a document."""
        owner_id = await current_owner(self)
        document = await services().documents.get(self.summary.kb_id, as_id(document_id), owner_id=owner_id)
        self.replacing_id, self.replacing_name = document.id, document.name
        self.replacing_url = routes.versions(document.id, kb_id=document.kb_id)

    @rx.event
    async def replaced(self, name: str, is_duplicate: bool) -> Any:
        """Show that another file has arrived."""
        await current_owner(self)
        self.replacing_id = 0
        if is_duplicate is True:
            return notify("This is the very file that is in use already.", tone="warn")
        return KnowledgeBaseState.watch

    @rx.event
    def keep(self) -> None:
        """Delete nothing and replace nothing."""
        self.deleting_id = self.replacing_id = 0

    @rx.event
    async def delete(self) -> Any:
        """Delete the document that was asked for."""
        if not self.deleting_id:
            return None
        owner_id = await current_owner(self)
        document_id, self.deleting_id = self.deleting_id, 0
        await services().documents.delete(self.summary.kb_id, document_id, owner_id=owner_id)
        await _look(self, owner_id)
        return notify(f"“{self.deleting_name}” was deleted.")


def _name_duplicate(state: KnowledgeBaseState, name: str) -> None:
    """Name the newest few; of the others, only how many there are."""
    if name not in state.duplicates:
        state._n_duplicates += 1
    others = [each for each in state.duplicates if each != name]
    state.duplicates = [*others, name][-MOST_DUPLICATES:]
    n_more = state._n_duplicates - len(state.duplicates)
    state.more_duplicates = f"and {counted(n_more, 'other file')}" if n_more else ""


def _forget_duplicates(state: KnowledgeBaseState) -> None:
    state.duplicates, state.more_duplicates, state._n_duplicates = [], "", 0


async def _looks(state: KnowledgeBaseState, mine: int) -> AsyncIterator[EventSpec]:
    """Look once a second, holding the lock for assignments only; yields what is to be said."""
    unseen = 0
    while unseen <= PATIENCE:
        async with state:
            if state._watcher != mine or not is_open_at(state, routes.KNOWLEDGE_BASE):
                return
            state._has_news = False
            wanted = _wanted(state)
            unseen = 0 if is_connected(state) else unseen + 1
        if unseen == 0:
            try:
                listing = await read(**wanted, owner_id=await current_owner(state))
            except NotFound:  # deleted meanwhile, here or elsewhere
                return
            async with state:
                if state._watcher != mine:
                    return
                said = "" if listing.is_working else finished(state.batch, listing.summary)
                if _wanted(state) == wanted:
                    _show(state, listing)
                ends = not listing.is_working and not state._has_news
                if ends:
                    state._watcher = 0  # under the lock, so that no news is missed
            if said:
                yield notify(said, tone="warn" if listing.summary.n_failed else "success")
            if ends:
                return
        await asyncio.sleep(LOOK_EVERY_S)


def _wanted(state: KnowledgeBaseState) -> dict[str, Any]:
    return {
        "kb_id": state.summary.kb_id,
        "status": state.status,
        "name": state.name,
        "tag": state.tag,
        "before": state._before,
    }


async def read(kb_id: int, *, owner_id: int, status: str, name: str, tag: str, before: int) -> Listing:
    """Look at a knowledge base. Raises NotFound."""
    # In this order: what ends in between is still being read for the first of these, so that another look
    # follows, and done for the last. The other way round the last look could miss it for good.
    progress = await services().documents.progress(kb_id, owner_id=owner_id)
    found = await services().documents.list_of(
        kb_id,
        owner_id=owner_id,
        before=before or None,
        limit=PAGE + 1,
        status=status or None,
        name=name.strip() or None,
        tag=tag or None,
    )
    kb = await services().knowledge_bases.get(kb_id, owner_id=owner_id)
    return Listing(summary(kb), batch(progress), rows(found[:PAGE]), len(found) > PAGE)


async def show_again(state: KnowledgeBaseState, owner_id: int) -> None:
    """Show the first page anew, after many documents were changed at once."""
    await _first_page(state, owner_id)
    found = await services().documents.facets(state.summary.kb_id, owner_id=owner_id)
    state.tags = tag_options(found)


async def _first_page(state: KnowledgeBaseState, owner_id: int) -> None:
    state._before, state._newer = 0, []
    await _look(state, owner_id)


async def _look(state: KnowledgeBaseState, owner_id: int) -> None:
    _show(state, await read(**_wanted(state), owner_id=owner_id))
    state.has_newer = bool(state._newer)


def _show(state: KnowledgeBaseState, listing: Listing) -> None:
    """Assign what has changed: every assignment is sent to the browser."""
    for name in ("summary", "batch", "rows", "has_older"):
        if getattr(state, name) != getattr(listing, name):
            setattr(state, name, getattr(listing, name))
