"""Search among many and large knowledge bases: full lists, the right index, and nobody else's chunks."""

import re

import numpy as np
import psycopg
import pytest

from rag_app.db.queries import access, search, vector_index
from rag_app.db.queries.search import EmbeddingSpace
from rag_app.domain.knowledge_bases import KbScope
from tests.fakes import DIMENSIONS

# Past everything but the database.
# "n > 0" makes the inner query one of its own for each chunk.
FILL = """
WITH made AS (
  INSERT INTO documents (kb_id, name, sha256, status, ready_at, n_chunks)
  VALUES (%(kb)s, 'filled', md5(%(kb)s::text) || md5(%(kb)s::text), 'ready', now(), %(n)s) RETURNING id
), searched AS (
  INSERT INTO kb_search (kb_id, next_ordinal, needs_words) VALUES (%(kb)s, %(n)s, true)
), ranges AS (
  INSERT INTO document_ordinals (kb_id, first_ordinal, n_chunks, document_id)
  SELECT %(kb)s, 0, %(n)s, id FROM made
), vectors AS (
  INSERT INTO chunk_embeddings (kb_id, model_id, ordinal, indexed, embedding)
  SELECT %(kb)s, 1, n - 1, %(indexed)s,
    ARRAY(SELECT random() - 0.5 FROM generate_series(1, 384) WHERE n > 0)::real[]::vector::halfvec
  FROM generate_series(1, %(n)s) AS n
)
INSERT INTO chunks (kb_id, ordinal, document_id, position, content, content_hash)
SELECT %(kb)s, n - 1, made.id, n - 1, 'chunk ' || n || ' of ' || %(kb)s, ''
FROM made, generate_series(1, %(n)s) AS n
"""


@pytest.fixture
def sql(database):
    """Ask the database something, of all knowledge bases; returns rows."""

    def ask(statement: str, **values: object) -> list[tuple]:
        with psycopg.connect(database, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values)
            return found.fetchall() if found.description else []

    return ask


@pytest.fixture
def fill(sql):
    """Give knowledge bases chunks with random vectors."""

    def insert(*kb_ids: int, n: int, indexed: bool = False) -> None:
        for kb_id in kb_ids:
            sql(FILL, kb=kb_id, n=n, indexed=indexed)

    return insert


@pytest.fixture
def new_kbs(owner, sql):
    """Make knowledge bases past the API."""

    def insert(n: int) -> list[int]:
        rows = sql(
            "INSERT INTO knowledge_bases (user_id, name) SELECT %(owner)s, 'KB ' || n "
            "FROM generate_series(1, %(n)s) AS n RETURNING id",
            owner=owner.user["id"],
            n=n,
        )
        return [row[0] for row in rows]

    return insert


def random_vector(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


async def nearest(
    services, kb_id: int, *, is_indexed: bool = False, limit: int = 50, seed: int = 1, allowed=None
):
    async with services.retrieval.sessions() as session:
        return await search.ask(
            session,
            KbScope(kb_id, 0),
            EmbeddingSpace(1, DIMENSIONS, is_indexed),
            vector=random_vector(seed),
            words="chunk",
            phrases=[],
            limit=limit,
            allowed=allowed,
        )


async def contents(services, kb_id: int, ordinals) -> list[str]:
    async with services.retrieval.sessions() as session:
        space = EmbeddingSpace(1, DIMENSIONS, is_indexed=False)
        await access.enter(session, KbScope(kb_id, 0))
        chunks = await search.chunks(
            session, KbScope(kb_id, 0), space, ordinals=list(ordinals), with_codes=False
        )
    return [chunks[ordinal].content for ordinal in ordinals]


async def test_a_thousand_knowledge_bases_do_not_see_each_other(services, new_kbs, fill):
    kb_ids = new_kbs(1000)
    fill(*kb_ids, n=3)

    for kb_id in kb_ids[::100]:
        found = await nearest(services, kb_id)
        texts = await contents(services, kb_id, found.ordinals.tolist())
        assert set(texts) == {f"chunk {n} of {kb_id}" for n in (1, 2, 3)}


@pytest.mark.timeout(300)
async def test_a_small_knowledge_base_beside_a_large_one_gets_full_lists(services, new_kbs, fill, sql):
    kb_ids = new_kbs(64)
    in_one = "satisfies_hash_partition('chunk_embeddings'::regclass, 16, 3, id)"
    rows = sql(f"SELECT id FROM knowledge_bases WHERE {in_one} ORDER BY id")
    together = [row[0] for row in rows if row[0] in kb_ids]
    large, middle, small, *_ = together
    [(index,)] = sql("SELECT pg_get_indexdef('idx_chunk_embeddings_m1'::regclass)")
    sql("DROP INDEX idx_chunk_embeddings_m1")  # quicker to make at once than row by row
    fill(large, n=20_000, indexed=True)
    fill(middle, n=1500)
    fill(small, n=100)
    sql(index.replace(" ON ONLY ", " ON "))

    for analysed in (False, True):  # as right after an import, and later
        if analysed:
            sql("ANALYZE chunk_embeddings")
        for kb_id in (small, middle, large):
            found = await nearest(services, kb_id, is_indexed=kb_id == large)
            assert found.ordinals.size == 50
            # An index that is asked again and again for more gives what it finds in no strict order.
            assert (np.diff(found.similarities) <= 1e-6).all()
        exact = sql(
            """SELECT ordinal FROM chunk_embeddings WHERE kb_id = %(kb)s
               ORDER BY embedding <=> %(vector)s::halfvec LIMIT 10""",
            kb=small,
            vector=search.vector_literal(random_vector(1)),
        )
        found = await nearest(services, small, limit=10)
        assert found.ordinals.tolist() == [row[0] for row in exact]

    [(partition,)] = sql(
        "SELECT DISTINCT tableoid::regclass::text FROM chunk_embeddings WHERE kb_id = %(kb)s", kb=large
    )
    plan = await planned(services, large, is_indexed=True)
    assert f"Index Scan using {partition}_embedding_idx on {partition}" in plan
    assert "Seq Scan" not in plan
    assert "Seq Scan" not in await planned(services, small, is_indexed=False)


async def planned(services, kb_id: int, *, is_indexed: bool) -> str:
    """How the database would search, over a connection as the application opens it."""
    space = EmbeddingSpace(1, DIMENSIONS, is_indexed)
    values = {
        "kb_id": kb_id,
        "vector": search.vector_literal(random_vector(1)),
        "words": "chunk",
        "limit": 100,
    }
    lines = []
    async with services.engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        await raw.execute(search.ENTER, values)
        for statement in (search.nearest_statement(space, is_filtered=False), search.WORDS_STATEMENT):
            cursor = await raw.execute(f"EXPLAIN {statement}", values)
            lines += [row[0] for row in await cursor.fetchall()]
        await raw.rollback()
    return re.sub(r" on (chunk_embeddings_p\d+) chunk_embeddings(_\d+)?", r" on \1", "\n".join(lines))


async def test_a_filter_searches_only_what_it_leaves(services, new_kbs, fill):
    [kb_id] = new_kbs(1)
    fill(kb_id, n=200)

    found = await nearest(services, kb_id, allowed=[(10, 5), (100, 2)])

    assert sorted(found.ordinals.tolist()) == [10, 11, 12, 13, 14, 100, 101]


async def test_a_broad_filter_is_asked_of_the_index(services, new_kbs, fill, monkeypatch):
    [kb_id] = new_kbs(1)
    fill(kb_id, n=400, indexed=True)
    monkeypatch.setattr(search, "MAX_EXACT", 10)

    found = await nearest(services, kb_id, is_indexed=True, allowed=[(0, 40), (300, 60)])

    assert set(found.ordinals.tolist()) <= {*range(40), *range(300, 360)}
    assert found.ordinals.size == 50


async def test_the_worker_indexes_large_knowledge_bases_only(services, new_kbs, fill, sql, monkeypatch):
    monkeypatch.setattr(vector_index, "INDEX_FROM", 50)
    monkeypatch.setattr(vector_index, "WAITING", 20)
    small, large = new_kbs(2)
    fill(small, n=30)
    fill(large, n=60)
    before = (await nearest(services, large)).ordinals.tolist()

    await services.indexes.tend()

    counts = "SELECT kb_id, count(*) FROM chunk_embeddings WHERE indexed GROUP BY kb_id"
    assert sql(counts) == [(large, 60)]
    assert sql("SELECT kb_id FROM kb_search WHERE has_indexed_vectors") == [(large,)]
    after = await nearest(services, large, is_indexed=True)
    assert after.ordinals.tolist() == before
    assert [term.text for term in after.terms] == ["chunk"]  # tending indexed the words too
    assert after.terms[0].postings.size == 60
