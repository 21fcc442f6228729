"""The two rankings of a knowledge base in one round trip, and the passages in another.

    question ─┬─ nearest chunks: index for large knowledge bases, all vectors for small ones ──┐
              └─ postings of the question's words, whole and packed ───────────────────────────┴─ one round trip

Every statement is limited to one knowledge base twice: by its own condition, and by row-level security
(`rag.kb_id`), which holds even where a condition is forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import AsyncConnection
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range as PostgresRange
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.engine import driver_connection
from rag_app.db.queries.access import ENTER
from rag_app.db.queries.word_index import FOLDED
from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.retrieval import Filters
from rag_app.domain.word_index import POSTING, Corpus, Range, Term

MAX_POSTINGS_BYTES = 64_000_000  # read for one question; a page-long one leaves out its commonest words
MAX_EXACT = 20_000  # chunks a filter may leave for all of them to be compared
MIN_WORD = 4  # letters
SIMILAR_WORDS = 3  # taken for one that no document has


@dataclass(frozen=True)
class EmbeddingSpace:
    """Whose vectors are searched; `is_indexed` where some of them are in the approximate index."""

    model_id: int
    dimensions: int
    is_indexed: bool
    effort: int = 100  # vectors the index compares at least; more are needed where there are very many


@dataclass(frozen=True)
class Asked:
    """What the database knows of a question.

    `ordinals` and `similarities` are the nearest chunks, best first; `phrase` holds the terms of the
    quoted phrases, one group for each language. `is_current` is False where the knowledge base has other
    vectors by now, or some of them in the index: then the nearest are not all that there are.
    """

    ordinals: NDArray[np.int64]
    similarities: NDArray[np.float64]
    terms: tuple[Term, ...]
    corpus: Corpus
    is_current: bool
    phrase: tuple[tuple[str, ...], ...] = ()


class FoundChunk(NamedTuple):
    """A chunk with what a passage needs; `codes` are the reranker's, where they were asked for."""

    ordinal: int
    chunk_id: int
    document_id: int
    document_name: str
    source: str
    position: int
    page: int | None
    page_last: int | None
    heading: str
    content: str
    document_version: int = 1
    url: str = ""
    codes: bytes | None = None


def vector_literal(vector: NDArray[np.float32]) -> str:
    """A vector as pgvector reads it."""
    return "[" + ("%.6g," * vector.size % tuple(vector.tolist()))[:-1] + "]"  # one call is much quicker


# ---- the statements


@lru_cache(maxsize=64)
def nearest_statement(space: EmbeddingSpace, *, is_filtered: bool) -> LiteralString:
    """The nearest chunks by meaning.

    Model and dimensions are literals: the planner takes a partial expression index only then. Vectors
    outside the index are compared one by one, which for ten thousand takes four milliseconds.
    """
    where = f"kb_id = %(kb_id)s AND model_id = {int(space.model_id)} AND enabled"
    if is_filtered:
        where += " AND ordinal <@ %(allowed)s::int4multirange"
    exact = f"""
      (SELECT ordinal, embedding <=> %(vector)s::halfvec AS distance FROM chunk_embeddings
       WHERE {where} AND NOT indexed ORDER BY distance, ordinal LIMIT %(limit)s)
    """
    typed = f"halfvec({int(space.dimensions)})"
    distance = f"embedding::{typed} <=> %(vector)s::{typed}"
    indexed = f"""
      (SELECT ordinal, {distance} AS distance FROM chunk_embeddings
       WHERE {where} AND indexed ORDER BY {distance} LIMIT %(limit)s)
    """
    branches = f"{indexed} UNION ALL {exact}" if space.is_indexed else exact
    # "+ 0" makes the planner sort: it takes an index scan for ordered, and a repeated one is only roughly so.
    return f"""
      SELECT ordinal, 1 - distance FROM ({branches}) nearest ORDER BY distance + 0, ordinal LIMIT %(limit)s
    """  # ty: ignore[invalid-explicit-return]


# A small part of a large knowledge base: all its vectors are compared, found by their ordinals.
def nearest_in_ranges_statement(space: EmbeddingSpace) -> LiteralString:
    """The nearest of the chunks in some ranges of ordinals."""
    return f"""
      SELECT ordinal, 1 - distance FROM unnest(%(firsts)s::int[], %(sizes)s::int[]) AS part(first, size)
      CROSS JOIN LATERAL (
        SELECT ordinal, embedding <=> %(vector)s::halfvec AS distance FROM chunk_embeddings
        WHERE kb_id = %(kb_id)s AND model_id = {int(space.model_id)} AND enabled
          AND ordinal >= part.first AND ordinal < part.first + part.size) near
      ORDER BY distance, ordinal LIMIT %(limit)s
    """  # ty: ignore[invalid-explicit-return]


# A word counts only if it is a stop word in none of the languages: else the few documents of a second
# language would be found by every "the" and "die" of the question, for there these are rare.
WORDS_STATEMENT = f"""
WITH languages AS MATERIALIZED (
  SELECT language FROM kb_word_stats WHERE kb_id = %(kb_id)s AND n_chunks > 0
), asked AS MATERIALIZED (
  SELECT {FOLDED.format("lexeme")} AS lexeme, min(position) AS position FROM (
    SELECT lexeme, position, count(*) OVER (PARTITION BY position) AS n_languages
    FROM languages, unnest(to_tsvector(language::regconfig, %(words)s)) AS word(lexeme, positions, weights),
      unnest(positions) AS position) placed
  WHERE n_languages = (SELECT count(*) FROM languages) GROUP BY 1
), sized AS MATERIALIZED (
  SELECT lexeme, position,
         (SELECT coalesce(sum(octet_length(postings)), 0) FROM chunk_postings p
          WHERE p.kb_id = %(kb_id)s AND p.lexeme = asked.lexeme) AS size
  FROM asked
), fitting AS (
  SELECT lexeme, position FROM (
    SELECT lexeme, position, sum(size) OVER (ORDER BY size, lexeme) AS so_far,
           row_number() OVER (ORDER BY size, lexeme) AS number
    FROM sized) ordered
  WHERE so_far <= {MAX_POSTINGS_BYTES} OR number = 1
)
SELECT lexeme, position,
       (SELECT string_agg(postings, ''::bytea ORDER BY segment_id) FROM chunk_postings p
        WHERE p.kb_id = %(kb_id)s AND p.lexeme = fitting.lexeme)
FROM fitting ORDER BY position, lexeme
"""

# Asked after the nearest chunks: if the space is the same still, it was while they were looked for.
CORPUS_STATEMENT = """
SELECT coalesce(sum(n_chunks), 0)::bigint, coalesce(sum(n_terms), 0)::float8,
       (SELECT array_agg(first_ordinal ORDER BY first_ordinal) FROM word_gaps WHERE kb_id = %(kb_id)s),
       (SELECT array_agg(n_chunks ORDER BY first_ordinal) FROM word_gaps WHERE kb_id = %(kb_id)s),
       (SELECT embedding_model_id FROM knowledge_bases WHERE id = %(kb_id)s),
       (SELECT has_indexed_vectors FROM kb_search WHERE kb_id = %(kb_id)s)
FROM kb_word_stats WHERE kb_id = %(kb_id)s
"""

PHRASE_STATEMENT = f"""
SELECT array_agg(DISTINCT {FOLDED.format("lexeme")})
FROM kb_word_stats, unnest(to_tsvector(language::regconfig, %(phrases)s))
WHERE kb_id = %(kb_id)s AND n_chunks > 0 GROUP BY language
"""

PASSAGES_STATEMENT = """
SELECT c.ordinal, c.id, c.document_id, d.name, d.source, c.position, c.page_first, c.page_last, c.heading,
       c.content, d.version, d.url, k.codes
FROM unnest(%(ordinals)s::int[]) AS wanted(ordinal)
CROSS JOIN LATERAL (  -- OFFSET 0: look up these few, whatever the planner thinks of tables it has no statistics of
  SELECT * FROM chunks WHERE kb_id = %(kb_id)s AND ordinal = wanted.ordinal AND enabled OFFSET 0) c
CROSS JOIN LATERAL (SELECT * FROM documents WHERE kb_id = %(kb_id)s AND id = c.document_id OFFSET 0) d
LEFT JOIN LATERAL (
  SELECT codes FROM chunk_codes WHERE %(with_codes)s AND kb_id = %(kb_id)s AND model_id = %(model_id)s
    AND ordinal = c.ordinal OFFSET 0) k ON true
"""

NEIGHBOURS_STATEMENT = """
SELECT c.ordinal, c.id, c.document_id, '', '', c.position, c.page_first, c.page_last, c.heading, c.content,
       1, '', NULL::bytea
FROM unnest(%(documents)s::bigint[], %(positions)s::int[], %(headings)s::text[])
  AS hit(document_id, position, heading)
CROSS JOIN LATERAL (
  SELECT * FROM chunks WHERE kb_id = %(kb_id)s AND document_id = hit.document_id AND enabled
    AND position BETWEEN hit.position - %(reach)s AND hit.position + %(reach)s AND heading = hit.heading
  OFFSET 0) c
"""

# The beginning of a word is rarely mistyped, and it is what an index can look up.
SIMILAR_STATEMENT = """
SELECT lexeme FROM chunk_postings
WHERE kb_id = %(kb_id)s AND lexeme >= %(prefix)s AND lexeme < %(prefix_end)s
  AND length(lexeme) BETWEEN %(shortest)s AND %(longest)s
GROUP BY lexeme ORDER BY abs(length(lexeme) - %(length)s), lexeme LIMIT 3000
"""

POSTINGS_STATEMENT = """
SELECT wanted.lexeme, string_agg(p.postings, ''::bytea ORDER BY p.segment_id)
FROM unnest(%(lexemes)s::text[]) AS wanted(lexeme)
JOIN chunk_postings p ON p.kb_id = %(kb_id)s AND p.lexeme = wanted.lexeme GROUP BY wanted.lexeme
"""


ENTER_INDEX = f"{ENTER}, set_config('hnsw.ef_search', %(effort)s, true)"


# ---- asking them: `ask` opens the knowledge base for the transaction, what follows in it need not


async def ask(
    session: AsyncSession,
    scope: KbScope,
    space: EmbeddingSpace,
    *,
    vector: NDArray[np.float32] | None,
    words: str,
    phrases: Sequence[str],
    limit: int,
    allowed: Sequence[Range] | None = None,
) -> Asked:
    """Everything both rankings need, in one round trip.

    Args:
        vector: shape `(dimensions,)`, length 1; None leaves the meaning out.
        words: the question as text to be cut into words; empty leaves the words out.
        phrases: what must be found word for word, as text to be cut into words.
        allowed: the only ordinals to search, None for all.
    """
    connection = await driver_connection(session)
    params = {"kb_id": scope.kb_id, "words": words, "phrases": " ".join(phrases), "limit": limit}
    async with connection.pipeline():
        if space.is_indexed:
            await connection.execute(ENTER_INDEX, {"kb_id": scope.kb_id, "effort": str(space.effort)})
        else:
            await connection.execute(ENTER, {"kb_id": scope.kb_id})
        nearest = None if vector is None else await _nearest(connection, space, vector, allowed, params)
        corpus = await connection.execute(CORPUS_STATEMENT, params, binary=True)
        postings = await connection.execute(WORDS_STATEMENT, params, binary=True) if words else None
        phrase = await connection.execute(PHRASE_STATEMENT, params) if phrases else None
    [(*counted, model_id, has_indexed)] = await corpus.fetchall()
    near = np.array(await nearest.fetchall() if nearest else [], np.float64).reshape(-1, 2)
    return Asked(
        near[:, 0].astype(np.int64),
        near[:, 1],
        tuple(
            Term(lexeme, _unpacked(packed), position=position)
            for lexeme, position, packed in (await postings.fetchall() if postings else ())
        ),
        _corpus(*counted),
        is_current=model_id == space.model_id and (space.is_indexed or not has_indexed),
        phrase=tuple(tuple(lexemes) for (lexemes,) in await phrase.fetchall()) if phrase else (),
    )


async def _nearest(
    connection: AsyncConnection[Any],
    space: EmbeddingSpace,
    vector: NDArray[np.float32],
    allowed: Sequence[Range] | None,
    params: dict[str, Any],
) -> Any:
    values = params | {"vector": vector_literal(vector)}
    if allowed is None:
        return await connection.execute(nearest_statement(space, is_filtered=False), values, binary=True)
    if sum(size for _, size in allowed) <= MAX_EXACT:
        ranges = {"firsts": [first for first, _ in allowed], "sizes": [size for _, size in allowed]}
        return await connection.execute(nearest_in_ranges_statement(space), values | ranges, binary=True)
    multirange = Multirange([PostgresRange(first, first + size) for first, size in allowed])
    statement = nearest_statement(space, is_filtered=True)
    return await connection.execute(statement, values | {"allowed": multirange}, binary=True)


async def allowed_ranges(session: AsyncSession, scope: KbScope, filters: Filters) -> list[Range]:
    """The ordinals of the documents that pass the filters."""
    found = await run(
        session,
        sa.text("""
            SELECT o.first_ordinal, o.n_chunks FROM documents d JOIN document_ordinals o
              ON o.kb_id = d.kb_id AND o.document_id = d.id
            WHERE d.kb_id = :kb_id
              AND (cardinality(CAST(:ids AS bigint[])) = 0 OR d.id = ANY (:ids))
              AND (cardinality(CAST(:sources AS text[])) = 0 OR d.source = ANY (:sources))
              AND (cardinality(CAST(:languages AS text[])) = 0 OR d.language = ANY (:languages))
              AND (cardinality(CAST(:tags AS text[])) = 0 OR EXISTS (
                SELECT 1 FROM unnest(d.tags) AS tag WHERE lower(tag) = ANY (:tags)))
              AND (CAST(:added_from AS timestamptz) IS NULL OR d.created_at >= :added_from)
              AND (CAST(:added_before AS timestamptz) IS NULL OR d.created_at < :added_before)
            ORDER BY o.first_ordinal
        """),
        params={
            "kb_id": scope.kb_id,
            "ids": list(filters.document_ids),
            "sources": list(filters.sources),
            "languages": list(filters.languages),
            "tags": [tag.lower() for tag in filters.tags],
            "added_from": filters.added_from,
            "added_before": filters.added_before,
        },
    )
    return [(row.first_ordinal, row.n_chunks) for row in found]


async def chunks(
    session: AsyncSession,
    scope: KbScope,
    space: EmbeddingSpace,
    *,
    ordinals: Sequence[int],
    with_codes: bool,
) -> dict[int, FoundChunk]:
    """Enabled chunks by ordinal; `with_codes` also what the built-in reranker stored for them."""
    params = {
        "kb_id": scope.kb_id,
        "ordinals": list(ordinals),
        "with_codes": with_codes,
        "model_id": space.model_id,
    }
    rows = await _rows(session, scope, PASSAGES_STATEMENT, params)
    return {row[0]: FoundChunk(*row) for row in rows}


async def neighbours(
    session: AsyncSession, scope: KbScope, hits: Sequence[FoundChunk], *, reach: int
) -> list[FoundChunk]:
    """The chunks up to `reach` places around some, in the same section, themselves included."""
    params = {
        "kb_id": scope.kb_id,
        "documents": [hit.document_id for hit in hits],
        "positions": [hit.position for hit in hits],
        "headings": [hit.heading for hit in hits],
        "reach": reach,
    }
    return [FoundChunk(*row) for row in await _rows(session, scope, NEIGHBOURS_STATEMENT, params)]


async def words_like(session: AsyncSession, scope: KbScope, word: str, *, distance: int) -> list[str]:
    """Words of the knowledge base that begin like this one and are about as long."""
    prefix = word[: 1 if len(word) < 5 else 2]
    params = {
        "kb_id": scope.kb_id,
        "prefix": prefix,
        "prefix_end": prefix[:-1] + chr(ord(prefix[-1]) + 1),
        "shortest": max(len(word) // 2, MIN_WORD),  # a slip in an ending keeps a word from its stem
        "longest": len(word) + distance,
        "length": len(word),
    }
    return [lexeme for (lexeme,) in await _rows(session, scope, SIMILAR_STATEMENT, params)]


async def postings_of(
    session: AsyncSession, scope: KbScope, lexemes: Sequence[str]
) -> dict[str, NDArray[np.void]]:
    """The postings of some words, by word."""
    params = {"kb_id": scope.kb_id, "lexemes": list(lexemes)}
    rows = await _rows(session, scope, POSTINGS_STATEMENT, params)
    return {lexeme: _unpacked(packed) for lexeme, packed in rows}


async def _rows(
    session: AsyncSession, scope: KbScope, statement: LiteralString, params: dict[str, Any]
) -> list[Any]:
    """Rows of a statement, in a transaction that the knowledge base was opened for: else there are none."""
    connection = await driver_connection(session)
    found = await connection.execute(statement, params | {"kb_id": scope.kb_id}, binary=True)
    return await found.fetchall()


def _unpacked(packed: bytes | None) -> NDArray[np.void]:
    unpacked: NDArray[np.void] = np.ndarray(len(packed or b"") // POSTING.itemsize, POSTING, packed or b"")
    return unpacked


def _corpus(n_chunks: int, n_terms: float, firsts: list[int] | None, sizes: list[int] | None) -> Corpus:
    gaps = tuple(zip(firsts or (), sizes or (), strict=True))
    return Corpus(n_chunks, n_terms / max(n_chunks, 1), gaps)
