"""Documents as rows, and how far a batch of them is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rag_app.domain.knowledge_bases import BatchProgress, Document, Facets, Job, KnowledgeBase
from rag_app.domain.sizes import size
from rag_app.rag.parsers.contract import SUPPORTED
from rag_app.ui import routes
from rag_app.ui.wording import ago, counted, listed, remaining

ACCEPT = ",".join(f".{extension}" for extension in [*SUPPORTED, "zip"])

# What can be chosen to see only some documents; the values are those of the service.
FILTERS = [
    ("", "All"),
    ("working", "Being read"),
    ("ready", "Ready"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
]

_OPEN_JOB = {"pending", "processing"}
_ENDED_BADLY = {"failed", "cancelled"}


@dataclass(frozen=True)
class DocumentRow:
    """One document of the list."""

    id: int
    job_id: int
    name: str
    href: str
    original_href: str
    state: str
    tone: str
    detail: str
    problem: str
    percent: int
    is_working: bool
    is_ready: bool
    can_retry: bool
    facts: str
    added: str
    tags: list[str]


@dataclass(frozen=True)
class Summary:
    """The knowledge base the list belongs to."""

    kb_id: int = 0
    name: str = ""
    text: str = ""
    n_documents: int = 0
    n_ready: int = 0
    n_failed: int = 0
    is_public: bool = False
    upload_url: str = ""
    names_url: str = ""
    chat_href: str = ""


@dataclass(frozen=True)
class Batch:
    """All files that are being read together; `announced` changes seldom enough to be read out."""

    is_open: bool = False
    percent: int = 0
    text: str = ""
    announced: str = ""


@dataclass(frozen=True)
class Listing:
    """One look at a knowledge base: a page of its documents and how far the files are."""

    summary: Summary
    batch: Batch
    rows: list[DocumentRow]
    has_older: bool

    @property
    def is_working(self) -> bool:
        """Whether anything will have changed in a second."""
        return self.batch.is_open or any(row.is_working for row in self.rows)


def rows(found: Iterable[Document], *, now: datetime | None = None) -> list[DocumentRow]:
    """Show documents."""
    return [row(document, now=now) for document in found]


def row(document: Document, *, now: datetime | None = None) -> DocumentRow:
    """Say in words how far a document is, why it failed, and what can be done."""
    job = document.job
    is_working = job is not None and job.status in _OPEN_JOB
    state, tone, detail = _working(document, job) if is_working and job else _at_rest(document)
    return DocumentRow(
        id=document.id,
        job_id=job.id if job else 0,
        name=document.name,
        href=routes.document(document.id, kb_id=document.kb_id),
        original_href=routes.original(document.id, kb_id=document.kb_id),
        state=state,
        tone=tone,
        detail=detail,
        problem="" if is_working else _problem(document),
        percent=job.progress_percentage if is_working and job else 0,
        is_working=is_working,
        is_ready=document.ready_at is not None,
        can_retry=job is not None and job.status in _ENDED_BADLY,
        facts=listed(
            [
                size(document.size_bytes),
                counted(document.n_pages, "page") if document.n_pages else "",
                f"version {document.version}" if document.version > 1 else "",
            ]
        ),
        added=ago(document.created_at, now=now),
        tags=list(document.tags),
    )


def tag_options(facets: Facets) -> list[tuple[str, str]]:
    """What can be chosen to see only documents with a tag; nothing while there are none."""
    return [("", "All tags"), *((tag, tag) for tag, _ in facets.tags)] if facets.tags else []


def summary(kb: KnowledgeBase) -> Summary:
    """Say how full a knowledge base is."""
    parts = [
        counted(kb.n_documents, "document"),
        # Entries of the FAQ are ready, too, but no documents.
        f"{kb.n_ready:,} ready" if not kb.n_entries and kb.n_ready < kb.n_documents else "",
        f"{kb.n_working:,} being read" if kb.n_working else "",
        f"{kb.n_failed:,} failed" if kb.n_failed else "",
    ]
    return Summary(
        kb_id=kb.id,
        name=kb.name,
        text=listed(parts) if kb.n_documents else "",
        n_documents=kb.n_documents,
        n_ready=kb.n_ready,
        n_failed=kb.n_failed,
        is_public=kb.is_public,
        upload_url=routes.upload(kb.id),
        names_url=routes.names(kb.id),
        chat_href=routes.chat(kb.id),
    )


def batch(progress: BatchProgress) -> Batch:
    """Say how far the files are that are read together."""
    if progress.total == 0:
        return Batch()
    done = f"{progress.done:,} of {counted(progress.total, 'file')} done"
    failed = f"{progress.failed:,} failed" if progress.failed else ""
    return Batch(
        is_open=True,
        percent=progress.percentage,
        text=listed([done, failed, remaining(progress.remaining_s)]),
        announced=f"Reading your files: about {progress.percentage // 25 * 25} percent done",
    )


def finished(before: Batch, after: Summary) -> str:
    """What to say when the last file of a batch is done; nothing if there was none."""
    if not before.is_open:
        return ""
    if after.n_failed:
        failed = counted(after.n_failed, "file")
        return f"Reading is done. This knowledge base has {failed} that could not be read; the list says why."
    return "All files are ready to be asked."


def hint(max_bytes: int) -> str:
    """What may be uploaded."""
    kinds = "PDF, Word, PowerPoint, Excel, OpenDocument, web pages, mails, text, CSV, JSON, e-books"
    return f"{kinds}; up to {size(max_bytes)} each. A ZIP or a folder of them, too."


def _working(document: Document, job: Job) -> tuple[str, str, str]:
    again = "Ready before; being read again" if document.ready_at is not None else ""
    if job.status == "pending":
        if job.started_at is not None:  # it had begun, and was put back
            return "Waiting", "warn", "It will be tried again by itself"
        return "Received", "neutral", again or "Waiting for its turn"
    if job.stage == "embedding":
        share = (
            f"{job.chunks_processed:,} of {counted(job.chunks_total, 'chunk')}" if job.chunks_total else ""
        )
        return "Embedding", "accent", listed([share, again])
    return "Parsing", "accent", again or "Reading its text"


def _at_rest(document: Document) -> tuple[str, str, str]:
    if document.status == "ready":
        chunks = counted(document.n_chunks, "chunk")
        return (
            "Ready",
            "success",
            listed([chunks, "text recognised in pictures" if document.used_ocr else ""]),
        )
    if document.status == "failed":
        return "Failed", "danger", ""
    if document.status == "cancelled":
        return "Cancelled", "neutral", "Not read, and not used in answers"
    return "Received", "neutral", "Waiting for its turn"


def _problem(document: Document) -> str:
    reason = document.error_message or (document.job.error_message if document.job else None) or ""
    if document.status == "failed":
        return reason or "It could not be read. Try again, or upload it in another format."
    version = document.job.version if document.job else None
    if reason and version is not None and version != document.version:
        return f"Version {version} could not be read; version {document.version} is still used. {reason}"
    if reason:
        return f"Reading it again failed; the earlier text is still used. {reason}"
    return ""
