"""Accounts and sign-ins."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.db.tables import SignInRow, UserRow
from rag_app.domain.accounts import SignIn, User
from rag_app.errors import Conflict

FIRST_USER_LOCK = 0x5261_6755  # any number that nobody else locks


def _user(row: Any) -> User:
    return User(
        id=row.id,
        email=row.email,
        name=row.name or "",
        role=row.role,
        subscription_tier=row.subscription_tier,
        is_active=row.is_active,
        created_at=row.created_at,
    )


async def count(session: AsyncSession) -> int:
    """How many accounts there are."""
    return (await run(session, sa.text("SELECT count(*) FROM users"))).scalar_one()


async def insert(
    session: AsyncSession, *, email: str, name: str, password_hash: str | None, tier: str = "free"
) -> User:
    """Add an account; the very first becomes super admin, also when many register at once.

    Raises:
        Conflict: the address has an account already.
    """
    # Registrations wait for each other here: a count without the lock could read 0 twice.
    await run(session, sa.text("SELECT pg_advisory_xact_lock(:key)"), params={"key": FIRST_USER_LOCK})
    if (await session.exec(select(UserRow.id).where(UserRow.email == email))).first() is not None:
        raise Conflict("There is an account with this e-mail address already.", field="email")
    is_first = await count(session) == 0
    row = UserRow(
        email=email,
        name=name,
        password_hash=password_hash,
        role="super_admin" if is_first else "kb_owner",
        subscription_tier="enterprise" if is_first else tier,  # who runs the installation has no limits
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return _user(row)


async def password_of(session: AsyncSession, *, email: str) -> tuple[User, str | None] | None:
    """The account of an address with its password hash, None when there is none."""
    row = (await session.exec(select(UserRow).where(UserRow.email == email))).first()
    return None if row is None else (_user(row), row.password_hash)


async def set_password(session: AsyncSession, *, user_id: int, password_hash: str) -> None:
    """Keep a new password hash."""
    await run(
        session, sa.update(UserRow).where(col(UserRow.id) == user_id).values(password_hash=password_hash)
    )


async def rename(session: AsyncSession, *, user_id: int, name: str) -> None:
    """Change how a person is called."""
    await run(session, sa.update(UserRow).where(col(UserRow.id) == user_id).values(name=name))


async def insert_sign_in(
    session: AsyncSession,
    *,
    user_id: int,
    kind: str,
    user_agent: str,
    expires_at: datetime,
    refresh_hash: bytes | None,
) -> UUID:
    """Begin a sign-in."""
    row = SignInRow(
        user_id=user_id,
        kind=kind,
        user_agent=user_agent[:300],
        expires_at=expires_at,
        refresh_hash=refresh_hash,
    )
    session.add(row)
    await session.flush()
    return row.id


async def sign_in(session: AsyncSession, *, sign_in_id: UUID) -> SignIn | None:
    """A sign-in that still holds, with its account; None when ended, expired or switched off."""
    found = await run(
        session,
        sa.text("""
            SELECT s.id AS sign_in_id, s.expires_at, s.last_seen_at < now() - interval '5 minutes' AS stale,
                   u.id, u.email, u.name, u.role, u.subscription_tier, u.is_active, u.created_at,
                   CAST((t.limits || u.limit_overrides) ->> 'requests_per_minute' AS bigint)
                     AS requests_per_minute
            FROM sign_ins s JOIN users u ON u.id = s.user_id
            JOIN subscription_tiers t ON t.name = u.subscription_tier
            WHERE s.id = :id AND s.ended_at IS NULL AND s.expires_at > now() AND u.is_active
        """),
        params={"id": sign_in_id},
    )
    row = found.first()
    if row is None:
        return None
    if row.stale:
        await run(
            session,
            sa.text("UPDATE sign_ins SET last_seen_at = now() WHERE id = :id"),
            params={"id": sign_in_id},
        )
    return SignIn(row.sign_in_id, _user(row), row.expires_at, row.requests_per_minute)


async def by_refresh_hash(session: AsyncSession, *, refresh_hash: bytes) -> Any | None:
    """The sign-in a refresh token belongs to, locked; `is_previous` when it was used before."""
    found = await run(
        session,
        sa.text("""
            SELECT id, user_id, ended_at, expires_at > now() AS is_alive,
                   previous_refresh_hash IS NOT DISTINCT FROM CAST(:hash AS bytea) AS is_previous,
                   coalesce(now() - refreshed_at < interval '10 seconds', false) AS in_grace
            FROM sign_ins
            WHERE refresh_hash = CAST(:hash AS bytea) OR previous_refresh_hash = CAST(:hash AS bytea)
            FOR UPDATE
        """),
        params={"hash": refresh_hash},
    )
    return found.first()


async def rotate_refresh(session: AsyncSession, *, sign_in_id: UUID, refresh_hash: bytes) -> None:
    """Replace a refresh token, remembering the one before to notice its reuse."""
    await run(
        session,
        sa.text("""
            UPDATE sign_ins SET previous_refresh_hash = refresh_hash, refresh_hash = :hash,
              refreshed_at = now(), last_seen_at = now() WHERE id = :id
        """),
        params={"id": sign_in_id, "hash": refresh_hash},
    )


async def end_sign_in(session: AsyncSession, *, sign_in_id: UUID) -> None:
    """End one sign-in."""
    await run(
        session,
        sa.text("UPDATE sign_ins SET ended_at = now() WHERE id = :id AND ended_at IS NULL"),
        params={"id": sign_in_id},
    )


async def end_other_sign_ins(session: AsyncSession, *, user_id: int, but: UUID | None) -> int:
    """End a person's sign-ins, all but one; returns how many."""
    ended = await run(
        session,
        sa.text("""
            UPDATE sign_ins SET ended_at = now()
            WHERE user_id = :user_id AND ended_at IS NULL AND id IS DISTINCT FROM CAST(:but AS uuid)
        """),
        params={"user_id": user_id, "but": but},
    )
    return ended.rowcount


async def open_sign_ins(session: AsyncSession, *, user_id: int) -> list[dict[str, Any]]:
    """A person's sign-ins that hold, newest first."""
    found = await run(
        session,
        sa.text("""
            SELECT id, kind, user_agent, created_at, last_seen_at FROM sign_ins
            WHERE user_id = :user_id AND ended_at IS NULL AND expires_at > now()
            ORDER BY last_seen_at DESC LIMIT 50
        """),
        params={"user_id": user_id},
    )
    return [dict(row._mapping) for row in found]


async def write_audit(
    session: AsyncSession, *, user_id: int | None, action: str, kb_id: int | None = None, **details: Any
) -> None:
    """Note who did what; never secrets."""
    await run(
        session,
        sa.text(
            "INSERT INTO audit_log (user_id, kb_id, action, details) "
            "VALUES (:user_id, :kb_id, :action, :details)"
        ).bindparams(sa.bindparam("details", type_=sa.JSON)),
        params={"user_id": user_id, "kb_id": kb_id, "action": action, "details": details},
    )
