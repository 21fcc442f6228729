"""What one search costs, by the size of the knowledge base and of its neighbours.

    python benchmarks/retrieval_speed.py                       up to 10,000 chunks, about a minute
    python benchmarks/retrieval_speed.py --sizes 100 10000 100000 --tenants 1000
    python benchmarks/retrieval_speed.py --sizes 1000000       takes half an hour and 8 GB of disk
    python benchmarks/retrieval_speed.py --check               also compares with benchmarks/baselines/

Processor time, so that a busy machine does not blur it: of the database's own process for one search (from
/proc/<pid>/schedstat) and of this process, without the embedding of the question. "Bare SQL" is the same
statements sent by the driver alone, in turn with the search: what our code adds is the difference.
Vectors are random around 400 centres and texts follow Zipf's law: speed is measured, not quality.
"""

import argparse
import asyncio
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.installation import Installation, installation
from rag_app.db import embedded
from rag_app.db.engine import create_engine, create_sessions, driver_connection
from rag_app.db.queries import access, knowledge_bases, search, vector_index, word_index
from rag_app.db.queries.search import EmbeddingSpace, vector_literal
from rag_app.db.queries.word_index import ChunkWords
from rag_app.domain.knowledge_bases import KbScope, KnowledgeBase
from rag_app.domain.rag_config import RagConfig
from rag_app.domain.word_index import POSTING
from rag_app.services.candidates import EFFORT, MORE_EFFORT, VERY_MANY, CandidateFinder
from rag_app.services.embedders import Embedders
from rag_app.services.retrieval import RetrievalService

BASELINE = Path(__file__).with_name("baselines") / "retrieval_speed.json"
WORSE = 1.5  # times the baseline's ratio, from which on the check fails
DIMENSIONS = 384
N_CENTRES, LATENT = 400, 64  # embeddings of text have far fewer directions than numbers
CHUNKS_PER_DOCUMENT = 50
WORDS_PER_CHUNK = 120
N_WORDS = 20_000  # of the invented language
SYLLABLES = 70
N_STOP_WORDS = 100  # its most frequent ones, which no index keeps
SEGMENT = 25_000  # chunks of a document in knowledge bases that have more
QUESTION_WORDS = 8
N_QUERIES = 60
N_WARM_UP = 5
SEARCHERS, SEARCHES_EACH = 50, 10
PARTITION = 3
INDEX = """
CREATE INDEX idx_chunk_embeddings_m1 ON chunk_embeddings
USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops)
WITH (m = 16, ef_construction = 64) WHERE model_id = 1 AND indexed AND enabled
"""
# A row as COPY's binary format has it: number of columns, then the length and bytes of each.
VECTOR_ROW = np.dtype(
    {
        "names": "n l1 kb_id l2 model_id l3 ordinal l4 indexed l5 dim unused embedding".split(),
        "formats": [*">i2 >i4 >i4 >i4 >i2 >i4 >i4 >i4 u1 >i4 >i2 >i2".split(), (">f2", (DIMENSIONS,))],
    }
)


class World:
    """Invents chunks and questions; the same ones every time."""

    def __init__(self, seed: int = 7) -> None:
        self.numbers = np.random.default_rng(seed)
        self.centres = self.numbers.standard_normal((N_CENTRES, LATENT)).astype(np.float32)
        self.spread = self.numbers.standard_normal((LATENT, DIMENSIONS)).astype(np.float32)
        frequencies = 1 / np.arange(N_STOP_WORDS + 1, N_STOP_WORDS + N_WORDS + 1)
        self.cumulated = np.cumsum(frequencies / frequencies.sum())
        self.words = np.array([invented(number) for number in range(N_WORDS)])

    def vectors(self, n: int) -> NDArray[np.float32]:
        inner = self.numbers.standard_normal((n, LATENT)).astype(np.float32)
        found = (self.centres[self.numbers.integers(N_CENTRES, size=n)] + 0.7 * inner) @ self.spread
        found += self.numbers.standard_normal((n, DIMENSIONS)).astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def draw(self, n: int, n_words: int) -> NDArray[np.int64]:
        drawn = np.searchsorted(self.cumulated, self.numbers.random((n, n_words)))
        return np.minimum(drawn, N_WORDS - 1)

    def texts(self, n: int, n_words: int) -> list[str]:
        return self.written(self.draw(n, n_words))

    def written(self, drawn: NDArray[np.int64]) -> list[str]:
        return [" ".join(row) for row in self.words[drawn]]


def invented(number: int) -> str:
    """A word of three syllables with an ending that no stemmer knows; each number has its own."""
    scattered = number * 7919 % SYLLABLES**3
    parts = (scattered, scattered // SYLLABLES, scattered // SYLLABLES**2)
    return "".join("bdfgklmnprstvz"[part // 5 % 14] + "aeiou"[part % 5] for part in parts) + "k"


@dataclass
class GivenVectors:
    """An embedder that has the answers ready: to invent one takes longer than to fuse two rankings."""

    vectors: Iterator[NDArray[np.float32]]
    name: str = "given"
    dimensions: int = DIMENSIONS
    max_tokens: int = 512

    @classmethod
    def of(cls, world: World) -> "GivenVectors":
        return cls(itertools.cycle(world.vectors(256)))

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        return next(self.vectors)


# ---- filling


async def fill(place: Installation, session: Any, world: World, kb_id: int, n_chunks: int) -> None:
    """Give a knowledge base chunks, vectors and words; large ones have their vectors in the index."""
    is_large = n_chunks >= vector_index.INDEX_FROM
    await session.exec(
        sa.text("INSERT INTO kb_search (kb_id, next_ordinal, has_indexed_vectors) VALUES (:kb, 0, :large)"),
        params={"kb": kb_id, "large": is_large},
    )
    scope = KbScope(kb_id, place.owner_id)
    await access.enter(session, scope)
    step = SEGMENT if n_chunks > SEGMENT else CHUNKS_PER_DOCUMENT
    for start in range(0, n_chunks, step):
        n = min(step, n_chunks - start)
        made = await session.exec(
            sa.text("""
                INSERT INTO documents (kb_id, name, sha256, status, ready_at, n_chunks)
                VALUES (:kb_id, 'd', lpad(CAST(:start AS text), 64, '0'), 'ready', now(), :n) RETURNING id
            """),
            params={"kb_id": kb_id, "start": start, "n": n},
        )
        document_id = made.scalar_one()
        await word_index.lock(session, scope)
        first = await word_index.take_ordinals(session, scope, document_id=document_id, n=n)
        drawn = world.draw(n, WORDS_PER_CHUNK)
        texts = world.written(drawn)
        await session.exec(
            sa.text("""
                INSERT INTO chunks (kb_id, ordinal, document_id, position, content, content_hash)
                SELECT :kb, :first + at - 1, :document, at - 1, text, ''
                FROM unnest(CAST(:texts AS text[])) WITH ORDINALITY AS new(text, at)
            """),
            params={"kb": kb_id, "first": first, "document": document_id, "texts": texts},
        )
        if n_chunks > SEGMENT:
            await add_segment(session, world, kb_id, document_id, first, drawn)
        else:
            words = [ChunkWords(first + at, text) for at, text in enumerate(texts)]
            about = {"document_id": document_id, "language": "english"}
            await word_index.add(session, scope, chunks=words, **about)
    await session.commit()
    copy_vectors(place, world, kb_id, n_chunks, is_large=is_large)


async def add_segment(
    session: Any, world: World, kb_id: int, document_id: int, first: int, drawn: NDArray[np.int64]
) -> None:
    """What `word_index.add` makes of these chunks, without asking the database to cut every text."""
    n, length = drawn.shape
    pairs, counts = np.unique(drawn + N_WORDS * np.arange(n)[:, None], return_counts=True)
    order = np.argsort(pairs % N_WORDS, kind="stable")
    words, rows = (pairs % N_WORDS)[order], np.zeros(pairs.size, POSTING)
    rows["ordinal"], rows["frequency"], rows["length"] = (
        first + (pairs // N_WORDS)[order],
        counts[order],
        length,
    )
    found, starts = np.unique(words, return_index=True)
    params = {"kb": kb_id, "document": document_id, "n": n, "terms": n * length}
    made = await session.exec(
        sa.text("""
            INSERT INTO word_segments (kb_id, id, n_chunks)
            VALUES (:kb, nextval('word_segments_id_seq'), :n) RETURNING id
        """),
        params=params,
    )
    packed = [part.tobytes() for part in np.split(rows, starts[1:])]
    await session.exec(
        sa.text("""
            INSERT INTO chunk_postings (kb_id, lexeme, segment_id, postings)
            SELECT :kb, lexeme, :segment, postings
            FROM unnest(CAST(:lexemes AS text[]), CAST(:postings AS bytea[])) AS new(lexeme, postings)
        """),
        params=params
        | {"segment": made.scalar_one(), "lexemes": world.words[found].tolist(), "postings": packed},
    )
    for statement in (
        "INSERT INTO document_word_stats VALUES (:document, :kb, 'english', :n, :terms)",
        """INSERT INTO kb_word_stats AS s VALUES (:kb, 'english', :n, :terms) ON CONFLICT (kb_id, language)
           DO UPDATE SET n_chunks = s.n_chunks + :n, n_terms = s.n_terms + :terms""",
    ):
        await session.exec(sa.text(statement), params=params)


def copy_vectors(place: Installation, world: World, kb_id: int, n_chunks: int, *, is_large: bool) -> None:
    """As fast as the database takes them: in its binary format, as its superuser."""
    columns = "kb_id, model_id, ordinal, indexed, embedding"
    with psycopg.connect(place.server.dsn(embedded.SUPERUSER), autocommit=True) as connection:
        statement = f"COPY chunk_embeddings ({columns}) FROM STDIN (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.write(b"PGCOPY\n\xff\r\n\x00" + bytes(8))
            for start in range(0, n_chunks, 10_000):
                n = min(10_000, n_chunks - start)
                rows = np.zeros(n, VECTOR_ROW)
                rows["n"], rows["dim"], rows["model_id"] = 5, DIMENSIONS, 1
                rows["l1"], rows["l2"], rows["l3"], rows["l4"] = 4, 2, 4, 1
                rows["l5"] = 4 + 2 * DIMENSIONS
                rows["kb_id"], rows["indexed"] = kb_id, is_large
                rows["ordinal"] = np.arange(start, start + n)
                rows["embedding"] = world.vectors(n)
                copy.write(rows.tobytes())
            copy.write(b"\xff\xff")


# ---- measuring


def space_of(kb: KnowledgeBase) -> EmbeddingSpace:
    effort = EFFORT if kb.n_ordinals < VERY_MANY else MORE_EFFORT
    return EmbeddingSpace(1, DIMENSIONS, kb.has_indexed_vectors, effort)


def searching(place: Installation, sessions: Any, world: World) -> RetrievalService:
    """The product's search with the embedding of the question taken out."""
    embedders = Embedders(lambda _: GivenVectors.of(world))  # ty: ignore[invalid-argument-type]
    its = place.services.retrieval
    return RetrievalService(
        sessions, embedders, its.questions, its.rerankers, CandidateFinder(sessions), its.faq
    )


@dataclass(frozen=True)
class Cost:
    """Processor milliseconds of single searches."""

    database: list[float]
    here: list[float]
    bare_database: list[float]
    bare_here: list[float]
    nearest_only: list[float]

    @property
    def whole(self) -> list[float]:
        return [a + b for a, b in zip(self.database, self.here, strict=True)]

    @property
    def bare(self) -> list[float]:
        return [a + b for a, b in zip(self.bare_database, self.bare_here, strict=True)]


async def spent(pid: int, work: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Processor milliseconds of the database's process and of this one for some work."""
    path = Path(f"/proc/{pid}/schedstat")
    before, before_here = int(path.read_text().split()[0]), time.process_time()
    await work()
    here = time.process_time() - before_here
    return (int(path.read_text().split()[0]) - before) / 1e6, here * 1e3


async def measure(place: Installation, world: World, kb_ids: Sequence[int]) -> Cost:
    """Search, and send the same statements bare, in turn; on one connection, so that its process is known."""
    engine = create_engine(str(place.services.settings.database_url), pool_size=1)
    sessions = create_sessions(engine)
    retrieval = searching(place, sessions, world)
    async with sessions() as session:
        pid = (await driver_connection(session)).info.backend_pid
    costs: list[tuple[float, ...]] = []
    dice = random.Random(7)
    for _ in range(N_QUERIES + N_WARM_UP):
        kb_id = dice.choice(kb_ids)
        async with sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=place.owner_id)
            kb = await knowledge_bases.get(session, scope, counted=False)
            question = await _question(session, kb, dice)
        kb = replace(kb, rag_config=RagConfig(rerank=False))
        space = space_of(kb)

        async def whole(scope=scope, kb=kb, question=question) -> None:
            assert (await retrieval.retrieve(scope, kb, question)).passages

        vector = world.vectors(1)[0]

        async def bare(space=space, kb_id=kb_id, question=question, vector=vector) -> None:
            await _bare(sessions, space, kb_id, question, vector)

        async def nearest(space=space, kb_id=kb_id, vector=vector) -> None:
            await _nearest(sessions, space, kb_id, vector)

        row = (*await spent(pid, whole), *await spent(pid, bare), (await spent(pid, nearest))[0])
        costs.append(row)
    await engine.dispose()
    return Cost(*(list(column) for column in zip(*costs[N_WARM_UP:], strict=True)))


async def _question(session: Any, kb: KnowledgeBase, dice: random.Random) -> str:
    """Some words of a chunk: words that nobody has are looked up in other spellings, which takes longer."""
    found = await session.exec(
        sa.text("SELECT content FROM chunks WHERE kb_id = :kb_id AND ordinal = :ordinal"),
        params={"kb_id": kb.id, "ordinal": dice.randrange(kb.n_ordinals)},
    )
    return " ".join(dice.sample(found.scalar_one().split(), QUESTION_WORDS))


async def _bare(sessions: Any, space: EmbeddingSpace, kb_id: int, words: str, vector: Any) -> None:
    """The same statements with nothing around them: what comes back is fetched and thrown away."""
    values = {"kb_id": kb_id, "vector": vector_literal(vector), "words": words, "limit": 100}
    async with sessions() as session:
        connection = await driver_connection(session)
        async with connection.pipeline():
            await connection.execute(search.ENTER_INDEX, values | {"effort": str(space.effort)})
            statement = search.nearest_statement(space, is_filtered=False)
            nearest = await connection.execute(statement, values)
            await connection.execute(search.CORPUS_STATEMENT, values)
            postings = await connection.execute(search.WORDS_STATEMENT, values, binary=True)
        near = await nearest.fetchall()
        await postings.fetchall()
        wanted = {"ordinals": [row[0] for row in near[:28]], "with_codes": False, "model_id": 1}
        found = await connection.execute(search.PASSAGES_STATEMENT, values | wanted, binary=True)
        await found.fetchall()


async def _nearest(sessions: Any, space: EmbeddingSpace, kb_id: int, vector: Any) -> list[int]:
    values = {"kb_id": kb_id, "vector": vector_literal(vector), "limit": 100}
    async with sessions() as session:
        connection = await driver_connection(session)
        await connection.execute(search.ENTER_INDEX, values | {"effort": str(space.effort)})
        found = await connection.execute(search.nearest_statement(space, is_filtered=False), values)
        return [row[0] for row in await found.fetchall()]


async def recall(place: Installation, world: World, kb_id: int, *, n: int = 40) -> float:
    """Share of the true ten nearest that the search's own statement finds among its first ten."""
    sessions = place.services.retrieval.sessions
    async with sessions() as session:
        scope = await access.owned(session, kb_id=kb_id, owner_id=place.owner_id)
        kb = await knowledge_bases.get(session, scope, counted=False)
    space = space_of(kb)
    shares = []
    for vector in world.vectors(n):
        found = (await _nearest(sessions, space, kb_id, vector))[:10]
        async with sessions() as session:
            connection = await driver_connection(session)
            await connection.execute(search.ENTER, {"kb_id": kb_id})
            exact = await connection.execute(
                "SELECT ordinal FROM chunk_embeddings WHERE kb_id = %s AND model_id = 1 AND enabled "
                "ORDER BY embedding <=> %s::halfvec LIMIT 10",
                (kb_id, vector_literal(vector)),
            )
            shares.append(len({row[0] for row in await exact.fetchall()} & set(found)) / 10)
    return statistics.mean(shares)


async def many_searchers(place: Installation, world: World, kb_id: int) -> str:
    """Fifty at once: errors, latencies, and how much longer the unluckiest waits than the luckiest."""
    own = searching(place, place.services.retrieval.sessions, world)
    errors = 0

    async def searcher() -> list[float]:
        nonlocal errors
        taken = []
        for question in world.texts(SEARCHES_EACH, QUESTION_WORDS):
            started = time.perf_counter()
            try:
                overrides = {"rerank": False}
                await own.search(kb_id, question, owner_id=place.owner_id, overrides=overrides)
            except Exception as error:
                errors += 1
                print(f"error: {error!r}", file=sys.stderr)
            taken.append((time.perf_counter() - started) * 1e3)
        return taken

    each = await asyncio.gather(*(searcher() for _ in range(SEARCHERS)))
    means, everything = [statistics.mean(taken) for taken in each], [one for taken in each for one in taken]
    return (
        f"{SEARCHERS} searchers at once, {SEARCHES_EACH} searches each: {errors} errors; "
        f"p50 {statistics.median(everything):.0f} ms, p95 {_p95(everything):.0f} ms; "
        f"slowest searcher {max(means) / min(means):.2f} times the quickest."
    )


async def run(place: Installation, sizes: Sequence[int], n_tenants: int) -> dict[str, dict[str, float]]:
    """Fill, search, and print a table; returns what a baseline keeps."""
    world = World()
    async with place.services.retrieval.sessions() as session:
        made = await session.exec(
            sa.text("""
                INSERT INTO knowledge_bases (user_id, name) SELECT :owner, 'KB ' || n
                FROM generate_series(1, :n) AS n RETURNING id
            """),
            params={"owner": place.owner_id, "n": n_tenants + 16 * (len(sizes) + 2)},
        )
        kb_ids = [row.id for row in made]
        neighbours = await _in_one_partition(session, kb_ids)
        large, small = neighbours[: len(sizes)], neighbours[len(sizes)]
        tenants = [kb_id for kb_id in kb_ids if kb_id not in {*large, small}][:n_tenants]
        await session.exec(sa.text("DROP INDEX idx_chunk_embeddings_m1"))  # quicker to make at once
        await session.commit()
        await session.exec(sa.text("SET statement_timeout = 0"))
        await session.exec(sa.text("SET idle_in_transaction_session_timeout = 0"))
        plan = [*zip(large, sizes, strict=True), (small, 100), *((kb_id, 100) for kb_id in tenants)]
        for kb_id, n_chunks in plan:
            started = time.perf_counter()
            await fill(place, session, world, kb_id, n_chunks)
            if n_chunks > 1000:
                print(f"filled {n_chunks:,} chunks in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        started = time.perf_counter()
        for setting in ("maintenance_work_mem = '2GB'", "max_parallel_maintenance_workers = 2"):
            await session.exec(sa.text(f"SET {setting}"))
        await session.exec(sa.text(INDEX))
        await session.commit()
        print(f"indexed in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        await session.commit()
    with psycopg.connect(place.server.dsn(embedded.SUPERUSER), autocommit=True) as connection:
        # What autovacuum does within a minute or so: merged segments leave dead rows behind.
        connection.execute("VACUUM (ANALYZE) chunk_embeddings, chunks, chunk_postings, documents")
    rows = [(f"{size:,} chunks", [kb_id]) for kb_id, size in zip(large, sizes, strict=True)]
    rows += [(f"100 chunks beside {max(sizes):,}", [small])]
    rows += [(f"{n_tenants:,} × 100 chunks", tenants)] if tenants else []
    print(
        "| knowledge base | search, ms (p50 / p95) | bare SQL, ms | ratio | added, ms | database, ms | "
        "nearest only, ms | recall@10 |"
    )
    print("|---|---|---|---|---|---|---|---|")
    kept = {}
    for name, ids in rows:
        cost, share = await measure(place, world, ids), await recall(place, world, ids[0])
        print(_row(name, cost, share), flush=True)
        kept[name] = {"ratio": _ratio(cost), "recall": share}
    print()
    print(await many_searchers(place, world, large[-1]))
    print(await _sizes(place))
    return kept


async def _sizes(place: Installation) -> str:
    async with place.services.retrieval.sessions() as session:
        found = await session.exec(
            sa.text("""
                SELECT coalesce(i.inhparent::regclass, c.oid::regclass)::text AS name,
                       sum(pg_table_size(c.oid)) AS of_table, sum(pg_indexes_size(c.oid)) AS of_indexes
                FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
                WHERE c.relkind = 'r' AND c.relname ~ '^(chunks|chunk_embeddings|chunk_postings)'
                GROUP BY 1 ORDER BY 1
            """)
        )
        parts = [
            f"{row.name} {row.of_table / 2**20:,.0f} + indexes {row.of_indexes / 2**20:,.0f} MiB"
            for row in found
        ]
    here = psutil.Process().memory_info().rss / 2**20
    return f"On disk: {'; '.join(parts)}. This process: {here:,.0f} MiB."


async def _in_one_partition(session: Any, kb_ids: Sequence[int]) -> list[int]:
    """Knowledge bases whose vectors share a partition, and so an index."""
    found = await session.exec(
        sa.text("""
            SELECT id FROM knowledge_bases
            WHERE satisfies_hash_partition('chunk_embeddings'::regclass, 16, :number, id) ORDER BY id
        """),
        params={"number": PARTITION},
    )
    return [row.id for row in found if row.id in set(kb_ids)]


def _row(name: str, cost: Cost, share: float) -> str:
    whole, bare = statistics.median(cost.whole), statistics.median(cost.bare)
    return (
        f"| {name} | {whole:.1f} / {_p95(cost.whole):.1f} | {bare:.1f} / {_p95(cost.bare):.1f} | "
        f"{_ratio(cost):.2f} | {whole - bare:.1f} | {statistics.median(cost.database):.1f} | "
        f"{statistics.median(cost.nearest_only):.1f} | {share:.3f} |"
    )


def _ratio(cost: Cost) -> float:
    return round(statistics.median(cost.whole) / statistics.median(cost.bare), 3)


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def check(kept: dict[str, dict[str, float]]) -> list[str]:
    """What became worse than the baseline, as ratios to the bare SQL of the same run."""
    baseline = json.loads(BASELINE.read_text())
    worse = []
    for name, now in kept.items():
        if name not in baseline:
            continue
        if now["ratio"] > WORSE * baseline[name]["ratio"]:
            worse.append(f"{name}: {now['ratio']} times the bare SQL, once {baseline[name]['ratio']}")
        if now["recall"] < 0.98:
            worse.append(f"{name}: recall {now['recall']}")
    return worse


async def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 2_000, 10_000])
    parser.add_argument("--tenants", type=int, default=100, help="knowledge bases of 100 chunks beside")
    parser.add_argument("--check", action="store_true", help="fail where the baseline was clearly better")
    parser.add_argument("--save", action="store_true", help="keep the ratios as the new baseline")
    arguments = parser.parse_args()
    async with installation() as place:
        kept = await run(place, arguments.sizes, arguments.tenants)
    if arguments.save:
        BASELINE.parent.mkdir(exist_ok=True)
        known = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
        BASELINE.write_text(json.dumps(known | kept, indent=2, sort_keys=True) + "\n")
    worse = check(kept) if arguments.check else []
    print("\n".join(worse), file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
