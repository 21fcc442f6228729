"""Who speaks in a conversation: its visitor, or the owner of its knowledge base."""

from dataclasses import dataclass
from typing import Any

from rag_app.db.queries import access, conversations
from rag_app.domain.knowledge_bases import KbScope
from rag_app.errors import NotFound


@dataclass(frozen=True)
class Asker:
    """An owner, a visitor with a token in their browser, or an owner who visits somebody's chat."""

    owner_id: int | None = None
    visitor_token_hash: bytes | None = None

    @property
    def is_owner(self) -> bool:
        """Whether this is an owner who does not come as a visitor."""
        return self.visitor_token_hash is None


async def admit(session: Any, *, conversation_id: int, asker: Asker) -> tuple[KbScope, Asker]:
    """Let someone into a conversation as what they are in it.

    Raises:
        NotFound: it is neither this visitor's nor held with this owner's knowledge base.
    """
    if asker.visitor_token_hash is not None:
        try:
            scope = await conversations.scope_for_visitor(
                session, conversation_id=conversation_id, token_hash=asker.visitor_token_hash
            )
        except NotFound:
            if asker.owner_id is None:
                raise
        else:
            await access.enter(session, scope)
            return scope, Asker(visitor_token_hash=asker.visitor_token_hash)
    if asker.owner_id is None:
        raise NotFound("conversation")
    scope = await conversations.scope_for_owner(
        session, conversation_id=conversation_id, owner_id=asker.owner_id
    )
    await access.enter(session, scope)
    return scope, Asker(owner_id=asker.owner_id)
