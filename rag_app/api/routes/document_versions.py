"""Versions of a document: replace its file, list and download what it has had, go back to one."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse

from rag_app.api.auth import SignedIn
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.routes.documents import DOWNLOAD_HEADERS, MAX_TOTAL_BYTES, DocumentId, file_blocks
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.schemas import JobOut, ListOut
from rag_app.api.uploads import incoming_files
from rag_app.api.version_schemas import AddedVersionOut, NamesBody, NamesOut, VersionOut
from rag_app.bootstrap import services
from rag_app.errors import InvalidInput

router = APIRouter(prefix="/api/knowledge-bases/{kb_id}", tags=["documents"], route_class=IdempotentRoute)

VersionNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]
FILE_DOCS = {
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


@router.get("/documents/{document_id}/versions")
async def list_versions(kb_id: KbId, document_id: DocumentId, sign_in: SignedIn) -> ListOut[VersionOut]:
    """All versions of a document's file, the newest first."""
    found = await services().document_versions.list_of(kb_id, document_id, owner_id=sign_in.user.id)
    return ListOut(items=[VersionOut.of(version) for version in found], next_cursor=None)


@router.post("/documents/{document_id}/versions", status_code=202, openapi_extra=FILE_DOCS)
async def add_version(
    kb_id: KbId, document_id: DocumentId, request: Request, sign_in: SignedIn
) -> AddedVersionOut:
    """Replace a document's file; the present text serves until the new one is read, and if it cannot be."""
    versions = services().document_versions
    await versions.check(kb_id, document_id, owner_id=sign_in.user.id)
    async for file in incoming_files(request, max_files=1, max_total_bytes=MAX_TOTAL_BYTES):
        added = await versions.add(
            file_blocks(file.blocks),
            file_name=file.name,
            kb_id=kb_id,
            document_id=document_id,
            owner_id=sign_in.user.id,
        )
        await file.skip()
        return AddedVersionOut.of(added)
    raise InvalidInput("There is no file in this upload. Send it in the field “files”.")


@router.get("/documents/{document_id}/versions/{number}/original")
async def get_version(
    kb_id: KbId, document_id: DocumentId, number: VersionNumber, sign_in: SignedIn
) -> Response:
    """The file of a version as it was uploaded; always a download."""
    version, path = await services().document_versions.original(
        kb_id, document_id, number, owner_id=sign_in.user.id
    )
    name = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(version.name, safe='')}"}
    return FileResponse(path, media_type="application/octet-stream", headers=name | DOWNLOAD_HEADERS)


@router.post("/documents/{document_id}/versions/{number}/use", status_code=202)
async def use_version(
    kb_id: KbId, document_id: DocumentId, number: VersionNumber, sign_in: SignedIn
) -> JobOut:
    """Make a version the current one again; the present text serves until it is read."""
    job = await services().document_versions.make_current(
        kb_id, document_id, number, owner_id=sign_in.user.id
    )
    return JobOut.of(job)


@router.post("/knowledge/names")
async def names_there(kb_id: KbId, body: NamesBody, sign_in: SignedIn) -> NamesOut:
    """Which of these file names documents have already: uploading one again may replace it."""
    names = [name.replace("\x00", "") for name in body.names]
    found = await services().document_versions.names_there(kb_id, owner_id=sign_in.user.id, names=names)
    return NamesOut(names=found)
