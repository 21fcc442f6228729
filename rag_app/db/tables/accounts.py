"""Accounts and sign-ins."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from rag_app.db.tables.columns import USER_ROLE, created_now, moment


class UserRow(SQLModel, table=True):
    """One account; `email` is stored in lower case."""

    __tablename__ = "users"

    id: int | None = Field(default=None, primary_key=True)
    email: str
    password_hash: str | None = None
    name: str | None = None
    role: str = Field(default="kb_owner", sa_type=USER_ROLE)  # pyright: ignore
    subscription_tier: str = "free"
    limit_overrides: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    oauth_provider: str | None = None
    oauth_id: str | None = None
    avatar_url: str | None = None
    is_active: bool = True
    created_at: datetime = created_now()
    updated_at: datetime = created_now()


class SignInRow(SQLModel, table=True):
    """One person signed in on one device; refresh tokens are kept as SHA-256 only."""

    __tablename__ = "sign_ins"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: int
    kind: str
    user_agent: str = ""
    refresh_hash: bytes | None = None
    previous_refresh_hash: bytes | None = None
    refreshed_at: datetime | None = moment()
    created_at: datetime = created_now()
    last_seen_at: datetime = created_now()
    expires_at: datetime = moment()
    ended_at: datetime | None = moment()
