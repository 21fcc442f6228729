"""Ingestion jobs: what their owner sees, and the fence that keeps a given-up worker out.

The queue itself is procrastinate's; a row here is claimed by raising `attempt`, and everything a
worker writes names the attempt it claimed, so that only the newest one counts.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.queries.access import MAX_INT32
from rag_app.db.statements import run
from rag_app.db.tables import JobRow
from rag_app.domain.knowledge_bases import BatchProgress, Job, JobEvent, KbScope
from rag_app.errors import NotFound

_COLUMNS = """id, kb_id, document_id, file_name, file_size_bytes, file_type, status::text AS status, stage,
  progress_percentage, chunks_total, chunks_processed, attempt, error_message, created_at, started_at, completed_at,
  version"""
OPEN = "status IN ('pending', 'processing')"
SWEEP_LOCK = 0x5261_5377  # any number that nobody else locks


def _job(row: Any) -> Job:
    return Job(**row._mapping)


async def insert(
    session: AsyncSession,
    scope: KbScope,
    *,
    document_id: int,
    file_name: str,
    size_bytes: int,
    file_type: str,
    version: int | None = None,
) -> int:
    """Add a job for a document, or for one version of its file; returns its id."""
    row = JobRow(
        kb_id=scope.kb_id,
        document_id=document_id,
        file_name=file_name,
        file_size_bytes=size_bytes,
        file_type=file_type[:50],
        version=version,
    )
    session.add(row)
    await session.flush()
    assert row.id is not None
    await _note(session, job_id=row.id, kind="queued")
    return row.id


async def get(session: AsyncSession, scope: KbScope, *, job_id: int, lock: bool = False) -> Job:
    """One job.

    Raises:
        NotFound: it is not this knowledge base's.
    """
    if not 0 < job_id <= MAX_INT32:
        raise NotFound("job")
    found = await run(
        session,
        sa.text(f"""
            SELECT {_COLUMNS} FROM document_processing_jobs
            WHERE kb_id = :kb_id AND id = :job_id {"FOR UPDATE" if lock else ""}
        """),
        params={"kb_id": scope.kb_id, "job_id": job_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("job")
    return _job(row)


async def page_of(
    session: AsyncSession, scope: KbScope, *, before: int | None, limit: int, status: str | None = None
) -> list[Job]:
    """Jobs, newest first, older than the id `before`."""
    found = await run(
        session,
        sa.text(f"""
            SELECT {_COLUMNS} FROM document_processing_jobs
            WHERE kb_id = :kb_id AND (CAST(:before AS bigint) IS NULL OR id < :before)
            AND (CAST(:status AS text) IS NULL OR status::text = :status)
            ORDER BY id DESC LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "before": before, "limit": limit, "status": status},
    )
    return [_job(row) for row in found]


async def reopen(session: AsyncSession, scope: KbScope, *, job_id: int) -> None:
    """Make an ended job wait again."""
    await run(
        session,
        sa.text("""
            UPDATE document_processing_jobs SET status = 'pending', stage = 'received', progress_percentage = 0,
              chunks_total = 0, chunks_processed = 0, error_message = NULL, started_at = NULL,
              completed_at = NULL, updated_at = now(), created_at = now()
            WHERE kb_id = :kb_id AND id = :job_id
        """),
        params={"kb_id": scope.kb_id, "job_id": job_id},
    )
    await _note(session, job_id=job_id, kind="asked_again")


async def cancel(session: AsyncSession, scope: KbScope, *, job_id: int) -> bool:
    """Cancel a job that has not ended; raising its attempt stops the worker that has it."""
    done = await run(
        session,
        sa.text(f"""
            UPDATE document_processing_jobs SET status = 'cancelled', attempt = attempt + 1,
              completed_at = now(), updated_at = now(), error_message = NULL
            WHERE kb_id = :kb_id AND id = :job_id AND {OPEN}
        """),
        params={"kb_id": scope.kb_id, "job_id": job_id},
    )
    if done.rowcount == 1:
        await _note(session, job_id=job_id, kind="cancelled")
    return done.rowcount == 1


@dataclass(frozen=True)
class About:
    """What a job is about."""

    job_id: int
    kb_id: int
    document_id: int


async def about(session: AsyncSession, *, job_id: int) -> About | None:
    """What a queued job is about; None when it is gone. Asked by workers only."""
    found = await run(
        session,
        sa.text("SELECT id, kb_id, document_id FROM document_processing_jobs WHERE id = :job_id"),
        params={"job_id": job_id},
    )
    row = found.first()
    return None if row is None or row.document_id is None else About(row.id, row.kb_id, row.document_id)


async def claim(session: AsyncSession, *, job_id: int, was_left: bool = False) -> Job | None:
    """Begin an attempt; None when there is nothing to do any more. Asked by workers only.

    Args:
        was_left: a worker died in the middle of the last attempt.
    """
    claimed = await run(
        session,
        sa.text(f"""
            UPDATE document_processing_jobs SET status = 'processing', stage = 'parsing', attempt = attempt + 1,
              started_at = coalesce(started_at, now()), updated_at = now(), progress_percentage = 1
            WHERE id = :job_id AND {OPEN} AND document_id IS NOT NULL
            RETURNING {_COLUMNS}
        """),
        params={"job_id": job_id},
    )
    row = claimed.first()
    if row is None:
        return None
    await _note(session, job_id=job_id, kind="resumed" if was_left else "begun")
    return _job(row)


async def report(
    session: AsyncSession,
    scope: KbScope,
    *,
    job: Job,
    stage: str,
    percentage: int,
    chunks_total: int = 0,
    chunks_processed: int = 0,
) -> bool:
    """Say how far an attempt is; False when it has been cancelled or given to another worker."""
    done = await run(
        session,
        sa.text("""
            UPDATE document_processing_jobs SET stage = :stage, progress_percentage = :percentage,
              chunks_total = :chunks_total, chunks_processed = :chunks_processed, updated_at = now()
            WHERE kb_id = :kb_id AND id = :job_id AND attempt = :attempt AND status = 'processing'
        """),
        params={
            "kb_id": scope.kb_id,
            "job_id": job.id,
            "attempt": job.attempt,
            "stage": stage,
            "percentage": percentage,
            "chunks_total": chunks_total,
            "chunks_processed": chunks_processed,
        },
    )
    return done.rowcount == 1


async def end(
    session: AsyncSession,
    scope: KbScope,
    *,
    job: Job,
    status: str,
    error_message: str | None = None,
    waits_for: str = "",
    retry_in_s: int | None = None,
) -> bool:
    """End an attempt as completed or failed, or hand it back as pending; False when it lost its turn.

    Args:
        waits_for: why a job that is handed back could not be done, kept for its owner with when it is
            tried again; empty where the worker was told to stop.
    """
    done = await run(
        session,
        sa.text("""
            UPDATE document_processing_jobs SET status = CAST(:status AS document_job_status),
              error_message = :error_message, updated_at = now(),
              stage = CASE :status WHEN 'completed' THEN 'ready' WHEN 'pending' THEN 'received' ELSE stage END,
              progress_percentage = CASE :status WHEN 'completed' THEN 100 WHEN 'pending' THEN 0
                ELSE progress_percentage END,
              chunks_processed = CASE :status WHEN 'completed' THEN chunks_total ELSE chunks_processed END,
              completed_at = CASE WHEN :status IN ('completed', 'failed') THEN now() END
            WHERE kb_id = :kb_id AND id = :job_id AND attempt = :attempt AND status = 'processing'
        """),
        params={
            "kb_id": scope.kb_id,
            "job_id": job.id,
            "attempt": job.attempt,
            "status": status,
            "error_message": error_message,
        },
    )
    if done.rowcount == 1:
        kind = ("waits" if waits_for else "handed_back") if status == "pending" else status
        about = {"reason": error_message or waits_for, "retry_in_s": retry_in_s}
        await _note(session, job_id=job.id, kind=kind, **about)
    return done.rowcount == 1


async def _note(
    session: AsyncSession, *, job_id: int, kind: str, reason: str = "", retry_in_s: int | None = None
) -> None:
    await run(
        session,
        sa.text("""
            INSERT INTO job_events (job_id, attempt, kind, reason, retry_in_s)
            SELECT id, attempt, :kind, :reason, :retry_in_s FROM document_processing_jobs WHERE id = :job_id
        """).bindparams(sa.bindparam("retry_in_s", type_=sa.Integer)),
        params={"job_id": job_id, "kind": kind, "reason": reason, "retry_in_s": retry_in_s},
    )


async def events(
    session: AsyncSession, scope: KbScope, *, document_id: int, limit: int = 100
) -> list[JobEvent]:
    """What was tried with a document, newest first."""
    found = await run(
        session,
        sa.text("""
            SELECT e.job_id, e.attempt, e.kind, e.reason, e.retry_in_s, e.at
            FROM job_events e JOIN document_processing_jobs j ON j.id = e.job_id
            WHERE j.kb_id = :kb_id AND j.document_id = :document_id ORDER BY e.id DESC LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id, "limit": limit},
    )
    return [JobEvent(**row._mapping) for row in found]


async def batch_progress(session: AsyncSession, scope: KbScope) -> BatchProgress:
    """How far the files are that were waiting or running together; remaining time from their own pace."""
    found = await run(
        session,
        sa.text(f"""
            WITH open AS (
              SELECT min(created_at) AS since FROM document_processing_jobs WHERE kb_id = :kb_id AND {OPEN}
            ), batch AS (
              SELECT j.* FROM document_processing_jobs j, open
              WHERE j.kb_id = :kb_id AND (j.created_at >= open.since
                OR j.completed_at >= open.since) AND j.status <> 'cancelled'
            )
            SELECT count(*) AS total, count(*) FILTER (WHERE status IN ('completed', 'failed')) AS done,
              count(*) FILTER (WHERE status = 'failed') AS failed,
              coalesce(sum(greatest(file_size_bytes, 1)), 0)::float8 AS bytes_total,
              coalesce(sum(greatest(file_size_bytes, 1) * CASE WHEN status IN ('completed', 'failed') THEN 1.0
                ELSE progress_percentage / 100.0 END), 0)::float8 AS bytes_done,
              extract(epoch FROM now() - min(started_at))::float8 AS running_s
            FROM batch
        """),
        params={"kb_id": scope.kb_id},
    )
    row = found.one()
    if row.total == 0:
        return BatchProgress()
    share = row.bytes_done / row.bytes_total
    remaining = None
    if row.running_s is not None and share > 0.02:  # below that the pace is a guess
        remaining = max(1, round(row.running_s * (1 - share) / share))
    return BatchProgress(row.total, row.done, row.failed, min(99, int(share * 100)), remaining)


async def may_sweep(session: AsyncSession) -> bool:
    """Whether this transaction is the one that sweeps; there is one at a time."""
    got = await run(session, sa.text("SELECT pg_try_advisory_xact_lock(:key)"), params={"key": SWEEP_LOCK})
    return got.scalar_one()


async def release_stalled(session: AsyncSession, *, stalled_after_s: float) -> int:
    """Make what dead workers had in hand wait again; returns how many ingestions and readings of sources.

    A crash is counted on the queue's row, which lasts until the job ends or is asked for anew.
    Other tasks come again by themselves.
    """
    params = {"stalled_after_s": stalled_after_s}
    stalled = """
        j.status = 'doing' AND NOT EXISTS (
          SELECT 1 FROM procrastinate_workers w
          WHERE w.id = j.worker_id AND w.last_heartbeat > now() - make_interval(secs => :stalled_after_s))
    """
    released = await run(
        session,
        sa.text(f"""
            UPDATE procrastinate_jobs j SET status = 'todo', worker_id = NULL, scheduled_at = NULL,
              args = args || jsonb_build_object('n_crashes', coalesce((args->>'n_crashes')::int, 0) + 1)
            WHERE {stalled} AND j.task_name IN ('ingest_document', 'read_source')
        """),
        params=params,
    )
    await run(
        session,
        sa.text(
            f"DELETE FROM procrastinate_jobs j WHERE {stalled} "
            "AND j.task_name NOT IN ('ingest_document', 'read_source')"
        ),
        params=params,
    )
    return released.rowcount


async def open_without_worker(session: AsyncSession) -> list[About]:
    """Open jobs the queue has forgotten: asked by the sweep only."""
    found = await run(
        session,
        sa.text(f"""
            SELECT j.id, j.kb_id, j.document_id FROM document_processing_jobs j
            WHERE {OPEN} AND j.document_id IS NOT NULL AND j.updated_at < now() - interval '60 seconds'
            AND NOT EXISTS (
              SELECT 1 FROM procrastinate_jobs p
              WHERE p.task_name = 'ingest_document' AND p.status IN ('todo', 'doing')
              AND (p.args->>'job_id')::bigint = j.id)
            LIMIT 500
        """),
    )
    return [About(row.id, row.kb_id, row.document_id) for row in found]
