"""The state of the installation itself."""

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run


async def version(session: AsyncSession) -> str:
    """The database's version."""
    return (await run(session, sa.text("SHOW server_version"))).scalar_one()


async def live_workers(session: AsyncSession) -> int:
    """Workers that gave a sign of life within the last minute."""
    found = await run(
        session,
        sa.text(
            "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '60 seconds'"
        ),
    )
    return found.scalar_one()


async def is_file_needed(session: AsyncSession, *, sha256: str) -> bool:
    """Whether any document has or had these bytes; asked by the clean-up only."""
    found = await run(
        session,
        sa.text("""
            SELECT 1 FROM documents WHERE sha256 = :sha256
            UNION ALL SELECT 1 FROM document_versions WHERE sha256 = :sha256 LIMIT 1
        """),
        params={"sha256": sha256},
    )
    return found.first() is not None


async def forget_old(session: AsyncSession) -> None:
    """Remove what has served its time: ended sign-ins, answered requests, parts of given-up files."""
    for statement in (
        "DELETE FROM sign_ins WHERE coalesce(ended_at, expires_at) < now() - interval '30 days'",
        "DELETE FROM idempotent_requests WHERE created_at < now() - interval '48 hours'",
        "DELETE FROM pending_embeddings p WHERE NOT EXISTS (SELECT 1 FROM document_processing_jobs j "
        "WHERE j.document_id = p.document_id AND j.status IN ('pending', 'processing'))",
        "DELETE FROM conversations c WHERE created_at < now() - interval '1 day' AND NOT EXISTS "
        "(SELECT 1 FROM messages m WHERE m.conversation_id = c.id)",
        "DELETE FROM job_events WHERE at < now() - interval '90 days'",
        "DELETE FROM unanswered_questions WHERE asked_at < now() - interval '90 days'",
        "DELETE FROM source_events WHERE created_at < now() - interval '90 days'",
        "DELETE FROM source_runs r WHERE completed_at < now() - interval '90 days' AND EXISTS "
        "(SELECT 1 FROM source_runs newer WHERE newer.source_id = r.source_id AND newer.id > r.id)",
        "DELETE FROM usage_counters WHERE period_start < now() - "
        "CASE WHEN scope = 'link' THEN interval '40 days' ELSE interval '400 days' END",
        "DELETE FROM procrastinate_jobs WHERE status IN ('failed', 'cancelled', 'aborted') AND NOT EXISTS "
        "(SELECT 1 FROM procrastinate_events e WHERE e.job_id = procrastinate_jobs.id "
        "AND e.at > now() - interval '7 days')",
    ):
        await run(session, sa.text(statement))
