"""Rerank on this machine: does each passage have, in context, what each word of the question asks for?

    stored codes ────────────────┐
    passages without ── embed ───┴─ compare with the question's words ── scores

With codes stored at ingestion a question takes a millisecond; without, the passages are embedded again, as
many as the time allows. How it is done: `embedders/_token_codes.py`; what it brings:
docs/decisions/0008-reranking.md.
"""

import time
from collections.abc import Callable, Sequence

from rag_app.errors import PermanentError
from rag_app.rag.embedders.contract import LateEmbedder
from rag_app.rag.rerankers.contract import RerankerParts, RerankPassage, RerankResult

NAME = "local_late"
LABEL = "Built-in (compares words in context, no key needed)"
WEIGHT = 1.0  # as good as any other, measured

BATCH = 4  # passages embedded between two looks at the clock, about a fifth of a second of one core
NOTHING_TOLD = -1.0  # of a passage without words: the least a cosine can be


def build(parts: RerankerParts) -> "LateReranker":
    """Return the reranker; nothing is loaded before it is used."""
    if not isinstance(parts.embedder, LateEmbedder):
        raise PermanentError("The built-in reranker needs one of the built-in embedding models.")
    return LateReranker(parts.embedder)


class LateReranker:
    """A `Reranker` (see `contract.py`) around a built-in embedding model."""

    name = NAME

    def __init__(self, embedder: LateEmbedder, clock: Callable[[], float] = time.monotonic) -> None:
        self._embedder = embedder
        self._clock = clock

    async def rerank(
        self, question: str, passages: Sequence[RerankPassage], *, deadline_s: float
    ) -> RerankResult:
        """See `Reranker`."""
        ends = self._clock() + deadline_s
        scores = await self._embedder.late_similarities(question, [self._codes(one) for one in passages])
        missing = [place for place, score in enumerate(scores) if score is None]
        for start in range(0, len(missing), BATCH):
            if self._clock() >= ends:
                return RerankResult(tuple(scores), spent=True)
            batch = missing[start : start + BATCH]
            _, codes = await self._embedder.embed_with_codes([passages[place].text for place in batch])
            fresh = await self._embedder.late_similarities(question, codes)
            for place, score in zip(batch, fresh, strict=True):
                scores[place] = NOTHING_TOLD if score is None else score
        return RerankResult(tuple(scores))

    async def close(self) -> None:
        """There is nothing to give back."""

    def _codes(self, passage: RerankPassage) -> bytes | None:
        """What was stored, unless another model made it."""
        return passage.codes if passage.embedding_model in {"", self._embedder.name} else None
