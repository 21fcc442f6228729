"""The embedders of this process, made when first asked for and shared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rag_app.errors import PermanentError
from rag_app.rag.embedders.contract import Embedder, LateEmbedder

# Ids that alembic/versions gave to the models; each has its own index in the database.
MODEL_IDS = {"local_e5": 1, "local_minilm": 2}


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


def model_id(name: str) -> int:
    """The number a model's vectors are stored under.

    Raises:
        PermanentError: this installation does not know the model.
    """
    if name not in MODEL_IDS:
        raise PermanentError(f"This installation does not know the embedding model “{name}”.")
    return MODEL_IDS[name]
