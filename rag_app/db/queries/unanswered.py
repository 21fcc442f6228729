"""Questions that were refused, got a thumb down, or an answer without citation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.unanswered import UnansweredQuestion
from rag_app.errors import NotFound

WINDOW_DAYS = 90
MAX_CHARACTERS = 1000  # of a question; what is longer is a text with a question in it


@dataclass(frozen=True)
class KnownQuestion:
    """An open question with its vector, if the embedder that is used now has made one."""

    question: UnansweredQuestion
    vector: bytes | None


async def note(
    session: AsyncSession, scope: KbScope, *, message_id: int, question: str, outcome: str
) -> None:
    """Remember that an answer was none."""
    await run(
        session,
        sa.text("""
            INSERT INTO unanswered_questions (message_id, kb_id, question, outcome)
            VALUES (:message_id, :kb_id, left(:question, :most), :outcome) ON CONFLICT (message_id) DO NOTHING
        """),
        params={
            "message_id": message_id,
            "kb_id": scope.kb_id,
            "question": question,
            "outcome": outcome,
            "most": MAX_CHARACTERS,
        },
    )


async def note_thumb(session: AsyncSession, scope: KbScope, *, message_id: int) -> None:
    """Remember the question of an answer that has a thumb down; forget it where that was all."""
    params = {"message_id": message_id, "kb_id": scope.kb_id, "most": MAX_CHARACTERS}
    await run(
        session,
        sa.text("""
            INSERT INTO unanswered_questions (message_id, kb_id, question, outcome, asked_at)
            SELECT m.id, c.kb_id, left(coalesce(m.metadata->>'searched', q.content), :most), 'answered', m.created_at
            FROM messages m JOIN conversations c ON c.id = m.conversation_id JOIN LATERAL (
              SELECT content FROM messages WHERE conversation_id = m.conversation_id AND id < m.id
              AND sender = 'user' ORDER BY id DESC LIMIT 1) q ON true
            WHERE m.id = :message_id AND c.kb_id = :kb_id AND m.sender = 'assistant' AND m.feedback < 0
            ON CONFLICT (message_id) DO NOTHING
        """),
        params=params,
    )
    await run(
        session,
        sa.text("""
            DELETE FROM unanswered_questions u USING messages m WHERE m.id = u.message_id
            AND u.message_id = :message_id AND u.kb_id = :kb_id AND u.outcome = 'answered'
            AND coalesce(m.feedback, 0) >= 0
        """),
        params=params,
    )


async def open_ones(
    session: AsyncSession, scope: KbScope, *, embedder: str, limit: int
) -> list[KnownQuestion]:
    """Questions among the newest `limit` that no entry answers and nobody was content with, newest first."""
    found = await run(
        session,
        sa.text("""
            SELECT u.message_id, m.conversation_id, u.question, c.end_user_id IS NULL AS is_preview,
              u.dismissed_at IS NOT NULL AS is_dismissed, u.asked_at,
              CASE WHEN u.outcome = 'refused' THEN 'refused' WHEN m.feedback < 0 THEN 'disliked'
                ELSE 'uncited' END AS reason,
              CASE WHEN u.embedder = :embedder THEN u.vector END AS vector
            FROM (
              SELECT * FROM unanswered_questions
              WHERE kb_id = :kb_id AND asked_at > now() - make_interval(days => :days)
              ORDER BY asked_at DESC, message_id DESC LIMIT :limit) u
            JOIN messages m ON m.id = u.message_id JOIN conversations c ON c.id = m.conversation_id
            WHERE m.faq_entry_id IS NULL AND coalesce(m.feedback, 0) <= 0
            AND (u.outcome <> 'answered' OR m.feedback < 0)
            ORDER BY u.asked_at DESC, u.message_id DESC
        """),
        params={"kb_id": scope.kb_id, "days": WINDOW_DAYS, "limit": limit, "embedder": embedder},
    )
    return [
        KnownQuestion(
            UnansweredQuestion(
                row.message_id,
                row.conversation_id,
                row.question,
                row.reason,
                row.is_preview,
                row.is_dismissed,
                row.asked_at,
            ),
            None if row.vector is None else bytes(row.vector),
        )
        for row in found
    ]


async def keep_vectors(
    session: AsyncSession, scope: KbScope, *, embedder: str, vectors: Mapping[int, bytes]
) -> None:
    """Keep the vectors of questions, by the id of their answer."""
    await run(
        session,
        sa.text("""
            UPDATE unanswered_questions u SET vector = v.vector, embedder = :embedder
            FROM unnest(CAST(:ids AS integer[]), CAST(:vectors AS bytea[])) AS v(id, vector)
            WHERE u.message_id = v.id AND u.kb_id = :kb_id
        """),
        params={
            "kb_id": scope.kb_id,
            "embedder": embedder,
            "ids": list(vectors),
            "vectors": list(vectors.values()),
        },
    )


async def dismiss(
    session: AsyncSession, scope: KbScope, *, message_ids: Sequence[int], is_dismissed: bool
) -> None:
    """Put questions away, or bring them back.

    Raises:
        NotFound: one of them is no unanswered question of this knowledge base.
    """
    found = await run(
        session,
        sa.text("""
            UPDATE unanswered_questions SET dismissed_at = CASE WHEN :is_dismissed THEN now() END
            WHERE kb_id = :kb_id AND message_id = ANY (CAST(:message_ids AS bigint[]))
        """),
        params={"kb_id": scope.kb_id, "message_ids": list(message_ids), "is_dismissed": is_dismissed},
    )
    if found.rowcount != len(set(message_ids)):
        raise NotFound("question")


async def waiting(session: AsyncSession, *, limit: int) -> list[tuple[int, int, str]]:
    """Knowledge base, answer and text of questions without a vector, newest first. Asked by workers only."""
    found = await run(
        session,
        sa.text("""
            SELECT kb_id, message_id, question FROM unanswered_questions WHERE vector IS NULL
            ORDER BY message_id DESC LIMIT :limit
        """),
        params={"limit": limit},
    )
    return [(row.kb_id, row.message_id, row.question) for row in found]
