"""Knowledge bases and their public links."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from rag_app.api.auth import SignedIn
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.paging import Cursor, Limit, before_id, next_cursor
from rag_app.api.schemas import (
    CreateKnowledgeBaseBody,
    CreateShareLinkBody,
    KnowledgeBaseOut,
    ListOut,
    ShareLinkOut,
    UpdateKnowledgeBaseBody,
)
from rag_app.bootstrap import services
from rag_app.domain.knowledge_bases import KnowledgeBase, ShareLink
from rag_app.errors import NotFound

router = APIRouter(prefix="/api/knowledge-bases", tags=["knowledge bases"], route_class=IdempotentRoute)

KbId = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.post("", status_code=201)
async def create(body: CreateKnowledgeBaseBody, sign_in: SignedIn) -> KnowledgeBaseOut:
    """Make a knowledge base."""
    created = await services().knowledge_bases.create(
        owner_id=sign_in.user.id,
        name=body.name,
        description=body.description or "",
        llm_provider=body.llm_provider,
        llm_model=body.llm_model,
    )
    return shown(created)


@router.get("")
async def list_all(sign_in: SignedIn, cursor: Cursor = None, limit: Limit = 50) -> ListOut[KnowledgeBaseOut]:
    """Your knowledge bases, newest first."""
    found = await services().knowledge_bases.list_of(sign_in.user.id, before=before_id(cursor), limit=limit)
    return ListOut(items=[shown(kb) for kb in found], next_cursor=next_cursor(found, limit))


@router.get("/me")
async def list_mine(sign_in: SignedIn, cursor: Cursor = None, limit: Limit = 50) -> ListOut[KnowledgeBaseOut]:
    """The same under the name older clients know."""
    return await list_all(sign_in, cursor, limit)


@router.get("/providers")
async def providers(sign_in: SignedIn) -> list[dict[str, Any]]:
    """Who can answer here, with their models; the first is the default."""
    return [
        {
            "name": provider.name,
            "label": provider.label,
            "is_available": provider.is_available,
            "models": [{"id": model.id, "label": model.label} for model in provider.models],
        }
        for provider in await services().knowledge_bases.providers(owner_id=sign_in.user.id)
    ]


@router.get("/{kb_id}")
async def get(kb_id: KbId, sign_in: SignedIn) -> KnowledgeBaseOut:
    """One knowledge base."""
    return shown(await services().knowledge_bases.get(kb_id, owner_id=sign_in.user.id))


@router.put("/{kb_id}")
async def update(kb_id: KbId, body: UpdateKnowledgeBaseBody, sign_in: SignedIn) -> KnowledgeBaseOut:
    """Change what is sent, leave the rest."""
    changed = await services().knowledge_bases.update(kb_id, owner_id=sign_in.user.id, changes=body.changes())
    return shown(changed)


@router.delete("/{kb_id}", status_code=204)
async def delete(kb_id: KbId, sign_in: SignedIn) -> Response:
    """Delete a knowledge base with everything in it."""
    await services().knowledge_bases.delete(kb_id, owner_id=sign_in.user.id)
    return Response(status_code=204)


@router.get("/{kb_id}/share-links")
async def list_links(kb_id: KbId, sign_in: SignedIn) -> ListOut[ShareLinkOut]:
    """The public link, if there is one."""
    link = await services().sharing.link(kb_id, owner_id=sign_in.user.id)
    return ListOut(items=[] if link is None else [_link(link)])


@router.post("/{kb_id}/share-links", status_code=201)
async def share(kb_id: KbId, sign_in: SignedIn, body: CreateShareLinkBody | None = None) -> ShareLinkOut:
    """Make the knowledge base public under a new address; the old one dies at once."""
    renew = True if body is None else body.renew
    return _link(await services().sharing.share(kb_id, owner_id=sign_in.user.id, renew=renew))


@router.delete("/{kb_id}/share-links", status_code=204)
async def unshare(kb_id: KbId, sign_in: SignedIn) -> Response:
    """Make the knowledge base private again."""
    await services().sharing.unshare(kb_id, owner_id=sign_in.user.id)
    return Response(status_code=204)


@router.get("/{kb_id}/share-links/qr-code")
async def qr_code(kb_id: KbId, sign_in: SignedIn) -> Response:
    """The public address as an SVG picture."""
    link = await services().sharing.link(kb_id, owner_id=sign_in.user.id)
    if link is None:
        raise NotFound("public link")
    return Response(services().sharing.qr_code(link.slug), media_type="image/svg+xml")


def shown(kb: KnowledgeBase) -> KnowledgeBaseOut:
    """A knowledge base as clients see it."""
    return KnowledgeBaseOut.of(kb, share_url=services().sharing.url(kb.share_slug) if kb.share_slug else None)


def _link(link: ShareLink) -> ShareLinkOut:
    return ShareLinkOut.of(link, url=services().sharing.url(link.slug))
