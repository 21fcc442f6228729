"""Why a knowledge base does not get its other embedding model, in words.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for the sentence; empty where all is well."""
    op.execute("ALTER TABLE knowledge_bases ADD COLUMN embedding_problem TEXT NOT NULL DEFAULT ''")


def downgrade() -> None:
    """Forget it."""
    op.execute("ALTER TABLE knowledge_bases DROP COLUMN embedding_problem")
