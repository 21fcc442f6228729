"""Documents, their pages and the jobs that read them."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from rag_app.db.tables.columns import DOCUMENT_STATUS, JOB_STATUS, created_now, moment


class DocumentRow(SQLModel, table=True):
    """One file; its bytes are in the store under `sha256`."""

    __tablename__ = "documents"

    id: int | None = Field(default=None, primary_key=True)
    kb_id: int
    source: str = "document"
    name: str
    media_type: str = ""
    size_bytes: int = 0
    sha256: str
    status: str = Field(default="received", sa_type=DOCUMENT_STATUS)  # pyright: ignore
    error_message: str | None = None
    language: str = "simple"
    used_ocr: bool = False
    n_pages: int = 0
    n_chunks: int = 0
    n_tokens: int = 0
    created_at: datetime = created_now()
    ready_at: datetime | None = moment()
    tags: list[str] = Field(default_factory=list, sa_type=ARRAY(sa.Text))  # pyright: ignore
    version: int = 1
    chunk_tokens: int = 384
    overlap_tokens: int = 32
    source_id: int | None = None
    url: str = ""
    modified_at: datetime | None = moment()


class DocumentPageRow(SQLModel, table=True):
    """The extracted text of one page."""

    __tablename__ = "document_pages"

    document_id: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    number: int | None = None
    text: str


class JobRow(SQLModel, table=True):
    """One ingestion; `attempt` fences off a worker that was given up."""

    __tablename__ = "document_processing_jobs"

    id: int | None = Field(default=None, primary_key=True)
    kb_id: int
    document_id: int | None = None
    file_name: str
    file_path: str | None = None
    file_size_bytes: int = 0
    file_type: str = ""
    version: int | None = None
    status: str = Field(default="pending", sa_type=JOB_STATUS)  # pyright: ignore
    stage: str = "received"
    progress_percentage: int = 0
    chunks_total: int = 0
    chunks_processed: int = 0
    attempt: int = 0
    error_message: str | None = None
    started_at: datetime | None = moment()
    completed_at: datetime | None = moment()
    created_at: datetime = created_now()
    updated_at: datetime = created_now()
