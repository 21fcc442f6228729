"""Choose which of the weighed sentences make the answer."""

from collections.abc import Sequence

from rag_app.rag.llms._evidence import Evidence
from rag_app.rag.stems import stems

MAX_QUOTATIONS = 3
MAX_GAP = 2.0  # standard deviations behind the best: further sentences seldom hold an answer that it lacks
SAME_WORDS = 0.8  # share of common words from which two sentences say the same


def quotations(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The best sentence, and up to two that are nearly as good and say something else."""
    chosen: list[Evidence] = []
    for one in evidence:
        if len(chosen) == MAX_QUOTATIONS or one.score < evidence[0].score - MAX_GAP:
            break
        if not any(_say_the_same(one, other) for other in chosen):
            chosen.append(one)
    return chosen


def _say_the_same(one: Evidence, other: Evidence) -> bool:
    a, b = stems(one.sentence.text), stems(other.sentence.text)
    return one.sentence.text == other.sentence.text or len(a & b) >= SAME_WORDS * max(len(a | b), 1)
