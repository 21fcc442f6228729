"""Weigh the sentences of the passages against a question, and judge whether they answer it.

passages ── sentences ── words shared with the question ── best 24 ── meaning ── score
                                                                         └── answerable?
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag_app.domain.retrieval import Passage
from rag_app.rag.embedders.contract import Embedder
from rag_app.rag.llms._sentences import units
from rag_app.rag.rarity import Rarity
from rag_app.rag.stems import stems

CANDIDATES = 24  # sentences that are embedded, about a quarter of a second of one core
RANK_WEIGHT = 0.5  # of the passage's place against words and meaning, which count 1 each
PASSAGE_TIE = 0.1  # what a place in the list is worth when candidates are chosen by words


@dataclass(frozen=True)
class Sentence:
    """A unit that can be quoted, and the number of its passage, from 1.

    `replies_to` is the question right before it, in a list of questions and answers.
    """

    text: str
    marker: int
    replies_to: str = ""

    @property
    def meaning(self) -> str:
        """What is compared with the reader's question."""
        return f"{self.replies_to} {self.text}".strip()


@dataclass(frozen=True)
class Evidence:
    """A sentence with what speaks for it; scores compare the sentences of one question only."""

    sentence: Sentence
    score: float


@dataclass(frozen=True)
class Signals:
    """What the judgement is made of; `similarity`, the best cosine, is None without an embedder.

    Coverages are the share of the question's words found, each weighted by its rarity, in [0, 1].
    """

    sentence_coverage: float
    passage_coverage: float
    all_coverage: float
    similarity: float | None


@dataclass(frozen=True)
class Weighed:
    """All candidates, best first, and the signals."""

    evidence: tuple[Evidence, ...]
    signals: Signals


async def weigh(question: str, passages: Sequence[Passage], embedder: Embedder | None) -> Weighed | None:
    """Score the sentences of the passages; None where there is nothing to quote."""
    rarity = Rarity.of(question, [words_of(passage) for passage in passages])
    candidates = _candidates(passages, rarity)
    if not candidates:
        return None
    coverages = np.array([rarity.coverage(sentence.meaning) for sentence in candidates])
    ranks = np.array([1 / sentence.marker for sentence in candidates])
    scores = _standardised(coverages) + RANK_WEIGHT * _standardised(ranks)
    similarities = await _similarities(question, candidates, embedder)
    if similarities is not None:
        scores += _standardised(similarities)
    order = np.argsort(-scores, kind="stable")
    evidence = tuple(Evidence(candidates[i], float(scores[i])) for i in order)
    return Weighed(evidence, _signals(passages, rarity, coverages, similarities))


def words_of(passage: Passage) -> frozenset[str]:
    """The stems of a passage and of its heading."""
    return stems(passage.content) | stems(passage.heading)


def _candidates(passages: Sequence[Passage], rarity: Rarity) -> list[Sentence]:
    """The sentences worth embedding: by shared words, and by the place of their passage among equals."""
    found = [
        sentence
        for marker, passage in enumerate(passages, start=1)
        for sentence in _sentences(passage, marker)
    ]
    found.sort(key=lambda one: rarity.coverage(one.meaning) + PASSAGE_TIE / one.marker, reverse=True)
    return found[:CANDIDATES]


def _sentences(passage: Passage, marker: int) -> Iterator[Sentence]:
    """The units of a passage but its questions, which answer nothing: they belong to what follows them."""
    question = passage.heading if _is_question(passage.heading) else ""
    for unit in units(passage.content):
        if _is_question(unit):
            question = unit
        else:
            yield Sentence(unit, marker, question)
            question = ""


def _is_question(text: str) -> bool:
    return text.endswith(("?", "？"))


async def _similarities(
    question: str, candidates: Sequence[Sentence], embedder: Embedder | None
) -> NDArray[np.float32] | None:
    if embedder is None:
        return None
    vectors = await embedder.embed_documents([sentence.meaning for sentence in candidates])
    return vectors @ await embedder.embed_query(question)


def _signals(
    passages: Sequence[Passage],
    rarity: Rarity,
    coverages: NDArray[np.float64],
    similarities: NDArray[np.float32] | None,
) -> Signals:
    texts = [f"{passage.heading} {passage.content}" for passage in passages]
    return Signals(
        sentence_coverage=float(coverages.max()),
        passage_coverage=max(map(rarity.coverage, texts)),
        all_coverage=rarity.coverage(*texts),
        similarity=None if similarities is None else float(similarities.max()),
    )


def _standardised(values: NDArray) -> NDArray[np.float64]:
    """Mean 0, deviation 1, so that scales can be added; all 0 where the values are equal."""
    deviation = float(values.std())
    return (values - values.mean()) / deviation if deviation > 1e-9 else np.zeros(len(values))
