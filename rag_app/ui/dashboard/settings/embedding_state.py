"""The embedding model of the chosen knowledge base, and the way to another one.

While a switch is under way a background event looks at it about once a second. It ends with the switch, when
the page is left, when its tab is gone, and when a newer visit has begun.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from rag_app.bootstrap import services
from rag_app.domain.embedding_models import EmbeddingSwitch
from rag_app.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from rag_app.ui import routes
from rag_app.ui.arguments import one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.settings.embedding_view import (
    ModelView,
    SwitchView,
    ended,
    model_views,
    switch_view,
)
from rag_app.ui.feedback import notify
from rag_app.ui.presence import is_connected, is_open_at

LOOK_EVERY_S = 1.0
PATIENCE = 60  # looks without a connection before a tab counts as closed


class EmbeddingState(rx.State):
    """What stands in the card; `kb_id` is 0 while the owner has no knowledge base."""

    kb_id: int = 0
    kb_name: str = ""
    models: list[ModelView] = []
    switch: SwitchView = SwitchView()
    chosen: str = ""  # asked about in a window
    chosen_title: str = ""
    chosen_cost: str = ""
    is_stopping: bool = False  # asked about likewise
    is_beginning: bool = False

    _watcher: int = 0  # the one background event that looks now
    _n_watchers: int = 0
    _n_changes: int = 0  # made in this tab; what was read before one is out of date

    @rx.event
    async def load(self) -> Any:
        """Read which model the chosen knowledge base has."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return None
        n_watchers = self._n_watchers
        self.reset()
        self._n_watchers = n_watchers
        kb_id = (await self.get_state(CurrentKbState)).kb_id
        try:
            kb = await services().knowledge_bases.get(kb_id, owner_id=owner_id)
            found = await services().embedding_switches.get(kb_id, owner_id=owner_id)
        except NotFound:  # the owner has none yet
            return None
        self.kb_id, self.kb_name = kb.id, kb.name
        _show(self, found)
        return EmbeddingState.watch

    @rx.event
    async def ask(self, name: str) -> None:
        """Ask before every chunk is embedded anew."""
        await current_owner(self)
        models = {model.name: model for model in self.models}
        self.chosen = one_of(name, models)
        self.chosen_title, self.chosen_cost = models[self.chosen].title, models[self.chosen].cost

    @rx.event
    def keep(self) -> None:
        """Choose nothing and stop nothing."""
        self.chosen, self.is_stopping = "", False

    @rx.event
    async def begin(self) -> Any:
        """Prepare the chosen model."""
        if not self.kb_id or not self.chosen or self.is_beginning:
            return
        owner_id = await current_owner(self)
        self.is_beginning = True
        yield
        try:
            begun = await services().embedding_switches.begin(
                self.kb_id, owner_id=owner_id, model=self.chosen
            )
            self._n_changes += 1
            _show(self, begun)
        except (Conflict, InvalidInput) as error:  # chosen elsewhere a moment ago
            _show(self, await services().embedding_switches.get(self.kb_id, owner_id=owner_id))
            yield notify(str(error), tone="warn")
        finally:
            self.is_beginning, self.chosen = False, ""
        yield EmbeddingState.watch

    @rx.event
    async def ask_to_stop(self) -> None:
        """Ask before what was embedded is thrown away."""
        await current_owner(self)
        self.is_stopping = True

    @rx.event
    async def stop(self) -> Any:
        """Stay with the model in use."""
        if not self.kb_id:
            return None
        owner_id = await current_owner(self)
        self.is_stopping = False
        before = self.switch
        stopped = await services().embedding_switches.cancel(self.kb_id, owner_id=owner_id)
        self._n_changes += 1
        _show(self, stopped)
        if before.title != self.switch.title:  # it was quicker
            return None
        return notify(f"Stopped. “{self.kb_name}” stays with “{self.switch.title}”.")

    @rx.event(background=True)
    async def watch(self) -> Any:
        """Look again and again while a switch is under way; one such event per visit is enough."""
        async with self:
            if self._watcher or not self.switch.is_switching:
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


async def _looks(state: EmbeddingState, mine: int) -> AsyncIterator[EventSpec]:
    """Look once a second, holding the lock for assignments only; yields what is to be said."""
    unseen = 0
    while unseen <= PATIENCE:
        async with state:
            if state._watcher != mine or not is_open_at(state, routes.SETTINGS):
                return
            kb_id, kb_name, n_changes = state.kb_id, state.kb_name, state._n_changes
            unseen = 0 if is_connected(state) else unseen + 1
        if unseen == 0:
            owner_id = await current_owner(state)
            try:
                found = await services().embedding_switches.get(kb_id, owner_id=owner_id)
            except NotFound:  # deleted meanwhile
                return
            async with state:
                if state._watcher != mine:
                    return
                before = state.switch
                if state._n_changes == n_changes:
                    _show(state, found)
                is_over = not state.switch.is_switching
                if is_over:
                    state._watcher = 0  # under the lock, so that one begun now is watched
            if is_over:
                if said := ended(before, found, kb_name):
                    yield notify(said, tone="warn" if found.problem else "success")
                return
        await asyncio.sleep(LOOK_EVERY_S)


def _show(state: EmbeddingState, found: EmbeddingSwitch) -> None:
    """Assign what has changed: every assignment is sent to the browser."""
    for name, value in (("models", model_views(found)), ("switch", switch_view(found))):
        if getattr(state, name) != value:
            setattr(state, name, value)
