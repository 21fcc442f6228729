"""Conversations, messages and visitors."""

from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.queries.access import MAX_INT32
from rag_app.db.statements import run
from rag_app.db.tables import ConversationRow, MessageRow
from rag_app.domain.conversations import Citation, Conversation, Message, Visitor
from rag_app.domain.knowledge_bases import KbScope
from rag_app.errors import NotFound

_CONVERSATION = """
SELECT c.id, c.kb_id, kb.name AS kb_name, c.title, c.status::text AS status, c.end_user_id IS NULL AS is_preview,
       e.name AS visitor_name, e.email AS visitor_email, m.n_messages, m.n_negative, c.created_at, c.updated_at
FROM conversations c JOIN knowledge_bases kb ON kb.id = c.kb_id LEFT JOIN end_users e ON e.id = c.end_user_id
LEFT JOIN LATERAL (
  SELECT count(*) AS n_messages, count(*) FILTER (WHERE feedback < 0) AS n_negative
  FROM messages WHERE conversation_id = c.id) m ON true
"""


def _conversation(row: Any) -> Conversation:
    return Conversation(**row._mapping)


def _message(row: Any) -> Message:
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        sender=row.sender,
        content=row.content,
        status=row.status,
        citations=tuple(Citation(**item) for item in row.citations),
        feedback=row.feedback,
        feedback_reason=row.feedback_reason,
        metadata=row.metadata_ or {},
        created_at=row.created_at,
        faq_entry_id=row.faq_entry_id,
    )


_MESSAGE_COLUMNS = """m.id, m.conversation_id, m.sender::text AS sender, m.content, m.status, m.citations,
  m.feedback, m.feedback_reason, m.metadata AS metadata_, m.created_at, m.faq_entry_id"""


async def insert(
    session: AsyncSession,
    scope: KbScope,
    *,
    user_id: int | None = None,
    end_user_id: int | None = None,
    share_link_id: int | None = None,
) -> int:
    """Begin a conversation; returns its id."""
    row = ConversationRow(
        kb_id=scope.kb_id, user_id=user_id, end_user_id=end_user_id, share_link_id=share_link_id
    )
    session.add(row)
    await session.flush()
    assert row.id is not None
    return row.id


async def scope_for_owner(session: AsyncSession, *, conversation_id: int, owner_id: int) -> KbScope:
    """Let an owner into a conversation held with one of their knowledge bases.

    Raises:
        NotFound: it does not exist or belongs to another owner's knowledge base.
    """
    return await _scope(session, conversation_id, "kb.user_id = :caller", {"caller": owner_id})


async def scope_for_visitor(session: AsyncSession, *, conversation_id: int, token_hash: bytes) -> KbScope:
    """Let a visitor into their own conversation while the link it was held through holds.

    Raises:
        NotFound: it is not this visitor's, or its link has ended.
    """
    condition = """c.end_user_id IN (SELECT id FROM end_users WHERE token_hash = :caller AND kb_id = c.kb_id)
        AND kb.is_public AND kb.is_active AND u.is_active
        AND EXISTS (SELECT 1 FROM share_links l WHERE l.id = c.share_link_id AND l.is_active)"""
    return await _scope(session, conversation_id, condition, {"caller": token_hash})


async def _scope(
    session: AsyncSession, conversation_id: int, condition: str, params: dict[str, Any]
) -> KbScope:
    if not 0 < conversation_id <= MAX_INT32:
        raise NotFound("conversation")
    found = await run(
        session,
        sa.text(f"""
            SELECT kb.id, kb.user_id FROM conversations c JOIN knowledge_bases kb ON kb.id = c.kb_id
            JOIN users u ON u.id = kb.user_id WHERE c.id = :conversation_id AND {condition}
        """),
        params=params | {"conversation_id": conversation_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("conversation")
    return KbScope(row.id, row.user_id)


async def get(session: AsyncSession, scope: KbScope, *, conversation_id: int) -> Conversation:
    """One conversation of a knowledge base.

    Raises:
        NotFound: it is another knowledge base's.
    """
    found = await run(
        session,
        sa.text(f"{_CONVERSATION} WHERE c.kb_id = :kb_id AND c.id = :conversation_id"),
        params={"kb_id": scope.kb_id, "conversation_id": conversation_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("conversation")
    return _conversation(row)


async def of_owner(
    session: AsyncSession,
    *,
    owner_id: int,
    kb_id: int | None = None,
    status: str | None = None,
    query: str | None = None,
    include_previews: bool = False,
    before: int | None = None,
    limit: int,
) -> list[Conversation]:
    """Conversations with an owner's knowledge bases, newest first; `query` looks into what was said."""
    found = await run(
        session,
        sa.text(f"""
            {_CONVERSATION} WHERE kb.user_id = :owner_id
            AND (CAST(:kb_id AS integer) IS NULL OR c.kb_id = :kb_id)
            AND (CAST(:status AS text) IS NULL OR c.status::text = :status)
            AND (CAST(:before AS integer) IS NULL OR c.id < :before)
            AND (:include_previews OR c.end_user_id IS NOT NULL)
            AND m.n_messages > 0
            AND (CAST(:query AS text) IS NULL OR strpos(lower(coalesce(e.name, '') || ' ' || coalesce(e.email, '')),
                   lower(:query)) > 0
                 OR EXISTS (SELECT 1 FROM messages x WHERE x.conversation_id = c.id
                   AND strpos(lower(x.content), lower(:query)) > 0))
            ORDER BY c.id DESC LIMIT :limit
        """),
        params={
            "owner_id": owner_id,
            "kb_id": kb_id,
            "status": status,
            "query": query,
            "include_previews": include_previews,
            "before": before,
            "limit": limit,
        },
    )
    return [_conversation(row) for row in found]


async def of_visitor(
    session: AsyncSession, scope: KbScope, *, end_user_id: int, limit: int
) -> list[Conversation]:
    """A visitor's own conversations, newest first."""
    found = await run(
        session,
        sa.text(f"""
            {_CONVERSATION} WHERE c.kb_id = :kb_id AND c.end_user_id = :end_user_id AND m.n_messages > 0
            ORDER BY c.id DESC LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "end_user_id": end_user_id, "limit": limit},
    )
    return [_conversation(row) for row in found]


async def move_to_link(
    session: AsyncSession, scope: KbScope, *, end_user_id: int, share_link_id: int
) -> None:
    """Let a visitor who was given the new link go on with conversations held through an old one."""
    await run(
        session,
        sa.text("""
            UPDATE conversations SET share_link_id = :share_link_id
            WHERE kb_id = :kb_id AND end_user_id = :end_user_id AND share_link_id IS DISTINCT FROM :share_link_id
        """),
        params={"kb_id": scope.kb_id, "end_user_id": end_user_id, "share_link_id": share_link_id},
    )


async def previews_of(
    session: AsyncSession, scope: KbScope, *, user_id: int, limit: int
) -> list[Conversation]:
    """An owner's own trial conversations, newest first."""
    found = await run(
        session,
        sa.text(f"""
            {_CONVERSATION} WHERE c.kb_id = :kb_id AND c.user_id = :user_id AND m.n_messages > 0
            ORDER BY c.id DESC LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "user_id": user_id, "limit": limit},
    )
    return [_conversation(row) for row in found]


async def messages(
    session: AsyncSession,
    scope: KbScope,
    *,
    conversation_id: int,
    before: int | None = None,
    limit: int = 200,
) -> list[Message]:
    """The newest messages of a conversation, oldest of them first."""
    found = await run(
        session,
        sa.text(f"""
            SELECT * FROM (
              SELECT {_MESSAGE_COLUMNS} FROM messages m JOIN conversations c ON c.id = m.conversation_id
              WHERE c.kb_id = :kb_id AND c.id = :conversation_id
              AND (CAST(:before AS integer) IS NULL OR m.id < :before)
              ORDER BY m.id DESC LIMIT :limit) newest
            ORDER BY id
        """),
        params={"kb_id": scope.kb_id, "conversation_id": conversation_id, "before": before, "limit": limit},
    )
    return [_message(row) for row in found]


async def message(session: AsyncSession, scope: KbScope, *, conversation_id: int, message_id: int) -> Message:
    """One message, found through its conversation.

    Raises:
        NotFound: it is another conversation's.
    """
    if not 0 < message_id <= MAX_INT32:
        raise NotFound("message")
    found = await run(
        session,
        sa.text(f"""
            SELECT {_MESSAGE_COLUMNS} FROM messages m JOIN conversations c ON c.id = m.conversation_id
            WHERE c.kb_id = :kb_id AND c.id = :conversation_id AND m.id = :message_id
        """),
        params={"kb_id": scope.kb_id, "conversation_id": conversation_id, "message_id": message_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("message")
    return _message(row)


async def add_message(
    session: AsyncSession,
    scope: KbScope,
    *,
    conversation_id: int,
    sender: str,
    content: str,
    status: str = "complete",
    citations: list[dict[str, Any]] | None = None,
    details: dict[str, Any] | None = None,
) -> Message:
    """Store one text; the first question names the conversation."""
    row = MessageRow(
        conversation_id=conversation_id,
        sender=sender,
        content=content,
        status=status,
        citations=citations or [],
        details=details,
    )
    session.add(row)
    await session.flush()
    await run(
        session,
        sa.text("""
            UPDATE conversations SET updated_at = now(),
              title = CASE WHEN title = '' THEN left(:content, 120) ELSE title END
            WHERE id = :conversation_id AND kb_id = :kb_id
        """),
        params={"conversation_id": conversation_id, "kb_id": scope.kb_id, "content": content},
    )
    assert row.id is not None
    return await message(session, scope, conversation_id=conversation_id, message_id=row.id)


async def delete_messages_from(
    session: AsyncSession, scope: KbScope, *, conversation_id: int, message_id: int
) -> None:
    """Forget a message and what came after it, to ask again."""
    await run(
        session,
        sa.text("""
            DELETE FROM messages m USING conversations c WHERE c.id = m.conversation_id AND c.kb_id = :kb_id
            AND c.id = :conversation_id AND m.id >= :message_id
        """),
        params={"kb_id": scope.kb_id, "conversation_id": conversation_id, "message_id": message_id},
    )


async def set_status(session: AsyncSession, scope: KbScope, *, conversation_id: int, status: str) -> None:
    """Close or reopen a conversation."""
    await run(
        session,
        sa.text("""
            UPDATE conversations SET status = CAST(:status AS conversation_status)
            WHERE id = :conversation_id AND kb_id = :kb_id
        """),
        params={"conversation_id": conversation_id, "kb_id": scope.kb_id, "status": status},
    )


async def delete(session: AsyncSession, scope: KbScope, *, conversation_id: int) -> None:
    """Delete a conversation with its messages."""
    await run(
        session,
        sa.text("DELETE FROM conversations WHERE id = :conversation_id AND kb_id = :kb_id"),
        params={"conversation_id": conversation_id, "kb_id": scope.kb_id},
    )


async def set_feedback(
    session: AsyncSession,
    scope: KbScope,
    *,
    conversation_id: int,
    message_id: int,
    feedback: int | None,
    reason: str | None,
) -> None:
    """Keep what a reader thinks of an answer."""
    await run(
        session,
        sa.text("""
            UPDATE messages m SET feedback = :feedback, feedback_reason = :reason FROM conversations c
            WHERE c.id = m.conversation_id AND c.kb_id = :kb_id AND c.id = :conversation_id
            AND m.id = :message_id AND m.sender = 'assistant'
        """).bindparams(sa.bindparam("feedback", type_=sa.SmallInteger)),
        params={
            "kb_id": scope.kb_id,
            "conversation_id": conversation_id,
            "message_id": message_id,
            "feedback": feedback,
            "reason": reason,
        },
    )


async def visitor(
    session: AsyncSession, scope: KbScope, *, token_hash: bytes, create: bool
) -> Visitor | None:
    """The visitor with a token; made on first use when `create`."""
    if create:
        await run(
            session,
            sa.text("""
                INSERT INTO end_users (kb_id, token_hash) VALUES (:kb_id, :token_hash)
                ON CONFLICT (kb_id, token_hash) WHERE token_hash IS NOT NULL
                DO UPDATE SET last_seen_at = now()
            """),
            params={"kb_id": scope.kb_id, "token_hash": token_hash},
        )
    found = await run(
        session,
        sa.text(
            "SELECT id, kb_id, name, email FROM end_users WHERE kb_id = :kb_id AND token_hash = :token_hash"
        ),
        params={"kb_id": scope.kb_id, "token_hash": token_hash},
    )
    row = found.first()
    return None if row is None else Visitor(row.id, row.kb_id, row.name, row.email)


async def introduce_visitor(
    session: AsyncSession, scope: KbScope, *, end_user_id: int, name: str | None, email: str | None
) -> None:
    """Keep the name and address a visitor left."""
    await run(
        session,
        sa.text("UPDATE end_users SET name = :name, email = :email WHERE id = :id AND kb_id = :kb_id"),
        params={"id": end_user_id, "kb_id": scope.kb_id, "name": name, "email": email},
    )
