"""Knowledge bases and their public links."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from rag_app.db.tables.columns import LLM_PROVIDER, created_now, moment
from rag_app.domain.rag_config import RagConfig

RECOMMENDED = RagConfig()


class KnowledgeBaseRow(SQLModel, table=True):
    """What one chat may use."""

    __tablename__ = "knowledge_bases"

    id: int | None = Field(default=None, primary_key=True)
    user_id: int
    name: str
    description: str | None = None
    avatar_url: str | None = None
    llm_provider: str = Field(default="local", sa_type=LLM_PROVIDER)  # pyright: ignore
    llm_model: str = "extractive-1"
    system_prompt: str | None = None
    temperature: Decimal = Decimal("0.7")
    max_tokens: int = 1000
    semantic_search_threshold: Decimal = Decimal(str(RECOMMENDED.semantic_search_threshold))
    semantic_search_max_results: int = RECOMMENDED.semantic_search_max_results
    rag_config: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    is_public: bool = False
    share_url: str | None = None
    is_active: bool = True
    embedding_model_id: int = 1
    llm_fallbacks: list[dict[str, str]] = Field(default_factory=list, sa_type=JSONB)
    monthly_budget_usd: Decimal | None = None
    answer_language: str = ""
    created_at: datetime = created_now()
    updated_at: datetime = created_now()


class EmbeddingModelRow(SQLModel, table=True):
    """An embedding model that chunks may carry vectors of."""

    __tablename__ = "embedding_models"

    id: int = Field(primary_key=True)
    name: str
    dimensions: int


class ShareLinkRow(SQLModel, table=True):
    """A public address; an ended one is kept so that it is never given out again."""

    __tablename__ = "share_links"

    id: int | None = Field(default=None, primary_key=True)
    kb_id: int
    slug: str
    is_active: bool = True
    created_at: datetime = created_now()
    ended_at: datetime | None = moment()
