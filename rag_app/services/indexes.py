"""Tend the indexes of the search: what is better done beside the work than in its way."""

from dataclasses import dataclass

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, documents, knowledge_bases, vector_index, word_index
from rag_app.db.queries.word_index import ChunkWords
from rag_app.domain.knowledge_bases import KbScope
from rag_app.rag.words import words_of_chunk

log = structlog.get_logger()

BATCH = 500  # vectors indexed in one transaction: about a second


@dataclass(frozen=True)
class IndexService:
    """The worker's side of search."""

    sessions: Sessions

    async def tend(self) -> None:
        """Index words anew where there are many gaps, and add waiting vectors to the index."""
        async with self.sessions() as session:
            stale = await word_index.stale(session)
            large = await vector_index.large_kbs(session)
        work = [(self.renew_words, kb_id) for kb_id in stale]
        work += [(self.index_vectors, kb_id) for kb_id in large]
        for tend_one, kb_id in work:
            try:
                await tend_one(kb_id)
            except Exception:  # one knowledge base must not keep the others waiting; the next round is soon
                log.warning("index_not_tended", kb_id=kb_id, exc_info=True)

    async def renew_words(self, kb_id: int) -> None:
        """Index all words of a knowledge base anew; its old index serves until that is done."""
        async with self.sessions.begin() as session:
            scope = await access.for_job(session, kb_id=kb_id)
            if scope is None:
                return
            await word_index.clear(session, scope)
            n_documents = 0
            for document_id, language in await documents.ready_ones(session, scope):
                chunks = await documents.chunk_words(session, scope, document_id=document_id)
                words = [ChunkWords(ordinal, words_of_chunk(*texts)) for ordinal, *texts in chunks]
                about = {"document_id": document_id, "language": language}
                await word_index.add(session, scope, chunks=words, **about)
                n_documents += 1
        log.info("words_indexed_anew", kb_id=kb_id, n_documents=n_documents)

    async def index_vectors(self, kb_id: int) -> None:
        """Add the waiting vectors of a large knowledge base to the index."""
        async with self.sessions.begin() as session:
            scope = await access.for_job(session, kb_id=kb_id)
            if scope is None:
                return
            kb = await knowledge_bases.get(session, scope, counted=False)
            model = kb.embedding_model_id
            if await vector_index.n_waiting(session, scope, model_id=model) < vector_index.WAITING:
                return
            await vector_index.begin(session, scope)
        n_added = 0
        while n := await self._index_some(scope, model):
            n_added += n
        async with self.sessions.begin() as session:
            await access.enter(session, scope)
            await vector_index.refresh_statistics(session, scope)
        log.info("vectors_indexed", kb_id=kb_id, n_vectors=n_added)

    async def _index_some(self, scope: KbScope, model: int) -> int:
        async with self.sessions.begin() as session:
            if await access.for_job(session, kb_id=scope.kb_id) is None:
                return 0
            return await vector_index.add(session, scope, model_id=model, limit=BATCH)
