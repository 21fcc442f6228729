"""Find the passages that may answer a question: the one path of search, chat, shared chats and programs.

    question ── other ways to ask ─┬─ embed ── nearest chunks ──┐
                                   └───────── matching chunks ──┴─ fuse ── no copies ── rerank ── passages

The order is fusion's and the reranker's; the score of a passage is an estimate of how likely it answers,
calibrated so that it means the same in both cases (`rag/calibration.py`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, knowledge_bases, search
from rag_app.db.queries.search import EmbeddingSpace, FoundChunk
from rag_app.domain.knowledge_bases import KbScope, KnowledgeBase
from rag_app.domain.rag_config import RagConfig
from rag_app.domain.retrieval import Filters, MatchedTerm, Passage, PassageScores, Retrieval
from rag_app.domain.word_index import Range, Term
from rag_app.errors import InvalidInput
from rag_app.rag import bm25, fusion, spelling
from rag_app.rag.bm25 import WordRanking
from rag_app.rag.calibration import Signals, calibrated, coverages
from rag_app.rag.fusion import Fused
from rag_app.rag.neighbourhood import around
from rag_app.rag.rerankers.contract import RerankPassage
from rag_app.rag.words import has_phrases, quoted_phrases, text_for_words, word_behind
from rag_app.services.embedders import Embedders, model_id
from rag_app.services.questions import QuestionService
from rag_app.services.rag_configs import changed_config
from rag_app.services.rerankers import Rerankers
from rag_app.services.text import clean_text
from rag_app.services.trace import Trace

log = structlog.get_logger()

MAX_QUESTION_CHARACTERS = 4000
MAX_PASSAGES = 50
SPARE = 20  # candidates beyond those asked for, in place of copies and of many from one document
VARIANT_WEIGHT = 0.9  # of what another way to ask finds, beside the question itself
SIMILAR_WEIGHT = 0.7  # of a word that resembles the one asked for, for each slip
MANY_POSTINGS = 200_000  # from here on they are added up beside the event loop
JUDGED = 20  # candidates the scores were calibrated with
SEARCHES_AT_ONCE = 8  # in the database; the others wait their turn
NO_FILTERS = Filters()


@dataclass(frozen=True)
class Found:
    """What one way to ask has found."""

    fused: list[Fused]
    words: WordRanking


@dataclass(frozen=True)
class Candidate:
    """A chunk on its way to be a passage; `value` orders those of one question."""

    chunk: FoundChunk
    fused: Fused
    rank_fused: int
    value: float = 0.0
    rerank: float | None = None
    score: float = 0.0


@dataclass(frozen=True)
class RetrievalService:
    """Search in one knowledge base."""

    sessions: Sessions
    embedders: Embedders
    questions: QuestionService
    rerankers: Rerankers
    # More at once would be no quicker, and would take the connections that everything else needs.
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SEARCHES_AT_ONCE))

    async def search(
        self,
        kb_id: int,
        question: str,
        *,
        owner_id: int,
        limit: int | None = None,
        filters: Filters = NO_FILTERS,
        overrides: Mapping[str, Any] | None = None,
    ) -> Retrieval:
        """Search an owner's knowledge base; `overrides` are knobs set for this search only.

        Raises:
            NotFound: it is not this owner's.
            InvalidInput: no question, one that is too long, or a knob out of bounds.
        """
        question = check_question(question)
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            kb = await knowledge_bases.get(session, scope, counted=False)
        kb = replace(kb, rag_config=changed_config(kb.rag_config, overrides or {}))
        return await self.retrieve(scope, kb, question, limit=limit, filters=filters)

    async def retrieve(
        self,
        scope: KbScope,
        kb: KnowledgeBase,
        question: str,
        *,
        limit: int | None = None,
        filters: Filters = NO_FILTERS,
        trace: Trace | None = None,
    ) -> Retrieval:
        """The best passages for a question by the knowledge base's settings, best first.

        Args:
            limit: how many at most; without it as many as the settings say.
            trace: the steps that came before, if any.
        """
        config, trace = kb.rag_config, trace or Trace()
        limit = min(limit or config.semantic_search_max_results, MAX_PASSAGES)
        queries = [question, *await self._variants(question, kb, trace)]
        vectors = await self._embed(queries, kb, trace)
        candidates, words = await self._candidates(scope, kb, queries, vectors, filters, limit, trace)
        ranked = await self._reranked(question, kb, candidates, trace)
        scored = _scored(question, kb, ranked)
        likely = [one for one in scored if one.score >= config.semantic_search_threshold]
        chosen = fusion.diverse(
            likely,
            document_of=lambda one: one.chunk.document_id,
            per_document=config.max_per_document,
            limit=limit,
        )
        explained = _Explained(words, question)
        passages = [_passage(one, explained) for one in chosen]
        passages = await self._with_neighbours(scope, passages, ranked, config, trace)
        timings = trace.timings_ms()
        log.info(
            "passages_retrieved", kb_id=scope.kb_id, n_passages=len(passages), duration_ms=timings["total"]
        )
        n_below = min(len(scored), limit) - min(len(likely), limit)
        return Retrieval(tuple(passages), timings, tuple(trace.steps), n_below, tuple(queries[1:]))

    async def _variants(self, question: str, kb: KnowledgeBase, trace: Trace) -> list[str]:
        if not kb.rag_config.multi_query:
            trace.skipped("variants", "Switched off.")
            return []
        with trace.step("variants") as note:
            variants = await self.questions.variants(question, kb)
            note.text = (
                f"Also asked: {' · '.join(variants)}" if variants else "There was no other way to ask."
            )
        return variants

    async def _embed(
        self, queries: Sequence[str], kb: KnowledgeBase, trace: Trace
    ) -> list[NDArray[np.float32] | None]:
        if kb.rag_config.meaning_weight == 0:
            trace.skipped("embed", "Only words count here.")
            return [None] * len(queries)
        with trace.step("embed"):
            embedder = self.embedders.get(kb.embedding_model)
            return list(await asyncio.gather(*(embedder.embed_query(query) for query in queries)))

    async def _candidates(
        self,
        scope: KbScope,
        kb: KnowledgeBase,
        queries: Sequence[str],
        vectors: Sequence[NDArray[np.float32] | None],
        filters: Filters,
        limit: int,
        trace: Trace,
    ) -> tuple[list[Candidate], WordRanking]:
        """The fused candidates with their text, copies left out, and the words' ranking of the question."""
        config = kb.rag_config
        with trace.step("search") as note:
            async with self._turns, self.sessions() as session:
                space = EmbeddingSpace(
                    model_id(kb.embedding_model),
                    self.embedders.get(kb.embedding_model).dimensions,
                    kb.has_indexed_vectors,
                )
                allowed = None if filters.is_empty else await search.allowed_ranges(session, scope, filters)
                phrases = quoted_phrases(queries[0])
                each = [
                    await self._find(session, scope, space, config, query, vector, phrases, allowed, trace)
                    for query, vector in zip(queries, vectors, strict=True)
                ]
                fused = _together([found.fused for found in each])
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
                Candidate(chunks[one.chunk_id], one, rank, one.fused)
                for rank, one in enumerate(best, start=1)
                if one.chunk_id in chunks
            ]
            candidates, remarks = _thinned(candidates, phrases, config)
            note.text = " ".join(remarks)
        return candidates[:n_wanted], each[0].words

    async def _find(
        self,
        session: Any,
        scope: KbScope,
        space: EmbeddingSpace,
        config: RagConfig,
        query: str,
        vector: NDArray[np.float32] | None,
        phrases: Sequence[str],
        allowed: Sequence[Range] | None,
        trace: Trace,
    ) -> Found:
        asked = await search.ask(
            session,
            scope,
            space,
            vector=vector,
            words=text_for_words(query) if config.meaning_weight < 1 or phrases else "",
            phrases=[text_for_words(phrase) for phrase in phrases],
            limit=config.candidates,
            allowed=allowed,
        )
        terms = await self._spelled(session, scope, asked.terms, config, trace)
        options: dict[str, Any] = {"limit": config.candidates, "allowed": allowed}
        words = await _ranked(terms, asked.corpus, must_have=asked.phrase, **options)
        if phrases and not words.ordinals.size:  # nothing has them: what comes nearest is better than nothing
            words = await _ranked(terms, asked.corpus, **options)
        fused = fusion.fuse(
            list(zip(asked.ordinals.tolist(), asked.similarities.tolist(), strict=True)),
            list(zip(words.ordinals.tolist(), words.scores.tolist(), strict=True)),
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
        unknown = [term for term in terms if not term.postings.size and spelling.allowed_distance(term.text)]
        if not unknown or not config.spelling:
            if not config.spelling:
                trace.skipped("spelling", "Switched off.")
            return list(terms)
        with trace.step("spelling") as note:
            near: dict[tuple[str, str], int] = {}
            for term in unknown:
                most = spelling.allowed_distance(term.text)
                known = await search.words_like(session, scope, term.text, distance=most)
                for word, slips in spelling.nearest_words(term.text, known, limit=search.SIMILAR_WORDS):
                    near[term.text, word] = slips
            asked_already = {term.text for term in terms}
            near = {pair: slips for pair, slips in near.items() if pair[1] not in asked_already}
            postings = await search.postings_of(session, scope, [word for _, word in near])
            corrected = [
                Term(word, postings[word], SIMILAR_WEIGHT**slips, asked)
                for (asked, word), slips in near.items()
                if word in postings
            ]
            note.text = _corrections(corrected) or "No document has a word like those that were not found."
        return [*terms, *corrected]

    async def _reranked(
        self, question: str, kb: KnowledgeBase, candidates: list[Candidate], trace: Trace
    ) -> list[Candidate]:
        """The candidates in their final order."""
        config = kb.rag_config
        if not config.rerank:
            trace.skipped("rerank", "Switched off.")
            return _valued(candidates)
        head, tail = candidates[: config.rerank_depth], candidates[config.rerank_depth :]
        if len(head) < 2:
            trace.skipped("rerank", "There was nothing to put in order.")
            return _valued(candidates)
        with trace.step("rerank") as note:
            scores = await self.rerankers.scores(
                config.reranker,
                kb,
                question,
                [_to_rerank(candidate.chunk, kb) for candidate in head],
                budget_ms=config.rerank_budget_ms,
                note=note,
            )
            if scores is None:
                return _valued(candidates)
            weight = self.rerankers.weight(config.reranker)
            values = fusion.blend([one.fused.fused for one in head], scores, weight=weight)
            scaled = fusion.minmax(scores)
            order = fusion.best_first(values)
            n_moved = sum(place != index for place, index in enumerate(order))
            note.text = f"{len(head)} read again, {n_moved} moved."
        reordered = [replace(head[i], value=float(values[i]), rerank=float(scaled[i])) for i in order]
        return [*reordered, *(replace(one, value=reordered[-1].value) for one in tail)]

    async def _with_neighbours(
        self,
        scope: KbScope,
        passages: list[Passage],
        candidates: Sequence[Candidate],
        config: RagConfig,
        trace: Trace,
    ) -> list[Passage]:
        if not config.neighbours or not passages:
            trace.skipped(
                "expand", "Switched off." if not config.neighbours else "There was nothing to add to."
            )
            return passages
        with trace.step("expand"):
            chunks = {candidate.chunk.chunk_id: candidate.chunk for candidate in candidates}
            hits = [chunks[passage.chunk_id] for passage in passages]
            async with self.sessions() as session:
                near = await search.neighbours(session, scope, hits, reach=config.neighbours)
            texts = {(chunk.document_id, chunk.position): chunk.content for chunk in near}
            taken = {(hit.document_id, hit.position) for hit in hits}
            expanded = []
            for passage, hit in zip(passages, hits, strict=True):
                before, after = around(
                    hit.position,
                    {
                        position: text
                        for (document_id, position), text in texts.items()
                        if document_id == hit.document_id
                    },
                    reach=config.neighbours,
                    taken={position for document_id, position in taken if document_id == hit.document_id},
                )
                expanded.append(replace(passage, before=before, after=after))
        return expanded


def check_question(question: str) -> str:
    """A question fit to be searched for.

    Raises:
        InvalidInput: it is empty or too long.
    """
    question = clean_text(question).strip()
    if not question:
        raise InvalidInput("Please enter a question.", field="content")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise InvalidInput(f"Please use at most {MAX_QUESTION_CHARACTERS:,} characters.", field="content")
    return question


async def _ranked(terms: Sequence[Term], corpus: bm25.Corpus, **options: Any) -> WordRanking:
    if sum(term.postings.size for term in terms) > MANY_POSTINGS:
        return await asyncio.to_thread(bm25.rank, terms, corpus, **options)
    return bm25.rank(terms, corpus, **options)


def _together(rankings: Sequence[list[Fused]]) -> list[Fused]:
    """One ranking of several ways to ask; each chunk with the best that any of them made of it."""
    first, *others = rankings
    if not others:
        return first
    best = {one.chunk_id: one for one in first}
    for one in (one for ranking in others for one in ranking):
        weighed = replace(one, fused=one.fused * VARIANT_WEIGHT)
        known = best.get(one.chunk_id)
        if known is None:
            best[one.chunk_id] = weighed
        elif weighed.fused > known.fused:
            best[one.chunk_id] = replace(known, fused=weighed.fused)
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
        kept = fusion.without_duplicates(candidates, text_of=lambda one: one.chunk.content)
        if n_copies := len(candidates) - len(kept):
            remarks.append(f"{n_copies} {'copy' if n_copies == 1 else 'copies'} left out.")
        candidates = kept
    return candidates, remarks


def _valued(candidates: list[Candidate]) -> list[Candidate]:
    """The candidates in the order they are in, with values as if a reranker agreed with it."""
    head, tail = candidates[:JUDGED], candidates[JUDGED:]
    values = fusion.blend([one.fused.fused for one in head], [None] * len(head)).tolist()
    values += values[-1:] * len(tail)
    return [replace(one, value=value) for one, value in zip(candidates, values, strict=True)]


def _to_rerank(chunk: FoundChunk, kb: KnowledgeBase) -> RerankPassage:
    text = f"{chunk.heading}\n{chunk.content}" if chunk.heading else chunk.content
    return RerankPassage(chunk.chunk_id, text, chunk.codes, kb.embedding_model)


def _scored(question: str, kb: KnowledgeBase, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with how likely each answers; those beyond the first twenty as likely as the last."""
    head = candidates[:JUDGED]
    covered = coverages(question, [f"{one.chunk.heading}\n{one.chunk.content}" for one in head])
    signals = [
        Signals(one.value, one.fused.similarity, share) for one, share in zip(head, covered, strict=True)
    ]
    scores = calibrated(signals, embedding_model=kb.embedding_model)
    scores += scores[-1:] * (len(candidates) - len(scores))
    return [replace(one, score=score) for one, score in zip(candidates, scores, strict=True)]


def _passage(candidate: Candidate, explained: "_Explained") -> Passage:
    chunk, fused = candidate.chunk, candidate.fused
    return Passage(
        chunk_id=chunk.chunk_id,
        document_id=chunk.document_id,
        document_name=chunk.document_name,
        source=chunk.source,
        page=chunk.page,
        page_last=chunk.page_last,
        heading=chunk.heading,
        content=chunk.content,
        score=candidate.score,
        scores=PassageScores(
            rank_by_meaning=fused.rank_by_meaning,
            rank_by_words=fused.rank_by_words,
            similarity=None if fused.similarity is None else round(fused.similarity, 4),
            bm25=None if fused.bm25 is None else round(fused.bm25, 3),
            fused=fused.fused,
            rank_fused=candidate.rank_fused,
            rerank=candidate.rerank,
            matched=explained.matched(chunk.ordinal),
        ),
    )


class _Explained:
    """Says which words of a question a chunk has, as the question wrote them."""

    def __init__(self, words: WordRanking, question: str) -> None:
        self._words = words
        self._place = {int(ordinal): at for at, ordinal in enumerate(words.ordinals)}
        self._asked = [
            word_behind(term.corrected_from or term.text, question) if term.postings.size else ""
            for term in words.terms
        ]

    def matched(self, ordinal: int) -> tuple[MatchedTerm, ...]:
        """The words, the most telling first."""
        at = self._place.get(ordinal)
        if at is None:
            return ()
        parts = self._words.parts[:, at]
        total = float(parts.sum())
        found = [
            MatchedTerm(
                term=term.text if term.corrected_from else asked,
                share=round(float(part) / total, 4),
                corrected_from=asked if term.corrected_from else "",
            )
            for term, asked, part in zip(self._words.terms, self._asked, parts, strict=True)
            if part > 0
        ]
        return tuple(sorted(found, key=lambda one: (-one.share, one.term)))


def _corrections(terms: Sequence[Term]) -> str:
    by_asked: dict[str, list[str]] = {}
    for term in terms:
        by_asked.setdefault(term.corrected_from, []).append(term.text)
    return " ".join(
        f"No document has “{asked}”; also looked for {', '.join(f'“{word}”' for word in near)}."
        for asked, near in by_asked.items()
    )
