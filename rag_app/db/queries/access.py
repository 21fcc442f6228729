"""Who may use which knowledge base: the one place where a `KbScope` is made.

Letting somebody in also opens the knowledge base for the transaction: row-level security shows the
chunks, vectors and words of no other one, even to a query that forgets to ask for one.
"""

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import KbScope
from rag_app.errors import NotFound

MAX_INT32 = 2**31 - 1


ENTER = "SELECT set_config('rag.kb_id', %(kb_id)s::text, true)"
"""What opens a knowledge base for a transaction, for who talks to the driver itself."""
_OPENED = "set_config('rag.kb_id', CAST({} AS text), true)"

# Keeps a knowledge base from being deleted until the transaction ends; readers and writers go on.
_HOLD = "FOR KEY SHARE"


async def owned(session: AsyncSession, *, kb_id: int, owner_id: int, hold: bool = False) -> KbScope:
    """Let an owner use their own knowledge base; `hold` it where something is added to it.

    Raises:
        NotFound: it does not exist or is another owner's.
    """
    if not 0 < kb_id <= MAX_INT32:
        raise NotFound("knowledge base")
    found = await run(
        session,
        sa.text(f"""
            SELECT {_OPENED.format("id")} FROM knowledge_bases
            WHERE id = :kb_id AND user_id = :owner_id {_HOLD if hold else ""}
        """),
        params={"kb_id": kb_id, "owner_id": owner_id},
    )
    if found.first() is None:
        raise NotFound("knowledge base")
    return KbScope(kb_id, owner_id)


async def shared(session: AsyncSession, *, slug: str) -> tuple[KbScope, int]:
    """Let a stranger use a public knowledge base; also returns the id of the link.

    Raises:
        NotFound: the link never was, has ended, or its knowledge base or owner is switched off.
    """
    found = await run(
        session,
        sa.text(f"""
            SELECT kb.id, kb.user_id, l.id AS link_id, {_OPENED.format("kb.id")}
            FROM share_links l JOIN knowledge_bases kb ON kb.id = l.kb_id
            JOIN users u ON u.id = kb.user_id
            WHERE l.slug = :slug AND l.is_active AND kb.is_public AND kb.is_active AND u.is_active
        """),
        params={"slug": slug},
    )
    row = found.first()
    if row is None:
        raise NotFound("shared chat")
    return KbScope(row.id, row.user_id), row.link_id


async def for_job(session: AsyncSession, *, kb_id: int) -> KbScope | None:
    """Let a worker do a queued job, and hold its knowledge base; None when that is gone meanwhile."""
    found = await run(
        session,
        sa.text(f"SELECT user_id, {_OPENED.format('id')} FROM knowledge_bases WHERE id = :kb_id {_HOLD}"),
        params={"kb_id": kb_id},
    )
    row = found.first()
    return None if row is None else KbScope(kb_id, row.user_id)


async def is_admin(session: AsyncSession, *, user_id: int) -> bool:
    """Whether an account runs the installation at this moment."""
    found = await run(
        session,
        sa.text("SELECT 1 FROM users WHERE id = :user_id AND role = 'super_admin' AND is_active"),
        params={"user_id": user_id},
    )
    return found.first() is not None


async def enter(session: AsyncSession, scope: KbScope) -> None:
    """Open a knowledge base that was let in earlier for a transaction of its own."""
    await run(session, sa.text(f"SELECT {_OPENED.format(':kb_id')}"), params={"kb_id": scope.kb_id})


async def hold(session: AsyncSession, scope: KbScope) -> None:
    """Hold a knowledge base that was let in earlier.

    Raises:
        NotFound: it is gone meanwhile.
    """
    if await for_job(session, kb_id=scope.kb_id) is None:
        raise NotFound("knowledge base")
