"""Conversations: of owners with their own knowledge bases, of visitors through a public link."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from rag_app.api.auth import AnyAsker, MaybeSignedIn, SignedIn, remember_visitor, visitor_token
from rag_app.api.errors import problem
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.paging import Cursor, Limit, before_id, next_cursor
from rag_app.api.schemas import (
    AskBody,
    ConversationOut,
    ConversationWithMessagesOut,
    CreateConversationBody,
    FeedbackBody,
    ListOut,
    MessageOut,
    UpdateConversationBody,
)
from rag_app.api.usage_shapes import ConversationUsageOut
from rag_app.bootstrap import services
from rag_app.domain.conversations import AnswerEvent, Broken, Finished, Message
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.services.askers import Asker

router = APIRouter(prefix="/api/chat", tags=["chat"], route_class=IdempotentRoute)

ConversationId = Annotated[int, Path(ge=1, le=2**31 - 1)]
MessageId = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.post("/conversations", status_code=201)
async def begin(
    body: CreateConversationBody, request: Request, response: Response, sign_in: MaybeSignedIn
) -> ConversationOut:
    """Begin a conversation: with `kb_id` as its owner, with `share_slug` as a visitor."""
    if (body.kb_id is None) == (body.share_slug is None):
        raise InvalidInput("Send either `kb_id` or `share_slug`.")
    conversations = services().conversations
    if body.kb_id is not None:
        if sign_in is None:
            raise NotSignedIn
        return ConversationOut.of(await conversations.begin_preview(body.kb_id, owner_id=sign_in.user.id))
    assert body.share_slug is not None
    await services().sharing.shared(body.share_slug)  # before a cookie is given out
    token = visitor_token(request)
    new_token = None if token else remember_visitor(response)
    conversation = await conversations.begin_visit(body.share_slug, visitor_token=token or new_token or "")
    return ConversationOut.of(conversation, visitor_token=new_token)


@router.get("/conversations")
async def list_conversations(
    sign_in: SignedIn,
    cursor: Cursor = None,
    limit: Limit = 50,
    kb_id: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    status: Literal["active", "closed"] | None = None,
    query: Annotated[str | None, Query(max_length=200)] = None,
    include_previews: bool = False,
) -> ListOut[ConversationOut]:
    """Conversations held with your knowledge bases, newest first."""
    found = await services().conversations.list_of(
        sign_in.user.id,
        kb_id=kb_id,
        status=status,
        query=query,
        include_previews=include_previews,
        before=before_id(cursor),
        limit=limit,
    )
    return ListOut(items=[ConversationOut.of(c) for c in found], next_cursor=next_cursor(found, limit))


@router.get("/conversations/{conversation_id}")
async def read(
    conversation_id: ConversationId, asker: AnyAsker, cursor: Cursor = None, limit: Limit = 200
) -> ConversationWithMessagesOut:
    """A conversation with its newest messages; `cursor` leads to earlier ones."""
    conversation, messages = await services().conversations.read(
        conversation_id, asker=asker, before=before_id(cursor), limit=limit
    )
    base = ConversationOut.of(conversation).model_dump()
    return ConversationWithMessagesOut(
        **base,
        messages=[MessageOut.of(m) for m in messages],
        usage=await _usage(conversation_id, messages, asker),
    )


async def _usage(
    conversation_id: int, messages: Sequence[Message], asker: Asker
) -> ConversationUsageOut | None:
    """What a conversation cost, None for who is not the owner of its knowledge base."""
    if asker.owner_id is None:
        return None
    try:
        found = await services().usage_reports.of_conversation(conversation_id, owner_id=asker.owner_id)
    except NotFound:  # an owner who visits somebody else's chat
        return None
    return ConversationUsageOut.of(found, {str(m.metadata.get("request_id")): m.id for m in messages})


@router.patch("/conversations/{conversation_id}")
async def change(
    conversation_id: ConversationId, body: UpdateConversationBody, sign_in: SignedIn
) -> ConversationOut:
    """Close or reopen a conversation."""
    changed = await services().conversations.set_status(
        conversation_id, owner_id=sign_in.user.id, status=body.status
    )
    return ConversationOut.of(changed)


@router.delete("/conversations/{conversation_id}", status_code=204)
async def delete(conversation_id: ConversationId, sign_in: SignedIn) -> Response:
    """Delete a conversation."""
    await services().conversations.delete(conversation_id, owner_id=sign_in.user.id)
    return Response(status_code=204)


@router.get("/conversations/{conversation_id}/export")
async def export(
    conversation_id: ConversationId, sign_in: SignedIn, kind: Literal["markdown", "json"] = "markdown"
) -> Response:
    """A conversation as a file."""
    name, media_type, text = await services().conversations.export(
        conversation_id, owner_id=sign_in.user.id, kind=kind
    )
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(text, media_type=media_type, headers=headers)


@router.post("/conversations/{conversation_id}/messages", response_model=MessageOut)
async def ask(conversation_id: ConversationId, body: AskBody, request: Request, asker: AnyAsker) -> Response:
    """Ask a question; the answer comes whole, or with `stream` as server-sent events."""
    events = services().chat.answer(body.content, conversation_id=conversation_id, asker=asker)
    return await _respond(events, stream=body.stream or _wants_stream(request))


@router.post("/conversations/{conversation_id}/messages/{message_id}/retry", response_model=MessageOut)
async def ask_again(
    conversation_id: ConversationId, message_id: MessageId, request: Request, asker: AnyAsker
) -> Response:
    """Ask a question of the conversation once more; what came after it goes."""
    events = services().chat.answer_again(conversation_id=conversation_id, message_id=message_id, asker=asker)
    return await _respond(events, stream=_wants_stream(request))


@router.put("/conversations/{conversation_id}/messages/{message_id}/feedback")
async def give_feedback(
    conversation_id: ConversationId, message_id: MessageId, body: FeedbackBody, asker: AnyAsker
) -> MessageOut:
    """Say whether an answer helped: 1, -1, or null to take it back."""
    message = await services().conversations.give_feedback(
        conversation_id, message_id, asker=asker, feedback=body.feedback, reason=body.reason
    )
    return MessageOut.of(message)


@router.get("/conversations/{conversation_id}/messages/{message_id}/citations/{marker}")
async def read_citation(
    conversation_id: ConversationId,
    message_id: MessageId,
    marker: Annotated[int, Path(ge=1, le=1000)],
    asker: AnyAsker,
) -> dict[str, Any]:
    """The passage behind a citation, with what stands around it in its document."""
    passage = await services().sharing.cited_passage(conversation_id, message_id, marker, asker=asker)
    return asdict(passage)


def _wants_stream(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


async def _respond(events: AsyncGenerator[AnswerEvent], *, stream: bool) -> Response:
    # The first event is awaited here, so that a refusal is answered as one and not inside a stream.
    first = await anext(events)
    if stream:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_sse(first, events), media_type="text/event-stream", headers=headers)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Finished):
                message = MessageOut.of(event.message)
                return JSONResponse(message.model_dump(mode="json"))
            if isinstance(event, Broken):
                message_id = event.message.id if event.message else None
                return problem(502, event.reason, message_id=message_id)
    return problem(502, "The answer broke off before it was complete.")


async def _sse(first: AnswerEvent, events: AsyncGenerator[AnswerEvent]) -> AsyncIterator[str]:
    """Server-sent events, one per event of the answer; the generator is closed when the reader goes."""
    async with aclosing(events):
        yield _event(first)
        async for event in events:
            yield _event(event)


def _event(event: AnswerEvent) -> str:
    if isinstance(event, Finished):
        data: Any = MessageOut.of(event.message).model_dump(mode="json")
    elif isinstance(event, Broken):
        message = MessageOut.of(event.message).model_dump(mode="json") if event.message else None
        data = {"reason": event.reason, "message": message}
    else:
        data = asdict(event)
    return f"event: {type(event).__name__.lower()}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
