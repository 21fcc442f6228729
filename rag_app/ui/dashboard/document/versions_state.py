"""The files of the document on show: another one, and back to one of before.

While a version is being read a background event looks about once a second; then the page shows the new text.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from rag_app.bootstrap import services
from rag_app.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from rag_app.ui import routes
from rag_app.ui.arguments import as_id
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.document.state import DocumentState
from rag_app.ui.dashboard.document.versions_view import (
    VersionView,
    current_number,
    is_reading,
    version_views,
)
from rag_app.ui.feedback import notify
from rag_app.ui.presence import is_connected

LOOK_EVERY_S = 1.0
PATIENCE = 60  # looks without a connection before a tab counts as closed
PATH = routes.DOCUMENT.partition("[")[0]


class VersionsState(rx.State):
    """What stands in the tab of the versions."""

    versions: list[VersionView] = []
    upload_url: str = ""
    is_busy: bool = False
    using: int = 0  # asked about in a window

    _kb_id: int = 0
    _document_id: int = 0
    _watcher: int = 0
    _n_watchers: int = 0

    @rx.event
    async def load(self) -> Any:
        """Read which files the document has had; comes after the document itself."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:
            return None
        n_watchers = self._n_watchers
        self.reset()
        self._n_watchers = n_watchers
        document = await self.get_state(DocumentState)
        self._kb_id, self._document_id = document._kb_id, document.head.id
        if not self._document_id:
            return None
        try:
            await _read(self, owner_id)
        except NotFound:
            return None
        self.upload_url = routes.versions(self._document_id, kb_id=self._kb_id)
        return VersionsState.watch

    @rx.event
    async def uploaded(self, name: str, is_duplicate: bool) -> Any:
        """Another file has arrived."""
        owner_id = await current_owner(self)
        if not self._document_id:
            return None
        await _read(self, owner_id)
        if is_duplicate is True:
            return notify("This is the very file that is in use already.", tone="warn")
        return [
            notify("Taken. The present text serves until the new version is read."),
            VersionsState.watch,
        ]

    @rx.event
    async def ask(self, number: int) -> None:
        """Ask before another version is used."""
        await current_owner(self)
        self.using = as_id(number)

    @rx.event
    def keep(self) -> None:
        """Stay with the present one."""
        self.using = 0

    @rx.event
    async def use(self) -> Any:
        """Make the version that was asked about the current one."""
        if not self.using or not self._document_id:
            return None
        owner_id = await current_owner(self)
        number, self.using = self.using, 0
        try:
            await services().document_versions.make_current(
                self._kb_id, self._document_id, number, owner_id=owner_id
            )
        except (Conflict, InvalidInput) as error:
            await _read(self, owner_id)
            return notify(str(error), tone="warn")
        await _read(self, owner_id)
        return VersionsState.watch

    @rx.event(background=True)
    async def watch(self) -> Any:
        """Look again and again while a version is being read; one such event per visit is enough."""
        async with self:
            if self._watcher or not self.is_busy:
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


async def _read(state: VersionsState, owner_id: int) -> None:
    found = await services().document_versions.list_of(state._kb_id, state._document_id, owner_id=owner_id)
    state.versions, state.is_busy = version_views(found, kb_id=state._kb_id), is_reading(found)


async def _looks(state: VersionsState, mine: int) -> AsyncIterator[EventSpec]:
    """Look once a second, holding the lock for assignments only; yields what is to be said and done."""
    unseen = 0
    async with state:
        kb_id, document_id = state._kb_id, state._document_id
    before = 0
    while unseen <= PATIENCE:
        async with state:
            if state._watcher != mine or not state.router.url.path.startswith(PATH):
                return
            unseen = 0 if is_connected(state) else unseen + 1
        if unseen == 0:
            try:
                found = await services().document_versions.list_of(
                    kb_id, document_id, owner_id=await current_owner(state)
                )
            except NotFound:  # deleted meanwhile
                return
            number, before = current_number(found), before or current_number(found)
            async with state:
                if state._watcher != mine:
                    return
                views = version_views(found, kb_id=kb_id)
                if views != state.versions:
                    state.versions = views
                state.is_busy = is_reading(found)
                is_over = not state.is_busy
                if is_over:
                    state._watcher = 0  # under the lock, so that one begun now is watched
            if is_over:
                for event in _ended(number, before):
                    yield event
                return
        await asyncio.sleep(LOOK_EVERY_S)


def _ended(number: int, before: int) -> list[Any]:
    if number == before:
        return [notify(f"It could not be read; version {number} is still in use.", tone="warn")]
    return [notify(f"Version {number} is in use now."), DocumentState.refresh]
