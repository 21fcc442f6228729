"""What the pages of sources remember and do; what kind it is about is said by those that build on it.

class WebSourcesState(SourcesState, rx.State):      # the list
    def _words(self): return WORDS

class WebSourceState(SourceState, rx.State):        # one of them, named by the address
"""

import asyncio
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.sources import Source
from rag_app.errors import NotFound, NotSignedIn
from rag_app.ui.arguments import as_id, one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.sources.view import (
    ITEM_FILTERS,
    EventRow,
    ItemRow,
    RunRow,
    SourceRow,
    Words,
    event_rows,
    item_rows,
    run_rows,
    source_row,
)
from rag_app.ui.feedback import notify
from rag_app.ui.presence import is_connected, is_open_at

LOOK_EVERY_S = 1.0
ITEMS = 50
RUNS = 20
EVENTS = 100
MAX_TEXT = 200
TABS = ("items", "history")


class _KindOfSource(rx.State, mixin=True):
    """What is asked of whoever builds on these."""

    def _words(self) -> Words:
        """What this kind is called, and where its pages are."""
        raise NotImplementedError

    def _address(self, source: Source) -> str:
        """What tells a source from others of its kind."""
        return source.name


class SourcesState(_KindOfSource, mixin=True):
    """The sources of one kind, and the one that is about to be removed."""

    kb_id: int = 0
    rows: list[SourceRow] = []
    is_loading: bool = True
    deleting_id: int = 0
    deleting_name: str = ""
    deleting_items: int = 0
    is_deleting: bool = False

    _is_watched: bool = False

    @rx.event
    async def load(self) -> Any:
        """Show the sources of the chosen knowledge base."""
        try:
            await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return None
        self.kb_id = (await self.get_state(CurrentKbState)).kb_id
        self.rows, self.deleting_id, self.is_deleting = [], 0, False
        self._on_load()
        if self.kb_id == 0:
            self.is_loading = False
            return None
        return await self._look()

    def _on_load(self) -> None:
        """Close what was open on an earlier visit."""

    @rx.event
    async def run_now(self, source_id: int) -> Any:
        """Read a source now."""
        return await self._do("run_now", as_id(source_id))

    @rx.event
    async def retry_failed(self, source_id: int) -> Any:
        """Try again what could not be read."""
        return await self._do("retry_failed", as_id(source_id))

    @rx.event
    async def stop(self, source_id: int) -> Any:
        """Stop reading a source."""
        return await self._do("stop", as_id(source_id))

    @rx.event
    async def pause(self, source_id: int) -> Any:
        """Let a source's schedule rest."""
        return await self._do("set_paused", as_id(source_id), is_paused=True)

    @rx.event
    async def resume(self, source_id: int) -> Any:
        """Let a source's schedule go on."""
        return await self._do("set_paused", as_id(source_id), is_paused=False)

    @rx.event
    async def ask_to_delete(self, source_id: int) -> None:
        """Ask before a source is removed."""
        owner_id = await current_owner(self)
        source = await services().sources.get(
            self.kb_id, as_id(source_id), owner_id=owner_id, kind=self._words().kind
        )
        self.deleting_id, self.deleting_name = source.id, source.name
        self.deleting_items = source.n_items

    @rx.event
    def keep(self) -> None:
        """Remove nothing."""
        self.deleting_id = 0

    @rx.event
    async def delete(self, keeps_documents: bool) -> Any:
        """Remove the source that was asked for, with or without what was read from it."""
        if not self.deleting_id or self.is_deleting:
            return
        owner_id = await current_owner(self)
        self.is_deleting = True
        yield
        try:
            await services().sources.delete(
                self.kb_id,
                self.deleting_id,
                owner_id=owner_id,
                kind=self._words().kind,
                keep_documents=keeps_documents is True,
            )
        finally:
            self.is_deleting, self.deleting_id = False, 0
        looking = await self._look()
        yield notify(f"The {self._words().one} was removed.")
        if looking is not None:
            yield looking

    async def _do(self, what: str, source_id: int, **options: Any) -> Any:
        owner_id = await current_owner(self)
        act = getattr(services().sources, what)
        await act(self.kb_id, source_id, owner_id=owner_id, kind=self._words().kind, **options)
        return await self._look()

    async def _look(self) -> Any:
        """Read the list, and go on looking while something is being read."""
        is_reading = await self._show()
        return self.__class__.watch if is_reading else None

    async def _show(self) -> bool:
        owner_id = await current_owner(self)
        words = self._words()
        found = await services().sources.list_of(self.kb_id, owner_id=owner_id, kind=words.kind)
        new = [source_row(source, words, address=self._address(source)) for source in found]
        self.is_loading = False
        if new != self.rows:
            self.rows = new
        return any(each.is_reading for each in new)

    @rx.event(background=True)
    async def watch(self) -> Any:
        """Look once a second until nothing is being read."""
        async with self:
            if self._is_watched:
                return
            self._is_watched = True
        try:
            is_on = True
            while is_on:
                await asyncio.sleep(LOOK_EVERY_S)
                async with self:
                    if not is_open_at(self, self._words().route) or not is_connected(self):
                        return
                    try:
                        is_on = await self._show()
                    except NotFound:  # the knowledge base was deleted meanwhile
                        return
        finally:
            async with self:
                self._is_watched = False


class SourceState(_KindOfSource, mixin=True):
    """One source: its items, its runs, and what one run did."""

    source: SourceRow = SourceRow()
    is_loading: bool = True
    is_missing: bool = False
    tab: str = "items"

    items: list[ItemRow] = []
    has_more_items: bool = False
    status: str = ""
    text: str = ""

    runs: list[RunRow] = []
    has_more_runs: bool = False
    run_id: int = 0
    run_title: str = ""
    events: list[EventRow] = []
    has_more_events: bool = False

    _kb_id: int = 0
    _source_id: int = 0
    _is_watched: bool = False

    @rx.event
    async def load(self) -> Any:
        """Show the source that the address names."""
        try:
            await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return None
        self._kb_id = (await self.get_state(CurrentKbState)).kb_id
        self.source, self.items, self.runs, self.events = SourceRow(), [], [], []
        self.is_loading, self.is_missing, self.run_id = True, False, 0
        self.tab, self.status, self.text = "items", "", ""
        try:
            self._source_id = as_id(self.router.url.path.rstrip("/").rpartition("/")[2])
            is_reading = await self._show()
        except (NotFound, ValueError):
            self.is_loading, self.is_missing = False, True
            return None
        await self._first_items()
        return self.__class__.watch if is_reading else None

    @rx.event
    async def open_tab(self, tab: str) -> None:
        """Show the items, or the history."""
        await current_owner(self)
        self.tab, self.run_id = one_of(tab, TABS), 0
        if self.tab == "history":
            await self._first_runs()
        else:
            await self._first_items()

    @rx.event
    async def filter_status(self, status: str) -> None:
        """Show only items in one state."""
        await current_owner(self)
        self.status = one_of(status, [value for value, _ in ITEM_FILTERS])
        await self._first_items()

    @rx.event
    async def filter_text(self, text: str) -> None:
        """Show only items with a text in their name or address."""
        await current_owner(self)
        self.text = str(text).replace("\x00", "")[:MAX_TEXT]
        await self._first_items()

    @rx.event
    async def more_items(self) -> None:
        """Show older items as well."""
        await current_owner(self)
        if self.items:
            await self._add_items(before=self.items[-1].id)

    @rx.event
    async def more_runs(self) -> None:
        """Show older runs as well."""
        await current_owner(self)
        if self.runs:
            await self._add_runs(before=self.runs[-1].id)

    @rx.event
    async def open_run(self, run_id: int) -> None:
        """Show what a run did."""
        await current_owner(self)
        self.run_id, self.events = as_id(run_id), []
        title = next((run.when for run in self.runs if run.id == self.run_id), "")
        self.run_title = f"What was read {title}".strip()
        await self._add_events(after=0)

    @rx.event
    def close_run(self) -> None:
        """Put a run's history away."""
        self.run_id = 0

    @rx.event
    async def more_events(self) -> None:
        """Show more of what a run did."""
        await current_owner(self)
        if self.run_id and self.events:
            await self._add_events(after=self.events[-1].id)

    @rx.event
    async def run_now(self) -> Any:
        """Read the source now."""
        return await self._do("run_now")

    @rx.event
    async def retry_failed(self) -> Any:
        """Try again what could not be read."""
        return await self._do("retry_failed")

    @rx.event
    async def stop(self) -> Any:
        """Stop reading the source."""
        return await self._do("stop")

    async def _do(self, what: str) -> Any:
        await self._ask(what)
        return self.__class__.watch if await self._show() else None

    async def _ask(self, what: str, *more: Any, **options: Any) -> Any:
        """Ask the service about the source on show, as its owner."""
        owner_id = await current_owner(self)
        ask = getattr(services().sources, what)
        return await ask(
            self._kb_id, self._source_id, *more, owner_id=owner_id, kind=self._words().kind, **options
        )

    async def _show(self) -> bool:
        source = await self._ask("get")
        row = source_row(source, self._words(), address=self._address(source))
        self.is_loading = False
        if row != self.source:
            self.source = row
        return row.is_reading

    async def _first_items(self) -> None:
        self.items = []
        await self._add_items(before=None)

    async def _add_items(self, *, before: int | None) -> None:
        found = await self._ask(
            "items",
            before=before,
            limit=ITEMS + 1,
            status=self.status or None,
            text=self.text.strip() or None,
        )
        self.items = [*self.items, *item_rows(found[:ITEMS], kb_id=self._kb_id)]
        self.has_more_items = len(found) > ITEMS

    async def _first_runs(self) -> None:
        self.runs = []
        await self._add_runs(before=None)

    async def _add_runs(self, *, before: int | None) -> None:
        found = await self._ask("runs", before=before, limit=RUNS + 1)
        self.runs = [*self.runs, *run_rows(found[:RUNS], self._words())]
        self.has_more_runs = len(found) > RUNS

    async def _add_events(self, *, after: int) -> None:
        found = await self._ask("events", self.run_id, after=after, limit=EVENTS + 1)
        self.events = [*self.events, *event_rows(found[:EVENTS])]
        self.has_more_events = len(found) > EVENTS

    @rx.event(background=True)
    async def watch(self) -> Any:
        """Look once a second while the source is being read, and show its items at the end."""
        async with self:
            if self._is_watched:
                return
            self._is_watched = True
            path = self.router.url.path.rstrip("/")
        try:
            is_on = True
            while is_on:
                await asyncio.sleep(LOOK_EVERY_S)
                async with self:
                    if not is_open_at(self, path) or not is_connected(self):
                        return
                    try:
                        is_on = await self._show()
                        if self.tab == "items" and len(self.items) <= ITEMS:
                            await self._first_items()
                        elif self.tab == "history" and len(self.runs) <= RUNS:
                            await self._first_runs()
                    except NotFound:  # removed meanwhile
                        return
        finally:
            async with self:
                self._is_watched = False
