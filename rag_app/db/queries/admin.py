"""What the super admin sees and changes: accounts, their plans, and the plans themselves."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.queries.access import MAX_INT32
from rag_app.db.statements import run
from rag_app.domain.limits import Limits, OwnerUsage, Tier, read_limits
from rag_app.errors import NotFound


async def owners(
    session: AsyncSession,
    *,
    month: date,
    query: str | None = None,
    before: int | None = None,
    only: int | None = None,
    limit: int,
) -> list[OwnerUsage]:
    """Accounts with what they have and use, newest first; `query` looks into names and addresses."""
    found = await run(
        session,
        sa.text("""
            SELECT u.id, u.email, coalesce(u.name, '') AS name, u.role::text AS role, t.name AS tier,
              t.label AS tier_label, u.limit_overrides AS overrides, u.is_active, u.created_at,
              (SELECT count(*) FROM knowledge_bases WHERE user_id = u.id) AS n_knowledge_bases,
              d.n_documents, d.storage_bytes,
              coalesce((SELECT c.used FROM usage_counters c WHERE c.scope = 'owner' AND c.scope_id = u.id
                AND c.what = 'messages' AND c.period_start = :month), 0)::bigint AS n_messages,
              coalesce((SELECT c.used FROM usage_counters c WHERE c.scope = 'owner' AND c.scope_id = u.id
                AND c.what = 'tokens' AND c.period_start = :month), 0)::bigint AS n_tokens
            FROM users u JOIN subscription_tiers t ON t.name = u.subscription_tier
            LEFT JOIN LATERAL (
              SELECT coalesce(sum(n), 0)::bigint AS n_documents,
                     coalesce(sum(size_bytes), 0)::bigint AS storage_bytes
              FROM (SELECT count(*) AS n, max(d.size_bytes) AS size_bytes FROM documents d
                    JOIN knowledge_bases kb ON kb.id = d.kb_id WHERE kb.user_id = u.id GROUP BY d.sha256) contents
            ) d ON true
            WHERE (CAST(:only AS integer) IS NULL OR u.id = :only)
              AND (CAST(:before AS integer) IS NULL OR u.id < :before)
              AND (CAST(:query AS text) IS NULL
                   OR strpos(lower(u.email || ' ' || coalesce(u.name, '')), lower(:query)) > 0)
            ORDER BY u.id DESC LIMIT :limit
        """),
        params={"month": month, "query": query, "before": before, "only": only, "limit": limit},
    )
    return [_owner(row) for row in found]


async def lock_owner(session: AsyncSession, *, user_id: int) -> dict[str, Any]:
    """An account's plan and state, held until the transaction ends.

    Raises:
        NotFound: there is no such account.
    """
    if not 0 < user_id <= MAX_INT32:
        raise NotFound("account")
    found = await run(
        session,
        sa.text("""
            SELECT subscription_tier AS tier, limit_overrides AS overrides, is_active FROM users
            WHERE id = :user_id FOR NO KEY UPDATE
        """),
        params={"user_id": user_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("account")
    return dict(row._mapping)


async def set_owner(
    session: AsyncSession, *, user_id: int, tier: str, overrides: Limits, is_active: bool
) -> None:
    """Keep an account's plan and state; one that is switched off is signed out everywhere."""
    await run(
        session,
        sa.text("""
            UPDATE users SET subscription_tier = :tier, limit_overrides = :overrides, is_active = :is_active
            WHERE id = :user_id
        """).bindparams(sa.bindparam("overrides", type_=sa.JSON)),
        params={"user_id": user_id, "tier": tier, "overrides": dict(overrides), "is_active": is_active},
    )
    if not is_active:
        await run(
            session,
            sa.text("UPDATE sign_ins SET ended_at = now() WHERE user_id = :user_id AND ended_at IS NULL"),
            params={"user_id": user_id},
        )


async def tiers(session: AsyncSession) -> list[Tier]:
    """The plans there are, smallest first."""
    found = await run(
        session,
        sa.text("""
            SELECT t.name, t.label, t.position, t.limits,
              (SELECT count(*) FROM users WHERE subscription_tier = t.name) AS n_owners
            FROM subscription_tiers t ORDER BY t.position
        """),
    )
    return [Tier(row.name, row.label, row.position, read_limits(row.limits), row.n_owners) for row in found]


async def lock_tier(session: AsyncSession, *, name: str) -> Mapping[str, Any]:
    """A plan's limits, held until the transaction ends.

    Raises:
        NotFound: there is no such plan.
    """
    found = await run(
        session,
        sa.text("SELECT limits FROM subscription_tiers WHERE name = :name FOR NO KEY UPDATE"),
        params={"name": name},
    )
    row = found.first()
    if row is None:
        raise NotFound("plan")
    return read_limits(row.limits)


async def set_tier(session: AsyncSession, *, name: str, limits: Limits) -> None:
    """Keep a plan's limits."""
    await run(
        session,
        sa.text(
            "UPDATE subscription_tiers SET limits = :limits, updated_at = now() WHERE name = :name"
        ).bindparams(sa.bindparam("limits", type_=sa.JSON)),
        params={"name": name, "limits": dict(limits)},
    )


def _owner(row: Any) -> OwnerUsage:
    values: dict[str, Any] = dict(row._mapping)
    values["overrides"] = read_limits(row.overrides)
    return OwnerUsage(**values)
