"""Conversations: begin, list, read, close, export, and what readers think of answers."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from rag_app.crypto import hash_token
from rag_app.db.engine import Sessions
from rag_app.db.queries import access, conversations, unanswered
from rag_app.domain.conversations import Conversation, Message, Visitor
from rag_app.errors import InvalidInput
from rag_app.services.accounts import normal_email
from rag_app.services.askers import Asker, admit
from rag_app.services.chat import shown_to
from rag_app.services.text import clean_line, clean_text

MAX_REASON = 1000


@dataclass(frozen=True)
class ConversationService:
    """Conversations of owners and visitors."""

    sessions: Sessions

    async def begin_preview(self, kb_id: int, *, owner_id: int) -> Conversation:
        """Let an owner try their own knowledge base. Raises NotFound."""
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            conversation_id = await conversations.insert(session, scope, user_id=owner_id)
            return await conversations.get(session, scope, conversation_id=conversation_id)

    async def begin_visit(self, slug: str, *, visitor_token: str) -> Conversation:
        """Let a visitor talk through a public link. Raises NotFound."""
        async with self.sessions.begin() as session:
            scope, link_id = await access.shared(session, slug=slug)
            visitor = await conversations.visitor(
                session, scope, token_hash=hash_token(visitor_token), create=True
            )
            assert visitor is not None
            conversation_id = await conversations.insert(
                session, scope, end_user_id=visitor.id, share_link_id=link_id
            )
            return await conversations.get(session, scope, conversation_id=conversation_id)

    async def visitor(self, slug: str, *, visitor_token: str) -> Visitor | None:
        """The visitor a browser is known as, None before their first conversation. Raises NotFound."""
        async with self.sessions() as session:
            scope, _ = await access.shared(session, slug=slug)
            return await conversations.visitor(
                session, scope, token_hash=hash_token(visitor_token), create=False
            )

    async def introduce(self, slug: str, *, visitor_token: str, name: str, email: str) -> Visitor:
        """Keep the name and address a visitor wants to leave; both may be empty.

        Raises:
            NotFound: the link has ended.
            InvalidInput: the address cannot be one.
        """
        address = normal_email(email) if email.strip() else None
        async with self.sessions.begin() as session:
            scope, _ = await access.shared(session, slug=slug)
            token_hash = hash_token(visitor_token)
            visitor = await conversations.visitor(session, scope, token_hash=token_hash, create=True)
            assert visitor is not None
            await conversations.introduce_visitor(
                session,
                scope,
                end_user_id=visitor.id,
                name=clean_line(name, max_characters=120) or None,
                email=address,
            )
            changed = await conversations.visitor(session, scope, token_hash=token_hash, create=False)
            assert changed is not None
            return changed

    async def of_visitor(self, slug: str, *, visitor_token: str, limit: int = 30) -> list[Conversation]:
        """A visitor's own conversations, newest first; they can be gone on with through this link.

        Raises:
            NotFound: the link has ended.
        """
        async with self.sessions.begin() as session:
            scope, link_id = await access.shared(session, slug=slug)
            visitor = await conversations.visitor(
                session, scope, token_hash=hash_token(visitor_token), create=False
            )
            if visitor is None:
                return []
            await conversations.move_to_link(session, scope, end_user_id=visitor.id, share_link_id=link_id)
            return await conversations.of_visitor(session, scope, end_user_id=visitor.id, limit=limit)

    async def previews(self, kb_id: int, *, owner_id: int, limit: int = 30) -> list[Conversation]:
        """An owner's own trial conversations, newest first. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await conversations.previews_of(session, scope, user_id=owner_id, limit=limit)

    async def list_of(
        self,
        owner_id: int,
        *,
        kb_id: int | None = None,
        status: str | None = None,
        query: str | None = None,
        include_previews: bool = False,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Conversation]:
        """Conversations held with an owner's knowledge bases, newest first. Raises NotFound."""
        async with self.sessions() as session:
            if kb_id is not None:
                await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await conversations.of_owner(
                session,
                owner_id=owner_id,
                kb_id=kb_id,
                status=status,
                query=clean_line(query, max_characters=200) or None if query else None,
                include_previews=include_previews,
                before=before,
                limit=limit,
            )

    async def read(
        self, conversation_id: int, *, asker: Asker, before: int | None = None, limit: int = 200
    ) -> tuple[Conversation, list[Message]]:
        """A conversation with its newest messages. Raises NotFound."""
        async with self.sessions() as session:
            scope, asker = await admit(session, conversation_id=conversation_id, asker=asker)
            conversation = await conversations.get(session, scope, conversation_id=conversation_id)
            found = await conversations.messages(
                session, scope, conversation_id=conversation_id, before=before, limit=limit
            )
        return conversation, [shown_to(asker, message) for message in found]

    async def set_status(self, conversation_id: int, *, owner_id: int, status: str) -> Conversation:
        """Close or reopen a conversation. Raises NotFound."""
        if status not in {"active", "closed"}:
            raise InvalidInput("A conversation is either active or closed.", field="status")
        async with self.sessions.begin() as session:
            scope = await conversations.scope_for_owner(
                session, conversation_id=conversation_id, owner_id=owner_id
            )
            await conversations.set_status(session, scope, conversation_id=conversation_id, status=status)
            return await conversations.get(session, scope, conversation_id=conversation_id)

    async def delete(self, conversation_id: int, *, owner_id: int) -> None:
        """Delete a conversation. Raises NotFound."""
        async with self.sessions.begin() as session:
            scope = await conversations.scope_for_owner(
                session, conversation_id=conversation_id, owner_id=owner_id
            )
            await conversations.delete(session, scope, conversation_id=conversation_id)

    async def give_feedback(
        self,
        conversation_id: int,
        message_id: int,
        *,
        asker: Asker,
        feedback: int | None,
        reason: str | None = None,
    ) -> Message:
        """Keep a thumb up (1), down (-1) or none, with a reason. Raises NotFound."""
        if feedback not in {1, -1, None}:
            raise InvalidInput("Feedback is 1, -1 or nothing.", field="feedback")
        cleaned = clean_text(reason or "").strip()[:MAX_REASON] or None
        async with self.sessions.begin() as session:
            scope, _ = await admit(session, conversation_id=conversation_id, asker=asker)
            message = await conversations.message(
                session, scope, conversation_id=conversation_id, message_id=message_id
            )
            if message.sender != "assistant":
                raise InvalidInput("Only answers can be rated.")
            await conversations.set_feedback(
                session,
                scope,
                conversation_id=conversation_id,
                message_id=message_id,
                feedback=feedback,
                reason=cleaned if feedback is not None else None,
            )
            await unanswered.note_thumb(session, scope, message_id=message_id)
            return await conversations.message(
                session, scope, conversation_id=conversation_id, message_id=message_id
            )

    async def export(self, conversation_id: int, *, owner_id: int, kind: str) -> tuple[str, str, str]:
        """A conversation as a file: its name, media type and text; `kind` is markdown or json."""
        conversation, messages = await self.read(
            conversation_id, asker=Asker(owner_id=owner_id), limit=10_000
        )
        name = f"conversation-{conversation.id}"
        if kind == "json":
            return f"{name}.json", "application/json", _as_json(conversation, messages)
        return f"{name}.md", "text/markdown", _as_markdown(conversation, messages)


def _as_json(conversation: Conversation, messages: Iterable[Message]) -> str:
    from dataclasses import asdict

    content = {"conversation": asdict(conversation), "messages": [asdict(message) for message in messages]}
    return json.dumps(content, ensure_ascii=False, indent=2, default=str)


def _as_markdown(conversation: Conversation, messages: Iterable[Message]) -> str:
    who = (
        conversation.visitor_name
        or conversation.visitor_email
        or ("Preview" if conversation.is_preview else "Visitor")
    )
    lines = [
        f"# {conversation.title}",
        "",
        f"{conversation.kb_name} · {who} · {conversation.created_at:%Y-%m-%d %H:%M} UTC",
    ]
    for message in messages:
        speaker = who if message.sender == "user" else "Answer"
        lines += ["", f"**{speaker}** ({message.created_at:%H:%M})", "", message.content]
        for citation in message.citations:
            page = f", page {citation.page}" if citation.page else ""
            lines.append(
                f"> [{citation.marker}] {citation.document_name}{page}: {' '.join(citation.quote.split())}"
            )
    return "\n".join(lines) + "\n"
