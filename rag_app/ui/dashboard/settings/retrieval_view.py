"""How a knowledge base is searched, in words: what each knob stands at, and why one cannot be turned."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

from rag_app.domain.knobs import SEARCH_KNOBS, Knob
from rag_app.domain.rag_config import PRESETS, READING_KNOBS, RagConfig, preset_of
from rag_app.ui.wording import counted


@dataclass(frozen=True)
class Group:
    """Knobs that are about the same."""

    id: str
    title: str
    text: str
    knobs: tuple[str, ...]


GROUPS = (
    Group(
        "finding",
        "Finding",
        "All passages are looked through twice: for what they mean, and for the words they use.",
        ("meaning_weight", "fusion", "candidates"),
    ),
    Group(
        "order",
        "Order",
        "Which of the passages that were found come first.",
        (
            "rerank",
            "reranker",
            "rerank_depth",
            "rerank_budget_ms",
            "remove_near_duplicates",
            "max_per_document",
        ),
    ),
    Group(
        "question",
        "Understanding the question",
        "What is done with a question before anything is looked for.",
        ("rewrite_follow_ups", "spelling", "multi_query"),
    ),
    Group(
        "faq",
        "Curated answers",
        "When the FAQ answers in the place of a model.",
        ("match_faq", "faq_threshold"),
    ),
    Group(
        "reading",
        "What the answer reads",
        "How much of what was found the answering model gets to see.",
        ("semantic_search_max_results", "semantic_search_threshold", "neighbours"),
    ),
)

# Sliders with their step and what their ends stand for; other numbers are typed.
SLIDERS: dict[str, tuple[float, tuple[str, str]]] = {
    "meaning_weight": (0.01, ("words", "meaning")),
    "semantic_search_threshold": (0.01, ("answers more often", "answers more surely")),
    "faq_threshold": (0.01, ("looks alike", "word for word")),
    "semantic_search_max_results": (1, ("few", "many")),
    "rerank_depth": (1, ("quicker", "more thorough")),
    "max_per_document": (1, ("no limit", "20 passages")),
    "neighbours": (1, ("none", "three pieces")),
}

CHOICES: dict[str, dict[str, str]] = {
    "fusion": {"weighted": "Weighted sum (recommended)", "rrf": "Places only (rrf)"},
    "reranker": {
        "local_late": "Built in",
        "http_rerank": "Rerank service",
        "llm_judge": "Your answering model as judge",
        "hub_cross_encoder": "Cross-encoder model",
    },
}

RECOMMENDED: dict[str, Any] = {name: knob.default for name, knob in SEARCH_KNOBS.items()}
PRESET_TITLES = {"fast": "Fast", "balanced": "Balanced", "thorough": "Thorough"}


@dataclass(frozen=True)
class KnobView:
    """Where a knob stands.

    `reason` says why it cannot be turned now, `warning` why what is chosen has no effect here, and `error`
    why that was not saved.
    """

    text: str
    number: float
    is_on: bool
    shown: str
    reason: str = ""
    warning: str = ""
    error: str = ""
    is_own: bool = False


def knob_views(
    values: Mapping[str, Any],
    problems: Mapping[str, str] | None = None,
    not_set_up: Mapping[str, str] | None = None,
) -> dict[str, KnobView]:
    """Show every knob; `problems` are sentences about some of them, `not_set_up` about rerankers."""
    warnings = {"reranker": (not_set_up or {}).get(values["reranker"], "")}
    return {
        name: KnobView(
            text=_text(values[name]),
            number=_number(values[name], least=knob.least),
            is_on=values[name] is True,
            shown=shown(name, values[name]),
            reason=_reason(name, values),
            warning=warnings.get(name, ""),
            error=(problems or {}).get(name, ""),
            is_own=values[name] != knob.default,
        )
        for name, knob in SEARCH_KNOBS.items()
    }


def reranker_options(not_set_up: Container[str], *, saved: str) -> list[tuple[str, str]]:
    """The rerankers that can be chosen; the saved one also where it cannot be used any more."""
    return [
        (name, f"{title} (not set up here)" if name in not_set_up else title)
        for name, title in CHOICES["reranker"].items()
        if name not in not_set_up or name in {saved, SEARCH_KNOBS["reranker"].default}
    ]


def shown(name: str, value: Any) -> str:
    """Where a knob stands, in words; nothing for what is no value of it."""
    knob = SEARCH_KNOBS[name]
    if knob.kind == "switch":
        return "on" if value else "off"
    if knob.kind == "choice":
        return CHOICES[name].get(value, str(value)).removesuffix(" (recommended)")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return _NUMBERS.get(name, str)(value)


def recommended(name: str) -> str:
    """What we recommend for a knob."""
    return shown(name, SEARCH_KNOBS[name].default)


def typed(knob: Knob, sent: Any) -> Any:
    """What a control sent as the knob wants it; as it came when it cannot be that."""
    if knob.kind == "switch":
        return sent is True
    if knob.kind == "choice":
        return str(sent)
    try:
        number = float(sent)
    except (TypeError, ValueError):
        return str(sent)[:20]
    if knob.kind == "whole number" and number.is_integer():
        return int(number)
    return round(number, 2)


def searching(config: RagConfig) -> dict[str, Any]:
    """The knobs of searching; how documents are cut has a card of its own."""
    return config.model_dump(exclude=set(READING_KNOBS))


def preset_name(values: Mapping[str, Any]) -> str:
    """The preset that these values are; nothing when they were set by hand."""
    return next((name for name, preset in PRESETS.items() if searching(preset) == values), "")


def config_words(config: RagConfig) -> str:
    """How a knowledge base is searched, in a word."""
    preset = preset_of(config)
    return PRESET_TITLES[preset] if preset else "Your own settings"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any, *, least: float | None) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else least or 0


def _reason(name: str, values: Mapping[str, Any]) -> str:
    if name in {"reranker", "rerank_depth", "rerank_budget_ms"} and not values["rerank"]:
        return "Has no effect while “Rerank” is off."
    if name == "fusion" and values["meaning_weight"] in {0, 1}:
        return "Has no effect while only one of the two rankings counts."
    if name == "faq_threshold" and not values["match_faq"]:
        return "Has no effect while “Answer from the FAQ” is off."
    if name == "spelling" and values["meaning_weight"] == 1:
        return "Has no effect while only the meaning counts."
    return ""


def _balance(weight: float) -> str:
    meaning = round(weight * 100)
    if meaning in {0, 100}:
        return "meaning only" if meaning else "words only"
    return "both alike" if meaning == 50 else f"{meaning} % meaning, {100 - meaning} % words"


_NUMBERS: dict[str, Callable[[Any], str]] = {
    "meaning_weight": _balance,
    "semantic_search_threshold": lambda n: f"at least {n * 100:.0f} %" if n else "nothing left out",
    "semantic_search_max_results": lambda n: counted(n, "passage"),
    "candidates": lambda n: counted(n, "passage"),
    "rerank_depth": lambda n: counted(n, "passage"),
    "rerank_budget_ms": lambda n: f"{n:,} milliseconds",
    "max_per_document": lambda n: f"at most {n}" if n else "no limit",
    "neighbours": lambda n: f"{counted(n, 'piece')} on each side" if n else "none",
}
