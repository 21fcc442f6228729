"""One knowledge base being created or changed."""

from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.errors import InvalidInput
from rag_app.services.knowledge_bases import Provider
from rag_app.ui import routes
from rag_app.ui.arguments import as_id, as_text, one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.create_kb.view import (
    KbErrors,
    KbValues,
    ProviderOption,
    changes_in,
    error_at,
    model_options,
    provider_options,
    values_of,
)
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.my_knowledge_bases.state import MyKnowledgeBasesState
from rag_app.ui.feedback import notify


class CreateKbState(rx.State):
    """The window; `kb_id` is 0 while a new one is made."""

    is_open: bool = False
    kb_id: int = 0
    begins_with: KbValues = KbValues()
    errors: KbErrors = KbErrors()
    provider: str = ""
    model: str = ""
    providers: list[ProviderOption] = []
    models: list[tuple[str, str]] = []
    is_saving: bool = False

    @rx.event
    async def open_new(self) -> None:
        """Begin with an empty form and the first provider that can answer."""
        owner_id = await current_owner(self)
        self.kb_id = 0
        known = await services().knowledge_bases.providers(owner_id=owner_id)
        _begin(self, known, KbValues(), known[0].name, "")

    @rx.event
    async def open_existing(self, kb_id: int) -> None:
        """Begin with what is set now."""
        owner_id = await current_owner(self)
        kb = await services().knowledge_bases.get(as_id(kb_id), owner_id=owner_id)
        self.kb_id = kb.id
        known = await services().knowledge_bases.providers(owner_id=owner_id)
        _begin(self, known, values_of(kb), kb.llm_provider, kb.llm_model)

    @rx.event
    def close(self) -> None:
        """Change nothing."""
        self.is_open = False

    @rx.event
    async def choose_provider(self, name: str) -> None:
        """Offer the models of another provider, or say why it cannot be chosen."""
        owner_id = await current_owner(self)
        known = await services().knowledge_bases.providers(owner_id=owner_id)
        one_of(name, [provider.name for provider in known])
        self.errors = KbErrors()
        if name == self.provider:
            return
        try:
            _check_available(known, name)
        except InvalidInput as error:
            self.errors = error_at(error)
            return
        self.provider = name
        self.models = model_options(known, name)
        self.model = self.models[0][0]

    @rx.event
    async def choose_model(self, model: str) -> None:
        """Take another model of the same provider."""
        await current_owner(self)
        self.model = one_of(model, dict(self.models))

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Create or change it; pressing twice does it once."""
        if not self.is_open or self.is_saving:
            return
        owner_id = await current_owner(self)
        self.is_saving, self.errors = True, KbErrors()
        yield
        try:
            kb_id = await _store(self, form, owner_id)
        except InvalidInput as error:
            self.errors = error_at(error)
            return
        finally:
            self.is_saving = False
        self.is_open = False
        if self.kb_id:
            yield [notify("Saved."), CurrentKbState.load, MyKnowledgeBasesState.load]
        else:
            yield rx.redirect(routes.documents_of(kb_id))


def _begin(
    state: CreateKbState, known: list[Provider], begins_with: KbValues, provider: str, model: str
) -> None:
    state.begins_with, state.errors = begins_with, KbErrors()
    state.providers = provider_options(known, chosen=provider)
    state.models = model_options(known, provider, chosen=model)
    state.provider, state.model = provider, model or state.models[0][0]
    state.is_open, state.is_saving = True, False


def _check_available(known: list[Provider], name: str) -> None:
    provider = next(each for each in known if each.name == name)
    if not provider.is_available:
        raise InvalidInput(f"{provider.label} has no key yet. Add one in the settings.", field="llm_provider")


async def _store(state: CreateKbState, form: dict[str, Any], owner_id: int) -> int:
    kept = services().knowledge_bases
    model = {"llm_provider": state.provider, "llm_model": state.model}
    if state.kb_id:
        changes = {**changes_in(form), **model}
        return (await kept.update(state.kb_id, owner_id=owner_id, changes=changes)).id
    created = await kept.create(
        owner_id=owner_id,
        name=as_text(form, "name"),
        description=as_text(form, "description"),
        **model,
    )
    return created.id
