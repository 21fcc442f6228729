"""Models and prices being looked at and changed; the service asks the database who may."""

from contextlib import suppress
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.models import Model
from rag_app.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn, RagAppError
from rag_app.ui.arguments import one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.admin_models.view import (
    FormErrors,
    ModelForm,
    OfferedRow,
    ProviderBlock,
    blocks,
    error_at,
    form_of,
    offered_rows,
    values_in,
)
from rag_app.ui.feedback import notify

KINDS = ("chat", "embedding")


class AdminModelsState(rx.State):
    """The page, the window of one model, and the list of a provider that was asked for."""

    is_loading: bool = True
    is_allowed: bool = False
    blocks: list[ProviderBlock] = []

    is_open: bool = False
    is_new: bool = False
    is_saving: bool = False
    form: ModelForm = ModelForm()
    form_number: int = 0  # a default only counts when its input is made
    kind: str = "chat"
    takes_temperature: bool = True
    errors: FormErrors = FormErrors()

    asking: str = ""  # the provider whose list is on its way
    asked: str = ""  # the provider whose list is shown
    offered: list[OfferedRow] = []
    has_nothing_new: bool = False
    problem: str = ""

    removing: ModelForm = ModelForm()

    @rx.event
    async def load(self) -> None:
        """Read every model, or say that it is not for this person."""
        try:
            user_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        self.reset()
        try:
            await _show(self, user_id)
            self.is_allowed = True
        except NotAllowed:
            self.is_allowed = False
        self.is_loading = False

    @rx.event
    async def add(self, provider: str, model: str = "", use: str = "") -> None:
        """Describe a model that we do not know."""
        await _only_admin(self)
        one_of(provider, dict(services().model_admin.providers()))
        listed = {row.id: row for row in self.offered} if self.asked == provider else {}
        known = listed.get(model) if isinstance(model, str) else None
        label = known.label if known and known.label != known.id else ""
        kind = "embedding" if known and known.use != "Answers" else "chat"
        form = ModelForm(provider=provider, id=known.id if known else "", label=label)
        _open(self, form, kind, takes_temperature=True, is_new=True)

    @rx.event
    async def edit(self, provider: str, model: str) -> None:
        """Change what is known of a model."""
        known = await _find(self, provider, model)
        _open(self, form_of(known), known.kind, takes_temperature=known.takes_temperature, is_new=False)

    @rx.event
    async def choose_kind(self, kind: str) -> None:
        """Say what the model is for."""
        await _only_admin(self)
        self.kind = one_of(kind, KINDS)

    @rx.event
    async def choose_temperature(self, takes: bool) -> None:
        """Say whether the model takes a temperature."""
        await _only_admin(self)
        self.takes_temperature = takes is True

    @rx.event
    def close(self) -> None:
        """Change nothing."""
        self.is_open, self.removing = False, ModelForm()

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Keep what the form says."""
        if not self.is_open or self.is_saving:
            return
        user_id = await current_owner(self)
        self.is_saving, self.errors = True, FormErrors()
        yield
        try:
            said = values_in(
                form,
                provider=self.form.provider,
                kind=self.kind,
                takes_temperature=self.takes_temperature,
            )
            if not self.is_new:
                said["id"] = self.form.id
            kept = await services().model_admin.put(
                {name: value for name, value in said.items() if value is not None}, user_id=user_id
            )
        except InvalidInput as error:
            self.errors = error_at(error)
            return
        finally:
            self.is_saving = False
        self.is_open = False
        self.offered = [row for row in self.offered if row.id != kept.model.id]
        self.has_nothing_new = not self.offered
        await _show(self, user_id)
        yield notify(_said(kept.model, is_new=self.is_new))

    @rx.event
    async def ask_to_remove(self, provider: str, model: str) -> None:
        """Ask before what was set is forgotten."""
        known = await _find(self, provider, model)
        is_ours = services().models.table.find(known.provider, known.id) is not None
        self.removing = ModelForm(known.provider, known.id, known.label, note="back" if is_ours else "gone")

    @rx.event
    async def remove(self) -> Any:
        """Forget what was set for a model."""
        if not self.removing.id:
            return None
        user_id = await current_owner(self)
        gone, self.removing = self.removing, ModelForm()
        with suppress(NotFound):  # somebody was quicker
            await services().model_admin.remove(gone.provider, gone.id, user_id=user_id)
        await _show(self, user_id)
        is_back = gone.note == "back"
        return notify(f"“{gone.label}” is as it came with this version." if is_back else "Removed.")

    @rx.event(background=True)
    async def look(self, provider: str) -> None:
        """Ask a provider for its own list of models."""
        async with self:
            await _only_admin(self)
            if self.asking:
                return
            self.asking = one_of(provider, dict(services().model_admin.providers()))
            self.asked, self.offered, self.problem = "", [], ""
            user_id = await current_owner(self)
        try:
            found, problem = await services().model_admin.offered(provider, user_id=user_id), ""
        except RagAppError as error:
            found, problem = (), str(error)
        async with self:
            self.asking, self.asked = "", provider
            self.offered, self.problem = offered_rows(found), problem
            self.has_nothing_new = not found


async def _only_admin(state: AdminModelsState) -> int:
    user_id = await current_owner(state)
    await services().model_admin.check(user_id=user_id)
    return user_id


async def _find(state: AdminModelsState, provider: str, model: str) -> Model:
    """A model of the list. Raises NotAllowed and NotFound."""
    listed = await services().model_admin.list(user_id=await current_owner(state))
    for one in listed:
        if (one.model.provider, one.model.id) == (provider, model):
            return one.model
    raise NotFound("model")


async def _show(state: AdminModelsState, user_id: int) -> None:
    admin = services().model_admin
    state.blocks = blocks(await admin.list(user_id=user_id), admin.providers())


def _open(
    state: AdminModelsState, form: ModelForm, kind: str, *, takes_temperature: bool, is_new: bool
) -> None:
    state.form, state.kind, state.takes_temperature = form, kind, takes_temperature
    state.form_number += 1
    state.errors, state.is_new, state.is_open, state.is_saving = FormErrors(), is_new, True, False


def _said(model: Model, *, is_new: bool) -> str:
    if is_new and model.kind == "embedding":
        return f"“{model.label}” can be chosen after the next start, which makes room for its vectors."
    return "Saved. It holds for every call from now on."
