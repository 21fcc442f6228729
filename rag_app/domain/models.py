"""Models as data: what each can do and costs. Prices are US dollars per million tokens."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from rag_app.domain.answers import Usage

ModelKind = Literal["chat", "embedding"]
PER_TOKENS = 1_000_000


@dataclass(frozen=True)
class ModelChoice:
    """A model and who offers it."""

    provider: str
    model: str


@dataclass(frozen=True)
class Price:
    """What tokens cost in a call that reads more than `above_tokens`; the highest that fits counts.

    `cached_input` is for tokens the provider had read before; as `input` where there is no such price.
    """

    input: Decimal
    output: Decimal = Decimal(0)
    cached_input: Decimal | None = None
    above_tokens: int = 0


@dataclass(frozen=True)
class Model:
    """One model of one provider; without `prices` its cost is unknown, which is never 0.

    `price_version` names the table the prices are from, to be kept beside every cost.
    """

    provider: str
    id: str
    label: str
    kind: ModelKind = "chat"
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    takes_temperature: bool = True
    streams: bool = True
    dimensions: int | None = None
    prices: tuple[Price, ...] = ()
    price_version: str = ""
    valid_from: str = ""

    def cost(self, usage: Usage) -> Decimal | None:
        """What a call cost, None where that is not known."""
        fitting = [price for price in self.prices if usage.prompt_tokens > price.above_tokens]
        if not self.prices:
            return None
        price = max(fitting, key=lambda one: one.above_tokens, default=min_tier(self.prices))
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        cached_price = price.input if price.cached_input is None else price.cached_input
        total = (
            price.input * (usage.prompt_tokens - cached)
            + cached_price * cached
            + price.output * usage.completion_tokens
        )
        return total / PER_TOKENS


def min_tier(prices: tuple[Price, ...]) -> Price:
    """The price of the smallest call."""
    return min(prices, key=lambda price: price.above_tokens)
