"""Documents of a knowledge base: upload, watch, retry, look inside, search."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from rag_app.api.auth import SignedIn
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.paging import Cursor, Limit, before_id, next_cursor
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.schemas import (
    ChangeChunkBody,
    ChangeDocumentBody,
    ChunkOut,
    DocumentContentsOut,
    DocumentOut,
    FacetsOut,
    JobOut,
    ListOut,
    RefusedFile,
    SearchBody,
    SearchOut,
    UploadOut,
)
from rag_app.api.uploads import incoming_files
from rag_app.bootstrap import services
from rag_app.errors import Conflict, InvalidInput, PlanFull, RagAppError, TooLarge
from rag_app.services.uploads import NotTaken

router = APIRouter(prefix="/api/knowledge-bases/{kb_id}", tags=["documents"], route_class=IdempotentRoute)

DocumentId = Annotated[int, Path(ge=1, le=2**63 - 1)]
JobId = Annotated[int, Path(ge=1, le=2**31 - 1)]
JobStatus = Literal["pending", "processing", "completed", "failed", "cancelled"]
DocumentStatus = Literal["received", "parsing", "embedding", "ready", "failed", "cancelled", "working"]
MAX_TOTAL_BYTES = 4 * 2**30  # of one request with many files

DOWNLOAD_HEADERS = {  # whatever the file is, it is saved and never shown on this site
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
}

UPLOAD_DOCS = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "replace": {"type": "boolean", "default": False},
                        "path": {"type": "string"},
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                }
            }
        },
    }
}


@router.post("/knowledge/upload", status_code=202, openapi_extra=UPLOAD_DOCS)
async def upload(kb_id: KbId, request: Request, sign_in: SignedIn) -> UploadOut:
    """Take files in; each becomes a job that can be watched, and so does each file in a ZIP.

    Fields before a file: `path` says where it is in the folder that is uploaded, and becomes its name;
    `replace=true` makes it a new version of the document that has its name, if there is one.
    """
    await services().documents.check_upload(kb_id, owner_id=sign_in.user.id)
    taken: list[JobOut] = []
    refused: list[NotTaken] = []
    most = {"max_files": services().settings.rag_max_files_per_upload, "max_total_bytes": MAX_TOTAL_BYTES}
    async for file in incoming_files(request, **most, known_fields={"path", "replace"}):
        outcomes = services().uploads.take(
            file_blocks(file.blocks),
            file_name=file.name,
            path=file.fields.get("path", ""),
            kb_id=kb_id,
            owner_id=sign_in.user.id,
            replaces=_is_true(file.fields.get("replace", "")),
        )
        async for outcome in outcomes:
            if isinstance(outcome, NotTaken):
                refused.append(outcome)
            else:
                taken.append(JobOut.of(outcome.job, is_duplicate=not outcome.is_new))
    if not taken:
        raise _nothing_taken(refused)
    listed = [RefusedFile(file_name=each.file_name, reason=each.reason) for each in refused]
    return UploadOut(items=taken, jobs=taken, refused=listed)


def _is_true(value: str) -> bool:
    if value not in {"", "true", "false"}:
        raise InvalidInput("The field “replace” is true or false.", field="replace")
    return value == "true"


def _nothing_taken(refused: Sequence[NotTaken]) -> RagAppError:
    """Why an upload added nothing, of which there may be several reasons."""
    if not refused:
        return InvalidInput("There is no file in this upload. Send it in the field “files”.")
    last = refused[-1]
    if isinstance(last.error, TooLarge | PlanFull | Conflict):
        return last.error
    if len(refused) == 1:
        return InvalidInput(last.reason)
    return InvalidInput(f"None of these {len(refused):,} files can be read. {last.file_name}: {last.reason}")


async def file_blocks(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Hand a file on without closing it when its reader gives up: the rest must still be skipped."""
    async for block in blocks:
        yield block


@router.get("/documents")
async def list_documents(
    kb_id: KbId,
    sign_in: SignedIn,
    cursor: Cursor = None,
    limit: Limit = 50,
    status: DocumentStatus | None = None,
    name: Annotated[str | None, Query(max_length=200)] = None,
    tag: Annotated[str | None, Query(max_length=100)] = None,
) -> ListOut[DocumentOut]:
    """Documents with how far they are, newest first."""
    found = await services().documents.list_of(
        kb_id,
        owner_id=sign_in.user.id,
        before=before_id(cursor),
        limit=limit,
        status=status,
        name=name.replace("\x00", "") if name else None,
        tag=tag.replace("\x00", "") if tag else None,
    )
    return ListOut(items=[DocumentOut.of(d) for d in found], next_cursor=next_cursor(found, limit))


@router.get("/documents/facets")
async def facets(kb_id: KbId, sign_in: SignedIn) -> FacetsOut:
    """What the documents that can be searched may be filtered by, each with how many have it."""
    return FacetsOut.of(await services().documents.facets(kb_id, owner_id=sign_in.user.id))


@router.get("/documents/{document_id}")
async def get_document(kb_id: KbId, document_id: DocumentId, sign_in: SignedIn) -> DocumentContentsOut:
    """A document with its extracted text by page and its chunks."""
    contents = await services().documents.contents(kb_id, document_id, owner_id=sign_in.user.id)
    return DocumentContentsOut.with_contents(*contents)


@router.put("/documents/{document_id}")
async def change_document(
    kb_id: KbId, document_id: DocumentId, body: ChangeDocumentBody, sign_in: SignedIn
) -> DocumentOut:
    """Give a document these tags: at most 20 of 40 characters, each once whatever its case."""
    changed = await services().documents.set_tags(
        kb_id, document_id, owner_id=sign_in.user.id, tags=body.tags
    )
    return DocumentOut.of(changed)


@router.get("/documents/{document_id}/original")
async def get_original(kb_id: KbId, document_id: DocumentId, sign_in: SignedIn) -> Response:
    """The file as it was uploaded; always a download, never shown on this site."""
    document, path = await services().documents.original(kb_id, document_id, owner_id=sign_in.user.id)
    name = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(document.name, safe='')}"}
    return FileResponse(path, media_type="application/octet-stream", headers=name | DOWNLOAD_HEADERS)


@router.delete("/documents/{document_id}", status_code=204)
async def delete_document(kb_id: KbId, document_id: DocumentId, sign_in: SignedIn) -> Response:
    """Delete a document with its chunks and its file."""
    await services().documents.delete(kb_id, document_id, owner_id=sign_in.user.id)
    return Response(status_code=204)


@router.post("/documents/{document_id}/reingest", status_code=202)
async def reingest(kb_id: KbId, document_id: DocumentId, sign_in: SignedIn) -> JobOut:
    """Read a document again; the old chunks serve until the new ones are ready."""
    return JobOut.of(await services().documents.reingest(kb_id, document_id, owner_id=sign_in.user.id))


@router.put("/chunks/{chunk_id}")
async def change_chunk(
    kb_id: KbId, chunk_id: DocumentId, body: ChangeChunkBody, sign_in: SignedIn
) -> ChunkOut:
    """Give a chunk new text, or switch it on or off."""
    documents = services().documents
    owner_id = sign_in.user.id
    if body.content is None and body.enabled is None:
        raise InvalidInput("Send `content`, `enabled` or both.")
    if body.content is not None:
        changed = await documents.edit_chunk(kb_id, chunk_id, owner_id=owner_id, content=body.content)
    if body.enabled is not None:
        changed = await documents.switch_chunk(kb_id, chunk_id, owner_id=owner_id, enabled=body.enabled)
    return ChunkOut.of(changed)


@router.get("/jobs")
async def list_jobs(
    kb_id: KbId,
    sign_in: SignedIn,
    cursor: Cursor = None,
    limit: Limit = 50,
    status: JobStatus | None = None,
) -> ListOut[JobOut]:
    """Jobs, newest first."""
    found = await services().documents.list_jobs(
        kb_id, owner_id=sign_in.user.id, before=before_id(cursor), limit=limit, status=status
    )
    return ListOut(items=[JobOut.of(job) for job in found], next_cursor=next_cursor(found, limit))


@router.get("/jobs/{job_id}")
async def get_job(kb_id: KbId, job_id: JobId, sign_in: SignedIn) -> JobOut:
    """One job: its state, progress, and reason when it failed."""
    return JobOut.of(await services().documents.get_job(kb_id, job_id, owner_id=sign_in.user.id))


@router.post("/jobs/{job_id}/retry", status_code=202)
async def retry(kb_id: KbId, job_id: JobId, sign_in: SignedIn) -> JobOut:
    """Try a failed or cancelled job again."""
    return JobOut.of(await services().documents.retry(kb_id, job_id, owner_id=sign_in.user.id))


@router.post("/jobs/{job_id}/cancel")
async def cancel(kb_id: KbId, job_id: JobId, sign_in: SignedIn) -> JobOut:
    """Stop a job that waits or runs."""
    return JobOut.of(await services().documents.cancel(kb_id, job_id, owner_id=sign_in.user.id))


@router.post("/knowledge/search")
async def search(kb_id: KbId, body: SearchBody, sign_in: SignedIn) -> SearchOut:
    """The passages that best match a query, with explained scores and the time of each step."""
    found = await services().retrieval.search(
        kb_id,
        body.query,
        owner_id=sign_in.user.id,
        limit=body.limit,
        filters=body.filters.filters(),
        overrides=body.config,
    )
    return SearchOut.of(found)
