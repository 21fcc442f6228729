"""How prices and costs read."""

from decimal import Decimal

from rag_app.domain.models import Model

UNKNOWN = "price unknown"
PER = "per million tokens"


def dollars(amount: Decimal | float | None) -> str:
    """A cost as people read it: never 0 for what costs something."""
    if amount is None:
        return "unknown"
    amount = Decimal(amount)
    if amount == 0:
        return "$0"
    if amount < Decimal("0.01"):
        return "less than $0.01"
    return f"${amount:,.2f}" if amount < 1000 else f"${amount:,.0f}"


def rate(price: Decimal) -> str:
    """A price per million tokens, as exact as it is: "$0.10", "$0.075"."""
    exact = f"{price.normalize():f}"
    n_decimals = len(exact.partition(".")[2])
    return f"${price:,.{max(2, n_decimals)}f}" if n_decimals or price < 1000 else f"${price:,.0f}"


def short_price_of(model: Model) -> str:
    """What a model costs, where it is said beside that this is per million tokens, or that nobody knows."""
    prices = model.prices_on()
    if not prices:
        return UNKNOWN
    lowest = prices[0]
    if lowest.input == lowest.output == 0:
        return "free"
    if model.kind == "embedding":
        return rate(lowest.input)
    return f"{rate(lowest.input)} in, {rate(lowest.output)} out"


def price_of(model: Model) -> str:
    """What a model costs per million tokens, or that nobody knows."""
    short = short_price_of(model)
    return f"{short} {PER}" if short.startswith("$") else short
