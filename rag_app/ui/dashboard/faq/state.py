"""The entries on show, the one that is written, and the one that is about to be deleted."""

import asyncio
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.faq import FaqEntry
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.ui import routes
from rag_app.ui.arguments import as_id, as_text
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.faq.view import (
    EntryErrors,
    EntryForm,
    EntryRow,
    error_at,
    form_of,
    is_working,
    rows,
)
from rag_app.ui.feedback import notify
from rag_app.ui.presence import is_connected, is_open_at
from rag_app.ui.wording import counted

PAGE = 50
LOOK_EVERY_S = 1.0
MAX_TEXT = 200


class FaqState(rx.State):
    """One page of entries."""

    kb_id: int = 0
    n_entries: int = 0
    rows: list[EntryRow] = []
    has_older: bool = False
    has_newer: bool = False
    is_loading: bool = True
    text: str = ""
    n_resets: int = 0

    is_open: bool = False
    is_saving: bool = False
    form: EntryForm = EntryForm()
    errors: EntryErrors = EntryErrors()
    is_importing: bool = False
    deleting_id: int = 0
    deleting_question: str = ""
    selected: list[int] = []
    is_deleting_selected: bool = False

    _newer: list[int] = []
    _before: int = 0
    _is_watched: bool = False

    @rx.var
    def count_words(self) -> str:
        """How many entries there are."""
        return counted(self.n_entries, "entry", "entries") if self.n_entries else ""

    @rx.var
    def import_url(self) -> str:
        """Where tables are sent to."""
        return routes.faq_import(self.kb_id)

    @rx.var
    def export_url(self) -> str:
        """Where all entries come from."""
        return routes.faq_export(self.kb_id)

    @rx.var
    def n_selected(self) -> int:
        """How many entries are selected."""
        return len(self.selected)

    @rx.var
    def all_selected(self) -> bool:
        """Whether all entries on show are."""
        return bool(self.rows) and len(self.selected) == len(self.rows)

    @rx.var
    def selected_url(self) -> str:
        """Where the selected entries come from."""
        return f"{self.export_url}?{'&'.join(f'ids={each}' for each in self.selected)}"

    @rx.event
    async def load(self) -> Any:
        """Show the newest entries of the chosen knowledge base."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return None
        self.kb_id = (await self.get_state(CurrentKbState)).kb_id
        self.text, self.is_open, self.is_importing, self.deleting_id = "", False, False, 0
        self.is_deleting_selected = False
        self.n_resets += 1
        self.rows, self.n_entries, self.is_loading = [], 0, False
        if self.kb_id == 0:
            return None
        looking = await _first_page(self, owner_id)
        return [*([looking] if looking else []), *await _open_wished(self, owner_id)]

    @rx.event
    async def filter_text(self, text: str) -> Any:
        """Show only entries that contain a text."""
        owner_id = await current_owner(self)
        self.text = str(text).replace("\x00", "")[:MAX_TEXT]
        return await _first_page(self, owner_id)

    @rx.event
    async def show_all(self) -> Any:
        """Take the filter away."""
        owner_id = await current_owner(self)
        self.text = ""
        self.n_resets += 1
        return await _first_page(self, owner_id)

    @rx.event
    async def older(self) -> Any:
        """Go to the next page."""
        owner_id = await current_owner(self)
        if self.rows and self.has_older:
            self._newer = [*self._newer, self._before]
            self._before = self.rows[-1].id
        return await _look(self, owner_id)

    @rx.event
    async def newer(self) -> Any:
        """Go back one page."""
        owner_id = await current_owner(self)
        if self._newer:
            *self._newer, self._before = self._newer
        return await _look(self, owner_id)

    @rx.event
    async def begin(self) -> None:
        """Write a new entry."""
        await current_owner(self)
        self.form, self.errors, self.is_open = EntryForm(), EntryErrors(), True

    @rx.event
    async def edit(self, entry_id: int) -> None:
        """Change an entry."""
        owner_id = await current_owner(self)
        entry = await services().faq.get(self.kb_id, as_id(entry_id), owner_id=owner_id)
        self.form, self.errors, self.is_open = form_of(entry), EntryErrors(), True

    @rx.event
    def close(self) -> None:
        """Keep everything as it is."""
        self.is_open = False

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Keep what was typed; pressing twice does it once."""
        if not self.is_open or self.is_saving:
            return
        owner_id = await current_owner(self)
        self.is_saving, self.errors = True, EntryErrors()
        yield
        try:
            await _store(self, form, owner_id)
        except InvalidInput as error:
            self.errors = error_at(error)
            return
        finally:
            self.is_saving = False
        self.is_open = False
        if looking := await _first_page(self, owner_id):
            yield looking
        yield notify("Saved. It is found in a moment.")

    @rx.event
    async def open_import(self) -> None:
        """Offer to take a table in."""
        await current_owner(self)
        self.is_importing = True

    @rx.event
    def close_import(self) -> None:
        """Take none."""
        self.is_importing = False

    @rx.event
    async def imported(self, words: str) -> Any:
        """Show what an import has brought."""
        owner_id = await current_owner(self)
        self.is_importing = False
        looking = await _first_page(self, owner_id)
        return [*([looking] if looking else []), notify(f"Imported: {str(words)[:MAX_TEXT]}.")]

    @rx.event
    async def ask_to_delete(self, entry_id: int) -> None:
        """Ask before an entry is lost."""
        owner_id = await current_owner(self)
        entry = await services().faq.get(self.kb_id, as_id(entry_id), owner_id=owner_id)
        self.deleting_id, self.deleting_question = entry.id, entry.question

    @rx.event
    def keep(self) -> None:
        """Delete nothing."""
        self.deleting_id = 0

    @rx.event
    async def delete(self) -> Any:
        """Delete the entry that was asked for."""
        if not self.deleting_id:
            return None
        owner_id = await current_owner(self)
        entry_id, self.deleting_id = self.deleting_id, 0
        await services().faq.delete(self.kb_id, [entry_id], owner_id=owner_id)
        looking = await _look(self, owner_id)
        return [*([looking] if looking else []), notify("The entry was deleted.")]

    @rx.event
    async def select(self, entry_id: int, is_selected: bool) -> None:
        """Select an entry on show, or not."""
        await current_owner(self)
        others = [each for each in self.selected if each != entry_id]
        is_shown = any(row.id == entry_id for row in self.rows)
        self.selected = [*others, as_id(entry_id)] if is_selected is True and is_shown else others

    @rx.event
    async def select_page(self, are_selected: bool) -> None:
        """Select all entries on show, or none."""
        await current_owner(self)
        self.selected = [row.id for row in self.rows] if are_selected is True else []

    @rx.event
    def clear_selection(self) -> None:
        """Select nothing."""
        self.selected = []

    @rx.event
    async def ask_to_delete_selected(self) -> None:
        """Ask before entries are lost."""
        await current_owner(self)
        self.is_deleting_selected = bool(self.selected)

    @rx.event
    def keep_selected(self) -> None:
        """Delete none of them."""
        self.is_deleting_selected = False

    @rx.event
    async def delete_selected(self) -> Any:
        """Delete the entries that were asked for."""
        if not self.is_deleting_selected:
            return None
        owner_id = await current_owner(self)
        wanted, self.is_deleting_selected = list(self.selected), False
        await services().faq.delete(self.kb_id, wanted, owner_id=owner_id)
        looking = await _look(self, owner_id)
        were = "entry was" if len(wanted) == 1 else "entries were"
        return [*([looking] if looking else []), notify(f"{len(wanted):,} {were} deleted.")]

    @rx.event(background=True)
    async def watch(self) -> Any:
        """Look once a second until every entry on show can be found."""
        async with self:
            if self._is_watched:
                return
            self._is_watched = True
        try:
            is_on = True
            while is_on:
                await asyncio.sleep(LOOK_EVERY_S)
                async with self:
                    if not is_open_at(self, routes.FAQ) or not is_connected(self):
                        return
                    try:
                        is_on = await _show(self, await current_owner(self))
                    except NotFound:  # the knowledge base was deleted meanwhile
                        return
        finally:
            async with self:
                self._is_watched = False


async def _store(state: FaqState, form: Any, owner_id: int) -> None:
    question, answer = as_text(form, "question"), as_text(form, "answer")
    tags = as_text(form, "tags").split(",")
    faq, kb_id = services().faq, state.kb_id
    if state.form.id:
        await faq.update(kb_id, state.form.id, owner_id=owner_id, question=question, answer=answer, tags=tags)
    else:
        await faq.add(kb_id, owner_id=owner_id, question=question, answer=answer, tags=tags)


async def _open_wished(state: FaqState, owner_id: int) -> list[Any]:
    """Open the entry that the address names."""
    wished = state.router.url.query_parameters.get("entry", "")
    if not wished:
        return []
    try:
        entry = await services().faq.get(state.kb_id, as_id(wished), owner_id=owner_id)
    except (InvalidInput, NotFound):
        return [notify("This entry of the FAQ is not there any more.", tone="warn")]
    state.form, state.errors, state.is_open = form_of(entry), EntryErrors(), True
    return []


async def _first_page(state: FaqState, owner_id: int) -> Any:
    state._before, state._newer = 0, []
    return await _look(state, owner_id)


async def _look(state: FaqState, owner_id: int) -> Any:
    state.has_newer = bool(state._newer)
    state.selected = []
    return FaqState.watch if await _show(state, owner_id) else None


async def _show(state: FaqState, owner_id: int) -> bool:
    """Read a page; says whether anything on it will change by itself."""
    faq = services().faq
    found: list[FaqEntry] = await faq.list_of(
        state.kb_id,
        owner_id=owner_id,
        before=state._before or None,
        limit=PAGE + 1,
        text=state.text.strip() or None,
    )
    shown = found[:PAGE]
    state.n_entries = await faq.count(state.kb_id, owner_id=owner_id)
    state.has_older = len(found) > PAGE
    if state.rows != (new := rows(shown)):
        state.rows = new
    return any(is_working(entry) for entry in shown)
