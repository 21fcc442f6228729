"""Answers that were put into the FAQ, questions nobody could answer, and what was tried with each file.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The entry that was made from an answer, or that answers its question since.
ENTRIES_OF_ANSWERS = """
ALTER TABLE messages ADD COLUMN faq_entry_id INTEGER REFERENCES knowledge_base(id) ON DELETE SET NULL;
CREATE INDEX idx_messages_faq_entry ON messages(faq_entry_id) WHERE faq_entry_id IS NOT NULL;
"""

# Questions whose answer says no, cites nothing, or got a thumb down; those of the last weeks to begin with.
# `outcome` is what became of the question (`rag/refusals.py`), `vector` its 16-bit floats by `embedder`.
UNANSWERED = """
CREATE TABLE unanswered_questions (
  message_id INTEGER PRIMARY KEY REFERENCES messages(id) ON DELETE CASCADE,
  kb_id INTEGER NOT NULL REFERENCES knowledge_bases(id) ON DELETE CASCADE,
  question TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('answered', 'refused', 'uncited')),
  embedder TEXT,
  vector BYTEA,
  asked_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  dismissed_at TIMESTAMPTZ
);
CREATE INDEX idx_unanswered_questions_newest ON unanswered_questions(kb_id, asked_at DESC, message_id DESC);
CREATE INDEX idx_unanswered_questions_waiting ON unanswered_questions(message_id DESC) WHERE vector IS NULL;
CREATE INDEX idx_unanswered_questions_asked_at ON unanswered_questions(asked_at);
INSERT INTO unanswered_questions (message_id, kb_id, question, outcome, asked_at)
SELECT m.id, c.kb_id, left(q.content, 1000),
  CASE WHEN m.citations <> '[]'::jsonb THEN 'answered' WHEN m.metadata->>'answerable' = 'false' THEN 'refused'
    ELSE 'uncited' END, m.created_at
FROM messages m JOIN conversations c ON c.id = m.conversation_id JOIN LATERAL (
  SELECT content FROM messages WHERE conversation_id = m.conversation_id AND id < m.id AND sender = 'user'
  ORDER BY id DESC LIMIT 1) q ON true
WHERE m.sender = 'assistant' AND m.status = 'complete' AND m.created_at > now() - interval '90 days'
AND (m.citations = '[]'::jsonb OR m.feedback < 0);
"""

# What became of each attempt at a file, for people: `retry_in_s` says when the next one comes by itself.
EVENTS = """
CREATE TABLE job_events (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id INTEGER NOT NULL REFERENCES document_processing_jobs(id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('queued', 'asked_again', 'begun', 'resumed', 'handed_back', 'waits',
    'failed', 'completed', 'cancelled')),
  reason TEXT NOT NULL DEFAULT '',
  retry_in_s INTEGER,
  at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idx_job_events_job ON job_events(job_id, id DESC);
CREATE INDEX idx_job_events_at ON job_events(at);
"""

UNDO = """
DROP TABLE job_events;
DROP TABLE unanswered_questions;
DROP INDEX idx_messages_faq_entry;
ALTER TABLE messages DROP COLUMN faq_entry_id;
"""


def upgrade() -> None:
    """Add what was not there."""
    op.execute(ENTRIES_OF_ANSWERS)
    op.execute(UNANSWERED)
    op.execute(EVENTS)


def downgrade() -> None:
    """Forget it."""
    op.execute(UNDO)
