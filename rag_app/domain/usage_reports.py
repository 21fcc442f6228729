"""What was used, added up: by day, knowledge base, provider, model, kind or owner."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from rag_app.errors import InvalidInput

Grouping = Literal["day", "kb", "provider", "model", "kind", "owner"]

MAX_DAYS = 366
FIRST_YEAR, LAST_YEAR = 2000, 9998  # the day after the last one must be a date, too
NO_ERRORS = ("complete", "cancelled")  # who stops an answer has not found a fault


@dataclass(frozen=True)
class Span:
    """Days in UTC, both ends included.

    Raises:
        InvalidInput: it ends before it begins, or is longer than a year.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if not (self.first.year >= FIRST_YEAR and self.last.year <= LAST_YEAR):
            raise InvalidInput("This date is too far away.", field="from")
        if self.last < self.first:
            raise InvalidInput("The last day is before the first one.", field="to")
        if (self.last - self.first).days >= MAX_DAYS:
            raise InvalidInput(f"Please choose at most {MAX_DAYS} days at once.", field="from")

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return _midnight(self.first)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return _midnight(self.last + timedelta(days=1))

    @property
    def days(self) -> list[date]:
        """Every day of it."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def last_days(n: int, *, now: datetime | None = None) -> Span:
    """Today and the days before it, n in all."""
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    return Span(today - timedelta(days=n - 1), today)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True)
class UsageScope:
    """Whose calls are counted: one owner's, or with None everybody's.

    Only `db/queries/usage_reports.py` makes one, after asking who may.
    """

    owner_id: int | None


@dataclass(frozen=True)
class Viewer:
    """Who asks, and whether for all owners, which is for super admins only."""

    user_id: int
    all_owners: bool = False


@dataclass(frozen=True)
class UsageFilters:
    """Which calls are counted; what is None limits nothing.

    A knowledge base that was deleted has no `kb_id` any more and is found by `deleted_kb`, its name.
    """

    kb_id: int | None = None
    deleted_kb: str | None = None
    provider: str | None = None
    model: str | None = None
    kind: str | None = None
    owner_id: int | None = None


@dataclass(frozen=True)
class Latency:
    """Milliseconds: half of the calls took at most `p50`, 19 of 20 at most `p95`."""

    p50: float
    p95: float


@dataclass(frozen=True)
class Used:
    """What some calls came to.

    `known_cost` adds up the calls whose price is known, in US dollars; the others are `n_unknown_cost`.
    Of `n_estimated` calls the provider never told the tokens. `errors` counts what went wrong by outcome.
    """

    n_calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    known_cost: Decimal = Decimal(0)
    n_unknown_cost: int = 0
    n_estimated: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    first_token: Latency | None = None
    total: Latency | None = None

    @property
    def cost(self) -> Decimal | None:
        """The known cost; None where nothing is known of any call, which is not the same as 0."""
        return None if self.n_calls and self.n_unknown_cost == self.n_calls else self.known_cost

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def n_errors(self) -> int:
        """Calls that went wrong."""
        return sum(self.errors.values())


@dataclass(frozen=True)
class UsageGroup:
    """One line of a report.

    `key` names it to programs (a day, an id, a provider, …), `name` to people. `provider` is set for
    models; `owner` for knowledge bases where those of all owners are listed; `is_deleted` for knowledge
    bases that are gone, whose key is empty.
    """

    key: str
    name: str
    used: Used
    provider: str = ""
    owner: str = ""
    is_deleted: bool = False


@dataclass(frozen=True)
class UsageReport:
    """Totals with one line for each group; days in their order, all else by cost.

    `n_groups` may be more than are listed.
    """

    span: Span
    group_by: Grouping
    totals: Used
    groups: tuple[UsageGroup, ...]
    n_groups: int


@dataclass(frozen=True)
class KbChoice:
    """A knowledge base that calls were made for; of one that was deleted only the name is left."""

    kb_id: int | None
    name: str
    owner: str


@dataclass(frozen=True)
class UsageChoices:
    """What the calls of a time can be narrowed to."""

    kbs: tuple[KbChoice, ...] = ()
    providers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    owners: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class RecordedCall:
    """One call as it was kept."""

    id: int
    created_at: datetime
    owner: str
    kb_id: int | None
    kb_name: str
    kind: str
    provider: str
    model: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    is_estimated: bool
    cost: Decimal | None
    price_version: str
    outcome: str
    key_source: str
    first_token_ms: float | None
    total_ms: float | None
    conversation_id: int | None
    request_id: UUID | None


@dataclass(frozen=True)
class AnswerUsage:
    """What one answer took, with all calls around it; who answered, and how quickly."""

    used: Used
    provider: str
    model: str
    first_token_ms: float | None
    total_ms: float | None


@dataclass(frozen=True)
class ConversationUsage:
    """What a conversation took, also for answers that were asked again and are gone."""

    total: Used
    answers: Mapping[UUID, AnswerUsage]
