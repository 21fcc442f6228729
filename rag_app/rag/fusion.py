"""Make one ranking of two, and take repetition out of it.

    by meaning ──┐
                 ├─ fuse ── without_duplicates ── rerank ── blend ── diverse ── passages
    by words ────┘

Pure functions over chunk ids and scores; where two chunks are equal, ranks and then ids decide, so that
the same question always gets the same list.
"""

import math
import re
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Method = Literal["weighted", "rrf"]

MEANING_WEIGHT = 0.5  # docs/decisions/0003-weighted-fusion.md
RRF_K = 60  # the constant of the paper cited below
UNRANKED = 1000  # counts as the rank in a ranking that does not have the chunk

STANDARDISED_OVER = 20  # passages: the depth reranking was measured with, and the same without it

SHINGLE_WORDS = 5
TELLING_WORDS = 12  # the longest of a text's first third; copies share most of them
MIN_BEGINNING = 200  # characters, of short texts
LONG_PIECE = 16  # characters between two spaces
SIMILAR = 0.9  # shared shingles of those of both, from which on two texts are one

_WORD = re.compile(r"\w+")
_MARKS = string.punctuation + "“”„‘’«»…–—、。，"

T = TypeVar("T")
Pairs = Sequence[tuple[int, float]] | NDArray[np.float64]
"""Chunk ids and scores, best first; an array has shape `(n, 2)`."""


class Fused(NamedTuple):
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
    by_meaning: Pairs, by_words: Pairs, *, weight: float = MEANING_WEIGHT, method: Method = "weighted"
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
    meaning, words = _Ranking(by_meaning if weight > 0 else ()), _Ranking(by_words if weight < 1 else ())
    ids = np.union1d(meaning.ids, words.ids)
    (ranks, scores, shares), (word_ranks, word_scores, word_shares) = (
        one.at(ids, method) for one in (meaning, words)
    )
    fused = np.clip(weight * shares + (1 - weight) * word_shares, 0, 1)
    both = np.where(ranks > 0, ranks, UNRANKED) + np.where(word_ranks > 0, word_ranks, UNRANKED)
    order = np.lexsort((ids, both, -fused))
    ranks, word_ranks = ranks.astype(np.int64), word_ranks.astype(np.int64)
    columns = (column[order].tolist() for column in (ids, ranks, word_ranks, scores, word_scores, fused))
    return [
        Fused(
            chunk_id,
            rank or None,
            word_rank or None,
            score if rank else None,
            word_score if word_rank else None,
            value,
        )
        for chunk_id, rank, word_rank, score, word_score, value in zip(*columns, strict=True)
    ]


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
    having: defaultdict[str, list[int]] = defaultdict(list)  # the places of texts, by their telling words
    for one in ranking:
        text = _Text(text_of(one))
        n_shared = [0] * len(texts)
        for word in text.telling:
            for place in having[word]:
                n_shared[place] += 1
        same = next((at for at, n in enumerate(n_shared) if n and text.repeats(texts[at], n)), None)
        if same is not None:
            n_copies[same] += 1
            continue
        for word in text.telling:
            having[word].append(len(texts))
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


class _Ranking:
    """Ids and scores, best first; of a chunk named twice the better place counts."""

    def __init__(self, pairs: Pairs) -> None:
        table = np.asarray(pairs, np.float64).reshape(-1, 2)
        table = table[np.isfinite(table[:, 1])]
        _, first = np.unique(table[:, 0], return_index=True)
        if first.size < len(table):
            table = table[np.sort(first)]
        self.ids, self.scores = table[:, 0].astype(np.int64), table[:, 1]

    def at(self, ids: NDArray[np.int64], method: Method) -> tuple[NDArray[np.float64], ...]:
        """Rank, score and share of each of the sorted ids, 0 for those it does not have."""
        ranks = np.arange(1, self.ids.size + 1)
        shares = (RRF_K + 1) / (RRF_K + ranks) if method == "rrf" else minmax(self.scores)
        places = np.searchsorted(ids, self.ids)
        columns = np.zeros((3, ids.size))
        columns[:, places] = ranks, self.scores, shares
        return tuple(columns)


class _Text:
    """A text as its words; what takes longer to compare is made only for texts that could be the same."""

    def __init__(self, text: str) -> None:
        self._text = text
        beginning = text[: max(MIN_BEGINNING, len(text) // 3)].casefold()
        pieces = beginning.split()  # much quicker than words, and nearly as good
        if len(beginning) > LONG_PIECE * len(pieces):  # scripts without spaces
            pieces = _WORD.findall(beginning)
        longest = sorted(pieces, key=len)[-TELLING_WORDS:]
        self.telling = frozenset(piece.strip(_MARKS) for piece in longest)

    @cached_property
    def words(self) -> list[str]:
        return _WORD.findall(self._text.casefold())

    @cached_property
    def _all_shingles(self) -> frozenset[int]:
        return _shingles(self.words)

    def repeats(self, other: "_Text", n_telling: int) -> bool:
        """Whether this says the same as another one, or nearly so; a text without words repeats none.

        Args:
            n_telling: how many of their telling words are the same.
        """
        if 2 * n_telling < max(len(self.telling), len(other.telling)):
            return False
        if self.words == other.words:
            return bool(self.words)
        one, other_one = self._all_shingles, other._all_shingles
        n_shared = len(one & other_one)
        return n_shared >= SIMILAR * (len(one) + len(other_one) - n_shared)


def _shingles(words: Sequence[str]) -> frozenset[int]:
    """Runs of words, as hashes; of a short text the whole, of one without words none."""
    last = max(min(1, len(words)), len(words) - SHINGLE_WORDS + 1)
    return frozenset(hash(tuple(words[start : start + SHINGLE_WORDS])) for start in range(last))
