"""The knobs of the chosen knowledge base while they are being turned.

What is turned is a draft: nothing is searched differently before it is saved, and what was saved can be
taken back.
"""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.knobs import SEARCH_KNOBS
from rag_app.domain.rag_config import PRESETS, RagConfig
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.services.rag_configs import preset
from rag_app.ui.arguments import one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.settings.retrieval_view import (
    RECOMMENDED,
    SLIDERS,
    KnobView,
    knob_views,
    preset_name,
    reranker_options,
    searching,
    typed,
)


class RetrievalSettingsState(rx.State):
    """What stands at the controls; `kb_id` is 0 while the owner has no knowledge base."""

    kb_id: int = 0
    kb_name: str = ""
    knobs: dict[str, KnobView] = knob_views(RECOMMENDED)
    rerankers: list[tuple[str, str]] = []
    preset: str = "balanced"
    has_own: bool = False
    is_recommended: bool = True  # what is saved, not what is being set
    is_changed: bool = False
    has_problems: bool = False
    said: str = ""
    can_undo: bool = False
    is_loading: bool = True
    is_saving: bool = False
    is_resetting: bool = False
    n_forms: int = 0  # a new key makes the browser forget what stands in the controls

    _saved: dict[str, Any] = RECOMMENDED
    _draft: dict[str, Any] = RECOMMENDED
    _own: dict[str, Any] = {}
    _before: dict[str, Any] = {}
    _not_set_up: dict[str, str] = {}  # rerankers, with what is missing

    @rx.event
    async def load(self) -> None:
        """Read how the chosen knowledge base is searched."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        n_forms = self.n_forms
        self.reset()
        self.n_forms, self.is_loading = n_forms, False
        try:
            kb_id = (await self.get_state(CurrentKbState)).kb_id
            kb = await services().knowledge_bases.get(kb_id, owner_id=owner_id)
        except NotFound:  # the owner has none yet
            return
        self.kb_id, self.kb_name = kb.id, kb.name
        self._not_set_up = services().rerankers.problems(kb)
        _begin(self, kb.rag_config)

    @rx.event
    async def change(self, name: str, value: Any) -> None:
        """Turn a knob."""
        await current_owner(self)
        knob = SEARCH_KNOBS[one_of(name, SEARCH_KNOBS)]
        new = typed(knob, value)
        if new == self._draft[name]:  # told late: saving has read it from the form before
            return
        self._draft = self._draft | {name: new}
        if not preset_name(self._draft):
            self._own = self._draft
        _show(self)

    @rx.event
    async def choose(self, name: str) -> None:
        """Turn all knobs to a preset; what was set by hand can be chosen again."""
        await current_owner(self)
        chosen = one_of(name, [*PRESETS, "own"])
        if chosen == "own" and not self._own:
            return
        self._draft = self._own if chosen == "own" else searching(preset(chosen))
        self.n_forms += 1
        _show(self)

    @rx.event
    async def discard(self) -> None:
        """Turn all knobs back to what is saved."""
        await current_owner(self)
        self._draft = self._saved
        self.n_forms += 1
        _show(self)

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Search like this from now on."""
        if self.is_saving or not self.kb_id:
            return
        owner_id = await current_owner(self)
        self.is_saving = True
        yield
        try:
            self._draft = self._draft | _typed_last(form, self._draft)
            changes = {name: value for name, value in self._draft.items() if value != self._saved[name]}
            await _keep(self, owner_id, changes)
            self.said = "Saved. Questions are searched like this from now on."
        except InvalidInput as error:
            _show(self, error.problems)
        finally:
            self.is_saving = False

    @rx.event
    async def undo(self) -> None:
        """Take back what was saved last."""
        owner_id = await current_owner(self)
        if not self._before or not self.kb_id:
            return
        await _keep(self, owner_id, self._before)
        self._before, self.can_undo = {}, False
        self.said = "Taken back. Questions are searched as before."

    @rx.event
    def ask_to_reset(self) -> None:
        """Ask before everything that was set is lost."""
        self.is_resetting = True

    @rx.event
    def keep(self) -> None:
        """Reset nothing."""
        self.is_resetting = False

    @rx.event
    async def use_recommended(self) -> None:
        """Search as recommended from now on."""
        owner_id = await current_owner(self)
        self.is_resetting = False
        if not self.kb_id:
            return
        config = await services().knowledge_bases.reset_rag_config(self.kb_id, owner_id=owner_id)
        _begin(self, config, before=self._saved)
        self.said = "Everything is set as recommended."


async def _keep(state: RetrievalSettingsState, owner_id: int, changes: Mapping[str, Any]) -> None:
    """Save changes. Raises InvalidInput."""
    config = await services().knowledge_bases.set_rag_config(state.kb_id, owner_id=owner_id, changes=changes)
    _begin(state, config, before=state._saved)


def _begin(state: RetrievalSettingsState, config: RagConfig, *, before: dict[str, Any] | None = None) -> None:
    """Show what is saved; what was saved `before` can be brought back."""
    state._saved = state._draft = searching(config)
    state._own = {} if preset_name(state._draft) else state._draft
    state._before = before if before and before != state._saved else {}
    state.rerankers = reranker_options(state._not_set_up, saved=config.reranker)
    state.n_forms += 1
    _show(state)


def _show(state: RetrievalSettingsState, problems: Mapping[str, str] | None = None) -> None:
    state.knobs = knob_views(state._draft, problems, state._not_set_up)
    state.preset = preset_name(state._draft)
    state.has_own = bool(state._own)
    state.is_recommended = state._saved == RECOMMENDED
    state.is_changed = state._draft != state._saved
    state.has_problems = bool(problems)
    state.can_undo = bool(state._before) and not state.is_changed
    if state.is_changed:  # else a number that is told late would silence what was said of its saving
        state.said = ""


def _typed_last(form: object, draft: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the numbers of the form and was not told yet, because it was typed just now.

    A slider has fewer places than a number may have, so only what was really moved counts.
    """
    sent = form if isinstance(form, Mapping) else {}
    typed_now = {
        name: typed(knob, sent[name])
        for name, knob in SEARCH_KNOBS.items()
        if name in sent and knob.kind in {"number", "whole number"}
    }
    return {name: value for name, value in typed_now.items() if not _is_same(name, value, draft[name])}


def _is_same(name: str, typed_now: Any, told: Any) -> bool:
    if name in SLIDERS and isinstance(typed_now, int | float) and isinstance(told, int | float):
        return abs(typed_now - told) < SLIDERS[name][0]
    return typed_now == told
