"""The queue of jobs, kept by procrastinate in the same database.

A job is added on the caller's own transaction: it exists when, and only when, what it is about does.
"""

from typing import Any

import procrastinate
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.engine import driver_connection

INGEST = "ingest_document"


def create_queue(dsn: str) -> procrastinate.App:
    """The queue of a database; a worker opens it, others only add to it."""
    connector = procrastinate.PsycopgConnector(conninfo=dsn, min_size=1, max_size=4)
    return procrastinate.App(connector=connector)


async def add(
    queue: procrastinate.App, session: AsyncSession, *, task: str, lock: str, **arguments: Any
) -> int:
    """Add a job within the session's transaction; jobs with the same lock run one at a time."""
    connection = await driver_connection(session)
    deferrer = queue.configure_task(task, lock=lock, connection=connection)
    return await deferrer.defer_async(**arguments)
