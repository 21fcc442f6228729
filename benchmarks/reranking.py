"""How much the built-in reranker improves the order, on clean and on mistyped questions.

    python -m benchmarks.reranking --data FOLDER --cache FOLDER

For each set and model: words alone, meaning alone, fused, and the best 20 of fused reranked. The last lines
say what it takes: bytes a chunk and milliseconds a question.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

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
from rag_app.rag.embedders._onnx import LateOnnxEmbedder
from rag_app.rag.fusion import best_first, blend, fuse

K = 10


def mistyped(text: str, chance: random.Random) -> str:
    """The text with a slip in one or two of its longer words."""
    words = text.split()
    long = [place for place, word in enumerate(words) if len(word) >= 5]
    for place in chance.sample(long, min(len(long), chance.choice((1, 2)))):
        word = words[place]
        at = chance.randrange(1, len(word) - 2)
        slips = (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        )
        words[place] = chance.choice(slips)
    return " ".join(words)


def measures(ranking: Sequence[int], gold: frozenset[int]) -> tuple[float, ...]:
    """R@1, R@5, R@10 (any gold paragraph), MRR@10 and nDCG@10."""
    ranks = [rank for rank, place in enumerate(ranking[:K], start=1) if place in gold]
    first = ranks[0] if ranks else 0
    ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(K, len(gold)) + 1))
    gain = sum(1 / np.log2(rank + 1) for rank in ranks) / ideal
    return first == 1, 1 <= first <= 5, first >= 1, 1 / first if first else 0, gain


async def orders(
    question: str, embedder: LateOnnxEmbedder, paragraphs: Embedded, words: Words
) -> dict[str, list[int]]:
    """The order by each method."""
    found = await search(question, embedder, paragraphs, words)
    fused = [one.chunk_id for one in found.fused]
    order = best_first(blend([one.fused for one in found.fused[:DEPTH]], found.late))
    return {
        "words": [place for place, _ in found.by_words],
        "meaning": [place for place, _ in found.by_meaning],
        "rrf": [one.chunk_id for one in fuse(found.by_meaning, found.by_words, method="rrf")],
        "fused": fused,
        "reranked": [fused[place] for place in order] + fused[DEPTH:],
    }


async def table(
    questions: Sequence[Question], embedder: LateOnnxEmbedder, paragraphs: Embedded, words: Words
) -> dict[str, np.ndarray]:
    rows = defaultdict(list)
    for question in questions:
        for method, order in (await orders(question.text, embedder, paragraphs, words)).items():
            rows[method].append(measures(order, question.gold))
    return {method: np.mean(values, axis=0) for method, values in rows.items()}


async def cost(questions: Sequence[Question], embedder: LateOnnxEmbedder, paragraphs: Embedded) -> str:
    codes = paragraphs.codes[:DEPTH]
    spent = 0.0
    for question in questions[:50]:
        await embedder.embed_query(question.text)
        started = time.process_time()
        await embedder.late_similarities(question.text, codes)
        spent += time.process_time() - started
    sizes = [len(one) for one in paragraphs.codes]
    return (
        f"bytes a chunk: mean {np.mean(sizes):.0f}, most {max(sizes)}; "
        f"{spent / min(50, len(questions)) * 1000:.1f} ms of processor time a question at depth {DEPTH}"
    )


async def main() -> None:
    parser = arguments(__doc__, questions=600, per="of each set")
    options = parser.parse_args()
    for model in ("local_e5", "local_minilm"):
        embedder = build(model, options.models)
        for name, language in LANGUAGES.items():
            if model == "local_minilm" and name in {"xquad_de", "twowiki_101"}:
                continue  # an English model; the large set would take it minutes
            whole = QuestionSet.load(options.data, name)
            paragraphs = await embedded(embedder, whole, options.cache)
            words, chosen = Words(whole.texts, language), whole.sample(options.questions)
            chance = random.Random(SEED)
            slips = [Question(mistyped(one.text, chance), one.gold) for one in chosen]
            for kind, asked in (("", chosen), (" mistyped", slips)):
                print(f"{model} {name}{kind}, {len(asked)} questions: R@1 R@5 R@10 MRR@10 nDCG@10")
                for method, values in (await table(asked, embedder, paragraphs, words)).items():
                    print(f"  {method:10}" + " ".join(f"{value:.4f}" for value in values), flush=True)
            print("  " + await cost(chosen, embedder, paragraphs), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
