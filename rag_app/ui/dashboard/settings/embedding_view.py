"""Embedding models as an owner sees them, and how far a switch is."""

from dataclasses import dataclass

from rag_app.domain.embedding_models import EmbeddingChoice, EmbeddingSwitch
from rag_app.ui.prices import dollars, rate
from rag_app.ui.wording import counted

GONE = "A model that is not set up here any more"

# Title and text of the built-in ones; any other comes from the hub and is called what its repository is.
_WORDS = {
    "local_e5": (
        "Multilingual",
        "Built in. Reads about a hundred languages, also a question in one and a text in another.",
    ),
    "local_minilm": ("Light English", "Built in. Quicker, and good for English only."),
}
_HUB = "From the model hub, set up by whoever runs this installation. Works without the built-in reranker."


@dataclass(frozen=True)
class ModelView:
    """A model that can be chosen, or is in use."""

    name: str
    title: str
    text: str
    is_used: bool
    is_next: bool
    cost: str = ""  # of a switch to it; nothing where it costs nothing


@dataclass(frozen=True)
class SwitchView:
    """Which model is in use and how far the next one is; `problem` says what is the matter, if anything."""

    title: str = ""
    next_title: str = ""
    is_switching: bool = False
    percent: int = 0
    progress: str = ""
    problem: str = ""
    consequences: str = ""


def model_views(switch: EmbeddingSwitch) -> list[ModelView]:
    """Show every model that can be chosen, and the one in use also where it cannot."""
    names = {choice.name: choice for choice in switch.choices}
    shown = [switch.model, *names] if switch.model not in names else list(names)
    return [
        ModelView(
            name=name,
            title=title_of(switch, name),
            text=_text(name, names.get(name)),
            is_used=name == switch.model,
            is_next=name == switch.next_model,
            cost=_cost(switch, names.get(name)),
        )
        for name in shown
    ]


def switch_view(switch: EmbeddingSwitch) -> SwitchView:
    """Show how far a switch is."""
    is_switching = switch.next_model is not None
    return SwitchView(
        title=title_of(switch, switch.model),
        next_title=title_of(switch, switch.next_model) if switch.next_model else "",
        is_switching=is_switching,
        percent=switch.percentage,
        progress=_progress(switch) if is_switching else "",
        problem=_problem(switch),
        consequences=_consequences(switch.n_total),
    )


def ended(before: SwitchView, switch: EmbeddingSwitch, kb_name: str) -> str:
    """What to say when a switch is no longer under way; nothing where its owner stopped it."""
    title = title_of(switch, switch.model)
    if switch.problem:
        return f"“{before.next_title}” could not be used for “{kb_name}”."
    return f"“{kb_name}” is searched with “{title}” from now on." if title == before.next_title else ""


def title_of(switch: EmbeddingSwitch, name: str) -> str:
    """What a model is called."""
    labels = {choice.name: choice.label for choice in switch.choices}
    if name in _WORDS:
        return _WORDS[name][0]
    if name in labels:
        return labels[name].partition(" (")[0]
    return name.partition(":")[2] or GONE


def _text(name: str, choice: EmbeddingChoice | None) -> str:
    if name in _WORDS:
        return _WORDS[name][1]
    if choice is None:
        reason = "There is no key for its provider any more. " if ":" in name else ""
        return f"{reason}Nothing can be found by its meaning until you choose another one."
    if not choice.is_hosted:
        return _HUB
    provider = choice.label.rpartition(" (")[2].rstrip(")")
    price = "Its price is unknown."
    if choice.price_per_million is not None:
        price = f"{rate(choice.price_per_million)} per million tokens."
    return f"Texts and questions are sent to {provider}. {price} Works without the built-in reranker."


def _cost(switch: EmbeddingSwitch, choice: EmbeddingChoice | None) -> str:
    if choice is None or not choice.is_hosted or not switch.n_total:
        return ""
    cost = switch.estimated_cost(choice)
    size = f"{counted(switch.n_total, 'chunk')} with about {switch.n_tokens:,} tokens"
    if cost is None:
        return f"What that costs is not known: {size}. Its provider charges whoever the key belongs to."
    about = dollars(cost) if dollars(cost).startswith("less") else f"about {dollars(cost)}"
    return f"This costs {about}: {size}. Later uploads and searches cost a little as well."


def _progress(switch: EmbeddingSwitch) -> str:
    if switch.n_done >= switch.n_total:
        return "All chunks are embedded. A moment more, until they are in use."
    return f"{switch.n_done:,} of {counted(switch.n_total, 'chunk')}"


def _problem(switch: EmbeddingSwitch) -> str:
    if not switch.problem:
        return ""
    if switch.next_model is not None:
        return f"It is not getting on: {switch.problem} It is tried again by itself."
    return f"The last change was given up: {switch.problem} The model in use has stayed."


def _consequences(n_chunks: int) -> str:
    if not n_chunks:
        return "There are no chunks yet, so this is done at once."
    what = "The one chunk is" if n_chunks == 1 else f"All {n_chunks:,} chunks are"
    return f"{what} embedded anew in the background, which takes the machine a while."
