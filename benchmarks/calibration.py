"""Fit the score of a passage, and measure how well it holds: does 0.8 mean that 8 in 10 answer?

    python -m benchmarks.calibration --data FOLDER --cache FOLDER     reliability of the weights in use
    python -m benchmarks.calibration … --fit                          and new ones for rag/calibration.py

Half of the articles of each set make the knowledge base the weights are fitted on, the other half the one
they are measured on. In each, half of the questions are of articles that are not there. Knowledge bases
have 1, 3, 10, 30 or all paragraphs. Every question is searched with and without reranking.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks._searching import (
    DEPTH,
    LANGUAGES,
    SEED,
    Embedded,
    Question,
    QuestionSet,
    Words,
    arguments,
    build,
    embedded,
    search,
)
from rag_app.rag.calibration import Scale, Signals, calibrated, coverages
from rag_app.rag.embedders._onnx import LateOnnxEmbedder
from rag_app.rag.fusion import best_first, blend

SETS = ("squad2_dev", "xquad_en", "xquad_de")
SIZES = (0, 0, 0, 1, 3, 10, 30)  # drawn from; 0: all paragraphs of the half
SHOWN = 10
N_BINS = 10


@dataclass(frozen=True)
class Case:
    """One search: the passages in their final order, and which of them answer."""

    signals: list[Signals]
    answers: list[bool]


@dataclass(frozen=True)
class Half:
    """A knowledge base of half of the articles."""

    whole: QuestionSet
    paragraphs: Embedded
    places: list[int]
    words: Words

    def some(self, question: Question, size: int, chance: random.Random) -> "Half":
        """As many neighbouring paragraphs, with one that answers if there is any; 0: all."""
        if not size:
            return self
        here = [self.places.index(gold) for gold in sorted(question.gold) if gold in self.places]
        first = here[0] - chance.randrange(size) if here else chance.randrange(len(self.places))
        places = [self.places[(first + step) % len(self.places)] for step in range(size)]
        texts = [self.whole.texts[place] for place in places]
        return Half(self.whole, self.paragraphs, places, Words(texts, LANGUAGES[self.whole.name]))

    async def search(self, question: Question, embedder: LateOnnxEmbedder) -> list[Case]:
        """Without and with reranking."""
        found = await search(question.text, embedder, self.paragraphs.only(self.places), self.words)
        top = found.fused[:DEPTH]
        places = [self.places[one.chunk_id] for one in top]
        covered = coverages(question.text, [self.whole.texts[place] for place in places])
        cases = []
        for scores in ([], found.late):
            values = blend([one.fused for one in top], scores)
            order = best_first(values)[:SHOWN]
            signals = [Signals(float(values[at]), top[at].similarity, covered[at]) for at in order]
            cases.append(Case(signals, [places[at] in question.gold for at in order]))
        return cases


async def collect(
    embedder: LateOnnxEmbedder, whole: QuestionSet, paragraphs: Embedded, n: int
) -> tuple[list[list[Case]], list[list[Case]]]:
    """Cases to fit on and cases to measure on, each without and with reranking."""
    articles = sorted(set(whole.articles))
    random.Random(SEED).shuffle(articles)
    first = set(articles[: len(articles) // 2])
    collected = []
    for kept in (first, set(articles) - first):
        places = [place for place, article in enumerate(whole.articles) if article in kept]
        half = Half(
            whole, paragraphs, places, Words([whole.texts[at] for at in places], LANGUAGES[whole.name])
        )
        chance = random.Random(SEED)
        inside = [one for one in whole.questions if whole.articles[min(one.gold)] in kept]
        outside = [one for one in whole.questions if whole.articles[min(one.gold)] not in kept]
        asked = [*chance.sample(inside, min(n, len(inside))), *chance.sample(outside, min(n, len(outside)))]
        pairs = [await half.some(one, chance.choice(SIZES), chance).search(one, embedder) for one in asked]
        collected.append([list(cases) for cases in zip(*pairs, strict=True)])
    return collected[0], collected[1]


def fit(cases: Sequence[Case], features: Callable[[Signals], list[float]]) -> NDArray[np.float64]:
    """Logistic regression by Newton's method; the n-th passage of a search counts 1/n."""
    rows, answers, counts = [], [], []
    for case in cases:
        for place, (one, answer) in enumerate(zip(case.signals, case.answers, strict=True)):
            rows.append([1.0, one.value - case.signals[0].value, *features(one)])
            answers.append(float(answer))
            counts.append(1 / (place + 1))
    x, y, count = np.array(rows), np.array(answers), np.array(counts)
    weights = np.zeros(x.shape[1])
    for _ in range(80):
        p = 1 / (1 + np.exp(-x @ weights))
        curvature = x.T @ (x * (count * p * (1 - p))[:, None]) + 1e-2 * np.eye(len(weights))
        weights += np.linalg.solve(curvature, x.T @ (count * (y - p)) - 1e-2 * weights)
    return weights


def calibration_error(scores: NDArray, answers: NDArray) -> float:
    """Expected calibration error: how far scores and shares lie apart, in ten bins."""
    bins = np.minimum((scores * N_BINS).astype(int), N_BINS - 1)
    gaps = [abs(scores[bins == number].sum() - answers[bins == number].sum()) for number in range(N_BINS)]
    return float(sum(gaps) / len(scores))


def discrimination(scores: NDArray, answers: NDArray) -> float:
    """How often a passage that answers scores higher than one that does not (area under the curve)."""
    order = np.argsort(np.argsort(scores))
    n_yes = answers.sum()
    n_no = len(answers) - n_yes
    return float((order[answers].sum() - n_yes * (n_yes - 1) / 2) / (n_yes * n_no))


def report(cases: Sequence[Case], model: str) -> str:
    scored = [(calibrated(case.signals, embedding_model=model), case.answers) for case in cases]
    firsts, firsts_answer = (np.array([both[side][0] for both in scored]) for side in (0, 1))
    every, every_answers = (np.concatenate([both[side] for both in scored]) for side in (0, 1))
    bins = np.minimum((firsts * 5).astype(int), 4)
    shares = " ".join(
        f"{firsts_answer[bins == number].mean():.2f}({(bins == number).sum()})"
        for number in range(5)
        if (bins == number).any()
    )
    return (
        f"{calibration_error(firsts, firsts_answer):.3f} {calibration_error(every, every_answers):.3f} "
        f"{discrimination(firsts, firsts_answer):.3f}   {shares}"
    )


async def main() -> None:
    parser = arguments(__doc__, questions=400, per="of each kind, set and half")
    parser.add_argument("--fit", action="store_true", help="print new weights as well")
    options = parser.parse_args()
    print("calibration error of the first passage and of ten, discrimination, and how many of the first")
    print("passages with scores 0–.2, .2–.4, .4–.6, .6–.8, .8–1 answer (number of them)")
    learning: defaultdict[str, list[Case]] = defaultdict(list)
    for model, sets in (("local_e5", SETS), ("local_minilm", SETS[:2])):
        embedder = build(model, options.models)
        for name in sets:
            whole = QuestionSet.load(options.data, name)
            paragraphs = await embedded(embedder, whole, options.cache)
            fitted, measured = await collect(embedder, whole, paragraphs, options.questions)
            learning[model] += [case for cases in fitted for case in cases]
            for kind, cases in zip(("fused", "reranked"), measured, strict=True):
                for label, known in (("", model), (" words only", "")):
                    print(f"{model} {name} {kind}{label}: {report(cases, known)}", flush=True)
    if options.fit:
        print_weights(learning)


def on_scale(cases: Sequence[Case]) -> tuple[Scale, list[Case]]:
    """The scale of a model's best cosines, and the cases with cosines counted on it."""
    firsts = [max(one.similarity or 0.0 for one in case.signals) for case in cases]
    scale = Scale(float(np.mean(firsts)), float(np.std(firsts)))
    counted = []
    for case in cases:
        least = min(one.similarity for one in case.signals if one.similarity is not None)
        signals = [
            replace(one, similarity=((one.similarity or least) - scale.centre) / scale.spread)
            for one in case.signals
        ]
        counted.append(Case(signals, case.answers))
    return scale, counted


def print_weights(learning: dict[str, list[Case]]) -> None:
    """Each model's scale, and weights for all of them: bias, distance, then similarity and coverage."""
    pooled: list[Case] = []
    for model, cases in learning.items():
        scale, counted = on_scale([case for case in cases if case.signals[0].coverage is not None])
        print(f"{model}: {scale}")
        pooled += counted
    for label, features in (
        ("both", lambda one: [one.similarity, one.coverage]),
        ("meaning only", lambda one: [one.similarity]),
        ("words only", lambda one: [one.coverage]),
    ):
        print(f"  {label}: {np.round(fit(pooled, features), 2).tolist()}")


if __name__ == "__main__":
    asyncio.run(main())
