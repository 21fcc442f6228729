"""The candidates for an answer: what both rankings find, fused, with their text, each thing once.

each way to ask ── nearest chunks, postings of its words ── BM25, spelling ── fuse ──┐
another one     ── ...                                                             ──┴─ text ── no copies
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rag_app.db.engine import Sessions
from rag_app.db.queries import search
from rag_app.db.queries.search import EmbeddingSpace, FoundChunk
from rag_app.domain.knowledge_bases import KbScope, KnowledgeBase
from rag_app.domain.rag_config import RagConfig
from rag_app.domain.retrieval import Filters
from rag_app.domain.word_index import Range, Term
from rag_app.rag import bm25, fusion, spelling
from rag_app.rag.bm25 import WordRanking
from rag_app.rag.fusion import Fused
from rag_app.rag.words import (
    WrittenWords,
    has_phrases,
    is_identifier,
    quoted_phrases,
    text_for_words,
    words_of_question,
)
from rag_app.services.trace import Trace

SPARE = 20  # candidates beyond those asked for, in place of copies and of many from one document
VARIANT_WEIGHT = 0.9  # of what another way to ask finds, beside the question itself
IDENTIFIER_WEIGHT = 3.0  # who types a code is looking for that code
MOST_WITH_CODE = 20  # chunks; a code that more of them have is a word like others
MOST_SLIPS = 5  # words of a question that are looked up in other spellings
TOLD_FROM = 20  # passages whose spelling is told in the trace
SIMILAR_WEIGHT = 0.7  # of a word that resembles the one asked for, for each slip
MANY_POSTINGS = 200_000  # from here on they are added up beside the event loop
VERY_MANY, EFFORT, MORE_EFFORT = 200_000, 160, 250  # chunks; what keeps the index's recall above 0.98
SEARCHES_AT_ONCE = 8  # in the database; the others wait their turn


@dataclass(frozen=True)
class Query:
    """One way to ask, with its vector where meaning counts."""

    text: str
    vector: NDArray[np.float32] | None


@dataclass(frozen=True)
class Found:
    """What one way to ask has found."""

    fused: list[Fused]
    words: WordRanking


class Candidate(NamedTuple):
    """A chunk on its way to be a passage; `value` orders those of one question, after `has_code`."""

    chunk: FoundChunk
    fused: Fused
    rank_fused: int
    value: float = 0.0
    rerank: float | None = None
    score: float = 0.0
    has_code: bool = False
    n_copies: int = 0


@dataclass(frozen=True)
class CandidateFinder:
    """Asks the database."""

    sessions: Sessions
    # More at once would be no quicker, and would take the connections that everything else needs.
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SEARCHES_AT_ONCE))

    async def find(
        self,
        scope: KbScope,
        kb: KnowledgeBase,
        queries: Sequence[Query],
        *,
        filters: Filters,
        limit: int,
        trace: Trace,
    ) -> tuple[list[Candidate], WordRanking] | None:
        """The fused candidates with their text, copies left out, and the words' ranking of the question.

        None where the vectors of the knowledge base were put somewhere else since it was read.
        """
        config = kb.rag_config
        with trace.step("search") as note:
            async with self._turns, self.sessions() as session:
                space = EmbeddingSpace(
                    kb.embedding_model_id,
                    kb.embedding_dimensions,
                    kb.has_indexed_vectors,
                    EFFORT if kb.n_ordinals < VERY_MANY else MORE_EFFORT,
                )
                allowed = None if filters.is_empty else await search.allowed_ranges(session, scope, filters)
                phrases = quoted_phrases(queries[0].text)
                options: dict[str, Any] = {"phrases": phrases, "allowed": allowed, "trace": trace}
                each = []
                for query in queries:
                    found = await self._find(session, scope, space, config, query, **options)
                    if found is None:
                        note.text = "Its vectors were renewed just now."
                        return None
                    each.append(found)
                codes = _with_codes(each[0].words)
                fused = _together([found.fused for found in each])
                if codes:
                    fused.sort(key=lambda one: one.chunk_id not in codes)  # stays in order otherwise
                n_wanted = max(limit + SPARE, config.rerank_depth if config.rerank else 0)
                best = fused if phrases else fused[:n_wanted]
                chunks = await search.chunks(
                    session,
                    scope,
                    space,
                    ordinals=[one.chunk_id for one in best],
                    with_codes=config.rerank and config.reranker == "local_late",
                )
            candidates = [
                Candidate(chunks[one.chunk_id], one, rank, one.fused, has_code=one.chunk_id in codes)
                for rank, one in enumerate(best, start=1)
                if one.chunk_id in chunks
            ]
            candidates, remarks = _thinned(candidates, phrases, config)
            note.text = " ".join(remarks)
        corrected = [term for found in each for term in found.words.terms if term.corrected_from]
        if corrected:
            best_texts = [one.chunk.content for one in candidates[:TOLD_FROM]]
            trace.complete("spelling", _corrections(corrected, queries, best_texts))
        return candidates[:n_wanted], each[0].words

    async def _find(
        self,
        session: Any,
        scope: KbScope,
        space: EmbeddingSpace,
        config: RagConfig,
        query: Query,
        *,
        phrases: Sequence[str],
        allowed: Sequence[Range] | None,
        trace: Trace,
    ) -> Found | None:
        asked = await search.ask(
            session,
            scope,
            space,
            vector=query.vector,
            words=words_of_question(query.text) if config.meaning_weight < 1 or phrases else "",
            phrases=[text_for_words(phrase) for phrase in phrases],
            limit=config.candidates,
            allowed=allowed,
        )
        if not asked.is_current:
            return None
        terms = await self._spelled(session, scope, asked.terms, config, trace)
        options: dict[str, Any] = {"limit": config.candidates, "allowed": allowed}
        words = await _ranked(terms, asked.corpus, must_have=asked.phrase, **options)
        if phrases and not words.ordinals.size:  # nothing has them: what comes nearest is better than nothing
            words = await _ranked(terms, asked.corpus, **options)
        fused = fusion.fuse(
            np.column_stack((asked.ordinals.astype(np.float64), asked.similarities)),
            np.column_stack((words.ordinals.astype(np.float64), words.scores)),
            weight=config.meaning_weight,
            method=config.fusion,
        )
        return Found(fused, words)

    async def _spelled(
        self,
        session: Any,
        scope: KbScope,
        terms: Sequence[Term],
        config: RagConfig,
        trace: Trace,
    ) -> list[Term]:
        """The terms, with the nearest known words in the place of those that no document has."""
        terms = [_weighed(term) for term in terms]
        known_places = {term.position for term in terms if term.postings.size}
        unknown = [
            term
            for term in terms
            if term.position not in known_places and spelling.allowed_distance(term.text)
        ]
        if not unknown or not config.spelling:
            if not config.spelling:
                trace.skipped("spelling", "Switched off.")
            return list(terms)
        with trace.step("spelling") as note:
            near: dict[tuple[str, str], int] = {}
            for term in unknown[:MOST_SLIPS]:
                most = spelling.allowed_distance(term.text)
                known = await search.words_like(session, scope, term.text, distance=most)
                found = await asyncio.to_thread(
                    spelling.nearest_words, term.text, known, limit=search.SIMILAR_WORDS
                )
                near |= {(term.text, word): slips for word, slips in found}
            asked_already = {term.text for term in terms}
            near = {pair: slips for pair, slips in near.items() if pair[1] not in asked_already}
            postings = await search.postings_of(session, scope, [word for _, word in near])
            corrected = [
                Term(word, postings[word], SIMILAR_WEIGHT**slips, asked)
                for (asked, word), slips in near.items()
                if word in postings
            ]
            if not corrected:  # else it is told when there are passages that spell it right
                note.text = "No document has a word like those that were not found."
        return [*terms, *corrected]


def _weighed(term: Term) -> Term:
    return replace(term, weight=IDENTIFIER_WEIGHT) if is_identifier(term.text) else term


async def _ranked(terms: Sequence[Term], corpus: bm25.Corpus, **options: Any) -> WordRanking:
    if sum(term.postings.size for term in terms) > MANY_POSTINGS:
        return await asyncio.to_thread(bm25.rank, terms, corpus, **options)
    return bm25.rank(terms, corpus, **options)


def _with_codes(words: WordRanking) -> set[int]:
    """The chunks that have a code of the question which few chunks have.

    Codes mean nothing to an embedding: what is near a question with one is near it by chance.
    """
    codes = [is_identifier(term.text) and 0 < term.postings.size <= MOST_WITH_CODE for term in words.terms]
    return set(words.ordinals[(words.parts[codes] > 0).any(axis=0)].tolist()) if any(codes) else set()


def _together(rankings: Sequence[list[Fused]]) -> list[Fused]:
    """One ranking of several ways to ask; each chunk with the best that any of them made of it."""
    first, *others = rankings
    if not others:
        return first
    best = {one.chunk_id: one for one in first}
    for one in (one for ranking in others for one in ranking):
        weighed = one._replace(fused=one.fused * VARIANT_WEIGHT)
        known = best.get(one.chunk_id)
        if known is None:
            best[one.chunk_id] = weighed
        elif weighed.fused > known.fused:
            best[one.chunk_id] = known._replace(fused=weighed.fused)
    return sorted(best.values(), key=lambda one: (-one.fused, one.chunk_id))


def _thinned(
    candidates: list[Candidate], phrases: Sequence[str], config: RagConfig
) -> tuple[list[Candidate], list[str]]:
    """The candidates without what was not asked for and what is there twice, with remarks."""
    remarks = []
    if phrases:
        exact = [one for one in candidates if has_phrases(one.chunk.content, phrases)]
        if exact:
            candidates = exact
        else:
            remarks.append("No passage has the quoted words as they stand; these come nearest.")
    if config.remove_near_duplicates:
        counted = fusion.with_copies(candidates, text_of=lambda one: one.chunk.content)
        kept = [one._replace(n_copies=n) if n else one for one, n in counted]
        if n_copies := len(candidates) - len(kept):
            remarks.append(f"{n_copies} {'copy' if n_copies == 1 else 'copies'} left out.")
        candidates = kept
    return candidates, remarks


def _corrections(terms: Sequence[Term], queries: Sequence[Query], texts: Sequence[str]) -> str:
    asked_words = WrittenWords(" ".join(query.text for query in queries))
    written = WrittenWords(" ".join(texts))
    by_asked: dict[str, list[str]] = {}
    for term in terms:
        near = by_asked.setdefault(asked_words.behind(term.corrected_from), [])
        word = written.beginning_with(term.text)
        if word not in near:
            near.append(word)
    return " ".join(
        f"No document has “{asked}”; also looked for {', '.join(f'“{word}”' for word in near)}."
        for asked, near in by_asked.items()
    )
