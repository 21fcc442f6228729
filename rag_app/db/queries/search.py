"""Hybrid search in one statement.

    question ─┬─ nearest 100 chunks by meaning (HNSW) ──┐
              └─ best 100 by words (exact BM25) ────────┴─ min–max, weighted sum, best few

BM25 with k1 = 1.2, b = 0.75 and the +1 inside the logarithm that keeps weights positive, as Lucene
computes it. Source: Robertson & Zaragoza 2009, https://doi.org/10.1561/1500000019
Min–max weighted fusion won 31 of 32 comparisons with reciprocal rank fusion on our question sets
(docs/decisions/0003-weighted-fusion.md).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.retrieval import Passage, PassageScores

CANDIDATES = 100  # of each ranking, the number the fusion was measured with
MEANING_WEIGHT = 0.5
WORDS_LOCK = 0x5261  # any number that nobody else locks


def vector_literal(vector: NDArray[np.float32]) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join(f"{x:.6g}" for x in vector.tolist()) + "]"


def _statement(model_id: int, dimensions: int) -> sa.TextClause:
    # Model and dimensions are literals: the planner takes a partial expression index only then.
    vector = f"CAST(:vector AS halfvec({int(dimensions)}))"
    distance = f"embedding::halfvec({int(dimensions)}) <=> {vector}"
    return sa.text(f"""
WITH by_meaning AS MATERIALIZED (
  -- "+ 0" makes the planner sort: it takes an index scan for ordered, and a repeated one is only roughly so
  SELECT id, 1 - distance AS similarity, row_number() OVER (ORDER BY distance + 0, id) AS rank
  FROM (SELECT id, {distance} AS distance FROM chunks
        WHERE kb_id = :kb_id AND model_id = {int(model_id)} AND enabled
        ORDER BY {distance} LIMIT :candidates) nearest
), languages AS MATERIALIZED (
  SELECT language, n_chunks, n_terms FROM kb_word_stats WHERE kb_id = :kb_id AND n_chunks > 0
), stats AS MATERIALIZED (
  SELECT greatest(sum(n_chunks), 1)::float8 AS n,
         greatest(sum(n_terms), 1)::float8 / greatest(sum(n_chunks), 1)::float8 AS avg_length
  FROM languages
), asked AS MATERIALIZED (
  -- A word counts only if it is a stop word in none of the languages: else the few documents of a second
  -- language would be found by every "the" and "die" of the question, for there these are rare.
  SELECT DISTINCT lexeme FROM (
    SELECT lexeme, count(*) OVER (PARTITION BY position) AS n_languages
    FROM languages, unnest(to_tsvector(language::regconfig, :words)) AS word(lexeme, positions, weights),
      unnest(positions) AS position) placed
  WHERE n_languages = (SELECT count(*) FROM languages)
), postings AS MATERIALIZED (
  SELECT chunk_ids, frequencies, lengths,
         sum(cardinality(chunk_ids)) OVER (PARTITION BY lexeme)::float8 AS df
  FROM chunk_postings
  WHERE kb_id = :kb_id AND lexeme = ANY (ARRAY(SELECT lexeme FROM asked))
), weighted AS MATERIALIZED (  -- what does not depend on the chunk is computed once, and all of it as floats
  SELECT chunk_ids, frequencies, lengths,
         2.2::float8 * ln(1::float8 + (n - least(df, n) + 0.5::float8) / (df + 0.5::float8)) AS weight,
         1.2::float8 * 0.75::float8 / avg_length AS per_term
  FROM postings CROSS JOIN stats
), by_words AS MATERIALIZED (
  SELECT id, bm25, row_number() OVER (ORDER BY bm25 DESC, id) AS rank
  FROM (
    SELECT u.id, sum(weight * u.tf / (u.tf + 0.3::float8 + per_term * u.length)) AS bm25
    FROM weighted CROSS JOIN LATERAL unnest(chunk_ids, frequencies, lengths) AS u(id, tf, length)
    GROUP BY u.id ORDER BY bm25 DESC, u.id LIMIT :candidates) matching
), fused AS (
  SELECT id, m.similarity, m.rank AS rank_by_meaning, w.bm25, w.rank AS rank_by_words,
         :weight * coalesce(CASE WHEN max(m.similarity) OVER () > min(m.similarity) OVER ()
           THEN (m.similarity - min(m.similarity) OVER ()) / (max(m.similarity) OVER () - min(m.similarity) OVER ())
           ELSE 1 END * (m.similarity IS NOT NULL)::int, 0)
         + (1 - :weight) * coalesce(CASE WHEN max(w.bm25) OVER () > min(w.bm25) OVER ()
           THEN (w.bm25 - min(w.bm25) OVER ()) / (max(w.bm25) OVER () - min(w.bm25) OVER ())
           ELSE 1 END * (w.bm25 IS NOT NULL)::int, 0) AS fused
  FROM by_meaning m FULL JOIN by_words w USING (id)
), best AS (
  SELECT * FROM fused ORDER BY fused DESC, coalesce(rank_by_meaning, 1000) + coalesce(rank_by_words, 1000), id
  LIMIT :limit
)
SELECT c.id, c.document_id, c.content, c.heading, c.page_first, c.page_last, d.name, d.source,
       best.similarity, best.bm25, best.rank_by_meaning, best.rank_by_words, best.fused
FROM best  -- OFFSET 0: look up these few, whatever the planner thinks of tables it has no statistics of yet
CROSS JOIN LATERAL (SELECT * FROM chunks WHERE kb_id = :kb_id AND id = best.id OFFSET 0) c
CROSS JOIN LATERAL (SELECT * FROM documents WHERE kb_id = :kb_id AND id = c.document_id OFFSET 0) d
ORDER BY best.fused DESC, coalesce(best.rank_by_meaning, 1000) + coalesce(best.rank_by_words, 1000), c.id
""")


async def hybrid(
    session: AsyncSession,
    scope: KbScope,
    *,
    vector: NDArray[np.float32],
    words: str,
    model_id: int,
    limit: int,
) -> list[Passage]:
    """The passages that best match a question by meaning and by words, best first.

    Args:
        vector: shape `(dimensions,)`, length 1, from the model `model_id`.
        words: the question as text to be cut into words.
    """
    found = await run(
        session,
        _statement(model_id, len(vector)),
        params={
            "kb_id": scope.kb_id,
            "vector": vector_literal(vector),
            "words": words,
            "candidates": CANDIDATES,
            "weight": MEANING_WEIGHT,
            "limit": limit,
        },
    )
    return [_passage(row) for row in found]


def _passage(row: Any) -> Passage:
    fused = min(max(float(row.fused), 0.0), 1.0)
    return Passage(
        chunk_id=row.id,
        document_id=row.document_id,
        document_name=row.name,
        source=row.source,
        page=row.page_first,
        page_last=row.page_last,
        heading=row.heading,
        content=row.content,
        score=fused,
        scores=PassageScores(
            rank_by_meaning=row.rank_by_meaning,
            rank_by_words=row.rank_by_words,
            similarity=None if row.similarity is None else round(float(row.similarity), 4),
            bm25=None if row.bm25 is None else round(float(row.bm25), 3),
            fused=fused,
        ),
    )


async def index_words(
    session: AsyncSession,
    scope: KbScope,
    *,
    document_id: int,
    language: str,
    texts: Sequence[tuple[int, str]],
) -> None:
    """Replace the words a document is found by; `texts` are its enabled chunks as (id, text)."""
    await forget_words(session, scope, document_id=document_id)
    params = {
        "kb_id": scope.kb_id,
        "document_id": document_id,
        "language": language,
        "ids": [chunk_id for chunk_id, _ in texts],
        "texts": [text for _, text in texts],
    }
    await run(
        session,
        sa.text("""
            WITH words AS MATERIALIZED (
              SELECT t.id, to_tsvector(CAST(:language AS regconfig), t.text) AS vector
              FROM unnest(CAST(:ids AS bigint[]), CAST(:texts AS text[])) AS t(id, text)
            ), counted AS MATERIALIZED (
              SELECT id, lexeme, least(cardinality(positions), 32767) AS tf FROM words, unnest(vector)
            ), sized AS MATERIALIZED (
              SELECT id, least(sum(tf), 32767) AS length FROM counted GROUP BY id
            ), stored AS (
              INSERT INTO chunk_postings (kb_id, lexeme, document_id, chunk_ids, frequencies, lengths)
              SELECT :kb_id, lexeme, :document_id, array_agg(id ORDER BY id),
                     array_agg(tf::smallint ORDER BY id), array_agg(length::smallint ORDER BY id)
              FROM counted JOIN sized USING (id) GROUP BY lexeme
            )
            INSERT INTO document_word_stats (document_id, kb_id, language, n_chunks, n_terms)
            SELECT :document_id, :kb_id, :language, count(*), coalesce(sum(length), 0)
            FROM words LEFT JOIN sized USING (id)
        """),
        params=params,
    )
    await run(
        session,
        sa.text("""
            INSERT INTO kb_word_stats (kb_id, language, n_chunks, n_terms)
            SELECT kb_id, language, n_chunks, n_terms FROM document_word_stats WHERE document_id = :document_id
            ON CONFLICT (kb_id, language) DO UPDATE SET
              n_chunks = kb_word_stats.n_chunks + excluded.n_chunks,
              n_terms = kb_word_stats.n_terms + excluded.n_terms
        """),
        params={"document_id": document_id},
    )


async def forget_words(session: AsyncSession, scope: KbScope, *, document_id: int) -> None:
    """Remove a document from the word search."""
    params = {"kb_id": scope.kb_id, "document_id": document_id}
    # Counts of one knowledge base are changed by one transaction at a time: no deadlock, no lost count.
    await run(
        session,
        sa.text("SELECT pg_advisory_xact_lock(:space, :kb_id)"),
        params={"space": WORDS_LOCK, "kb_id": scope.kb_id},
    )
    await run(
        session,
        sa.text("DELETE FROM chunk_postings WHERE kb_id = :kb_id AND document_id = :document_id"),
        params=params,
    )
    await run(
        session,
        sa.text("""
            WITH gone AS (
              DELETE FROM document_word_stats WHERE document_id = :document_id AND kb_id = :kb_id RETURNING *
            )
            UPDATE kb_word_stats s SET n_chunks = s.n_chunks - gone.n_chunks, n_terms = s.n_terms - gone.n_terms
            FROM gone WHERE s.kb_id = gone.kb_id AND s.language = gone.language
        """),
        params=params,
    )
