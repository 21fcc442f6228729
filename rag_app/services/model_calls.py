"""Call answering models: the one way to a provider, for answers and for everything around them.

which model ── whose key ── made to fit ── call ── count and price what it used, also where it failed
     ▲                                      │
     └── the next of the knowledge base ────┘ nothing came, and another provider may help
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

import structlog

from rag_app.domain.answers import (
    Answering,
    CallEvent,
    Completed,
    LLMEvent,
    ModelInfo,
    Prompt,
    StoodIn,
    TextDelta,
    Usage,
)
from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.domain.models import Model
from rag_app.domain.usage import CallContext, CallKind, ProviderCall
from rag_app.errors import PermanentError, RagAppError
from rag_app.rag.llms.contract import LLM
from rag_app.rag.prompt_room import fitted, prompt_tokens
from rag_app.services.answer_in_progress import answer_ids
from rag_app.services.breakers import Breakers
from rag_app.services.fail_over import Failed, all_failed, may_help, order_of
from rag_app.services.limits import LimitService
from rag_app.services.llms import LLMs
from rag_app.services.models import ModelCatalogue
from rag_app.services.provider_keys import ProviderAccess, ProviderKeyService
from rag_app.services.usage import UsageService

log = structlog.get_logger()

BYTES_PER_TOKEN = 3  # about what models need for European text; only for calls that were never counted
FAIL_OVER_WITHIN_S = 60  # a reader who has waited so long is told, instead of waiting for yet another


@dataclass(frozen=True)
class _Call:
    """One call that is about to be made."""

    context: CallContext
    model: Model
    access: ProviderAccess
    prompt: Prompt


@dataclass
class _Tried:
    """What has come of the models so far; the one that has answered at all is the last."""

    failures: list[Failed] = field(default_factory=list)
    has_answered: bool = False

    @property
    def instead_of(self) -> StoodIn | None:
        return self.failures[0].stood_in if self.failures else None


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

    def report(self, call: _Call) -> ProviderCall:
        return ProviderCall(
            context=call.context,
            provider=call.model.provider,
            model=call.model.id,
            usage=self._usage(call.prompt),
            outcome=self.outcome,
            key_source=call.access.source,
            first_token_ms=self.first_token_ms,
            total_ms=self._ms(),
        )

    def _usage(self, prompt: Prompt) -> Usage:
        """The provider's counts; an estimate where it began and never told, nothing where it never began."""
        if self.completed is not None:
            return self.completed.usage
        if self.first_token_ms is None:
            return Usage()
        return Usage(prompt_tokens(prompt), self.n_bytes // BYTES_PER_TOKEN, estimated=True)

    def _ms(self) -> float:
        return round((time.perf_counter() - self.started) * 1000, 1)


@dataclass(frozen=True)
class ModelCalls:
    """Calls models for knowledge bases."""

    llms: LLMs
    keys: ProviderKeyService
    catalogue: ModelCatalogue
    usage: UsageService
    quotas: LimitService
    breakers: Breakers = field(default_factory=Breakers)
    clock: Callable[[], float] = time.monotonic

    async def check(self, kb: KnowledgeBase) -> None:
        """Refuse at once what `stream` would refuse for a limit. Raises LimitReached, PermanentError."""
        missing: PermanentError | None = None
        for choice in order_of(kb, "chat"):
            try:
                access = await self.keys.access(
                    choice.provider, self.llms.label(choice.provider), owner_id=kb.owner_id
                )
            except PermanentError as error:  # the next one may have a key
                missing = missing or error
                continue
            context = CallContext(kb.owner_id, "chat", kb.id)
            return await self.quotas.check_call(context, choice.provider, access.source)
        if missing is not None:
            raise missing
        return None

    async def stream(
        self,
        prompt: Prompt,
        kb: KnowledgeBase,
        *,
        kind: CallKind,
        conversation_id: int | None = None,
        request_id: UUID | None = None,
    ) -> AsyncGenerator[CallEvent]:
        """Stream what a knowledge base's model says to a prompt, or the next one that can.

        See `LLM.stream` for events and errors; before the first of them comes `Answering`. Once a model has
        begun, no other one takes over.
        """
        context = CallContext(kb.owner_id, kind, kb.id, kb.name, conversation_id, request_id)
        await self.catalogue.refresh()
        tried, gives_up_at = _Tried(), self.clock() + FAIL_OVER_WITHIN_S
        for choice in order_of(kb, kind):
            model = self.catalogue.find(choice.provider, choice.model)
            if tried.failures and (self.clock() > gives_up_at or not may_help(tried.failures[-1], model)):
                continue
            events = self._try(prompt, model, context, tried)
            async with aclosing(events):
                async for event in events:
                    yield event
            if tried.has_answered:
                return
        raise all_failed(tried.failures)

    def is_priced(self, kb: KnowledgeBase) -> bool:
        """Whether it is known what calls of a knowledge base's model cost."""
        if kb.llm_provider == "local":
            return True
        return bool(self.catalogue.find(kb.llm_provider, kb.llm_model).prices)

    def bound(self, kb: KnowledgeBase, kind: CallKind) -> LLM:
        """A knowledge base's model as an `LLM`, for who needs one and knows nothing of knowledge bases."""
        return _BoundLLM(self.llms.models(kb.llm_provider), self, kb, kind)

    async def _try(
        self, prompt: Prompt, model: Model, context: CallContext, tried: _Tried
    ) -> AsyncGenerator[CallEvent]:
        """Stream an answer; a model that never begins is added to the failures instead."""
        label = self.llms.label(model.provider)
        events = self._call(prompt, model, label, context)
        try:
            async with aclosing(events):
                async for sent, event in events:
                    if not tried.has_answered:
                        tried.has_answered = True
                        yield Answering(
                            model.provider, model.id, model.label, len(sent.passages), tried.instead_of
                        )
                    yield event
        except RagAppError as error:
            failed = Failed(model, label, error)
            if tried.has_answered or not failed.is_elsewhere_fine:
                raise
            if error.kind == "no_key" and tried.failures:
                return  # a model nobody has a key for is no way out, and nothing to report
            log.info("model_failed", kb_id=context.kb_id, provider=model.provider, kind=error.kind)
            tried.failures.append(failed)

    async def _call(
        self, prompt: Prompt, model: Model, label: str, context: CallContext
    ) -> AsyncGenerator[tuple[Prompt, LLMEvent]]:
        """One call to one provider: what was sent with each event of the answer."""
        access, llm = await self._reached(model, label, context)
        await self.quotas.check_call(context, model.provider, access.source)
        attempt = self.breakers.begin(access, label, model.id)
        call = _Call(context, model, access, fitted(prompt, model))
        progress = _Progress()
        try:
            events = llm.stream(call.prompt, model=model.id)
            async with aclosing(events):
                async for event in events:
                    attempt.answered()
                    progress.note(event)
                    yield call.prompt, _signed(event, model)
        except RagAppError as error:
            progress.outcome = error.kind or "failed"
            attempt.failed(progress.outcome, getattr(error, "retry_after_s", None))
            raise
        except Exception:  # a fault of ours: it goes on, and its row must not say that somebody cancelled
            progress.outcome = "failed"
            raise
        finally:
            attempt.given_up()
            await asyncio.shield(self.usage.record(self._priced(progress.report(call))))

    async def _reached(self, model: Model, label: str, context: CallContext) -> tuple[ProviderAccess, LLM]:
        """The way to a provider. Raises PermanentError, `no_key` where nothing else is said."""
        try:
            access = await self.keys.access(model.provider, label, owner_id=context.owner_id)
            return access, self.llms.get(access)
        except PermanentError as error:
            error.kind = error.kind or "no_key"
            raise

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
        events = self.calls.stream(prompt, self.kb, kind=self.kind, **answer_ids())
        async with aclosing(events):
            async for event in events:
                if not isinstance(event, Answering):
                    yield event

    async def close(self) -> None:
        """The clients belong to `LLMs`."""


def _signed(event: LLMEvent, model: Model) -> LLMEvent:
    return replace(event, provider=model.provider) if isinstance(event, Completed) else event
