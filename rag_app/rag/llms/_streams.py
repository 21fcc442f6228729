"""Stream an answer from a hosted provider: time-outs, one retry, and what counts as complete.

              ┌─ retry once: rate limit, overload, lost connection ─┐
              ▼                                                     │
Prompt ── open ── first text within 30 s ── TextDelta … ── finish reason seen? ─┬─ yes ── Completed
                                            next within 30 s                    └─ no ─── Interrupted

Before the first text a failure says what went wrong; after it, every failure is `Interrupted`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal, Protocol

import httpx2
import structlog

from rag_app.domain.answers import Completed, Interrupted, LLMEvent, ModelInfo, Prompt, TextDelta, Usage
from rag_app.domain.models import OfferedModel
from rag_app.rag.llms._failures import Failure, Refusal, broke, refused
from rag_app.rag.llms.contract import LLMSettings

log = structlog.get_logger()

FinishReason = Literal["stop", "length", "filtered"]

MAX_RETRIES = 1
RETRY_WAIT_S = 0.5  # where the provider names no time itself
MAX_RETRY_WAIT_S = 20  # a reader waits no longer; then the provider's time is for them to know
THINKING_TOKENS = 4000  # on top of the answer's, for models that cannot answer without thinking
LIST_TIMEOUT_S = 10
MOST_LISTED = 1000
BYTES_PER_TOKEN = 3  # rather too few: an estimate should not look cheaper than the bill

# Names of their own, so that tests need not wait.
_sleep = asyncio.sleep
_now = time.monotonic

# A reply of another shape than the SDK was made for surfaces as one of these.
_MISSHAPEN = (ValueError, TypeError, AttributeError, LookupError)


@dataclass(frozen=True)
class Piece:
    """What one event of a provider's stream adds; a token count replaces the one before."""

    text: str = ""
    finish_reason: FinishReason | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None  # among those of the prompt


@dataclass(frozen=True)
class OpenStream:
    """A provider's events; `close` ends the request at once, read to the end or not."""

    events: AsyncIterator[Any]
    close: Callable[[], Awaitable[None]]


class Wire(Protocol):
    """One provider's SDK, reduced to what streaming an answer takes."""

    sdk_errors: tuple[type[Exception], ...]

    async def open(self, prompt: Prompt, *, model: str) -> OpenStream:
        """Send the request; return when the answer's headers are there."""
        ...

    def read(self, event: Any) -> Piece:
        """Say what an event adds to the answer."""
        ...

    def list(self) -> AsyncIterator[OfferedModel]:
        """Go through the provider's own list of models that write text or embed it."""
        ...

    def refusal(self, error: Exception) -> Refusal | None:
        """Reduce an SDK error to what the provider said; None if it said nothing."""
        ...


@dataclass
class _Reply:
    """An answer on its way: `text` is its latest piece, None once there are no more."""

    wire: Wire
    stream: OpenStream
    text: str | None = ""
    n_bytes: int = 0
    finish_reason: FinishReason | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int = 0

    async def advance(self) -> None:
        """Wait for the next piece of text, or the end."""
        while (event := await anext(self.stream.events, None)) is not None:
            piece = self.wire.read(event)
            self._note(piece)
            if piece.text:
                self.text = piece.text
                self.n_bytes += len(piece.text.encode())
                return
        self.text = None

    def usage(self, prompt: Prompt) -> Usage:
        """Token counts of the provider, or an estimate where a compatible server sends none."""
        if self.prompt_tokens is not None and self.completion_tokens is not None:
            return Usage(self.prompt_tokens, self.completion_tokens, cached_tokens=self.cached_tokens)
        sent = [prompt.system, *(text for _, text in messages(prompt))]
        n_bytes = sum(len(text.encode()) for text in sent)
        return Usage(ceil(n_bytes / BYTES_PER_TOKEN), ceil(self.n_bytes / BYTES_PER_TOKEN), estimated=True)

    def _note(self, piece: Piece) -> None:
        self.finish_reason = piece.finish_reason or self.finish_reason
        if piece.prompt_tokens is not None:
            self.prompt_tokens = piece.prompt_tokens
        if piece.completion_tokens is not None:
            self.completion_tokens = piece.completion_tokens
        if piece.cached_tokens is not None:
            self.cached_tokens = piece.cached_tokens


@dataclass
class HostedLLM:
    """An `LLM` on a vendor's SDK; see `contract.LLM` for what it promises."""

    label: str
    models: tuple[ModelInfo, ...]
    settings: LLMSettings
    http: httpx2.AsyncClient
    wire: Wire

    async def stream(self, prompt: Prompt, *, model: str) -> AsyncGenerator[LLMEvent]:
        reply = await self._begin(prompt, model)
        try:
            while reply.text is not None:
                yield TextDelta(reply.text)
                await self._advance(reply, model)
            if reply.finish_reason is None:
                raise Interrupted(f"{self.label} ended the answer before it was complete.")
            yield Completed(reply.usage(prompt), reply.finish_reason, model)
        finally:
            await reply.stream.close()

    async def list_models(self) -> tuple[OfferedModel, ...]:
        """See `ListsModels`."""
        found: list[OfferedModel] = []
        try:
            async with asyncio.timeout(LIST_TIMEOUT_S):
                async for model in self.wire.list():
                    found.append(model)
                    if len(found) == MOST_LISTED:
                        break
            return tuple(found)
        except self._expected as error:
            failure = self._failure(error, "", where="list")
        raise failure.error

    async def close(self) -> None:
        await self.http.aclose()

    async def _begin(self, prompt: Prompt, model: str) -> _Reply:
        """Get as far as the first text, trying again where that may help.

        All tries and waits together take no longer than one first word and the longest wait.
        """
        patience_s = self.settings.first_token_timeout_s
        ends_at = _now() + patience_s + MAX_RETRY_WAIT_S
        for retries_left in range(MAX_RETRIES, -1, -1):
            outcome = await self._attempt(prompt, model, within_s=min(patience_s, ends_at - _now()))
            if isinstance(outcome, _Reply):
                return outcome
            wait_s = _wait_s(outcome)
            is_in_time = wait_s <= MAX_RETRY_WAIT_S and _now() + wait_s < ends_at
            if not retries_left or not outcome.may_retry or not is_in_time:
                break
            await _sleep(wait_s)
        raise outcome.error

    async def _attempt(self, prompt: Prompt, model: str, *, within_s: float) -> _Reply | Failure:
        try:
            async with AsyncExitStack() as on_failure:
                async with asyncio.timeout(within_s):
                    stream = await self.wire.open(prompt, model=model)
                    on_failure.push_async_callback(stream.close)
                    reply = _Reply(self.wire, stream)
                    await reply.advance()
                on_failure.pop_all()
                return reply
        except self._expected as error:
            return self._failure(error, model, where="start")

    async def _advance(self, reply: _Reply, model: str) -> None:
        try:
            async with asyncio.timeout(self.settings.idle_timeout_s):
                await reply.advance()
            return
        except self._expected as error:
            self._failure(error, model, where="middle")
        if reply.finish_reason is None:
            raise Interrupted(f"{self.label} broke off in the middle of the answer.")
        reply.text = None  # the answer is whole; only its token counts were lost

    @property
    def _expected(self) -> tuple[type[Exception], ...]:
        return (*self.wire.sdk_errors, httpx2.HTTPError, TimeoutError, *_MISSHAPEN)

    def _failure(self, error: Exception, model: str, *, where: str) -> Failure:
        """Explain and log an error.

        The error itself goes no further, not even as a cause: its text may hold the prompt or the key.
        """
        refusal = self.wire.refusal(error)
        failure = refused(self.label, refusal) if refusal else broke(self.label, error)
        status = refusal.status if refusal else None
        log.warning(
            "llm_failed",
            provider=self.settings.provider,
            model=model,
            kind=failure.kind,
            where=where,
            status=status,
            error=type(error).__name__,
        )
        return failure


def messages(prompt: Prompt) -> Iterator[tuple[Literal["user", "assistant"], str]]:
    """Yield the conversation in order, the new question last; providers refuse a turn without text."""
    for turn in prompt.history:
        if turn.question.strip() and turn.answer.strip():
            yield "user", turn.question
            yield "assistant", turn.answer
    yield "user", prompt.user


def _wait_s(failure: Failure) -> float:
    named = getattr(failure.error, "retry_after_s", None)
    return RETRY_WAIT_S if named is None else named
