"""Models as data: what each can do and costs. Prices are US dollars per million tokens."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal

from rag_app.domain.answers import ModelInfo, Usage

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

    `cached_input` is for tokens the provider had read before; as `input` where there is no such price. A
    price with `valid_from` takes the place of earlier ones of the same tier on that day.
    """

    input: Decimal
    output: Decimal = Decimal(0)
    cached_input: Decimal | None = None
    above_tokens: int = 0
    valid_from: date | None = None

    def cost(self, usage: Usage) -> Decimal:
        """What a call cost by this price."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        cached_price = self.input if self.cached_input is None else self.cached_input
        total = (
            self.input * (usage.prompt_tokens - cached)
            + cached_price * cached
            + self.output * usage.completion_tokens
        )
        return total / PER_TOKENS


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
    valid_from: date | None = None

    @property
    def name(self) -> str:
        """What it is called among the models of all providers."""
        return f"{self.provider}:{self.id}"

    def prices_on(self, day: date | None = None) -> tuple[Price, ...]:
        """The price of each tier on a day (today's, in UTC), that of the smallest calls first."""
        day = day or datetime.now(UTC).date()
        tiers: dict[int, Price] = {}
        for price in sorted(self.prices, key=lambda one: one.valid_from or date.min):
            if price.valid_from is None or price.valid_from <= day:
                tiers[price.above_tokens] = price
        return tuple(tiers[above] for above in sorted(tiers))

    def cost(self, usage: Usage, *, day: date | None = None) -> Decimal | None:
        """What a call on a day (today's) cost, None where that is not known."""
        prices = self.prices_on(day)
        if not prices:
            return None
        fitting = [price for price in prices if usage.prompt_tokens > price.above_tokens]
        return (fitting[-1] if fitting else prices[0]).cost(usage)

    @property
    def info(self) -> ModelInfo:
        """What an adapter needs to know of a chat model."""
        assert self.context_tokens is not None
        assert self.max_output_tokens is not None
        return ModelInfo(
            self.id,
            self.label,
            self.context_tokens,
            self.max_output_tokens,
            takes_temperature=self.takes_temperature,
        )


@dataclass(frozen=True)
class ModelTable:
    """A version of all models; those of a provider are in the order they are offered, the default first."""

    version: str
    models: tuple[Model, ...]

    def of(self, provider: str, kind: ModelKind = "chat") -> tuple[Model, ...]:
        """A provider's models of one kind."""
        return tuple(model for model in self.models if (model.provider, model.kind) == (provider, kind))

    def infos(self, provider: str) -> tuple[ModelInfo, ...]:
        """A provider's chat models, as adapters know them."""
        return tuple(model.info for model in self.of(provider))

    def find(self, provider: str, model: str) -> Model | None:
        """A model, None where the table does not have it."""
        return next((one for one in self.models if (one.provider, one.id) == (provider, model)), None)


@dataclass(frozen=True)
class OfferedModel:
    """A model a provider's own list names, known to us or not."""

    id: str
    label: str
    kind: ModelKind = "chat"
