"""Rank chunks by the words they share with a question.

    a word's postings (chunk, how often, chunk's length) ── weight × saturation ──┐
    another word's                                       ── weight × saturation ──┴─ sum ── best few

Exact BM25 with k1 = 1.2, b = 0.75 and the +1 inside the logarithm that keeps weights positive, as Lucene
computes it. Nothing is cut short: a million postings are added up in a few milliseconds, because they
come from the database as packed numbers and never become Python objects.

Source: Robertson & Zaragoza 2009, https://doi.org/10.1561/1500000019
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rag_app.domain.word_index import Corpus, Range, Term

K1 = 1.2
B = 0.75
# Ordinals of a knowledge base are nearly dense. Where many of its documents were replaced again and
# again they are not, and sorting the few there are takes less than a table for all there ever were.
MAX_TABLE = 16_000_000
TINY = 1e-30  # less than any word adds


@dataclass(frozen=True)
class WordRanking:
    """The best chunks by words: ordinals and scores, best first, and each term's part of each score.

    Shapes `(n,)`, `(n,)` and `(n_terms, n)`.
    """

    ordinals: NDArray[np.int64]
    scores: NDArray[np.float64]
    parts: NDArray[np.float64]
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True)
class _Weighed:
    """The scores of all terms by chunk, one term after the other; the n-th lies between two bounds."""

    ordinals: NDArray[np.int64]
    scores: NDArray[np.float32]
    bounds: NDArray[np.int64]

    def each(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Ordinals and scores of each term."""
        for start, end in pairwise(self.bounds.tolist()):
            yield self.ordinals[start:end], self.scores[start:end]


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
    if not any(term.postings.size for term in terms):
        return _nothing(terms)
    packed = np.concatenate([term.postings for term in terms])
    table = _Table(1 + int(packed["ordinal"].max()), corpus, allowed)
    weighed = _weigh(terms, packed, corpus, table)
    ordinals, scores = table.add_up(weighed, limit=None if must_have else limit)
    if must_have:
        has_all = _has_all(ordinals, terms, weighed, must_have)
        ordinals, scores = ordinals[has_all], scores[has_all]
    best = np.lexsort((ordinals, -scores))[:limit]
    return WordRanking(ordinals[best], scores[best], _parts(weighed, ordinals[best], table), tuple(terms))


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

    def are_among(self, few: NDArray[np.int64], ordinals: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which ordinals are some of these few."""
        if not self._is_dense:
            return np.isin(ordinals, few)
        members = np.zeros(self.size, bool)
        members[few] = True
        return members[ordinals]

    def _set(self, ranges: Sequence[Range]) -> Callable[[NDArray[np.int64]], NDArray[np.bool_]]:
        if not self._is_dense:
            return partial(_within, ranges=sorted(ranges))
        members = np.zeros(self.size, bool)
        for first, n in ranges:
            members[first : first + n] = True
        return members.__getitem__

    def add_up(
        self, weighed: _Weighed, *, limit: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ordinals, ascending, and their sums: all that have a score, or at least the `limit` best."""
        if not self._is_dense:
            found, where = np.unique(weighed.ordinals, return_inverse=True)
            sums = np.zeros(found.size)
            np.add.at(sums, where, weighed.scores)
            return found, sums
        sums = np.zeros(self.size, np.float32)
        for ordinals, scores in weighed.each():
            sums[ordinals] += scores  # no ordinal comes twice in one term
        found = np.flatnonzero(sums >= max(_least(sums, weighed, limit), TINY))
        return found, sums[found].astype(np.float64)


def _least(sums: NDArray[np.float32], weighed: _Weighed, limit: int | None) -> float:
    """A sum that the `limit` best have at least: so many chunks with the rarest word that can have it."""
    many = [ordinals for ordinals, _ in weighed.each() if limit and ordinals.size >= limit]
    if not many or not limit:
        return 0.0
    rarest = sums[min(many, key=len)]
    return float(np.partition(rarest, rarest.size - limit)[rarest.size - limit])


def _weigh(terms: Sequence[Term], packed: NDArray[np.void], corpus: Corpus, table: _Table) -> _Weighed:
    bounds = np.cumsum([0, *(term.postings.size for term in terms)])
    ordinals = packed["ordinal"].astype(np.int64)
    frequency = packed["frequency"].astype(np.float32)
    length = packed["length"].astype(np.float32)
    living = table.living(ordinals)
    if living is not None:
        bounds = _counted(living)[bounds]
        ordinals, frequency, length = ordinals[living], frequency[living], length[living]
    # tf (k1 + 1) / (tf + k1 (1 - b + b length / average)), in place: these arrays are long
    length *= K1 * B / max(corpus.average_length, 1e-9)
    length += K1 * (1 - B)
    length += frequency
    frequency /= length
    for term, (start, end) in zip(terms, pairwise(bounds.tolist()), strict=True):
        n_with = min(end - start, corpus.n_chunks)
        rarity = math.log1p((corpus.n_chunks - n_with + 0.5) / (n_with + 0.5))
        frequency[start:end] *= term.weight * rarity * (K1 + 1)
    permitted = table.permitted(ordinals)
    if permitted is not None:
        bounds = _counted(permitted)[bounds]
        ordinals, frequency = ordinals[permitted], frequency[permitted]
    return _Weighed(ordinals, frequency, bounds)


def _counted(kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many are kept before each place, and before the end."""
    return np.concatenate(([0], np.cumsum(kept)))


def _within(ordinals: NDArray[np.int64], ranges: Sequence[Range]) -> NDArray[np.bool_]:
    """Which ordinals lie in one of the sorted, disjoint ranges."""
    if not ranges:
        return np.zeros(ordinals.size, bool)
    bounds = np.array(ranges, np.int64)
    at = np.searchsorted(bounds[:, 0], ordinals, side="right") - 1
    return (at >= 0) & (ordinals < bounds[at, 0] + bounds[at, 1])


def _has_all(
    ordinals: NDArray[np.int64], terms: Sequence[Term], weighed: _Weighed, groups: Sequence[Sequence[str]]
) -> NDArray[np.bool_]:
    has_one_group = np.zeros(ordinals.size, bool)
    for group in groups:
        parts = [part for term, (part, _) in zip(terms, weighed.each(), strict=True) if term.text in group]
        has_group = np.full(ordinals.size, len(parts) == len(group))
        for part in parts:
            has_group &= np.isin(ordinals, part)
        has_one_group |= has_group
    return has_one_group


def _parts(weighed: _Weighed, winners: NDArray[np.int64], table: _Table) -> NDArray[np.float64]:
    """Each term's part of the winners' scores."""
    parts = np.zeros((weighed.bounds.size - 1, winners.size))
    hits = np.flatnonzero(table.are_among(winners, weighed.ordinals))
    term = np.searchsorted(weighed.bounds, hits, side="right") - 1
    order = np.argsort(winners)
    winner = order[np.searchsorted(winners, weighed.ordinals[hits], sorter=order)]
    parts[term, winner] = weighed.scores[hits]
    return parts


def _nothing(terms: Sequence[Term]) -> WordRanking:
    return WordRanking(np.zeros(0, np.int64), np.zeros(0), np.zeros((len(terms), 0)), tuple(terms))
