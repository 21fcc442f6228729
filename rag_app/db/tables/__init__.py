"""Rows as Python sees them; what the database enforces is in alembic/versions."""

from rag_app.db.tables.accounts import SignInRow, UserRow
from rag_app.db.tables.conversations import ConversationRow, EndUserRow, MessageRow
from rag_app.db.tables.documents import DocumentPageRow, DocumentRow, JobRow
from rag_app.db.tables.knowledge_bases import EmbeddingModelRow, KnowledgeBaseRow, ShareLinkRow

__all__ = [
    "ConversationRow",
    "DocumentPageRow",
    "DocumentRow",
    "EmbeddingModelRow",
    "EndUserRow",
    "JobRow",
    "KnowledgeBaseRow",
    "MessageRow",
    "ShareLinkRow",
    "SignInRow",
    "UserRow",
]
