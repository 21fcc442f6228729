"""How much of a question's words a text has, rare ones counting more."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rag_app.rag.stems import stems


@dataclass(frozen=True)
class Rarity:
    """How much each word of the question tells: more, the fewer of the passages have it."""

    weights: dict[str, float]

    @classmethod
    def of(cls, question: str, found: Sequence[frozenset[str]]) -> "Rarity":
        """Weigh the question's words by the stems of each passage found."""
        return cls(
            {word: _idf(sum(word in words for words in found), len(found)) for word in stems(question)}
        )

    def coverage(self, *texts: str) -> float:
        """Share of the question's words that the texts have together."""
        return self.share(frozenset().union(*map(stems, texts)))

    def share(self, words: frozenset[str]) -> float:
        """How much of the question some of its words are."""
        total = sum(self.weights.values())
        known = sum(weight for word, weight in self.weights.items() if word in words)
        return known / total if total else 0.0


def _idf(n_with: int, n: int) -> float:
    """The weight of BM25 in the form that is never negative."""
    return math.log(1 + (n - n_with + 0.5) / (n_with + 0.5))
