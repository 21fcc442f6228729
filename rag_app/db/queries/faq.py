"""FAQ entries; each has a document that holds its chunks and says whether it can be found."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.faq import FaqEntry
from rag_app.domain.knowledge_bases import KbScope
from rag_app.errors import NotFound

_ENTRY = """
SELECT e.id, e.kb_id, e.document_id, e.question, e.answer, e.question_key, coalesce(e.metadata->>'origin', 'typed') AS origin,
       d.status::text AS status, d.error_message, d.tags, e.created_at, e.updated_at
FROM knowledge_base e JOIN documents d ON d.id = e.document_id
"""


def _entry(row: Any) -> FaqEntry:
    return FaqEntry(
        id=row.id,
        kb_id=row.kb_id,
        document_id=row.document_id,
        question=row.question,
        answer=row.answer,
        origin=row.origin,
        status=row.status,
        error_message=row.error_message,
        tags=tuple(row.tags),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


async def insert(
    session: AsyncSession,
    scope: KbScope,
    *,
    document_id: int,
    question: str,
    answer: str,
    question_key: bytes,
    origin: str,
) -> int | None:
    """Add an entry; returns its id, None when its question is there already."""
    found = await run(
        session,
        sa.text("""
            INSERT INTO knowledge_base (kb_id, document_id, question, answer, question_key, metadata)
            VALUES (:kb_id, :document_id, :question, :answer, :question_key,
              jsonb_build_object('origin', CAST(:origin AS text)))
            ON CONFLICT (kb_id, question_key) DO NOTHING RETURNING id
        """),
        params={
            "kb_id": scope.kb_id,
            "document_id": document_id,
            "question": question,
            "answer": answer,
            "question_key": question_key,
            "origin": origin,
        },
    )
    return found.scalar_one_or_none()


async def get(session: AsyncSession, scope: KbScope, *, entry_id: int) -> FaqEntry:
    """One entry.

    Raises:
        NotFound: it is not in this knowledge base.
    """
    found = await run(
        session,
        sa.text(f"{_ENTRY} WHERE e.kb_id = :kb_id AND e.id = :entry_id"),
        params={"kb_id": scope.kb_id, "entry_id": entry_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("entry")
    return _entry(row)


async def page_of(
    session: AsyncSession,
    scope: KbScope,
    *,
    before: int | None,
    limit: int,
    text: str | None = None,
    status: str | None = None,
) -> list[FaqEntry]:
    """Entries, newest first, older than the id `before`; `text` is part of the question or answer."""
    found = await run(
        session,
        sa.text(f"""
            {_ENTRY} WHERE e.kb_id = :kb_id AND (CAST(:before AS bigint) IS NULL OR e.id < :before)
            AND (CAST(:text AS text) IS NULL OR strpos(lower(e.question || ' ' || e.answer), lower(:text)) > 0)
            AND (CAST(:status AS text) IS NULL OR
                 CASE WHEN :status = 'working' THEN d.status IN ('received', 'parsing', 'embedding')
                      ELSE d.status::text = :status END)
            ORDER BY e.id DESC LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "before": before, "limit": limit, "text": text, "status": status},
    )
    return [_entry(row) for row in found]


async def of_documents(
    session: AsyncSession, scope: KbScope, *, document_ids: Sequence[int]
) -> dict[int, FaqEntry]:
    """The entries of some documents, by document."""
    found = await run(
        session,
        sa.text(f"{_ENTRY} WHERE e.kb_id = :kb_id AND e.document_id = ANY (:document_ids)"),
        params={"kb_id": scope.kb_id, "document_ids": list(document_ids)},
    )
    return {row.document_id: _entry(row) for row in found}


async def by_question(
    session: AsyncSession, scope: KbScope, *, question_keys: Sequence[bytes]
) -> dict[bytes, FaqEntry]:
    """The entries that have one of these questions, by its key."""
    found = await run(
        session,
        sa.text(f"{_ENTRY} WHERE e.kb_id = :kb_id AND e.question_key = ANY (CAST(:keys AS bytea[]))"),
        params={"kb_id": scope.kb_id, "keys": list(question_keys)},
    )
    return {bytes(row.question_key): _entry(row) for row in found}


async def change(
    session: AsyncSession, scope: KbScope, *, entry_id: int, question: str, answer: str, question_key: bytes
) -> bool:
    """Give an entry other words; False when another entry has the question already."""
    taken = await run(
        session,
        sa.text("""
            SELECT 1 FROM knowledge_base WHERE kb_id = :kb_id AND question_key = :question_key AND id <> :entry_id
        """),
        params={"kb_id": scope.kb_id, "entry_id": entry_id, "question_key": question_key},
    )
    if taken.first() is not None:
        return False
    await run(
        session,
        sa.text("""
            UPDATE knowledge_base SET question = :question, answer = :answer, question_key = :question_key
            WHERE kb_id = :kb_id AND id = :entry_id
        """),
        params={
            "kb_id": scope.kb_id,
            "entry_id": entry_id,
            "question": question,
            "answer": answer,
            "question_key": question_key,
        },
    )
    return True


async def count(session: AsyncSession, scope: KbScope) -> int:
    """How many entries there are."""
    found = await run(
        session,
        sa.text("SELECT count(*) FROM knowledge_base WHERE kb_id = :kb_id"),
        params={"kb_id": scope.kb_id},
    )
    return found.scalar_one()


async def mark_answers(
    session: AsyncSession, scope: KbScope, *, entry_id: int, message_ids: Sequence[int]
) -> None:
    """Remember that answers of conversations were made an entry.

    Raises:
        NotFound: one of them is no answer of this knowledge base.
    """
    found = await run(
        session,
        sa.text("""
            UPDATE messages m SET faq_entry_id = :entry_id FROM conversations c
            WHERE c.id = m.conversation_id AND c.kb_id = :kb_id AND m.sender = 'assistant'
            AND m.id = ANY (CAST(:message_ids AS bigint[]))
        """),
        params={"kb_id": scope.kb_id, "entry_id": entry_id, "message_ids": list(message_ids)},
    )
    if found.rowcount != len(set(message_ids)):
        raise NotFound("answer")
