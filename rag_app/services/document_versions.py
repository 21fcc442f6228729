"""New versions of a document: its identity, tags and citations stay, its text is replaced when it is ready.

add ── keep the bytes ── a version and a job ── the worker reads it ──┬─ ready: chunks, file and number
                         the old one serves                           │  are swapped in one transaction
                                                                      └─ failed: the old one goes on
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import structlog

from rag_app.db import queue
from rag_app.db.queries import access, accounts, document_versions, documents, jobs
from rag_app.domain.document_versions import DocumentVersion
from rag_app.domain.knowledge_bases import Document, Job, KbScope
from rag_app.domain.limits import CHUNKS, STORAGE
from rag_app.errors import Conflict, InvalidInput, NotFound
from rag_app.services.documents import DocumentService
from rag_app.services.limits import too_large
from rag_app.services.text import clean_file_name
from rag_app.storage import HeldFile

log = structlog.get_logger()

OPEN = {"pending", "processing"}


@dataclass(frozen=True)
class AddedVersion:
    """A version that was taken in; `is_new` is False for the bytes the document has already."""

    document: Document
    job: Job
    number: int
    is_new: bool


@dataclass(frozen=True)
class DocumentVersionService:
    """The files that documents have had."""

    documents: DocumentService

    async def list_of(self, kb_id: int, document_id: int, *, owner_id: int) -> list[DocumentVersion]:
        """All versions, the newest first. Raises NotFound."""
        async with self.documents.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await documents.get(session, scope, document_id=document_id)
            return await document_versions.all_of(session, scope, document_id=document_id)

    async def original(
        self, kb_id: int, document_id: int, number: int, *, owner_id: int
    ) -> tuple[DocumentVersion, Path]:
        """A version and where its bytes are. Raises NotFound."""
        async with self.documents.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            found = await document_versions.get(session, scope, document_id=document_id, number=number)
        path = self.documents.storage.path(found.sha256)
        if not path.exists():
            raise NotFound("file")
        return found, path

    async def names_there(self, kb_id: int, *, owner_id: int, names: Iterable[str]) -> list[str]:
        """Which names uploaded documents have already. Raises NotFound."""
        async with self.documents.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await document_versions.names_there(session, scope, names=list(names))

    async def newest_with_name(self, *, kb_id: int, owner_id: int, name: str) -> int | None:
        """The uploaded document that a file of this name would replace. Raises NotFound."""
        async with self.documents.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await document_versions.newest_with_name(session, scope, name=name)

    async def check(self, kb_id: int, document_id: int, *, owner_id: int) -> None:
        """Refuse a version before its first byte is read.

        Raises:
            NotFound: the document is not in this owner's knowledge base.
            InvalidInput: it was not uploaded.
            Conflict: it is being read right now.
            PlanFull: the owner's plan has no room.
        """
        async with self.documents.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            _check_document(await documents.get(session, scope, document_id=document_id))
        await self.documents.quotas.check_room(STORAGE, CHUNKS, owner_id=owner_id)

    async def add(
        self,
        stream: AsyncIterator[bytes],
        *,
        file_name: str,
        kb_id: int,
        document_id: int,
        owner_id: int,
    ) -> AddedVersion:
        """Take in another file for a document; the present one serves until the new one is read.

        Raises:
            TooLarge: the file is larger than is allowed.
            StorageFull: the disk is full.
            Besides those of `check`, Conflict also where another document has the same bytes.
        """
        name = clean_file_name(file_name)
        await self.check(kb_id, document_id, owner_id=owner_id)
        most = self.documents.max_bytes
        allowed = await self.documents.quotas.one_file(owner_id=owner_id, most_bytes=most)
        async with self.documents.storage.hold(
            stream, name=name, max_bytes=allowed.most_bytes, refusal=too_large(name, allowed)
        ) as held:
            return await self.add_held(
                held, name=name, kb_id=kb_id, document_id=document_id, owner_id=owner_id
            )

    async def add_held(
        self, held: HeldFile, *, name: str, kb_id: int, document_id: int, owner_id: int
    ) -> AddedVersion:
        """The same for bytes that have come, under a clean name. Raises as `add`."""
        stored = await self.documents.storage.keep(held)
        async with self.documents.sessions.begin() as session:
            scope, document = await self._locked(session, kb_id, document_id, owner_id)
            if document.sha256 == stored.sha256:
                assert document.job is not None
                return AddedVersion(document, document.job, document.version, is_new=False)
            other_id = await documents.with_hash(session, scope, sha256=stored.sha256)
            if other_id is not None:
                other = await documents.get(session, scope, document_id=other_id)
                raise Conflict(f"This very file is here already, as “{other.name}”.")
            number = await document_versions.add(
                session,
                scope,
                document_id=document_id,
                name=name,
                size_bytes=stored.size_bytes,
                sha256=stored.sha256,
            )
            job = await self._read(session, scope, document_id, number, owner_id)
            document = await documents.get(session, scope, document_id=document_id)
            await self.documents.quotas.keep_within(session, STORAGE, owner_id=owner_id)
        log.info("version_added", document_id=document_id, number=number)
        return AddedVersion(document, job, number, is_new=True)

    async def make_current(self, kb_id: int, document_id: int, number: int, *, owner_id: int) -> Job:
        """Read a version of before again, or one that failed; the present one serves until it is ready.

        Raises:
            NotFound: there is no such version.
            Conflict: it is the present one, or the document is being read right now.
        """
        async with self.documents.sessions.begin() as session:
            scope, document = await self._locked(session, kb_id, document_id, owner_id)
            version = await document_versions.get(session, scope, document_id=document_id, number=number)
            if version.number == document.version and document.ready_at is not None:
                raise Conflict("This is the version in use already.")
            return await self._read(session, scope, document_id, number, owner_id)

    async def _locked(
        self, session: Any, kb_id: int, document_id: int, owner_id: int
    ) -> tuple[KbScope, Document]:
        scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
        if not await documents.lock(session, scope, document_id=document_id):
            raise NotFound("document")
        document = await documents.get(session, scope, document_id=document_id)
        _check_document(document)
        return scope, document

    async def _read(self, session: Any, scope: KbScope, document_id: int, number: int, owner_id: int) -> Job:
        """Queue the reading of a version, in the caller's transaction."""
        version = await document_versions.get(session, scope, document_id=document_id, number=number)
        job_id = await jobs.insert(
            session,
            scope,
            document_id=document_id,
            file_name=version.name,
            size_bytes=version.size_bytes,
            file_type=PurePath(version.name).suffix.lower().lstrip("."),
            version=number,
        )
        await documents.set_status(session, scope, document_id=document_id, status="received")
        await queue.add_ingestion(
            self.documents.jobs_queue, session, scope, job_id=job_id, document_id=document_id
        )
        await accounts.write_audit(
            session,
            user_id=owner_id,
            kb_id=scope.kb_id,
            action="document_version",
            document_id=document_id,
            number=number,
        )
        return await jobs.get(session, scope, job_id=job_id)


def _check_document(document: Document) -> None:
    if document.source != "document":
        raise InvalidInput("Only documents that were uploaded can be replaced; others follow their source.")
    if document.job is not None and document.job.status in OPEN:
        raise Conflict(
            f"“{document.name}” is being read right now. Wait until it is ready, or stop reading it."
        )
