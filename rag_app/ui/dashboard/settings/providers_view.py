"""The providers of answering models as an owner sees them: whose key is used, and whether it works."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from rag_app.domain.provider_keys import ProviderStatus
from rag_app.errors import InvalidInput
from rag_app.ui.wording import ago


@dataclass(frozen=True)
class ProviderCard:
    """One provider; `tested` is empty while the owner has no key of their own."""

    provider: str
    label: str
    state: str
    tone: str
    text: str
    tested: str
    tested_tone: str
    is_own: bool
    what: str
    action: str
    consequence: str
    takes_base_url: bool
    base_url: str


@dataclass(frozen=True)
class KeyErrors:
    """What is wrong in the form, by field."""

    api_key: str = ""
    base_url: str = ""
    model: str = ""


def provider_cards(found: Iterable[ProviderStatus], *, now: datetime | None = None) -> list[ProviderCard]:
    """Show how each provider is reached."""
    return [_card(status, now) for status in found]


def error_at(error: InvalidInput) -> KeyErrors:
    """Put an error under its field; the key's where there is none."""
    known = {field.name for field in fields(KeyErrors)}
    return KeyErrors(**{error.field if error.field in known else "api_key": str(error)})


def _card(status: ProviderStatus, now: datetime | None) -> ProviderCard:
    is_own = status.source == "owner"
    return ProviderCard(
        provider=status.provider,
        label=status.label,
        state=_state(status),
        tone="success" if status.is_available else "neutral",
        text=_text(status),
        tested=_tested(status, now) if is_own else "",
        tested_tone="" if status.checked_at is None else "danger" if status.problem else "success",
        is_own=is_own,
        what="server" if status.base_url else "key",
        action="Change" if is_own else "Use your own key" if status.has_installation_key else "Add a key",
        consequence=_consequence(status),
        takes_base_url=status.takes_base_url,
        base_url=status.base_url,
    )


def _state(status: ProviderStatus) -> str:
    if status.source == "installation":
        return "Installation’s key"
    if status.source == "none":
        return "No key"
    if status.base_url:
        return "Your server"
    return f"Your key ····{status.last_four}" if status.last_four else "Your key"


def _text(status: ProviderStatus) -> str:
    if status.source == "installation":
        return "Whoever runs this installation has added a key that you may use."
    if status.source == "none":
        return "Your knowledge bases can use it once there is a key."
    if status.base_url:
        key = f", with your key ····{status.last_four}" if status.last_four else ""
        return f"Questions go to {status.base_url}{key}."
    instead = " instead of the installation’s" if status.has_installation_key else ""
    return f"Your knowledge bases use this key{instead}."


def _tested(status: ProviderStatus, now: datetime | None) -> str:
    if status.checked_at is None:
        return "Not tested yet."
    when = ago(status.checked_at, now=now)
    return f"Tested {when}: {status.problem}" if status.problem else f"Tested {when}: it works."


def _consequence(status: ProviderStatus) -> str:
    if status.has_installation_key:
        return "From then on the key of the installation is used."
    return "Knowledge bases that use it cannot answer until there is a key again."
