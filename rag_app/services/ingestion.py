"""Read a stored file into chunks that can be searched.

claim ── parse (child process) ── cut ── embed (batches kept) ── swap in one transaction ── ready
  │            ├ permanent error: failed, with its sentence
  │            └ transient error, or the worker is told to stop: waits for another attempt
  └ every write names the attempt; a worker that lost its turn changes nothing any more
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import procrastinate
import structlog

from rag_app.db import queue
from rag_app.db.engine import Sessions, outage
from rag_app.db.queries import access, document_versions, documents, jobs, knowledge_bases, word_index
from rag_app.db.queries.documents import KnownVector, NewChunk
from rag_app.db.queries.search import vector_literal
from rag_app.db.statements import take_time
from rag_app.domain.chunk_sizes import ChunkSize
from rag_app.domain.documents import ChunkDraft, ParsedDocument
from rag_app.domain.faq import SOURCE as FAQ
from rag_app.domain.knowledge_bases import Document, Job, KbScope, KnowledgeBase
from rag_app.domain.limits import CHUNKS
from rag_app.errors import LimitReached, PermanentError, PlanFull, RagAppError, TransientError
from rag_app.rag import faq
from rag_app.rag.chunkers.blocks import chunk as cut
from rag_app.rag.chunkers.language import detect_language
from rag_app.rag.embedders.contract import Embedder
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.parsers.sandbox import parse_file
from rag_app.rag.words import words_of_chunk
from rag_app.services.embedders import Embedders, embed
from rag_app.services.limits import LimitService
from rag_app.services.rag_configs import RECOMMENDED
from rag_app.services.unanswered import UnansweredService
from rag_app.storage import Storage

log = structlog.get_logger()

BATCH = 32  # chunks embedded between two reports of progress; also what a crash can cost at most
PARSED_PERCENT = 30
MAX_CRASHES = 5  # of workers while they read one file, so that it cannot kill them for ever
GAVE_UP = "Reading this file stopped the worker several times, so it was given up. Try a smaller file."
OUR_FAULT = "Something went wrong on our side while reading this file. Try again; the details are in the log."


class LostTurn(Exception):
    """The job was cancelled, deleted or given to another worker: stop without a trace."""


@dataclass(frozen=True)
class IngestionService:
    """The worker's side of documents."""

    sessions: Sessions
    storage: Storage
    jobs_queue: procrastinate.App
    embedders: Embedders
    limits: ParseLimits
    find_tessdata: Callable[[], Path | None]
    quotas: LimitService
    unanswered: UnansweredService

    async def ingest(
        self, job_id: int, *, n_crashes: int, is_last_try: bool, retry_in_s: int | None = None
    ) -> None:
        """Do one attempt at a job; a job that is done, cancelled or deleted is no work.

        Args:
            n_crashes: workers that died in the middle of this job.
            is_last_try: whether a transient error is final.
            retry_in_s: when it is tried again else; said to its owner.

        Raises:
            TransientError: trying again may help; the job waits for that.
        """
        claimed = await self._claim(job_id, was_left=n_crashes > 0)
        if claimed is None:
            return
        job, scope, document, kb = claimed
        logger = log.bind(job_id=job.id, document_id=document.id, attempt=job.attempt)
        if n_crashes >= MAX_CRASHES:
            await self._fail(job, scope, document, GAVE_UP)
            logger.warning("document_given_up", n_crashes=n_crashes)
            return
        try:
            await self._ingest(job, scope, document, kb)
            logger.info("document_ready")
            if document.source == FAQ:
                await self.unanswered.entry_is_ready(scope, document.id)
        except LostTurn:
            logger.info("job_lost_its_turn")
        except (PermanentError, PlanFull, LimitReached) as error:  # may be tried again with a larger plan
            await self._fail(job, scope, document, str(error))
            logger.info("document_failed", reason=str(error))
        except asyncio.CancelledError:
            await asyncio.shield(self._wait_for_retry(job, scope))
            logger.info("job_handed_back")
            raise
        except Exception as error:
            transient = _as_transient(error)
            if not isinstance(error, RagAppError):
                logger.exception("ingestion_error")
            if is_last_try:
                await self._fail(job, scope, document, str(transient))
                return
            await self._wait_for_retry(job, scope, str(transient), retry_in_s)
            raise transient from error

    async def _claim(
        self, job_id: int, *, was_left: bool
    ) -> tuple[Job, KbScope, Document, KnowledgeBase] | None:
        async with self.sessions.begin() as session:
            about = await jobs.about(session, job_id=job_id)
            scope = await access.for_job(session, kb_id=about.kb_id) if about else None
            if about is None or scope is None:
                return None
            if not await documents.lock(session, scope, document_id=about.document_id):
                return None
            job = await jobs.claim(session, job_id=job_id, was_left=was_left)
            if job is None:
                return None
            await documents.set_status(session, scope, document_id=about.document_id, status="parsing")
            document = await documents.get(session, scope, document_id=about.document_id)
            if job.version is not None:
                document = await self._with_file_of(session, scope, document, job.version)
            kb = await knowledge_bases.get(session, scope, counted=False)
            return job, scope, document, kb

    async def _with_file_of(self, session: Any, scope: KbScope, document: Document, number: int) -> Document:
        """A document as it will be with another version's file, which is only read so far."""
        version = await document_versions.get(session, scope, document_id=document.id, number=number)
        return replace(
            document,
            version=number,
            name=version.name,
            size_bytes=version.size_bytes,
            sha256=version.sha256,
        )

    async def _ingest(self, job: Job, scope: KbScope, document: Document, kb: KnowledgeBase) -> None:
        parsed = await self._parse(job, scope, document)
        embedder = await self.embedders.of(kb)
        size = ChunkSize.of(kb.rag_config if document.source != FAQ else RECOMMENDED)
        fitting = size.within(embedder.max_tokens)
        drafts = await asyncio.to_thread(
            cut,
            parsed,
            token_offsets=embedder.token_offsets,
            max_tokens=fitting.tokens,
            overlap_tokens=fitting.overlap_tokens,
        )
        if not drafts:
            raise PermanentError("This file contains no text.")
        language = await asyncio.to_thread(
            detect_language, "\n".join(page.text for page in parsed.pages[:50])
        )
        await self._take_room(job, scope, document, len(drafts))
        new_chunks = await self._embed(job, scope, drafts, embedder, kb.embedding_model_id)
        async with self.sessions.begin() as session:
            if not await self._hold(session, scope, document):
                raise LostTurn
            await take_time(session)
            await word_index.lock(session, scope)
            now = await knowledge_bases.get(session, scope, counted=False)
            if now.embedding_model_id != kb.embedding_model_id:  # vectors of the old model are no use
                raise TransientError(
                    f"“{kb.name}” was given another embedding model. Trying again with that."
                )
            if not await jobs.end(session, scope, job=job, status="completed"):
                raise LostTurn
            if job.version is not None:
                await self._make_current(session, scope, document)
            await documents.swap_contents(
                session,
                scope,
                document_id=document.id,
                parsed=parsed,
                language=language,
                model_id=kb.embedding_model_id,
                new_chunks=new_chunks,
                size=size,
            )

    async def _make_current(self, session: Any, scope: KbScope, document: Document) -> None:
        """Let the version that was read be the document's. Raises PermanentError."""
        version = await document_versions.get(
            session, scope, document_id=document.id, number=document.version
        )
        if not await document_versions.make_current(session, scope, version=version):
            raise PermanentError("This very file was added as a document of its own meanwhile.")

    async def _take_room(self, job: Job, scope: KbScope, document: Document, n_chunks: int) -> None:
        """Count the chunks that will be there, before they cost anything; what only replaces always may.

        Raises:
            PlanFull: the owner's plan does not allow so many more.
        """
        async with self._fenced(job, scope, "embedding", PARSED_PERCENT, 0, n_chunks) as session:
            if n_chunks > document.n_chunks:
                await self.quotas.keep_within(session, CHUNKS, owner_id=scope.owner_id)

    async def _hold(self, session: Any, scope: KbScope, document: Document) -> bool:
        """Keep knowledge base and document as they are until the transaction ends; False when gone."""
        if await access.for_job(session, kb_id=scope.kb_id) is None:
            return False
        return await documents.lock(session, scope, document_id=document.id)

    async def _parse(self, job: Job, scope: KbScope, document: Document) -> ParsedDocument:
        path = self.storage.path(document.sha256)
        if not path.exists():
            raise PermanentError("The original file is missing from the server's disk. Upload it again.")
        if document.source == FAQ:  # written by us, so there is nothing to confine
            return faq.parse(await asyncio.to_thread(path.read_bytes))
        limits = await self._limits_of(scope, document)
        share = 0.0

        def note(so_far: float) -> None:
            nonlocal share
            share = max(share, so_far)

        parsing = asyncio.create_task(
            parse_file(
                path,
                file_name=document.file_name,
                limits=limits,
                ocr_data=self.find_tessdata(),
                on_progress=note,
            )
        )
        try:
            while not (await asyncio.wait({parsing}, timeout=1.0))[0]:
                percent = 2 + int((PARSED_PERCENT - 3) * min(share, 1.0))
                async with self._fenced(job, scope, "parsing", percent):
                    pass
            return await parsing
        finally:
            parsing.cancel()
            await asyncio.gather(parsing, return_exceptions=True)

    async def _limits_of(self, scope: KbScope, document: Document) -> ParseLimits:
        """What reading a file may cost, and the pages its owner's plan allows: those that were there stay."""
        pages, advice = await self.quotas.document_pages(owner_id=scope.owner_id)
        allowed = None if pages is None else max(pages, document.n_pages)
        if allowed is None or allowed >= self.limits.max_pages:
            return self.limits
        return replace(self.limits, max_pages=allowed, pages_advice=advice)

    async def _embed(
        self,
        job: Job,
        scope: KbScope,
        drafts: Sequence[ChunkDraft],
        embedder: Embedder,
        model_id: int,
    ) -> list[NewChunk]:
        assert job.document_id is not None
        texts = [draft.text_to_embed for draft in drafts]
        hashes = [hashlib.sha256(text.encode()).digest() for text in texts]
        keys = {"document_id": job.document_id, "model_id": model_id}
        async with self._fenced(job, scope, "embedding", PARSED_PERCENT, 0, len(drafts)) as session:
            await documents.set_status(session, scope, document_id=job.document_id, status="embedding")
            vectors = await documents.known_embeddings(session, scope, hashes=hashes, **keys)
        missing = {key: text for key, text in zip(hashes, texts, strict=True) if key not in vectors}
        queue_of_texts = list(missing.items())
        for start in range(0, len(queue_of_texts), BATCH):
            batch = queue_of_texts[start : start + BATCH]
            embedded, codes = await embed(embedder, [text for _, text in batch])
            fresh = {
                key: KnownVector(vector_literal(vector), code)
                for (key, _), vector, code in zip(batch, embedded, codes, strict=True)
            }
            vectors |= fresh
            n_done = min(len(drafts) - len(missing) + start + len(batch), len(drafts))
            percent = PARSED_PERCENT + int((99 - PARSED_PERCENT) * n_done / len(drafts))
            async with self._fenced(job, scope, "embedding", percent, n_done, len(drafts)) as session:
                await documents.keep_embeddings(session, scope, **keys, vectors=fresh)
        return [
            NewChunk(
                draft,
                key,
                vectors[key].vector,
                words_of_chunk(" › ".join(draft.heading_path), draft.content),
                vectors[key].codes,
            )
            for draft, key in zip(drafts, hashes, strict=True)
        ]

    @asynccontextmanager
    async def _fenced(
        self, job: Job, scope: KbScope, stage: str, percentage: int, n_done: int = 0, n_total: int = 0
    ) -> AsyncGenerator[Any]:
        """A transaction that says how far an attempt is, and happens only while the turn is ours."""
        assert job.document_id is not None
        async with self.sessions.begin() as session:
            await access.enter(session, scope)
            await documents.lock(session, scope, document_id=job.document_id)
            still_ours = await jobs.report(
                session,
                scope,
                job=job,
                stage=stage,
                percentage=percentage,
                chunks_total=n_total,
                chunks_processed=n_done,
            )
            if not still_ours:
                raise LostTurn
            yield session

    async def _fail(self, job: Job, scope: KbScope, document: Document, reason: str) -> None:
        async with self.sessions.begin() as session:
            if not await self._hold(session, scope, document):
                return
            if await jobs.end(session, scope, job=job, status="failed", error_message=reason):
                await documents.set_status(
                    session, scope, document_id=document.id, status="failed", error_message=reason
                )

    async def _wait_for_retry(
        self, job: Job, scope: KbScope, reason: str = "", retry_in_s: int | None = None
    ) -> None:
        async with self.sessions.begin() as session:
            await jobs.end(session, scope, job=job, status="pending", waits_for=reason, retry_in_s=retry_in_s)

    async def sweep(self, *, stalled_after_s: float) -> None:
        """Give jobs of dead workers to living ones, and queue open jobs the queue knows nothing of.

        Of the latter none should exist: this is the second wall of the promise that no file is lost
        or stuck.
        """
        async with self.sessions.begin() as session:
            if not await jobs.may_sweep(session):
                return
            n_stalled = await jobs.release_stalled(session, stalled_after_s=stalled_after_s)
            forgotten = await jobs.open_without_worker(session)
            for about in forgotten:
                scope = await access.for_job(session, kb_id=about.kb_id)
                if scope is not None:
                    await queue.add_ingestion(
                        self.jobs_queue, session, scope, job_id=about.job_id, document_id=about.document_id
                    )
        if n_stalled or forgotten:
            log.warning("jobs_recovered", n_stalled=n_stalled, n_forgotten=len(forgotten))


def _as_transient(error: Exception) -> TransientError:
    if isinstance(error, TransientError):
        return error
    known = outage(error)
    return TransientError(str(known) if known else OUR_FAULT)
