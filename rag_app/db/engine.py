"""Connections and transactions.

async with sessions.begin() as session:   # one transaction, committed at the end
    ...
"""

from typing import Any

import psycopg
import sqlalchemy as sa
import sqlalchemy.exc
from procrastinate.exceptions import ConnectorException
from psycopg import AsyncConnection
from psycopg.errors import ForeignKeyViolation
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.errors import NotFound, RagAppError, StorageFull, TransientError

Sessions = async_sessionmaker[AsyncSession]

# Search settings belong to the connection: setting them per query would cost a second round trip.
# iterative_scan: without it a filtered search silently returns too few rows (pgvector 0.8 README).
# force_custom_plan: a generic plan cannot use the partial index of one embedding model.
CONNECTION_OPTIONS = " ".join(
    f"-c {setting}"
    for setting in (
        "hnsw.iterative_scan=relaxed_order",
        "hnsw.ef_search=100",
        "plan_cache_mode=force_custom_plan",
        "timezone=UTC",
        "idle_in_transaction_session_timeout=60s",
        "statement_timeout=60s",
    )
)
# What a foreign key's column leads to, in words.
_PARENTS = {"kb_id": "knowledge base", "document_id": "document", "conversation_id": "conversation"}
POOL_TIMEOUT_S = 3  # an unreachable database is said so, not waited for
CONNECT_TIMEOUT_S = 3
# The same for a connection whose other end has vanished without a word (Linux, TCP).
TCP_OPTIONS = {
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}


def driver_url(dsn: str) -> sa.URL:
    """The same database for SQLAlchemy with psycopg 3."""
    _, _, rest = dsn.partition("://")
    return sa.make_url(f"postgresql+psycopg://{rest}")


def create_engine(dsn: str, *, pool_size: int = 10) -> AsyncEngine:
    """Open a pool; connections are checked when taken, so a restarted database is survived."""
    engine = create_async_engine(
        driver_url(dsn),
        hide_parameters=True,  # else errors in the log would quote questions, e-mail addresses and hashes
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args=TCP_OPTIONS | {"options": CONNECTION_OPTIONS, "connect_timeout": CONNECT_TIMEOUT_S},
    )
    event.listen(engine.sync_engine, "handle_error", _say_what_is_gone)
    return engine


def _say_what_is_gone(context: sa.engine.ExceptionContext) -> None:
    """Something was added to what somebody else deleted a moment ago: it does not exist any more."""
    error = context.original_exception
    if isinstance(error, ForeignKeyViolation) and error.diag.constraint_name:
        column = error.diag.constraint_name.removesuffix("_fkey")
        raise NotFound(next((what for end, what in _PARENTS.items() if column.endswith(end)), "object"))


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Make transactions on an engine; rows stay readable after the commit."""
    return async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


async def driver_connection(session: AsyncSession) -> AsyncConnection[Any]:
    """The psycopg connection under a session's transaction, for COPY and for the job queue."""
    raw = await (await session.connection()).get_raw_connection()
    connection = raw.driver_connection
    assert isinstance(connection, AsyncConnection)
    return connection


OUTAGES: tuple[type[Exception], ...] = (
    sa.exc.DBAPIError,
    sa.exc.TimeoutError,
    psycopg.OperationalError,
    ConnectionError,
)
"""What an outage may be raised as; `outage` tells which of them are one."""


def is_unreachable(error: BaseException) -> bool:
    """Whether an error says that the database is away or full, rather than that a query is wrong."""
    if isinstance(error, sa.exc.DBAPIError):
        return bool(error.connection_invalidated) or isinstance(error, sa.exc.OperationalError)
    if isinstance(error, ConnectorException):
        return isinstance(error.__cause__, psycopg.OperationalError)
    return isinstance(error, (sa.exc.TimeoutError, psycopg.OperationalError, ConnectionError))


def outage(error: BaseException) -> RagAppError | None:
    """Such an error in our words, None for another one."""
    if not is_unreachable(error):
        return None
    cause = getattr(error, "orig", None) or error.__cause__ or error
    if isinstance(cause, psycopg.errors.DiskFull):
        return StorageFull("The disk of the database is full, so nothing can be kept. Nothing was lost.")
    return TransientError("The database cannot be reached right now. Please try again in a moment.")
