"""Say how likely each passage answers the question: one score with the same meaning in every search.

    final values ── distance to the best ──┐
    cosine, on the model's own scale ──────┼─ logistic regression ── never more than the one before ── score
    share of the question's words ─────────┘

Fused and reranked values compare the passages of one question only; whether the best one is any good is
told by its cosine and its words. The weights were fitted by `benchmarks/calibration.py` on half of the
articles of SQuAD 2.0 and XQuAD (English, German), with and without reranking, in knowledge bases of 1 to
600 paragraphs; half of the questions were of articles that were not there. How well the scores hold on the
other half: docs/decisions/0008-reranking.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rag_app.rag.rarity import Rarity
from rag_app.rag.stems import stems, stems_among


@dataclass(frozen=True)
class Signals:
    """What is known of one passage.

    `value` is from `fusion.blend`; `similarity` is the cosine, None where the search by meaning did not
    have the passage; `coverage` is from `coverages`, None where the question has no words to compare.
    """

    value: float
    similarity: float | None
    coverage: float | None


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of the best passage's cosine, over questions of which half can be answered."""

    centre: float
    spread: float


@dataclass(frozen=True)
class Weights:
    """What each signal adds to the log-odds; the similarity is counted on its model's scale."""

    bias: float
    distance: float
    similarity: float = 0.0
    coverage: float = 0.0


SCALES = {"local_e5": Scale(0.828, 0.051), "local_minilm": Scale(0.385, 0.233)}

# One set for all models: fitted for each alone, they hardly differ.
BOTH = Weights(-2.03, 4.54, similarity=2.53, coverage=4.84)
MEANING_ONLY = Weights(-0.2, 5.16, similarity=3.41)
WORDS_ONLY = Weights(-3.17, 4.39, coverage=8.78)
NEITHER = Weights(0.0, 4.5)  # nothing tells whether the best passage answers: even odds


def calibrated(signals: Sequence[Signals], *, embedding_model: str) -> list[float]:
    """The probability that each passage answers, in [0, 1], for passages in their final order.

    Cosines of a model that is not known here say nothing: words alone decide.
    """
    similarities = _similarities(signals, SCALES.get(embedding_model))
    knows_words = all(one.coverage is not None for one in signals)
    weights = _weights(similarities is not None, knows_words)
    best = signals[0].value if signals else 0.0
    scores: list[float] = []
    for place, one in enumerate(signals):
        log_odds = weights.bias + weights.distance * min(0.0, one.value - best)
        log_odds += weights.similarity * (similarities[place] if similarities else 0.0)
        log_odds += weights.coverage * (one.coverage or 0.0)
        scores.append(min([_probability(log_odds), *scores[-1:]]))
    return scores


def coverages(question: str, texts: Sequence[str]) -> list[float | None]:
    """The share of the question's words each text has, rare ones among the texts counting more.

    `texts` are heading and content of the first 20 passages or so: the scores were fitted with as many.
    """
    asked = stems(question)
    if not asked:
        return [None] * len(texts)
    found = [stems_among(asked, text) for text in texts]
    rarity = Rarity.of(question, found)
    return [rarity.share(words) for words in found]


def _similarities(signals: Sequence[Signals], scale: Scale | None) -> list[float] | None:
    """Cosines in the model's deviations; a passage without one has at most the least of the others."""
    known = [
        one.similarity for one in signals if one.similarity is not None and math.isfinite(one.similarity)
    ]
    if scale is None or not known:
        return None
    found = (one.similarity if one.similarity in known else min(known) for one in signals)
    return [(similarity - scale.centre) / scale.spread for similarity in found if similarity is not None]


def _weights(knows_meaning: bool, knows_words: bool) -> Weights:
    if knows_meaning:
        return BOTH if knows_words else MEANING_ONLY
    return WORDS_ONLY if knows_words else NEITHER


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-min(max(log_odds, -500.0), 500.0)))  # exp overflows at 710
