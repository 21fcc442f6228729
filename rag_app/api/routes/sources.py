"""What can be done with every kind of source; a kind's own file adds how one is set up."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from rag_app.api.auth import SignedIn
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.paging import Cursor, Limit, before_id, next_cursor
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.schemas import ListOut
from rag_app.api.source_schemas import ItemOut, RunEventOut, RunOut, SourceOut
from rag_app.bootstrap import services

SourceId = Annotated[int, Path(ge=1, le=2**31 - 1)]
RunId = Annotated[int, Path(ge=1, le=2**31 - 1)]
ItemFilter = Annotated[Literal["kept", "failed", "skipped", "missing"] | None, Query(alias="status")]


def source_router(kind: str, path: str, out: type[SourceOut]) -> APIRouter:
    """Routes below `/api/knowledge-bases/{kb_id}/<path>` for one kind of source, shown as `out`."""
    router = APIRouter(
        prefix=f"/api/knowledge-bases/{{kb_id}}/{path}", tags=[path], route_class=IdempotentRoute
    )

    listed: Any = ListOut.__class_getitem__(out)  # of a class that is known when the routes are made

    @router.get("", response_model=listed)
    async def list_sources(kb_id: KbId, sign_in: SignedIn) -> ListOut[SourceOut]:
        """All of them, oldest first."""
        found = await services().sources.list_of(kb_id, owner_id=sign_in.user.id, kind=kind)
        return ListOut(items=[out.of(source) for source in found], next_cursor=None)

    @router.get("/{source_id}", response_model=out)
    async def get(kb_id: KbId, source_id: SourceId, sign_in: SignedIn) -> SourceOut:
        """One of them."""
        return out.of(await services().sources.get(kb_id, source_id, owner_id=sign_in.user.id, kind=kind))

    @router.delete("/{source_id}", status_code=204)
    async def delete(
        kb_id: KbId,
        source_id: SourceId,
        sign_in: SignedIn,
        keep_documents: Annotated[bool, Query(description="Keep what was read from it.")] = False,
    ) -> None:
        """Remove it, and what was read from it unless that is to be kept."""
        await services().sources.delete(
            kb_id, source_id, owner_id=sign_in.user.id, kind=kind, keep_documents=keep_documents
        )

    @router.post("/{source_id}/run", status_code=202, response_model=out)
    async def run(kb_id: KbId, source_id: SourceId, sign_in: SignedIn) -> SourceOut:
        """Read it now."""
        return out.of(await services().sources.run_now(kb_id, source_id, owner_id=sign_in.user.id, kind=kind))

    @router.post("/{source_id}/retry", status_code=202, response_model=out)
    async def retry(kb_id: KbId, source_id: SourceId, sign_in: SignedIn) -> SourceOut:
        """Try again what could not be read."""
        return out.of(
            await services().sources.retry_failed(kb_id, source_id, owner_id=sign_in.user.id, kind=kind)
        )

    @router.post("/{source_id}/stop", response_model=out)
    async def stop(kb_id: KbId, source_id: SourceId, sign_in: SignedIn) -> SourceOut:
        """Stop reading; what has been kept stays."""
        return out.of(await services().sources.stop(kb_id, source_id, owner_id=sign_in.user.id, kind=kind))

    @router.post("/{source_id}/pause", response_model=out)
    async def pause(kb_id: KbId, source_id: SourceId, sign_in: SignedIn) -> SourceOut:
        """Read it no more by itself, and stop what is under way."""
        return out.of(
            await services().sources.set_paused(
                kb_id, source_id, owner_id=sign_in.user.id, kind=kind, is_paused=True
            )
        )

    @router.post("/{source_id}/resume", response_model=out)
    async def resume(kb_id: KbId, source_id: SourceId, sign_in: SignedIn) -> SourceOut:
        """Let its schedule go on."""
        return out.of(
            await services().sources.set_paused(
                kb_id, source_id, owner_id=sign_in.user.id, kind=kind, is_paused=False
            )
        )

    @router.get("/{source_id}/runs")
    async def runs(
        kb_id: KbId, source_id: SourceId, sign_in: SignedIn, cursor: Cursor = None, limit: Limit = 50
    ) -> ListOut[RunOut]:
        """Its runs, newest first."""
        found = await services().sources.runs(
            kb_id, source_id, owner_id=sign_in.user.id, kind=kind, before=before_id(cursor), limit=limit
        )
        return ListOut(items=[RunOut.of(one) for one in found], next_cursor=next_cursor(found, limit))

    @router.get("/{source_id}/runs/{run_id}/events")
    async def events(
        kb_id: KbId,
        source_id: SourceId,
        run_id: RunId,
        sign_in: SignedIn,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> ListOut[RunEventOut]:
        """What a run did, in order."""
        found = await services().sources.events(
            kb_id,
            source_id,
            run_id,
            owner_id=sign_in.user.id,
            kind=kind,
            after=before_id(cursor) or 0,
            limit=limit,
        )
        return ListOut(items=[RunEventOut.of(one) for one in found], next_cursor=next_cursor(found, limit))

    @router.get("/{source_id}/items")
    async def items(
        kb_id: KbId,
        source_id: SourceId,
        sign_in: SignedIn,
        cursor: Cursor = None,
        limit: Limit = 50,
        status: ItemFilter = None,
        q: Annotated[str | None, Query(max_length=200, description="Part of name or address.")] = None,
    ) -> ListOut[ItemOut]:
        """What it consists of and what became of it, newest first."""
        found = await services().sources.items(
            kb_id,
            source_id,
            owner_id=sign_in.user.id,
            kind=kind,
            before=before_id(cursor),
            limit=limit,
            status=status,
            text=q.replace("\x00", "") if q else None,
        )
        return ListOut(items=[ItemOut.of(one) for one in found], next_cursor=next_cursor(found, limit))

    return router
