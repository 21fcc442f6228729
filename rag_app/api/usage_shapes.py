"""The shapes of reports of usage, as JSON and as CSV."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from rag_app.api.csv_files import Cell
from rag_app.domain.usage_reports import (
    AnswerUsage,
    ConversationUsage,
    Grouping,
    Latency,
    RecordedCall,
    UsageGroup,
    UsageReport,
    Used,
)


class LatencyOut(BaseModel):
    p50: float
    p95: float

    @classmethod
    def of(cls, latency: Latency | None) -> Self | None:
        return None if latency is None else cls(p50=latency.p50, p95=latency.p95)


class UsedOut(BaseModel):
    n_calls: int
    prompt_tokens: int
    cached_tokens: int = Field(description="Of `prompt_tokens`, those the provider had read before.")
    completion_tokens: int
    cost_usd: float | None = Field(description="Of the calls whose price is known; null where none is.")
    n_unknown_cost: int = Field(description="Calls that are not in `cost_usd`.")
    n_estimated: int = Field(description="Calls whose tokens the provider never told.")

    @classmethod
    def of(cls, used: Used) -> Self:
        return cls(**_counted(used))


class UsageSumsOut(UsedOut):
    n_errors: int
    errors: dict[str, int] = Field(description="How often what went wrong.")
    first_token_ms: LatencyOut | None
    total_ms: LatencyOut | None = Field(description="Of complete calls.")

    @classmethod
    def of(cls, used: Used) -> Self:
        return cls(**_summed(used))


class UsageGroupOut(UsageSumsOut):
    key: str = Field(description="The day, id, provider, model or kind; empty for a deleted knowledge base.")
    name: str
    provider: str = Field(description="Of models.")
    owner: str = Field(description="Of knowledge bases, where those of all owners are listed.")
    is_deleted: bool

    @classmethod
    def of_group(cls, group: UsageGroup) -> Self:
        return cls(
            **_summed(group.used),
            key=group.key,
            name=group.name,
            provider=group.provider,
            owner=group.owner,
            is_deleted=group.is_deleted,
        )


class UsageReportOut(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    first: date = Field(alias="from")
    last: date = Field(alias="to")
    group_by: Grouping
    totals: UsageSumsOut
    items: list[UsageGroupOut]
    n_groups: int = Field(description="May be more than are listed.")

    @classmethod
    def of(cls, report: UsageReport) -> Self:
        return cls(
            first=report.span.first,
            last=report.span.last,
            group_by=report.group_by,
            totals=UsageSumsOut.of(report.totals),
            items=[UsageGroupOut.of_group(group) for group in report.groups],
            n_groups=report.n_groups,
        )


class AnswerUsageOut(UsedOut):
    provider: str
    model: str
    first_token_ms: float | None
    total_ms: float | None

    @classmethod
    def of_answer(cls, answer: AnswerUsage) -> Self:
        return cls(
            **_counted(answer.used),
            provider=answer.provider,
            model=answer.model,
            first_token_ms=answer.first_token_ms,
            total_ms=answer.total_ms,
        )


class ConversationUsageOut(BaseModel):
    total: UsedOut = Field(description="Also of answers that were asked again and are gone.")
    answers: dict[int, AnswerUsageOut] = Field(description="By the id of the message.")

    @classmethod
    def of(cls, usage: ConversationUsage, requests: dict[str, int]) -> Self:
        """`requests` are the ids of answers by the request that made them."""
        found = {requests.get(str(request_id)): answer for request_id, answer in usage.answers.items()}
        return cls(
            total=UsedOut.of(usage.total),
            answers={
                message_id: AnswerUsageOut.of_answer(answer)
                for message_id, answer in found.items()
                if message_id is not None
            },
        )


GROUP_HEADER = (
    "key", "name", "provider", "owner", "deleted", "calls", "prompt_tokens", "cached_tokens",
    "completion_tokens", "cost_usd", "calls_of_unknown_cost", "estimated_calls", "errors",
    "first_token_ms_p50", "first_token_ms_p95", "total_ms_p50", "total_ms_p95",
)  # fmt: skip
CALL_HEADER = (
    "time_utc", "owner", "kb_id", "kb_name", "kind", "provider", "model", "prompt_tokens", "cached_tokens",
    "completion_tokens", "estimated", "cost_usd", "price_version", "outcome", "key", "first_token_ms",
    "total_ms", "conversation_id", "request_id",
)  # fmt: skip


def group_rows(groups: Iterable[UsageGroup]) -> Iterator[tuple[Cell, ...]]:
    """A report's lines as cells; an unknown cost is an empty one."""
    for group in groups:
        used = group.used
        yield (
            group.key, group.name, group.provider, group.owner, group.is_deleted, used.n_calls,
            used.prompt_tokens, used.cached_tokens, used.completion_tokens, used.cost, used.n_unknown_cost,
            used.n_estimated, used.n_errors, *_ends(used.first_token), *_ends(used.total),
        )  # fmt: skip


def call_rows(calls: Iterable[RecordedCall], *, with_owner: bool) -> Iterator[tuple[Cell, ...]]:
    """Calls as cells."""
    for call in calls:
        yield (
            call.created_at, call.owner if with_owner else "", call.kb_id, call.kb_name, call.kind,
            call.provider, call.model, call.prompt_tokens, call.cached_tokens, call.completion_tokens,
            call.is_estimated, call.cost, call.price_version, call.outcome, call.key_source,
            call.first_token_ms, call.total_ms, call.conversation_id,
            str(call.request_id) if call.request_id else None,
        )  # fmt: skip


def _ends(latency: Latency | None) -> tuple[float | None, float | None]:
    return (None, None) if latency is None else (latency.p50, latency.p95)


def _counted(used: Used) -> dict[str, Any]:
    names = (
        "n_calls",
        "prompt_tokens",
        "cached_tokens",
        "completion_tokens",
        "n_unknown_cost",
        "n_estimated",
    )
    counts = {name: getattr(used, name) for name in names}
    return counts | {"cost_usd": None if used.cost is None else float(used.cost)}


def _summed(used: Used) -> dict[str, Any]:
    return _counted(used) | {
        "n_errors": used.n_errors,
        "errors": dict(used.errors),
        "first_token_ms": LatencyOut.of(used.first_token),
        "total_ms": LatencyOut.of(used.total),
    }
