"""Conversations as a list shows them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rag_app.domain.conversations import Conversation, Message
from rag_app.domain.usage_reports import AnswerUsage, ConversationUsage, Used
from rag_app.rag.llms import local
from rag_app.ui.wording import cost, counted, listed, rounded, took

BUILT_IN = {known.id for known in local.MODELS}


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


def conversation_cost(usage: ConversationUsage) -> str:
    """What a conversation took in all; nothing where nothing was counted."""
    used = usage.total
    if not used.n_calls:
        return ""
    n_calls = counted(used.n_calls, "call to a model", "calls to models")
    guessed = "≈ " if used.n_estimated else ""
    return listed([_cost(used), f"{guessed}{rounded(used.tokens)} tokens", n_calls])


def answer_costs(usage: ConversationUsage, messages: Iterable[Message]) -> dict[str, str]:
    """What each answer took, by its id."""
    by_request = {str(request_id): answer for request_id, answer in usage.answers.items()}
    return {
        str(message.id): _answer_cost(by_request[request_id], with_model=message.status != "complete")
        for message in messages
        if (request_id := str(message.metadata.get("request_id"))) in by_request
    }


def _answer_cost(answer: AnswerUsage, *, with_model: bool) -> str:
    """In words; a complete answer says beside it which model gave it."""
    used = answer.used
    n_calls = counted(used.n_calls, "call") if used.n_calls > 1 else ""
    guessed = "≈ " if used.n_estimated else ""
    tokens = f"{guessed}{rounded(used.prompt_tokens)} tokens read, {rounded(used.completion_tokens)} written"
    model = ("built-in model" if answer.model in BUILT_IN else answer.model) if with_model else ""
    return listed([_cost(used), tokens, _time(answer), model, n_calls])


def _cost(used: Used) -> str:
    """Money as far as it is known; a guess is marked as one."""
    if used.cost is None:
        return "Cost unknown"
    unknown = f" and {counted(used.n_unknown_cost, 'call')} of unknown price" if used.n_unknown_cost else ""
    return cost(used) + unknown


def _time(answer: AnswerUsage) -> str:
    if answer.total_ms is None:
        return ""
    if answer.first_token_ms is None:
        return took(answer.total_ms)
    return f"{took(answer.total_ms)}, first word after {took(answer.first_token_ms)}"
