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
    codes_version = 255

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

    async def embed_with_codes(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], list[bytes]]:
        """Embed chunks; their codes are their vectors."""
        vectors = await self.embed_documents(texts)
        return vectors, [bytes([self.codes_version]) + row.tobytes() for row in vectors]

    async def late_similarities(self, question: str, codes: Sequence[bytes | None]) -> list[float | None]:
        """Compare vectors."""
        vector = self._vector(question)
        return [float(np.frombuffer(one[1:], np.float32) @ vector) if one else None for one in codes]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Every word is a token."""
        return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]

    def _vector(self, text: str) -> NDArray[np.float32]:
        vector = np.full(DIMENSIONS, 1e-3, dtype=np.float32)
        for word in re.findall(r"\w+", text.lower()):
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % DIMENSIONS] += 1
        return (vector / np.linalg.norm(vector)).astype(np.float32)
