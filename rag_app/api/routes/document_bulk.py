"""The same done to many documents of a knowledge base, and what was tried with one of them."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from rag_app.api.auth import SignedIn
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.routes.documents import DocumentId
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.schemas import ListOut
from rag_app.bootstrap import services
from rag_app.domain.bulk import BulkAction, BulkResult
from rag_app.domain.knowledge_bases import JobEvent
from rag_app.services.document_bulk import MAX_AT_ONCE

router = APIRouter(
    prefix="/api/knowledge-bases/{kb_id}/documents", tags=["documents"], route_class=IdempotentRoute
)


class BulkBody(BaseModel):
    """What to do to which documents."""

    model_config = ConfigDict(extra="forbid")

    action: BulkAction
    ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(min_length=1, max_length=MAX_AT_ONCE)
    tags: list[str] = Field([], max_length=100, description="For `add_tags` and `remove_tags`.")


class SkippedOut(BaseModel):
    id: int
    name: str
    reason: str


class BulkOut(BaseModel):
    n_done: int
    skipped: list[SkippedOut] = Field(
        description="What was left as it is, such as a file being read already."
    )

    @classmethod
    def of(cls, result: BulkResult) -> Self:
        return cls(n_done=result.n_done, skipped=[SkippedOut(**asdict(one)) for one in result.skipped])


class AttemptEventOut(BaseModel):
    job_id: int
    attempt: int = Field(description="Counted for each job; raised by stopping it, too.")
    kind: str = Field(
        description="`queued`, `asked_again`, `begun`, `resumed` (a worker died), `handed_back` (one was "
        "stopped), `waits`, `failed`, `completed` or `cancelled`."
    )
    reason: str
    retry_in_s: int | None
    at: datetime

    @classmethod
    def of(cls, event: JobEvent) -> Self:
        return cls(**asdict(event))


@router.post("/bulk")
async def bulk(kb_id: KbId, body: BulkBody, sign_in: SignedIn) -> BulkOut:
    """Delete documents, read them again, try failed ones again, add or take tags.

    All must be in this knowledge base, else nothing is done.
    """
    result = await services().document_bulk.do(
        kb_id, body.action, body.ids, owner_id=sign_in.user.id, tags=body.tags
    )
    return BulkOut.of(result)


@router.get("/{document_id}/attempts")
async def attempts(kb_id: KbId, document_id: DocumentId, sign_in: SignedIn) -> ListOut[AttemptEventOut]:
    """What was tried with a document and what came of it, newest first, at most 100."""
    found = await services().documents.attempts(kb_id, document_id, owner_id=sign_in.user.id)
    return ListOut(items=[AttemptEventOut.of(one) for one in found], next_cursor=None)
