"""The form of a knowledge base: what stands in it, what can be chosen, what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.errors import InvalidInput
from rag_app.services.knowledge_bases import Provider
from rag_app.ui.arguments import as_text
from rag_app.ui.prices import UNKNOWN, short_price_of

MIN_TOKENS, MAX_TOKENS = 16, 32_000
MAX_TEMPERATURE = 2.0


@dataclass(frozen=True)
class KbValues:
    """What the fields begin with."""

    name: str = ""
    description: str = ""
    system_prompt: str = ""
    temperature: str = "0.7"
    max_tokens: str = "1000"


@dataclass(frozen=True)
class KbErrors:
    """What is wrong, by field; `other` for what belongs to none."""

    name: str = ""
    description: str = ""
    llm_provider: str = ""
    llm_model: str = ""
    system_prompt: str = ""
    temperature: str = ""
    max_tokens: str = ""
    other: str = ""


@dataclass(frozen=True)
class ProviderOption:
    """One provider in the list; one without a key cannot be chosen."""

    name: str
    label: str
    is_disabled: bool


def values_of(kb: KnowledgeBase) -> KbValues:
    """What stands in the fields of an existing knowledge base."""
    return KbValues(
        kb.name, kb.description, kb.system_prompt or "", f"{kb.temperature:g}", str(kb.max_tokens)
    )


def provider_options(providers: Sequence[Provider], *, chosen: str) -> list[ProviderOption]:
    """All providers; the one that is used already stays possible even when its key is gone."""
    return [
        ProviderOption(
            provider.name,
            provider.label if provider.is_available else f"{provider.label} — no key configured",
            not provider.is_available and provider.name != chosen,
        )
        for provider in providers
    ]


def model_options(providers: Sequence[Provider], provider: str, *, chosen: str = "") -> list[tuple[str, str]]:
    """A provider's models, among them the one that is used already, known to us or not."""
    models = next((each.models for each in providers if each.name == provider), ())
    known = [(model.id, f"{model.label} — {short_price_of(model)}") for model in models]
    unknown = [other_model(chosen)] if chosen and chosen not in dict(known) else []
    return [*known, *unknown]


def other_model(model_id: str, label: str = "") -> tuple[str, str]:
    """A model of which we know nothing but its name."""
    return model_id, f"{label or model_id} — {UNKNOWN}"


def error_at(error: InvalidInput) -> KbErrors:
    """Put an error under the field it is about."""
    known = {field.name for field in fields(KbErrors)}
    return KbErrors(**{error.field if error.field in known else "other": str(error)})


def changes_in(form: object) -> dict[str, Any]:
    """What an edited form says.

    Raises:
        InvalidInput: a number is none or out of range; `field` says which.
    """
    return {
        "name": as_text(form, "name"),
        "description": as_text(form, "description"),
        "system_prompt": as_text(form, "system_prompt"),
        "temperature": _temperature(as_text(form, "temperature")),
        "max_tokens": _tokens(as_text(form, "max_tokens")),
    }


def _temperature(text: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0 <= value <= MAX_TEMPERATURE:  # false for "nan" as well
        raise InvalidInput(
            f"Please enter a number from 0 to {MAX_TEMPERATURE:g}, such as 0.7.", field="temperature"
        )
    return value


def _tokens(text: str) -> int:
    text = text.strip()
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not MIN_TOKENS <= value <= MAX_TOKENS:
        raise InvalidInput(
            f"Please enter a whole number from {MIN_TOKENS} to {MAX_TOKENS:,}.", field="max_tokens"
        )
    return value
