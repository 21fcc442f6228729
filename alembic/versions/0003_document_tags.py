"""Tags of documents.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let documents have tags."""
    op.execute("ALTER TABLE documents ADD COLUMN tags TEXT[] NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    """Take the tags away."""
    op.execute("ALTER TABLE documents DROP COLUMN tags")
