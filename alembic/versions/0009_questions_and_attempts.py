"""Answers that were put into the FAQ, questions nobody could answer, and what was tried with each file.

Revision ID: 0009
Revises: 0006
"""

from alembic import op

revision = "0009"
down_revision = "0006"
branch_labels = None
depends_on = None

# The entry that was made from an answer, or that answers its question since.
ENTRIES_OF_ANSWERS = """
ALTER TABLE messages ADD COLUMN faq_entry_id INTEGER REFERENCES knowledge_base(id) ON DELETE SET NULL;
CREATE INDEX idx_messages_faq_entry ON messages(faq_entry_id) WHERE faq_entry_id IS NOT NULL;
"""

UNDO = """
DROP INDEX idx_messages_faq_entry;
ALTER TABLE messages DROP COLUMN faq_entry_id;
"""


def upgrade() -> None:
    """Add what was not there."""
    op.execute(ENTRIES_OF_ANSWERS)


def downgrade() -> None:
    """Forget it."""
    op.execute(UNDO)
