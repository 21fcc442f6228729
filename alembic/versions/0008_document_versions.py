"""Versions of a document's file, the chunk size a document was cut with, and limits of one document.

Existing documents were cut with what is recommended today. Their file is version 1; a row in
`document_versions` is made with the second one.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = """
ALTER TABLE documents
  ADD COLUMN version INTEGER NOT NULL DEFAULT 1,
  ADD COLUMN chunk_tokens INTEGER NOT NULL DEFAULT 384,
  ADD COLUMN overlap_tokens INTEGER NOT NULL DEFAULT 32;
ALTER TABLE document_processing_jobs ADD COLUMN version INTEGER;
CREATE TABLE document_versions (
  document_id BIGINT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number > 0),
  sha256 CHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  size_bytes BIGINT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (document_id, number),
  UNIQUE (document_id, sha256)
);
CREATE INDEX idx_document_versions_sha256 ON document_versions(sha256);
UPDATE subscription_tiers
  SET limits = '{"file_size_bytes": 52428800, "pages_per_document": 1000}'::jsonb || limits
  WHERE name = 'free';
UPDATE subscription_tiers
  SET limits = '{"file_size_bytes": 209715200, "pages_per_document": 5000}'::jsonb || limits
  WHERE name = 'pro';
"""

UNDO = """
UPDATE subscription_tiers SET limits = limits - 'file_size_bytes' - 'pages_per_document';
DROP TABLE document_versions;
ALTER TABLE document_processing_jobs DROP COLUMN version;
ALTER TABLE documents DROP COLUMN version, DROP COLUMN chunk_tokens, DROP COLUMN overlap_tokens;
"""


def upgrade() -> None:
    """Make room for versions."""
    op.execute(SCHEMA)


def downgrade() -> None:
    """Forget all versions but the one in use; the clean-up removes their files."""
    op.execute(UNDO)
