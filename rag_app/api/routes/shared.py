"""What a stranger with a public link may ask for."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from rag_app.api.auth import remember_visitor, visitor_token
from rag_app.api.schemas import ConversationOut, ListOut, VisitorBody
from rag_app.bootstrap import services

router = APIRouter(prefix="/api/shared/{slug}", tags=["shared chats"])

Slug = Annotated[str, Path(min_length=22, max_length=64, pattern="^[A-Za-z0-9_-]+$")]


@router.get("")
async def get(slug: Slug) -> dict[str, str]:
    """Name and description of a shared knowledge base."""
    shared = await services().sharing.shared(slug)
    return {"name": shared.name, "description": shared.description}


@router.get("/conversations")
async def list_mine(slug: Slug, request: Request) -> ListOut[ConversationOut]:
    """Your own conversations in this browser, newest first."""
    token = visitor_token(request)
    await services().sharing.shared(slug)
    found = [] if token is None else await services().conversations.of_visitor(slug, visitor_token=token)
    return ListOut(items=[ConversationOut.of(c) for c in found])


@router.put("/visitor")
async def introduce(slug: Slug, body: VisitorBody, request: Request, response: Response) -> dict[str, str]:
    """Leave a name and an e-mail address, or take them back by leaving them empty."""
    await services().sharing.shared(slug)
    token = visitor_token(request) or remember_visitor(response)
    visitor = await services().conversations.introduce(
        slug, visitor_token=token, name=body.name, email=body.email
    )
    return {"name": visitor.name or "", "email": visitor.email or ""}
