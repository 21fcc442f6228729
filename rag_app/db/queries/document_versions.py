"""Versions of a document's file; a document that never had another file has no rows here."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.document_versions import DocumentVersion
from rag_app.domain.knowledge_bases import KbScope
from rag_app.errors import NotFound

# The document itself stands for its only version, as long as it has no other.
_VERSIONS = """
WITH there AS (
  SELECT v.document_id, v.number, v.name, v.size_bytes, v.sha256, v.created_at
  FROM document_versions v JOIN documents d ON d.id = v.document_id
  WHERE d.kb_id = :kb_id AND d.id = :document_id
), only_one AS (
  SELECT d.id, d.version, d.name, d.size_bytes, d.sha256, d.created_at FROM documents d
  WHERE d.kb_id = :kb_id AND d.id = :document_id AND NOT EXISTS (SELECT 1 FROM there)
)
SELECT v.document_id, v.number, v.name, v.size_bytes, trim(v.sha256) AS sha256, v.created_at,
       CASE WHEN v.number = d.version AND d.ready_at IS NOT NULL THEN 'current'
            WHEN j.status = 'pending' THEN 'waiting' WHEN j.status = 'processing' THEN 'reading'
            WHEN j.status = 'failed' THEN 'failed' WHEN j.status = 'cancelled' THEN 'cancelled'
            ELSE 'earlier' END AS state,
       CASE WHEN j.status = 'failed' THEN j.error_message END AS error_message
FROM (SELECT * FROM there UNION ALL SELECT * FROM only_one) v
JOIN documents d ON d.id = v.document_id
LEFT JOIN LATERAL (
  SELECT status::text, error_message FROM document_processing_jobs
  WHERE document_id = d.id AND coalesce(version, d.version) = v.number ORDER BY id DESC LIMIT 1) j ON true
"""


async def all_of(session: AsyncSession, scope: KbScope, *, document_id: int) -> list[DocumentVersion]:
    """All versions, the newest first."""
    found = await run(
        session,
        sa.text(f"{_VERSIONS} ORDER BY v.number DESC"),
        params={"kb_id": scope.kb_id, "document_id": document_id},
    )
    return [DocumentVersion(**row._mapping) for row in found]


async def get(session: AsyncSession, scope: KbScope, *, document_id: int, number: int) -> DocumentVersion:
    """One version. Raises NotFound."""
    found = await run(
        session,
        sa.text(f"{_VERSIONS} WHERE v.number = :number"),
        params={"kb_id": scope.kb_id, "document_id": document_id, "number": number},
    )
    row = found.first()
    if row is None:
        raise NotFound("version")
    return DocumentVersion(**row._mapping)


async def add(
    session: AsyncSession, scope: KbScope, *, document_id: int, name: str, size_bytes: int, sha256: str
) -> int:
    """Add a version, or find the one with the same bytes; returns its number. The document must be locked."""
    params = {"kb_id": scope.kb_id, "document_id": document_id}
    await run(
        session,
        sa.text("""
            INSERT INTO document_versions (document_id, number, sha256, name, size_bytes, created_at)
            SELECT id, version, sha256, name, size_bytes, created_at FROM documents
            WHERE kb_id = :kb_id AND id = :document_id ON CONFLICT DO NOTHING
        """),
        params=params,
    )
    added = await run(
        session,
        sa.text("""
            INSERT INTO document_versions (document_id, number, sha256, name, size_bytes)
            SELECT d.id, (SELECT max(number) + 1 FROM document_versions WHERE document_id = d.id),
                   :sha256, :name, :size_bytes
            FROM documents d WHERE d.kb_id = :kb_id AND d.id = :document_id
            ON CONFLICT (document_id, sha256) DO UPDATE SET name = excluded.name
            RETURNING number
        """),
        params=params | {"sha256": sha256, "name": name, "size_bytes": size_bytes},
    )
    return added.scalar_one()


async def make_current(session: AsyncSession, scope: KbScope, *, version: DocumentVersion) -> bool:
    """Let a document have a version's file; False when another document of the knowledge base has it."""
    params = {
        "kb_id": scope.kb_id,
        "document_id": version.document_id,
        "number": version.number,
        "name": version.name,
        "size_bytes": version.size_bytes,
        "sha256": version.sha256,
    }
    changed = await run(
        session,
        sa.text("""
            UPDATE documents d SET version = :number, name = :name, size_bytes = :size_bytes, sha256 = :sha256
            WHERE d.kb_id = :kb_id AND d.id = :document_id AND NOT EXISTS (
              SELECT 1 FROM documents o WHERE o.kb_id = :kb_id AND o.sha256 = :sha256 AND o.id <> d.id)
        """),
        params=params,
    )
    return changed.rowcount == 1


async def hashes(session: AsyncSession, scope: KbScope, *, document_id: int) -> list[str]:
    """The files of all versions."""
    return [each.sha256 for each in await all_of(session, scope, document_id=document_id)]


async def unneeded(session: AsyncSession, sha256s: Collection[str]) -> list[str]:
    """Those files that no document and no version has any more."""
    found = await run(
        session,
        sa.text("""
            SELECT f.sha256 FROM unnest(CAST(:sha256s AS text[])) AS f(sha256)
            WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE d.sha256 = f.sha256)
            AND NOT EXISTS (SELECT 1 FROM document_versions v WHERE v.sha256 = f.sha256)
        """),
        params={"sha256s": list(sha256s)},
    )
    return [row.sha256 for row in found]


async def newest_with_name(session: AsyncSession, scope: KbScope, *, name: str) -> int | None:
    """The newest uploaded document of exactly this name."""
    found = await run(
        session,
        sa.text("""
            SELECT id FROM documents WHERE kb_id = :kb_id AND source = 'document' AND name = :name
            ORDER BY id DESC LIMIT 1
        """),
        params={"kb_id": scope.kb_id, "name": name},
    )
    return found.scalar_one_or_none()


async def names_there(session: AsyncSession, scope: KbScope, *, names: Collection[str]) -> list[str]:
    """Which of these names uploaded documents have already."""
    found = await run(
        session,
        sa.text("""
            SELECT DISTINCT name FROM documents
            WHERE kb_id = :kb_id AND source = 'document' AND name = ANY (CAST(:names AS text[])) ORDER BY name
        """),
        params={"kb_id": scope.kb_id, "names": list(names)},
    )
    return [row.name for row in found]
