"""Models and prices as an administrator sees and sets them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from rag_app.domain.models import Model, OfferedModel, Price
from rag_app.errors import InvalidInput
from rag_app.services.model_admin import ListedModel
from rag_app.ui.arguments import as_text
from rag_app.ui.prices import price_of, rate

_SOURCES = {
    "built-in": ("", "neutral"),
    "changed": ("Changed here", "accent"),
    "added": ("Added here", "accent"),
}
_NUMBERS = ("context_tokens", "max_output_tokens", "dimensions", "above_tokens")


@dataclass(frozen=True)
class ModelRow:
    """One model in the list."""

    provider: str
    id: str
    label: str
    use: str
    price: str
    tier: str
    source: str
    tone: str
    can_undo: bool


@dataclass(frozen=True)
class ProviderBlock:
    """One provider with its models."""

    name: str
    label: str
    rows: list[ModelRow]


@dataclass(frozen=True)
class OfferedRow:
    """One model of a provider's own list that we do not know."""

    id: str
    label: str
    use: str


@dataclass(frozen=True)
class ModelForm:
    """What the fields begin with; every number is as somebody would type it."""

    provider: str = ""
    id: str = ""
    label: str = ""
    context_tokens: str = ""
    max_output_tokens: str = ""
    dimensions: str = ""
    input: str = ""
    cached_input: str = ""
    output: str = ""
    above_tokens: str = ""
    tier_input: str = ""
    tier_cached_input: str = ""
    tier_output: str = ""
    note: str = ""


@dataclass(frozen=True)
class FormErrors:
    """What is wrong, by field; `other` for what belongs to none."""

    id: str = ""
    label: str = ""
    kind: str = ""
    context_tokens: str = ""
    max_output_tokens: str = ""
    dimensions: str = ""
    input: str = ""
    cached_input: str = ""
    output: str = ""
    above_tokens: str = ""
    tier_input: str = ""
    tier_cached_input: str = ""
    tier_output: str = ""
    other: str = ""


def blocks(listed: Iterable[ListedModel], providers: Iterable[tuple[str, str]]) -> list[ProviderBlock]:
    """The models under their providers."""
    found = list(listed)
    return [
        ProviderBlock(name, label, [_row(one) for one in found if one.model.provider == name])
        for name, label in providers
    ]


def offered_rows(models: Iterable[OfferedModel]) -> list[OfferedRow]:
    """What a provider's own list has beside those we know."""
    return [OfferedRow(one.id, one.label, _use(one.kind)) for one in models]


def form_of(model: Model) -> ModelForm:
    """What stands in the form of a model."""
    today = model.prices_on()
    first = today[0] if today else None
    tier = today[1] if len(today) > 1 else None
    return ModelForm(
        provider=model.provider,
        id=model.id,
        label="" if model.label == model.id else model.label,
        context_tokens=_typed(model.context_tokens),
        max_output_tokens=_typed(model.max_output_tokens),
        dimensions=_typed(model.dimensions),
        **_typed_price(first),
        **_typed_price(tier, "tier_"),
        above_tokens=_typed(tier.above_tokens if tier else None),
        note=_note(model, today),
    )


def values_in(form: object, *, provider: str, kind: str, takes_temperature: bool) -> dict[str, Any]:
    """What a form says of a model.

    Raises:
        InvalidInput: something is no number; `field` says which.
    """
    values: dict[str, Any] = {
        "provider": provider,
        "id": as_text(form, "id").strip(),
        "label": as_text(form, "label").strip(),
        "kind": kind,
        "takes_temperature": takes_temperature,
        "context_tokens": _number(form, "context_tokens", is_required=True),
    }
    values |= (
        {"max_output_tokens": _number(form, "max_output_tokens", is_required=True)}
        if kind == "chat"
        else {"dimensions": _number(form, "dimensions", is_required=True)}
    )
    return values | {"prices": _prices(form)}


def error_at(error: InvalidInput) -> FormErrors:
    """Put an error under the field it is about."""
    known = {field.name for field in fields(FormErrors)}
    return FormErrors(**{error.field if error.field in known else "other": str(error)})


def _row(listed: ListedModel) -> ModelRow:
    model = listed.model
    source, tone = _SOURCES[listed.source]
    tiers = model.prices_on()[1:]
    return ModelRow(
        provider=model.provider,
        id=model.id,
        label=model.label,
        use=_use(model.kind),
        price=price_of(model),
        tier=" · ".join(
            f"above {tier.above_tokens:,} tokens: {rate(tier.input)} in, {rate(tier.output)} out"
            for tier in tiers
        ),
        source=source,
        tone=tone,
        can_undo=listed.source != "built-in",
    )


def _use(kind: str) -> str:
    return "Search by meaning" if kind == "embedding" else "Answers"


def _note(model: Model, today: tuple[Price, ...]) -> str:
    if len(today) > 2:
        return "This model has more than two prices; saving here keeps the first two."
    later = sorted(price.valid_from for price in model.prices if price.valid_from and price not in today)
    if later:
        return (
            f"Its price is known to change on {later[-1]:%-d %B %Y}. "
            "What you save here holds until you change it."
        )
    return ""


def _typed(number: int | None) -> str:
    return "" if number is None else str(number)


def _typed_price(price: Price | None, prefix: str = "") -> dict[str, str]:
    values: Mapping[str, Decimal | None] = (
        {"input": price.input, "cached_input": price.cached_input, "output": price.output}
        if price
        else {"input": None, "cached_input": None, "output": None}
    )
    return {
        prefix + name: "" if value is None else f"{value.normalize():f}" for name, value in values.items()
    }


def _prices(form: object) -> list[dict[str, Any]]:
    first = _price(form)
    tier = _price(form, "tier_")
    above = _number(form, "above_tokens")
    if not tier and above is None:
        return [first] if first else []
    if not first:
        raise InvalidInput("Please enter the price of ordinary prompts as well.", field="input")
    if above is None or above < 1:
        raise InvalidInput("From how many tokens on?", field="above_tokens")
    if not tier:
        raise InvalidInput("Please enter the price of long prompts.", field="tier_input")
    return [first, {**tier, "above_tokens": above}]


def _price(form: object, prefix: str = "") -> dict[str, Any]:
    amounts = {name: _dollars(form, prefix + name) for name in ("input", "cached_input", "output")}
    given = {name: amount for name, amount in amounts.items() if amount is not None}
    if given and "input" not in given:
        raise InvalidInput("Please enter what tokens cost that are read.", field=f"{prefix}input")
    return given


def _dollars(form: object, name: str) -> Decimal | None:
    text = as_text(form, name).strip().lstrip("$").replace(",", ".")
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= 100_000:
        raise InvalidInput("Please enter dollars, such as 0.50.", field=name)
    return amount


def _number(form: object, name: str, *, is_required: bool = False) -> int | None:
    text = as_text(form, name).strip().replace(",", "").replace("_", "")
    if not text and not is_required:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput("Please enter a whole number.", field=name)
    return int(text)
