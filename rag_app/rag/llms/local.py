"""Answer without a key, by quoting: the sentences of the passages that best answer the question.

    question, passages ── evidence ── answerable? ─┬─ yes: up to three sentences, each with its [number]
                                                   └─ no: a sentence that says so

It writes nothing of its own, so it cannot invent; where the evidence is weak it says that the
documents do not answer.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence

from rag_app.domain.answers import Completed, LLMEvent, ModelInfo, Prompt, TextDelta, Usage
from rag_app.rag.embedders.contract import Embedder
from rag_app.rag.llms._evidence import Evidence, weigh
from rag_app.rag.llms._judgement import is_answerable
from rag_app.rag.llms._quoting import quotations
from rag_app.rag.llms.contract import LLM, LLMSettings
from rag_app.rag.model_table import model_table
from rag_app.rag.stems import language, n_words

LABEL = "Built-in (no key needed)"
NEEDS_KEY = False
MODELS = model_table().infos("local")

# The search's own estimate. Chosen on half of the questions of `benchmarks/refusals.py`: on every set nine in
# ten that the documents do not answer are refused, with room to spare, and at most one in twenty they do.
LEAST_LIKELY = 0.25
TOKENS_PER_WORD = 1.3  # usual for English text; an estimate, and told as one
WORDS_PER_DELTA = 4

REFUSALS = {
    "en": "I could not find an answer to this in the documents.",
    "de": "Dazu habe ich in den Dokumenten leider keine Antwort gefunden.",
    "fr": "Je n’ai pas trouvé de réponse à cette question dans les documents.",
    "it": "Non ho trovato una risposta a questa domanda nei documenti.",
    "es": "No he encontrado una respuesta a esta pregunta en los documentos.",
    "pt": "Não encontrei uma resposta a esta pergunta nos documentos.",
}

_WORD_GROUP = re.compile(rf"(?:\S+\s*){{1,{WORDS_PER_DELTA}}}")


def build(settings: LLMSettings, *, embedder: Embedder | None = None) -> LLM:
    """Return the answerer; without an embedder it compares words only, and misses what is said in others."""
    return ExtractiveAnswerer(embedder)


class ExtractiveAnswerer:
    """An `LLM` (see `contract.py`) that quotes."""

    models: tuple[ModelInfo, ...] = MODELS

    def __init__(self, embedder: Embedder | None) -> None:
        self._embedder = embedder

    async def stream(self, prompt: Prompt, *, model: str) -> AsyncGenerator[LLMEvent]:
        """See `LLM`."""
        chosen = await self._evidence(prompt)
        answer = written(chosen) if chosen else refusal(prompt)
        for group in word_groups(answer):
            yield TextDelta(group)
            await asyncio.sleep(0)  # lets each piece travel before the next is made
        yield Completed(
            usage=_usage(prompt, answer), finish_reason="stop", model=model, answerable=bool(chosen)
        )

    async def close(self) -> None:
        """There is nothing to give back."""

    async def _evidence(self, prompt: Prompt) -> Sequence[Evidence]:
        """The sentences to quote; none when they do not answer."""
        if max((passage.score for passage in prompt.passages), default=0.0) < LEAST_LIKELY:
            return ()
        weighed = await weigh(prompt.question, prompt.passages, self._embedder)
        embedder = self._embedder.name if self._embedder else None
        if weighed is None or not is_answerable(weighed, embedder):
            return ()
        return quotations(_not_said_before(weighed.evidence, prompt))


def refusal(prompt: Prompt) -> str:
    """The sentence that says no, in the language that was set, else in that of the question."""
    return REFUSALS.get(prompt.language) or REFUSALS[language(prompt.question)]


def _not_said_before(evidence: Sequence[Evidence], prompt: Prompt) -> Sequence[Evidence]:
    """What a follow-up can add: its subject, taken from the question before, would bring the same answer."""
    if not prompt.asked or not prompt.history:
        return evidence
    said = prompt.history[-1].answer
    return [one for one in evidence if one.sentence.text not in said] or evidence


def written(evidence: Sequence[Evidence]) -> str:
    """The answer as text: every sentence with the number of its passage."""
    return " ".join(f"{one.sentence.text} [{one.sentence.marker}]" for one in evidence)


def word_groups(text: str) -> Iterator[str]:
    """Cut a text into pieces of a few words; together they are the text."""
    return (match[0] for match in _WORD_GROUP.finditer(text))


def _usage(prompt: Prompt, answer: str) -> Usage:
    read = [prompt.question, *(passage.content for passage in prompt.passages)]
    return Usage(
        prompt_tokens=round(TOKENS_PER_WORD * sum(map(n_words, read))),
        completion_tokens=round(TOKENS_PER_WORD * n_words(answer)),
        estimated=True,
    )
