"""Read the table of models that comes with this version: `models.toml`, checked.

What an administrator adds or changes is checked by the same rules (`check_model`).
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from rag_app.domain.models import Model, ModelTable, Price
from rag_app.errors import InvalidInput, PermanentError

FILE = Path(__file__).with_name("models.toml")
MOST_DIMENSIONS = 4_000  # what the vector index can hold

_Dollars = Annotated[Decimal, Field(ge=0, le=100_000, decimal_places=6)]
_Tokens = Annotated[int, Field(ge=1, le=100_000_000)]


class _Checked(BaseModel, extra="forbid"):
    """What is not known is refused rather than ignored: a misspelt price would be no price."""


class PriceEntry(_Checked):
    """One price, in US dollars per million tokens; see `domain.models.Price`."""

    input: _Dollars
    output: _Dollars = Decimal(0)
    cached_input: _Dollars | None = None
    above_tokens: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    valid_from: date | None = None


class ModelEntry(_Checked):
    """One model; see `domain.models.Model`."""

    provider: Literal["openai", "anthropic", "gemini", "local"]
    id: str = Field(min_length=1, max_length=100, pattern=r"^[!-~]+$")
    label: str = Field("", max_length=100)
    kind: Literal["chat", "embedding"] = "chat"
    context_tokens: _Tokens | None = None
    max_output_tokens: _Tokens | None = None
    takes_temperature: bool = True
    streams: bool = True
    dimensions: Annotated[int, Field(ge=1, le=MOST_DIMENSIONS)] | None = None
    prices: list[PriceEntry] = Field(default_factory=list, max_length=20)
    valid_from: date | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        if self.kind == "chat" and (self.context_tokens is None or self.max_output_tokens is None):
            raise ValueError("a chat model needs context_tokens and max_output_tokens")
        if self.kind == "chat" and self.dimensions is not None:
            raise ValueError("only an embedding model has dimensions")
        if self.kind == "embedding" and (self.context_tokens is None or self.dimensions is None):
            raise ValueError("an embedding model needs context_tokens and dimensions")
        if (self.max_output_tokens or 0) > (self.context_tokens or 0):
            raise ValueError("max_output_tokens is more than context_tokens")
        return self

    @model_validator(mode="after")
    def _prices_every_call_once(self) -> Self:
        starts = [(price.above_tokens, price.valid_from) for price in self.prices]
        if len(starts) != len(set(starts)):
            raise ValueError("two prices begin at the same above_tokens and valid_from")
        if self.prices and (0, None) not in starts:
            raise ValueError("one price must begin at above_tokens = 0, without valid_from")
        return self

    def model(self, version: str) -> Model:
        """The entry as a model, its prices known by `version`."""
        values = {name: getattr(self, name) for name in type(self).model_fields if name != "prices"}
        values["label"] = self.label or self.id
        return Model(
            **values,
            prices=tuple(Price(**price.model_dump()) for price in self.prices),
            price_version=version if self.prices else "",
        )


@cache
def model_table() -> ModelTable:
    """The models that come with this version."""
    return read(FILE)


def read(path: Path) -> ModelTable:
    """Read a table.

    Raises:
        PermanentError: it is none; the message names the model and what is wrong with it.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise PermanentError(f"{path.name} cannot be read: {error}") from error
    version, entries = raw.get("version"), raw.get("models")
    if not isinstance(version, str) or not version or not isinstance(entries, list):
        raise PermanentError(f"{path.name} needs a version and models.")
    try:
        models = tuple(check_model(entry).model(version) for entry in entries)
    except InvalidInput as error:
        raise PermanentError(f"{path.name}: {error}") from error
    names = [model.name for model in models]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PermanentError(f"{path.name} has {twice[0]} twice.")
    return ModelTable(version, models)


def check_model(values: object) -> ModelEntry:
    """Read what describes one model.

    Raises:
        InvalidInput: something about it is missing or impossible; the message says what.
    """
    try:
        return ModelEntry.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        named = f"{values.get('provider')}:{values.get('id')}" if isinstance(values, Mapping) else "a model"
        what = f"{named}, {where}" if where else named
        raise InvalidInput(f"{what}: {reason}.", field=where.partition(".")[0] or None) from error


def settings_of(entry: ModelEntry) -> dict[str, Any]:
    """An entry as JSON to be stored."""
    return entry.model_dump(mode="json", exclude={"provider", "id"})
