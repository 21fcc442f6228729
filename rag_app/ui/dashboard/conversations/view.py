"""Conversations as a list shows them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from rag_app.domain.conversations import Conversation


@dataclass(frozen=True)
class ConversationView:
    """One line of the list, and the head of the page that shows it."""

    id: int = 0
    who: str = ""
    email: str = ""
    kb_name: str = ""
    title: str = ""
    when: str = ""
    when_exactly: str = ""
    n_messages: int = 0
    complaints: str = ""
    is_closed: bool = False
    is_preview: bool = False


def conversation_view(found: Conversation, *, now: datetime) -> ConversationView:
    """A conversation in words."""
    unnamed = "You (preview)" if found.is_preview else "Visitor"
    return ConversationView(
        id=found.id,
        who=found.visitor_name or found.visitor_email or unnamed,
        email=found.visitor_email or "",
        kb_name=found.kb_name,
        title=" ".join(found.title.split()) or "No question yet",
        when=how_long_ago(found.updated_at, now=now),
        when_exactly=f"{found.updated_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        n_messages=found.n_messages,
        complaints=_complaints(found.n_negative),
        is_closed=found.status == "closed",
        is_preview=found.is_preview,
    )


def how_long_ago(moment: datetime, *, now: datetime) -> str:
    """A moment as people say it."""
    seconds = max((now - moment).total_seconds(), 0)
    for unit_s, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit_s:
            n = int(seconds // unit_s)
            if word == "day" and n > 30:
                return f"{moment:%d %b %Y}"
            return f"{n} {word} ago" if n == 1 else f"{n} {word}s ago"
    return "just now"


def _complaints(n_negative: int) -> str:
    if not n_negative:
        return ""
    return "1 thumb down" if n_negative == 1 else f"{n_negative} thumbs down"
