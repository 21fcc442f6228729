"""How a knowledge base's documents are cut, and what one would look like cut otherwise.

A preview is made of the text that was extracted when the document was read. Nothing is changed, embedded or
paid for.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, documents, knowledge_bases
from rag_app.domain.chunk_sizes import ChunkPreview, ChunkSettings, ChunkSize, CutText, most_tokens
from rag_app.domain.documents import ChunkDraft, Page, ParsedDocument
from rag_app.domain.knowledge_bases import KnowledgeBase, StoredChunk
from rag_app.errors import Conflict
from rag_app.rag.chunkers.blocks import chunk as cut
from rag_app.services.embedders import Embedders
from rag_app.services.knowledge_bases import KnowledgeBaseService

MOST_CHARACTERS = 120_000  # about sixty pages: more would take seconds, and nobody reads them here
SHOWN = 30  # chunks of each size
AT_ONCE = 2  # cutting takes the processor


@dataclass(frozen=True)
class ChunkPreviewService:
    """Shows owners what a chunk size does."""

    sessions: Sessions
    embedders: Embedders
    knowledge_bases: KnowledgeBaseService
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def settings(self, kb_id: int, *, owner_id: int) -> ChunkSettings:
        """How documents are cut, and how many were cut otherwise. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            kb = await knowledge_bases.get(session, scope, counted=False)
            size = ChunkSize.of(kb.rag_config)
            n_all, n_otherwise = await documents.count_cut_otherwise(session, scope, size=size)
        return ChunkSettings(size, await self._most_tokens(kb), n_all, n_otherwise)

    async def preview(
        self, kb_id: int, document_id: int, *, owner_id: int, changes: dict[str, Any]
    ) -> ChunkPreview:
        """Cut a document that was read as its knowledge base is set, and with the changes.

        Args:
            changes: `chunk_tokens`, `overlap_tokens` or both.

        Raises:
            NotFound: the document is not in this owner's knowledge base.
            InvalidInput: a size that could not be saved either; `problems` says why.
            Conflict: it has not been read yet.
            PermanentError: the embedding model, which counts the tokens, is not set up.
        """
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            kb = await knowledge_bases.get(session, scope, counted=False)
            document = await documents.get(session, scope, document_id=document_id)
            wanted = ChunkSize.of(self.knowledge_bases.with_rag_config(kb, changes))
            pages, n_characters = await documents.first_pages(
                session, scope, document_id=document_id, characters=MOST_CHARACTERS
            )
        if document.ready_at is None:
            raise Conflict("This document has not been read yet, so there is no text to cut.")
        embedder = await self.embedders.of(kb)
        parsed = ParsedDocument(tuple(Page(p.number, p.text) for p in pages), document.media_type)
        sizes = [size.within(embedder.max_tokens) for size in (ChunkSize.of(kb.rag_config), wanted)]
        async with self._turn:
            before = await asyncio.to_thread(_cut, parsed, sizes[0], embedder.token_offsets)
            same = sizes[0] == sizes[1]
            after = (
                before if same else await asyncio.to_thread(_cut, parsed, sizes[1], embedder.token_offsets)
            )
        read = sum(len(page.text) for page in pages)
        return ChunkPreview(document.id, document.name, read, read < n_characters, before, after)

    async def _most_tokens(self, kb: KnowledgeBase) -> int:
        model_tokens = self.embedders.max_tokens(kb.embedding_model)
        return most_tokens(model_tokens) if model_tokens is not None else kb.rag_config.chunk_tokens


def _cut(
    parsed: ParsedDocument, size: ChunkSize, token_offsets: Callable[[str], list[tuple[int, int]]]
) -> CutText:
    drafts = cut(
        parsed,
        token_offsets=token_offsets,
        max_tokens=size.tokens,
        overlap_tokens=size.overlap_tokens,
    )
    return CutText(
        size=size,
        n_chunks=len(drafts),
        n_tokens=sum(draft.n_tokens for draft in drafts),
        chunks=tuple(_as_chunk(position, draft) for position, draft in enumerate(drafts[:SHOWN])),
        n_repeated=tuple(_repeated(drafts[:SHOWN])),
    )


def _repeated(drafts: Sequence[ChunkDraft]) -> list[int]:
    """How many characters of each chunk the one before it has as well."""
    ends = [0, *(draft.char_end for draft in drafts)]
    return [max(0, end - draft.char_start) for end, draft in zip(ends, drafts, strict=False)]


def _as_chunk(position: int, draft: ChunkDraft) -> StoredChunk:
    """A draft as it would be shown if it were stored."""
    return StoredChunk(
        id=0,
        document_id=0,
        position=position,
        content=draft.content,
        heading=" › ".join(draft.heading_path),
        page_first=draft.page_first,
        page_last=draft.page_last,
        char_start=draft.char_start,
        char_end=draft.char_end,
        n_tokens=draft.n_tokens,
        enabled=True,
        edited=False,
    )
