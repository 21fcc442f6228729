"""What is uploaded: a file, a file of a folder, or a ZIP whose files become documents of their own.

take ── hold the bytes ──┬─ a document ─────────────────────────── one Added
                         └─ a ZIP: look into it ── each file held ── Added or NotTaken
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import structlog

from rag_app.domain.limits import CHUNKS, DOCUMENTS, STORAGE, OneFile
from rag_app.errors import Conflict, PermanentError, RagAppError, TooLarge
from rag_app.rag import unpacking
from rag_app.rag.unpacking import PackedFile
from rag_app.services.document_versions import DocumentVersionService
from rag_app.services.documents import Added, DocumentService
from rag_app.services.limits import too_large
from rag_app.services.text import clean_file_name, clean_path_name
from rag_app.storage import HeldFile, Storage

log = structlog.get_logger()

MAX_ARCHIVE_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True)
class NotTaken:
    """A file that was not added, and why."""

    file_name: str
    reason: str
    error: RagAppError | None = None


@dataclass(frozen=True)
class UploadService:
    """Takes in what people upload, one document for each file there is in it."""

    documents: DocumentService
    versions: DocumentVersionService
    storage: Storage
    max_files: int

    async def take(
        self,
        stream: AsyncIterator[bytes],
        *,
        file_name: str,
        kb_id: int,
        owner_id: int,
        path: str = "",
        replaces: bool = False,
    ) -> AsyncGenerator[Added | NotTaken]:
        """Yield what became of each file; those of a ZIP one after the other.

        Args:
            path: where the file is in the folder that is being uploaded; it becomes its name.
            replaces: a file whose name a document has already becomes a new version of that.

        Raises:
            NotFound: the knowledge base is not this owner's.
            StorageFull: the disk is full.
        """
        name = clean_path_name(path) if path else clean_file_name(file_name)
        allowed = await self.documents.quotas.one_file(owner_id=owner_id, most_bytes=self.documents.max_bytes)
        goal = _Goal(kb_id, owner_id, replaces, allowed)
        whole = _allowed_whole(name, allowed)
        try:
            await self._check_room(owner_id)
            async with self.storage.hold(
                stream, name=name, max_bytes=whole.most_bytes, refusal=too_large(name, whole)
            ) as held:
                if await asyncio.to_thread(unpacking.is_archive, held.path, file_name=name):
                    async for outcome in self._unpacked(held, goal):
                        yield outcome
                else:
                    yield await self._add(held, name, goal, is_one_of_many=bool(path))
        except (PermanentError, TooLarge, Conflict) as error:
            yield NotTaken(name, str(error), error)

    async def _unpacked(self, archive: HeldFile, goal: "_Goal") -> AsyncGenerator[Added | NotTaken]:
        contents = await asyncio.to_thread(unpacking.look_into, archive.path, max_files=self.max_files)
        if not contents.files and not contents.left_out:
            raise PermanentError("There is no file in this ZIP.")
        for each in contents.left_out:
            yield NotTaken(clean_path_name(each.name), each.reason)
        n_added = 0
        with unpacking.opened(archive.path) as opened:
            for file in contents.files:
                outcome = await self._take_packed(file, unpacking.blocks(opened, file), goal)
                n_added += isinstance(outcome, Added)
                yield outcome
        log.info("archive_unpacked", kb_id=goal.kb_id, n_files=len(contents.files), n_added=n_added)

    async def _take_packed(
        self, file: PackedFile, blocks: Iterator[bytes], goal: "_Goal"
    ) -> Added | NotTaken:
        name = clean_path_name(file.name)
        refusal = too_large(name, goal.allowed)
        most = goal.allowed.most_bytes
        try:
            if file.size_bytes > most:
                raise refusal
            await self._check_room(goal.owner_id)
            packed = _in_threads(blocks)
            async with self.storage.hold(packed, name=name, max_bytes=most, refusal=refusal) as held:
                return await self._add(held, name, goal, is_one_of_many=True)
        except (PermanentError, TooLarge, Conflict) as error:
            return NotTaken(name, str(error), error)

    async def _add(self, held: HeldFile, name: str, goal: "_Goal", *, is_one_of_many: bool) -> Added:
        """Add a file. One that its owner picked by itself is added whatever it is, and says what is wrong."""
        if held.size_bytes > goal.allowed.most_bytes:  # called a ZIP, and is none
            raise too_large(name, goal.allowed)
        if is_one_of_many and (reason := await asyncio.to_thread(unpacking.why_not_read, held.path)):
            raise PermanentError(reason)
        about = {"name": name, "kb_id": goal.kb_id, "owner_id": goal.owner_id}
        if goal.replaces:
            document_id = await self.versions.newest_with_name(**about)
            if document_id is not None:
                added = await self.versions.add_held(held, document_id=document_id, **about)
                return Added(added.document, added.job, added.is_new)
        return await self.documents.add_held(held, **about)

    async def _check_room(self, owner_id: int) -> None:
        await self.documents.quotas.check_room(DOCUMENTS, STORAGE, CHUNKS, owner_id=owner_id)


@dataclass(frozen=True)
class _Goal:
    """Where files go, and how."""

    kb_id: int
    owner_id: int
    replaces: bool
    allowed: OneFile


def _allowed_whole(name: str, allowed: OneFile) -> OneFile:
    """What may come under a name: a ZIP may be larger than each of its files."""
    is_zip = PurePosixPath(name).suffix.lower() == ".zip"
    return OneFile(max(MAX_ARCHIVE_BYTES, allowed.most_bytes)) if is_zip else allowed


async def _in_threads(blocks: Iterator[bytes]) -> AsyncGenerator[bytes]:
    """Unpack block by block where it holds up nobody else."""
    while block := await asyncio.to_thread(_next, blocks):
        yield block


def _next(blocks: Iterator[bytes]) -> bytes:
    return next(blocks, b"")
