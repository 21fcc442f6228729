"""What must be true of an installation after every fault, once its work has come to an end."""

from pathlib import Path

import psycopg

# The postings that count: packed as 4 bytes of ordinal, 2 of frequency, 2 of length (domain/word_index.py).
_LIVING = """
    SELECT p.kb_id, p.lexeme, number.ordinal, get_byte(postings, at + 4) * 256 + get_byte(postings, at + 5)
      AS frequency
    FROM chunk_postings p, generate_series(0, octet_length(postings) - 8, 8) AS at,
      LATERAL (SELECT get_byte(postings, at) * 16777216 + get_byte(postings, at + 1) * 65536
        + get_byte(postings, at + 2) * 256 + get_byte(postings, at + 3) AS ordinal) number
    WHERE NOT EXISTS (SELECT 1 FROM word_gaps g WHERE g.kb_id = p.kb_id
      AND number.ordinal >= g.first_ordinal AND number.ordinal < g.first_ordinal + g.n_chunks)
"""

# Each statement finds what should not be, as one text a row.
_RULES = {
    "documents that have not come to an end": """
        SELECT name || ' is ' || status FROM documents
        WHERE status NOT IN ('ready', 'failed', 'cancelled')""",
    "failures without a reason": """
        SELECT name FROM documents WHERE status = 'failed' AND coalesce(error_message, '') = ''""",
    "jobs that have not come to an end": """
        SELECT file_name || ' is ' || status FROM document_processing_jobs
        WHERE status IN ('pending', 'processing')""",
    "more than one open or completed job": """
        SELECT document_id::text FROM document_processing_jobs WHERE status <> 'cancelled'
        GROUP BY document_id HAVING count(*) > 1""",
    "chunks not counted on their document": """
        SELECT d.name || ' says ' || d.n_chunks || ' and has ' || count(c.id) FROM documents d
        LEFT JOIN chunks c ON c.kb_id = d.kb_id AND c.document_id = d.id
        GROUP BY d.id HAVING d.n_chunks <> count(c.id)""",
    "ready documents without chunks": """
        SELECT name FROM documents WHERE status = 'ready' AND n_chunks = 0""",
    "chunks of documents that are not ready": """
        SELECT DISTINCT d.name FROM chunks c JOIN documents d ON d.id = c.document_id
        WHERE d.ready_at IS NULL""",
    "chunks twice": """
        SELECT document_id || '/' || position FROM chunks
        GROUP BY document_id, position HAVING count(*) > 1""",
    "chunks without a document": """
        SELECT DISTINCT c.document_id::text FROM chunks c
        LEFT JOIN documents d ON d.id = c.document_id AND d.kb_id = c.kb_id WHERE d.id IS NULL""",
    "words of chunks that are not there": f"""
        SELECT DISTINCT l.kb_id || ' ' || l.lexeme || ' ' || l.ordinal FROM ({_LIVING}) l
        LEFT JOIN chunks c ON c.kb_id = l.kb_id AND c.ordinal = l.ordinal AND c.enabled WHERE c.id IS NULL""",
    "postings twice": f"""
        SELECT kb_id || ' ' || lexeme || ' ' || ordinal FROM ({_LIVING}) l
        GROUP BY kb_id, lexeme, ordinal HAVING count(*) > 1""",
    "chunks outside their document's ordinals": """
        SELECT c.id::text FROM chunks c LEFT JOIN document_ordinals o ON o.kb_id = c.kb_id
          AND o.document_id = c.document_id AND c.ordinal >= o.first_ordinal
          AND c.ordinal < o.first_ordinal + o.n_chunks
        WHERE o.kb_id IS NULL""",
    "chunks without a vector": """
        SELECT c.id::text FROM chunks c JOIN knowledge_bases kb ON kb.id = c.kb_id
        LEFT JOIN chunk_embeddings e ON e.kb_id = c.kb_id AND e.ordinal = c.ordinal
          AND e.model_id = kb.embedding_model_id AND e.enabled = c.enabled
        WHERE e.kb_id IS NULL""",
    "vectors without a chunk": """
        SELECT e.kb_id || '/' || e.ordinal FROM chunk_embeddings e
        LEFT JOIN chunks c ON c.kb_id = e.kb_id AND c.ordinal = e.ordinal WHERE c.id IS NULL
        UNION ALL SELECT k.kb_id || '/' || k.ordinal FROM chunk_codes k
        LEFT JOIN chunks c ON c.kb_id = k.kb_id AND c.ordinal = k.ordinal WHERE c.id IS NULL""",
    "chunks that no word leads to": """
        SELECT d.name || ' has ' || s.n_chunks || ' chunks with words, not ' || count(c.id)
        FROM documents d JOIN document_word_stats s ON s.document_id = d.id
        JOIN chunks c ON c.kb_id = d.kb_id AND c.document_id = d.id AND c.enabled
        GROUP BY d.id, s.n_chunks HAVING s.n_chunks <> count(c.id)
        UNION ALL
        SELECT d.name FROM documents d LEFT JOIN document_word_stats s ON s.document_id = d.id
        WHERE d.status = 'ready' AND s.document_id IS NULL""",
    "word statistics that do not add up": """
        SELECT coalesce(k.kb_id, s.kb_id) || ' ' || coalesce(k.language, s.language) FROM (
          SELECT kb_id, language, n_chunks, n_terms FROM kb_word_stats WHERE n_chunks <> 0 OR n_terms <> 0) k
        FULL JOIN (
          SELECT kb_id, language, sum(n_chunks) AS n_chunks, sum(n_terms) AS n_terms
          FROM document_word_stats WHERE n_chunks <> 0 OR n_terms <> 0 GROUP BY kb_id, language) s
        USING (kb_id, language)
        WHERE (k.n_chunks, k.n_terms) IS DISTINCT FROM (s.n_chunks, s.n_terms)""",
    "term counts that do not add up": f"""
        SELECT coalesce(s.kb_id, l.kb_id)::text FROM
          (SELECT kb_id, sum(n_terms) AS n FROM kb_word_stats GROUP BY kb_id) s
        FULL JOIN (SELECT kb_id, sum(frequency) AS n FROM ({_LIVING}) l GROUP BY kb_id) l USING (kb_id)
        WHERE coalesce(s.n, 0) <> coalesce(l.n, 0)""",
    "embeddings kept for nothing": "SELECT document_id::text FROM pending_embeddings",
    "items of sources without what was kept of them": """
        SELECT key FROM source_items i WHERE status = 'kept' AND NOT EXISTS (
          SELECT 1 FROM documents d WHERE d.id = i.document_id AND d.sha256 = i.sha256)""",
    "documents of sources that no item has": """
        SELECT name FROM documents d WHERE source_id IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM source_items i WHERE i.document_id = d.id)""",
    "runs that have not come to an end": """
        SELECT id || ' is ' || status FROM source_runs WHERE status IN ('waiting', 'running')""",
    "ingestions left in the queue": """
        SELECT args::text || ' is ' || status FROM procrastinate_jobs WHERE task_name = 'ingest_document'""",
}


def violations(dsn: str) -> list[str]:
    """What is wrong in the database; an empty list when nothing is."""
    found: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        for rule, statement in _RULES.items():
            rows = connection.execute(statement.encode()).fetchall()
            found += [f"{rule}: {row[0]}" for row in rows]
    return found


_NEEDED = "SELECT sha256 FROM documents UNION SELECT sha256 FROM document_versions"


def stray_files(dsn: str, folder: Path, temporary: Path) -> list[str]:
    """Files that belong to no document, documents whose file is missing, and what else was left."""
    stored = {path.name for path in (folder / "files").glob("??/??/*")}
    with psycopg.connect(dsn, autocommit=True) as connection:
        needed = {row[0] for row in connection.execute(_NEEDED).fetchall()}
    found = [f"no document has {name}" for name in stored - needed]
    found += [f"missing: {name}" for name in needed - stored]
    found += [f"left over: {path.name}" for path in (folder / "files" / "incoming").glob("*")]
    found += [f"left over: {path.name}" for path in temporary.glob("*")]
    return found
