"""The shapes of plans and limits; see docs/limits.md."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from rag_app.api.schemas import Body, Text
from rag_app.domain.limits import LIMITS, Budget, Meter, OwnerUsage, Plan, Tier

LimitValues = dict[Text, int | None]
NAMES = ", ".join(LIMITS)


class MeterOut(BaseModel):
    name: str
    label: str
    period: str = Field(description="`month`, `day`, `minute`, or empty for what is there at the same time.")
    used: int | None = Field(description="null where nothing is counted up.")
    limit: int | None = Field(description="null without a limit.")
    resets_at: datetime | None

    @classmethod
    def of(cls, meter: Meter) -> Self:
        return cls(
            name=meter.limit.name,
            label=meter.limit.label,
            period=meter.limit.period,
            used=meter.used,
            limit=meter.most,
            resets_at=meter.resets_at,
        )


class BudgetOut(BaseModel):
    kb_id: int
    kb_name: str
    monthly_budget_usd: float | None
    spent_usd: float
    n_unpriced: int = Field(
        description="Calls of this month whose price is not known and not in `spent_usd`."
    )
    resets_at: datetime

    @classmethod
    def of(cls, budget: Budget) -> Self:
        return cls(
            kb_id=budget.kb_id,
            kb_name=budget.kb_name,
            monthly_budget_usd=None if budget.most is None else float(budget.most),
            spent_usd=float(budget.spent),
            n_unpriced=budget.n_unpriced,
            resets_at=budget.resets_at,
        )


class PlanOut(BaseModel):
    tier: str
    label: str
    meters: list[MeterOut]
    budgets: list[BudgetOut] = Field(description="Of the knowledge bases that have a budget.")

    @classmethod
    def of(cls, plan: Plan) -> Self:
        return cls(
            tier=plan.owner.tier,
            label=plan.owner.label,
            meters=[MeterOut.of(meter) for meter in plan.meters],
            budgets=[BudgetOut.of(budget) for budget in plan.budgets],
        )


class OwnerOut(BaseModel):
    id: int
    email: str
    name: str
    role: str
    tier: str
    tier_label: str
    overrides: dict[str, int | None] = Field(
        description="Own limits, above those of the plan; null for none."
    )
    is_active: bool
    created_at: datetime
    n_knowledge_bases: int
    n_documents: int
    storage_bytes: int
    n_messages: int = Field(description="Questions of this month.")
    n_tokens: int = Field(description="Tokens of hosted models of this month.")

    @classmethod
    def of(cls, owner: OwnerUsage) -> Self:
        return cls(**asdict(owner))


class ChangeOwnerBody(Body):
    tier: Text | None = Field(None, max_length=50)
    overrides: LimitValues | None = Field(
        None, description=f"All own limits of the account; null in one means no limit. Names: {NAMES}."
    )
    is_active: bool | None = None


class TierBody(Body):
    limits: LimitValues = Field(
        description=f"All limits of the plan; missing or null means none. Names: {NAMES}."
    )


class TierOut(BaseModel):
    name: str
    label: str
    limits: dict[str, int | None]
    n_owners: int

    @classmethod
    def of(cls, tier: Tier) -> Self:
        values: dict[str, Any] = asdict(tier)
        values.pop("position")
        return cls(**values)
