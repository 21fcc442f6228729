"""People who own knowledge bases, and their sign-ins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Role = Literal["super_admin", "kb_owner", "end_user"]


@dataclass(frozen=True)
class User:
    """An account; `id` is what every owned row points to."""

    id: int
    email: str
    name: str
    role: Role
    subscription_tier: str
    is_active: bool
    created_at: datetime

    @property
    def is_admin(self) -> bool:
        """Whether this account runs the installation."""
        return self.role == "super_admin"


@dataclass(frozen=True)
class SignIn:
    """One person signed in on one device; ending it ends every token made for it.

    `requests_per_minute` is what the owner's plan allows, None without a limit.
    """

    id: UUID
    user: User
    expires_at: datetime
    requests_per_minute: int | None = None


@dataclass(frozen=True)
class OpenSignIn:
    """A sign-in that holds, as its person sees it in a list; `is_current` for the one that asks."""

    id: UUID
    kind: Literal["browser", "program"]
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    is_current: bool


@dataclass(frozen=True)
class Tokens:
    """What a program gets when it signs in; both are shown once and stored hashed or not at all."""

    access_token: str
    refresh_token: str
    expires_in_s: int
    user: User
