"""What the embedder adds to its model: tokenising, batching, codes of words, handing over between threads.

    python benchmarks/embedding_throughput.py

The same chunks are embedded by the product and, from tokens made beforehand and in the same batches, by the
bare ONNX session, in turns; the ratio is of processor time, which a busy machine does not blur.
"""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.installation import MODELS
from rag_app.rag.embedders import local_e5, local_minilm
from rag_app.rag.embedders._onnx import OnnxEmbedder, batches

N_CHUNKS = 64
ROUNDS = 5
WORDS = "the harbour holds seven boats and every berth costs ninety a week unless the crane is broken".split()


def chunks() -> list[str]:
    """Texts of 40 to 220 words."""
    chance = random.Random(7)
    return [" ".join(chance.choices(WORDS, k=chance.randint(40, 220))) for _ in range(N_CHUNKS)]


def bare(embedder: OnnxEmbedder, texts: list[str]) -> Callable[[], None]:
    """The model alone: everything around it is done beforehand."""
    encoder = embedder._encoder()
    tokens = embedder._tokens(texts, embedder._document_prefix)
    read = [[tokens[index].ids for index in batch] for batch in batches([len(one.ids) for one in tokens])]

    def run() -> None:
        for batch in read:
            encoder.encode(batch)

    return run


async def measure(embedder: OnnxEmbedder) -> tuple[float, float]:
    """Processor seconds of the product and of the model alone, medians."""
    texts = chunks()
    await embedder.embed_with_codes(texts)
    alone = bare(embedder, texts)
    product, model = [], []
    for _ in range(ROUNDS):
        started = time.process_time()
        await embedder.embed_with_codes(texts)
        product.append(time.process_time() - started)
        started = time.process_time()
        await asyncio.to_thread(alone)
        model.append(time.process_time() - started)
    return statistics.median(product), statistics.median(model)


async def main() -> None:
    """Measure both built-in models."""
    print("| model | with everything, ms a chunk | model alone, ms a chunk | throughput |\n|---|---|---|---|")
    for module in (local_e5, local_minilm):
        product, model = await measure(module.build(models_dir=MODELS, threads=2))
        share = np.divide(model, product)
        each = [1000 * spent / N_CHUNKS for spent in (product, model)]
        print(f"| {module.NAME} | {each[0]:.1f} | {each[1]:.1f} | {share:.0%} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
