"""The queue of jobs, kept by procrastinate in the same database.

A job is added on the caller's own transaction: it exists when, and only when, what it is about does.
"""

import asyncio
from typing import Any, LiteralString

import procrastinate
import sqlalchemy as sa
from procrastinate.exceptions import ConnectorException
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.engine import driver_connection, is_unreachable
from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import KbScope

INGEST = "ingest_document"
SWITCH_EMBEDDINGS = "switch_embeddings"
READ_SOURCE = "read_source"
SOURCES = "sources"  # a queue of its own: reading waits for other servers, and must not delay files
DEFAULT = "default"
RETRY_S = 1.0
MOST_COUNTED = 2_000  # waiting files of an owner; beyond that the order is that of arrival


class PatientConnector(procrastinate.PsycopgConnector):
    """Waits for a database that is away, where giving up would lose what became of a job."""

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """Send a statement that returns nothing: a job's end, its next try, a sign of life."""
        while True:
            try:
                return await super().execute_query_async(query, **arguments)
            except ConnectorException as error:
                if not is_unreachable(error):
                    raise
            await asyncio.sleep(RETRY_S)


def create_queue(dsn: str) -> procrastinate.App:
    """The queue of a database; a worker opens it, others only add to it."""
    connector = PatientConnector(conninfo=dsn, min_size=1, max_size=4)
    return procrastinate.App(connector=connector)


async def add_ingestion(
    queue: procrastinate.App, session: AsyncSession, scope: KbScope, *, job_id: int, document_id: int
) -> None:
    """Add an ingestion within the session's transaction; those of one document run one at a time.

    The more files an owner has waiting, the later the next one's turn: one owner's thousands do not delay
    another one's first.
    """
    waiting = await run(
        session,
        sa.text("""
            SELECT count(*) FROM (
              SELECT 1 FROM knowledge_bases kb JOIN document_processing_jobs j ON j.kb_id = kb.id
              WHERE kb.user_id = :owner_id AND j.status IN ('pending', 'processing') LIMIT :most) waiting
        """),
        params={"owner_id": scope.owner_id, "most": MOST_COUNTED},
    )
    connection = await driver_connection(session)
    deferrer = queue.configure_task(
        INGEST, lock=f"document:{document_id}", priority=-waiting.scalar_one(), connection=connection
    )
    await deferrer.defer_async(job_id=job_id)


async def add_source_run(
    queue: procrastinate.App, session: AsyncSession, *, run_id: int, source_id: int
) -> None:
    """Add a run within the session's transaction; a source is read by one worker at a time.

    The more runs an owner has open, the later the next one's turn.
    """
    open_runs = await run(
        session,
        sa.text("""
            SELECT count(*) FROM sources s JOIN knowledge_bases mine ON mine.id = s.kb_id
            JOIN knowledge_bases kb ON kb.user_id = mine.user_id
            JOIN source_runs r ON r.kb_id = kb.id AND r.status IN ('waiting', 'running')
            WHERE s.id = :source_id
        """),
        params={"source_id": source_id},
    )
    connection = await driver_connection(session)
    deferrer = queue.configure_task(
        READ_SOURCE,
        lock=f"source:{source_id}",
        queue=SOURCES,
        priority=-open_runs.scalar_one(),
        connection=connection,
    )
    await deferrer.defer_async(run_id=run_id)


async def add_embedding_switch(
    queue: procrastinate.App, session: AsyncSession, *, kb_id: int, unless_running: bool = False
) -> None:
    """Add the work on a knowledge base's switch of models; while one waits there is no need of another.

    Args:
        unless_running: nor while one is being done; one that was told something new runs once more.
    """
    lock = f"switch:{kb_id}"
    known = await run(
        session,
        sa.text("""
            SELECT 1 FROM procrastinate_jobs WHERE lock = :lock
            AND (status = 'todo' OR (:unless_running AND status = 'doing'))
        """),
        params={"lock": lock, "unless_running": unless_running},
    )
    if known.first() is not None:
        return
    connection = await driver_connection(session)
    # No queueing lock: a job that is tried again would collide with one that was added meanwhile.
    deferrer = queue.configure_task(SWITCH_EMBEDDINGS, lock=lock, connection=connection)
    await deferrer.defer_async(kb_id=kb_id)
