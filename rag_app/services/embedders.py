"""The embedders of this process, made when first asked for and shared.

local_e5 …       on this machine: one for everybody
openai:model     at a provider, with the owner's key: one for each key, every request counted for its owner
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from rag_app.domain.embedding_models import EmbeddingChoice
from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.domain.models import Model
from rag_app.domain.usage import CallContext, ProviderCall
from rag_app.errors import PermanentError
from rag_app.rag.embedders._hosted import EmbeddingCall, HostedEmbedder
from rag_app.rag.embedders.contract import Embedder, LateEmbedder
from rag_app.services.answer_in_progress import answer_ids
from rag_app.services.limits import LimitService
from rag_app.services.models import ModelCatalogue
from rag_app.services.provider_keys import ProviderAccess, ProviderKeyService
from rag_app.services.usage import UsageService

MOST_CLIENTS = 64  # each may hold a few idle connections, and the key it was made with

_Key = tuple[Model, str | None, bytes, bool]


def is_hosted(name: str) -> bool:
    """Whether an embedding model is a provider's."""
    return ":" in name


@dataclass(frozen=True)
class HostedEmbedders:
    """Embedders at providers, by model and key; the least recently used go when there are too many."""

    modules: Mapping[str, ModuleType]
    keys: ProviderKeyService
    catalogue: ModelCatalogue
    usage: UsageService
    quotas: LimitService
    make: Callable[[ProviderAccess, Model], HostedEmbedder]
    most: int = MOST_CLIENTS
    _made: OrderedDict[_Key, HostedEmbedder] = field(default_factory=OrderedDict)
    _let_go: list[HostedEmbedder] = field(default_factory=list)

    async def get(self, name: str, context: CallContext) -> Embedder:
        """The embedder of a name with the key of an owner, for whom its requests are counted.

        Raises:
            PermanentError: the model is not known, or there is no key for it.
        """
        await self.catalogue.refresh()
        provider, _, model_id = name.partition(":")
        model = self.catalogue.find(provider, model_id)
        if provider not in self.modules or model.kind != "embedding":
            raise PermanentError(
                "The embedding model of this knowledge base is not set up here any more. "
                "Its owner can choose another one in the settings."
            )
        access = await self.keys.access(provider, self.modules[provider].LABEL, owner_id=context.owner_id)

        async def report(call: EmbeddingCall) -> None:
            await self.usage.record(_provider_call(call, model, context, access))

        async def admit() -> None:
            await self.quotas.check_call(context, provider, access.source)

        embedder = self._client(access, model).counted(report, admit)
        await self._close_unused()
        return embedder

    async def choices(self, owner_id: int) -> list[EmbeddingChoice]:
        """The models of the providers that an owner has a key for."""
        await self.catalogue.refresh()
        found: list[EmbeddingChoice] = []
        for provider, module in self.modules.items():
            models = [model for model in self.catalogue.of(provider, "embedding") if model.dimensions]
            if models and await self._has_key(provider, owner_id):
                found += [_choice(model, module.LABEL) for model in models]
        return found

    def max_tokens(self, name: str) -> int | None:
        """How many tokens a model reads at once; None where nobody knows."""
        provider, _, model_id = name.partition(":")
        return self.catalogue.find(provider, model_id).context_tokens

    async def close(self) -> None:
        """Give back all connections."""
        for embedder in (*self._made.values(), *self._let_go):
            await embedder.close()
        self._made.clear()
        self._let_go.clear()

    async def _close_unused(self) -> None:
        """Let go of the least recently used where there are too many; whoever has one may finish."""
        while len(self._made) > self.most:
            self._let_go.append(self._made.popitem(last=False)[1])
        unused = [embedder for embedder in self._let_go if not embedder.is_in_use]
        self._let_go[:] = [embedder for embedder in self._let_go if embedder.is_in_use]
        for embedder in unused:
            await embedder.close()

    async def _has_key(self, provider: str, owner_id: int) -> bool:
        try:
            await self.keys.access(provider, self.modules[provider].LABEL, owner_id=owner_id)
        except PermanentError:
            return False
        return True

    def _client(self, access: ProviderAccess, model: Model) -> HostedEmbedder:
        key = access.api_key.get_secret_value() if access.api_key else ""
        digest = hashlib.sha256(key.encode()).digest()
        wanted = (model, access.base_url, digest, access.is_guarded)
        if wanted not in self._made:
            self._made[wanted] = self.make(access, model)
        self._made.move_to_end(wanted)
        return self._made[wanted]


@dataclass(frozen=True)
class Embedders:
    """Embedders by name."""

    make: Callable[[str], Embedder]
    hosted: HostedEmbedders | None = None
    _made: dict[str, Embedder] = field(default_factory=dict)

    def get(self, name: str) -> Embedder:
        """The embedder of this machine of a name; its weights are loaded on its first use."""
        if name not in self._made:
            self._made[name] = self.make(name)
        return self._made[name]

    async def of(self, kb: KnowledgeBase, name: str | None = None) -> Embedder:
        """The embedder of a knowledge base, or another one for it.

        Raises:
            PermanentError: it is not set up, or there is no key for it.
        """
        name = name or kb.embedding_model
        if self.hosted is None or not is_hosted(name):
            return self.get(name)
        context = CallContext(kb.owner_id, "embedding", kb.id, kb.name, **answer_ids())
        return await self.hosted.get(name, context)

    def max_tokens(self, name: str) -> int | None:
        """How many tokens a model reads at once; None where nobody knows."""
        if self.hosted is not None and is_hosted(name):
            return self.hosted.max_tokens(name)
        try:
            return self.get(name).max_tokens
        except PermanentError:  # of the model hub, and not set up any more
            return None

    async def hosted_choices(self, owner_id: int) -> list[EmbeddingChoice]:
        """The models of providers that an owner may choose."""
        return await self.hosted.choices(owner_id) if self.hosted else []

    async def close(self) -> None:
        """Give back connections to providers."""
        if self.hosted is not None:
            await self.hosted.close()


async def embed(
    embedder: Embedder, texts: Sequence[str]
) -> tuple[NDArray[np.float32], Sequence[bytes | None]]:
    """Vectors of chunks, shape `(n, dimensions)`, and codes for a reranker where the model makes them."""
    if isinstance(embedder, LateEmbedder):
        return await embedder.embed_with_codes(texts)
    return await embedder.embed_documents(texts), [None] * len(texts)


def _choice(model: Model, provider_label: str) -> EmbeddingChoice:
    assert model.dimensions is not None
    prices = model.prices_on()
    return EmbeddingChoice(
        model.name,
        f"{model.label} ({provider_label})",
        model.dimensions,
        price_per_million=prices[0].input if prices else None,
        is_hosted=True,
    )


def _provider_call(
    call: EmbeddingCall, model: Model, context: CallContext, access: ProviderAccess
) -> ProviderCall:
    return ProviderCall(
        context=context,
        provider=model.provider,
        model=model.id,
        usage=call.usage,
        outcome=call.outcome,
        key_source=access.source,
        cost=model.cost(call.usage),
        price_version=model.price_version,
        total_ms=call.total_ms,
    )
