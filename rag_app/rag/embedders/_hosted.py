"""Embed with a hosted provider: batches, time-outs, careful retries, and a count of every request.

    texts ── cut to the model's limit ── batches ── request ─┬─ counted ── checked ── length 1
                                            ▲                └─ rate limit, overload, lost connection
                                            └──── after the time the provider names ──┘

A vector has no side effects, so a request that may have been lost is safe to repeat. What was embedded is
kept by the caller, batch by batch: a request that was paid is not paid again.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Protocol
from weakref import WeakSet

import httpx2
import numpy as np
import structlog
from numpy.typing import NDArray

from rag_app.domain.answers import Usage
from rag_app.domain.models import Model
from rag_app.errors import PermanentError
from rag_app.rag.embedders._onnx import readable
from rag_app.rag.llms._failures import Failure, Refusal, broke, refused

log = structlog.get_logger()

RETRY_WAIT_S = 1.0  # where the provider names no time itself; twice as long each time
REMEMBERED_QUESTIONS = 256
BYTES_PER_TOKEN = 3  # rather too few: an estimate should not look cheaper than the bill
NOTHING = "."  # in the place of a text without any, which providers refuse

_sleep = asyncio.sleep  # a name of its own, so that tests need not wait

# A reply of another shape than the SDK was made for surfaces as one of these.
_MISSHAPEN = (ValueError, TypeError, AttributeError, LookupError)

TokenOffsets = Callable[[str], list[tuple[int, int]]]


@dataclass(frozen=True)
class Patience:
    """How long a caller can wait: a reader less than an import."""

    timeout_s: float
    retries: int
    longest_wait_s: float


DOCUMENTS = Patience(timeout_s=60, retries=3, longest_wait_s=30)
QUESTION = Patience(timeout_s=10, retries=1, longest_wait_s=2)


@dataclass(frozen=True)
class BatchLimits:
    """What one request may hold. Bytes stand for tokens: no token is shorter than one."""

    texts: int
    n_bytes: int
    bytes_per_text: int


@dataclass(frozen=True)
class Embedded:
    """What one request brought: a vector for each text, and the provider's count where it tells one."""

    vectors: list[list[float]]
    n_tokens: int | None


@dataclass(frozen=True)
class EmbeddingCall:
    """One request, also one that failed: then `outcome` is the kind of failure."""

    usage: Usage
    outcome: str
    total_ms: float


Report = Callable[[EmbeddingCall], Awaitable[None]]
Admit = Callable[[], Awaitable[None]]  # raises where no request may be made any more


class Wire(Protocol):
    """One provider's SDK, reduced to what embedding takes."""

    sdk_errors: tuple[type[Exception], ...]

    async def embed(self, texts: list[str], *, model: str, is_question: bool) -> Embedded:
        """Send one request."""
        ...

    def refusal(self, error: Exception) -> Refusal | None:
        """Reduce an SDK error to what the provider said; None if it said nothing."""
        ...


@dataclass
class HostedEmbedder:
    """An `Embedder` (see `contract.py`) on a vendor's SDK; `counted` gives one that tells of its requests."""

    label: str
    model: Model
    http: httpx2.AsyncClient
    wire: Wire
    limits: BatchLimits
    offsets: TokenOffsets
    _asked: OrderedDict[str, NDArray[np.float32]] = field(default_factory=OrderedDict)
    _callers: WeakSet["CountedEmbedder"] = field(default_factory=WeakSet)

    @property
    def is_in_use(self) -> bool:
        """Whether somebody it was made for by `counted` may still ask it."""
        return bool(self._callers)

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def dimensions(self) -> int:
        assert self.model.dimensions is not None
        return self.model.dimensions

    @property
    def max_tokens(self) -> int:
        assert self.model.context_tokens is not None
        return self.model.context_tokens

    def counted(self, report: Report, admit: Admit) -> "CountedEmbedder":
        """The same embedder for one caller, who is asked before every batch and told of every request."""
        counted = CountedEmbedder(self, Caller(report, admit))
        self._callers.add(counted)
        return counted

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder`."""
        return await self.documents(texts, ANYBODY)

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """See `Embedder`."""
        return await self.question(text, ANYBODY)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """See `Embedder`: as a local model cuts, for no provider's tokenizer works without the network."""
        return self.offsets(text)

    async def close(self) -> None:
        """Give back connections."""
        await self.http.aclose()

    async def documents(self, texts: Sequence[str], caller: "Caller") -> NDArray[np.float32]:
        """Embed chunks for a caller."""
        sent = [self._sendable(text) for text in texts]
        vectors = np.empty((len(sent), self.dimensions), np.float32)
        for start, batch in _batches(sent, self.limits):
            vectors[start : start + len(batch)] = await self._embed(batch, DOCUMENTS, caller)
        return vectors

    async def question(self, text: str, caller: "Caller") -> NDArray[np.float32]:
        """Embed a question; the last ones are remembered, for whoever uses the same key."""
        sent = self._sendable(text)
        if sent not in self._asked:
            (self._asked[sent],) = await self._embed([sent], QUESTION, caller)
        self._asked.move_to_end(sent)
        vector = self._asked[sent]
        while len(self._asked) > REMEMBERED_QUESTIONS:
            self._asked.popitem(last=False)
        return vector

    def _sendable(self, text: str) -> str:
        cut = readable(text).encode()[: self.limits.bytes_per_text].decode(errors="ignore")
        return cut if cut.strip() else NOTHING

    async def _embed(self, texts: list[str], patience: Patience, caller: "Caller") -> NDArray[np.float32]:
        """Send one batch, again where that may help."""
        await caller.admit()
        for attempt in range(patience.retries + 1):
            outcome = await self._attempt(texts, patience, caller.report)
            if isinstance(outcome, Embedded):
                return self._checked(outcome, len(texts))
            named = getattr(outcome.error, "retry_after_s", None)
            wait_s = RETRY_WAIT_S * 2**attempt if named is None else named
            is_last = attempt == patience.retries
            if is_last or not outcome.may_retry or wait_s > patience.longest_wait_s:
                break
            await _sleep(wait_s)
        raise outcome.error

    async def _attempt(self, texts: list[str], patience: Patience, report: Report) -> Embedded | Failure:
        started, kind, usage = time.perf_counter(), "cancelled", Usage()
        try:
            async with asyncio.timeout(patience.timeout_s):
                embedded = await self.wire.embed(texts, model=self.model.id, is_question=patience is QUESTION)
            kind, usage = "complete", _usage(texts, embedded.n_tokens)
            return embedded
        except (*self.wire.sdk_errors, httpx2.HTTPError, TimeoutError, *_MISSHAPEN) as error:
            failure = self._failure(error)
            kind = failure.kind
            return failure
        finally:
            total_ms = round((time.perf_counter() - started) * 1000, 1)
            await asyncio.shield(report(EmbeddingCall(usage, kind, total_ms)))

    def _failure(self, error: Exception) -> Failure:
        """Explain and log an error, which itself goes no further: its text may hold the key or the text."""
        refusal = self.wire.refusal(error)
        failure = refused(self.label, refusal) if refusal else broke(self.label, error)
        log.warning(
            "embedding_failed",
            model=self.name,
            kind=failure.kind,
            status=refusal.status if refusal else None,
            error=type(error).__name__,
        )
        if failure.kind == "too_long":  # its sentence is about questions
            sentence = f"A text is too long for the embedding model {self.model.label}."
            return Failure(failure.kind, PermanentError(sentence))
        return failure

    def _checked(self, embedded: Embedded, n_texts: int) -> NDArray[np.float32]:
        """The vectors at length 1.

        Raises:
            PermanentError: there are too few of them, or they are of another size, or none at all.
        """
        if len(embedded.vectors) != n_texts:
            raise PermanentError(
                f"{self.label} sent {len(embedded.vectors)} vectors for {n_texts} texts, so none can be used."
            )
        sizes = {len(vector) for vector in embedded.vectors}
        if sizes != {self.dimensions}:
            raise PermanentError(
                f"{self.model.label} makes vectors of {max(sizes):,} numbers, but {self.dimensions:,} are "
                "set up for it. Whoever runs this installation can set that right under Models."
            )
        vectors = np.asarray(embedded.vectors, np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths) & (lengths > 0)):
            raise PermanentError(f"{self.model.label} makes vectors that cannot be compared.")
        return vectors / lengths


@dataclass(frozen=True)
class Caller:
    """Who is asked before every batch and told of every request."""

    report: Report
    admit: Admit


class CountedEmbedder:
    """A `HostedEmbedder` for one caller."""

    def __init__(self, hosted: HostedEmbedder, caller: Caller) -> None:
        self.name = hosted.name
        self.dimensions = hosted.dimensions
        self.max_tokens = hosted.max_tokens
        self._hosted = hosted
        self._caller = caller

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder`."""
        return await self._hosted.documents(texts, self._caller)

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """See `Embedder`."""
        return await self._hosted.question(text, self._caller)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """See `Embedder`."""
        return self._hosted.token_offsets(text)


def _usage(texts: Sequence[str], n_tokens: int | None) -> Usage:
    """The provider's count, or an estimate where a compatible server tells none."""
    if n_tokens is not None:
        return Usage(n_tokens)
    return Usage(ceil(sum(len(text.encode()) for text in texts) / BYTES_PER_TOKEN), estimated=True)


def _batches(texts: Sequence[str], limits: BatchLimits) -> Iterator[tuple[int, list[str]]]:
    """Texts in order, as many at once as one request may hold, each batch with the place of its first."""
    batch: list[str] = []
    start = n_bytes = 0
    for index, text in enumerate(texts):
        size = len(text.encode())
        if batch and (len(batch) == limits.texts or n_bytes + size > limits.n_bytes):
            yield start, batch
            batch, start, n_bytes = [], index, 0
        batch.append(text)
        n_bytes += size
    if batch:
        yield start, batch


async def _nobody(_call: EmbeddingCall) -> None:
    """Tell nobody."""


async def _always() -> None:
    """Ask nobody."""


ANYBODY = Caller(_nobody, _always)
