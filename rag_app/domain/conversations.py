"""Conversations: many turns between a person and a knowledge base."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from rag_app.domain.retrieval import Passage

MessageStatus = Literal["complete", "interrupted", "failed"]


@dataclass(frozen=True)
class Citation:
    """An answer's reference to a passage; `marker` is the number in the text, `quote` what supports it.

    `url` is where its document can be seen outside, empty for files.
    """

    marker: int
    chunk_id: int
    document_id: int
    document_name: str
    page: int | None
    quote: str
    heading: str = ""
    document_version: int = 0  # of the file it was read from; 0 where nobody noted it
    url: str = ""


@dataclass(frozen=True)
class Message:
    """One stored question or answer; `faq_entry_id` is the entry that was made from it."""

    id: int
    conversation_id: int
    sender: Literal["user", "assistant"]
    content: str
    status: MessageStatus
    citations: tuple[Citation, ...]
    feedback: int | None
    feedback_reason: str | None
    metadata: dict[str, Any]
    created_at: datetime
    faq_entry_id: int | None = None


@dataclass(frozen=True)
class Conversation:
    """A conversation as its owner sees it in a list."""

    id: int
    kb_id: int
    kb_name: str
    title: str
    status: Literal["active", "closed"]
    is_preview: bool
    visitor_name: str | None
    visitor_email: str | None
    n_messages: int
    n_negative: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Visitor:
    """An end user of one shared knowledge base, known by a token in their browser."""

    id: int
    kb_id: int
    name: str | None
    email: str | None


# Events of one answer, in the order they come.


@dataclass(frozen=True)
class Asked:
    """The question is stored."""

    message_id: int


@dataclass(frozen=True)
class Rewritten:
    """What is searched for, when it differs from what was typed."""

    question: str


@dataclass(frozen=True)
class Retrieved:
    """The passages the model will read."""

    passages: tuple[Passage, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Delta:
    """The next piece of the answer; every citation marker in it is valid."""

    text: str


@dataclass(frozen=True)
class Cited:
    """The passages the answer refers to."""

    citations: tuple[Citation, ...]


@dataclass(frozen=True)
class Grounded:
    """How many of the answer's sentences are supported by what they cite."""

    n_sentences: int
    n_supported: int


@dataclass(frozen=True)
class Finished:
    """The answer is complete and stored."""

    message: Message


@dataclass(frozen=True)
class Broken:
    """The answer ended early; what came is stored as interrupted, `reason` is fit for the reader."""

    reason: str
    message: Message | None


AnswerEvent = Asked | Rewritten | Retrieved | Delta | Cited | Grounded | Finished | Broken
