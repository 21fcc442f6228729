"""How often the whole product answers without a key, and how a least score changes that.

    python benchmarks/refusals.py --data FOLDER --sets squad2_dev xquad_en xquad_de

Half of the articles of a set are uploaded; asked are questions of these articles, questions of the other
half, which should be refused, and SQuAD's adversarial ones: written about a paragraph that is there, to look
as if it answered them. Passages come from the product's own search with its defaults; a question is refused
when no passage reaches the least score, or when the built-in answerer finds no answer in what is left.

The second table is for the answerer's own limit, `LEAST_LIKELY`: the share refused where the best passage
scores less, for each half of the questions, so that it can be chosen on one half and judged by the other.
"""

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.answerability import SEED, load
from benchmarks.installation import Installation, installation
from benchmarks.retrieval_quality import Filled, fill
from rag_app.domain.retrieval import Passage
from rag_app.rag.llms._evidence import weigh
from rag_app.rag.llms._judgement import is_answerable
from rag_app.rag.llms.local import LEAST_LIKELY

LEAST_SCORES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
LIMITS = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)


def adversarial(path: Path, titles: set[str]) -> list[str]:
    """Questions without an answer about articles that are there."""
    queries = json.loads(path.read_text())["queries"]
    return [query["q"] for query in queries if not query["answers"] and query.get("title") in titles]


@dataclass(frozen=True)
class Asked:
    """What came of a question: the best score, and whether the answerer refuses what reaches a score."""

    best: float
    refused: dict[float, bool]  # by least score

    def is_refused(self, least: float, limit: float = LEAST_LIKELY) -> bool:
        """Whether the product refuses."""
        return self.best < max(least, limit) or self.refused[least]


async def asked(place: Installation, filled: Filled, question: str) -> Asked:
    """Ask the product."""
    found = await place.services.retrieval.search(filled.kb_id, question, owner_id=place.owner_id)
    best = max((passage.score for passage in found.passages), default=0.0)
    kept = {least: [one for one in found.passages if one.score >= least] for least in LEAST_SCORES}
    return Asked(best, {least: await _refuses(place, question, those) for least, those in kept.items()})


async def _refuses(place: Installation, question: str, passages: list[Passage]) -> bool:
    if not passages:
        return True
    embedder = place.services.retrieval.embedders.get(place.services.settings.rag_local_embedder)
    weighed = await weigh(question, tuple(passages), embedder)
    return weighed is None or not is_answerable(weighed, embedder.name)


def row(
    name: str, answers: list[Asked], is_refused: Callable[[Asked, float], bool], by: Sequence[float]
) -> str:
    """A line of a table."""
    shares = (sum(is_refused(one, value) for one in answers) / len(answers) for value in by)
    return f"| {name} | {len(answers)} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"


async def run(place: Installation, path: Path, n: int) -> None:
    """One set."""
    texts, inside, outside = load(path)
    documents = json.loads(path.read_text())["docs"]
    titles = {document["title"] for document in documents if document["text"] in set(texts)}
    filled = await fill(place, texts)
    chance = random.Random(SEED + 1)
    groups = {
        "answerable": [one.text for one in inside],
        "of other articles": [one.text for one in outside],
        "adversarial": adversarial(path, titles),
    }
    print(f"\n{path.stem}, share refused by least score\n")
    print("| questions | n | " + " | ".join(f"{least:g}" for least in LEAST_SCORES) + " |")
    print("|---|---|" + "---|" * len(LEAST_SCORES))
    halves = []
    for name, questions in groups.items():
        chosen = chance.sample(questions, min(n, len(questions)))
        if not chosen:
            continue
        answers = [await asked(place, filled, question) for question in chosen]
        print(row(name, answers, Asked.is_refused, LEAST_SCORES), flush=True)
        halves += [(f"{name}, half {number + 1}", answers[number::2]) for number in (0, 1)]
    print(f"\n{path.stem}, share refused where the best passage scores less than\n")
    print("| questions | n | " + " | ".join(f"{limit:g}" for limit in LIMITS) + " |")
    print("|---|---|" + "---|" * len(LIMITS))
    for name, answers in halves:
        print(row(name, answers, lambda one, limit: one.is_refused(0.0, limit), LIMITS), flush=True)


async def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["squad2_dev", "xquad_en", "xquad_de"])
    parser.add_argument("--questions", type=int, default=200, help="of each kind")
    options = parser.parse_args()
    for name in options.sets:
        async with installation() as place:
            await run(place, options.data / f"{name}.json", options.questions)


if __name__ == "__main__":
    asyncio.run(main())
