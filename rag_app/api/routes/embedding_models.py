"""Which embedding model a knowledge base is searched with, and the way to another one."""

from fastapi import APIRouter

from rag_app.api.auth import SignedIn
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.schemas import EmbeddingModelBody, EmbeddingModelOut
from rag_app.bootstrap import services

router = APIRouter(
    prefix="/api/knowledge-bases/{kb_id}/embedding-model", tags=["retrieval"], route_class=IdempotentRoute
)


@router.get("")
async def get(kb_id: KbId, sign_in: SignedIn) -> EmbeddingModelOut:
    """The model in use, what could be used, and how far a switch is."""
    found = await services().embedding_switches.get(kb_id, owner_id=sign_in.user.id)
    return EmbeddingModelOut.of(found)


@router.put("", status_code=202)
async def switch(kb_id: KbId, body: EmbeddingModelBody, sign_in: SignedIn) -> EmbeddingModelOut:
    """Embed everything anew in the background; the old model serves until the new one is complete."""
    begun = await services().embedding_switches.begin(kb_id, owner_id=sign_in.user.id, model=body.model)
    return EmbeddingModelOut.of(begun)


@router.delete("")
async def cancel(kb_id: KbId, sign_in: SignedIn) -> EmbeddingModelOut:
    """Stop a switch that is under way; the model in use stays."""
    stopped = await services().embedding_switches.cancel(kb_id, owner_id=sign_in.user.id)
    return EmbeddingModelOut.of(stopped)
