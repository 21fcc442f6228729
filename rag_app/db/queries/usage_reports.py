"""Add up calls to providers: one owner's, or everybody's for who runs the installation.

A `UsageScope` says whose; `own` and `across_tenants` are the only makers of one.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.queries.access import is_admin
from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.usage_reports import (
    NO_ERRORS,
    AnswerUsage,
    ConversationUsage,
    Grouping,
    KbChoice,
    Latency,
    RecordedCall,
    Span,
    UsageChoices,
    UsageFilters,
    UsageGroup,
    UsageReport,
    UsageScope,
    Used,
)
from rag_app.errors import NotFound


@dataclass(frozen=True)
class _Groups:
    """How calls are put together: columns that tell groups apart, and what people call them."""

    key: str
    part: str = "''::text"
    of: str = "NULL::integer"
    name: str = "sums.key::text"
    owner: str = "''"
    joins: str = ""

    @property
    def columns(self) -> str:
        """What tells groups apart."""
        return f"{self.key} AS key, {self.part} AS part, {self.of} AS of_id"


# Text is compared byte by byte: a million names in the order of some language take seconds to sort.
_GROUPS: dict[Grouping, _Groups] = {
    "day": _Groups("(u.created_at AT TIME ZONE 'UTC')::date"),
    "kb": _Groups(
        "u.kb_id",
        """(CASE WHEN u.kb_id IS NULL THEN u.kb_name ELSE '' END COLLATE "C")""",
        of="u.user_id",
        name="coalesce(kb.name, sums.part)",
        owner="coalesce(o.email, '')",
        joins="LEFT JOIN knowledge_bases kb ON kb.id = sums.key LEFT JOIN users o ON o.id = sums.of_id",
    ),
    "provider": _Groups("u.provider"),
    "model": _Groups('(u.model COLLATE "C")', "u.provider"),
    "kind": _Groups('(u.kind COLLATE "C")'),
    "owner": _Groups("u.user_id", name="o.email", joins="LEFT JOIN users o ON o.id = sums.key"),
}

_SUMS = """count(*) AS n_calls, coalesce(sum(prompt_tokens), 0) AS prompt_tokens,
  coalesce(sum(cached_tokens), 0) AS cached_tokens, coalesce(sum(completion_tokens), 0) AS completion_tokens,
  coalesce(sum(estimated_cost), 0) AS known_cost, count(*) FILTER (WHERE estimated_cost IS NULL) AS n_unknown_cost,
  count(*) FILTER (WHERE is_estimated) AS n_estimated"""

_LATENCIES = """percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY first_token_ms) AS first_token,
  percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY total_ms) FILTER (WHERE outcome = 'complete') AS total"""

_CONDITIONS = {
    "kb_id": "u.kb_id = :kb_id",
    "deleted_kb": "u.kb_id IS NULL AND u.kb_name = :deleted_kb",
    "provider": "u.provider = CAST(:provider AS llm_provider)",
    "model": "u.model = :model",
    "kind": "u.kind = :kind",
    "owner_id": "u.user_id = :owner_id",
}


def own(user_id: int) -> UsageScope:
    """An owner's own calls."""
    return UsageScope(user_id)


async def across_tenants(session: AsyncSession, *, admin_id: int) -> UsageScope:
    """Everybody's calls.

    Raises:
        NotFound: the account does not run the installation, or does not any more.
    """
    if not await is_admin(session, user_id=admin_id):
        raise NotFound("page")
    return UsageScope(None)


def calls_sql(scope: UsageScope, span: Span, filters: UsageFilters) -> tuple[str, dict[str, Any]]:
    """The conditions of a report on `llm_usage u`, with their values."""
    conditions = ["u.created_at >= :begins", "u.created_at < :ends"]
    values: dict[str, Any] = {"begins": span.begins, "ends": span.ends}
    if scope.owner_id is not None:
        conditions.insert(0, "u.user_id = :scope_id")
        values["scope_id"] = scope.owner_id
    for name, condition in _CONDITIONS.items():
        if (wanted := getattr(filters, name)) is not None:
            conditions.append(condition)
            values[name] = wanted
    return " AND ".join(conditions), values


def report_sql(group_by: Grouping, conditions: str) -> str:
    """The statement that adds up, totals first, then the dearest group."""
    groups = _GROUPS[group_by]
    return f"""
        WITH sums AS (
          SELECT key, part, of_id, grouping(key) = 1 AS is_total, {_SUMS}, {_LATENCIES}
          FROM (SELECT {groups.columns}, u.* FROM llm_usage u WHERE {conditions}) calls
          GROUP BY GROUPING SETS ((), (key, part, of_id)))
        SELECT sums.*, key::text AS key_text, part::text AS part_text, {groups.name} AS name, {groups.owner} AS owner,
          count(*) OVER () - 1 AS n_groups
        FROM sums {groups.joins}
        ORDER BY is_total DESC, known_cost DESC, n_calls DESC, sums.key, sums.part, of_id LIMIT :limit + 1
    """


async def report(
    session: AsyncSession,
    scope: UsageScope,
    span: Span,
    filters: UsageFilters,
    *,
    group_by: Grouping,
    limit: int,
) -> UsageReport:
    """Add up, with one line for each group that has calls."""
    conditions, values = calls_sql(scope, span, filters)
    errors = await _errors(session, group_by, conditions, values)
    found = await run(session, sa.text(report_sql(group_by, conditions)), params=values | {"limit": limit})
    totals, *rows = found.all()
    groups = tuple(
        _group(row, group_by, errors[row.key_text, row.part_text, row.of_id], scope) for row in rows
    )
    return UsageReport(span, group_by, _used(totals, _together(errors)), groups, totals.n_groups)


_Key = tuple[str | None, str, int | None]
_Errors = defaultdict[_Key, dict[str, int]]


async def _errors(
    session: AsyncSession, group_by: Grouping, conditions: str, values: Mapping[str, Any]
) -> _Errors:
    """How often what went wrong in each group, most often first."""
    found = await run(
        session,
        sa.text(f"""
            SELECT key::text AS key, part::text AS part, of_id, outcome, count(*) AS n
            FROM (SELECT {_GROUPS[group_by].columns}, u.outcome FROM llm_usage u
                  WHERE {conditions} AND u.outcome <> ALL(:no_errors)) calls
            GROUP BY key, part, of_id, outcome ORDER BY n DESC, outcome
        """),
        params={**values, "no_errors": list(NO_ERRORS)},
    )
    counted: _Errors = defaultdict(dict)
    for row in found:
        counted[row.key, row.part, row.of_id][row.outcome] = row.n
    return counted


def _together(errors: _Errors) -> dict[str, int]:
    """The errors of all groups, most often first."""
    counted: Counter[str] = Counter()
    for of_group in errors.values():
        counted.update(of_group)
    return dict(counted.most_common())


def _group(row: Any, group_by: Grouping, errors: Mapping[str, int], scope: UsageScope) -> UsageGroup:
    return UsageGroup(
        key=row.key_text or "",
        name=row.name or "",
        used=_used(row, errors),
        provider=row.part_text if group_by == "model" else "",
        owner=row.owner if scope.owner_id is None else "",
        is_deleted=group_by == "kb" and row.key_text is None and row.part_text != "",
    )


def _used(row: Any, errors: Mapping[str, int]) -> Used:
    return Used(
        n_calls=row.n_calls,
        prompt_tokens=row.prompt_tokens,
        cached_tokens=row.cached_tokens,
        completion_tokens=row.completion_tokens,
        known_cost=row.known_cost,
        n_unknown_cost=row.n_unknown_cost,
        n_estimated=row.n_estimated,
        errors=dict(errors),
        first_token=_latency(getattr(row, "first_token", None)),
        total=_latency(getattr(row, "total", None)),
    )


def _latency(percentiles: list[float] | None) -> Latency | None:
    if percentiles is None or percentiles[0] is None:
        return None
    return Latency(round(percentiles[0], 1), round(percentiles[1], 1))


async def choices(session: AsyncSession, scope: UsageScope, span: Span) -> UsageChoices:
    """What the calls of a time can be narrowed to."""
    conditions, values = calls_sql(scope, span, UsageFilters())
    found = await run(
        session,
        sa.text(f"""
            WITH different AS (
              SELECT kb_id, CASE WHEN kb_id IS NULL THEN kb_name ELSE '' END AS kb_name, provider, model, kind, user_id
              FROM llm_usage u WHERE {conditions} GROUP BY 1, 2, 3, 4, 5, 6)
            SELECT d.kb_id, coalesce(kb.name, d.kb_name) AS kb_name, d.provider::text AS provider, d.model, d.kind,
              d.user_id, o.email
            FROM different d LEFT JOIN knowledge_bases kb ON kb.id = d.kb_id JOIN users o ON o.id = d.user_id
        """),
        params=values,
    )
    rows = found.all()
    is_across = scope.owner_id is None
    kbs = {KbChoice(r.kb_id, r.kb_name, r.email if is_across else "") for r in rows if r.kb_name}
    return UsageChoices(
        kbs=tuple(sorted(kbs, key=lambda kb: (kb.name.casefold(), kb.owner, kb.kb_id or 0))),
        providers=tuple(sorted({row.provider for row in rows})),
        models=tuple(sorted({row.model for row in rows})),
        kinds=tuple(sorted({row.kind for row in rows})),
        owners=tuple(sorted({(row.user_id, row.email) for row in rows}, key=lambda o: o[1]))
        if is_across
        else (),
    )


async def calls(
    session: AsyncSession,
    scope: UsageScope,
    span: Span,
    filters: UsageFilters,
    *,
    after: tuple[datetime, int] | None,
    limit: int,
) -> list[RecordedCall]:
    """The next calls after one, oldest first."""
    conditions, values = calls_sql(scope, span, filters)
    if after is not None:
        conditions += " AND u.created_at >= :after_at AND (u.created_at, u.id) > (:after_at, :after_id)"
        values |= {"after_at": after[0], "after_id": after[1]}
    found = await run(
        session,
        sa.text(f"""
            SELECT u.id, u.created_at, coalesce(o.email, '') AS owner, u.kb_id, coalesce(kb.name, u.kb_name) AS kb_name,
              u.kind, u.provider::text AS provider, u.model, u.prompt_tokens, u.cached_tokens, u.completion_tokens,
              u.is_estimated, u.estimated_cost AS cost, u.price_version, u.outcome, u.key_source, u.first_token_ms,
              u.total_ms, u.conversation_id, u.request_id
            FROM llm_usage u LEFT JOIN knowledge_bases kb ON kb.id = u.kb_id LEFT JOIN users o ON o.id = u.user_id
            WHERE {conditions} ORDER BY u.created_at, u.id LIMIT :limit
        """),
        params=values | {"limit": limit},
    )
    return [RecordedCall(**row._mapping) for row in found]


async def of_conversation(
    session: AsyncSession, scope: KbScope, *, conversation_id: int
) -> ConversationUsage:
    """What a conversation took, in all and for each answer."""
    found = await run(
        session,
        sa.text(f"""
            SELECT request_id, grouping(request_id) = 1 AS is_total, {_SUMS},
              (array_agg(provider::text ORDER BY id DESC) FILTER (WHERE kind = 'chat'))[1] AS provider,
              (array_agg(model ORDER BY id DESC) FILTER (WHERE kind = 'chat'))[1] AS model,
              (array_agg(first_token_ms ORDER BY id DESC) FILTER (WHERE kind = 'chat'))[1] AS first_token_ms,
              (array_agg(total_ms ORDER BY id DESC) FILTER (WHERE kind = 'chat'))[1] AS total_ms
            FROM llm_usage
            WHERE conversation_id = :conversation_id AND user_id = :owner_id AND kb_id = :kb_id
            GROUP BY GROUPING SETS ((), (request_id))
        """),
        params={
            "conversation_id": conversation_id,
            "owner_id": scope.owner_id,
            "kb_id": scope.kb_id,
        },
    )
    rows = found.all()
    total = next(row for row in rows if row.is_total)
    answers = {
        row.request_id: AnswerUsage(
            _used(row, {}), row.provider or "", row.model or "", row.first_token_ms, row.total_ms
        )
        for row in rows
        if not row.is_total and row.request_id is not None
    }
    return ConversationUsage(_used(total, {}), answers)
