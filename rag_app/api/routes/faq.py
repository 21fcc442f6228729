"""FAQ entries of a knowledge base: pairs of a question and its curated answer."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse

from rag_app.api.auth import SignedIn
from rag_app.api.faq_schemas import (
    MAX_SELECTED,
    ChangeFaqEntryBody,
    FaqBulkBody,
    FaqBulkOut,
    FaqEntryBody,
    FaqEntryOut,
    FaqImportOut,
)
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.paging import Cursor, Limit, before_id, next_cursor
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.schemas import ListOut
from rag_app.api.uploads import incoming_files
from rag_app.bootstrap import services
from rag_app.errors import InvalidInput
from rag_app.services.faq import MAX_IMPORT_BYTES

router = APIRouter(prefix="/api/knowledge-bases/{kb_id}/knowledge", tags=["faq"], route_class=IdempotentRoute)

EntryId = Annotated[int, Path(ge=1, le=2**31 - 1)]
EntryStatus = Literal["ready", "failed", "working"]
Column = Annotated[int | None, Query(ge=0, le=1000)]

IMPORT_DOCS = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {"files": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.post("", status_code=201)
async def add(kb_id: KbId, body: FaqEntryBody, sign_in: SignedIn) -> FaqEntryOut:
    """Add an entry; it is found when its status is `ready`, a moment later."""
    entry = await services().faq.add(
        kb_id,
        owner_id=sign_in.user.id,
        question=body.question,
        answer=body.answer,
        tags=body.tags,
        message_ids=body.message_ids,
    )
    return FaqEntryOut.of(entry)


@router.get("")
async def list_entries(
    kb_id: KbId,
    sign_in: SignedIn,
    cursor: Cursor = None,
    limit: Limit = 50,
    q: Annotated[str | None, Query(max_length=200, description="Part of the question or the answer.")] = None,
    status: EntryStatus | None = None,
) -> ListOut[FaqEntryOut]:
    """Entries, newest first."""
    found = await services().faq.list_of(
        kb_id,
        owner_id=sign_in.user.id,
        before=before_id(cursor),
        limit=limit,
        text=q.replace("\x00", "") if q else None,
        status=status,
    )
    return ListOut(items=[FaqEntryOut.of(one) for one in found], next_cursor=next_cursor(found, limit))


@router.post("/import", openapi_extra=IMPORT_DOCS)
async def take_file(
    kb_id: KbId,
    request: Request,
    sign_in: SignedIn,
    preview: Annotated[bool, Query(description="Only say what would come of it.")] = False,
    replace: Annotated[
        bool, Query(description="Give questions that are there already their new answers.")
    ] = False,
    question_column: Column = None,
    answer_column: Column = None,
) -> FaqImportOut:
    """Take the pairs of a CSV file or spreadsheet in; columns are found by their names or given from 0."""
    faq = services().faq
    await faq.count(kb_id, owner_id=sign_in.user.id)  # before a byte is read
    found: tuple[str, bytes] | None = None
    async for file in incoming_files(request, max_files=1, max_total_bytes=MAX_IMPORT_BYTES + 2**20):
        found = file.name, await _content(file.blocks)
    if found is None:
        raise InvalidInput("There is no file in this request. Send it in the field “files”.")
    result = await faq.take_file(
        kb_id,
        owner_id=sign_in.user.id,
        file_name=found[0],
        content=found[1],
        question_column=question_column,
        answer_column=answer_column,
        replace=replace,
        preview=preview,
    )
    return FaqImportOut.of(result)


async def _content(blocks: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    async for block in blocks:
        content += block
        if len(content) > MAX_IMPORT_BYTES:
            raise InvalidInput(f"Please import at most {MAX_IMPORT_BYTES // 2**20} MB at once.")
    return bytes(content)


@router.get("/export", response_class=StreamingResponse)
async def export(
    kb_id: KbId,
    sign_in: SignedIn,
    ids: Annotated[
        list[int] | None, Query(max_length=MAX_SELECTED, description="These entries only; repeated.")
    ] = None,
) -> StreamingResponse:
    """All entries, or some, as CSV, which can be imported again."""
    faq = services().faq
    await faq.check(kb_id, ids or [], owner_id=sign_in.user.id)  # before the answer begins
    headers = {"Content-Disposition": "attachment; filename=faq.csv", "Cache-Control": "private, no-store"}
    return StreamingResponse(
        faq.export(kb_id, owner_id=sign_in.user.id, only=ids),
        media_type="text/csv; charset=utf-8",
        headers=headers,
    )


@router.post("/bulk")
async def bulk(kb_id: KbId, body: FaqBulkBody, sign_in: SignedIn) -> FaqBulkOut:
    """Delete entries: all that are named or, when one of them is not there, none."""
    await services().faq.delete(kb_id, body.ids, owner_id=sign_in.user.id)
    return FaqBulkOut(n_done=len(set(body.ids)))


@router.get("/{entry_id}")
async def get(kb_id: KbId, entry_id: EntryId, sign_in: SignedIn) -> FaqEntryOut:
    """One entry."""
    return FaqEntryOut.of(await services().faq.get(kb_id, entry_id, owner_id=sign_in.user.id))


@router.put("/{entry_id}")
async def change(kb_id: KbId, entry_id: EntryId, body: ChangeFaqEntryBody, sign_in: SignedIn) -> FaqEntryOut:
    """Change question, answer or tags; until the new words are indexed the old ones are found."""
    entry = await services().faq.update(
        kb_id,
        entry_id,
        owner_id=sign_in.user.id,
        question=body.question,
        answer=body.answer,
        tags=body.tags,
        message_ids=body.message_ids,
    )
    return FaqEntryOut.of(entry)


@router.delete("/{entry_id}", status_code=204)
async def delete(kb_id: KbId, entry_id: EntryId, sign_in: SignedIn) -> None:
    """Delete an entry."""
    await services().faq.delete(kb_id, [entry_id], owner_id=sign_in.user.id)
