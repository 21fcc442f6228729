"""Owners' own keys for providers, as they are stored: encrypted."""

from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.provider_keys import StoredKey

_COLUMNS = "provider, key_id, ciphertext, last_four, base_url, checked_at, problem, updated_at"


async def of_owner(session: AsyncSession, *, owner_id: int) -> list[StoredKey]:
    """All keys of one owner."""
    found = await run(
        session,
        sa.text(f"SELECT {_COLUMNS} FROM provider_keys WHERE user_id = :owner_id"),
        params={"owner_id": owner_id},
    )
    return [_stored(row) for row in found]


async def get(session: AsyncSession, *, owner_id: int, provider: str) -> StoredKey | None:
    """One key of one owner."""
    found = await run(
        session,
        sa.text(f"""
            SELECT {_COLUMNS} FROM provider_keys
            WHERE user_id = :owner_id AND provider = CAST(:provider AS llm_provider)
        """),
        params={"owner_id": owner_id, "provider": provider},
    )
    row = found.one_or_none()
    return None if row is None else _stored(row)


async def save(session: AsyncSession, key: StoredKey, *, owner_id: int) -> None:
    """Keep a key in place of the one there was; what was found out about that one is forgotten."""
    await run(
        session,
        sa.text("""
            INSERT INTO provider_keys (user_id, provider, key_id, ciphertext, last_four, base_url)
            VALUES (:owner_id, CAST(:provider AS llm_provider), :key_id, :ciphertext, :last_four, :base_url)
            ON CONFLICT (user_id, provider) DO UPDATE SET key_id = EXCLUDED.key_id,
              ciphertext = EXCLUDED.ciphertext, last_four = EXCLUDED.last_four, base_url = EXCLUDED.base_url,
              checked_at = NULL, problem = ''
        """),
        params={
            "owner_id": owner_id,
            "provider": key.provider,
            "key_id": key.key_id,
            "ciphertext": key.ciphertext,
            "last_four": key.last_four,
            "base_url": key.base_url,
        },
    )


async def delete(session: AsyncSession, *, owner_id: int, provider: str) -> bool:
    """Forget a key; whether there was one."""
    done = await run(
        session,
        sa.text("""
            DELETE FROM provider_keys WHERE user_id = :owner_id AND provider = CAST(:provider AS llm_provider)
        """),
        params={"owner_id": owner_id, "provider": provider},
    )
    return done.rowcount > 0


async def note_check(session: AsyncSession, tried: StoredKey, problem: str, *, owner_id: int) -> None:
    """Keep what a test found, unless another key was put in its place meanwhile."""
    await run(
        session,
        sa.text("""
            UPDATE provider_keys SET checked_at = now(), problem = :problem
            WHERE user_id = :owner_id AND provider = CAST(:provider AS llm_provider)
              AND last_four = :last_four AND base_url IS NOT DISTINCT FROM :base_url
        """),
        params={
            "owner_id": owner_id,
            "provider": tried.provider,
            "problem": problem,
            "last_four": tried.last_four,
            "base_url": tried.base_url,
        },
    )


async def model_in_use(session: AsyncSession, *, owner_id: int, provider: str) -> str | None:
    """The model of the owner's newest knowledge base that a provider answers for."""
    found = await run(
        session,
        sa.text("""
            SELECT llm_model FROM knowledge_bases
            WHERE user_id = :owner_id AND llm_provider = CAST(:provider AS llm_provider)
            ORDER BY id DESC LIMIT 1
        """),
        params={"owner_id": owner_id, "provider": provider},
    )
    return found.scalar_one_or_none()


async def not_sealed_with(
    session: AsyncSession, *, key_id: str, after: int, limit: int
) -> list[tuple[int, int, StoredKey]]:
    """Keys that are encrypted with another encryption key, by id: the id, whose they are, the key."""
    found = await run(
        session,
        sa.text(f"""
            SELECT id, user_id, {_COLUMNS} FROM provider_keys
            WHERE ciphertext IS NOT NULL AND key_id <> :key_id AND id > :after ORDER BY id LIMIT :limit
        """),
        params={"key_id": key_id, "after": after, "limit": limit},
    )
    return [(row.id, row.user_id, _stored(row)) for row in found]


async def reseal(
    session: AsyncSession, row_id: int, *, before: bytes, key_id: str, ciphertext: bytes
) -> bool:
    """Replace a ciphertext by another of the same secret; False where it changed meanwhile."""
    done = await run(
        session,
        sa.text("""
            UPDATE provider_keys SET key_id = :key_id, ciphertext = :ciphertext
            WHERE id = :id AND ciphertext = :before
        """),
        params={"id": row_id, "before": before, "key_id": key_id, "ciphertext": ciphertext},
    )
    return done.rowcount > 0


def _stored(row: Any) -> StoredKey:
    return StoredKey(
        provider=row.provider,
        key_id=row.key_id,
        ciphertext=None if row.ciphertext is None else bytes(row.ciphertext),
        last_four=row.last_four,
        base_url=row.base_url,
        checked_at=row.checked_at,
        problem=row.problem,
        updated_at=row.updated_at,
    )
