"""What must be true of an installation after every fault, once its work has come to an end."""

from pathlib import Path

import psycopg

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
    "words of chunks that are not there": """
        SELECT DISTINCT p.document_id || ' ' || p.lexeme FROM chunk_postings p, unnest(p.chunk_ids) AS u(id)
        LEFT JOIN chunks c ON c.id = u.id AND c.enabled
        WHERE c.id IS NULL OR c.document_id <> p.document_id OR c.kb_id <> p.kb_id""",
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
    "term counts that do not add up": """
        SELECT s.document_id::text FROM document_word_stats s LEFT JOIN chunk_postings p USING (document_id)
        LEFT JOIN LATERAL unnest(p.frequencies) AS f(tf) ON true
        GROUP BY s.document_id, s.n_terms HAVING s.n_terms <> coalesce(sum(f.tf), 0)""",
    "embeddings kept for nothing": "SELECT document_id::text FROM pending_embeddings",
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


def stray_files(dsn: str, folder: Path, temporary: Path) -> list[str]:
    """Files that belong to no document, documents whose file is missing, and what else was left."""
    stored = {path.name for path in (folder / "files").glob("??/??/*")}
    with psycopg.connect(dsn, autocommit=True) as connection:
        needed = {row[0] for row in connection.execute("SELECT sha256 FROM documents").fetchall()}
    found = [f"no document has {name}" for name in stored - needed]
    found += [f"missing: {name}" for name in needed - stored]
    found += [f"left over: {path.name}" for path in (folder / "files" / "incoming").glob("*")]
    found += [f"left over: {path.name}" for path in temporary.glob("*")]
    return found
