"""Knowledge bases and their public links."""

import secrets
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.db.tables import KnowledgeBaseRow
from rag_app.domain.knowledge_bases import KbScope, KnowledgeBase, ShareLink
from rag_app.domain.models import ModelChoice
from rag_app.domain.rag_config import RagConfig
from rag_app.errors import NotFound

SLUG_BYTES = 16  # 128 bit
OWN_COLUMNS = {"semantic_search_threshold", "semantic_search_max_results"}  # the other knobs are JSON

_COUNTED = """
SELECT kb.*, m.name AS embedding_model, m.dimensions AS embedding_dimensions, coalesce(s.has_indexed_vectors, false) AS has_indexed_vectors,
       coalesce(s.next_ordinal, 0) AS n_ordinals,
       coalesce(d.n_documents, 0) AS n_documents, coalesce(d.n_entries, 0) AS n_entries,
       coalesce(d.n_ready, 0) AS n_ready,
       coalesce(d.n_failed, 0) AS n_failed, coalesce(d.n_working, 0) AS n_working,
       coalesce(d.n_chunks, 0) AS n_chunks,
       (SELECT count(*) FROM conversations c WHERE c.kb_id = kb.id AND c.end_user_id IS NOT NULL)
         AS n_conversations
FROM knowledge_bases kb JOIN embedding_models m ON m.id = kb.embedding_model_id
LEFT JOIN kb_search s ON s.kb_id = kb.id
LEFT JOIN LATERAL (
  SELECT count(*) FILTER (WHERE source = 'document') AS n_documents,
         count(*) FILTER (WHERE source = 'faq') AS n_entries,
         count(*) FILTER (WHERE status = 'ready') AS n_ready,
         count(*) FILTER (WHERE status = 'failed') AS n_failed,
         count(*) FILTER (WHERE status IN ('received', 'parsing', 'embedding')) AS n_working,
         sum(n_chunks) AS n_chunks
  FROM documents WHERE kb_id = kb.id) d ON true
"""
_UNCOUNTED = """
SELECT kb.*, m.name AS embedding_model, m.dimensions AS embedding_dimensions, coalesce(s.has_indexed_vectors, false) AS has_indexed_vectors,
       coalesce(s.next_ordinal, 0) AS n_ordinals,
       0 AS n_documents, 0 AS n_entries, 0 AS n_ready, 0 AS n_failed, 0 AS n_working,
       0 AS n_chunks, 0 AS n_conversations
FROM knowledge_bases kb JOIN embedding_models m ON m.id = kb.embedding_model_id
LEFT JOIN kb_search s ON s.kb_id = kb.id
"""


def _knowledge_base(row: Any) -> KnowledgeBase:
    return KnowledgeBase(
        id=row.id,
        owner_id=row.user_id,
        name=row.name,
        description=row.description or "",
        llm_provider=row.llm_provider,
        llm_model=row.llm_model,
        system_prompt=row.system_prompt,
        temperature=float(row.temperature),
        max_tokens=row.max_tokens,
        is_public=row.is_public,
        share_slug=row.share_url if row.is_public else None,
        is_active=row.is_active,
        embedding_model=row.embedding_model,
        embedding_model_id=row.embedding_model_id,
        embedding_dimensions=row.embedding_dimensions,
        created_at=row.created_at,
        updated_at=row.updated_at,
        n_documents=row.n_documents,
        n_entries=row.n_entries,
        n_ready=row.n_ready,
        n_failed=row.n_failed,
        n_working=row.n_working,
        n_chunks=int(row.n_chunks),
        n_conversations=row.n_conversations,
        has_indexed_vectors=row.has_indexed_vectors,
        n_ordinals=row.n_ordinals,
        llm_fallbacks=tuple(ModelChoice(each["provider"], each["model"]) for each in row.llm_fallbacks),
        monthly_budget_usd=None if row.monthly_budget_usd is None else float(row.monthly_budget_usd),
        answer_language=row.answer_language,
        rag_config=_rag_config(row),
    )


def _rag_config(row: Any) -> RagConfig:
    """The configuration as stored; a value that is unknown or out of bounds today gives way to the default."""
    stored = row.rag_config if isinstance(row.rag_config, Mapping) else {}
    values = {name: stored[name] for name in RagConfig.model_fields if name in stored}
    values["semantic_search_threshold"] = float(row.semantic_search_threshold)
    values["semantic_search_max_results"] = row.semantic_search_max_results
    try:
        return RagConfig.model_validate(values)
    except ValidationError as error:
        unfit = {str(each["loc"][0]) for each in error.errors()}
        return RagConfig.model_validate({name: values[name] for name in values.keys() - unfit})


async def insert(session: AsyncSession, *, owner_id: int, embedding_model: str, **columns: Any) -> int:
    """Add a knowledge base; returns its id."""
    model_id = (
        await run(
            session,
            sa.text("SELECT id FROM embedding_models WHERE name = :name"),
            params={"name": embedding_model},
        )
    ).scalar_one()
    row = KnowledgeBaseRow(user_id=owner_id, embedding_model_id=model_id, **columns)
    session.add(row)
    await session.flush()
    assert row.id is not None
    return row.id


async def get(session: AsyncSession, scope: KbScope, *, counted: bool = True) -> KnowledgeBase:
    """One knowledge base; its counts are 0 unless `counted`, which reads a row of each document.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    select = _COUNTED if counted else _UNCOUNTED
    found = await run(session, sa.text(f"{select} WHERE kb.id = :kb_id"), params={"kb_id": scope.kb_id})
    row = found.first()
    if row is None:
        raise NotFound("knowledge base")
    return _knowledge_base(row)


async def lock(session: AsyncSession, scope: KbScope) -> None:
    """Hold a knowledge base until the transaction ends, so that changes at once take turns.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    held = await run(
        session,
        sa.text("SELECT 1 FROM knowledge_bases WHERE id = :kb_id FOR NO KEY UPDATE"),
        params={"kb_id": scope.kb_id},
    )
    if held.first() is None:
        raise NotFound("knowledge base")


async def of_owner(
    session: AsyncSession,
    *,
    owner_id: int,
    include_archived: bool = True,
    before: int | None = None,
    limit: int,
) -> list[KnowledgeBase]:
    """An owner's knowledge bases, newest first, older than the id `before`."""
    found = await run(
        session,
        sa.text(f"""
            {_COUNTED} WHERE kb.user_id = :owner_id AND (kb.is_active OR :include_archived)
            AND (CAST(:before AS integer) IS NULL OR kb.id < :before)
            ORDER BY kb.id DESC LIMIT :limit
        """),
        params={
            "owner_id": owner_id,
            "include_archived": include_archived,
            "before": before,
            "limit": limit,
        },
    )
    return [_knowledge_base(row) for row in found]


async def update(session: AsyncSession, scope: KbScope, **columns: Any) -> None:
    """Change some columns."""
    await run(
        session,
        sa.update(KnowledgeBaseRow)
        .where(sa.text("id = :kb_id").bindparams(kb_id=scope.kb_id))
        .values(**columns),
    )


async def set_rag_config(session: AsyncSession, scope: KbScope, config: RagConfig) -> None:
    """Keep how it is searched; of the knobs in JSON only those that are not as recommended.

    What nobody has set so follows our recommendation when it changes.
    """
    own = config.model_dump(include=OWN_COLUMNS)
    await update(
        session, scope, rag_config=config.model_dump(exclude=OWN_COLUMNS, exclude_defaults=True), **own
    )


async def delete(session: AsyncSession, scope: KbScope) -> list[str]:
    """Delete a knowledge base with all it holds; returns the hashes of files nobody needs any more."""
    params = {"kb_id": scope.kb_id}
    orphans = await run(
        session,
        sa.text("""
            WITH files AS (
              SELECT d.kb_id, d.sha256 FROM documents d
              UNION SELECT d.kb_id, v.sha256 FROM document_versions v JOIN documents d ON d.id = v.document_id)
            SELECT DISTINCT f.sha256 FROM files f WHERE f.kb_id = :kb_id AND NOT EXISTS (
              SELECT 1 FROM files other WHERE other.sha256 = f.sha256 AND other.kb_id <> f.kb_id)
        """),
        params=params,
    )
    hashes = [row.sha256 for row in orphans]
    for statement in (
        # What was spent stays, under the name the knowledge base had last.
        """UPDATE llm_usage u SET kb_name = kb.name FROM knowledge_bases kb
           WHERE kb.id = :kb_id AND u.kb_id = kb.id AND u.kb_name <> kb.name""",
        # Before what it holds, for it waits until an ingestion that is about to commit has added its chunks.
        "DELETE FROM knowledge_bases WHERE id = :kb_id",
        "DELETE FROM chunks WHERE kb_id = :kb_id",
        "DELETE FROM chunk_embeddings WHERE kb_id = :kb_id",
        "DELETE FROM chunk_codes WHERE kb_id = :kb_id",
        "DELETE FROM chunk_postings WHERE kb_id = :kb_id",
    ):
        await run(session, sa.text(statement), params=params)
    return hashes


async def active_link(session: AsyncSession, scope: KbScope) -> ShareLink | None:
    """The public link, None when there is none."""
    found = await run(
        session,
        sa.text(
            "SELECT id, kb_id, slug, is_active, created_at FROM share_links WHERE kb_id = :kb_id AND is_active"
        ),
        params={"kb_id": scope.kb_id},
    )
    row = found.first()
    return None if row is None else ShareLink(row.id, row.kb_id, row.slug, row.is_active, row.created_at)


async def replace_link(session: AsyncSession, scope: KbScope) -> ShareLink:
    """End the public link and make a new one; the old address is dead from the commit on."""
    await end_link(session, scope)
    slug = secrets.token_urlsafe(SLUG_BYTES)
    await run(
        session,
        sa.text("INSERT INTO share_links (kb_id, slug) VALUES (:kb_id, :slug)"),
        params={"kb_id": scope.kb_id, "slug": slug},
    )
    await run(
        session,
        sa.text("UPDATE knowledge_bases SET is_public = true, share_url = :slug WHERE id = :kb_id"),
        params={"kb_id": scope.kb_id, "slug": slug},
    )
    link = await active_link(session, scope)
    assert link is not None
    return link


async def end_link(session: AsyncSession, scope: KbScope) -> None:
    """End the public link, if there is one."""
    await lock(session, scope)  # there is one active link at most
    await run(
        session,
        sa.text("""
            UPDATE share_links SET is_active = false, ended_at = now() WHERE kb_id = :kb_id AND is_active
        """),
        params={"kb_id": scope.kb_id},
    )
    await run(
        session,
        sa.text("UPDATE knowledge_bases SET is_public = false, share_url = NULL WHERE id = :kb_id"),
        params={"kb_id": scope.kb_id},
    )
