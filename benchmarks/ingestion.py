"""How fast files are read, and where the time goes.

    python benchmarks/ingestion.py            60 files of six kinds, about half a minute
    python benchmarks/ingestion.py --full     300 files

Read one after the other with the built-in model, so that the stages' times add up. Times depend on the
machine; the shares and the processor time of a chunk are what to compare.
"""

import argparse
import asyncio
import random
import resource
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.installation import Installation, installation
from rag_app.db.queries import documents
from rag_app.rag.embedders._onnx import OnnxEmbedder
from rag_app.services import ingestion
from tests import sample_files

WORDS = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text().split()
SEED = 7


def text(dice: random.Random, n_words: int) -> str:
    """Something to read, in sentences."""
    words = [dice.choice(WORDS) for _ in range(n_words)]
    return ". ".join(" ".join(words[at : at + 12]) for at in range(0, n_words, 12)) + "."


def files(n: int) -> list[tuple[str, bytes]]:
    """Files as an office has them: a page to ten."""
    dice = random.Random(SEED)
    make: list[Callable[[str], tuple[str, bytes]]] = [
        lambda t: ("a.pdf", sample_files.pdf_bytes([t[at : at + 2500] for at in range(0, len(t), 2500)])),
        lambda t: ("a.docx", sample_files.docx_bytes(t.split(". "))),
        lambda t: ("a.html", sample_files.html_bytes(f"<p>{t}</p>")),
        lambda t: ("a.md", f"# A title\n\n{t}".encode()),
        lambda t: ("a.txt", t.encode()),
        lambda t: ("a.xlsx", sample_files.xlsx_bytes({"A": [[line] for line in t.split(". ")]})),
    ]
    return [make[number % len(make)](text(dice, dice.randint(300, 3000))) for number in range(n)]


class Stopwatch:
    """Adds up how long the stages take, by being put around them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def around(self, owner: Any, name: str, stage: str) -> None:
        function = getattr(owner, name)

        async def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return await function(*arguments, **options)
            finally:
                self.seconds[stage] += time.perf_counter() - started

        setattr(owner, name, timed)


async def one_block(content: bytes) -> AsyncIterator[bytes]:
    """A file as an upload brings it."""
    yield content


async def measured(work: Awaitable[None]) -> tuple[float, float, float]:
    """Seconds on the clock, and of processors: ours, and of the parsers we started."""
    ours, theirs = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    started, before = time.perf_counter(), (_cpu(ours), _cpu(theirs))
    await work
    return time.perf_counter() - started, _cpu(ours) - before[0], _cpu(theirs) - before[1]


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


async def run(place: Installation, n_files: int) -> None:
    """Upload, ingest, and print what it took."""
    services, owner_id = place.services, place.owner_id
    kb = await services.knowledge_bases.create(owner_id=owner_id, name="Benchmark", llm_provider="local")
    embedder = services.retrieval.embedders.get(kb.embedding_model)
    await embedder.embed_documents(["Load the model before the clock runs."])
    watch = Stopwatch()
    watch.around(ingestion, "parse_file", "parse")
    watch.around(OnnxEmbedder, "embed_documents", "embed")
    watch.around(documents, "swap_contents", "store")
    for name, content in files(n_files):
        await services.documents.add(one_block(content), file_name=name, kb_id=kb.id, owner_id=owner_id)
    database_before = place.database_cpu_s()

    async def work() -> None:
        async with services.jobs_queue.open_async():
            await services.jobs_queue.run_worker_async(wait=False, concurrency=1, delete_jobs="successful")

    seconds, ours, parsers = await measured(work())
    database = place.database_cpu_s() - database_before
    after = await services.knowledge_bases.get(kb.id, owner_id=owner_id)
    assert after.n_ready == n_files, f"{after.n_failed} files failed"
    _print(n_files, after.n_chunks, seconds, watch.seconds, (ours, parsers, database))


def _print(
    n_files: int, n_chunks: int, seconds: float, stages: dict[str, float], cpu: tuple[float, float, float]
) -> None:
    print(f"{n_files} files, {n_chunks} chunks")
    print(f"{n_files / seconds:.2f} files/s, {n_chunks / seconds:.1f} chunks/s\n")
    print("| stage | share of the time |\n|---|---|")
    for stage in ("parse", "embed", "store"):
        print(f"| {stage} | {stages[stage] / seconds:.0%} |")
    print(f"| cut, queue, progress | {1 - sum(stages.values()) / seconds:.0%} |")
    print("\n| processor time of a chunk | ms |\n|---|---|")
    for name, used in zip(("worker, mostly the model", "parsers", "database"), cpu, strict=True):
        print(f"| {name} | {used / n_chunks * 1000:.1f} |")
    print(f"| **all** | {sum(cpu) / n_chunks * 1000:.1f} |")


async def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true")
    n_files = 300 if parser.parse_args().full else 60
    async with installation() as place:
        await run(place, n_files)


if __name__ == "__main__":
    asyncio.run(main())
