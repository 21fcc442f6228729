"""How good the search of the product is, against its own parts and a reference.

    python benchmarks/retrieval_quality.py --data FOLDER --sets xquad_en xquad_de squad2_dev

Every paragraph is uploaded as a file of its own and goes the way all files go; then each question is
searched for by words only, by meaning only, by both, and by both with reranking, as any owner could set it.
"reference BM25" is bm25s on the very words the database took from the same paragraphs. After the clean
questions come mistyped ones, and questions for identifiers that stand in one paragraph each.

FOLDER holds question sets as JSON: docs [{id, title, text}], queries [{q, gold: [id], answers}].
"""

import argparse
import asyncio
import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s  # ty: ignore[unresolved-import]
import numpy as np
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._searching import QuestionSet
from benchmarks.installation import Installation, installation
from benchmarks.reranking import measures, mistyped
from rag_app.db.queries import access
from rag_app.domain.word_index import POSTING
from rag_app.rag.words import text_for_words

METHODS: dict[str, dict[str, Any]] = {
    "words": {"meaning_weight": 0.0, "rerank": False, "spelling": False},
    "meaning": {"meaning_weight": 1.0, "rerank": False},
    "both": {"rerank": False},
    "both, rrf": {"rerank": False, "fusion": "rrf"},
    "both + rerank": {},
}
PARTS = ("clean", "mistyped", "identifiers")
LIMIT = 10
SEED = 7


@dataclass(frozen=True)
class Filled:
    """A knowledge base and which paragraph each of its documents is."""

    kb_id: int
    place_of: dict[int, int]


async def fill(place: Installation, texts: Sequence[str]) -> Filled:
    """Upload paragraphs as files and wait until they are read."""
    services = place.services
    kb = await services.knowledge_bases.create(owner_id=place.owner_id, name="Questions")
    place_of: dict[int, int] = {}
    for number, text in enumerate(texts):
        added = await services.documents.add(
            _bytes(text), file_name=f"{number}.txt", kb_id=kb.id, owner_id=place.owner_id
        )
        place_of.setdefault(added.document.id, number)
    async with services.jobs_queue.open_async():
        await services.jobs_queue.run_worker_async(
            wait=False, concurrency=2, listen_notify=False, install_signal_handlers=False
        )
    kb = await services.knowledge_bases.get(kb.id, owner_id=place.owner_id)
    print(f"{kb.n_ready:,} of {len(texts):,} paragraphs ready, {kb.n_chunks:,} chunks", file=sys.stderr)
    return Filled(kb.id, place_of)


async def _bytes(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


async def found(place: Installation, filled: Filled, question: str, overrides: dict[str, Any]) -> list[int]:
    """The paragraphs in the order the search has them, each once."""
    result = await place.services.retrieval.search(
        filled.kb_id, question, owner_id=place.owner_id, limit=LIMIT, overrides=overrides
    )
    return list(dict.fromkeys(filled.place_of[passage.document_id] for passage in result.passages))


class Reference:
    """BM25 of bm25s over the words that the database took from each document."""

    def __init__(self, tokens: list[list[str]], places: list[int], words_of: Callable[[str], Any]) -> None:
        self._index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
        self._index.index(tokens, show_progress=False)
        self._places, self._words_of = places, words_of

    @classmethod
    async def of(cls, place: Installation, filled: Filled) -> "Reference":
        """Read the postings back, so that both rank the same words."""
        session = place.services.retrieval.sessions()
        async with session:
            scope = await access.owned(session, kb_id=filled.kb_id, owner_id=place.owner_id)
            await access.enter(session, scope)
            kb = {"kb": filled.kb_id}
            chunks = await session.exec(
                sa.text("SELECT ordinal, document_id FROM chunks WHERE kb_id = :kb"), params=kb
            )
            place_of = {row.ordinal: filled.place_of[row.document_id] for row in chunks}
            rows = await session.exec(
                sa.text("SELECT lexeme, postings FROM chunk_postings WHERE kb_id = :kb"), params=kb
            )
            words: defaultdict[int, list[str]] = defaultdict(list)
            for row in rows:
                for posting in np.frombuffer(row.postings, POSTING):
                    words[place_of[int(posting["ordinal"])]] += [row.lexeme] * int(posting["frequency"])
            languages = await session.exec(
                sa.text(
                    "SELECT language FROM kb_word_stats WHERE kb_id = :kb ORDER BY n_chunks DESC LIMIT 1"
                ),
                params=kb,
            )
            language = languages.scalar_one()
        places = sorted(words)

        async def words_of(question: str) -> list[str]:
            async with place.services.retrieval.sessions() as session:
                rows = await session.exec(
                    sa.text("SELECT lexeme FROM unnest(to_tsvector(CAST(:language AS regconfig), :text))"),
                    params={"language": language, "text": text_for_words(question)},
                )
                return [row.lexeme for row in rows]

        return cls([words[at] for at in places], places, words_of)

    async def ranking(self, question: str) -> list[int]:
        tokens = await self._words_of(question)
        scores = self._index.get_scores(tokens) if tokens else np.zeros(len(self._places))
        order = np.argsort(-scores, kind="stable")[:LIMIT]
        return [self._places[at] for at in order if scores[at] > 0]


def with_identifiers(texts: list[str]) -> tuple[list[str], list[tuple[str, frozenset[int]]]]:
    """Paragraphs of which some name an error code, and questions for these codes in other spellings."""
    chance = random.Random(SEED)
    texts = list(texts)
    asked = []
    for number, place in enumerate(chance.sample(range(len(texts)), 40)):
        code = f"{chance.choice(('ERR', 'SKU', 'KB', 'X'))}-{4000 + 7 * number}"
        texts[place] += f" This is listed as {code}."
        spelling = chance.choice((code, code.lower(), code.replace("-", ""), code.replace("-", " ")))
        asked.append((f"What does {spelling} stand for?", frozenset({place})))
    return texts, asked


async def table(
    place: Installation,
    filled: Filled,
    questions: Sequence[tuple[str, frozenset[int]]],
    reference: Reference | None,
) -> dict[str, np.ndarray]:
    """R@1, R@5, R@10, MRR@10 and nDCG@10 of each method."""
    rows: defaultdict[str, list[tuple[float, ...]]] = defaultdict(list)
    for text, gold in questions:
        for method, overrides in METHODS.items():
            rows[method].append(measures(await found(place, filled, text, overrides), gold))
        if reference is not None:
            rows["reference BM25"].append(measures(await reference.ranking(text), gold))
    return {method: np.mean(values, axis=0) for method, values in rows.items()}


def show(title: str, results: dict[str, np.ndarray]) -> None:
    """Print a table."""
    print(f"\n{title}\n\n| | R@1 | R@5 | R@10 | MRR@10 | nDCG@10 |\n|---|---|---|---|---|---|")
    for method, values in results.items():
        print(f"| {method} | " + " | ".join(f"{value:.4f}" for value in values) + " |", flush=True)


async def run(place: Installation, folder: Path, name: str, n_questions: int, parts: Sequence[str]) -> None:
    """One set: clean, mistyped, identifiers."""
    whole = QuestionSet.load(folder, name)
    texts, codes = with_identifiers(whole.texts)
    filled = await fill(place, texts)
    clean = [(one.text, one.gold) for one in whole.sample(n_questions)]
    chance = random.Random(SEED)
    slips = [(mistyped(text, chance), gold) for text, gold in clean[: n_questions // 2]]
    for part, questions in (("clean", clean), ("mistyped", slips), ("identifiers", codes)):
        if part in parts:
            reference = await Reference.of(place, filled) if part == "clean" else None
            title = f"{name}, {len(questions)} questions, {part}"
            show(title, await table(place, filled, questions, reference))


async def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=re.split(r"\n", __doc__)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["xquad_en", "xquad_de", "squad2_dev"])
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    options = parser.parse_args()
    for name in options.sets:
        if not json.loads((options.data / f"{name}.json").read_text())["queries"]:
            continue
        async with installation() as place:
            await run(place, options.data, name, options.questions, options.parts)


if __name__ == "__main__":
    asyncio.run(main())
