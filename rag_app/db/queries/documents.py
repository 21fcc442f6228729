"""Documents, their pages and chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.engine import driver_connection
from rag_app.db.queries.search import forget_words, index_words, vector_literal
from rag_app.db.statements import run
from rag_app.domain.documents import ChunkDraft, ParsedDocument
from rag_app.domain.knowledge_bases import Document, Job, KbScope, PagePart, StoredChunk, StoredPage
from rag_app.errors import NotFound

_DOCUMENT = """
SELECT d.*, j.id AS job_id, j.status AS job_status, j.stage, j.progress_percentage, j.chunks_total,
       j.chunks_processed, j.attempt, j.error_message AS job_error, j.created_at AS job_created_at,
       j.started_at, j.completed_at, j.file_type
FROM documents d LEFT JOIN LATERAL (
  SELECT * FROM document_processing_jobs WHERE document_id = d.id ORDER BY id DESC LIMIT 1) j ON true
"""


def _document(row: Any) -> Document:
    job = None
    if row.job_id is not None:
        job = Job(
            id=row.job_id,
            kb_id=row.kb_id,
            document_id=row.id,
            file_name=row.name,
            file_size_bytes=row.size_bytes,
            file_type=row.file_type,
            status=row.job_status,
            stage=row.stage,
            progress_percentage=row.progress_percentage,
            chunks_total=row.chunks_total,
            chunks_processed=row.chunks_processed,
            attempt=row.attempt,
            error_message=row.job_error,
            created_at=row.job_created_at,
            started_at=row.started_at,
            completed_at=row.completed_at,
        )
    return Document(
        id=row.id,
        kb_id=row.kb_id,
        name=row.name,
        source=row.source,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        status=row.status,
        error_message=row.error_message,
        n_pages=row.n_pages,
        n_chunks=row.n_chunks,
        n_tokens=row.n_tokens,
        language=row.language,
        used_ocr=row.used_ocr,
        created_at=row.created_at,
        ready_at=row.ready_at,
        job=job,
        tags=tuple(row.tags),
    )


async def insert(
    session: AsyncSession, scope: KbScope, *, name: str, size_bytes: int, sha256: str, media_type: str
) -> tuple[int, bool]:
    """Add a document, or find the one with the same bytes; returns its id and whether it is new."""
    params = {
        "kb_id": scope.kb_id,
        "name": name,
        "size_bytes": size_bytes,
        "sha256": sha256,
        "media_type": media_type,
    }
    while True:  # again when the one that was in the way is deleted in between
        inserted = await run(
            session,
            sa.text("""
                INSERT INTO documents (kb_id, name, size_bytes, sha256, media_type)
                VALUES (:kb_id, :name, :size_bytes, :sha256, :media_type)
                ON CONFLICT (kb_id, sha256) DO NOTHING RETURNING id
            """),
            params=params,
        )
        if (row := inserted.first()) is not None:
            return row.id, True
        found = await run(
            session,
            sa.text("SELECT id FROM documents WHERE kb_id = :kb_id AND sha256 = :sha256 FOR UPDATE"),
            params=params,
        )
        if (row := found.first()) is not None:
            return row.id, False


async def get(session: AsyncSession, scope: KbScope, *, document_id: int) -> Document:
    """One document with its newest job.

    Raises:
        NotFound: it is not in this knowledge base.
    """
    found = await run(
        session,
        sa.text(f"{_DOCUMENT} WHERE d.kb_id = :kb_id AND d.id = :document_id"),
        params={"kb_id": scope.kb_id, "document_id": document_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("document")
    return _document(row)


async def page_of(
    session: AsyncSession,
    scope: KbScope,
    *,
    before: int | None,
    limit: int,
    status: str | None = None,
    name: str | None = None,
    tag: str | None = None,
) -> list[Document]:
    """Documents, newest first, older than the id `before`.

    `name` filters by part of the name, `tag` by one tag in any case.
    """
    found = await run(
        session,
        sa.text(f"""
            {_DOCUMENT} WHERE d.kb_id = :kb_id
            AND (CAST(:before AS bigint) IS NULL OR d.id < :before)
            AND (CAST(:status AS text) IS NULL OR
                 CASE WHEN :status = 'working' THEN d.status IN ('received', 'parsing', 'embedding')
                      ELSE d.status::text = :status END)
            AND (CAST(:name AS text) IS NULL OR strpos(lower(d.name), lower(:name)) > 0)
            AND (CAST(:tag AS text) IS NULL OR
                 EXISTS (SELECT 1 FROM unnest(d.tags) AS tag WHERE lower(tag) = lower(:tag)))
            ORDER BY d.id DESC LIMIT :limit
        """),
        params={
            "kb_id": scope.kb_id,
            "before": before,
            "status": status,
            "name": name,
            "tag": tag,
            "limit": limit,
        },
    )
    return [_document(row) for row in found]


async def set_tags(session: AsyncSession, scope: KbScope, *, document_id: int, tags: Sequence[str]) -> None:
    """Put tags in the place of those a document has.

    Raises:
        NotFound: it is not in this knowledge base.
    """
    found = await run(
        session,
        sa.text("""
            UPDATE documents SET tags = CAST(:tags AS text[]) WHERE kb_id = :kb_id AND id = :document_id
            RETURNING id
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id, "tags": list(tags)},
    )
    if found.first() is None:
        raise NotFound("document")


async def delete(session: AsyncSession, scope: KbScope, *, document_id: int) -> str | None:
    """Delete a document with its chunks; returns the hash of its file if nobody needs that any more.

    Raises:
        NotFound: it is not in this knowledge base.
    """
    params = {"kb_id": scope.kb_id, "document_id": document_id}
    locked = await run(
        session,
        sa.text("SELECT sha256 FROM documents WHERE kb_id = :kb_id AND id = :document_id FOR UPDATE"),
        params=params,
    )
    row = locked.first()
    if row is None:
        raise NotFound("document")
    await forget_words(session, scope, document_id=document_id)
    await run(
        session,
        sa.text("DELETE FROM chunks WHERE kb_id = :kb_id AND document_id = :document_id"),
        params=params,
    )
    await run(
        session, sa.text("DELETE FROM documents WHERE kb_id = :kb_id AND id = :document_id"), params=params
    )
    others = await run(
        session,
        sa.text("SELECT 1 FROM documents WHERE sha256 = :sha256 LIMIT 1"),
        params={"sha256": row.sha256},
    )
    return None if others.first() else row.sha256


async def pages(session: AsyncSession, scope: KbScope, *, document_id: int) -> list[StoredPage]:
    """The extracted text by page, in order."""
    found = await run(
        session,
        sa.text("""
            SELECT p.position, p.number, p.text FROM document_pages p JOIN documents d ON d.id = p.document_id
            WHERE d.kb_id = :kb_id AND d.id = :document_id ORDER BY p.position
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id},
    )
    return [StoredPage(row.position, row.number, row.text) for row in found]


async def page_parts(
    session: AsyncSession, scope: KbScope, *, document_id: int, characters: int, skip: int, limit: int
) -> list[PagePart]:
    """The extracted text in pieces of at most `characters`, in order; a page without text is one piece."""
    found = await run(
        session,
        sa.text("""
            SELECT p.position, p.number, part, substr(p.text, part * :characters + 1, :characters) AS text
            FROM document_pages p JOIN documents d ON d.id = p.document_id,
              generate_series(0, greatest(length(p.text) - 1, 0) / :characters) AS part
            WHERE d.kb_id = :kb_id AND d.id = :document_id
            ORDER BY p.position, part OFFSET :skip LIMIT :limit
        """),
        params={
            "kb_id": scope.kb_id,
            "document_id": document_id,
            "characters": characters,
            "skip": skip,
            "limit": limit,
        },
    )
    return [PagePart(row.position, row.number, row.part, row.text) for row in found]


_CHUNK_COLUMNS = """id, document_id, position, content, heading, page_first, page_last, char_start, char_end,
       n_tokens, enabled, edited"""


async def chunks(
    session: AsyncSession, scope: KbScope, *, document_id: int, skip: int = 0, limit: int | None = None
) -> list[StoredChunk]:
    """A document's chunks, in order; all of them, or `limit` from the position `skip` on."""
    found = await run(
        session,
        sa.text(f"""
            SELECT {_CHUNK_COLUMNS} FROM chunks
            WHERE kb_id = :kb_id AND document_id = :document_id AND position >= :skip
            ORDER BY position LIMIT :limit
        """).bindparams(sa.bindparam("limit", type_=sa.Integer)),
        params={"kb_id": scope.kb_id, "document_id": document_id, "skip": skip, "limit": limit},
    )
    return [StoredChunk(**row._mapping) for row in found]


async def chunk(session: AsyncSession, scope: KbScope, *, chunk_id: int) -> StoredChunk:
    """One chunk.

    Raises:
        NotFound: it is not in this knowledge base.
    """
    found = await run(
        session,
        sa.text(f"SELECT {_CHUNK_COLUMNS} FROM chunks WHERE kb_id = :kb_id AND id = :chunk_id"),
        params={"kb_id": scope.kb_id, "chunk_id": chunk_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("chunk")
    return StoredChunk(**row._mapping)


async def change_chunk(
    session: AsyncSession,
    scope: KbScope,
    *,
    chunk_id: int,
    enabled: bool | None = None,
    content: str | None = None,
    content_hash: bytes | None = None,
    n_tokens: int | None = None,
    vector: NDArray[np.float32] | None = None,
) -> None:
    """Switch a chunk on or off, or give it new text with the vector of that text."""
    await run(
        session,
        sa.text("""
            UPDATE chunks SET enabled = coalesce(:enabled, enabled), content = coalesce(:content, content),
              content_hash = coalesce(:content_hash, content_hash), n_tokens = coalesce(:n_tokens, n_tokens),
              edited = edited OR CAST(:content AS text) IS NOT NULL,
              embedding = coalesce(CAST(:vector AS halfvec), embedding)
            WHERE kb_id = :kb_id AND id = :chunk_id
        """).bindparams(
            sa.bindparam("enabled", type_=sa.Boolean), sa.bindparam("n_tokens", type_=sa.Integer)
        ),
        params={
            "kb_id": scope.kb_id,
            "chunk_id": chunk_id,
            "enabled": enabled,
            "content": content,
            "content_hash": content_hash,
            "n_tokens": n_tokens,
            "vector": None if vector is None else vector_literal(vector),
        },
    )


async def lock(session: AsyncSession, scope: KbScope, *, document_id: int) -> bool:
    """Hold a document until the transaction ends; False when it is gone."""
    found = await run(
        session,
        sa.text("SELECT 1 FROM documents WHERE kb_id = :kb_id AND id = :document_id FOR UPDATE"),
        params={"kb_id": scope.kb_id, "document_id": document_id},
    )
    return found.first() is not None


async def set_status(
    session: AsyncSession, scope: KbScope, *, document_id: int, status: str, error_message: str | None = None
) -> None:
    """Say how far a document is; one that was ready before stays so, searched by its old chunks."""
    await run(
        session,
        sa.text("""
            UPDATE documents SET error_message = :error_message,
              status = CASE WHEN ready_at IS NULL THEN CAST(:status AS document_status) ELSE 'ready' END
            WHERE kb_id = :kb_id AND id = :document_id
        """),
        params={
            "kb_id": scope.kb_id,
            "document_id": document_id,
            "status": status,
            "error_message": error_message,
        },
    )


async def known_embeddings(
    session: AsyncSession, scope: KbScope, *, document_id: int, model_id: int
) -> dict[bytes, str]:
    """Vectors this document has already been given, by hash of the text; as pgvector writes them."""
    found = await run(
        session,
        sa.text("""
            SELECT content_hash, embedding::text AS embedding FROM chunks
              WHERE kb_id = :kb_id AND document_id = :document_id AND model_id = :model_id
            UNION ALL
            SELECT p.content_hash, p.embedding::text FROM pending_embeddings p
              JOIN documents d ON d.id = p.document_id
              WHERE d.kb_id = :kb_id AND p.document_id = :document_id AND p.model_id = :model_id
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id, "model_id": model_id},
    )
    return {bytes(row.content_hash): row.embedding for row in found}


async def keep_embeddings(
    session: AsyncSession,
    scope: KbScope,
    *,
    document_id: int,
    model_id: int,
    vectors: dict[bytes, str],
) -> None:
    """Keep a finished batch, so that a crash does not cost it again; nothing for a deleted document."""
    await run(
        session,
        sa.text("""
            INSERT INTO pending_embeddings (document_id, model_id, content_hash, embedding)
            SELECT d.id, :model_id, v.hash, v.vector::halfvec
            FROM documents d, unnest(CAST(:hashes AS bytea[]), CAST(:vectors AS text[])) AS v(hash, vector)
            WHERE d.id = :document_id AND d.kb_id = :kb_id
            FOR KEY SHARE OF d
            ON CONFLICT DO NOTHING
        """),
        params={
            "kb_id": scope.kb_id,
            "document_id": document_id,
            "model_id": model_id,
            "hashes": list(vectors.keys()),
            "vectors": list(vectors.values()),
        },
    )


@dataclass(frozen=True)
class NewChunk:
    """A draft with its vector, as pgvector reads it, and the text its words are taken from."""

    draft: ChunkDraft
    content_hash: bytes
    vector: str
    words: str


async def swap_contents(
    session: AsyncSession,
    scope: KbScope,
    *,
    document_id: int,
    parsed: ParsedDocument,
    language: str,
    model_id: int,
    new_chunks: Sequence[NewChunk],
) -> None:
    """Put new pages and chunks in the place of the old and mark the document ready.

    All of it becomes visible at once, with the caller's commit.
    """
    params = {"kb_id": scope.kb_id, "document_id": document_id}
    # A book of a hundred thousand chunks takes minutes to index; the limit is for what people wait for.
    await run(session, sa.text("SET LOCAL statement_timeout = 0"))
    for statement in (
        "DELETE FROM chunks WHERE kb_id = :kb_id AND document_id = :document_id",
        "DELETE FROM document_pages WHERE document_id = :document_id",
        "DELETE FROM pending_embeddings WHERE document_id = :document_id",
    ):
        await run(session, sa.text(statement), params=params)
    ids = await _copy_chunks(session, scope, document_id=document_id, model_id=model_id, chunks=new_chunks)
    await _copy_pages(session, document_id=document_id, parsed=parsed)
    texts = [(chunk_id, item.words) for chunk_id, item in zip(ids, new_chunks, strict=True)]
    await index_words(session, scope, document_id=document_id, language=language, texts=texts)
    await run(
        session,
        sa.text("""
            UPDATE documents SET status = 'ready', error_message = NULL, ready_at = now(), language = :language,
              used_ocr = :used_ocr, media_type = :media_type, n_pages = :n_pages, n_chunks = :n_chunks,
              n_tokens = :n_tokens
            WHERE kb_id = :kb_id AND id = :document_id
        """),
        params=params
        | {
            "language": language,
            "used_ocr": parsed.used_ocr,
            "media_type": parsed.media_type,
            "n_pages": parsed.n_pages,
            "n_chunks": len(new_chunks),
            "n_tokens": sum(item.draft.n_tokens for item in new_chunks),
        },
    )


async def _copy_chunks(
    session: AsyncSession, scope: KbScope, *, document_id: int, model_id: int, chunks: Sequence[NewChunk]
) -> list[int]:
    taken = await run(
        session,
        sa.text("SELECT nextval('chunks_id_seq') AS id FROM generate_series(1, :n)"),
        params={"n": len(chunks)},
    )
    ids = [row.id for row in taken]
    connection = await driver_connection(session)
    columns = (
        "kb_id, id, document_id, position, model_id, content, heading, page_first, page_last, "
        "char_start, char_end, n_tokens, content_hash, embedding"
    )
    async with connection.cursor() as cursor, cursor.copy(f"COPY chunks ({columns}) FROM STDIN") as copy:
        for position, (chunk_id, item) in enumerate(zip(ids, chunks, strict=True)):
            draft = item.draft
            await copy.write_row((
                scope.kb_id,
                chunk_id,
                document_id,
                position,
                model_id,
                draft.content,
                " › ".join(draft.heading_path),
                draft.page_first,
                draft.page_last,
                draft.char_start,
                draft.char_end,
                draft.n_tokens,
                item.content_hash,
                item.vector,
            ))  # fmt: skip
    return ids


async def _copy_pages(session: AsyncSession, *, document_id: int, parsed: ParsedDocument) -> None:
    connection = await driver_connection(session)
    statement = "COPY document_pages (document_id, position, number, text) FROM STDIN"
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for position, page in enumerate(parsed.pages):
            await copy.write_row((document_id, position, page.number, page.text))
