"""Rank chunks by the words they share with a question.

    a word's postings (chunk, how often, chunk's length) ── weight × saturation ──┐
    another word's                                       ── weight × saturation ──┴─ sum ── best few

Exact BM25 with k1 = 1.2, b = 0.75 and the +1 inside the logarithm that keeps weights positive, as Lucene
computes it. Nothing is cut short: a million postings are added up in a few milliseconds, because they
come from the database as packed numbers and never become Python objects.

Source: Robertson & Zaragoza 2009, https://doi.org/10.1561/1500000019
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rag_app.domain.word_index import Corpus, Range, Term

K1 = 1.2
B = 0.75
# Ordinals of a knowledge base are nearly dense. Where many of its documents were replaced again and
# again they are not, and sorting the few there are takes less than a table for all there ever were.
MAX_TABLE = 16_000_000


@dataclass(frozen=True)
class WordRanking:
    """The best chunks by words: ordinals and scores, best first, and each term's part of each score.

    Shapes `(n,)`, `(n,)` and `(n_terms, n)`.
    """

    ordinals: NDArray[np.int64]
    scores: NDArray[np.float64]
    parts: NDArray[np.float64]
    terms: tuple[Term, ...] = ()
    n_matching: int = 0


@dataclass(frozen=True)
class _Weighed:
    """A term's scores by chunk."""

    ordinals: NDArray[np.int64]
    scores: NDArray[np.float32]


def rank(
    terms: Sequence[Term],
    corpus: Corpus,
    *,
    limit: int,
    allowed: Sequence[Range] | None = None,
    must_have: Sequence[Sequence[str]] = (),
) -> WordRanking:
    """Rank a knowledge base's chunks by BM25; equal scores stand in order of ordinal.

    Args:
        allowed: the only chunks to rank, None for all. How rare a word is does not depend on it.
        must_have: groups of terms; a chunk is ranked only if it has all terms of one of the groups.
    """
    size = 1 + max((int(term.postings["ordinal"].max()) for term in terms if term.postings.size), default=-1)
    table = _Table(size, corpus, allowed)
    weighed = [_weigh(term, corpus, table) for term in terms]
    if not any(part.ordinals.size for part in weighed):
        return _nothing(terms)
    ordinals, scores = table.add_up(weighed)
    if must_have:
        has_all = _has_all(ordinals, terms, weighed, must_have)
        ordinals, scores = ordinals[has_all], scores[has_all]
    best = _best(scores, ordinals, limit)
    winners = ordinals[best]
    parts = np.array([_part(each, winners) for each in weighed])
    return WordRanking(winners, scores[best], parts, tuple(terms), int(ordinals.size))


class _Table:
    """Ordinals that count, and sums by ordinal."""

    def __init__(self, size: int, corpus: Corpus, allowed: Sequence[Range] | None) -> None:
        self.size = size
        self._is_dense = size <= MAX_TABLE
        self._gaps = self._set(corpus.gaps) if corpus.gaps else None
        self._allowed = None if allowed is None else self._set(allowed)

    def living(self, ordinals: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Which of these are not in a gap; None when all are."""
        return None if self._gaps is None else ~self._gaps(ordinals)

    def permitted(self, ordinals: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Which of these may be ranked; None when all may."""
        return None if self._allowed is None else self._allowed(ordinals)

    def _set(self, ranges: Sequence[Range]) -> Callable[[NDArray[np.int64]], NDArray[np.bool_]]:
        if not self._is_dense:
            return partial(_within, ranges=sorted(ranges))
        members = np.zeros(self.size, bool)
        for first, n in ranges:
            members[first : first + n] = True
        return members.__getitem__

    def add_up(self, weighed: Sequence[_Weighed]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """All ordinals with a score, ascending, and their sums."""
        if self._is_dense:
            sums = np.zeros(self.size, np.float32)
            for part in weighed:
                sums[part.ordinals] += part.scores  # no ordinal comes twice in one part
            found = np.flatnonzero(sums)
            return found, sums[found].astype(np.float64)
        everything = np.concatenate([part.ordinals for part in weighed])
        found, where = np.unique(everything, return_inverse=True)
        sums = np.zeros(found.size)
        np.add.at(sums, where, np.concatenate([part.scores for part in weighed]))
        return found, sums


def _weigh(term: Term, corpus: Corpus, table: _Table) -> _Weighed:
    ordinals = term.postings["ordinal"].astype(np.int64)
    frequency = term.postings["frequency"].astype(np.float32)
    length = term.postings["length"].astype(np.float32)
    living = table.living(ordinals)
    if living is not None:
        ordinals, frequency, length = ordinals[living], frequency[living], length[living]
    n_with = min(ordinals.size, corpus.n_chunks)
    rarity = float(np.log1p((corpus.n_chunks - n_with + 0.5) / (n_with + 0.5)))
    # tf (k1 + 1) / (tf + k1 (1 - b + b length / average)), in place: these arrays are long
    length *= K1 * B / max(corpus.average_length, 1e-9)
    length += K1 * (1 - B)
    length += frequency
    frequency /= length
    frequency *= term.weight * rarity * (K1 + 1)
    permitted = table.permitted(ordinals)
    if permitted is not None:
        ordinals, frequency = ordinals[permitted], frequency[permitted]
    return _Weighed(ordinals, frequency)


def _within(ordinals: NDArray[np.int64], ranges: Sequence[Range]) -> NDArray[np.bool_]:
    """Which ordinals lie in one of the sorted, disjoint ranges."""
    if not ranges:
        return np.zeros(ordinals.size, bool)
    bounds = np.array(ranges, np.int64)
    at = np.searchsorted(bounds[:, 0], ordinals, side="right") - 1
    return (at >= 0) & (ordinals < bounds[at, 0] + bounds[at, 1])


def _has_all(
    ordinals: NDArray[np.int64],
    terms: Sequence[Term],
    weighed: Sequence[_Weighed],
    groups: Sequence[Sequence[str]],
) -> NDArray[np.bool_]:
    has_one_group = np.zeros(ordinals.size, bool)
    for group in groups:
        parts = [part for term, part in zip(terms, weighed, strict=True) if term.text in group]
        has_group = np.full(ordinals.size, len(parts) == len(group))
        for part in parts:
            has_group &= np.isin(ordinals, part.ordinals)
        has_one_group |= has_group
    return has_one_group


def _best(scores: NDArray[np.float64], ordinals: NDArray[np.int64], limit: int) -> NDArray[np.intp]:
    """Positions of the best scores, best first."""
    if scores.size > limit:
        least = np.partition(scores, scores.size - limit)[scores.size - limit]
        candidates = np.flatnonzero(scores >= least)
    else:
        candidates = np.arange(scores.size)
    return candidates[np.lexsort((ordinals[candidates], -scores[candidates]))[:limit]]


def _part(weighed: _Weighed, winners: NDArray[np.int64]) -> NDArray[np.float64]:
    """A term's part of the winners' scores."""
    part = np.zeros(winners.size)
    ordinals, scores = weighed.ordinals, weighed.scores
    if not (ordinals.size and winners.size):
        return part
    if (ordinals[1:] < ordinals[:-1]).any():  # segments that were merged out of turn
        order = np.argsort(ordinals)
        ordinals, scores = ordinals[order], scores[order]
    at = np.minimum(np.searchsorted(ordinals, winners), ordinals.size - 1)
    hit = ordinals[at] == winners
    part[hit] = scores[at[hit]]
    return part


def _nothing(terms: Sequence[Term]) -> WordRanking:
    return WordRanking(np.zeros(0, np.int64), np.zeros(0), np.zeros((len(terms), 0)), tuple(terms))
