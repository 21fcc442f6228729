"""One knowledge base being created or changed."""

from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.errors import InvalidInput, RagAppError
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
    other_model,
    provider_options,
    values_of,
)
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.my_knowledge_bases.state import MyKnowledgeBasesState
from rag_app.ui.feedback import notify

LOCAL = "local"  # has its own model and no other


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
    is_asking: bool = False
    has_others: bool = False  # the provider may know models that are not listed yet

    @rx.event
    async def open_new(self) -> None:
        """Begin with an empty form and the first provider that can answer."""
        owner_id = await current_owner(self)
        await services().models.refresh()
        self.kb_id = 0
        known = await services().knowledge_bases.providers(owner_id=owner_id)
        _begin(self, known, KbValues(), known[0].name, "")

    @rx.event
    async def open_existing(self, kb_id: int) -> None:
        """Begin with what is set now."""
        owner_id = await current_owner(self)
        kb = await services().knowledge_bases.get(as_id(kb_id), owner_id=owner_id)
        self.kb_id = kb.id
        await services().models.refresh()
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
        self.has_others = name != LOCAL

    @rx.event
    async def choose_model(self, model: str) -> None:
        """Take another model of the same provider."""
        await current_owner(self)
        self.model = one_of(model, dict(self.models))

    @rx.event(background=True)
    async def show_others(self) -> None:
        """Ask the provider itself which models it has, and offer those we do not know as well."""
        async with self:
            if not self.is_open or self.is_asking:
                return
            owner_id = await current_owner(self)
            self.is_asking, self.errors = True, KbErrors()
            provider = self.provider
        found, problem = await _others(provider, owner_id)
        async with self:
            self.is_asking = False
            if self.provider != provider:  # another one was chosen meanwhile
                return
            known = dict(self.models)
            self.models = [*self.models, *(one for one in found if one[0] not in known)]
            self.errors = KbErrors(llm_model=problem)
            self.has_others = bool(problem)

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


async def _others(provider: str, owner_id: int) -> tuple[list[tuple[str, str]], str]:
    """The models of a provider's own list that we do not know, or why they cannot be had."""
    try:
        found = await services().model_admin.offered(provider, user_id=owner_id)
    except RagAppError as error:
        return [], str(error)
    return [other_model(one.id, one.label) for one in found if one.kind == "chat"], ""


def _begin(
    state: CreateKbState, known: list[Provider], begins_with: KbValues, provider: str, model: str
) -> None:
    state.begins_with, state.errors = begins_with, KbErrors()
    state.providers = provider_options(known, chosen=provider)
    state.models = model_options(known, provider, chosen=model)
    state.provider, state.model = provider, model or state.models[0][0]
    state.is_open, state.is_saving, state.is_asking = True, False, False
    state.has_others = provider != LOCAL


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
