"""Models that an administrator added or changed; they are the installation's, not a tenant's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run


@dataclass(frozen=True)
class OverrideRow:
    """What was set for one model; every change has a version that no other change ever had."""

    provider: str
    model: str
    settings: Mapping[str, Any]
    version: int
    updated_at: datetime


async def all_of_them(session: AsyncSession) -> list[OverrideRow]:
    """Every override, by provider and model."""
    found = await run(
        session,
        sa.text("""
            SELECT provider::text AS provider, model, settings, version, updated_at FROM model_overrides
            ORDER BY provider, model
        """),
    )
    return [OverrideRow(row.provider, row.model, row.settings, row.version, row.updated_at) for row in found]


async def put(
    session: AsyncSession, *, provider: str, model: str, settings: Mapping[str, Any], user_id: int
) -> int:
    """Set what holds for a model; returns the new version."""
    found = await run(
        session,
        sa.text("""
            INSERT INTO model_overrides (provider, model, settings, updated_by)
            VALUES (CAST(:provider AS llm_provider), :model, :settings, :user_id)
            ON CONFLICT (provider, model) DO UPDATE SET settings = excluded.settings, updated_at = now(),
              version = nextval('model_override_versions'), updated_by = excluded.updated_by
            RETURNING version
        """).bindparams(sa.bindparam("settings", type_=sa.JSON)),
        params={"provider": provider, "model": model, "settings": settings, "user_id": user_id},
    )
    return found.scalar_one()


async def delete(session: AsyncSession, *, provider: str, model: str) -> bool:
    """Take an override away; False where there is none."""
    gone = await run(
        session,
        sa.text("""
            DELETE FROM model_overrides WHERE provider = CAST(:provider AS llm_provider) AND model = :model
        """),
        params={"provider": provider, "model": model},
    )
    return gone.rowcount > 0


async def stored_dimensions(session: AsyncSession, *, name: str) -> int | None:
    """How many numbers the database stores for an embedding model, None for one it has no room for yet."""
    found = await run(
        session, sa.text("SELECT dimensions FROM embedding_models WHERE name = :name"), params={"name": name}
    )
    return found.scalar_one_or_none()
