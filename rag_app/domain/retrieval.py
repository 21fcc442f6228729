"""Passages: chunks found for one question, with the scores that brought them up."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from rag_app.domain.faq import CuratedAnswer

StepName = Literal["rewrite", "variants", "embed", "search", "spelling", "rerank", "faq", "expand"]


@dataclass(frozen=True)
class MatchedTerm:
    """A word of the question that a passage has; `share` is its part of the passage's word score."""

    term: str
    share: float
    corrected_from: str = ""


@dataclass(frozen=True)
class PassageScores:
    """Why a passage ranks where it does; a rank is None where that ranking did not have it.

    `similarity` is the cosine of question and chunk, `bm25` the word score; `fused` lies in [0, 1], as
    does `rerank`, which is None for passages that were not reranked. Ranks count from 1.
    """

    rank_by_meaning: int | None
    rank_by_words: int | None
    similarity: float | None
    bm25: float | None
    fused: float
    rank_fused: int = 0
    rerank: float | None = None
    matched: tuple[MatchedTerm, ...] = ()


@dataclass(frozen=True)
class Passage:
    """A chunk retrieved for one question.

    `score` estimates the probability that it answers, in [0, 1]. `before` and `after` are the text
    around it in its section, for the model that answers: they are not quoted as the passage.
    `n_duplicates` counts the passages left out because they say the same; `url` is where its document can
    be seen outside, empty for files.
    """

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
    before: str = ""
    after: str = ""
    n_duplicates: int = 0
    document_version: int = 1
    url: str = ""


@dataclass(frozen=True)
class Step:
    """One step of a retrieval; `note` says what came of it, in words, where that is worth saying."""

    name: StepName
    duration_ms: float
    was_done: bool = True
    note: str = ""


@dataclass(frozen=True)
class Retrieval:
    """The passages for one question, best first, and how they were found.

    `n_below_threshold` counts passages left out for their score, `timings_ms` holds the milliseconds of
    each step and of all together, `queries` what was searched for besides the question. A `curated`
    answer is the first passage's, to be given as it is.
    """

    passages: tuple[Passage, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    n_below_threshold: int = 0
    queries: tuple[str, ...] = ()
    curated: CuratedAnswer | None = None


@dataclass(frozen=True)
class Filters:
    """What a search is limited to; an empty filter limits nothing.

    `sources` are kinds such as "document", `languages` names of Postgres' text search configurations
    such as "english"; a document passes with any of the `tags`, and when it was added in the period
    from `added_from` (included) to `added_before` (not included).
    """

    document_ids: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    added_from: datetime | None = None
    added_before: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is filtered."""
        return self == Filters()
