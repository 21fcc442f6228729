"""What every embedder promises."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """Turns text into vectors whose dot product is their cosine similarity."""

    name: str
    dimensions: int
    max_tokens: int

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed chunks for storage.

        Args:
            texts: n chunks; text beyond `max_tokens` is ignored.

        Returns:
            Shape `(n, dimensions)`, float32, every row of length 1.

        Raises:
            TransientError: rate limit, timeout, lost connection.
            PermanentError: bad key, unknown model or damaged weights.
        """
        ...

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """Embed one question; shape `(dimensions,)`, length 1. Raises as `embed_documents`."""
        ...

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Character ranges of the text's tokens, in order, as the model cuts it (no special tokens)."""
        ...


@runtime_checkable
class LateEmbedder(Embedder, Protocol):
    """An embedder that also keeps what it made of single words, for a closer comparison.

    A chunk's codes are bytes to be stored with its vector; their first byte is `codes_version`.
    """

    codes_version: int

    async def embed_with_codes(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], list[bytes]]:
        """Embed chunks as `embed_documents` does, and code their words, in the same pass."""
        ...

    async def late_similarities(self, question: str, codes: Sequence[bytes | None]) -> list[float | None]:
        """How well each chunk has what the question's words ask for; None where its codes cannot be read.

        A question that was just embedded costs no second pass through the model.
        """
        ...
