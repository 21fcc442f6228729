"""Models and prices, for whoever runs the installation."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from rag_app.api.auth import SignedIn
from rag_app.api.schemas import Body, Text
from rag_app.bootstrap import services
from rag_app.services.model_admin import ListedModel

router = APIRouter(prefix="/api/admin/models", tags=["administration"])

Hosted = Literal["openai", "anthropic", "gemini"]
Kind = Literal["chat", "embedding"]


class PriceBody(Body):
    input: Decimal = Field(description="US dollars per million tokens that are read.")
    output: Decimal = Field(Decimal(0), description="The same for tokens that are written.")
    cached_input: Decimal | None = Field(None, description="For tokens the provider had read before.")
    above_tokens: int = Field(0, description="Holds for calls that read more tokens than this.")
    valid_from: date | None = Field(None, description="Takes the place of an earlier price on this day.")


class ModelBody(Body):
    provider: Hosted
    id: Text = Field(description="As the provider calls it.")
    label: Text = ""
    kind: Kind = "chat"
    context_tokens: int = Field(description="How many tokens it can read, with its answer.")
    max_output_tokens: int | None = Field(None, description="How many it can write; for chat models.")
    takes_temperature: bool = True
    streams: bool = True
    dimensions: int | None = Field(None, description="Numbers of a vector; for embedding models.")
    prices: list[PriceBody] = Field(default_factory=list, description="None: the cost is unknown.")
    valid_from: date | None = None


class PriceOut(BaseModel):
    input: float
    output: float
    cached_input: float | None
    above_tokens: int
    valid_from: date | None


class ModelOut(BaseModel):
    provider: str
    id: str
    label: str
    kind: Kind
    source: Literal["built-in", "changed", "added"]
    context_tokens: int | None
    max_output_tokens: int | None
    takes_temperature: bool
    streams: bool
    dimensions: int | None
    prices: list[PriceOut]
    price_version: str = Field(description="What costs by these prices are kept with.")
    valid_from: date | None

    @classmethod
    def of(cls, listed: ListedModel) -> Self:
        model = listed.model
        shown = {name: getattr(model, name) for name in cls.model_fields if name not in {"source", "prices"}}
        prices = [PriceOut.model_validate(price, from_attributes=True) for price in model.prices]
        return cls(**shown, source=listed.source, prices=prices)


class OfferedOut(BaseModel):
    id: str
    label: str
    kind: Kind


@router.get("")
async def list_all(sign_in: SignedIn) -> list[ModelOut]:
    """Every model we know with its prices, and whether somebody changed or added it."""
    return [ModelOut.of(one) for one in await services().model_admin.list(user_id=sign_in.user.id)]


@router.put("")
async def put(body: ModelBody, sign_in: SignedIn) -> ModelOut:
    """Add a model, or change one; every field is replaced."""
    values = body.model_dump(exclude_none=True)
    return ModelOut.of(await services().model_admin.put(values, user_id=sign_in.user.id))


@router.delete("", status_code=204)
async def remove(
    sign_in: SignedIn,
    provider: Annotated[Hosted, Query()],
    model: Annotated[Text, Query(max_length=100)],
) -> None:
    """Forget what was set for a model."""
    await services().model_admin.remove(provider, model, user_id=sign_in.user.id)


@router.get("/offered")
async def offered(sign_in: SignedIn, provider: Annotated[Hosted, Query()]) -> list[OfferedOut]:
    """What the provider itself lists for your key, without the models we know; any owner may ask."""
    found = await services().model_admin.offered(provider, user_id=sign_in.user.id)
    return [OfferedOut(id=one.id, label=one.label, kind=one.kind) for one in found]
