"""Stand-ins that keep the real ones' promises, for tests that are not about them."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 384


class WordEmbedder:
    """An embedder whose vectors say which words a text has: the more shared words, the closer."""

    dimensions = DIMENSIONS
    max_tokens = 512

    def __init__(self, name: str = "local_e5") -> None:
        self.name = name
        self.n_embedded = 0

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed chunks."""
        self.n_embedded += len(texts)
        return np.stack([self._vector(text) for text in texts])

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question."""
        return self._vector(text)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Every word is a token."""
        return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]

    def _vector(self, text: str) -> NDArray[np.float32]:
        vector = np.full(DIMENSIONS, 1e-3, dtype=np.float32)
        for word in re.findall(r"\w+", text.lower()):
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % DIMENSIONS] += 1
        return (vector / np.linalg.norm(vector)).astype(np.float32)
