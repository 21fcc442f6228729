"""FAQ entries: a question with its answer, searched through the chunks of a document of its own.

Words are indexed anew by the worker, because codes that are written apart are codes now.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = """
ALTER TABLE knowledge_base
  ADD COLUMN document_id BIGINT UNIQUE REFERENCES documents(id) ON DELETE CASCADE,
  ADD COLUMN question_key BYTEA;
DELETE FROM knowledge_base WHERE document_id IS NULL;
ALTER TABLE knowledge_base
  ALTER COLUMN document_id SET NOT NULL,
  ALTER COLUMN question_key SET NOT NULL;
CREATE UNIQUE INDEX idx_knowledge_base_question ON knowledge_base(kb_id, question_key);
CREATE INDEX idx_documents_source ON documents(kb_id, source, id DESC);
UPDATE kb_search SET needs_words = true;
"""

UNDO = """
DROP INDEX idx_documents_source;
DROP INDEX idx_knowledge_base_question;
ALTER TABLE knowledge_base DROP COLUMN document_id, DROP COLUMN question_key;
"""


def upgrade() -> None:
    """Tie entries to documents; before this no entry could be made."""
    op.execute(SCHEMA)


def downgrade() -> None:
    """Leave entries as they were in the plan; their documents stay and can be deleted."""
    op.execute(UNDO)
