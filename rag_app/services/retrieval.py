"""Find the passages that may answer a question.

Two rankings (by meaning, by words) are fused in one statement of the database:

    question ─┬─ embed ── nearest chunks ──┐
              └────────── matching chunks ─┴─ fuse ── passages
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, knowledge_bases, search
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.retrieval import Filters, Retrieval
from rag_app.errors import InvalidInput
from rag_app.rag.words import text_for_words
from rag_app.services.embedders import Embedders, model_id
from rag_app.services.rag_configs import changed_config
from rag_app.services.text import clean_text

log = structlog.get_logger()

MAX_QUESTION_CHARACTERS = 4000
MAX_PASSAGES = 50
NO_FILTERS = Filters()


@dataclass(frozen=True)
class RetrievalService:
    """Search in one knowledge base."""

    sessions: Sessions
    embedders: Embedders

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
        config = changed_config(kb.rag_config, overrides or {})
        return await self.retrieve(
            scope,
            question,
            embedding_model=kb.embedding_model,
            limit=limit or config.semantic_search_max_results,
        )

    async def retrieve(self, scope: KbScope, question: str, *, embedding_model: str, limit: int) -> Retrieval:
        """The best `limit` passages for a question, best first, with milliseconds per stage."""
        started = time.perf_counter()
        vector = await self.embedders.get(embedding_model).embed_query(question)
        embedded = time.perf_counter()
        async with self.sessions() as session:
            passages = await search.hybrid(
                session,
                scope,
                vector=vector,
                words=text_for_words(question),
                model_id=model_id(embedding_model),
                limit=min(limit, MAX_PASSAGES),
            )
        ended = time.perf_counter()
        timings = {
            "embed": round((embedded - started) * 1000, 1),
            "search": round((ended - embedded) * 1000, 1),
            "total": round((ended - started) * 1000, 1),
        }
        log.info(
            "passages_retrieved", kb_id=scope.kb_id, n_passages=len(passages), duration_ms=timings["total"]
        )
        return Retrieval(tuple(passages), timings)


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
