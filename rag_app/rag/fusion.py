"""Make one ranking of two, and take repetition out of it.

    by meaning ──┐
                 ├─ fuse ── without_duplicates ── rerank ── blend ── diverse ── passages
    by words ────┘

Pure functions over chunk ids and scores; where two chunks are equal, ranks and then ids decide, so that
the same question always gets the same list.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Method = Literal["weighted", "rrf"]

MEANING_WEIGHT = 0.5  # docs/decisions/0003-weighted-fusion.md
RRF_K = 60  # the constant of the paper cited below
UNRANKED = 1000  # counts as the rank in a ranking that does not have the chunk

STANDARDISED_OVER = 20  # passages: the depth reranking was measured with, and the same without it

SHINGLE_WORDS = 5
TELLING_WORDS = 12  # the longest of a text; copies share most of them
SIMILAR = 0.9  # shared shingles of those of both, from which on two texts are one

_WORD = re.compile(r"\w+")

T = TypeVar("T")


@dataclass(frozen=True)
class Fused:
    """A chunk in the fused ranking with what brought it there; None where a ranking did not have it.

    `similarity` and `bm25` are the scores it came with; `fused` lies in [0, 1].
    """

    chunk_id: int
    rank_by_meaning: int | None
    rank_by_words: int | None
    similarity: float | None
    bm25: float | None
    fused: float


def fuse(
    by_meaning: Sequence[tuple[int, float]],
    by_words: Sequence[tuple[int, float]],
    *,
    weight: float = MEANING_WEIGHT,
    method: Method = "weighted",
) -> list[Fused]:
    """Fuse two rankings into one, best first.

    Args:
        by_meaning: (chunk id, cosine), best first.
        by_words: (chunk id, BM25), best first.
        weight: share of the meaning in [0, 1]; a ranking without a share is left out.
        method: `weighted` adds scores, each scaled to [0, 1] by the least and the greatest of its ranking;
            `rrf` adds `61 / (60 + rank)`.

    Scores that are not finite are left out.

    Source of `rrf`: Cormack, Clarke & Büttcher 2009, https://doi.org/10.1145/1571941.1572114
    """
    meaning = _ranked(by_meaning) if weight > 0 else {}
    words = _ranked(by_words) if weight < 1 else {}
    shares = _by_rank if method == "rrf" else _by_score
    meaning_shares, word_shares = shares(meaning), shares(words)
    fused = [
        Fused(
            chunk_id=chunk_id,
            rank_by_meaning=meaning[chunk_id][0] if chunk_id in meaning else None,
            rank_by_words=words[chunk_id][0] if chunk_id in words else None,
            similarity=meaning[chunk_id][1] if chunk_id in meaning else None,
            bm25=words[chunk_id][1] if chunk_id in words else None,
            fused=_bounded(
                weight * meaning_shares.get(chunk_id, 0.0) + (1 - weight) * word_shares.get(chunk_id, 0.0)
            ),
        )
        for chunk_id in meaning | words
    ]
    return sorted(fused, key=_order)


def blend(
    fused: Sequence[float], scores: Sequence[float | None] = (), *, weight: float = 1.0
) -> NDArray[np.float64]:
    """Final values of passages, of their fused scores and those a reranker gave: greater is better.

    Both are standardised, so that scales do not matter, and averaged, the reranker's counting `weight`.

    Args:
        fused: of all passages, best first.
        scores: of the first of them, as many as were reranked. Where one is missing the fused ones decide
            alone: passages with and without a score could not be compared.

    Returns:
        One value for each passage. Those not reranked come after those that were, in their order.
    """
    values = standardised(fused, within=STANDARDISED_OVER)
    given = [score for score in scores if score is not None and math.isfinite(score)]
    if len(given) < len(scores) or not given:
        return values
    n = len(given)
    reranked = (values[:n] + weight * standardised(given)) / (1 + weight)
    return np.concatenate([reranked, np.minimum(values[n:], reranked.min())])


def best_first(values: Sequence[float] | NDArray[np.float64]) -> list[int]:
    """Places of the values, greatest first; equals keep their order."""
    return np.argsort(-np.asarray(values, np.float64), kind="stable").tolist()


def standardised(
    scores: Sequence[float] | NDArray[np.float64], *, within: int | None = None
) -> NDArray[np.float64]:
    """Mean 0 and deviation 1, over the first `within` scores; all 0 where these are equal."""
    values = np.asarray(scores, np.float64)
    if not values.size:
        return values
    values = values / max(1.0, float(np.abs(values).max()))  # squares of the greatest floats are infinite
    mean, deviation = values[:within].mean(), values[:within].std()
    return (values - mean) / deviation if deviation > 1e-12 else np.zeros_like(values)


def minmax(scores: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale to [0, 1]; all 1 where the scores are equal."""
    values = np.asarray(scores, np.float64)
    if not values.size:
        return values
    low, high = values.min(), values.max()
    if low == high:
        return np.ones_like(values)
    # Halved, because the difference of the greatest floats is infinite.
    return np.clip((values / 2 - low / 2) / (high / 2 - low / 2), 0, 1)


def without_duplicates(ranking: Sequence[T], *, text_of: Callable[[T], str]) -> list[T]:
    """Keep the best of passages whose texts are the same, or nearly so: that share nine in ten shingles."""
    return [one for one, _ in with_copies(ranking, text_of=text_of)]


def with_copies(ranking: Sequence[T], *, text_of: Callable[[T], str]) -> list[tuple[T, int]]:
    """What `without_duplicates` keeps, each with the number of its copies that were left out."""
    kept: list[T] = []
    texts: list[_Text] = []
    n_copies: list[int] = []
    for one in ranking:
        text = _Text(_WORD.findall(text_of(one).casefold()))
        same = next((place for place, other in enumerate(texts) if text.words and text.repeats(other)), None)
        if same is not None:
            n_copies[same] += 1
            continue
        texts.append(text)
        kept.append(one)
        n_copies.append(0)
    return list(zip(kept, n_copies, strict=True))


def diverse(
    ranking: Sequence[T], *, document_of: Callable[[T], Hashable], per_document: int, limit: int
) -> list[T]:
    """The best `limit`, of one document at most `per_document` (0: any number) while others are left.

    What was held back fills up a list that would be short, in its order, at the end.
    """
    if per_document <= 0:
        return list(ranking[:limit])
    taken: Counter[Hashable] = Counter()
    first, held_back = [], []
    for one in ranking:
        document = document_of(one)
        taken[document] += 1
        (first if taken[document] <= per_document else held_back).append(one)
    return [*first, *held_back][:limit]


def _ranked(ranking: Iterable[tuple[int, float]]) -> dict[int, tuple[int, float]]:
    """Rank, from 1, and score of every chunk; of a chunk named twice the better place counts."""
    ranked: dict[int, tuple[int, float]] = {}
    for chunk_id, score in ranking:
        if chunk_id not in ranked and math.isfinite(score):
            ranked[chunk_id] = len(ranked) + 1, float(score)
    return ranked


def _by_score(ranked: dict[int, tuple[int, float]]) -> dict[int, float]:
    scaled = minmax([score for _, score in ranked.values()])
    return dict(zip(ranked, scaled.tolist(), strict=True))


def _by_rank(ranked: dict[int, tuple[int, float]]) -> dict[int, float]:
    return {chunk_id: (RRF_K + 1) / (RRF_K + rank) for chunk_id, (rank, _) in ranked.items()}


def _bounded(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _order(one: Fused) -> tuple[float, int, int]:
    ranks = (one.rank_by_meaning or UNRANKED) + (one.rank_by_words or UNRANKED)
    return -one.fused, ranks, one.chunk_id


class _Text:
    """A text as its words; what takes longer to compare is made only for texts that could be the same."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self._telling = frozenset(sorted(set(words), key=len)[-TELLING_WORDS:])

    @cached_property
    def _all_shingles(self) -> frozenset[int]:
        return _shingles(self.words)

    def repeats(self, other: "_Text") -> bool:
        """Whether this says the same as another one, or nearly so."""
        if self.words == other.words:
            return True
        at_most = max(len(self._telling), len(other._telling))
        if 2 * len(self._telling & other._telling) < at_most:
            return False
        one, other_one = self._all_shingles, other._all_shingles
        n_shared = len(one & other_one)
        return n_shared >= SIMILAR * (len(one) + len(other_one) - n_shared)


def _shingles(words: Sequence[str]) -> frozenset[int]:
    """Runs of words, as hashes; of a short text the whole, of one without words none."""
    last = max(min(1, len(words)), len(words) - SHINGLE_WORDS + 1)
    return frozenset(hash(tuple(words[start : start + SHINGLE_WORDS])) for start in range(last))
