"""What is counted of every call to a provider."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from rag_app.domain.answers import Usage

CallKind = Literal["chat", "rewrite", "variants", "judge", "embedding", "test"]
KeySource = Literal["installation", "owner", "none"]


@dataclass(frozen=True)
class CallContext:
    """What a call is for; `request_id` is the same for all calls that one answer needed."""

    owner_id: int
    kind: CallKind
    kb_id: int | None = None
    kb_name: str = ""
    conversation_id: int | None = None
    request_id: UUID | None = None


@dataclass(frozen=True)
class ProviderCall:
    """One call to a provider, also one that failed.

    `outcome` is `complete`, `interrupted`, `cancelled`, or the kind of failure (`rate_limit`, `key`, …);
    `cost` in US dollars is None where it is not known.
    """

    context: CallContext
    provider: str
    model: str
    usage: Usage
    outcome: str
    key_source: KeySource = "installation"
    cost: Decimal | None = None
    price_version: str = ""
    first_token_ms: float | None = None
    total_ms: float = 0
