"""How the chosen knowledge base answers, while it is being set.

What is set is a draft: nothing is answered differently before it is saved.
"""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.rag.prompts import ROLE
from rag_app.services.knowledge_bases import MAX_SYSTEM_PROMPT
from rag_app.ui.arguments import as_text, one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.create_kb.view import ProviderOption, model_options, provider_options
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.settings.answers_view import (
    AnswerErrors,
    Draft,
    FallbackView,
    ModelView,
    PromptView,
    changes_in,
    choice_of,
    draft_of,
    error_at,
    fallback_options,
    fallback_views,
    language_options,
    moved,
    prompt_view,
    value_of,
)

TYPED = ("system_prompt", "temperature", "max_tokens")
LANGUAGES = dict(language_options())


class AnswersState(rx.State):
    """What stands at the controls; `kb_id` is 0 while the owner has no knowledge base."""

    kb_id: int = 0
    kb_name: str = ""
    provider: str = ""
    providers: list[ProviderOption] = []
    model: str = ""
    models: list[tuple[str, str]] = []
    can: ModelView = ModelView()
    fallbacks: list[FallbackView] = []
    more_fallbacks: list[tuple[str, str]] = []
    prompt: str = ROLE
    is_default_prompt: bool = True
    temperature: str = ""
    max_tokens: str = ""
    language: str = ""
    errors: AnswerErrors = AnswerErrors()
    is_changed: bool = False
    said: str = ""
    is_loading: bool = True
    is_saving: bool = False
    is_previewing: bool = False
    preview: PromptView = PromptView()
    n_forms: int = 0  # a new key makes the browser forget what stands in the fields

    _saved: Draft = {}
    _draft: Draft = {}

    @rx.event
    async def load(self) -> None:
        """Read how the chosen knowledge base answers."""
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
        await _begin(self, kb, owner_id)

    @rx.event
    async def choose_provider(self, name: str) -> None:
        """Let another provider answer, with its first model."""
        owner_id = await current_owner(self)
        if not self._draft:
            return
        known = await services().knowledge_bases.providers(owner_id=owner_id)
        one_of(name, [provider.name for provider in known if provider.is_available or name == self.provider])
        model = model_options(known, name)[0][0]
        await _change(self, owner_id, llm_provider=name, llm_model=model)

    @rx.event
    async def choose_model(self, model: str) -> None:
        """Let another model of the same provider answer."""
        owner_id = await current_owner(self)
        if self._draft:
            await _change(self, owner_id, llm_model=one_of(model, dict(self.models)))

    @rx.event
    async def add_fallback(self, value: str) -> None:
        """Let one more model stand in, after the others."""
        owner_id = await current_owner(self)
        if value and self._draft:
            chosen = choice_of(one_of(value, dict(self.more_fallbacks)))
            await _change(self, owner_id, llm_fallbacks=[*self._draft["llm_fallbacks"], chosen])

    @rx.event
    async def remove_fallback(self, value: str) -> None:
        """Let a model stand in no more; nothing is lost before it is saved."""
        owner_id = await current_owner(self)
        kept = [each for each in self._draft.get("llm_fallbacks", []) if value_of(**each) != value]
        if self._draft:
            await _change(self, owner_id, llm_fallbacks=kept)

    @rx.event
    async def move_fallback(self, value: str, by: int) -> None:
        """Ask a model sooner (-1) or later (1)."""
        owner_id = await current_owner(self)
        if self._draft and by in (-1, 1):
            await _change(self, owner_id, llm_fallbacks=moved(self._draft["llm_fallbacks"], value, by))

    @rx.event
    async def choose_language(self, code: str) -> None:
        """Have all answers written in one language."""
        owner_id = await current_owner(self)
        if self._draft:
            await _change(self, owner_id, answer_language=one_of(code, LANGUAGES))

    @rx.event
    async def enter(self, name: str, text: str) -> None:
        """Take what was typed into one of the fields."""
        owner_id = await current_owner(self)
        one_of(name, TYPED)
        if self._draft:
            await _change(self, owner_id, **{name: str(text)[: MAX_SYSTEM_PROMPT * 2]})

    @rx.event
    async def use_default_prompt(self) -> None:
        """Put our own instructions in the place of the owner's; they are lost only when it is saved."""
        owner_id = await current_owner(self)
        if self._draft:
            self.n_forms += 1
            await _change(self, owner_id, system_prompt=ROLE)

    @rx.event
    async def discard(self) -> None:
        """Back to what is saved."""
        owner_id = await current_owner(self)
        if not self._draft:
            return
        self._draft, self.errors = dict(self._saved), AnswerErrors()
        self.n_forms += 1
        await _show(self, owner_id)

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Answer like this from now on."""
        if self.is_saving or not self._draft:
            return
        owner_id = await current_owner(self)
        self.is_saving, self.errors = True, AnswerErrors()
        yield
        try:
            _take_typed(self, form)
            changes = changes_in(self._draft)
            kb = await services().knowledge_bases.update(self.kb_id, owner_id=owner_id, changes=changes)
            await _begin(self, kb, owner_id)
            self.said = "Saved. Questions are answered like this from now on."
        except InvalidInput as error:
            self.errors = error_at(error)
            await _show(self, owner_id)
        finally:
            self.is_saving = False

    @rx.event
    async def show_prompt(self, form: dict[str, Any]) -> Any:
        """Put together what the model would read, with the settings as they stand here."""
        if self.is_previewing or not self._draft:
            return
        owner_id = await current_owner(self)
        self.is_previewing, self.errors, self.preview = True, AnswerErrors(), PromptView()
        yield
        try:
            question = as_text(form, "question")
            changes = changes_in(self._draft)
            found = await services().prompt_previews.preview(
                self.kb_id, question, owner_id=owner_id, changes=changes
            )
            self.preview = prompt_view(found)
        except InvalidInput as error:
            found_at = error_at(error)
            self.errors = AnswerErrors(question=found_at.other) if found_at.other else found_at
        finally:
            self.is_previewing = False


async def _begin(state: AnswersState, kb: KnowledgeBase, owner_id: int) -> None:
    """Show what is saved."""
    state.kb_id, state.kb_name = kb.id, kb.name
    state._saved = draft_of(kb)
    state._draft = dict(state._saved)
    state.n_forms += 1
    await _show(state, owner_id)


async def _change(state: AnswersState, owner_id: int, **columns: Any) -> None:
    state._draft = {**state._draft, **columns}
    state.errors = AnswerErrors()
    await _show(state, owner_id)


def _take_typed(state: AnswersState, form: object) -> None:
    """What stands in the fields and was not told yet, because it was typed just now."""
    sent = form if isinstance(form, Mapping) else {}
    typed = {name: as_text(sent, name) for name in TYPED if name in sent}
    state._draft = {**state._draft, **typed}


async def _show(state: AnswersState, owner_id: int) -> None:
    draft = state._draft
    known = await services().knowledge_bases.providers(owner_id=owner_id)
    state.provider, state.model = draft["llm_provider"], draft["llm_model"]
    state.providers = provider_options(known, chosen=state._saved["llm_provider"])
    state.models = model_options(known, state.provider, chosen=state.model)
    state.can = _model_view(state.provider, state.model)
    state.fallbacks = fallback_views(draft, known)
    state.more_fallbacks = fallback_options(draft, known)
    state.prompt, state.is_default_prompt = draft["system_prompt"], draft["system_prompt"].strip() == ROLE
    state.temperature, state.max_tokens = draft["temperature"], draft["max_tokens"]
    state.language = draft["answer_language"]
    state.is_changed = draft != state._saved
    if state.is_changed:
        state.said = ""


def _model_view(provider: str, model: str) -> ModelView:
    found = services().calls.catalogue.find(provider, model)
    most = f" This model writes at most {found.max_output_tokens:,}." if found.max_output_tokens else ""
    return ModelView(
        takes_temperature=found.takes_temperature,
        tokens_hint=f"1,000 tokens are about 750 English words.{most}",
        is_built_in=provider == "local",
    )
