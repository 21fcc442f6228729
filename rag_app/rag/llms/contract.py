"""What every answering model promises."""

import ssl
from collections.abc import AsyncGenerator, Callable
from typing import Protocol, runtime_checkable

import httpx2
from pydantic import BaseModel, Field, SecretStr

from rag_app.domain.answers import LLMEvent, ModelInfo, Prompt
from rag_app.domain.models import OfferedModel

# Makes what requests are sent through, with the certificates to trust and the connections to keep.
Transport = Callable[[ssl.SSLContext, httpx2.Limits], httpx2.AsyncBaseTransport]


class LLMSettings(BaseModel, extra="forbid"):
    """How one provider is reached; `transport` guards an address that somebody typed."""

    provider: str
    api_key: SecretStr | None = None
    base_url: str | None = None
    transport: Transport | None = None
    connect_timeout_s: float = Field(5, gt=0, description="Time allowed for the connection.")
    first_token_timeout_s: float = Field(30, gt=0, description="Time allowed until the first token.")
    idle_timeout_s: float = Field(30, gt=0, description="Time allowed between two tokens.")


class LLM(Protocol):
    """Answers a prompt as a stream of text.

    A provider's module offers `build(settings: LLMSettings) -> LLM`, `LABEL: str` (its name for
    people), `NEEDS_KEY: bool` and `MODELS: tuple[ModelInfo, ...]` (those of `models.toml`, the first is the
    default), and imports its SDK only inside `build`. `OWN_SERVER = True` where owners may name a server
    of their own, which may want no key.
    """

    models: tuple[ModelInfo, ...]

    def stream(self, prompt: Prompt, *, model: str) -> AsyncGenerator[LLMEvent]:
        """Yield the answer as it is made: text deltas, then exactly one `Completed`.

        Closing the iterator early cancels the provider's request.

        Raises:
            TransientError: rate limit, overload or timeout before the first token.
            Interrupted: the stream broke, stalled or ended without a finish reason after it began.
            PermanentError: bad key, no credit, unknown model, prompt too long.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


@runtime_checkable
class ListsModels(Protocol):
    """A model's client that can also ask its provider which models there are."""

    async def list_models(self) -> tuple[OfferedModel, ...]:
        """The models this key may use, as the provider lists them.

        Raises:
            TransientError: the provider cannot be reached, or is overloaded.
            PermanentError: it refuses the key, or has no such list.
        """
        ...
