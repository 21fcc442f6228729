"""Documents: take files in, show how far they are, retry, cancel, delete, look inside."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import procrastinate
import structlog

from rag_app.db import queue
from rag_app.db.engine import Sessions
from rag_app.db.queries import (
    access,
    accounts,
    document_versions,
    documents,
    facets,
    jobs,
    knowledge_bases,
    word_index,
)
from rag_app.domain.chunk_sizes import ChunkSize
from rag_app.domain.knowledge_bases import (
    BatchProgress,
    Document,
    Facets,
    Job,
    JobEvent,
    KbScope,
    PagePart,
    StoredChunk,
    StoredPage,
)
from rag_app.domain.limits import CHUNKS, DOCUMENTS, STORAGE
from rag_app.errors import Conflict, InvalidInput, NotFound
from rag_app.rag.words import words_of_chunk
from rag_app.services.embedders import Embedders, embed
from rag_app.services.limits import LimitService, too_large
from rag_app.services.tags import clean_tags
from rag_app.services.text import clean_file_name, clean_text
from rag_app.storage import HeldFile, Storage

log = structlog.get_logger()

MAX_CHUNK_CHARACTERS = 20_000
AT_ONCE = 200  # documents queued or tried again in one transaction


@dataclass(frozen=True)
class Added:
    """A file that was taken in; `is_new` is False when the same bytes were there already."""

    document: Document
    job: Job
    is_new: bool


@dataclass(frozen=True)
class DocumentService:
    """The files of an owner's knowledge bases."""

    sessions: Sessions
    storage: Storage
    jobs_queue: procrastinate.App
    embedders: Embedders
    max_bytes: int
    quotas: LimitService

    async def check_upload(self, kb_id: int, *, owner_id: int) -> None:
        """Refuse an upload before its first byte is read. Raises NotFound, PlanFull."""
        async with self.sessions() as session:
            await access.owned(session, kb_id=kb_id, owner_id=owner_id)
        await self.quotas.check_room(DOCUMENTS, STORAGE, CHUNKS, owner_id=owner_id)

    async def add(self, stream: AsyncIterator[bytes], *, file_name: str, kb_id: int, owner_id: int) -> Added:
        """Keep a file and queue its ingestion; the same bytes are kept once.

        Raises:
            NotFound: the knowledge base is not this owner's.
            TooLarge: the file is larger than `max_bytes`.
            StorageFull: the disk is full.
            PlanFull: the owner's plan allows no more documents, no more bytes, or no file so large.
        """
        name = clean_file_name(file_name)
        await self.quotas.check_room(DOCUMENTS, STORAGE, CHUNKS, owner_id=owner_id)
        allowed = await self.quotas.one_file(owner_id=owner_id, most_bytes=self.max_bytes)
        async with self.storage.hold(
            stream, name=name, max_bytes=allowed.most_bytes, refusal=too_large(name, allowed)
        ) as held:
            return await self.add_held(held, name=name, kb_id=kb_id, owner_id=owner_id)

    async def add_held(self, held: HeldFile, *, name: str, kb_id: int, owner_id: int) -> Added:
        """Keep a file that has come, under a clean name, and queue its ingestion. Raises as `add`."""
        stored = await self.storage.keep(held)
        async with self.sessions.begin() as session:  # document and job, or neither
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            document_id, is_new = await documents.insert(
                session, scope, name=name, size_bytes=stored.size_bytes, sha256=stored.sha256, media_type=""
            )
            if is_new:
                await self._add_job(session, scope, document_id, name, stored.size_bytes)
            else:
                await self._retry_if_ended_badly(session, scope, document_id)
            # What a website or mailbox brought before is its owner's own from now on, and stays without it.
            is_adopted = await documents.adopt(session, scope, document_id=document_id)
            document = await documents.get(session, scope, document_id=document_id)
            if is_new or is_adopted:
                await self.quotas.keep_within(session, DOCUMENTS, STORAGE, owner_id=owner_id)
        assert document.job is not None
        log.info("document_added", document_id=document_id, kb_id=kb_id, is_new=is_new)
        return Added(document, document.job, is_new)

    async def _add_job(self, session: Any, scope: KbScope, document_id: int, name: str, size: int) -> None:
        job_id = await jobs.insert(
            session,
            scope,
            document_id=document_id,
            file_name=name,
            size_bytes=size,
            file_type=PurePath(name).suffix.lower().lstrip("."),
        )
        await queue.add_ingestion(self.jobs_queue, session, scope, job_id=job_id, document_id=document_id)

    async def _retry_if_ended_badly(self, session: Any, scope: KbScope, document_id: int) -> None:
        document = await documents.get(session, scope, document_id=document_id)
        if document.status in {"failed", "cancelled"} and document.job is not None:
            await self._reopen(session, scope, document.job)

    async def _reopen(self, session: Any, scope: KbScope, job: Job) -> None:
        assert job.document_id is not None
        await jobs.reopen(session, scope, job_id=job.id)
        await documents.set_status(session, scope, document_id=job.document_id, status="received")
        await queue.add_ingestion(self.jobs_queue, session, scope, job_id=job.id, document_id=job.document_id)

    async def list_of(
        self,
        kb_id: int,
        *,
        owner_id: int,
        before: int | None = None,
        limit: int = 50,
        status: str | None = None,
        name: str | None = None,
        tag: str | None = None,
    ) -> list[Document]:
        """Documents, newest first. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await documents.page_of(
                session, scope, before=before, limit=limit, status=status, name=name, tag=tag
            )

    async def get(self, kb_id: int, document_id: int, *, owner_id: int) -> Document:
        """One document. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await documents.get(session, scope, document_id=document_id)

    async def set_tags(self, kb_id: int, document_id: int, *, owner_id: int, tags: Iterable[str]) -> Document:
        """Give a document these tags and no others.

        Raises:
            NotFound: it is not in this owner's knowledge base.
            InvalidInput: too many tags, or one that is too long.
        """
        cleaned = clean_tags(tags)
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            await documents.set_tags(session, scope, document_id=document_id, tags=cleaned)
            await accounts.write_audit(
                session, user_id=owner_id, kb_id=kb_id, action="document_tagged", document_id=document_id
            )
            return await documents.get(session, scope, document_id=document_id)

    async def facets(self, kb_id: int, *, owner_id: int) -> Facets:
        """What the documents can be filtered by. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await facets.of_documents(session, scope)

    async def original(self, kb_id: int, document_id: int, *, owner_id: int) -> tuple[Document, Path]:
        """A document and where its original bytes are. Raises NotFound."""
        document = await self.get(kb_id, document_id, owner_id=owner_id)
        path = self.storage.path(document.sha256)
        if not path.exists():
            raise NotFound("file")
        return document, path

    async def contents(
        self, kb_id: int, document_id: int, *, owner_id: int
    ) -> tuple[Document, list[StoredPage], list[StoredChunk]]:
        """A document with its extracted text and its chunks. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            document = await documents.get(session, scope, document_id=document_id)
            pages = await documents.pages(session, scope, document_id=document_id)
            return document, pages, await documents.chunks(session, scope, document_id=document_id)

    async def text(
        self,
        kb_id: int,
        document_id: int,
        *,
        owner_id: int,
        skip: int = 0,
        limit: int = 20,
        characters: int = 6000,
    ) -> list[PagePart]:
        """Some of a document's extracted text, in pieces of at most `characters`. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await documents.page_parts(
                session, scope, document_id=document_id, characters=characters, skip=skip, limit=limit
            )

    async def chunks(
        self, kb_id: int, document_id: int, *, owner_id: int, skip: int = 0, limit: int = 50
    ) -> list[StoredChunk]:
        """Some of a document's chunks, from the position `skip` on. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await documents.chunks(session, scope, document_id=document_id, skip=skip, limit=limit)

    async def chunk(self, kb_id: int, chunk_id: int, *, owner_id: int) -> StoredChunk:
        """One chunk. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await documents.chunk(session, scope, chunk_id=chunk_id)

    async def delete(self, kb_id: int, document_id: int, *, owner_id: int) -> None:
        """Delete a document, its chunks and its files; an ingestion under way finds it gone and stops."""
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            hashes = await document_versions.hashes(session, scope, document_id=document_id)
            await documents.delete(session, scope, document_id=document_id)
            unneeded = await document_versions.unneeded(session, hashes)
            await accounts.write_audit(
                session, user_id=owner_id, kb_id=kb_id, action="document_deleted", document_id=document_id
            )
        for sha256 in unneeded:
            self.storage.remove_if_old(sha256)
        log.info("document_deleted", document_id=document_id, kb_id=kb_id)

    async def reingest(self, kb_id: int, document_id: int, *, owner_id: int) -> Job:
        """Read a document again; its old chunks serve until the new ones are ready.

        Raises:
            NotFound: it is not in this owner's knowledge base.
            Conflict: it is being read right now.
        """
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            if not await documents.lock(session, scope, document_id=document_id):
                raise NotFound("document")
            document = await documents.get(session, scope, document_id=document_id)
            if document.job is not None and document.job.status in {"pending", "processing"}:
                raise Conflict("This document is being read right now.")
            await self._add_job(session, scope, document_id, document.name, document.size_bytes)
            job = (await documents.get(session, scope, document_id=document_id)).job
            assert job is not None
            return job

    async def reingest_all(self, kb_id: int, *, owner_id: int, only_cut_otherwise: bool = True) -> int:
        """Read documents again whose chunks have another size than is set, or all; returns how many.

        Old chunks serve until the new ones are ready. Text that is embedded already is not paid for again.
        Raises NotFound.
        """
        n_queued, after = 0, 0
        while True:  # some at a time, so that nobody else waits for long
            async with self.sessions.begin() as session:
                scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
                kb = await knowledge_bases.get(session, scope, counted=False)
                size = ChunkSize.of(kb.rag_config) if only_cut_otherwise else None
                found = await documents.to_read_again(session, scope, size=size, after=after, limit=AT_ONCE)
                for document in found:
                    await self._add_job(session, scope, document.id, document.name, document.size_bytes)
            n_queued += len(found)
            if len(found) < AT_ONCE:
                break
            after = found[-1].id
        log.info("documents_read_again", kb_id=kb_id, n_documents=n_queued)
        return n_queued

    # Jobs

    async def attempts(self, kb_id: int, document_id: int, *, owner_id: int) -> list[JobEvent]:
        """What was tried with a document and what came of it, newest first. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await documents.get(session, scope, document_id=document_id)
            return await jobs.events(session, scope, document_id=document_id)

    async def list_jobs(
        self,
        kb_id: int,
        *,
        owner_id: int,
        before: int | None = None,
        limit: int = 50,
        status: str | None = None,
    ) -> list[Job]:
        """Jobs, newest first. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await jobs.page_of(session, scope, before=before, limit=limit, status=status)

    async def get_job(self, kb_id: int, job_id: int, *, owner_id: int) -> Job:
        """One job. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await jobs.get(session, scope, job_id=job_id)

    async def retry(self, kb_id: int, job_id: int, *, owner_id: int) -> Job:
        """Try a failed or cancelled job again.

        Raises:
            NotFound: it is not this owner's.
            Conflict: it has not failed.
        """
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            job = await self._lock_job(session, scope, job_id)
            if job.status not in {"failed", "cancelled"} or job.document_id is None:
                raise Conflict("Only a failed or cancelled file can be tried again.")
            await self._reopen(session, scope, job)
            return await jobs.get(session, scope, job_id=job_id)

    async def retry_all_failed(self, kb_id: int, *, owner_id: int) -> int:
        """Try every failed file again, some in each transaction; returns how many."""
        n_retried, before = 0, None
        while True:
            async with self.sessions.begin() as session:
                scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
                failed = await documents.page_of(
                    session, scope, before=before, limit=AT_ONCE, status="failed", source=None
                )
                for document in failed:
                    if document.job is None:
                        continue
                    job = await self._lock_job(session, scope, document.job.id)
                    if job.status == "failed":
                        await self._reopen(session, scope, job)
                        n_retried += 1
            if len(failed) < AT_ONCE:
                return n_retried
            before = failed[-1].id

    async def _lock_job(self, session: Any, scope: KbScope, job_id: int) -> Job:
        """A job, held together with its document. Raises NotFound."""
        job = await jobs.get(session, scope, job_id=job_id)
        if job.document_id is not None:
            await documents.lock(session, scope, document_id=job.document_id)
        return await jobs.get(session, scope, job_id=job_id, lock=True)

    async def cancel(self, kb_id: int, job_id: int, *, owner_id: int) -> Job:
        """Stop a job that waits or runs; a document that was ready before stays ready.

        Raises:
            NotFound: it is not this owner's.
            Conflict: it has ended already.
        """
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            job = await self._lock_job(session, scope, job_id)
            if not await jobs.cancel(session, scope, job_id=job_id):
                raise Conflict("This file has been dealt with already.")
            if job.document_id is not None:
                await documents.set_status(session, scope, document_id=job.document_id, status="cancelled")
            return await jobs.get(session, scope, job_id=job_id)

    async def progress(self, kb_id: int, *, owner_id: int) -> BatchProgress:
        """How far the files are that are being read now. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await jobs.batch_progress(session, scope)

    # Chunks

    async def switch_chunk(self, kb_id: int, chunk_id: int, *, owner_id: int, enabled: bool) -> StoredChunk:
        """Let a chunk be found, or not. Raises NotFound."""
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            chunk = await self._lock_chunk(session, scope, chunk_id)
            await documents.switch_chunk(
                session,
                scope,
                chunk_id=chunk_id,
                enabled=enabled,
                words=words_of_chunk(chunk.heading, chunk.content),
            )
            return await documents.chunk(session, scope, chunk_id=chunk_id)

    async def edit_chunk(self, kb_id: int, chunk_id: int, *, owner_id: int, content: str) -> StoredChunk:
        """Give a chunk new text; it is embedded anew before anybody finds it.

        Raises:
            NotFound: it is not in this owner's knowledge base.
            InvalidInput: no text, or too much.
        """
        content = clean_text(content).strip()
        if not content:
            raise InvalidInput("Please enter some text, or switch the chunk off.", field="content")
        if len(content) > MAX_CHUNK_CHARACTERS:
            raise InvalidInput(f"Please use at most {MAX_CHUNK_CHARACTERS:,} characters.", field="content")
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            chunk = await documents.chunk(session, scope, chunk_id=chunk_id)
            kb = await knowledge_bases.get(session, scope, counted=False)
        embedder = await self.embedders.of(kb)
        text = f"{chunk.heading}\n{content}" if chunk.heading else content
        vectors, codes = await embed(embedder, [text])
        n_tokens = len(await asyncio.to_thread(embedder.token_offsets, text))
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            chunk = await self._lock_chunk(session, scope, chunk_id)
            await word_index.lock(session, scope)
            now = await knowledge_bases.get(session, scope, counted=False)
            if now.embedding_model != kb.embedding_model:
                raise Conflict("The knowledge base was just given another embedding model. Try again.")
            await documents.rewrite_chunk(
                session,
                scope,
                chunk_id=chunk_id,
                content=content,
                content_hash=hashlib.sha256(text.encode()).digest(),
                n_tokens=n_tokens,
                model_id=kb.embedding_model_id,
                vector=vectors[0],
                codes=codes[0],
                old_words=words_of_chunk(chunk.heading, chunk.content),
                new_words=words_of_chunk(chunk.heading, content),
            )
            return await documents.chunk(session, scope, chunk_id=chunk_id)

    async def _lock_chunk(self, session: Any, scope: KbScope, chunk_id: int) -> StoredChunk:
        """A chunk whose document nobody else changes until the transaction ends. Raises NotFound."""
        chunk = await documents.chunk(session, scope, chunk_id=chunk_id)
        await documents.lock(session, scope, document_id=chunk.document_id)
        return await documents.chunk(session, scope, chunk_id=chunk_id)  # unless it was replaced meanwhile
