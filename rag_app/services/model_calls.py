"""Call answering models: the one way to a provider, for answers and for everything around them.

which model ── whose key ── call ── count and price what it used, also where it failed
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from rag_app.domain.answers import Completed, Interrupted, LLMEvent, ModelInfo, Prompt, TextDelta, Usage
from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.domain.models import ModelChoice
from rag_app.domain.usage import CallContext, CallKind, ProviderCall
from rag_app.errors import RagAppError
from rag_app.rag.llms.contract import LLM
from rag_app.services.llms import LLMs
from rag_app.services.models import ModelCatalogue
from rag_app.services.provider_keys import ProviderAccess, ProviderKeyService
from rag_app.services.usage import UsageService

BYTES_PER_TOKEN = 3  # about what models need for European text; only for calls that were never counted


@dataclass
class _Progress:
    """What one call has come to."""

    started: float = field(default_factory=time.perf_counter)
    first_token_ms: float | None = None
    n_bytes: int = 0
    completed: Completed | None = None
    outcome: str = "cancelled"

    def note(self, event: LLMEvent) -> None:
        if isinstance(event, Completed):
            self.completed, self.outcome = event, "complete"
        elif isinstance(event, TextDelta):
            if self.first_token_ms is None:
                self.first_token_ms = self._ms()
            self.n_bytes += len(event.text.encode())

    def call(
        self, context: CallContext, choice: ModelChoice, access: ProviderAccess, prompt: Prompt
    ) -> ProviderCall:
        return ProviderCall(
            context=context,
            provider=choice.provider,
            model=choice.model,
            usage=self._usage(prompt),
            outcome=self.outcome,
            key_source=access.source,
            first_token_ms=self.first_token_ms,
            total_ms=self._ms(),
        )

    def _usage(self, prompt: Prompt) -> Usage:
        """The provider's counts; an estimate where it began and never told, nothing where it never began."""
        if self.completed is not None:
            return self.completed.usage
        if self.first_token_ms is None:
            return Usage()
        sent = len(prompt.system.encode()) + len(prompt.user.encode())
        return Usage(sent // BYTES_PER_TOKEN, self.n_bytes // BYTES_PER_TOKEN, estimated=True)

    def _ms(self) -> float:
        return round((time.perf_counter() - self.started) * 1000, 1)


@dataclass(frozen=True)
class ModelCalls:
    """Calls models for knowledge bases."""

    llms: LLMs
    keys: ProviderKeyService
    catalogue: ModelCatalogue
    usage: UsageService

    async def stream(
        self,
        prompt: Prompt,
        kb: KnowledgeBase,
        *,
        kind: CallKind,
        conversation_id: int | None = None,
        request_id: UUID | None = None,
    ) -> AsyncGenerator[LLMEvent]:
        """Stream what a knowledge base's model says to a prompt; see `LLM.stream` for events and errors."""
        context = CallContext(kb.owner_id, kind, kb.id, kb.name, conversation_id, request_id)
        events = self._call(prompt, ModelChoice(kb.llm_provider, kb.llm_model), context)
        async with aclosing(events):
            async for event in events:
                yield event

    def bound(self, kb: KnowledgeBase, kind: CallKind) -> LLM:
        """A knowledge base's model as an `LLM`, for who needs one and knows nothing of knowledge bases."""
        return _BoundLLM(self.llms.models(kb.llm_provider), self, kb, kind)

    async def _call(
        self, prompt: Prompt, choice: ModelChoice, context: CallContext
    ) -> AsyncGenerator[LLMEvent]:
        access = await self.keys.access(
            choice.provider, self.llms.label(choice.provider), owner_id=context.owner_id
        )
        await self.catalogue.refresh()
        progress = _Progress()
        try:
            events = self.llms.get(access).stream(prompt, model=choice.model)
            async with aclosing(events):
                async for event in events:
                    progress.note(event)
                    yield event
        except Interrupted:
            progress.outcome = "interrupted"
            raise
        except RagAppError:
            progress.outcome = "failed"
            raise
        finally:
            call = self._priced(progress.call(context, choice, access, prompt))
            await asyncio.shield(self.usage.record(call))

    def _priced(self, call: ProviderCall) -> ProviderCall:
        if call.provider == "local":
            return replace(call, cost=Decimal(0), price_version="built-in")
        model = self.catalogue.find(call.provider, call.model)
        return replace(call, cost=model.cost(call.usage), price_version=model.price_version)


@dataclass
class _BoundLLM:
    models: tuple[ModelInfo, ...]
    calls: ModelCalls
    kb: KnowledgeBase
    kind: CallKind

    async def stream(self, prompt: Prompt, *, model: str) -> AsyncGenerator[LLMEvent]:
        events = self.calls.stream(prompt, self.kb, kind=self.kind)
        async with aclosing(events):
            async for event in events:
                yield event

    async def close(self) -> None:
        """The clients belong to `LLMs`."""
