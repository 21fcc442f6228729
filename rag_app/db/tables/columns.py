"""Column kinds that several tables share."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Field


def enum(name: str, *values: str) -> sa.Enum:
    """A Postgres enum that a migration made, read and written as plain strings."""
    return postgresql.ENUM(*values, name=name, create_type=False)


def created_now() -> Any:
    """A moment the database fills in."""
    return Field(
        default=None, sa_type=sa.DateTime(timezone=True), sa_column_kwargs={"server_default": sa.func.now()}
    )


def moment() -> Any:
    """A moment that may not have come yet."""
    return Field(default=None, sa_type=sa.DateTime(timezone=True))


USER_ROLE = enum("user_role", "super_admin", "kb_owner", "end_user")
LLM_PROVIDER = enum("llm_provider", "openai", "anthropic", "gemini", "local")
DOCUMENT_STATUS = enum("document_status", "received", "parsing", "embedding", "ready", "failed", "cancelled")
JOB_STATUS = enum("document_job_status", "pending", "processing", "completed", "failed", "cancelled")
CONVERSATION_STATUS = enum("conversation_status", "active", "closed")
MESSAGE_SENDER = enum("message_sender", "user", "assistant")
