"""Questions that nobody could answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Reason = Literal["refused", "disliked", "uncited"]


@dataclass(frozen=True)
class UnansweredQuestion:
    """One of them; `message_id` is the answer it got, which says no, got a thumb down, or cites nothing."""

    message_id: int
    conversation_id: int
    question: str
    reason: Reason
    is_preview: bool
    is_dismissed: bool
    asked_at: datetime


@dataclass(frozen=True)
class QuestionGroup:
    """Some that ask the same, newest first; `question` is the wording used most."""

    question: str
    questions: tuple[UnansweredQuestion, ...]
    is_dismissed: bool

    @property
    def message_ids(self) -> list[int]:
        """The answers they got."""
        return [one.message_id for one in self.questions]
