"""What a model would read."""

from fastapi import APIRouter

from rag_app.api.auth import SignedIn
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.schemas import PromptPreviewBody, PromptPreviewOut
from rag_app.bootstrap import services

router = APIRouter(prefix="/api/knowledge-bases", tags=["knowledge bases"], route_class=IdempotentRoute)


@router.post("/{kb_id}/prompt-preview")
async def preview(kb_id: KbId, body: PromptPreviewBody, sign_in: SignedIn) -> PromptPreviewOut:
    """The finished prompt for a question; the model is not asked."""
    found = await services().prompt_previews.preview(
        kb_id,
        body.question,
        owner_id=sign_in.user.id,
        changes=body.changes.changes() if body.changes else None,
    )
    return PromptPreviewOut.of(found)
