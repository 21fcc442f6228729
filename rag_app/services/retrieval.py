"""Find the passages that may answer a question: the one path of search, chat, shared chats and programs.

    question ── other ways to ask ─┬─ embed ── nearest chunks ──┐
                                   └───────── matching chunks ──┴─ fuse ── no copies ── rerank ── passages

The order is fusion's and the reranker's; the score of a passage is an estimate of how likely it answers,
calibrated so that it means the same in both cases (`rag/calibration.py`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, knowledge_bases, search
from rag_app.db.queries.search import FoundChunk
from rag_app.domain.faq import CuratedAnswer
from rag_app.domain.knowledge_bases import KbScope, KnowledgeBase
from rag_app.domain.rag_config import RagConfig
from rag_app.domain.retrieval import Filters, Passage, Retrieval
from rag_app.errors import InvalidInput, LimitReached, PermanentError, TransientError
from rag_app.rag import fusion
from rag_app.rag.neighbourhood import around
from rag_app.rag.rerankers.contract import RerankPassage
from rag_app.services.candidates import Candidate, CandidateFinder, Query
from rag_app.services.embedders import Embedders, is_hosted
from rag_app.services.faq_matching import FaqMatcher
from rag_app.services.passages import Explained, passage_of, scored, valued
from rag_app.services.questions import QuestionService
from rag_app.services.rag_configs import changed_config
from rag_app.services.rerankers import Rerankers
from rag_app.services.text import clean_text
from rag_app.services.trace import Trace

log = structlog.get_logger()

MAX_QUESTION_CHARACTERS = 4000
MAX_PASSAGES = 50
TRIES = 3  # with what is known of the knowledge base; its vectors rarely change place even once
NO_FILTERS = Filters()


@dataclass(frozen=True)
class RetrievalService:
    """Search in one knowledge base."""

    sessions: Sessions
    embedders: Embedders
    questions: QuestionService
    rerankers: Rerankers
    finder: CandidateFinder
    faq: FaqMatcher

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
        for _ in range(TRIES):
            embedded = await self._embed(queries, kb, trace)
            asked = kb
            if config.meaning_weight > 0 and embedded[0].vector is None:  # words are better than nothing
                asked = replace(kb, rag_config=config.model_copy(update={"meaning_weight": 0.0}))
            found = await self.finder.find(scope, asked, embedded, filters=filters, limit=limit, trace=trace)
            if found is not None:
                break
            kb = await self._renewed(scope, kb)
        else:
            raise TransientError("This knowledge base is being changed. Please try again in a moment.")
        kb = asked
        candidates, words = found
        ranked = await self._reranked(question, kb, candidates, trace)
        judged = scored(question, ranked, embedding_model=kb.embedding_model)
        curated = await self._curated(scope, question, judged, config, trace)
        judged = _first(curated, judged)
        likely = [one for one in judged if one.score >= config.semantic_search_threshold]
        chosen = fusion.diverse(
            likely,
            document_of=lambda one: one.chunk.document_id,
            per_document=config.max_per_document,
            limit=limit,
        )
        explained = Explained(words, question)
        passages = [passage_of(one, explained) for one in chosen]
        passages = await self._with_neighbours(scope, passages, ranked, config, trace)
        timings = trace.timings_ms()
        log.info(
            "passages_retrieved", kb_id=scope.kb_id, n_passages=len(passages), duration_ms=timings["total"]
        )
        if curated and (not passages or passages[0].document_id != curated.document_id):
            curated = None  # the owner asks for more likeness than there is
        n_below = min(len(judged), limit) - min(len(likely), limit)
        return Retrieval(tuple(passages), timings, tuple(trace.steps), n_below, tuple(queries[1:]), curated)

    async def _curated(
        self,
        scope: KbScope,
        question: str,
        candidates: Sequence[Candidate],
        config: RagConfig,
        trace: Trace,
    ) -> CuratedAnswer | None:
        if not config.match_faq:
            trace.skipped("faq", "Switched off.")
            return None
        return await self.faq.find(scope, question, candidates, threshold=config.faq_threshold, trace=trace)

    async def _renewed(self, scope: KbScope, kb: KnowledgeBase) -> KnowledgeBase:
        """The knowledge base as it is now, with the settings of this search."""
        async with self.sessions() as session:
            now = await knowledge_bases.get(session, scope, counted=False)
        return replace(now, rag_config=kb.rag_config)

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

    async def _embed(self, queries: Sequence[str], kb: KnowledgeBase, trace: Trace) -> list[Query]:
        if kb.rag_config.meaning_weight == 0:
            trace.skipped("embed", "Only words count here.")
            return [Query(text, None) for text in queries]
        with trace.step("embed") as note:
            try:
                embedder = await self.embedders.of(kb)
                vectors = await asyncio.gather(*(embedder.embed_query(text) for text in queries))
            except (TransientError, PermanentError, LimitReached) as error:
                if not is_hosted(kb.embedding_model):
                    raise
                log.warning("searched_without_meaning", kb_id=kb.id, reason=str(error))
                note.was_done, note.text = False, f"{error} So this was searched by words only."
                return [Query(text, None) for text in queries]
        return [Query(text, vector) for text, vector in zip(queries, vectors, strict=True)]

    async def _reranked(
        self, question: str, kb: KnowledgeBase, candidates: list[Candidate], trace: Trace
    ) -> list[Candidate]:
        """The candidates in their final order."""
        config = kb.rag_config
        if not config.rerank:
            trace.skipped("rerank", "Switched off.")
            return valued(candidates)
        head, tail = candidates[: config.rerank_depth], candidates[config.rerank_depth :]
        if len(head) < 2:
            trace.skipped("rerank", "There was nothing to put in order.")
            return valued(candidates)
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
                return valued(candidates)
            weight = self.rerankers.weight(config.reranker)
            values = fusion.blend([one.fused.fused for one in head], scores, weight=weight)
            scaled = fusion.minmax(scores)
            order = sorted(fusion.best_first(values), key=lambda place: not head[place].has_code)
            n_moved = sum(place != index for place, index in enumerate(order))
            note.text = f"{len(head)} read again, {n_moved} moved."
        reordered = [head[i]._replace(value=float(values[i]), rerank=float(scaled[i])) for i in order]
        return [*reordered, *(one._replace(value=reordered[-1].value) for one in tail)]

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
                await access.enter(session, scope)
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


def _first(curated: CuratedAnswer | None, candidates: list[Candidate]) -> list[Candidate]:
    """The candidates with what was asked for in front, as sure as the questions are alike."""
    if curated is None:
        return candidates
    at = next(i for i, one in enumerate(candidates) if one.chunk.document_id == curated.document_id)
    asked_for = candidates[at]._replace(score=max(candidates[at].score, curated.match))
    return [asked_for, *candidates[:at], *candidates[at + 1 :]]


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


def _to_rerank(chunk: FoundChunk, kb: KnowledgeBase) -> RerankPassage:
    text = f"{chunk.heading}\n{chunk.content}" if chunk.heading else chunk.content
    return RerankPassage(chunk.chunk_id, text, chunk.codes, kb.embedding_model)
