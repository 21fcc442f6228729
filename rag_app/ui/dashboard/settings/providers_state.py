"""The owner's own keys while they are being added, tested and removed.

A typed key passes through a form to the service and is kept in no variable here: what a state remembers
is sent to the browser.
"""

import contextlib
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.provider_keys import ProviderStatus
from rag_app.errors import InvalidInput, LimitReached, NotFound, NotSignedIn
from rag_app.ui.arguments import as_text, one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.settings.providers_view import (
    KeyErrors,
    ProviderCard,
    error_at,
    provider_cards,
)
from rag_app.ui.feedback import notify


class ProvidersState(rx.State):
    """The cards, and the provider whose key is being entered, tested or removed; empty for none."""

    cards: list[ProviderCard] = []
    errors: KeyErrors = KeyErrors()
    editing: str = ""
    editing_label: str = ""
    takes_base_url: bool = False
    base_url: str = ""
    removing: str = ""
    removing_what: str = ""
    consequence: str = ""
    testing: str = ""
    is_saving: bool = False
    is_loading: bool = True

    _models: dict[str, str] = {}  # asked for on own servers, to be tried again

    @rx.event
    async def load(self) -> None:
        """Read how each provider is reached."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        self.reset()
        await _show(self, owner_id)
        self.is_loading = False

    @rx.event
    async def edit(self, provider: str) -> None:
        """Ask for a key."""
        await current_owner(self)
        card = _card(self, provider)
        self.editing, self.editing_label = card.provider, card.label
        self.takes_base_url, self.base_url = card.takes_base_url, card.base_url
        self.errors = KeyErrors()

    @rx.event
    def stop_editing(self) -> None:
        """Keep what there is."""
        self.editing = ""

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Keep the key, and try it at once."""
        if not self.editing or self.is_saving:
            return
        owner_id = await current_owner(self)
        provider = self.editing
        self.is_saving, self.errors = True, KeyErrors()
        yield
        try:
            await services().provider_keys.save(
                provider,
                owner_id=owner_id,
                api_key=as_text(form, "api_key"),
                base_url=as_text(form, "base_url"),
            )
        except InvalidInput as error:
            self.errors = error_at(error)
            return
        finally:
            self.is_saving = False
        self._models = self._models | {provider: as_text(form, "model")[:200]}
        self.editing = ""
        await _show(self, owner_id)
        yield ProvidersState.test(provider)

    @rx.event(background=True)
    async def test(self, provider: str) -> Any:
        """Make the smallest real call and say what came of it."""
        owner_id = await current_owner(self)
        async with self:
            if self.testing:
                return
            card = _card(self, provider)
            model = self._models.get(card.provider)
            self.testing = card.provider
        try:
            found = await services().provider_checks.check(card.provider, owner_id=owner_id, model=model)
        except (InvalidInput, LimitReached, NotFound) as error:
            yield notify(str(error), tone="warn")
            return
        finally:
            async with self:
                self.testing = ""
        async with self:
            await _show(self, owner_id)
        if found.problem:
            yield notify(_problem(found), tone="warn")
        else:
            yield notify(
                "Your server answers." if found.base_url else f"{found.label} answers with your key."
            )

    @rx.event
    async def ask_to_remove(self, provider: str) -> None:
        """Ask before a key is forgotten."""
        await current_owner(self)
        card = _card(self, provider)
        self.removing, self.consequence = card.provider, card.consequence
        self.removing_what = f"your {card.what} for {card.label}"

    @rx.event
    def keep(self) -> None:
        """Forget no key."""
        self.removing = ""

    @rx.event
    async def remove(self) -> Any:
        """Forget the key that was asked about."""
        owner_id = await current_owner(self)
        if not self.removing:
            return None
        provider, self.removing = self.removing, ""
        with contextlib.suppress(NotFound):  # removed elsewhere a moment ago
            await services().provider_keys.remove(provider, owner_id=owner_id)
        await _show(self, owner_id)
        return notify(f"Removed {self.removing_what}.")


async def _show(state: ProvidersState, owner_id: int) -> None:
    state.cards = provider_cards(await services().provider_keys.list_of(owner_id))


def _card(state: ProvidersState, provider: object) -> ProviderCard:
    """The card of a provider. Raises InvalidInput."""
    cards = {card.provider: card for card in state.cards}
    return cards[one_of(provider, cards)]


def _problem(found: ProviderStatus) -> str:
    """Why a test did not go well, with the provider's name said once."""
    is_named = found.problem.startswith(found.label)
    return found.problem if is_named else f"{found.label}: {found.problem}"
