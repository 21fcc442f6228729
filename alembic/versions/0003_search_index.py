"""Vectors in a table of their own, words in segments, and a wall between knowledge bases.

Every chunk has a number within its knowledge base, its ordinal, by which both rankings know it
(docs/decisions/0009-search-in-two-round-trips.md). Words are indexed anew by the worker after this revision.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

N_PARTITIONS = 16
WALLED = ("chunks", "chunk_embeddings", "chunk_codes", "chunk_postings")

TABLES = """
ALTER TABLE documents ADD COLUMN tags TEXT[] NOT NULL DEFAULT '{}';
ALTER TABLE pending_embeddings ADD COLUMN codes BYTEA;
ALTER TABLE knowledge_bases
  ALTER COLUMN semantic_search_threshold SET DEFAULT 0,
  ALTER COLUMN semantic_search_max_results SET DEFAULT 8,
  ADD COLUMN next_embedding_model_id SMALLINT REFERENCES embedding_models(id);
UPDATE knowledge_bases SET semantic_search_threshold = 0, semantic_search_max_results = 8;

CREATE TABLE kb_search (
  kb_id INTEGER PRIMARY KEY REFERENCES knowledge_bases(id) ON DELETE CASCADE,
  next_ordinal INTEGER NOT NULL DEFAULT 0,
  has_indexed_vectors BOOLEAN NOT NULL DEFAULT false,
  needs_words BOOLEAN NOT NULL DEFAULT false
);
CREATE TABLE document_ordinals (
  kb_id INTEGER NOT NULL REFERENCES knowledge_bases(id) ON DELETE CASCADE,
  first_ordinal INTEGER NOT NULL,
  n_chunks INTEGER NOT NULL,
  document_id BIGINT NOT NULL,
  PRIMARY KEY (kb_id, first_ordinal)
);
CREATE INDEX idx_document_ordinals_document_id ON document_ordinals(document_id);
CREATE TABLE word_gaps (
  kb_id INTEGER NOT NULL REFERENCES knowledge_bases(id) ON DELETE CASCADE,
  first_ordinal INTEGER NOT NULL,
  n_chunks INTEGER NOT NULL,
  PRIMARY KEY (kb_id, first_ordinal)
);
CREATE SEQUENCE word_segments_id_seq;
CREATE TABLE word_segments (
  kb_id INTEGER NOT NULL REFERENCES knowledge_bases(id) ON DELETE CASCADE,
  id BIGINT NOT NULL,
  n_chunks INTEGER NOT NULL,
  PRIMARY KEY (kb_id, id)
);
CREATE TABLE chunk_embeddings (
  kb_id INTEGER NOT NULL,
  model_id SMALLINT NOT NULL,
  ordinal INTEGER NOT NULL,
  enabled BOOLEAN NOT NULL DEFAULT true,
  indexed BOOLEAN NOT NULL DEFAULT false,
  embedding halfvec NOT NULL,
  PRIMARY KEY (kb_id, model_id, ordinal)
) PARTITION BY HASH (kb_id);
CREATE TABLE chunk_codes (
  kb_id INTEGER NOT NULL,
  model_id SMALLINT NOT NULL,
  ordinal INTEGER NOT NULL,
  codes BYTEA NOT NULL,
  PRIMARY KEY (kb_id, model_id, ordinal)
);
ALTER TABLE chunk_codes ALTER COLUMN codes SET STORAGE EXTERNAL;
"""

POSTINGS = """
DROP TABLE chunk_postings;
CREATE TABLE chunk_postings (
  kb_id INTEGER NOT NULL,
  lexeme TEXT COLLATE "C" NOT NULL,
  segment_id BIGINT NOT NULL,
  postings BYTEA NOT NULL,
  PRIMARY KEY (kb_id, lexeme, segment_id)
);
ALTER TABLE chunk_postings ALTER COLUMN postings SET STORAGE EXTERNAL;
CREATE INDEX idx_chunk_postings_segment_id ON chunk_postings(segment_id);
"""

MOVE_CHUNKS = """
ALTER TABLE chunks ADD COLUMN ordinal INTEGER;
UPDATE chunks c SET ordinal = numbered.ordinal FROM (
  SELECT kb_id, id, row_number() OVER (PARTITION BY kb_id ORDER BY document_id, position) - 1 AS ordinal
  FROM chunks) numbered
WHERE c.kb_id = numbered.kb_id AND c.id = numbered.id;
INSERT INTO chunk_embeddings (kb_id, model_id, ordinal, enabled, embedding)
  SELECT kb_id, model_id, ordinal, enabled, embedding FROM chunks;
INSERT INTO document_ordinals (kb_id, first_ordinal, n_chunks, document_id)
  SELECT kb_id, min(ordinal), count(*), document_id FROM chunks GROUP BY kb_id, document_id;
INSERT INTO kb_search (kb_id, next_ordinal, needs_words)
  SELECT kb_id, max(ordinal) + 1, true FROM chunks GROUP BY kb_id;
DELETE FROM kb_word_stats;
DELETE FROM document_word_stats;
-- Its rows go with the words, and whoever indexes words must not wait for whoever holds a document.
ALTER TABLE document_word_stats DROP CONSTRAINT document_word_stats_document_id_fkey,
  ADD FOREIGN KEY (kb_id) REFERENCES knowledge_bases(id) ON DELETE CASCADE;
DROP INDEX idx_chunks_embedding_m1;
DROP INDEX idx_chunks_embedding_m2;
ALTER TABLE chunks DROP COLUMN embedding, DROP COLUMN model_id, ALTER COLUMN ordinal SET NOT NULL;
CREATE UNIQUE INDEX idx_chunks_ordinal ON chunks(kb_id, ordinal);
CREATE INDEX idx_chunks_content_hash ON chunks(kb_id, content_hash);
CREATE INDEX idx_chunk_embeddings_exact ON chunk_embeddings(kb_id, model_id) WHERE NOT indexed;
"""

# As the policy's subqueries do not look at the row, they are asked once for each query and cost nothing.
# rag.all_kbs is for who maintains the database, as with `PGOPTIONS='-c rag.all_kbs=on' pg_dump`.
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY one_knowledge_base ON {table} USING (
  kb_id = (SELECT nullif(current_setting('rag.kb_id', true), '')::integer)
  OR (SELECT current_setting('rag.all_kbs', true) = 'on'));
"""

MOVE_BACK = """
ALTER TABLE chunks ADD COLUMN model_id SMALLINT, ADD COLUMN embedding halfvec;
UPDATE chunks c SET model_id = e.model_id, embedding = e.embedding
  FROM chunk_embeddings e, knowledge_bases kb
  WHERE e.kb_id = c.kb_id AND e.ordinal = c.ordinal AND kb.id = c.kb_id
    AND e.model_id = kb.embedding_model_id;
DELETE FROM chunks WHERE embedding IS NULL;
DROP INDEX idx_chunks_ordinal;
DROP INDEX idx_chunks_content_hash;
ALTER TABLE chunks DROP COLUMN ordinal, ALTER COLUMN model_id SET NOT NULL,
  ALTER COLUMN embedding SET NOT NULL;
DROP TABLE chunk_postings;
CREATE TABLE chunk_postings (
  kb_id INTEGER NOT NULL,
  lexeme TEXT COLLATE "C" NOT NULL,
  document_id BIGINT NOT NULL,
  chunk_ids BIGINT[] NOT NULL,
  frequencies SMALLINT[] NOT NULL,
  lengths SMALLINT[] NOT NULL,
  PRIMARY KEY (kb_id, lexeme, document_id)
) PARTITION BY HASH (kb_id);
"""

# What the word search of revision 0002 holds for the enabled chunks.
WORDS_BACK = """
DELETE FROM kb_word_stats;
DELETE FROM document_word_stats;
CREATE TEMPORARY TABLE counted ON COMMIT DROP AS
  SELECT c.kb_id, c.document_id, c.id, d.language, lexeme, least(cardinality(positions), 32767) AS tf
  FROM chunks c JOIN documents d ON d.id = c.document_id,
    unnest(to_tsvector(d.language::regconfig, c.heading || E'\\n' || c.content))
      AS word(lexeme, positions, weights)
  WHERE c.enabled;
CREATE TEMPORARY TABLE sized ON COMMIT DROP AS
  SELECT id, least(sum(tf), 32767) AS length FROM counted GROUP BY id;
INSERT INTO chunk_postings (kb_id, lexeme, document_id, chunk_ids, frequencies, lengths)
  SELECT kb_id, lexeme, document_id, array_agg(id ORDER BY id), array_agg(tf::smallint ORDER BY id),
    array_agg(length::smallint ORDER BY id)
  FROM counted JOIN sized USING (id) GROUP BY kb_id, lexeme, document_id;
INSERT INTO document_word_stats (document_id, kb_id, language, n_chunks, n_terms)
  SELECT c.document_id, c.kb_id, d.language, count(*), coalesce(sum(length), 0)
  FROM chunks c JOIN documents d ON d.id = c.document_id LEFT JOIN sized s ON s.id = c.id
  WHERE c.enabled GROUP BY c.document_id, c.kb_id, d.language;
INSERT INTO kb_word_stats (kb_id, language, n_chunks, n_terms)
  SELECT kb_id, language, sum(n_chunks), sum(n_terms) FROM document_word_stats GROUP BY kb_id, language;
CREATE INDEX idx_chunk_postings_document_id ON chunk_postings(document_id);
ALTER TABLE document_word_stats DROP CONSTRAINT document_word_stats_kb_id_fkey,
  ADD FOREIGN KEY (document_id) REFERENCES documents(id) ON DELETE CASCADE;
DROP TABLE chunk_embeddings, chunk_codes, word_segments, word_gaps, document_ordinals, kb_search;
DROP SEQUENCE word_segments_id_seq;
ALTER TABLE knowledge_bases DROP COLUMN next_embedding_model_id,
  ALTER COLUMN semantic_search_threshold SET DEFAULT 0.80,
  ALTER COLUMN semantic_search_max_results SET DEFAULT 3;
ALTER TABLE documents DROP COLUMN tags;
ALTER TABLE pending_embeddings DROP COLUMN codes;
"""


def upgrade() -> None:
    """Move vectors out of the chunks, forget the words, and put up the wall."""
    op.execute(TABLES)
    for number in range(N_PARTITIONS):
        op.execute(f"""
            CREATE TABLE chunk_embeddings_p{number:02} PARTITION OF chunk_embeddings
              FOR VALUES WITH (MODULUS {N_PARTITIONS}, REMAINDER {number});
            ALTER TABLE chunk_embeddings_p{number:02} ALTER COLUMN embedding SET STORAGE PLAIN;
            ALTER TABLE chunk_embeddings_p{number:02} SET (autovacuum_vacuum_scale_factor = 0.05);
        """)
    op.execute(MOVE_CHUNKS)
    op.execute(POSTINGS)
    op.execute("ALTER TABLE chunk_postings SET (autovacuum_vacuum_scale_factor = 0.05)")
    for model_id, dimensions in ((1, 384), (2, 384)):
        op.execute(f"""
            CREATE INDEX idx_chunk_embeddings_m{model_id} ON chunk_embeddings
              USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops)
              WITH (m = 16, ef_construction = 64) WHERE model_id = {model_id} AND indexed AND enabled
        """)
    for table in WALLED:
        op.execute(WALL.format(table=table))


def downgrade() -> None:
    """Put the vectors back into the chunks and index their words as before."""
    for table in WALLED:
        op.execute(f"DROP POLICY one_knowledge_base ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(MOVE_BACK)
    for number in range(N_PARTITIONS):
        op.execute(f"""
            ALTER TABLE chunks_p{number:02} ALTER COLUMN embedding SET STORAGE PLAIN;
            CREATE TABLE chunk_postings_p{number:02} PARTITION OF chunk_postings
              FOR VALUES WITH (MODULUS {N_PARTITIONS}, REMAINDER {number});
        """)
    op.execute(WORDS_BACK)
    for model_id, dimensions in ((1, 384), (2, 384)):
        op.execute(f"""
            CREATE INDEX idx_chunks_embedding_m{model_id} ON chunks
              USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops)
              WITH (m = 16, ef_construction = 64) WHERE model_id = {model_id}
        """)
