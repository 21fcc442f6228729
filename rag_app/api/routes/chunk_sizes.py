"""How the documents of a knowledge base are cut."""

from fastapi import APIRouter, Query

from rag_app.api.auth import SignedIn
from rag_app.api.chunk_schemas import ChunkPreviewBody, ChunkPreviewOut, ChunkSettingsOut, ReingestAllOut
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.bootstrap import services

router = APIRouter(prefix="/api/knowledge-bases/{kb_id}", tags=["documents"], route_class=IdempotentRoute)


@router.get("/chunk-settings")
async def chunk_settings(kb_id: KbId, sign_in: SignedIn) -> ChunkSettingsOut:
    """How documents are cut, and how many still have chunks of another size. Set it with `rag-config`."""
    found = await services().chunk_previews.settings(kb_id, owner_id=sign_in.user.id)
    return ChunkSettingsOut.of(found)


@router.post("/chunk-preview")
async def chunk_preview(kb_id: KbId, body: ChunkPreviewBody, sign_in: SignedIn) -> ChunkPreviewOut:
    """A document's chunks as they are set and as they would be; nothing is changed."""
    changes = body.model_dump(include={"chunk_tokens", "overlap_tokens"}, exclude_none=True)
    found = await services().chunk_previews.preview(
        kb_id, body.document_id, owner_id=sign_in.user.id, changes=changes
    )
    return ChunkPreviewOut.of(found)


@router.post("/documents/reingest", status_code=202)
async def reingest_all(
    kb_id: KbId,
    sign_in: SignedIn,
    every: bool = Query(False, description="Also those whose chunks have the size that is set."),
) -> ReingestAllOut:
    """Read documents again whose chunks have another size; the old chunks serve meanwhile."""
    n_queued = await services().documents.reingest_all(
        kb_id, owner_id=sign_in.user.id, only_cut_otherwise=not every
    )
    return ReingestAllOut(n_queued=n_queued)
