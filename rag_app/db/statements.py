"""Run SQL that is written out, with what it gives back typed as a cursor."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession


async def run(
    session: AsyncSession, statement: sa.Executable, params: Mapping[str, Any] | None = None
) -> sa.CursorResult[Any]:
    """Run a statement in the session's transaction.

    `AsyncSession.exec` is for typed selects; for text its answer has no type, and its `rowcount` none.
    """
    connection = await session.connection()
    return await connection.execute(statement, params or {})


async def take_time(session: AsyncSession) -> None:
    """Let statements of this transaction run as long as they need.

    A book of a hundred thousand chunks takes minutes to index; the limit is for what people wait for.
    """
    await run(session, sa.text("SET LOCAL statement_timeout = 0"))
