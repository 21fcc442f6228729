"""What one chat may use, and who may use it how."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from rag_app.domain.documents import MARKDOWN
from rag_app.domain.models import ModelChoice
from rag_app.domain.rag_config import RagConfig


@dataclass(frozen=True)
class KbScope:
    """Proof that a caller may use a knowledge base; only `db/queries/access.py` makes one.

    Every query of what a knowledge base holds takes it, so that none can be asked without the check.
    """

    kb_id: int
    owner_id: int


@dataclass(frozen=True)
class KnowledgeBase:
    """A knowledge base with its answering settings and how full it is."""

    id: int
    owner_id: int
    name: str
    description: str
    llm_provider: str
    llm_model: str
    system_prompt: str | None
    temperature: float
    max_tokens: int
    is_public: bool
    share_slug: str | None
    is_active: bool
    embedding_model: str
    embedding_model_id: int  # what its vectors are stored under
    created_at: datetime
    updated_at: datetime
    n_documents: int = 0
    n_entries: int = 0  # of its FAQ
    n_ready: int = 0
    n_failed: int = 0
    n_working: int = 0
    n_chunks: int = 0
    n_conversations: int = 0
    rag_config: RagConfig = field(default_factory=RagConfig)
    has_indexed_vectors: bool = False  # large enough for the approximate index
    n_ordinals: int = 0  # numbers given to chunks so far, those of deleted ones included
    llm_fallbacks: tuple[ModelChoice, ...] = ()  # who answers where the model cannot, in this order
    monthly_budget_usd: float | None = None
    embedding_dimensions: int = 384
    answer_language: str = ""  # of every answer; empty: as the question's


@dataclass(frozen=True)
class Document:
    """One file of a knowledge base and how far it has come."""

    id: int
    kb_id: int
    name: str
    source: str
    media_type: str
    size_bytes: int
    sha256: str
    status: str
    error_message: str | None
    n_pages: int
    n_chunks: int
    n_tokens: int
    language: str
    used_ocr: bool
    created_at: datetime
    ready_at: datetime | None
    job: "Job | None" = None
    tags: tuple[str, ...] = ()
    version: int = 1  # of its file; the others: domain/document_versions.py
    source_id: int | None = None  # the website or mailbox it comes from
    url: str = ""  # where a person finds it
    modified_at: datetime | None = None  # when it was written, where that is known

    @property
    def file_name(self) -> str:
        """A name that tells how to read it: what our own sources wrote is Markdown whatever its title."""
        is_named = self.name.lower().endswith((".md", ".markdown"))
        return f"{self.name}.md" if self.media_type == MARKDOWN and not is_named else self.name


@dataclass(frozen=True)
class Facets:
    """What the ready documents of a knowledge base can be told apart by, each with how many have it.

    Most frequent first; tags are the same whatever their case, shown as most documents write them.
    """

    sources: tuple[tuple[str, int], ...] = ()
    tags: tuple[tuple[str, int], ...] = ()
    languages: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Job:
    """One ingestion of one document, as its owner sees it."""

    id: int
    kb_id: int
    document_id: int | None
    file_name: str
    file_size_bytes: int
    file_type: str
    status: str
    stage: str
    progress_percentage: int
    chunks_total: int
    chunks_processed: int
    attempt: int
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    version: int | None = None  # the one that is read, where that is not the document's own


@dataclass(frozen=True)
class StoredChunk:
    """A chunk as its owner may read, edit or switch off."""

    id: int
    document_id: int
    position: int
    content: str
    heading: str
    page_first: int | None
    page_last: int | None
    char_start: int
    char_end: int
    n_tokens: int
    enabled: bool
    edited: bool


@dataclass(frozen=True)
class StoredPage:
    """The extracted text of one page."""

    position: int
    number: int | None
    text: str


@dataclass(frozen=True)
class PagePart:
    """A piece of a page's text, small enough to be shown; `part` counts from 0 within its page."""

    position: int
    number: int | None
    part: int
    text: str


@dataclass(frozen=True)
class ShareLink:
    """The public address of a knowledge base; `slug` is random, 128 bits."""

    id: int
    kb_id: int
    slug: str
    is_active: bool
    created_at: datetime


JobEventKind = Literal[
    "queued", "asked_again", "begun", "resumed", "handed_back", "waits", "failed", "completed", "cancelled"
]


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job; `retry_in_s` says when it is tried again by itself."""

    job_id: int
    attempt: int
    kind: JobEventKind
    reason: str
    retry_in_s: int | None
    at: datetime


@dataclass(frozen=True)
class BatchProgress:
    """How far all waiting and running files of a knowledge base are; `remaining_s` None when unknown."""

    total: int = 0
    done: int = 0
    failed: int = 0
    percentage: int = 0
    remaining_s: int | None = None
    failed_files: tuple[str, ...] = field(default_factory=tuple)
