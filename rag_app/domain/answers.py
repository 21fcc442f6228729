"""What goes into an answering model and what comes out of it.

Prompt ── LLM.stream ──► TextDelta … TextDelta, Completed
                         └─ or an error: TransientError, PermanentError, Interrupted
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rag_app.domain.retrieval import Passage
from rag_app.errors import TransientError


@dataclass(frozen=True)
class PriorTurn:
    """An earlier question of the conversation and the answer it got."""

    question: str
    answer: str


@dataclass(frozen=True)
class Prompt:
    """Everything a model is told: passages are numbered from 1 in the order given.

    `system` and `user` are the finished texts for a language model (`rag/prompts.py`); `question`
    and `passages` are the parts, for a model that quotes rather than writes, and for `rag/prompt_room.py`.
    `asked` is what was typed, where it differs from `question`: a follow-up before it got its subject.
    `language` is the code of the language to answer in; empty means that of the question.
    """

    system: str
    user: str
    history: tuple[PriorTurn, ...]
    question: str
    passages: tuple[Passage, ...]
    max_tokens: int = 1000
    temperature: float | None = None
    asked: str = ""
    language: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens of one provider call, as the provider counted them unless `estimated`.

    `cached_tokens` are those of the prompt that the provider had read before and charges less for.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    cached_tokens: int = 0


@dataclass(frozen=True)
class TextDelta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True)
class Completed:
    """The model said that it is done; without this event an answer is not complete.

    `answerable` is False when the model itself judged that the passages do not answer. `provider` is
    filled in by `services/model_calls.py`, which knows whom it asked.
    """

    usage: Usage
    finish_reason: Literal["stop", "length", "filtered"]
    model: str
    answerable: bool | None = None
    provider: str = ""


LLMEvent = TextDelta | Completed


@dataclass(frozen=True)
class StoodIn:
    """Why another model answers: who should have, and what became of it in a few words, such as
    “Google Gemini was overloaded”; `kind` is the same for programs."""

    provider: str
    model: str
    kind: str
    words: str


@dataclass(frozen=True)
class Answering:
    """Whose text follows: the model, and how many of the prompt's passages fitted into its context.

    Comes once for each answer, before its first text.
    """

    provider: str
    model: str
    model_label: str
    n_passages: int
    instead_of: StoodIn | None = None


CallEvent = Answering | TextDelta | Completed  # what `services/model_calls.py` makes of them


class Interrupted(TransientError):
    """The stream broke after it began: what came so far is all there is."""

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, kind: str = "interrupted"
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s, kind=kind)


@dataclass(frozen=True)
class ModelInfo:
    """One answering model an owner can choose."""

    id: str
    label: str
    context_tokens: int
    max_output_tokens: int
    takes_temperature: bool = True


def passages_by_marker(passages: Sequence[Passage]) -> dict[int, Passage]:
    """The passages under the numbers the model knows them by, counted from 1."""
    return dict(enumerate(passages, start=1))
