"""How fast files are read, what they cost, and whether that stays so as a knowledge base grows.

    python benchmarks/ingestion.py                  all four parts: 60 files of six kinds with local and with
                                                    remote embeddings, a PDF of 600 pages, and knowledge bases
                                                    of up to 5,000 chunks; a few minutes
    python benchmarks/ingestion.py --full           300 files, and up to 100,000 chunks
    python benchmarks/ingestion.py --only growth    one part: local, remote, memory or growth

Files are read one after the other, so that the stages' times add up. Times depend on the machine and on who
else uses it: compare the shares, the ratios within one run, and the processor time of a chunk. Remote
embeddings come from a server of our own in another process, which answers at once: what is left is ours.
"""

import argparse
import asyncio
import contextlib
import os
import random
import resource
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import sqlalchemy as sa
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.installation import Installation, installation
from benchmarks.retrieval_speed import INDEX, World, fill
from rag_app.db import embedded
from rag_app.db.queries import documents, vector_index
from rag_app.services import ingestion
from tests import sample_files
from tests.fake_llms import FakeLLMServer
from tests.fakes import WordEmbedder

WORDS = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text().split()
SEED = 7
REMOTE = "openai:text-embedding-3-small"


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


@dataclass(frozen=True)
class Cost:
    """What reading some files took; processor seconds of the worker, its parsers and the database."""

    n_files: int
    n_chunks: int
    seconds: float
    worker_s: float
    parsers_s: float
    database_s: float

    @property
    def cpu_s(self) -> float:
        """Processor time of everybody."""
        return self.worker_s + self.parsers_s + self.database_s


async def ingest(place: Installation, kb_id: int, contents: Sequence[tuple[str, bytes]]) -> Cost:
    """Upload files and read them."""
    services, owner_id = place.services, place.owner_id
    before = await services.knowledge_bases.get(kb_id, owner_id=owner_id)
    for name, content in contents:
        await services.documents.add(one_block(content), file_name=name, kb_id=kb_id, owner_id=owner_id)
    database_before = place.database_cpu_s()
    seconds, ours, parsers = await measured(do_jobs(place))
    database = place.database_cpu_s() - database_before
    after = await services.knowledge_bases.get(kb_id, owner_id=owner_id)
    assert after.n_ready - before.n_ready == len(contents), f"{after.n_failed} files failed"
    return Cost(len(contents), after.n_chunks - before.n_chunks, seconds, ours, parsers, database)


async def do_jobs(place: Installation) -> None:
    """Do what is queued, one job after the other."""
    async with place.services.jobs_queue.open_async():
        await place.services.jobs_queue.run_worker_async(wait=False, concurrency=1, delete_jobs="successful")


async def new_kb(place: Installation, model: str = "") -> int:
    """A knowledge base, embedded by another model if one is named."""
    services, owner_id = place.services, place.owner_id
    kb = await services.knowledge_bases.create(owner_id=owner_id, name="Benchmark", llm_provider="local")
    if model:
        await services.embedding_switches.begin(kb.id, owner_id=owner_id, model=model)
        await do_jobs(place)
    return kb.id


async def stages(place: Installation, n_files: int, *, model: str = "") -> Cost:
    """Read files of six kinds, and print where the time goes."""
    kb_id = await new_kb(place, model)
    watch = Stopwatch()
    if not model:
        embedder = place.services.retrieval.embedders.get("local_e5")
        await embedder.embed_documents(["Load the model before the clock runs."])
    with contextlib.ExitStack() as undo:
        for owner, name, stage in (
            (ingestion, "parse_file", "parse"),
            (ingestion, "embed", "embed"),
            (documents, "swap_contents", "store"),
        ):
            undo.callback(setattr, owner, name, getattr(owner, name))
            watch.around(owner, name, stage)
        cost = await ingest(place, kb_id, files(n_files))
    _print_stages(cost, watch.seconds)
    return cost


def _print_stages(cost: Cost, spent: dict[str, float]) -> None:
    print(f"{cost.n_files} files, {cost.n_chunks} chunks")
    print(f"{cost.n_files / cost.seconds:.2f} files/s, {cost.n_chunks / cost.seconds:.1f} chunks/s")
    print(f"{cost.cpu_s / cost.n_files * 1000:.0f} ms of processors for a file\n")
    print("| stage | share of the time |\n|---|---|")
    for stage in ("parse", "embed", "store"):
        print(f"| {stage} | {spent[stage] / cost.seconds:.0%} |")
    print(f"| cut, queue, progress | {1 - sum(spent.values()) / cost.seconds:.0%} |")
    print("\n| processor time | ms for a file | ms for a chunk |\n|---|---|---|")
    parts = {
        "worker": cost.worker_s,
        "parsers": cost.parsers_s,
        "database": cost.database_s,
        "**all**": cost.cpu_s,
    }
    for name, used in parts.items():
        print(f"| {name} | {used / cost.n_files * 1000:.0f} | {used / cost.n_chunks * 1000:.1f} |")


async def memory(place: Installation, n_pages: int) -> None:
    """Read one PDF of many pages, and print the most memory the worker and its parser had."""
    dice = random.Random(SEED)
    content = sample_files.pdf_bytes([text(dice, 350) for _ in range(n_pages)])
    kb_id = await new_kb(place)
    place.services.retrieval.embedders._made["local_e5"] = WordEmbedder()  # the model's memory is known
    before = psutil.Process().memory_info().rss
    peak, parser_peak, ended = 0, 0, asyncio.Event()

    async def watch() -> None:
        nonlocal peak, parser_peak
        while not ended.is_set():
            peak = max(peak, psutil.Process().memory_info().rss)
            parser_peak = max(parser_peak, parsers_rss())
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    cost = await ingest(place, kb_id, [("book.pdf", content)])
    ended.set()
    await watching
    print(f"{n_pages} pages, {len(content) / 2**20:.1f} MB, {cost.n_chunks} chunks in {cost.seconds:.1f} s")
    print(f"worker: {before / 2**20:.0f} MB before, {(peak - before) / 2**20:+.0f} MB at most")
    print(f"parser: {parser_peak / 2**20:.0f} MB at most")


def parsers_rss() -> int:
    """Memory of the parsing children now. What the system says of ended ones counts us, who began them."""
    found = 0
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any("_child" in part for part in child.cmdline()):
                found += child.memory_info().rss
    return found


async def growth(place: Installation, sizes: Sequence[int], n_files: int) -> None:
    """Read the same files into knowledge bases of different sizes; embedding is left out, it cannot grow."""
    place.services.retrieval.embedders._made["local_e5"] = WordEmbedder()
    await ingest(place, await new_kb(place), files(6))  # the first files of all find nothing warm
    rows: list[tuple[int, Cost]] = []
    for size in sizes:
        kb_id = await new_kb(place)
        await _fill(place, kb_id, size)
        await ingest(place, kb_id, files(6))
        rows.append((size, await ingest(place, kb_id, others(n_files))))
    print("| chunks before | ms for a file | ms of the database's processors | to the first |")
    print("|---|---|---|---|")
    for size, cost in rows:
        ratio = cost.database_s / rows[0][1].database_s
        each = 1000 / cost.n_files
        print(f"| {size:,} | {cost.seconds * each:.0f} | {cost.database_s * each:.1f} | {ratio:.2f} |")


def others(n: int) -> list[tuple[str, bytes]]:
    """Files with other texts than the first ones have."""
    return files(n + 6)[6:]


async def _fill(place: Installation, kb_id: int, n_chunks: int) -> None:
    if n_chunks == 0:
        return
    async with place.services.documents.sessions() as session:
        await session.exec(sa.text("SET statement_timeout = 0"))
        await session.exec(sa.text("SET idle_in_transaction_session_timeout = 0"))
        if n_chunks >= vector_index.INDEX_FROM:  # quicker to make at once
            await session.exec(sa.text("DROP INDEX IF EXISTS idx_chunk_embeddings_m1"))
            await session.commit()
        await fill(place, session, World(), kb_id, n_chunks)
        if n_chunks >= vector_index.INDEX_FROM:
            await session.exec(sa.text(INDEX))
            await session.commit()
    # What the database would tidy up by itself meanwhile is no cost of the files that are measured.
    with psycopg.connect(place.server.dsn(embedded.SUPERUSER), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[str]:
    """The address of a server that embeds as OpenAI does, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin and process.stdout
    yield (await process.stdout.readline()).decode().strip()
    process.stdin.close()
    await process.wait()


async def serve() -> None:
    """Be that server until nobody listens."""
    async with FakeLLMServer() as server:
        print(server.base_url("openai"), flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", choices=("local", "remote", "memory", "growth"))
    parser.add_argument("--sizes", type=int, nargs="+", help="chunks there are before files are added")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        await serve()
        return
    n_files = 300 if wanted.full else 60
    sizes = wanted.sizes or ([0, 10_000, 100_000] if wanted.full else [0, 1_000, 5_000])
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    async with (
        provider() as url,
        installation(openai_base_url=url, openai_api_key=SecretStr("sk-benchmark")) as place,
    ):
        parts: dict[str, Callable[[], Awaitable[Any]]] = {
            "local": lambda: stages(place, n_files),
            "remote": lambda: stages(place, n_files, model=REMOTE),
            "memory": lambda: memory(place, 600),
            "growth": lambda: growth(place, sizes, 24),
        }
        for name, part in parts.items():
            if wanted.only in {None, name}:
                print(f"\n## {name}\n")
                await part()
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    asyncio.run(main())
