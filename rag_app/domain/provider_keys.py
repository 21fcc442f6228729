"""An owner's own keys for providers."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Answered = Literal["owner", "installation", "none"]


@dataclass(frozen=True)
class StoredKey:
    """A key as the database has it; a server of one's own may have none."""

    provider: str
    key_id: str
    ciphertext: bytes | None = field(repr=False)
    last_four: str = ""
    base_url: str | None = None
    checked_at: datetime | None = None
    problem: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True)
class ProviderStatus:
    """How an owner reaches a provider: with a key of their own, the installation's, or not at all.

    `checked_at` and `problem` are of the last test of the owner's key; `last_four` and `base_url` are theirs
    too. `takes_base_url`: owners may name a server of their own, with or without a key.
    """

    provider: str
    label: str
    source: Answered
    has_installation_key: bool
    takes_base_url: bool
    last_four: str = ""
    base_url: str = ""
    checked_at: datetime | None = None
    problem: str = ""

    @property
    def is_available(self) -> bool:
        """Whether calls can be made."""
        return self.source != "none"
