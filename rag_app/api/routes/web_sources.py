"""Websites of a knowledge base: pages that are read again by themselves."""

from rag_app.api.auth import SignedIn
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.routes.sources import SourceId, source_router
from rag_app.api.source_schemas import CheckOut
from rag_app.api.web_schemas import WebCheckBody, WebSourceBody, WebSourceOut, schedule_of
from rag_app.bootstrap import services
from rag_app.domain.sources import Schedule
from rag_app.rag.sources.web import CHECKS_PER_MINUTE

KIND = "web"

router = source_router(KIND, "web-sources", WebSourceOut)


@router.post("", status_code=201)
async def add(kb_id: KbId, body: WebSourceBody, sign_in: SignedIn) -> WebSourceOut:
    """Add a website; its first reading begins at once."""
    source = await services().sources.create(
        kb_id,
        owner_id=sign_in.user.id,
        kind=KIND,
        raw=body.raw(),
        name=body.name or "",
        schedule=body.schedule(Schedule()),
    )
    return WebSourceOut.of(source)


@router.post("/check")
async def check(kb_id: KbId, body: WebCheckBody, sign_in: SignedIn) -> CheckOut:
    """Fetch robots.txt and the first page, or the sitemap, and say what would be read; keeps nothing."""
    services().limits.hit("website-test", str(sign_in.user.id), per_minute=CHECKS_PER_MINUTE)
    checked = await services().sources.check(
        kb_id, owner_id=sign_in.user.id, kind=KIND, raw=body.raw(), source_id=body.source_id
    )
    return CheckOut.of(checked)


@router.put("/{source_id}")
async def change(kb_id: KbId, source_id: SourceId, body: WebSourceBody, sign_in: SignedIn) -> WebSourceOut:
    """Change its settings; other settings of what is read begin a reading at once."""
    sources, owner_id = services().sources, sign_in.user.id
    there = await sources.get(kb_id, source_id, owner_id=owner_id, kind=KIND)
    changed = await sources.change(
        kb_id,
        source_id,
        owner_id=owner_id,
        kind=KIND,
        raw=body.raw(),
        name=body.name,
        schedule=body.schedule(schedule_of(there)),
    )
    return WebSourceOut.of(changed)
