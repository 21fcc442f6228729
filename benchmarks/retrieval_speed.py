"""What one search costs the database, by the size of the knowledge base and of its neighbours.

    python benchmarks/retrieval_speed.py            up to 10,000 chunks, about a minute
    python benchmarks/retrieval_speed.py --full     up to 100,000 chunks, and 1,000 knowledge bases

Processor time of the database's own process for one query (from /proc/<pid>/schedstat), so that a busy
machine does not blur it; "vector only" is the nearest-neighbour part of the same statement, run in turn
with it. Vectors are random around 400 centres and texts follow Zipf's law: speed is measured, not quality.
"""

import argparse
import asyncio
import random
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.installation import Installation, installation
from rag_app.db.engine import driver_connection
from rag_app.db.queries import search
from rag_app.db.queries.search import CANDIDATES, vector_literal
from rag_app.domain.knowledge_bases import KbScope

DIMENSIONS = 384
N_CENTRES = 400
CHUNKS_PER_DOCUMENT = 50
WORDS_PER_CHUNK = 120
N_WORDS = 20_000  # of the invented language
N_STOP_WORDS = 100  # its most frequent ones, which no index keeps
QUESTION_WORDS = 8
N_QUERIES = 60
INDEX = """
CREATE INDEX idx_chunks_embedding_m1 ON chunks USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops)
WITH (m = 16, ef_construction = 64) WHERE model_id = 1
"""


class World:
    """Invents chunks and questions; the same ones every time."""

    def __init__(self, seed: int = 7) -> None:
        self.numbers = np.random.default_rng(seed)
        self.centres = self.numbers.standard_normal((N_CENTRES, DIMENSIONS)).astype(np.float32)
        frequencies = 1 / np.arange(N_STOP_WORDS + 1, N_STOP_WORDS + N_WORDS + 1)
        self.frequencies = frequencies / frequencies.sum()

    def vectors(self, n: int) -> NDArray[np.float32]:
        noise = self.numbers.standard_normal((n, DIMENSIONS)).astype(np.float32)
        found = self.centres[self.numbers.integers(N_CENTRES, size=n)] + 0.7 * noise
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def text(self, n_words: int) -> str:
        return " ".join(f"word{i}" for i in self.numbers.choice(N_WORDS, size=n_words, p=self.frequencies))


async def fill(session: Any, world: World, kb_id: int, n_chunks: int) -> None:
    """Give a knowledge base chunks, as ingestion would store them."""
    for start in range(0, n_chunks, CHUNKS_PER_DOCUMENT):
        n = min(CHUNKS_PER_DOCUMENT, n_chunks - start)
        made = await session.exec(
            sa.text("""
                INSERT INTO documents (kb_id, name, sha256, status, ready_at, n_chunks)
                VALUES (:kb_id, 'd', lpad(CAST(:start AS text), 64, '0'), 'ready', now(), :n) RETURNING id
            """),
            params={"kb_id": kb_id, "start": start, "n": n},
        )
        document_id = made.scalar_one()
        taken = await session.exec(
            sa.text("SELECT nextval('chunks_id_seq') AS id FROM generate_series(1, :n)"), params={"n": n}
        )
        rows = [(row.id, world.text(WORDS_PER_CHUNK)) for row in taken]
        connection = await driver_connection(session)
        columns = "kb_id, id, document_id, position, model_id, content, content_hash, embedding"
        statement = f"COPY chunks ({columns}) FROM STDIN"
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for at, ((chunk_id, text), vector) in enumerate(zip(rows, world.vectors(n), strict=True)):
                values = (kb_id, chunk_id, document_id, at, 1, text, b"", vector_literal(vector))
                await copy.write_row(values)
        scope = KbScope(kb_id, 0)
        await search.index_words(session, scope, document_id=document_id, language="english", texts=rows)


async def cpu_ms(session: Any, work: Callable[[], Awaitable[Any]]) -> float:
    """Processor time of the database's process for some work."""
    pid = (await driver_connection(session)).info.backend_pid
    spent = Path(f"/proc/{pid}/schedstat")
    before = int(spent.read_text().split()[0])
    await work()
    return (int(spent.read_text().split()[0]) - before) / 1e6


async def measure(session: Any, world: World, kb_ids: Sequence[int]) -> tuple[list[float], list[float], int]:
    """Milliseconds of whole searches and of their vector parts; and the fewest passages any found."""
    whole: list[float] = []
    vector_only: list[float] = []
    fewest = 50
    dice = random.Random(7)
    for _ in range(N_QUERIES + 5):  # the first few warm up
        kb_id, vector = dice.choice(kb_ids), world.vectors(1)[0]
        words = world.text(QUESTION_WORDS)

        async def hybrid(kb_id=kb_id, vector=vector, words=words) -> None:
            nonlocal fewest
            found = await search.hybrid(
                session, KbScope(kb_id, 0), vector=vector, words=words, model_id=1, limit=50
            )
            fewest = min(fewest, len(found))

        async def bare(kb_id=kb_id, vector=vector) -> None:
            distance = "embedding::halfvec(384) <=> CAST(:vector AS halfvec(384))"
            statement = f"""SELECT id FROM chunks WHERE kb_id = :kb_id AND model_id = 1 AND enabled
                ORDER BY {distance} LIMIT {CANDIDATES}"""
            params = {"kb_id": kb_id, "vector": vector_literal(vector)}
            (await session.exec(sa.text(statement), params=params)).all()

        whole.append(await cpu_ms(session, hybrid))
        vector_only.append(await cpu_ms(session, bare))
    return whole[5:], vector_only[5:], fewest


async def run(place: Installation, sizes: Sequence[int], n_tenants: int) -> None:
    """Fill, search, and print a table."""
    world = World()
    async with place.services.retrieval.sessions() as session:
        made = await session.exec(
            sa.text("""
                INSERT INTO knowledge_bases (user_id, name) SELECT :owner, 'KB ' || n
                FROM generate_series(1, :n) AS n RETURNING id
            """),
            params={"owner": place.owner_id, "n": n_tenants + 200},
        )
        kb_ids = [row.id for row in made]
        neighbours = await _in_one_partition(session, kb_ids)
        large = neighbours[: len(sizes)]
        small = neighbours[len(sizes)]
        tenants = [kb_id for kb_id in kb_ids if kb_id not in neighbours[: len(sizes) + 1]][:n_tenants]
        await session.exec(sa.text("DROP INDEX idx_chunks_embedding_m1"))  # quicker to make at once
        await session.exec(sa.text("SET statement_timeout = 0"))
        plan = [*zip(large, sizes, strict=True), (small, 100), *((kb_id, 100) for kb_id in tenants)]
        for kb_id, n_chunks in plan:
            await fill(session, world, kb_id, n_chunks)
        await session.commit()
        await session.exec(sa.text("SET statement_timeout = 0"))
        await session.exec(sa.text(INDEX))
        await session.commit()
        rows = [(f"{size:,} chunks", [kb_id]) for kb_id, size in zip(large, sizes, strict=True)]
        rows += [(f"100 chunks beside {max(sizes):,}", [small]), (f"{n_tenants:,} × 100 chunks", tenants)]
        print(
            "| knowledge base | statistics | whole, ms (p50 / p95) | vector only, ms | ratio | fewest of 50 |"
        )
        print("|---|---|---|---|---|---|")
        for statistics_are in ("none yet", "fresh"):
            if statistics_are == "fresh":
                await session.exec(sa.text("ANALYZE chunks, chunk_postings"))
                await session.commit()
            for name, ids in rows:
                print(
                    f"| {name} | {statistics_are} | {_row(*await measure(session, world, ids))} |", flush=True
                )


async def _in_one_partition(session: Any, kb_ids: Sequence[int]) -> list[int]:
    """Knowledge bases whose chunks share a partition, and so an index."""
    found = await session.exec(
        sa.text("""
            SELECT id FROM knowledge_bases WHERE satisfies_hash_partition('chunks'::regclass, 16, 3, id)
            ORDER BY id
        """)
    )
    return [row.id for row in found if row.id in set(kb_ids)]


def _row(whole: list[float], vector_only: list[float], fewest: int) -> str:
    middle, bare = statistics.median(whole), statistics.median(vector_only)
    p95 = statistics.quantiles(whole, n=20)[-1]
    return f"{middle:.1f} / {p95:.1f} | {bare:.1f} | {middle / bare:.1f} | {fewest}"


async def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args().full
    async with installation() as place:
        await run(place, (100, 10_000, 100_000) if full else (100, 2_000, 10_000), 1_000 if full else 100)


if __name__ == "__main__":
    asyncio.run(main())
