"""Keep owners within their plans and budgets, before anything is kept or paid for.

    amounts (documents, …)   in the transaction that adds: add ── lock the owner ── count ── too many: undone
    periods (questions, …)   one statement asks and takes; undone with the transaction it belongs to
    tokens, money            counted from what each call used; asked for before the next call

The owner is locked last in its transaction, so the lock is short and nothing is waited for under it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, limits
from rag_app.db.queries.limits import Spent
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.limits import (
    CHUNKS,
    DOCUMENT_PAGES,
    DOCUMENTS,
    EVALUATIONS,
    FILE_SIZE,
    KNOWLEDGE_BASES,
    LIMITS,
    MAILBOXES,
    MESSAGES,
    STORAGE,
    TOKENS,
    VISITOR_MESSAGES,
    Budget,
    Limit,
    Meter,
    OneFile,
    OwnerPlan,
    Plan,
    moment_in_words,
    period_start,
    resets_at,
)
from rag_app.domain.sizes import size
from rag_app.domain.usage import CallContext, KeySource, ProviderCall
from rag_app.errors import LimitReached, PlanFull, TooLarge

LARGER = "ask whoever runs this installation for a larger plan"
FOR_VISITORS = "This chat cannot answer more questions right now. Please try again later."
LOCAL = "local"  # costs nothing


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class LimitService:
    """What owners may still have and use."""

    sessions: Sessions
    now: Callable[[], datetime] = utc_now

    # Amounts

    async def keep_within(self, session: Any, *amounts: Limit, owner_id: int) -> None:
        """Undo a transaction that added too much; called when all else in it is done.

        Owners whose plan does not limit these amounts wait for nobody.

        Raises:
            PlanFull: there is more now than the owner's plan allows.
        """
        plan = await limits.plan_of(session, owner_id=owner_id)
        if all(plan.most(amount) is None for amount in amounts):
            return
        plan = await limits.plan_of(session, owner_id=owner_id, lock=True)
        limited = [amount for amount in amounts if plan.most(amount) is not None]
        there = await limits.count(session, owner_id=owner_id, names=[amount.name for amount in limited])
        for amount in limited:
            if there[amount.name] > (plan.most(amount) or 0):
                raise _full(plan, amount)

    async def check_room(self, *amounts: Limit, owner_id: int) -> None:
        """Refuse what would be refused later anyway, before it costs anything.

        Raises:
            PlanFull: the owner has as much as the plan allows, or more.
        """
        async with self.sessions() as session:
            plan = await limits.plan_of(session, owner_id=owner_id)
            limited = [amount for amount in amounts if plan.most(amount) is not None]
            there = await limits.count(session, owner_id=owner_id, names=[each.name for each in limited])
        for amount in limited:
            if there[amount.name] >= (plan.most(amount) or 0):
                raise _full(plan, amount)

    async def one_file(self, *, owner_id: int, most_bytes: int) -> OneFile:
        """How large a file of this owner's may be, where the installation allows `most_bytes`."""
        async with self.sessions() as session:
            plan = await limits.plan_of(session, owner_id=owner_id)
        allowed = plan.most(FILE_SIZE)
        return (
            OneFile(most_bytes) if allowed is None or allowed >= most_bytes else OneFile(allowed, plan.label)
        )

    async def document_pages(self, *, owner_id: int) -> tuple[int | None, str]:
        """The most pages of one document, None without a limit; and what to say to more."""
        async with self.sessions() as session:
            plan = await limits.plan_of(session, owner_id=owner_id)
        return plan.most(DOCUMENT_PAGES), (
            f"That is what your plan “{plan.label}” allows: split it into parts, or {LARGER}."
        )

    async def pages_per_crawl(self, *, owner_id: int) -> int | None:
        """The most pages one crawl of a website may read, None without a limit."""
        async with self.sessions() as session:
            return (await limits.plan_of(session, owner_id=owner_id)).limits.get("pages_per_crawl")

    # Periods

    async def take(self, session: Any, limit: Limit, *, owner_id: int, n: int = 1) -> None:
        """Use some of what the owner's plan allows in a period; undone with the transaction.

        Raises:
            LimitReached: that would be more than the plan allows.
        """
        plan = await limits.plan_of(session, owner_id=owner_id)
        taken = await limits.take(
            session, **self._counter("owner", owner_id, limit), n=n, most=plan.most(limit)
        )
        if not taken:
            raise self._used_up(plan, limit)

    async def take_evaluation(self, *, owner_id: int) -> None:
        """Use one of the month's evaluations. Raises LimitReached."""
        async with self.sessions.begin() as session:
            await self.take(session, EVALUATIONS, owner_id=owner_id)

    async def give_back_evaluation(self, *, owner_id: int) -> None:
        """Undo `take_evaluation` for one that did not begin."""
        async with self.sessions.begin() as session:
            await limits.give_back(session, **self._counter("owner", owner_id, EVALUATIONS), n=1)

    async def take_message(self, session: Any, scope: KbScope, *, conversation_id: int) -> None:
        """Count a question in the transaction that stores it.

        Raises:
            LimitReached: the owner's month or the link's day is used up; told in words for who asks.
        """
        link_id = await limits.link_of(session, scope, conversation_id=conversation_id)
        if link_id is None:
            await self.take(session, MESSAGES, owner_id=scope.owner_id)
            return
        plan = await limits.plan_of(session, owner_id=scope.owner_id)
        link = self._counter("link", link_id, VISITOR_MESSAGES)
        if not await limits.take(session, **link, n=1, most=plan.most(VISITOR_MESSAGES)):
            raise told_to_visitors(self._used_up(plan, VISITOR_MESSAGES))
        try:
            await self.take(session, MESSAGES, owner_id=scope.owner_id)
        except LimitReached as error:
            raise told_to_visitors(error) from error

    # Hosted models

    async def check_call(self, context: CallContext, provider: str, source: KeySource) -> None:
        """Let a hosted model be called, while neither tokens nor money of the month are used up.

        Calls that are under way at this moment are not counted yet, so together they may use more.

        Raises:
            LimitReached: the plan's tokens or the knowledge base's budget are used up.
        """
        if provider == LOCAL:
            return
        month = period_start("month", self.now())
        async with self.sessions() as session:
            if source == "installation":
                plan = await limits.plan_of(session, owner_id=context.owner_id)
                most = plan.most(TOKENS)
                if most is not None:
                    used = await limits.used(session, owner_id=context.owner_id, month=month, today=month)
                    if used.get("tokens", 0) >= most:
                        raise self._used_up(plan, TOKENS)
            if context.kb_id is not None:
                found = await limits.spent(
                    session, owner_id=context.owner_id, kb_id=context.kb_id, month=month
                )
                if found is not None and (budget := self._budget(found)).is_reached:
                    raise self._spent(budget)

    async def count_call(self, session: Any, call: ProviderCall) -> None:
        """Count what a call used, in the transaction that keeps it; the built-in model's is free."""
        if call.provider == LOCAL:
            return
        tokens = call.usage.prompt_tokens + call.usage.completion_tokens
        await limits.count_call(
            session,
            owner_id=call.context.owner_id,
            kb_id=call.context.kb_id,
            month=period_start("month", self.now()),
            tokens=tokens if call.key_source == "installation" else 0,
            cost=call.cost,
            is_unpriced=call.cost is None and tokens > 0,
        )

    # What there is to know

    async def plan(self, owner_id: int) -> Plan:
        """An owner's plan, how much of it is used, and the budgets there are."""
        now = self.now()
        month, today = period_start("month", now), period_start("day", now)
        amounts = [amount.name for amount in (KNOWLEDGE_BASES, DOCUMENTS, STORAGE, CHUNKS, MAILBOXES)]
        async with self.sessions() as session:
            plan = await limits.plan_of(session, owner_id=owner_id)
            there = await limits.count(session, owner_id=owner_id, names=amounts)
            used = await limits.used(session, owner_id=owner_id, month=month, today=today)
            budgets = await limits.budgets(session, owner_id=owner_id, month=month)
        counted = there | {
            MESSAGES.name: used.get("messages", 0),
            TOKENS.name: used.get("tokens", 0),
            EVALUATIONS.name: used.get("evaluations", 0),
            VISITOR_MESSAGES.name: used.get("visitor_messages", 0),
        }
        return Plan(
            plan,
            tuple(self._meter(limit, counted.get(limit.name), plan, now) for limit in LIMITS.values()),
            tuple(self._budget(each) for each in budgets),
        )

    async def budget(self, kb_id: int, *, owner_id: int) -> Budget:
        """What a knowledge base may spend and has spent this month. Raises NotFound."""
        month = period_start("month", self.now())
        async with self.sessions() as session:
            await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            found = await limits.spent(session, owner_id=owner_id, kb_id=kb_id, month=month)
        assert found is not None
        return self._budget(found)

    def _meter(self, limit: Limit, used: int | None, plan: OwnerPlan, now: datetime) -> Meter:
        resets = resets_at(limit.period, now) if limit.period in {"month", "day"} else None
        return Meter(limit, used, plan.most(limit), resets)

    def _budget(self, found: Spent) -> Budget:
        resets = resets_at("month", self.now())
        return Budget(found.kb_id, found.kb_name, found.most, found.spent, found.n_unpriced, resets)

    def _counter(self, scope: str, scope_id: int, limit: Limit) -> dict[str, Any]:
        what = {"tokens_per_month": "tokens", "evaluations_per_month": "evaluations"}.get(limit.name)
        since = period_start(limit.period, self.now())
        return {"scope": scope, "scope_id": scope_id, "what": what or "messages", "since": since}

    def _used_up(self, plan: OwnerPlan, limit: Limit) -> LimitReached:
        resets, most = resets_at(limit.period, self.now()), plan.most(limit) or 0
        until = f"Until then you can {LARGER}."
        if limit is TOKENS:
            until = (
                "Until then the built-in model goes on answering where you choose it for a knowledge base; "
                f"or {LARGER}."
            )
        return LimitReached(
            f"Your plan “{plan.label}” allows {limit.in_words(most)}, and they are used up. "
            f"Counting begins anew on {moment_in_words(resets)}. {until}",
            retry_after_s=self._seconds_until(resets),
            limit=limit.name,
        )

    def _spent(self, budget: Budget) -> LimitReached:
        return LimitReached(
            f"“{budget.kb_name}” has spent its budget of ${budget.most or 0:,.2f} for this month, so "
            f"its model is not asked any more. It answers again on {moment_in_words(budget.resets_at)}, or "
            "as soon as you raise the budget under Settings, Plan and limits. The built-in model is free.",
            retry_after_s=self._seconds_until(budget.resets_at),
            limit="monthly_budget_usd",
        )

    def _seconds_until(self, moment: datetime) -> int:
        return max(1, math.ceil((moment - self.now()).total_seconds()))


def too_large(file_name: str, allowed: OneFile) -> TooLarge | PlanFull:
    """Why a file is not taken, and who can change that."""
    most = size(allowed.most_bytes)
    if not allowed.plan:
        return TooLarge(f"{file_name} is larger than {most}.")
    return PlanFull(
        f"{file_name} is larger than {most}, which is the most your plan “{allowed.plan}” allows for one "
        f"file. Split it, or {LARGER}.",
        limit=FILE_SIZE.name,
    )


def told_to_visitors(error: LimitReached) -> LimitReached:
    """The same without the owner's business."""
    return LimitReached(FOR_VISITORS, retry_after_s=error.retry_after_s)


def _full(plan: OwnerPlan, amount: Limit) -> PlanFull:
    """Why nothing more of it can be added, and what to do."""
    do = {
        "chunks": f"Delete documents you no longer need, or {LARGER}; then try the file again.",
        "storage_bytes": f"Delete documents you no longer need, or {LARGER}.",
    }.get(amount.name, f"Delete {amount.many} you no longer need, or {LARGER}.")
    return PlanFull(
        f"Your plan “{plan.label}” allows {amount.in_words(plan.most(amount) or 0)}, "
        f"and this would be more. {do}",
        limit=amount.name,
    )
