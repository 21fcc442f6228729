"""A knowledge base on its way to another embedding model; the old vectors serve until all new ones are there."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.embedding_models import StoredModel
from rag_app.domain.knowledge_bases import KbScope


@dataclass(frozen=True)
class SwitchRow:
    """Which model the vectors are for, which one is next, and how many of the chunks have its vectors."""

    model: StoredModel
    next_model: StoredModel | None
    n_done: int
    n_total: int
    problem: str
    n_tokens: int = 0


@dataclass(frozen=True)
class TextToEmbed:
    """A chunk that has no vector of the next model yet."""

    ordinal: int
    content_hash: bytes
    text: str
    enabled: bool


async def model(session: AsyncSession, *, name: str) -> StoredModel | None:
    """The model of a name, None where the database has no room for it."""
    found = await run(
        session, sa.text("SELECT id, name FROM embedding_models WHERE name = :name"), params={"name": name}
    )
    row = found.first()
    return StoredModel(row.id, row.name) if row else None


async def get(session: AsyncSession, scope: KbScope) -> SwitchRow:
    """How far the switch is; nothing is done when there is none."""
    found = await run(
        session,
        sa.text("""
            SELECT m.id, m.name, next.id AS next_id, next.name AS next_name, kb.embedding_problem AS problem,
                   (SELECT count(*) FROM chunk_embeddings e
                    WHERE e.kb_id = kb.id AND e.model_id = kb.next_embedding_model_id) AS n_done,
                   d.n_total, d.n_tokens
            FROM knowledge_bases kb JOIN embedding_models m ON m.id = kb.embedding_model_id
            LEFT JOIN embedding_models next ON next.id = kb.next_embedding_model_id
            CROSS JOIN LATERAL (
              SELECT coalesce(sum(n_chunks), 0) AS n_total, coalesce(sum(n_tokens), 0) AS n_tokens
              FROM documents WHERE kb_id = kb.id) d
            WHERE kb.id = :kb_id
        """),
        params={"kb_id": scope.kb_id},
    )
    row = found.one()
    next_model = StoredModel(row.next_id, row.next_name) if row.next_id is not None else None
    return SwitchRow(
        StoredModel(row.id, row.name),
        next_model,
        row.n_done,
        int(row.n_total),
        row.problem,
        int(row.n_tokens),
    )


async def begin(session: AsyncSession, scope: KbScope, *, model_id: int | None, problem: str = "") -> None:
    """Name the next model, or none: then the switch is off, and `problem` may say why."""
    await run(
        session,
        sa.text("""
            UPDATE knowledge_bases SET next_embedding_model_id = :model_id, embedding_problem = :problem
            WHERE id = :kb_id
        """).bindparams(sa.bindparam("model_id", type_=sa.SmallInteger)),
        params={"kb_id": scope.kb_id, "model_id": model_id, "problem": problem},
    )


async def set_problem(session: AsyncSession, scope: KbScope, *, problem: str) -> None:
    """Say why a switch does not get on; nothing when it does."""
    await run(
        session,
        sa.text("UPDATE knowledge_bases SET embedding_problem = :problem WHERE id = :kb_id"),
        params={"kb_id": scope.kb_id, "problem": problem},
    )


async def missing(
    session: AsyncSession, scope: KbScope, *, model_id: int, after: int, limit: int
) -> list[TextToEmbed]:
    """Chunks beyond an ordinal that have no vector of a model, in order of ordinal."""
    found = await run(
        session,
        sa.text("""
            SELECT ordinal, content_hash, enabled,
              CASE WHEN heading = '' THEN content ELSE heading || E'\\n' || content END AS text
            FROM chunks c WHERE kb_id = :kb_id AND ordinal > :after AND NOT EXISTS (
              SELECT 1 FROM chunk_embeddings e
              WHERE e.kb_id = :kb_id AND e.model_id = :model_id AND e.ordinal = c.ordinal)
            ORDER BY ordinal LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "model_id": model_id, "after": after, "limit": limit},
    )
    return [TextToEmbed(row.ordinal, bytes(row.content_hash), row.text, row.enabled) for row in found]


async def still_missing(
    session: AsyncSession, scope: KbScope, *, model_id: int, ordinals: list[int]
) -> dict[tuple[int, bytes], bool]:
    """Which chunks are still there without a vector of a model, as ordinal and hash; whether each is enabled."""
    found = await run(
        session,
        sa.text("""
            SELECT ordinal, content_hash, enabled FROM chunks c WHERE kb_id = :kb_id AND ordinal = ANY (:ordinals)
              AND NOT EXISTS (SELECT 1 FROM chunk_embeddings e
                WHERE e.kb_id = :kb_id AND e.model_id = :model_id AND e.ordinal = c.ordinal)
        """),
        params={"kb_id": scope.kb_id, "model_id": model_id, "ordinals": ordinals},
    )
    return {(row.ordinal, bytes(row.content_hash)): row.enabled for row in found}


async def finish(session: AsyncSession, scope: KbScope, *, model_id: int, is_indexed: bool) -> None:
    """Search by the next model from the commit on."""
    params = {"kb_id": scope.kb_id, "model_id": model_id, "is_indexed": is_indexed}
    for statement in (
        """UPDATE knowledge_bases SET embedding_model_id = :model_id, next_embedding_model_id = NULL,
             embedding_problem = '' WHERE id = :kb_id""",
        "UPDATE kb_search SET has_indexed_vectors = :is_indexed WHERE kb_id = :kb_id",
    ):
        await run(session, sa.text(statement), params=params)


async def delete_others(session: AsyncSession, scope: KbScope, *, keep: list[int], limit: int) -> int:
    """Delete some vectors of models that serve no more; returns how many."""
    params = {"kb_id": scope.kb_id, "keep": keep, "limit": limit}
    gone = await run(
        session,
        sa.text("""
            DELETE FROM chunk_embeddings e USING (
              SELECT model_id, ordinal FROM chunk_embeddings
              WHERE kb_id = :kb_id AND NOT model_id = ANY (:keep) LIMIT :limit) old
            WHERE e.kb_id = :kb_id AND e.model_id = old.model_id AND e.ordinal = old.ordinal
        """),
        params=params,
    )
    await run(
        session,
        sa.text("DELETE FROM chunk_codes WHERE kb_id = :kb_id AND NOT model_id = ANY (:keep)"),
        params=params,
    )
    return gone.rowcount


async def under_way(session: AsyncSession) -> list[int]:
    """Ids of knowledge bases with a switch under way; asked by the worker only."""
    found = await run(
        session,
        sa.text("SELECT id FROM knowledge_bases WHERE next_embedding_model_id IS NOT NULL ORDER BY id"),
    )
    return [row.id for row in found]
