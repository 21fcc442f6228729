"""What owners' plans allow, how much of it there is, and what was used in a month or a day.

Amounts are counted from the rows themselves, after the owner's plan was locked. What is used in a period
is counted in `usage_counters`, where one statement both asks and takes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.limits import OwnerPlan, read_limits
from rag_app.errors import NotFound

# Reading what a document will have is under way where its job says so, and counts from then on.
_COUNTS: Mapping[str, str] = {
    "knowledge_bases": "SELECT count(*) FROM knowledge_bases WHERE user_id = :owner_id",
    "documents": """
        SELECT count(*) FROM documents d JOIN knowledge_bases kb ON kb.id = d.kb_id
        WHERE kb.user_id = :owner_id AND d.source = 'document'""",
    "storage_bytes": """
        SELECT coalesce(sum(size_bytes), 0) FROM (
          SELECT DISTINCT ON (f.sha256) f.size_bytes FROM (
            SELECT d.sha256, d.size_bytes FROM documents d
            JOIN knowledge_bases kb ON kb.id = d.kb_id WHERE kb.user_id = :owner_id
            UNION ALL
            SELECT v.sha256, v.size_bytes FROM document_versions v JOIN documents d ON d.id = v.document_id
            JOIN knowledge_bases kb ON kb.id = d.kb_id WHERE kb.user_id = :owner_id) f) contents""",
    "chunks": """
        SELECT coalesce(sum(d.n_chunks), 0) + (
          SELECT coalesce(sum(greatest(j.chunks_total - d.n_chunks, 0)), 0)
          FROM document_processing_jobs j JOIN documents d ON d.id = j.document_id
          JOIN knowledge_bases kb ON kb.id = j.kb_id
          WHERE kb.user_id = :owner_id AND j.status = 'processing')
        FROM documents d JOIN knowledge_bases kb ON kb.id = d.kb_id WHERE kb.user_id = :owner_id""",
    "mailboxes": "SELECT count(*) FROM sources s JOIN knowledge_bases kb ON kb.id = s.kb_id "
    "WHERE kb.user_id = :owner_id AND s.kind = 'email'",
}


async def plan_of(session: AsyncSession, *, owner_id: int, lock: bool = False) -> OwnerPlan:
    """An owner's plan; with `lock` whoever asks so next waits until the transaction ends.

    Raises:
        NotFound: there is no such account.
    """
    found = await run(
        session,
        sa.text(f"""
            SELECT t.name, t.label, t.limits || u.limit_overrides AS limits, u.limit_overrides AS overrides
            FROM users u JOIN subscription_tiers t ON t.name = u.subscription_tier
            WHERE u.id = :owner_id {"FOR NO KEY UPDATE OF u" if lock else ""}
        """),
        params={"owner_id": owner_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("account")
    return OwnerPlan(owner_id, row.name, row.label, read_limits(row.limits), read_limits(row.overrides))


async def count(session: AsyncSession, *, owner_id: int, names: Iterable[str]) -> dict[str, int]:
    """How much an owner has of each of these amounts."""
    wanted = list(names)
    if not wanted:
        return {}
    columns = ", ".join(f"({_COUNTS[name]}) AS {name}" for name in wanted)
    row = (await run(session, sa.text(f"SELECT {columns}"), params={"owner_id": owner_id})).one()
    return {name: int(getattr(row, name)) for name in wanted}


async def take(
    session: AsyncSession, *, scope: str, scope_id: int, what: str, since: date, n: int, most: int | None
) -> bool:
    """Use some of what a period allows; False when that would be more than `most`, and nothing is used."""
    taken = await run(
        session,
        sa.text("""
            INSERT INTO usage_counters AS c (scope, scope_id, what, period_start, used)
            SELECT :scope, :scope_id, :what, :since, :n
            WHERE CAST(:most AS bigint) IS NULL OR :n <= CAST(:most AS bigint)
            ON CONFLICT (scope, scope_id, what, period_start) DO UPDATE SET used = c.used + :n
            WHERE CAST(:most AS bigint) IS NULL OR c.used + :n <= CAST(:most AS bigint)
            RETURNING used
        """).bindparams(sa.bindparam("n", type_=sa.BigInteger)),
        params={"scope": scope, "scope_id": scope_id, "what": what, "since": since, "n": n, "most": most},
    )
    return taken.first() is not None


async def give_back(
    session: AsyncSession, *, scope: str, scope_id: int, what: str, since: date, n: int
) -> None:
    """Undo a `take`."""
    await run(
        session,
        sa.text("""
            UPDATE usage_counters SET used = greatest(used - :n, 0)
            WHERE scope = :scope AND scope_id = :scope_id AND what = :what AND period_start = :since
        """),
        params={"scope": scope, "scope_id": scope_id, "what": what, "since": since, "n": n},
    )


async def used(session: AsyncSession, *, owner_id: int, month: date, today: date) -> dict[str, int]:
    """What an owner has used this month; of visitors, what went through the busiest link today."""
    found = await run(
        session,
        sa.text("""
            SELECT what, used FROM usage_counters
            WHERE scope = 'owner' AND scope_id = :owner_id AND period_start = :month
            UNION ALL
            SELECT 'visitor_messages', coalesce(max(c.used), 0)
            FROM usage_counters c JOIN share_links l ON l.id = c.scope_id
            JOIN knowledge_bases kb ON kb.id = l.kb_id
            WHERE c.scope = 'link' AND c.what = 'messages' AND c.period_start = :today
              AND kb.user_id = :owner_id AND l.is_active
        """),
        params={"owner_id": owner_id, "month": month, "today": today},
    )
    return {row.what: int(row.used) for row in found}


async def link_of(session: AsyncSession, scope: KbScope, *, conversation_id: int) -> int | None:
    """The public link a visitor's conversation is held through; None for an owner's own."""
    found = await run(
        session,
        sa.text("""
            SELECT share_link_id FROM conversations
            WHERE id = :conversation_id AND kb_id = :kb_id AND end_user_id IS NOT NULL
        """),
        params={"conversation_id": conversation_id, "kb_id": scope.kb_id},
    )
    return found.scalar_one_or_none()


# Calls of hosted models


async def count_call(
    session: AsyncSession,
    *,
    owner_id: int,
    kb_id: int | None,
    month: date,
    tokens: int,
    cost: Decimal | None,
    is_unpriced: bool,
) -> None:
    """Add a call to what its owner has used and its knowledge base has spent this month."""
    counted: list[dict[str, Any]] = []
    if tokens:
        counted.append({"scope": "owner", "scope_id": owner_id, "what": "tokens", "n": Decimal(tokens)})
    if kb_id is not None and cost:
        counted.append({"scope": "kb", "scope_id": kb_id, "what": "usd", "n": cost})
    if kb_id is not None and is_unpriced:
        counted.append({"scope": "kb", "scope_id": kb_id, "what": "unpriced_calls", "n": Decimal(1)})
    for each in counted:
        await run(
            session,
            sa.text("""
                INSERT INTO usage_counters AS c (scope, scope_id, what, period_start, used)
                VALUES (:scope, :scope_id, :what, :month, :n)
                ON CONFLICT (scope, scope_id, what, period_start) DO UPDATE SET used = c.used + :n
            """),
            params=each | {"month": month},
        )


@dataclass(frozen=True)
class Spent:
    """What a knowledge base may spend and has spent this month, in US dollars."""

    kb_id: int
    kb_name: str
    most: Decimal | None
    spent: Decimal
    n_unpriced: int


_SPENT = """
SELECT kb.id, kb.name, kb.monthly_budget_usd,
       coalesce(sum(c.used) FILTER (WHERE c.what = 'usd'), 0) AS spent,
       coalesce(sum(c.used) FILTER (WHERE c.what = 'unpriced_calls'), 0) AS n_unpriced
FROM knowledge_bases kb LEFT JOIN usage_counters c
  ON c.scope = 'kb' AND c.scope_id = kb.id AND c.period_start = :month
"""


async def spent(session: AsyncSession, *, owner_id: int, kb_id: int, month: date) -> Spent | None:
    """The budget of one of an owner's knowledge bases; None where it is gone."""
    found = await run(
        session,
        sa.text(f"{_SPENT} WHERE kb.user_id = :owner_id AND kb.id = :kb_id GROUP BY kb.id"),
        params={"owner_id": owner_id, "kb_id": kb_id, "month": month},
    )
    row = found.first()
    return None if row is None else _spent(row)


async def budgets(session: AsyncSession, *, owner_id: int, month: date) -> list[Spent]:
    """The knowledge bases of an owner that have a budget, newest first."""
    found = await run(
        session,
        sa.text(f"""
            {_SPENT} WHERE kb.user_id = :owner_id AND kb.monthly_budget_usd IS NOT NULL
            GROUP BY kb.id ORDER BY kb.id DESC
        """),
        params={"owner_id": owner_id, "month": month},
    )
    return [_spent(row) for row in found]


def _spent(row: Any) -> Spent:
    return Spent(row.id, row.name, row.monthly_budget_usd, row.spent, int(row.n_unpriced))
