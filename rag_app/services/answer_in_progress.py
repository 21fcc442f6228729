"""Which answer a call is made for, where whoever makes it does not know.

Rewriting a question, finding other wordings and judging passages happen deep inside a search, which
programs and pages use without any conversation; what they cost belongs to the answer all the same.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypedDict
from uuid import UUID


class AnswerIds(TypedDict):
    """What tells an answer; both None outside of one."""

    conversation_id: int | None
    request_id: UUID | None


_current: ContextVar[AnswerIds | None] = ContextVar("_current", default=None)


@contextmanager
def in_progress(conversation_id: int, request_id: UUID) -> Generator[None]:
    """Calls made inside are for this answer.

    No generator may yield inside: what its reader does meanwhile is not for the answer.
    """
    token = _current.set({"conversation_id": conversation_id, "request_id": request_id})
    try:
        yield
    finally:
        _current.reset(token)


def answer_ids() -> AnswerIds:
    """The answer that is being made."""
    return _current.get() or {"conversation_id": None, "request_id": None}
