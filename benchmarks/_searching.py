"""Question sets, searched as the product searches: cosine and BM25, their best 100 each, fused."""

import argparse
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import bm25s  # ty: ignore[unresolved-import]
import numpy as np
import Stemmer  # ty: ignore[import-not-found] - compiled, without types
from numpy.typing import NDArray

from rag_app.rag.embedders import local_e5, local_minilm
from rag_app.rag.embedders._onnx import LateOnnxEmbedder
from rag_app.rag.fusion import STANDARDISED_OVER, Fused, fuse

LANGUAGES = {"squad2_dev": "english", "xquad_en": "english", "xquad_de": "german", "twowiki_101": "english"}
MODULES = {"local_e5": local_e5, "local_minilm": local_minilm}
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
MODELS = Path(tempfile.gettempdir()) / "simple-rag-models"
N_CANDIDATES = 100
DEPTH = STANDARDISED_OVER  # passages that are reranked
SEED = 7
PARAGRAPHS_PER_ARTICLE = 5  # of XQuAD, which has no titles but keeps articles together


@dataclass(frozen=True)
class Question:
    """A question and the places of the paragraphs that answer it."""

    text: str
    gold: frozenset[int]


@dataclass(frozen=True)
class QuestionSet:
    """Paragraphs, the article of each, and the questions that have an answer."""

    name: str
    texts: list[str]
    articles: list[str]
    questions: list[Question]

    @classmethod
    def load(cls, folder: Path, name: str) -> "QuestionSet":
        data = json.loads((folder / f"{name}.json").read_text())
        titled = name == "twowiki_101"
        texts = [f"{doc['title']}\n{doc['text']}" if titled else doc["text"] for doc in data["docs"]]
        articles = [
            doc["title"] or str(number // PARAGRAPHS_PER_ARTICLE) for number, doc in enumerate(data["docs"])
        ]
        places = {doc["id"]: number for number, doc in enumerate(data["docs"])}
        questions = [
            Question(query["q"], frozenset(places[gold] for gold in query["gold"]))
            for query in data["queries"]
            if query.get("answers", True)
        ]
        return cls(name, texts, articles, questions)

    def sample(self, n: int) -> list[Question]:
        chosen = random.Random(SEED).sample(range(len(self.questions)), min(n, len(self.questions)))
        return [self.questions[number] for number in sorted(chosen)]


@dataclass(frozen=True)
class Embedded:
    """The vectors and codes of paragraphs."""

    vectors: NDArray[np.float32]
    codes: list[bytes]

    def only(self, places: Sequence[int]) -> "Embedded":
        return Embedded(self.vectors[places], [self.codes[place] for place in places])


class Words:
    """BM25 with the stems and stop words of one language; k1 1.2 and b 0.75, as Lucene."""

    def __init__(self, texts: Sequence[str], language: str) -> None:
        self.stemmer = Stemmer.Stemmer(language)
        self.stop_words = "en" if language == "english" else "de"
        self.index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
        self.index.index(self._tokens(list(texts)), show_progress=False)
        self.n_texts = len(texts)

    def ranking(self, question: str) -> list[tuple[int, float]]:
        (tokens,) = self._tokens([question])
        scores = self.index.get_scores(tokens) if tokens else np.zeros(self.n_texts)
        return [(place, score) for place, score in best(scores) if score > 0]

    def _tokens(self, texts: list[str]) -> list[list[str]]:
        tokens = bm25s.tokenize(
            texts, stopwords=self.stop_words, stemmer=self.stemmer, return_ids=False, show_progress=False
        )
        return cast(list[list[str]], tokens)


def best(scores: NDArray) -> list[tuple[int, float]]:
    """The best candidates by score, best first."""
    order = np.argsort(-scores, kind="stable")[:N_CANDIDATES]
    return [(int(place), float(scores[place])) for place in order]


@dataclass(frozen=True)
class Searched:
    """Both rankings of one question, the fused one, and the reranker's scores of its first."""

    by_meaning: list[tuple[int, float]]
    by_words: list[tuple[int, float]]
    fused: list[Fused]
    late: Sequence[float | None]


async def search(question: str, embedder: LateOnnxEmbedder, paragraphs: Embedded, words: Words) -> Searched:
    """Search as the product does: fuse both rankings, and compare the best more closely."""
    by_meaning = best(paragraphs.vectors @ await embedder.embed_query(question))
    by_words = words.ranking(question)
    fused = fuse(by_meaning, by_words)
    codes = [paragraphs.codes[one.chunk_id] for one in fused[:DEPTH]]
    return Searched(by_meaning, by_words, fused, await embedder.late_similarities(question, codes))


def arguments(description: str, *, questions: int, per: str) -> argparse.ArgumentParser:
    """What every benchmark on question sets is told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--cache", type=Path, default=MODELS / "benchmarks")
    parser.add_argument("--questions", type=int, default=questions, help=per)
    return parser


def build(name: str, models: Path) -> LateOnnxEmbedder:
    return MODULES[name].build(models_dir=models, threads=2)


async def embedded(embedder: LateOnnxEmbedder, questions: QuestionSet, cache: Path) -> Embedded:
    """Vectors and codes of a set's paragraphs, made once and kept in `cache`."""
    path = cache / f"{questions.name}-{embedder.name}-{embedder.codes_version}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        vectors, codes = await embedder.embed_with_codes(questions.texts)
        lengths = [len(one) for one in codes]
        np.savez(path, vectors=vectors, codes=np.frombuffer(b"".join(codes), np.uint8), lengths=lengths)
    with np.load(path) as file:
        ends = np.cumsum(file["lengths"])
        codes = file["codes"].tobytes()
        starts = [0, *ends[:-1]]
        return Embedded(file["vectors"], [codes[a:b] for a, b in zip(starts, ends, strict=True)])
