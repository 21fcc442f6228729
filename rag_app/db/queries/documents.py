"""Documents, their pages and chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.engine import driver_connection
from rag_app.db.queries import word_index
from rag_app.db.queries.search import vector_literal
from rag_app.db.queries.word_index import ChunkWords
from rag_app.db.statements import run, take_time
from rag_app.domain.chunk_sizes import ChunkSize
from rag_app.domain.documents import ChunkDraft, ParsedDocument
from rag_app.domain.knowledge_bases import Document, Job, KbScope, PagePart, StoredChunk, StoredPage
from rag_app.errors import NotFound

ROWS_AT_ONCE = 1000

_DOCUMENT = """
SELECT d.*, j.id AS job_id, j.status AS job_status, j.stage, j.progress_percentage, j.chunks_total,
       j.chunks_processed, j.attempt, j.error_message AS job_error, j.created_at AS job_created_at,
       j.started_at, j.completed_at, j.file_type, j.file_name AS job_file_name, j.version AS job_version
FROM documents d LEFT JOIN LATERAL (
  SELECT * FROM document_processing_jobs WHERE document_id = d.id ORDER BY id DESC LIMIT 1) j ON true
"""
_IS_CUT = "ready_at IS NOT NULL AND source <> 'faq'"  # an FAQ entry is one chunk, whatever the size
_CUT_OTHERWISE = "(chunk_tokens, overlap_tokens) <> (:tokens, :overlap)"


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
            version=row.job_version,
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
        version=row.version,
        source_id=row.source_id,
        url=row.url,
        modified_at=row.modified_at,
    )


async def insert(
    session: AsyncSession,
    scope: KbScope,
    *,
    name: str,
    size_bytes: int,
    sha256: str,
    media_type: str,
    source: str = "document",
) -> tuple[int, bool]:
    """Add a document, or find the one with the same bytes; returns its id and whether it is new."""
    params = {
        "kb_id": scope.kb_id,
        "name": name,
        "size_bytes": size_bytes,
        "sha256": sha256,
        "media_type": media_type,
        "source": source,
    }
    while True:  # again when the one that was in the way is deleted in between
        inserted = await run(
            session,
            sa.text("""
                INSERT INTO documents (kb_id, name, size_bytes, sha256, media_type, source)
                VALUES (:kb_id, :name, :size_bytes, :sha256, :media_type, :source)
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


async def with_hash(session: AsyncSession, scope: KbScope, *, sha256: str) -> int | None:
    """The document that has these bytes, held until the transaction ends."""
    found = await run(
        session,
        sa.text("SELECT id FROM documents WHERE kb_id = :kb_id AND sha256 = :sha256 FOR UPDATE"),
        params={"kb_id": scope.kb_id, "sha256": sha256},
    )
    return found.scalar_one_or_none()


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
    source: str | None = "document",
) -> list[Document]:
    """Documents of a kind, None for all kinds, newest first, older than the id `before`.

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
            AND (CAST(:source AS text) IS NULL OR d.source = :source)
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
            "source": source,
            "limit": limit,
        },
    )
    return [_document(row) for row in found]


async def replace_file(
    session: AsyncSession, scope: KbScope, *, document_id: int, name: str, size_bytes: int, sha256: str
) -> None:
    """Put other bytes in the place of a document's; its chunks stay until these are read."""
    await run(
        session,
        sa.text("""
            UPDATE documents SET name = :name, size_bytes = :size_bytes, sha256 = :sha256
            WHERE kb_id = :kb_id AND id = :document_id
        """),
        params={
            "kb_id": scope.kb_id,
            "document_id": document_id,
            "name": name,
            "size_bytes": size_bytes,
            "sha256": sha256,
        },
    )


async def set_origin(
    session: AsyncSession,
    scope: KbScope,
    *,
    document_id: int,
    source_id: int,
    url: str,
    modified_at: datetime | None,
) -> None:
    """Say which source a document comes from, where a person finds it, and when it was written."""
    await run(
        session,
        sa.text("""
            UPDATE documents SET source_id = :source_id, url = :url, modified_at = :modified_at
            WHERE kb_id = :kb_id AND id = :document_id
        """),
        params={
            "kb_id": scope.kb_id,
            "document_id": document_id,
            "source_id": source_id,
            "url": url,
            "modified_at": modified_at,
        },
    )


async def adopt(session: AsyncSession, scope: KbScope, *, document_id: int) -> bool:
    """Make a document of a source one that was uploaded; False where it was."""
    done = await run(
        session,
        sa.text("""
            UPDATE documents SET source = 'document', source_id = NULL
            WHERE kb_id = :kb_id AND id = :document_id AND source_id IS NOT NULL
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id},
    )
    return done.rowcount == 1


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
    await _delete_chunks(session, scope, document_id=document_id)
    await run(
        session, sa.text("DELETE FROM documents WHERE kb_id = :kb_id AND id = :document_id"), params=params
    )
    others = await run(
        session,
        sa.text("""
            SELECT 1 FROM documents WHERE sha256 = :sha256
            UNION ALL SELECT 1 FROM document_versions WHERE sha256 = :sha256 LIMIT 1
        """),
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


async def first_pages(
    session: AsyncSession, scope: KbScope, *, document_id: int, characters: int
) -> tuple[list[StoredPage], int]:
    """The beginning of the extracted text, at most so many characters; and how many there are in all."""
    found = await run(
        session,
        sa.text("""
            WITH pages AS (
              SELECT p.position, p.number, p.text,
                     sum(length(p.text)) OVER (ORDER BY p.position) - length(p.text) AS begins_at,
                     sum(length(p.text)) OVER () AS in_all
              FROM document_pages p JOIN documents d ON d.id = p.document_id
              WHERE d.kb_id = :kb_id AND d.id = :document_id)
            SELECT position, number, substr(text, 1, CAST(:characters - begins_at AS integer)) AS text, in_all
            FROM pages WHERE begins_at < :characters ORDER BY position
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id, "characters": characters},
    )
    rows = found.all()
    in_all = int(rows[0].in_all) if rows else 0
    return [StoredPage(row.position, row.number, row.text) for row in rows], in_all


async def count_cut_otherwise(session: AsyncSession, scope: KbScope, *, size: ChunkSize) -> tuple[int, int]:
    """How many documents can be searched, and how many of them have chunks of another size."""
    found = await run(
        session,
        sa.text(f"""
            SELECT count(*) AS n_all, count(*) FILTER (WHERE {_CUT_OTHERWISE}) AS n_otherwise
            FROM documents WHERE kb_id = :kb_id AND {_IS_CUT}
        """),
        params={"kb_id": scope.kb_id, "tokens": size.tokens, "overlap": size.overlap_tokens},
    )
    row = found.one()
    return row.n_all, row.n_otherwise


async def to_read_again(
    session: AsyncSession, scope: KbScope, *, size: ChunkSize | None, after: int, limit: int
) -> list[Document]:
    """Documents that can be searched and are not being read, held until the transaction ends; by id.

    Args:
        size: only those with chunks of another size; None for all.
        after: the id they come after.
    """
    found = await run(
        session,
        sa.text(f"""
            SELECT id FROM documents d WHERE kb_id = :kb_id AND {_IS_CUT} AND id > :after
            AND (NOT :only_others OR {_CUT_OTHERWISE})
            AND NOT EXISTS (SELECT 1 FROM document_processing_jobs j
                            WHERE j.document_id = d.id AND j.status IN ('pending', 'processing'))
            ORDER BY id LIMIT :limit FOR UPDATE
        """),
        params={
            "kb_id": scope.kb_id,
            "after": after,
            "only_others": size is not None,
            "tokens": size.tokens if size else 0,
            "overlap": size.overlap_tokens if size else 0,
            "limit": limit,
        },
    )
    ids = [row.id for row in found]
    return [await get(session, scope, document_id=document_id) for document_id in ids]


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


async def ready_ones(session: AsyncSession, scope: KbScope) -> list[tuple[int, str]]:
    """Ids and languages of the documents that can be searched, oldest first."""
    found = await run(
        session,
        sa.text(
            "SELECT id, language FROM documents WHERE kb_id = :kb_id AND ready_at IS NOT NULL ORDER BY id"
        ),
        params={"kb_id": scope.kb_id},
    )
    return [(row.id, row.language) for row in found]


async def chunk_words(
    session: AsyncSession, scope: KbScope, *, document_id: int
) -> list[tuple[int, str, str]]:
    """Ordinal, heading and content of a document's enabled chunks, in order of ordinal."""
    found = await run(
        session,
        sa.text("""
            SELECT ordinal, heading, content FROM chunks
            WHERE kb_id = :kb_id AND document_id = :document_id AND enabled ORDER BY ordinal
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id},
    )
    return [(row.ordinal, row.heading, row.content) for row in found]


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


async def chunk_with_text(
    session: AsyncSession, scope: KbScope, *, document_id: int, text: str
) -> StoredChunk | None:
    """The first chunk of a document that has a text, word for word."""
    found = await run(
        session,
        sa.text(f"""
            SELECT {_CHUNK_COLUMNS} FROM chunks
            WHERE kb_id = :kb_id AND document_id = :document_id AND strpos(content, :text) > 0
            ORDER BY position LIMIT 1
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id, "text": text},
    )
    row = found.first()
    return None if row is None else StoredChunk(**row._mapping)


async def switch_chunk(
    session: AsyncSession, scope: KbScope, *, chunk_id: int, enabled: bool, words: str
) -> None:
    """Let a chunk be found or not, by what it means and by its words."""
    await word_index.lock(session, scope)
    chunk = await _chunk_to_index(session, scope, chunk_id=chunk_id)
    if chunk.enabled == enabled:
        return
    about = {"document_id": chunk.document_id, "language": chunk.language}
    if enabled:
        await _move_chunk(session, scope, chunk_id=chunk_id, words=words)
    else:
        await word_index.remove(session, scope, chunks=[ChunkWords(chunk.ordinal, words)], **about)
    for statement in (
        "UPDATE chunks SET enabled = :enabled WHERE kb_id = :kb_id AND id = :chunk_id",
        # Outside the index until the worker adds it: a row of the index cannot be changed in place.
        """UPDATE chunk_embeddings e SET enabled = :enabled, indexed = false FROM chunks c
           WHERE e.kb_id = :kb_id AND c.kb_id = :kb_id AND c.id = :chunk_id AND e.ordinal = c.ordinal""",
    ):
        params = {"kb_id": scope.kb_id, "chunk_id": chunk_id, "enabled": enabled}
        await run(session, sa.text(statement), params=params)


async def rewrite_chunk(
    session: AsyncSession,
    scope: KbScope,
    *,
    chunk_id: int,
    content: str,
    content_hash: bytes,
    n_tokens: int,
    model_id: int,
    vector: NDArray[np.float32],
    codes: bytes | None,
    old_words: str,
    new_words: str,
) -> None:
    """Give a chunk new text, with vector and words of that text; vectors of other models go."""
    await word_index.lock(session, scope)
    chunk = await _chunk_to_index(session, scope, chunk_id=chunk_id)
    about = {"document_id": chunk.document_id, "language": chunk.language}
    params: dict[str, Any] = {"kb_id": scope.kb_id, "chunk_id": chunk_id, "ordinal": chunk.ordinal}
    for table in ("chunk_embeddings", "chunk_codes"):
        statement = f"DELETE FROM {table} WHERE kb_id = :kb_id AND ordinal = :ordinal"
        await run(session, sa.text(statement), params=params)
    await run(
        session,
        sa.text("""
            UPDATE chunks SET content = :content, content_hash = :content_hash, n_tokens = :n_tokens,
              edited = true
            WHERE kb_id = :kb_id AND id = :chunk_id
        """),
        params=params | {"content": content, "content_hash": content_hash, "n_tokens": n_tokens},
    )
    ordinal = chunk.ordinal
    if chunk.enabled:
        await word_index.remove(session, scope, chunks=[ChunkWords(ordinal, old_words)], **about)
        ordinal = await _move_chunk(session, scope, chunk_id=chunk_id, words=new_words)
    vectors = [(ordinal, vector_literal(vector), chunk.enabled, codes)]
    await add_vectors(session, scope, model_id=model_id, vectors=vectors)


async def _chunk_to_index(session: AsyncSession, scope: KbScope, *, chunk_id: int) -> Any:
    """A chunk's place in the indexes. Raises NotFound."""
    found = await run(
        session,
        sa.text("""
            SELECT c.ordinal, c.enabled, c.document_id, d.language FROM chunks c
            JOIN documents d ON d.id = c.document_id WHERE c.kb_id = :kb_id AND c.id = :chunk_id
        """),
        params={"kb_id": scope.kb_id, "chunk_id": chunk_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("chunk")
    return row


async def _move_chunk(session: AsyncSession, scope: KbScope, *, chunk_id: int, words: str) -> int:
    """Give a chunk a new ordinal, and index its words under it: the postings of the old one stay a gap."""
    chunk = await _chunk_to_index(session, scope, chunk_id=chunk_id)
    ordinal = await word_index.take_ordinals(session, scope, document_id=chunk.document_id, n=1)
    params = {"kb_id": scope.kb_id, "chunk_id": chunk_id, "old": chunk.ordinal, "new": ordinal}
    for statement in (
        "UPDATE chunks SET ordinal = :new WHERE kb_id = :kb_id AND id = :chunk_id",
        "UPDATE chunk_embeddings SET ordinal = :new, indexed = false WHERE kb_id = :kb_id AND ordinal = :old",
        "UPDATE chunk_codes SET ordinal = :new WHERE kb_id = :kb_id AND ordinal = :old",
    ):
        await run(session, sa.text(statement), params=params)
    about = {"document_id": chunk.document_id, "language": chunk.language}
    await word_index.add(session, scope, chunks=[ChunkWords(ordinal, words)], **about)
    return ordinal


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


@dataclass(frozen=True)
class KnownVector:
    """A vector as pgvector writes it, with what a reranker stores beside it."""

    vector: str
    codes: bytes | None = None


async def known_embeddings(
    session: AsyncSession, scope: KbScope, *, document_id: int, model_id: int, hashes: Sequence[bytes]
) -> dict[bytes, KnownVector]:
    """Vectors that texts have been given before, by hash of the text, in this knowledge base."""
    found = await run(
        session,
        sa.text("""
            SELECT DISTINCT ON (c.content_hash) c.content_hash, e.embedding::text AS embedding, k.codes
              FROM chunks c
              JOIN chunk_embeddings e ON e.kb_id = :kb_id AND e.model_id = :model_id AND e.ordinal = c.ordinal
              LEFT JOIN chunk_codes k ON k.kb_id = :kb_id AND k.model_id = :model_id AND k.ordinal = c.ordinal
              WHERE c.kb_id = :kb_id AND c.content_hash = ANY (:hashes)
            UNION ALL
            SELECT p.content_hash, p.embedding::text, p.codes FROM pending_embeddings p
              JOIN documents d ON d.id = p.document_id
              WHERE d.kb_id = :kb_id AND p.document_id = :document_id AND p.model_id = :model_id
        """),
        params={
            "kb_id": scope.kb_id,
            "document_id": document_id,
            "model_id": model_id,
            "hashes": list(hashes),
        },
    )
    return {
        bytes(row.content_hash): KnownVector(row.embedding, None if row.codes is None else bytes(row.codes))
        for row in found
    }


async def keep_embeddings(
    session: AsyncSession,
    scope: KbScope,
    *,
    document_id: int,
    model_id: int,
    vectors: dict[bytes, KnownVector],
) -> None:
    """Keep a finished batch, so that a crash does not cost it again; nothing for a deleted document."""
    await run(
        session,
        sa.text("""
            INSERT INTO pending_embeddings (document_id, model_id, content_hash, embedding, codes)
            SELECT d.id, :model_id, v.hash, v.vector::halfvec, v.codes
            FROM documents d,
              unnest(CAST(:hashes AS bytea[]), CAST(:vectors AS text[]), CAST(:codes AS bytea[]))
                AS v(hash, vector, codes)
            WHERE d.id = :document_id AND d.kb_id = :kb_id
            FOR KEY SHARE OF d
            ON CONFLICT DO NOTHING
        """),
        params={
            "kb_id": scope.kb_id,
            "document_id": document_id,
            "model_id": model_id,
            "hashes": list(vectors.keys()),
            "vectors": [known.vector for known in vectors.values()],
            "codes": [known.codes for known in vectors.values()],
        },
    )


@dataclass(frozen=True)
class NewChunk:
    """A draft with its vector, as pgvector reads it, and the text its words are taken from."""

    draft: ChunkDraft
    content_hash: bytes
    vector: str
    words: str
    codes: bytes | None = None


async def swap_contents(
    session: AsyncSession,
    scope: KbScope,
    *,
    document_id: int,
    parsed: ParsedDocument,
    language: str,
    model_id: int,
    new_chunks: Sequence[NewChunk],
    size: ChunkSize,
) -> None:
    """Put new pages and chunks in the place of the old and mark the document ready.

    A chunk that was switched off stays so where its text is the same. All of it becomes visible at once, with the caller's commit.
    """
    params = {"kb_id": scope.kb_id, "document_id": document_id}
    await take_time(session)
    switched_off = await _switched_off(session, scope, document_id=document_id)
    await _delete_chunks(session, scope, document_id=document_id)
    for statement in (
        "DELETE FROM document_pages WHERE document_id = :document_id",
        "DELETE FROM pending_embeddings WHERE document_id = :document_id",
    ):
        await run(session, sa.text(statement), params=params)
    await _copy_pages(session, document_id=document_id, parsed=parsed)
    first = await word_index.take_ordinals(session, scope, document_id=document_id, n=len(new_chunks))
    enabled = [item.content_hash not in switched_off for item in new_chunks]
    await _insert_chunks(
        session, scope, document_id=document_id, first_ordinal=first, chunks=new_chunks, enabled=enabled
    )
    found = list(enumerate(zip(new_chunks, enabled, strict=True), start=first))
    vectors = [(at, item.vector, is_on, item.codes) for at, (item, is_on) in found]
    await add_vectors(session, scope, model_id=model_id, vectors=vectors)
    words = [ChunkWords(at, item.words) for at, (item, is_on) in found if is_on]
    await word_index.add(session, scope, document_id=document_id, language=language, chunks=words)
    await run(
        session,
        sa.text("""
            UPDATE documents SET status = 'ready', error_message = NULL, ready_at = now(), language = :language,
              used_ocr = :used_ocr, media_type = :media_type, n_pages = :n_pages, n_chunks = :n_chunks,
              n_tokens = :n_tokens, chunk_tokens = :chunk_tokens, overlap_tokens = :overlap_tokens
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
            "chunk_tokens": size.tokens,
            "overlap_tokens": size.overlap_tokens,
        },
    )


async def _switched_off(session: AsyncSession, scope: KbScope, *, document_id: int) -> set[bytes]:
    """Hashes of the texts of a document that shall not be found."""
    found = await run(
        session,
        sa.text("""
            SELECT DISTINCT content_hash FROM chunks
            WHERE kb_id = :kb_id AND document_id = :document_id AND NOT enabled
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id},
    )
    return {bytes(row.content_hash) for row in found}


async def _delete_chunks(session: AsyncSession, scope: KbScope, *, document_id: int) -> None:
    """Delete a document's chunks with vectors and words, and lock the word index."""
    await word_index.lock(session, scope)
    params = {"kb_id": scope.kb_id, "document_id": document_id}
    for table in ("chunk_embeddings", "chunk_codes"):
        await run(
            session,
            sa.text(f"""
                DELETE FROM {table} gone USING document_ordinals o
                WHERE o.kb_id = :kb_id AND o.document_id = :document_id AND gone.kb_id = :kb_id
                  AND gone.ordinal >= o.first_ordinal AND gone.ordinal < o.first_ordinal + o.n_chunks
            """),
            params=params,
        )
    await run(
        session,
        sa.text("DELETE FROM chunks WHERE kb_id = :kb_id AND document_id = :document_id"),
        params=params,
    )
    await word_index.forget(session, scope, document_id=document_id)


async def _insert_chunks(
    session: AsyncSession,
    scope: KbScope,
    *,
    document_id: int,
    first_ordinal: int,
    chunks: Sequence[NewChunk],
    enabled: Sequence[bool],
) -> None:
    rows = [
        {
            "ordinal": first_ordinal + position,
            "position": position,
            "content": item.draft.content,
            "heading": " › ".join(item.draft.heading_path),
            "page_first": item.draft.page_first,
            "page_last": item.draft.page_last,
            "char_start": item.draft.char_start,
            "char_end": item.draft.char_end,
            "n_tokens": item.draft.n_tokens,
            "content_hash": item.content_hash,
            "enabled": enabled[position],
        }
        for position, item in enumerate(chunks)
    ]
    types = (
        "ordinal int, position int, content text, heading text, page_first int, page_last int, "
        "char_start int, char_end int, n_tokens int, content_hash bytea, enabled boolean"
    )
    await _insert_rows(session, "chunks", types, rows, {"kb_id": scope.kb_id, "document_id": document_id})


async def add_vectors(
    session: AsyncSession,
    scope: KbScope,
    *,
    model_id: int,
    vectors: Sequence[tuple[int, str, bool, bytes | None]],
) -> None:
    """Store vectors of one model as (ordinal, vector, enabled, codes); searched at once, indexed later."""
    constants = {"kb_id": scope.kb_id, "model_id": model_id}
    rows = [{"ordinal": n, "embedding": vector, "enabled": enabled} for n, vector, enabled, _ in vectors]
    await _insert_rows(
        session, "chunk_embeddings", "ordinal int, embedding halfvec, enabled boolean", rows, constants
    )
    rows = [{"ordinal": n, "codes": codes} for n, _, _, codes in vectors if codes is not None]
    await _insert_rows(session, "chunk_codes", "ordinal int, codes bytea", rows, constants)


async def _insert_rows(
    session: AsyncSession,
    table: str,
    types: str,
    rows: Sequence[dict[str, Any]],
    constants: dict[str, Any],
) -> None:
    """Insert many rows, a thousand a statement: COPY does not exist behind row-level security."""
    typed = [column.split() for column in types.split(", ")]
    names = ", ".join(name for name, _ in typed)
    arrays = ", ".join(f"CAST(:{name} AS {kind if kind != 'halfvec' else 'text'}[])" for name, kind in typed)
    values = ", ".join(f"CAST({name} AS {kind})" if kind == "halfvec" else name for name, kind in typed)
    statement = sa.text(f"""
        INSERT INTO {table} ({", ".join(constants)}, {names})
        SELECT {", ".join(f":{name}" for name in constants)}, {values} FROM unnest({arrays}) AS new({names})
    """)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        columns = {name: [row[name] for row in part] for name, _ in typed}
        await run(session, statement, params=constants | columns)


async def _copy_pages(session: AsyncSession, *, document_id: int, parsed: ParsedDocument) -> None:
    connection = await driver_connection(session)
    statement = "COPY document_pages (document_id, position, number, text) FROM STDIN"
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for position, page in enumerate(parsed.pages):
            await copy.write_row((document_id, position, page.number, page.text))
