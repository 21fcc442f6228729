"""Which vectors are in the approximate index: those of large knowledge bases only.

Comparing ten thousand vectors one by one takes four milliseconds of processor time and misses none, so a small knowledge
base needs no index, and does not slow down those that do. New vectors of a large one wait outside the
index, found like all others, until the worker adds them: an import does not crawl because of it.
"""

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import KbScope

INDEX_FROM = 15_000  # vectors of a knowledge base
WAITING = 2_000  # vectors outside the index of a large knowledge base, from which on they are added


async def large_kbs(session: AsyncSession) -> list[int]:
    """Ids of knowledge bases large enough for the index; asked by the worker only."""
    found = await run(
        session,
        sa.text("""
            SELECT kb_id FROM documents GROUP BY kb_id HAVING sum(n_chunks) >= :index_from ORDER BY kb_id
        """),
        params={"index_from": INDEX_FROM},
    )
    return [row.kb_id for row in found]


async def n_waiting(session: AsyncSession, scope: KbScope, *, model_id: int) -> int:
    """How many vectors are outside the index."""
    found = await run(
        session,
        sa.text("""
            SELECT count(*) FROM chunk_embeddings
            WHERE kb_id = :kb_id AND model_id = :model_id AND NOT indexed AND enabled
        """),
        params={"kb_id": scope.kb_id, "model_id": model_id},
    )
    return found.scalar_one()


async def is_any_indexed(session: AsyncSession, scope: KbScope, *, model_id: int) -> bool:
    """Whether the index has vectors of a model."""
    found = await run(
        session,
        sa.text("""
            SELECT EXISTS (SELECT 1 FROM chunk_embeddings
              WHERE kb_id = :kb_id AND model_id = :model_id AND indexed) AS is_any
        """),
        params={"kb_id": scope.kb_id, "model_id": model_id},
    )
    return found.scalar_one()


async def begin(session: AsyncSession, scope: KbScope) -> None:
    """Let searches look into the index from now on."""
    await run(
        session,
        sa.text("UPDATE kb_search SET has_indexed_vectors = true WHERE kb_id = :kb_id"),
        params={"kb_id": scope.kb_id},
    )


async def add(session: AsyncSession, scope: KbScope, *, model_id: int, limit: int) -> int:
    """Put some of the waiting vectors into the index; returns how many."""
    moved = await run(
        session,
        sa.text("""
            WITH next AS (
              SELECT ordinal FROM chunk_embeddings
              WHERE kb_id = :kb_id AND model_id = :model_id AND NOT indexed AND enabled
              LIMIT :limit FOR UPDATE SKIP LOCKED
            )
            UPDATE chunk_embeddings e SET indexed = true FROM next
            WHERE e.kb_id = :kb_id AND e.model_id = :model_id AND e.ordinal = next.ordinal
        """),
        params={"kb_id": scope.kb_id, "model_id": model_id, "limit": limit},
    )
    return moved.rowcount


async def refresh_statistics(session: AsyncSession, scope: KbScope) -> None:
    """Let the planner know of what was just added, rather than when it finds the time."""
    found = await run(
        session,
        sa.text("SELECT tableoid::regclass::text AS name FROM chunk_embeddings WHERE kb_id = :kb_id LIMIT 1"),
        params={"kb_id": scope.kb_id},
    )
    row = found.first()
    if row is not None:
        await run(session, sa.text(f"ANALYZE {row.name}"))
