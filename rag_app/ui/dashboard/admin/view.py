"""Accounts and plans as the super admin sees them, and what was typed into their forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from rag_app.domain.limits import LIMITS, Limit, Limits, OwnerUsage, Tier
from rag_app.domain.sizes import size
from rag_app.errors import InvalidInput
from rag_app.ui.arguments import as_text
from rag_app.ui.dashboard.settings.plan_view import number_words
from rag_app.ui.wording import ago, counted

UNLIMITED = "unlimited"
GB = 2**30
MAX_DIGITS = 20


@dataclass(frozen=True)
class AccountView:
    """One line of the list."""

    id: int
    name: str
    email: str
    plan: str
    has_own_limits: bool
    is_admin: bool
    is_active: bool
    contents: str
    usage: str
    since: str


@dataclass(frozen=True)
class PlanView:
    """One plan with its limits."""

    name: str
    label: str
    accounts: str
    limits: list[tuple[str, str]]


def account_view(owner: OwnerUsage, *, now: datetime | None = None) -> AccountView:
    """Show an account."""
    contents = [
        counted(owner.n_knowledge_bases, "knowledge base"),
        counted(owner.n_documents, "document"),
        size(owner.storage_bytes),
    ]
    usage = [counted(owner.n_messages, "question"), counted(owner.n_tokens, "token")]
    return AccountView(
        id=owner.id,
        name=owner.name or owner.email,
        email=owner.email,
        plan=owner.tier_label,
        has_own_limits=bool(owner.overrides),
        is_admin=owner.role == "super_admin",
        is_active=owner.is_active,
        contents=_together(contents),
        usage=_together(usage),
        since=ago(owner.created_at, now=now),
    )


def plan_view(tier: Tier) -> PlanView:
    """Show a plan."""
    return PlanView(
        tier.name,
        tier.label,
        counted(tier.n_owners, "account"),
        [(limit.label, limit_words(limit, tier.limits.get(limit.name))) for limit in LIMITS.values()],
    )


def limit_words(limit: Limit, most: int | None) -> str:
    """A limit without its name."""
    return "No limit" if most is None else number_words(limit, most)


def field_label(limit: Limit) -> str:
    """What stands above the field of a limit."""
    return f"{limit.label}, in GB" if limit.is_in_bytes else limit.label


def typed(limit: Limit, most: int | None) -> str:
    """A limit as it stands in its field."""
    if most is None:
        return ""
    return f"{most / GB:.6g}" if limit.is_in_bytes else str(most)


def typed_overrides(overrides: Limits) -> dict[str, str]:
    """An account's own limits as they stand in their fields."""
    return {
        name: (UNLIMITED if overrides[name] is None else typed(limit, overrides[name]))
        if name in overrides
        else ""
        for name, limit in LIMITS.items()
    }


def overrides_in(form: object, before: Limits) -> dict[str, int | None]:
    """The limits that were typed for one account; an empty field leaves it to the plan.

    Raises:
        InvalidInput: what was typed is no number; `problems` says which.
    """
    found = _read(form, before)
    return {name: value for name, value in found.items() if as_text(form, name).strip()}


def limits_in(form: object, before: Limits) -> dict[str, int | None]:
    """The limits that were typed for a plan; an empty field does not limit.

    Raises:
        InvalidInput: what was typed is no number; `problems` says which.
    """
    return {name: value for name, value in _read(form, before).items() if value is not None}


def changes_between(before: Limits, after: Limits) -> list[str]:
    """What changes in a plan: "Documents: 5,000 → 3"."""
    return [
        f"{limit.label}: {limit_words(limit, before.get(name))} → {limit_words(limit, after.get(name))}"
        for name, limit in LIMITS.items()
        if before.get(name) != after.get(name)
    ]


def problems_of(error: InvalidInput) -> dict[str, str]:
    """What is wrong, by limit."""
    return {name: error.problems.get(name, "") for name in LIMITS}


def no_problems() -> dict[str, str]:
    """Nothing is wrong anywhere."""
    return dict.fromkeys(LIMITS, "")


def _together(parts: list[str]) -> str:
    """Parts of a list, none of which is broken between its number and its noun."""
    return ", ".join(part.replace(" ", "\u00a0") for part in parts)


def _read(form: object, before: Limits) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    problems: dict[str, str] = {}
    for name, limit in LIMITS.items():
        text = as_text(form, name).strip()
        if name in before and text == typed(limit, before[name]):
            found[name] = before[name]  # as it was: sizes are rounded when they are shown
            continue
        try:
            found[name] = _number(limit, text)
        except (InvalidOperation, ValueError):
            problems[name] = "Please enter a number, or nothing."
    if problems:
        raise InvalidInput("Please look at the marked fields.", problems=problems)
    return found


def _number(limit: Limit, text: str) -> int | None:
    plain = text.replace(",", "").replace(" ", "")
    if not plain or plain.lower() == UNLIMITED:
        return None
    is_number = plain.isascii() and plain.replace(".", "", 1).isdigit() and len(plain) <= MAX_DIGITS
    if not is_number:
        raise ValueError(text)
    return int(Decimal(plain) * GB) if limit.is_in_bytes else int(plain)


def values_of(limits: Mapping[str, int | None]) -> dict[str, str]:
    """A plan's limits as they stand in their fields."""
    return {name: typed(limit, limits.get(name)) for name, limit in LIMITS.items()}
