"""Conversations, messages and the end users who hold them."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from rag_app.db.tables.columns import CONVERSATION_STATUS, MESSAGE_SENDER, created_now


class EndUserRow(SQLModel, table=True):
    """A person chatting through a link, known by the hash of a token in their browser."""

    __tablename__ = "end_users"

    id: int | None = Field(default=None, primary_key=True)
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    kb_id: int | None = None
    token_hash: bytes | None = None
    created_at: datetime = created_now()
    last_seen_at: datetime = created_now()


class ConversationRow(SQLModel, table=True):
    """Many turns; `user_id` is set for the owner's own preview, `end_user_id` for a visitor's."""

    __tablename__ = "conversations"

    id: int | None = Field(default=None, primary_key=True)
    kb_id: int
    end_user_id: int | None = None
    user_id: int | None = None
    share_link_id: int | None = None
    title: str = ""
    status: str = Field(default="active", sa_type=CONVERSATION_STATUS)  # pyright: ignore
    created_at: datetime = created_now()
    updated_at: datetime = created_now()


class MessageRow(SQLModel, table=True):
    """One stored text; `details` is the column `metadata`, a name SQLModel keeps for itself."""

    __tablename__ = "messages"

    id: int | None = Field(default=None, primary_key=True)
    conversation_id: int
    sender: str = Field(sa_type=MESSAGE_SENDER)  # pyright: ignore
    content: str
    status: str = "complete"
    citations: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    feedback: int | None = None
    feedback_reason: str | None = None
    faq_entry_id: int | None = None
    details: dict[str, Any] | None = Field(default=None, sa_type=JSONB, sa_column_kwargs={"name": "metadata"})
    created_at: datetime = created_now()
