"""What every embedder promises."""

from collections.abc import Sequence
from typing import Protocol

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
