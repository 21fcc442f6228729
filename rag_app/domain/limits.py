"""What a plan allows: amounts that may be had, and what may be used in a month, a day or a minute.

A limit that is not named, or null, does not limit. An owner's own limits stand above those of the plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from rag_app.domain.sizes import size
from rag_app.errors import InvalidInput

Period = Literal["", "month", "day", "minute"]
TierName = Literal["free", "pro", "enterprise"]
Limits = Mapping[str, int | None]

MOST = 10**15  # larger numbers are not exact in a browser
WARN_FROM = 0.8


@dataclass(frozen=True)
class Limit:
    """One thing that a plan may limit; `one` and `many` are its names in a sentence.

    Without a `period` it is an amount that can be had at the same time. Less than `least` would shut out.
    """

    name: str
    label: str
    one: str
    many: str
    period: Period = ""
    least: int = 0

    @property
    def is_in_bytes(self) -> bool:
        """Whether it is told in MB and GB."""
        return self.name.endswith("_bytes")

    def in_words(self, n: int) -> str:
        """So much of it: "25 knowledge bases", "5.0 GB of files"."""
        if self.name == "file_size_bytes":
            return f"files of up to {size(n)}"
        if self.name == "storage_bytes":
            return f"{size(n)} of files"
        return f"{n:,} {self.one if n == 1 else self.many}"


KNOWLEDGE_BASES = Limit("knowledge_bases", "Knowledge bases", "knowledge base", "knowledge bases")
DOCUMENTS = Limit("documents", "Documents", "document", "documents")
STORAGE = Limit("storage_bytes", "Storage for files", "byte", "bytes")
CHUNKS = Limit("chunks", "Chunks of text", "chunk of text", "chunks of text")
FILE_SIZE = Limit("file_size_bytes", "Size of one file", "byte", "bytes", least=1)
DOCUMENT_PAGES = Limit(
    "pages_per_document", "Pages of one document", "page of one document", "pages of one document", least=1
)
CRAWL_PAGES = Limit("pages_per_crawl", "Pages of one website", "page of one website", "pages of one website")
MAILBOXES = Limit("mailboxes", "Mailboxes", "mailbox", "mailboxes")
MESSAGES = Limit("messages_per_month", "Questions a month", "question a month", "questions a month", "month")
TOKENS = Limit(
    "tokens_per_month",
    "Tokens of hosted models a month",
    "token of hosted models a month",
    "tokens of hosted models a month",
    "month",
)
EVALUATIONS = Limit(
    "evaluations_per_month", "Evaluations a month", "evaluation a month", "evaluations a month", "month"
)
VISITOR_MESSAGES = Limit(
    "visitor_messages_per_day",
    "Questions of visitors a day, for each public link",
    "question of visitors a day for each public link",
    "questions of visitors a day for each public link",
    "day",
)
REQUESTS = Limit(
    "requests_per_minute",
    "API requests a minute",
    "API request a minute",
    "API requests a minute",
    "minute",
    least=10,
)

LIMITS: dict[str, Limit] = {
    limit.name: limit
    for limit in (
        KNOWLEDGE_BASES,
        DOCUMENTS,
        STORAGE,
        FILE_SIZE,
        DOCUMENT_PAGES,
        CHUNKS,
        MESSAGES,
        TOKENS,
        VISITOR_MESSAGES,
        EVALUATIONS,
        CRAWL_PAGES,
        MAILBOXES,
        REQUESTS,
    )
}


@dataclass(frozen=True)
class Tier:
    """A plan as it is kept; `n_owners` have it."""

    name: str
    label: str
    position: int
    limits: Limits
    n_owners: int = 0


@dataclass(frozen=True)
class OwnerUsage:
    """An account as the super admin sees it, with how much it has and has used this month."""

    id: int
    email: str
    name: str
    role: str
    tier: str
    tier_label: str
    overrides: Limits
    is_active: bool
    created_at: datetime
    n_knowledge_bases: int
    n_documents: int
    storage_bytes: int
    n_messages: int
    n_tokens: int


@dataclass(frozen=True)
class OwnerPlan:
    """What one owner may use: the plan's limits with the owner's own above them."""

    owner_id: int
    tier: str
    label: str
    limits: Limits
    overrides: Limits

    def most(self, limit: Limit) -> int | None:
        """How much is allowed, None without a limit."""
        return self.limits.get(limit.name)


@dataclass(frozen=True)
class OneFile:
    """How large one file may be; `plan` names the plan that says so, empty where the installation does."""

    most_bytes: int
    plan: str = ""


@dataclass(frozen=True)
class Meter:
    """How much of a limit is used; `used` None where nothing is counted, `most` None without a limit."""

    limit: Limit
    used: int | None
    most: int | None
    resets_at: datetime | None = None

    @property
    def share(self) -> float | None:
        """The part that is used, None where that cannot be said."""
        if self.used is None or self.most is None:
            return None
        return self.used / self.most if self.most else 1.0

    @property
    def is_close(self) -> bool:
        """Whether its owner should know before it is reached."""
        return self.share is not None and self.share >= WARN_FROM and bool(self.most or self.used)


@dataclass(frozen=True)
class Budget:
    """What a knowledge base may spend on hosted models in a month, in US dollars.

    `n_unpriced` calls of this month cost something that nobody knows, so `spent` leaves them out.
    """

    kb_id: int
    kb_name: str
    most: Decimal | None
    spent: Decimal
    n_unpriced: int
    resets_at: datetime

    @property
    def is_reached(self) -> bool:
        """Whether no hosted model may be called any more."""
        return self.most is not None and self.spent >= self.most

    @property
    def is_close(self) -> bool:
        """Whether its owner should know before it is reached."""
        return bool(self.most) and self.spent >= (self.most or 0) * Decimal(str(WARN_FROM))


@dataclass(frozen=True)
class Plan:
    """An owner's plan with all meters, and the budgets of the knowledge bases that have one."""

    owner: OwnerPlan
    meters: tuple[Meter, ...]
    budgets: tuple[Budget, ...]


def period_start(period: Period, now: datetime) -> date:
    """The first day of the month or day that a moment lies in, in UTC."""
    today = now.astimezone(UTC).date()
    return today.replace(day=1) if period == "month" else today


def resets_at(period: Period, now: datetime) -> datetime:
    """When counting begins anew: at midnight UTC, of the next month or day."""
    first = period_start(period, now)
    later = (first + timedelta(days=32)).replace(day=1) if period == "month" else first + timedelta(days=1)
    return datetime(later.year, later.month, later.day, tzinfo=UTC)


def moment_in_words(moment: datetime) -> str:
    """A moment at midnight: "1 January 2027 (00:00 UTC)"."""
    return f"{moment.day} {moment:%B %Y} (00:00 UTC)"


def read_limits(stored: object) -> dict[str, int | None]:
    """Limits as they are kept, without what is no limit of ours."""
    if not isinstance(stored, Mapping):
        return {}
    return {
        name: value
        for name in LIMITS
        if name in stored and ((value := stored[name]) is None or (isinstance(value, int) and value >= 0))
    }


def check_limits(wanted: Mapping[str, Any]) -> dict[str, int | None]:
    """Limits fit to be kept.

    Raises:
        InvalidInput: a name is not known, or a value is no whole number from 0 on; `problems` says which.
    """
    problems = {name: "There is no such limit." for name in wanted if name not in LIMITS}
    for name, value in wanted.items():
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if name not in LIMITS or value is None:
            continue
        least = LIMITS[name].least
        if not (is_number and least <= value <= MOST):
            problems[name] = f"Please use a whole number from {least} to {MOST:,}, or nothing for no limit."
    if problems:
        first = next(iter(problems))
        raise InvalidInput(f"{first}: {problems[first]}", field=first, problems=problems)
    return {name: wanted[name] for name in LIMITS if name in wanted}
