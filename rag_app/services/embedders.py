"""The embedders of this process, made when first asked for and shared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rag_app.rag.embedders.contract import Embedder, LateEmbedder


@dataclass(frozen=True)
class Embedders:
    """Embedders by name."""

    make: Callable[[str], Embedder]
    _made: dict[str, Embedder] = field(default_factory=dict)

    def get(self, name: str) -> Embedder:
        """The embedder of a name; its weights are loaded on its first use."""
        if name not in self._made:
            self._made[name] = self.make(name)
        return self._made[name]


async def embed(
    embedder: Embedder, texts: Sequence[str]
) -> tuple[NDArray[np.float32], Sequence[bytes | None]]:
    """Vectors of chunks, shape `(n, dimensions)`, and codes for a reranker where the model makes them."""
    if isinstance(embedder, LateEmbedder):
        return await embedder.embed_with_codes(texts)
    return await embedder.embed_documents(texts), [None] * len(texts)
