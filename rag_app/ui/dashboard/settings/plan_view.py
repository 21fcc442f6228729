"""Plans and budgets as an owner sees them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rag_app.domain.limits import Budget, Limit, Meter
from rag_app.domain.sizes import size
from rag_app.errors import InvalidInput
from rag_app.services.knowledge_bases import MAX_BUDGET_USD
from rag_app.ui.wording import counted, listed

UNPRICED_MODEL = (
    "Nobody knows what this knowledge base's model costs, so its calls cannot be counted and the budget "
    "cannot stop them. Ask whoever runs this installation to enter its prices."
)


@dataclass(frozen=True)
class MeterView:
    """One limit; without a bar where there is nothing to compare."""

    label: str
    amount: str
    hint: str
    has_bar: bool
    percent: int
    is_close: bool


@dataclass(frozen=True)
class BudgetView:
    """What a knowledge base may spend and has spent."""

    amount: str = ""  # as it stands in the field
    spent: str = ""
    hint: str = ""
    warning: str = ""
    has_bar: bool = False
    percent: int = 0
    is_close: bool = False


def meter_view(meter: Meter) -> MeterView:
    """Show a limit."""
    share = meter.share or 0.0
    over = "More than the plan allows: all of it stays, but nothing can be added" if share > 1 else ""
    return MeterView(
        label=meter.limit.label,
        amount=_amount(meter),
        hint=listed([over, _anew(meter.resets_at)]),
        has_bar=meter.share is not None,
        percent=min(100, int(share * 100)),
        is_close=meter.is_close,
    )


def budget_view(budget: Budget, *, is_priced: bool) -> BudgetView:
    """Show a budget, and what it cannot count."""
    if budget.most is None:
        return BudgetView(spent=dollars(budget.spent), hint=_anew(budget.resets_at))
    share = budget.spent / budget.most if budget.most else Decimal(1)
    return BudgetView(
        amount=f"{budget.most:.2f}",
        spent=f"{dollars(budget.spent)} of {dollars(budget.most)}",
        hint=_anew(budget.resets_at),
        warning=_uncounted(budget.n_unpriced, is_priced=is_priced),
        has_bar=True,
        percent=min(100, int(share * 100)),
        is_close=budget.is_close,
    )


def meter_words(meter: Meter) -> str:
    """A limit in a few words, for a sentence about several."""
    return f"{meter.limit.label[0].lower()}{meter.limit.label[1:]} ({_amount(meter)})"


def budget_words(budget: Budget) -> str:
    """A budget in a few words, for a sentence about several."""
    return f"budget of “{budget.kb_name}” ({dollars(budget.spent)} of {dollars(budget.most or Decimal(0))})"


def dollars(amount: Decimal) -> str:
    """Money as people read it; what is less than a cent is not nothing."""
    return "less than $0.01" if 0 < amount < Decimal("0.01") else f"${amount:,.2f}"


def number_words(limit: Limit, n: int) -> str:
    """A number of something without its name."""
    return size(n) if limit.is_in_bytes else f"{n:,}"


def budget_of(text: str) -> Decimal | None:
    """What was typed as a budget; nothing is none.

    Raises:
        InvalidInput: it is no amount of money.
    """
    cleaned = text.strip().removeprefix("$").replace(",", "").strip()
    if not cleaned:
        return None
    whole, _, cents = cleaned.partition(".")
    is_amount = (whole + cents).isascii() and (whole + cents).isdigit() and len(cents) <= 2
    if not is_amount or len(whole) > 7 or Decimal(cleaned) > MAX_BUDGET_USD:
        raise InvalidInput(
            f"Please enter dollars and cents up to {MAX_BUDGET_USD:,}, such as 20 or 7.50, or nothing.",
            field="budget",
        )
    return Decimal(cleaned)


def _amount(meter: Meter) -> str:
    if meter.used is None:
        return "No limit" if meter.most is None else f"Up to {number_words(meter.limit, meter.most)}"
    used = number_words(meter.limit, meter.used)
    return f"{used}, no limit" if meter.most is None else f"{used} of {number_words(meter.limit, meter.most)}"


def _anew(moment: datetime | None) -> str:
    return f"Counting begins anew on {moment.day} {moment:%B %Y}" if moment else ""


def _uncounted(n_unpriced: int, *, is_priced: bool) -> str:
    parts = [] if is_priced else [UNPRICED_MODEL]
    if n_unpriced:
        calls = counted(n_unpriced, "call")
        parts.insert(0, f"{calls} of this month cost an unknown amount and are not in this sum.")
    return " ".join(parts)
