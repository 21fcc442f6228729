"""Passages: chunks found for one question, with the scores that brought them up."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PassageScores:
    """Why a passage ranks where it does; a rank is None where that ranking did not have it.

    `similarity` is the cosine of question and chunk, `bm25` the word score; `fused` lies in [0, 1].
    """

    rank_by_meaning: int | None
    rank_by_words: int | None
    similarity: float | None
    bm25: float | None
    fused: float


@dataclass(frozen=True)
class Passage:
    """A chunk retrieved for one question; `score` is its final one, in [0, 1]."""

    chunk_id: int
    document_id: int
    document_name: str
    source: str
    page: int | None
    page_last: int | None
    heading: str
    content: str
    score: float
    scores: PassageScores


@dataclass(frozen=True)
class Retrieval:
    """The passages for one question, best first, and what each stage took in milliseconds."""

    passages: tuple[Passage, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)
