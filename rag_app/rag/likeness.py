"""Put questions that ask the same into groups.

A small embedder cannot tell "How do I reset my password?" from "… my PIN?": both lie as close as two
wordings of one question. So closeness alone must be great, and less is enough only where one question has
all the content words of the other ("password reset", "How do I reset my password?"). A group that is split
costs its owner a second look; two questions in one group cost somebody a wrong answer. Of 30 pairs of
wordings and 30 pairs that differ in one word, in `tests/unit/test_likeness.py`, 17 and 1 are put together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag_app.rag.faq import DIRECTIONS, NEGATIONS, normalised
from rag_app.rag.stems import stems

# Cosines of the built-in embedder, both texts embedded as questions.
CLOSE, CLOSE_WITH_ALL_WORDS = 0.955, 0.915
LOOKED_AT = 8  # nearest groups that a question is compared with, word by word


@dataclass(frozen=True)
class Asked:
    """One question; `vector` of length 1, or None while it is not embedded."""

    words: str
    stems: frozenset[str]
    vector: NDArray[np.float32] | None

    @classmethod
    def of(cls, question: str, vector: NDArray[np.float32] | None) -> "Asked":
        """A question as it is compared."""
        words = normalised(question)
        return cls(words, stems(words), vector)


def are_alike(first: Asked, second: Asked) -> bool:
    """Whether two questions ask the same."""
    if first.words == second.words:
        return True
    if first.vector is None or second.vector is None:
        return False
    return _mean_the_same(first, second, float(first.vector @ second.vector))


def group(questions: Sequence[Asked]) -> list[list[int]]:
    """Indices of questions that ask the same, each group in the order given, its first being the measure."""
    groups: list[list[int]] = []
    by_words: dict[str, int] = {}
    leaders: list[int] = []  # groups whose first question has a vector
    dimensions = max((len(q.vector) for q in questions if q.vector is not None), default=0)
    vectors = np.empty((len(questions), dimensions), dtype=np.float32)
    for at, question in enumerate(questions):
        found = by_words.get(question.words)
        if found is None:
            found = _nearest(question, questions, groups, leaders, vectors)
        if found is None:
            found = len(groups)
            groups.append([])
            if question.vector is not None:
                vectors[len(leaders)] = question.vector
                leaders.append(found)
        by_words.setdefault(question.words, found)
        groups[found].append(at)
    return groups


def _nearest(
    question: Asked,
    questions: Sequence[Asked],
    groups: Sequence[Sequence[int]],
    leaders: Sequence[int],
    vectors: NDArray[np.float32],
) -> int | None:
    if question.vector is None or not leaders:
        return None
    cosines = vectors[: len(leaders)] @ question.vector
    for at in np.argsort(-cosines, kind="stable")[:LOOKED_AT]:
        leader = questions[groups[leaders[at]][0]]
        if _mean_the_same(question, leader, float(cosines[at])):
            return leaders[at]
    return None


def _mean_the_same(first: Asked, second: Asked, cosine: float) -> bool:
    if cosine < CLOSE_WITH_ALL_WORDS or _turns(first) != _turns(second) or _codes(first) != _codes(second):
        return False
    shared = first.stems & second.stems
    has_all_words = bool(shared) and shared in (first.stems, second.stems)
    return cosine >= (CLOSE_WITH_ALL_WORDS if has_all_words else CLOSE)


def _turns(question: Asked) -> frozenset[str]:
    """The words that turn a question round: a "not", a "before"."""
    words = set(question.words.split())
    return frozenset({"not"} if words & NEGATIONS else ()) | (words & DIRECTIONS)


def _codes(question: Asked) -> frozenset[str]:
    """Numbers and the like: ERR 4012 is not ERR 4013, nor 2025 2026."""
    return frozenset(word for word in question.words.split() if any(map(str.isdigit, word)))
