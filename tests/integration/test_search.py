"""Search finds what it should, scores it as it says, and looks nowhere else."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
import psycopg
import pytest

from rag_app.db.queries import search
from rag_app.db.queries.search import CANDIDATES
from rag_app.domain.knowledge_bases import KbScope
from rag_app.rag.words import text_for_words
from tests.fakes import DIMENSIONS

HARBOUR = b"""# Boats

The harbour holds seven boats. Three boats are red and four boats are blue.

# Prices

A berth costs ninety a week. Boats longer than ten metres pay double the price of a berth.

# Food

The kitchen closes at nine. Fish is served on Fridays, and on Fridays only.

# History

The harbour was built by monks, who came from the north and left no boats behind.
"""
QUERY = "What do boats pay for a berth in the harbour?"


@pytest.fixture
def sql(database):
    """Ask the database something; returns rows."""

    def ask(statement: str, *values: object) -> list[tuple]:
        with psycopg.connect(database, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values)
            return found.fetchall() if found.description else []

    return ask


@pytest.fixture
async def kb(owner, run_jobs):
    """A knowledge base with a chunk for each heading."""
    made = await owner.create_kb()
    parts = HARBOUR.split(b"\n\n# ")
    files = [(f"{n}.md", b"# " + part.removeprefix(b"# ") + b"\n") for n, part in enumerate(parts)]
    await owner.upload(made["id"], *files)
    await run_jobs()
    return made


# ---- the words' score


def bm25(chunks: dict[int, Counter[str]], terms: Iterable[str]) -> dict[int, float]:
    """Okapi BM25 as Lucene computes it, k1 = 1.2 and b = 0.75, written down once more."""
    average = sum(chunk.total() for chunk in chunks.values()) / len(chunks)
    scores: dict[int, float] = defaultdict(float)
    for term in terms:
        n_with = sum(term in chunk for chunk in chunks.values())
        weight = math.log(1 + (len(chunks) - n_with + 0.5) / (n_with + 0.5))
        for chunk_id, chunk in chunks.items():
            if tf := chunk[term]:
                scores[chunk_id] += weight * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * chunk.total() / average))
    return dict(scores)


@pytest.fixture
def expected_scores(sql, kb):
    """What every enabled chunk of the knowledge base should score, from its text alone."""

    def words(language: str, text: str) -> Counter[str]:
        statement = "SELECT lexeme, cardinality(positions) FROM unnest(to_tsvector(%s::regconfig, %s))"
        return Counter(dict(sql(statement, language, text_for_words(text))))

    def compute(query: str) -> dict[int, float]:
        rows = sql(
            """SELECT c.id, d.language, c.heading || E'\\n' || c.content FROM chunks c
               JOIN documents d ON d.id = c.document_id WHERE c.kb_id = %s AND c.enabled""",
            kb["id"],
        )
        assert len({language for _, language, _ in rows}) == 1
        chunks = {chunk_id: words(language, text) for chunk_id, language, text in rows}
        return bm25(chunks, words(rows[0][1], query))

    return compute


@pytest.fixture
def found_scores(owner, kb):
    async def search_for(query: str) -> dict[int, float]:
        found = await owner.search(kb["id"], query)
        scores = {passage["chunk_id"]: passage["scores"]["bm25"] for passage in found}
        return {chunk_id: score for chunk_id, score in scores.items() if score is not None}

    return search_for


async def test_words_are_scored_by_the_published_formula(found_scores, expected_scores):
    found = await found_scores(QUERY)

    assert len(found) == 3
    assert found == pytest.approx(expected_scores(QUERY), abs=1e-3)


async def test_a_chunk_that_is_switched_off_counts_no_more_and_on_again_as_before(
    owner, kb, found_scores, expected_scores
):
    before = await found_scores(QUERY)
    chunk_id = max(before, key=before.__getitem__)
    url = f"/api/knowledge-bases/{kb['id']}/chunks/{chunk_id}"

    await owner.http.put(url, json={"enabled": False})
    without = await found_scores(QUERY)
    everything = {passage["chunk_id"] for passage in await owner.search(kb["id"], QUERY)}

    assert chunk_id not in everything
    assert without == pytest.approx(expected_scores(QUERY), abs=1e-3)
    assert without != before

    await owner.http.put(url, json={"enabled": True})
    assert await found_scores(QUERY) == before


async def test_an_edited_chunk_is_found_by_its_new_words_alone(owner, kb, found_scores, expected_scores):
    [kitchen] = [p for p in await owner.search(kb["id"], "kitchen") if "kitchen" in p["content"]]
    new = "The canteen opens at seven, and boats may order by radio from the harbour."
    await owner.http.put(
        f"/api/knowledge-bases/{kb['id']}/chunks/{kitchen['chunk_id']}", json={"content": new}
    )

    assert await found_scores(QUERY) == pytest.approx(expected_scores(QUERY), abs=1e-3)
    assert await found_scores("kitchen") == {}
    assert list(await found_scores("canteen")) == [kitchen["chunk_id"]]
    best = (await owner.search(kb["id"], "Where is the canteen?"))[0]
    assert (best["content"], best["scores"]["rank_by_meaning"]) == (new, 1)


async def test_a_deleted_document_counts_no_more(owner, kb, found_scores, expected_scores):
    first = (await owner.search(kb["id"], QUERY))[0]
    await owner.http.delete(f"/api/knowledge-bases/{kb['id']}/documents/{first['document_id']}")

    found = await found_scores(QUERY)
    assert first["chunk_id"] not in found
    assert found == pytest.approx(expected_scores(QUERY), abs=1e-3)


# ---- the scores together


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(QUERY, id="a question"),
        pytest.param("boats", id="one word"),
        pytest.param("the of and", id="stop words"),
        pytest.param("xylophone quasar", id="words nobody used"),
        pytest.param("¿?!… — \u200b", id="no word at all"),
        pytest.param("港の船は何隻ですか", id="Japanese"),
        pytest.param("קברניט السفينة корабль", id="three scripts"),
        pytest.param("boats' & (harbour | !berth) <-> :* \\ %s %(x)s $1 ;--", id="operators"),
        pytest.param("harbour boats " * 285, id="4,000 characters"),
        pytest.param("a\U0001f6a2" * 100, id="symbols"),
    ],
)
async def test_every_query_gets_scores_between_0_and_1_in_order(owner, kb, query):
    found = await owner.search(kb["id"], query[:4000], limit=50)

    scores = [passage["score"] for passage in found]
    assert len(found) == 4
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)  # NaN is in no range
    assert len({passage["chunk_id"] for passage in found}) == 4


async def test_best_in_both_rankings_scores_1(owner, kb):
    best = (await owner.search(kb["id"], "kitchen fish Fridays"))[0]

    assert best["score"] == 1
    assert (best["scores"]["rank_by_meaning"], best["scores"]["rank_by_words"]) == (1, 1)


async def test_one_chunk_is_found_whatever_is_asked(owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("one.txt", b"The harbour holds seven boats."))
    await run_jobs()

    by_both = await owner.search(kb["id"], "boats")
    by_meaning = await owner.search(kb["id"], "quasar")

    assert [passage["score"] for passage in by_both] == [1]
    assert [passage["score"] for passage in by_meaning] == [0.5]


async def test_an_empty_knowledge_base_finds_nothing(owner):
    kb = await owner.create_kb()

    assert await owner.search(kb["id"], "boats") == []


async def test_chinese_and_japanese_are_found_by_their_characters(owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(
        kb["id"],
        ("zh.txt", "港口有七艘船。船位每周九十元。".encode()),
        ("ja.txt", "台所は九時に閉まります。金曜日は魚です。".encode()),
    )
    await run_jobs()

    for query, name in (("船位多少钱", "zh.txt"), ("台所は何時まで", "ja.txt")):
        best = (await owner.search(kb["id"], query))[0]
        assert (best["document_name"], best["scores"]["rank_by_words"]) == (name, 1)


async def test_too_long_and_empty_queries_are_refused(owner, kb):
    for query in ("x" * 4001, "", "   "):
        response = await owner.http.post(
            f"/api/knowledge-bases/{kb['id']}/knowledge/search", json={"query": query}
        )
        assert response.status_code == 422


# ---- many, and large ones

# "n > 0" makes the inner query one of its own for each chunk.
FILL = """
WITH made AS (
  INSERT INTO documents (kb_id, name, sha256, status, ready_at)
  VALUES (%(kb)s, 'filled', md5(%(kb)s::text) || md5(%(kb)s::text), 'ready', now()) RETURNING id)
INSERT INTO chunks (kb_id, document_id, position, model_id, content, content_hash, embedding)
SELECT %(kb)s, made.id, n, 1, 'chunk ' || n || ' of ' || %(kb)s, '',
  ARRAY(SELECT random() - 0.5 FROM generate_series(1, 384) WHERE n > 0)::real[]::vector::halfvec
FROM made, generate_series(1, %(n)s) AS n
"""


@pytest.fixture
def fill(database):
    """Give knowledge bases chunks with random vectors, past everything but the database."""

    def insert(*kb_ids: int, n: int) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            for kb_id in kb_ids:
                connection.execute(FILL.encode(), {"kb": kb_id, "n": n})

    return insert


@pytest.fixture
def new_kbs(owner, sql):
    """Make knowledge bases past the API."""

    def insert(n: int) -> list[int]:
        rows = sql(
            "INSERT INTO knowledge_bases (user_id, name) SELECT %s, 'KB ' || n "
            "FROM generate_series(1, %s) AS n RETURNING id",
            owner.user["id"],
            n,
        )
        return [row[0] for row in rows]

    return insert


def random_vector(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


async def nearest(services, kb_id: int, owner_id: int, *, seed: int = 1, words: str = "", limit: int = 50):
    async with services.retrieval.sessions() as session:
        return await search.hybrid(
            session,
            KbScope(kb_id, owner_id),
            vector=random_vector(seed),
            words=words,
            model_id=1,
            limit=limit,
        )


async def test_a_thousand_knowledge_bases_do_not_see_each_other(services, owner, new_kbs, fill, sql):
    kb_ids = new_kbs(1000)
    fill(*kb_ids, n=3)

    for kb_id in kb_ids[::100]:
        found = await nearest(services, kb_id, owner.user["id"])
        assert {passage.content for passage in found} == {f"chunk {n} of {kb_id}" for n in (1, 2, 3)}


@pytest.mark.timeout(300)
async def test_a_small_knowledge_base_beside_a_large_one_gets_full_lists(
    services, owner, new_kbs, fill, sql, database
):
    kb_ids = new_kbs(64)
    partition = "SELECT id FROM knowledge_bases WHERE satisfies_hash_partition('chunks'::regclass, 16, 3, id)"
    together = [row[0] for row in sql(f"{partition} ORDER BY id") if row[0] in kb_ids]
    large, middle, small, *_ = together
    [(index,)] = sql("SELECT pg_get_indexdef('idx_chunks_embedding_m1'::regclass)")
    sql("DROP INDEX idx_chunks_embedding_m1")  # quicker to make at once than row by row
    fill(large, n=20_000)
    fill(middle, n=1500)
    fill(small, n=CANDIDATES)
    sql(index.replace(" ON ONLY ", " ON "))

    for analysed in (False, True):  # as right after an import, and later
        if analysed:
            sql("ANALYZE chunks")
        for kb_id in (small, middle, large):
            found = await nearest(services, kb_id, owner.user["id"])
            assert len(found) == 50
            assert all(passage.content.endswith(f" of {kb_id}") for passage in found)
            # An index that is asked again and again for more gives what it finds in no strict order.
            by_rank = sorted(found, key=lambda passage: passage.scores.rank_by_meaning)
            similarities = [passage.scores.similarity for passage in by_rank]
            assert similarities == sorted(similarities, reverse=True)

        exact = sql(
            """SELECT id FROM chunks WHERE kb_id = %s
               ORDER BY embedding::halfvec(384) <=> %s::halfvec(384) LIMIT 10""",
            small,
            search.vector_literal(random_vector(1)),
        )
        found = await nearest(services, small, owner.user["id"], limit=10)
        assert [passage.chunk_id for passage in found] == [row[0] for row in exact]

    [(partition,)] = sql("SELECT DISTINCT tableoid::regclass::text FROM chunks WHERE kb_id = %s", large)
    assert f"Index Scan using {partition}_embedding_idx on {partition}" in await plan(services, large)


async def plan(services, kb_id: int) -> str:
    """How the database would search, over a connection as the application opens it."""
    statement = str(search._statement(1, DIMENSIONS)).replace("%", "%%")
    for name in ("kb_id", "vector", "words", "candidates", "weight", "limit"):
        statement = statement.replace(f":{name}", f"%({name})s")
    values = {
        "kb_id": kb_id,
        "vector": search.vector_literal(random_vector(1)),
        "words": "chunk",
        "candidates": CANDIDATES,
        "weight": 0.5,
        "limit": 8,
    }
    async with services.engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        cursor = await raw.execute(f"EXPLAIN {statement}".encode(), values)
        text = "\n".join(row[0] for row in await cursor.fetchall())
    return re.sub(r" on (chunks_p\d+) chunks(_\d+)?", r" on \1", text)
