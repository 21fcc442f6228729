"""What every reranker promises.

A reranker looks at a few passages more closely than a search can. It only scores; `blend.py` makes the
final order of its scores and the fused ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from rag_app.rag.embedders.contract import Embedder
from rag_app.rag.llms.contract import LLM


@dataclass(frozen=True)
class RerankPassage:
    """A passage to score: `text` is heading and content, `codes` what the embedder stored with its vector."""

    chunk_id: int
    text: str
    codes: bytes | None = None
    embedding_model: str = ""


@dataclass(frozen=True)
class RerankResult:
    """One score for each passage, in their order; None for a passage that was not scored.

    Scores compare the passages of one question, on any scale: greater is better. `spent` says that the
    time ran out before every passage was scored.
    """

    scores: tuple[float | None, ...]
    spent: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether there is a score for every passage; without that the fused order stays."""
        return all(score is not None for score in self.scores)


@dataclass(frozen=True)
class RerankerParts:
    """What rerankers are made of; each takes what it needs, and says so where that is missing."""

    embedder: Embedder | None = None  # of the knowledge base
    llm: LLM | None = None  # of the knowledge base
    llm_model: str = ""
    url: str | None = None
    api_key: SecretStr | None = None
    model: str = ""
    models_dir: Path | None = None
    threads: int = 1
    hub_url: str = "https://huggingface.co"
    hub_repo: str = ""
    hub_revision: str = ""
    hub_file: str = ""
    hub_sha256: str = ""
    hub_tokenizer_sha256: str = ""


class Reranker(Protocol):
    """Scores passages against a question.

    A provider's module offers `build(parts: RerankerParts) -> Reranker`, which raises `PermanentError`
    where something is not configured, `NAME: str` (its own), `LABEL: str` (its name for people) and
    `WEIGHT: float` (of its scores beside the fused ones, which count 1).
    """

    name: str

    async def rerank(
        self, question: str, passages: Sequence[RerankPassage], *, deadline_s: float
    ) -> RerankResult:
        """Score passages, in at most about `deadline_s` seconds.

        Raises:
            TransientError: rate limit, overload, lost connection.
            PermanentError: bad key, unknown model, damaged weights.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


def unscored(n_passages: int, *, spent: bool = False) -> RerankResult:
    """A result that leaves the fused order as it is."""
    return RerankResult((None,) * n_passages, spent)


def finite(score: float) -> float | None:
    """The score, or None for what compares with nothing."""
    return score if math.isfinite(score) else None
