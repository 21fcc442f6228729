"""How a knowledge base answers, as its owner sets it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.domain.languages import ANSWER_LANGUAGES
from rag_app.errors import InvalidInput
from rag_app.rag.prompts import ROLE
from rag_app.services.knowledge_bases import MAX_FALLBACKS, RANGES, Provider
from rag_app.services.prompt_previews import PromptPreview
from rag_app.ui.wording import counted

SAME_AS_QUESTION = "The language of the question"
SEPARATOR = "|"  # between provider and model in the value of an option

Draft = dict[str, Any]  # columns of the knowledge base; numbers as they were typed


@dataclass(frozen=True)
class FallbackView:
    """A model that stands in; `note` says what is in its way, if anything."""

    value: str
    title: str
    note: str = ""
    is_first: bool = False
    is_last: bool = False


@dataclass(frozen=True)
class ModelView:
    """What the chosen model can do, as far as it is known."""

    takes_temperature: bool = True
    tokens_hint: str = ""
    is_built_in: bool = False


@dataclass(frozen=True)
class AnswerErrors:
    """What is wrong, by field; `other` for what belongs to none."""

    llm_provider: str = ""
    llm_model: str = ""
    llm_fallbacks: str = ""
    system_prompt: str = ""
    temperature: str = ""
    max_tokens: str = ""
    answer_language: str = ""
    question: str = ""
    other: str = ""


@dataclass(frozen=True)
class PromptView:
    """A finished prompt; empty before one was asked for."""

    system: str = ""
    user: str = ""
    facts: str = ""


def draft_of(kb: KnowledgeBase) -> Draft:
    """What stands at the controls of a knowledge base."""
    return {
        "llm_provider": kb.llm_provider,
        "llm_model": kb.llm_model,
        "llm_fallbacks": [{"provider": each.provider, "model": each.model} for each in kb.llm_fallbacks],
        "system_prompt": kb.system_prompt or ROLE,
        "temperature": f"{kb.temperature:g}",
        "max_tokens": str(kb.max_tokens),
        "answer_language": kb.answer_language,
    }


def changes_in(draft: Mapping[str, Any]) -> dict[str, Any]:
    """A draft as the service takes it.

    Raises:
        InvalidInput: a number is none or out of range; `field` says which.
    """
    prompt = str(draft["system_prompt"]).strip()
    return {
        **draft,
        "system_prompt": "" if prompt == ROLE else prompt,
        "temperature": _number(draft, "temperature"),
        "max_tokens": int(_number(draft, "max_tokens", whole=True)),
    }


def fallback_views(draft: Draft, providers: Sequence[Provider]) -> list[FallbackView]:
    """The models that stand in, in their order."""
    chosen = draft["llm_fallbacks"]
    return [
        FallbackView(
            value=value_of(each["provider"], each["model"]),
            title=title_of(providers, each["provider"], each["model"]),
            note=_note(draft, each, providers),
            is_first=position == 0,
            is_last=position == len(chosen) - 1,
        )
        for position, each in enumerate(chosen)
    ]


def fallback_options(draft: Draft, providers: Sequence[Provider]) -> list[tuple[str, str]]:
    """The models that could stand in as well, after a line that is none; nothing when there are enough."""
    if len(draft["llm_fallbacks"]) >= MAX_FALLBACKS:
        return []
    taken = {value_of(each["provider"], each["model"]) for each in draft["llm_fallbacks"]}
    taken.add(value_of(draft["llm_provider"], draft["llm_model"]))
    options = [
        (value_of(provider.name, model.id), title_of(providers, provider.name, model.id))
        for provider in providers
        if provider.is_available
        for model in provider.models
    ]
    free = [option for option in options if option[0] not in taken]
    return [("", "Choose one…"), *free] if free else []


def moved(choices: list[dict[str, str]], value: str, by: int) -> list[dict[str, str]]:
    """The order after one of them was moved up (-1) or down (1); the same where it cannot."""
    values = [value_of(each["provider"], each["model"]) for each in choices]
    at = values.index(value) if value in values else -1
    to = at + by
    if at < 0 or not 0 <= to < len(choices):
        return choices
    order = list(choices)
    order[at], order[to] = order[to], order[at]
    return order


def language_options() -> list[tuple[str, str]]:
    """The languages that can be set, by name; empty for that of the question."""
    by_name = sorted(ANSWER_LANGUAGES.items(), key=lambda pair: pair[1])
    return [("", SAME_AS_QUESTION), *by_name]


def prompt_view(preview: PromptPreview) -> PromptView:
    """Show a finished prompt."""
    facts = [f"For {preview.model.label}", counted(preview.n_passages, "passage")]
    if preview.n_left_out:
        facts.append(f"{preview.n_left_out} more found, but the model holds no more")
    facts.append(f"about {preview.n_tokens:,} tokens to read, at most {preview.max_tokens:,} to write")
    if preview.temperature is not None:
        facts.append(f"temperature {preview.temperature:g}")
    return PromptView(preview.system, preview.user, " · ".join(facts))


def error_at(error: InvalidInput) -> AnswerErrors:
    """Put an error under the field it is about."""
    known = {field.name for field in fields(AnswerErrors)}
    return AnswerErrors(**{error.field if error.field in known else "other": str(error)})


def title_of(providers: Sequence[Provider], provider: str, model: str) -> str:
    """What a model is called, with its provider where that adds something."""
    known = next((each for each in providers if each.name == provider), None)
    label = next((each.label for each in known.models if each.id == model), model) if known else model
    if known is None or known.is_local:
        return f"{label} (built in)" if known else label
    return f"{label} ({known.label})"


def value_of(provider: str, model: str) -> str:
    """A model as the value of an option."""
    return f"{provider}{SEPARATOR}{model}"


def choice_of(value: str) -> dict[str, str]:
    """The model that the value of an option stands for."""
    provider, _, model = value.partition(SEPARATOR)
    return {"provider": provider, "model": model}


def _note(draft: Draft, each: Mapping[str, str], providers: Sequence[Provider]) -> str:
    if (each["provider"], each["model"]) == (draft["llm_provider"], draft["llm_model"]):
        return "Answers already, so it cannot stand in for itself."
    known = next((one for one in providers if one.name == each["provider"]), None)
    if known is not None and not known.is_available:
        return "Is passed over: there is no key for it."
    return ""


def _number(draft: Mapping[str, Any], name: str, *, whole: bool = False) -> float:
    least, most = RANGES[name]
    typed = str(draft[name]).strip().replace(",", ".")
    try:
        value = float(typed)
    except ValueError:
        value = float("nan")
    if not least <= value <= most or (whole and not value.is_integer()):
        kind = "a whole number" if whole else "a number"
        raise InvalidInput(f"Please enter {kind} from {least:g} to {most:,}.", field=name)
    return value
