"""Judge whether the evidence answers the question at all.

A logistic regression over four signals. Its weights were fitted by `benchmarks/answerability.py --fit` on
questions of SQuAD 2.0 and XQuAD (English, German), asked to a knowledge base of half of the articles, with
1 to 8 passages: half of the questions had their article in it. The bias is moved to where one question in
25 that has an answer is refused, one in 12 where there are only words to go by.
"""

from dataclasses import astuple, dataclass

from rag_app.rag.llms._evidence import Signals, Weighed


@dataclass(frozen=True)
class Weights:
    """What each signal adds to the log-odds; the last holds for the vectors of one embedder."""

    bias: float
    sentence_coverage: float
    passage_coverage: float
    all_coverage: float
    similarity: float = 0.0


WORDS_ONLY = Weights(-2.2, 6.81, 11.91, -5.86)
BY_EMBEDDER = {
    "local_e5": Weights(-47.47, 3.89, 8.45, -4.43, 55.39),
    "local_minilm": Weights(-10.6, 6.57, 9.03, -6.5, 18.92),
}


def is_answerable(weighed: Weighed, embedder: str | None) -> bool:
    """Whether the passages answer; `embedder` is the name of the one that made the vectors.

    Cosines of an embedder that is not known here say nothing: words alone decide.
    """
    weights = BY_EMBEDDER.get(embedder or "", WORDS_ONLY)
    terms = zip(astuple(weights)[1:], features(weighed.signals), strict=False)
    return weights.bias + sum(weight * signal for weight, signal in terms) > 0


def features(signals: Signals) -> list[float]:
    """The signals in the order of `Weights`, as many as there are."""
    return [signal for signal in astuple(signals) if signal is not None]
