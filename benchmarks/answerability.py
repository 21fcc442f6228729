"""How often the built-in answerer refuses: rightly, when the knowledge base lacks the answer, and wrongly.

Half of the articles of a question set become a knowledge base. Questions of those articles should be
answered, questions of the other half refused. Both are retrieved as the product does it: cosine and
BM25, each min-max normalised over its best 100, added in equal parts,
1 to 8 passages.

    python benchmarks/answerability.py                    the table for the weights in use
    python benchmarks/answerability.py --fit              new weights for rag_app/rag/llms/_judgement.py

The sets lie outside the repository (`--data`): SQuAD 2.0 dev, and XQuAD in English and German. Weights
are fitted on one part of the questions and the table is of the other part.
"""

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import bm25s
import numpy as np
import Stemmer  # ty: ignore[import-not-found] - compiled, without types
from numpy.typing import NDArray

from rag_app.domain.retrieval import Passage, PassageScores
from rag_app.rag.embedders import local_e5, local_minilm
from rag_app.rag.embedders.contract import Embedder
from rag_app.rag.llms._evidence import Weighed, weigh
from rag_app.rag.llms._judgement import features, is_answerable
from rag_app.rag.llms._quoting import quotations

SETS = {"squad2_dev": "english", "xquad_en": "english", "xquad_de": "german"}
XQUAD_PARAGRAPHS_PER_ARTICLE = 5  # the set has no titles, and keeps articles together
REPOSITORY = Path(__file__).resolve().parent.parent
SEED = 7
N_PASSAGES = (8, 8, 3, 1)  # drawn from: small knowledge bases have few
N_FUSED = 100
REFUSED = 0.04  # of the questions that can be answered: what the fit aims at
REFUSED_BY_WORDS = 0.08  # words alone must refuse more, or they would refuse too little of the rest


@dataclass(frozen=True)
class Question:
    """A question of a set; `answers` is empty when its article is not in the knowledge base."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A question with the evidence found for it."""

    question: Question
    weighed: Weighed


class RememberingEmbedder:
    """Embeds a text once: the same sentences turn up for many questions."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.name, self.dimensions = embedder.name, embedder.dimensions
        self.max_tokens = embedder.max_tokens
        self.known: dict[str, NDArray[np.float32]] = {}

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        self.known |= dict(zip(new, await self.embedder.embed_documents(new), strict=True))
        return np.stack([self.known[text] for text in texts])

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        return await self.embedder.embed_query(text)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return self.embedder.token_offsets(text)


class KnowledgeBase:
    """Paragraphs that can be searched as the product searches."""

    def __init__(self, texts: Sequence[str], vectors: NDArray[np.float32], language: str) -> None:
        self.texts, self.vectors = texts, vectors
        self.stemmer = Stemmer.Stemmer(language)
        self.stop_words = "en" if language == "english" else "de"
        self.index = bm25s.BM25()
        self.index.index(self._tokens(list(texts)), show_progress=False)

    def search(self, question: str, vector: NDArray[np.float32], limit: int) -> tuple[Passage, ...]:
        cosines = self.vectors @ vector
        words = self._word_scores(question)
        fused = (_min_max(cosines) + _min_max(words)) / 2
        best = np.argsort(-fused, kind="stable")[:limit]
        return tuple(self._passage(int(i), cosines[i], words[i], fused[i]) for i in best)

    def _passage(self, index: int, cosine: float, words: float, fused: float) -> Passage:
        scores = PassageScores(None, None, float(cosine), float(words), float(fused))
        text = self.texts[index]
        return Passage(index, index, "set", "file", None, None, "", text, float(fused), scores)

    def _word_scores(self, question: str) -> NDArray[np.float32]:
        (tokens,) = self._tokens([question])
        return self.index.get_scores(tokens) if tokens else np.zeros(len(self.texts), np.float32)

    def _tokens(self, texts: list[str]) -> list[list[str]]:
        tokens = bm25s.tokenize(
            texts, stopwords=self.stop_words, stemmer=self.stemmer, return_ids=False, show_progress=False
        )
        return cast(list[list[str]], tokens)


def _min_max(scores: NDArray) -> NDArray:
    """Scale the best 100 to [0, 1]; the rest is 0."""
    floor = np.sort(scores)[-min(N_FUSED, len(scores))]
    span = scores.max() - floor
    return np.clip((scores - floor) / span, 0, 1) if span > 0 else np.zeros_like(scores)


def load(path: Path) -> tuple[list[str], list[Question], list[Question]]:
    """Split a set by article: paragraphs of one half, its questions, and the questions of the other half."""
    data = json.loads(path.read_text())
    article = {
        document["id"]: document["title"] or number // XQUAD_PARAGRAPHS_PER_ARTICLE
        for number, document in enumerate(data["docs"])
    }
    titles = sorted(set(article.values()))
    random.Random(SEED).shuffle(titles)
    kept = set(titles[: len(titles) // 2])
    texts = [document["text"] for document in data["docs"] if article[document["id"]] in kept]
    inside, outside = [], []
    for query in data["queries"]:
        if query["answers"] and article[query["gold"][0]] in kept:
            inside.append(Question(query["q"], tuple(query["answers"])))
        elif query["answers"]:
            outside.append(Question(query["q"], ()))
    return texts, inside, outside


async def collect(path: Path, embedder: Embedder | None, search_with: Embedder, n: int) -> list[Case]:
    """Weigh the evidence for n questions of each kind."""
    texts, inside, outside = load(path)
    base = KnowledgeBase(texts, await search_with.embed_documents(texts), SETS[path.stem])
    chance = random.Random(SEED)
    cases = []
    for question in chance.sample(inside, min(n, len(inside))) + chance.sample(outside, min(n, len(outside))):
        vector = await search_with.embed_query(question.text)
        passages = base.search(question.text, vector, chance.choice(N_PASSAGES))
        weighed = await weigh(question.text, passages, embedder)
        if weighed is not None:
            cases.append(Case(question, weighed))
    return cases


def report(name: str, embedder: str | None, cases: Sequence[Case]) -> str:
    """One row of the table."""
    inside = [case for case in cases if case.question.answers]
    outside = [case for case in cases if not case.question.answers]
    refused = [
        share(not is_answerable(case.weighed, embedder) for case in group) for group in (inside, outside)
    ]
    first = share(contains(case, 1) for case in inside)
    shown = share(contains(case, None) for case in inside)
    n_shown = np.mean([len(quotations(case.weighed.evidence)) for case in inside])
    return (
        f"{name:12} {embedder or 'words only':13} {len(inside):5} {refused[0]:8.1%} {len(outside):5} "
        f"{refused[1]:8.1%} {first:8.1%} {shown:8.1%} {n_shown:6.2f}"
    )


HEADER = (
    f"{'set':12} {'embedder':13} {'in':>5} {'refused':>8} {'off':>5} {'refused':>8} "
    f"{'1st has':>8} {'answer':>8} {'quotes':>6}"
)


def contains(case: Case, limit: int | None) -> bool:
    """Whether the answer's words are in what would be quoted."""
    evidence = case.weighed.evidence[:limit] if limit else quotations(case.weighed.evidence)
    text = " ".join(one.sentence.text for one in evidence).casefold()
    return any(answer.casefold() in text for answer in case.question.answers)


def share(claims: Iterable[bool]) -> float:
    return float(np.mean(list(claims)))


def fit(cases: Sequence[Case], refused: float) -> tuple[NDArray[np.float64], float]:
    """Logistic regression by Newton's method, its bias moved to where enough answers remain."""
    x = np.array([[1.0, *features(case.weighed.signals)] for case in cases])
    y = np.array([bool(case.question.answers) for case in cases], float)
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ weights))
        curvature = x.T @ (x * (p * (1 - p))[:, None]) + 1e-2 * np.eye(len(weights))
        weights += np.linalg.solve(curvature, x.T @ (y - p) - 1e-2 * weights)
    threshold = float(np.quantile((x @ weights)[y == 1], refused))
    weights[0] -= threshold
    return weights, share((x @ weights)[y == 0] < 0)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "simple-rag-models")
    parser.add_argument("--questions", type=int, default=300, help="of each kind and set")
    parser.add_argument("--fit", action="store_true", help="print new weights as well")
    options = parser.parse_args()
    print(HEADER)
    searcher = RememberingEmbedder(local_e5.build(models_dir=options.models, threads=2))
    light = RememberingEmbedder(local_minilm.build(models_dir=options.models, threads=2))
    for embedder in (searcher, light, None):
        name = embedder.name if embedder else None
        learning: list[Case] = []
        for set_name in SETS:
            if embedder is light and set_name == "xquad_de":
                continue  # an English model
            path = options.data / f"{set_name}.json"
            cases = await collect(path, embedder, embedder or searcher, options.questions)
            learning += cases[0::2]
            print(report(set_name, name, cases[1::2]), flush=True)
        if options.fit:
            weights, rightly = fit(learning, REFUSED if embedder else REFUSED_BY_WORDS)
            print(f"  {name}: {np.round(weights, 2).tolist()}, refuses {rightly:.1%} of its off questions")


if __name__ == "__main__":
    asyncio.run(main())
