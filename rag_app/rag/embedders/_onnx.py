"""Run a small embedding model inside this process.

    texts ── tokens ── batches of like length ──┐
                                                ├── one thread per model ── vectors
    question ── tokens ─────────────────────────┘

The thread takes one batch at a time, in order of arrival: calls never compete for the same cores,
and a question waits for at most one batch of each call before it. Nothing is loaded before the
first text arrives.
"""

import asyncio
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rag_app.rag.embedders._token_codes import TokenCodes, content_tokens, similarities

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

BATCH_TEXTS = 8  # more is no faster, measured, and takes more memory
REMEMBERED_QUESTIONS = 64  # whose words may be compared soon; 128 numbers a word
BATCH_TOKENS = 2048  # with padding; bounds the memory of attention over long texts

# No model has longer tokens on average: what lies beyond cannot reach it and need not be cut.
_MAX_CHARS_PER_TOKEN = 64
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

T = TypeVar("T")


class Encoder(Protocol):
    """A loaded model."""

    def encode(self, batch: Sequence[Sequence[int]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Turn n lists of token ids into `(n, dimensions)` vectors of length 1.

        The second array, `(n, longest, hidden)`, holds what the model made of each token.
        """
        ...


@dataclass(frozen=True)
class Tokens:
    """A text as the model reads it; `text` begins with `n_prefix` characters of ours."""

    text: str
    n_prefix: int
    ids: Sequence[int]
    offsets: Sequence[tuple[int, int]]

    @property
    def content(self) -> NDArray[np.intp]:
        """Places of the tokens that tell something."""
        return content_tokens(self.text, self.offsets, start=self.n_prefix)


class Once(Generic[T]):
    """Makes a value when it is first asked for; a failure is tried again next time."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = Lock()
        self._value: T | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._value is None:
                self._value = self._make()
            return self._value


class OnnxEmbedder:
    """An `Embedder` (see `contract.py`) around a tokenizer and an encoder.

    `max_tokens` counts everything the encoder reads: prefix, text and the two marks around them.
    """

    def __init__(
        self,
        *,
        name: str,
        dimensions: int,
        max_tokens: int,
        load_tokenizer: Callable[[], "Tokenizer"],
        load_encoder: Callable[[], Encoder],
        query_prefix: str = "",
        document_prefix: str = "",
    ) -> None:
        self.name = name
        self.dimensions = dimensions
        self.max_tokens = max_tokens
        self._query_prefix = query_prefix
        self._document_prefix = document_prefix
        self._tokenizer = Once(load_tokenizer)
        self._encoder = Once(load_encoder)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder`."""
        vectors, _ = await self._embed(texts, self._document_prefix, _nothing)
        return vectors

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """See `Embedder`."""
        vectors, _ = await self._embed([text], self._query_prefix, _nothing)
        return vectors[0]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """See `Embedder`; loads the tokenizer alone."""
        return self._tokenizer().encode(readable(text), add_special_tokens=False).offsets

    async def _embed(
        self, texts: Sequence[str], prefix: str, keep: Callable[[NDArray[np.float32]], T]
    ) -> tuple[NDArray[np.float32], list[T]]:
        """The texts' vectors, and what `keep` makes of the token vectors of each."""
        loop = asyncio.get_running_loop()
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        kept: dict[int, T] = {}
        tokens = await loop.run_in_executor(self._thread, self._tokens, texts, prefix)
        for batch in batches([len(one.ids) for one in tokens]):
            read = [tokens[index] for index in batch]
            vectors[batch], made = await loop.run_in_executor(self._thread, self._encode, read, keep)
            kept |= dict(zip(batch, made, strict=True))
        return vectors, [kept[index] for index in range(len(texts))]

    def _tokens(self, texts: Sequence[str], prefix: str) -> list[Tokens]:
        limit = self.max_tokens * _MAX_CHARS_PER_TOKEN
        # One by one: `encode_batch` starts threads of its own, which do not survive a fork.
        return [self._tokens_of(readable((prefix + text)[:limit]), len(prefix)) for text in texts]

    def _tokens_of(self, text: str, n_prefix: int) -> Tokens:
        encoded = self._tokenizer().encode(text)
        return Tokens(
            text,
            n_prefix,
            shortened(encoded.ids, self.max_tokens),
            shortened(encoded.offsets, self.max_tokens),
        )

    def _encode(
        self, batch: Sequence[Tokens], keep: Callable[[NDArray[np.float32]], T]
    ) -> tuple[NDArray[np.float32], list[T]]:
        vectors, states = self._encoder().encode([tokens.ids for tokens in batch])
        if keep is _nothing:
            return vectors, [keep(states)] * len(batch)
        return vectors, [keep(of_text[one.content]) for one, of_text in zip(batch, states, strict=True)]


class LateOnnxEmbedder(OnnxEmbedder):
    """A `LateEmbedder` (see `contract.py`): an `OnnxEmbedder` that also codes what became of each word."""

    def __init__(self, *, token_codes: TokenCodes, **options: Any) -> None:
        super().__init__(**options)
        self.codes_version = token_codes.version
        self._codes = token_codes
        self._asked: OrderedDict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = OrderedDict()

    async def embed_with_codes(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], list[bytes]]:
        """See `LateEmbedder`."""
        return await self._embed(texts, self._document_prefix, self._codes.pack)

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """See `Embedder`; the last questions are remembered, for themselves and for `late_similarities`."""
        vector, _ = await self._question(text)
        return vector

    async def late_similarities(self, question: str, codes: Sequence[bytes | None]) -> list[float | None]:
        """See `LateEmbedder`."""
        _, words = await self._question(question)
        return await asyncio.to_thread(similarities, words, codes, version=self.codes_version)

    async def _question(self, text: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A question's vector, and what was made of its words."""
        if text not in self._asked:
            vectors, (words,) = await self._embed([text], self._query_prefix, self._codes.project)
            self._asked[text] = vectors[0], words
        self._asked.move_to_end(text)
        asked = self._asked[text]
        while len(self._asked) > REMEMBERED_QUESTIONS:
            self._asked.popitem(last=False)
        return asked


def _nothing(_states: NDArray[np.float32]) -> None:
    """Keep no tokens."""


def readable(text: str) -> str:
    """Replace halves of broken surrogate pairs, which no tokenizer takes; no character moves."""
    return _LONE_SURROGATES.sub(_REPLACEMENT, text)


def shortened(ids: list[T], max_tokens: int) -> list[T]:
    """Cut a text's end, but keep the mark that closes it."""
    return ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], ids[-1]]


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group texts, given by their lengths in tokens, so that little padding is needed; yields indices."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        is_full = len(batch) == BATCH_TEXTS or (len(batch) + 1) * lengths[index] > BATCH_TOKENS
        if batch and is_full:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def load_tokenizer(path: Path) -> "Tokenizer":
    """Read a tokenizer file; special marks written out in a text are taken as plain text."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def load_session(path: Path, *, threads: int) -> "InferenceSession":
    """Load an ONNX graph for use on the CPU."""
    # From 1.29 on, onnxruntime reports every use to its maker unless told not to before it is imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = threads
    # Waiting threads would otherwise spin and take the cores from the rest of the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The arena keeps the memory of the largest batch for good, and gains no speed here.
    options.enable_cpu_mem_arena = False
    return InferenceSession(path, options, providers=["CPUExecutionProvider"])


def padded(batch: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids and mask, both `(n, longest)`; padding is 0 in either."""
    shape = len(batch), max(map(len, batch))
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask
