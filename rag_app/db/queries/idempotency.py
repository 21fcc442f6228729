"""Answers kept under a caller's keys."""

from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run


async def claim(session: AsyncSession, *, caller: str, key: str, request_hash: bytes) -> bool:
    """Take a key for a request; False when it is taken. A claim nobody ended in ten minutes is free."""
    done = await run(
        session,
        sa.text("""
            INSERT INTO idempotent_requests (caller, key, request_hash) VALUES (:caller, :key, :hash)
            ON CONFLICT (caller, key) DO UPDATE SET request_hash = excluded.request_hash, created_at = now()
              WHERE idempotent_requests.status IS NULL
              AND idempotent_requests.created_at < now() - interval '10 minutes'
        """),
        params={"caller": caller, "key": key, "hash": request_hash},
    )
    return done.rowcount == 1


async def kept(session: AsyncSession, *, caller: str, key: str) -> Any | None:
    """The row of a key: `request_hash`, `status`, `body`."""
    found = await run(
        session,
        sa.text(
            "SELECT request_hash, status, body FROM idempotent_requests WHERE caller = :caller AND key = :key"
        ),
        params={"caller": caller, "key": key},
    )
    return found.first()


async def keep(session: AsyncSession, *, caller: str, key: str, status: int, body: bytes) -> None:
    """Keep the answer to a claimed key."""
    await run(
        session,
        sa.text(
            "UPDATE idempotent_requests SET status = :status, body = :body WHERE caller = :caller AND key = :key"
        ),
        params={"caller": caller, "key": key, "status": status, "body": body},
    )


async def release(session: AsyncSession, *, caller: str, key: str) -> None:
    """Give a claimed key back."""
    await run(
        session,
        sa.text("DELETE FROM idempotent_requests WHERE caller = :caller AND key = :key AND status IS NULL"),
        params={"caller": caller, "key": key},
    )
