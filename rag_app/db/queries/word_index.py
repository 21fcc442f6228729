"""The word index: postings of each word, kept so that they are read in one piece.

    document ── words ── a segment: one row per word ──┐
    eight segments of like size ───────────────────────┴─ one segment, as search engines do it

A row holds a word's postings in one segment as packed numbers (`rag/bm25.py`). Segments are never
changed: what is deleted or switched off becomes a gap, and enough gaps make the worker index the
knowledge base's words anew.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run, take_time
from rag_app.domain.knowledge_bases import KbScope

WORDS_LOCK = 0x5261  # any number that nobody else locks
MERGE_FROM = 8  # segments of like size
MAX_SEGMENT = 8_192  # chunks; larger ones would take too long to merge while a document waits
# Gaps cost space and a little time; renewing the index costs a tenth of a millisecond for each chunk.
MIN_GAPS = 2_000
MAX_GAP_SHARE = 0.5

# Accents make no difference: "cafe" finds "café". After stemming, for stemmers need them.
_WITH_ACCENT = "àáâãäåāăąçćčďèéêëēėęěìíîïīįłñńňòóôõöøōőřśšşșťţțùúûüūůűųýÿžźżß"
_WITHOUT = "aaaaaaaaacccdeeeeeeeeiiiiiilnnnoooooooorssssttt" + "uuuuuuuuyyzzzs"
FOLDED = f"translate({{}}, '{_WITH_ACCENT}', '{_WITHOUT}')"

_COUNTED = f"""
WITH words AS MATERIALIZED (
    SELECT t.ordinal, to_tsvector(CAST(:language AS regconfig), t.text) AS vector
    FROM unnest(CAST(:ordinals AS integer[]), CAST(:texts AS text[])) AS t(ordinal, text)
  ), counted AS MATERIALIZED (
    SELECT ordinal, {FOLDED.format("lexeme")} AS lexeme, least(sum(cardinality(positions)), 32767) AS tf
    FROM words, unnest(vector) GROUP BY 1, 2
  ), sized AS MATERIALIZED (
    SELECT ordinal, least(sum(tf), 32767) AS length FROM counted GROUP BY ordinal
  ), added AS (
    SELECT :sign * count(*) AS n_chunks, :sign * coalesce(sum(length), 0) AS n_terms
    FROM words LEFT JOIN sized USING (ordinal)
  ), of_document AS (
    INSERT INTO document_word_stats AS s (document_id, kb_id, language, n_chunks, n_terms)
    SELECT :document_id, :kb_id, :language, n_chunks, n_terms FROM added
    ON CONFLICT (document_id) DO UPDATE SET
      n_chunks = s.n_chunks + excluded.n_chunks, n_terms = s.n_terms + excluded.n_terms
  ), of_kb AS (
    INSERT INTO kb_word_stats AS s (kb_id, language, n_chunks, n_terms)
    SELECT :kb_id, :language, n_chunks, n_terms FROM added
    ON CONFLICT (kb_id, language) DO UPDATE SET
      n_chunks = s.n_chunks + excluded.n_chunks, n_terms = s.n_terms + excluded.n_terms
  )
"""
_ADD = f"""
{_COUNTED}, segment AS (
  INSERT INTO word_segments (kb_id, id, n_chunks)
  SELECT :kb_id, nextval('word_segments_id_seq'), count(*) FROM sized HAVING count(*) > 0 RETURNING id
)
INSERT INTO chunk_postings (kb_id, lexeme, segment_id, postings)
SELECT :kb_id, lexeme, segment.id,
       string_agg(int4send(ordinal) || int2send(tf::smallint) || int2send(length::smallint), '' ORDER BY ordinal)
FROM counted JOIN sized USING (ordinal) CROSS JOIN segment GROUP BY lexeme, segment.id
"""
_REMOVE = f"""
{_COUNTED}
INSERT INTO word_gaps (kb_id, first_ordinal, n_chunks) SELECT :kb_id, ordinal, 1 FROM words ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class ChunkWords:
    """A chunk by its ordinal, with the text its words are taken from (`rag/words.py`)."""

    ordinal: int
    text: str


async def lock(session: AsyncSession, scope: KbScope) -> None:
    """Let one transaction at a time change what a knowledge base is found by: no lost count, no deadlock."""
    await run(
        session,
        sa.text("SELECT pg_advisory_xact_lock(:space, :kb_id)"),
        params={"space": WORDS_LOCK, "kb_id": scope.kb_id},
    )


async def take_ordinals(session: AsyncSession, scope: KbScope, *, document_id: int, n: int) -> int:
    """Give a document's chunks their numbers; returns the first. The index must be locked."""
    await run(
        session,
        sa.text("""
            INSERT INTO kb_search (kb_id) VALUES (:kb_id) ON CONFLICT (kb_id) DO NOTHING
        """),
        params={"kb_id": scope.kb_id},
    )
    taken = await run(
        session,
        sa.text("""
            WITH taken AS (
              UPDATE kb_search SET next_ordinal = next_ordinal + :n WHERE kb_id = :kb_id
              RETURNING next_ordinal - :n AS first_ordinal
            )
            INSERT INTO document_ordinals (kb_id, first_ordinal, n_chunks, document_id)
            SELECT :kb_id, first_ordinal, :n, :document_id FROM taken RETURNING first_ordinal
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id, "n": n},
    )
    return taken.scalar_one()


async def add(
    session: AsyncSession, scope: KbScope, *, document_id: int, language: str, chunks: Sequence[ChunkWords]
) -> None:
    """Let chunks of a document be found by their words. The index must be locked."""
    about = {"kb_id": scope.kb_id, "document_id": document_id, "language": language, "sign": 1}
    await run(session, sa.text(_ADD), params=about | _columns(chunks))
    await _merge(session, scope)


async def remove(
    session: AsyncSession, scope: KbScope, *, document_id: int, language: str, chunks: Sequence[ChunkWords]
) -> None:
    """Let some chunks of a document be found no more. The index must be locked."""
    about = {"kb_id": scope.kb_id, "document_id": document_id, "language": language, "sign": -1}
    await run(session, sa.text(_REMOVE), params=about | _columns(chunks))


async def forget(session: AsyncSession, scope: KbScope, *, document_id: int) -> None:
    """Take all of a document's ordinals out of the index; locks it."""
    await lock(session, scope)
    params = {"kb_id": scope.kb_id, "document_id": document_id}
    await run(
        session,
        sa.text("""
            WITH gone AS (
              DELETE FROM document_ordinals WHERE kb_id = :kb_id AND document_id = :document_id RETURNING *
            ), known AS (
              DELETE FROM word_gaps g USING gone WHERE g.kb_id = gone.kb_id
              AND g.first_ordinal BETWEEN gone.first_ordinal + 1 AND gone.first_ordinal + gone.n_chunks - 1
            )
            INSERT INTO word_gaps (kb_id, first_ordinal, n_chunks)
            SELECT kb_id, first_ordinal, n_chunks FROM gone
            ON CONFLICT (kb_id, first_ordinal) DO UPDATE SET n_chunks = excluded.n_chunks
        """),
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


async def clear(session: AsyncSession, scope: KbScope) -> None:
    """Forget every word, to index them anew in the same transaction; ordinals stay. Locks the index."""
    await take_time(session)
    await lock(session, scope)
    for statement in (
        "DELETE FROM chunk_postings WHERE kb_id = :kb_id",
        "DELETE FROM word_segments WHERE kb_id = :kb_id",
        "DELETE FROM word_gaps WHERE kb_id = :kb_id",
        "DELETE FROM document_word_stats WHERE kb_id = :kb_id",
        "DELETE FROM kb_word_stats WHERE kb_id = :kb_id",
        "UPDATE kb_search SET needs_words = false WHERE kb_id = :kb_id",
    ):
        await run(session, sa.text(statement), params={"kb_id": scope.kb_id})


async def stale(session: AsyncSession) -> list[int]:
    """Ids of knowledge bases whose words should be indexed anew; asked by the worker only."""
    found = await run(
        session,
        sa.text("""
            SELECT s.kb_id FROM kb_search s
            LEFT JOIN LATERAL (SELECT sum(n_chunks) AS n FROM word_gaps WHERE kb_id = s.kb_id) gaps ON true
            LEFT JOIN LATERAL (SELECT sum(n_chunks) AS n FROM kb_word_stats WHERE kb_id = s.kb_id) live ON true
            WHERE s.needs_words
               OR gaps.n > greatest(:min_gaps, CAST(:max_share AS float8) * coalesce(live.n, 0))
            ORDER BY s.kb_id
        """),
        params={"min_gaps": MIN_GAPS, "max_share": MAX_GAP_SHARE},
    )
    return [row.kb_id for row in found]


def _columns(chunks: Sequence[ChunkWords]) -> dict[str, list[int] | list[str]]:
    return {"ordinals": [chunk.ordinal for chunk in chunks], "texts": [chunk.text for chunk in chunks]}


async def _merge(session: AsyncSession, scope: KbScope) -> None:
    """Make one segment of eight of like size, as long as there are eight."""
    while ids := await _like_sized(session, scope):
        await run(
            session,
            sa.text("""
                WITH old AS (
                  DELETE FROM word_segments WHERE kb_id = :kb_id AND id = ANY (:ids) RETURNING n_chunks
                ), segment AS (
                  INSERT INTO word_segments (kb_id, id, n_chunks)
                  SELECT :kb_id, nextval('word_segments_id_seq'), sum(n_chunks) FROM old RETURNING id
                ), postings AS (
                  DELETE FROM chunk_postings WHERE kb_id = :kb_id AND segment_id = ANY (:ids)
                  RETURNING lexeme, segment_id, postings
                )
                INSERT INTO chunk_postings (kb_id, lexeme, segment_id, postings)
                SELECT :kb_id, p.lexeme, segment.id, string_agg(p.postings, '' ORDER BY p.segment_id)
                FROM postings p CROSS JOIN segment GROUP BY p.lexeme, segment.id
            """),
            params={"kb_id": scope.kb_id, "ids": ids},
        )


async def _like_sized(session: AsyncSession, scope: KbScope) -> list[int]:
    """Segments that should become one; empty when all is well."""
    found = await run(
        session,
        sa.text(
            "SELECT id, n_chunks FROM word_segments WHERE kb_id = :kb_id AND n_chunks < :most ORDER BY id"
        ),
        params={"kb_id": scope.kb_id, "most": MAX_SEGMENT},
    )
    by_size: dict[int, list[int]] = {}
    for row in found:
        by_size.setdefault(int(math.log(row.n_chunks, MERGE_FROM)), []).append(row.id)
    return next((ids for ids in by_size.values() if len(ids) >= MERGE_FROM), [])
