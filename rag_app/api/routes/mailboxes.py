"""Mailboxes of a knowledge base: connect by password or by a provider's sign-in, try, change.

The provider's sign-in is a detour of the browser: /auth/mail/start ── provider ── /auth/mail/callback.
"""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from rag_app.api.auth import MaybeSignedIn, SignedIn, is_https
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.mailbox_schemas import (
    AuthorizeOut,
    MailboxBody,
    MailboxChange,
    MailboxCheckBody,
    MailboxCheckOut,
    MailboxOut,
)
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.routes.sources import SourceId, source_router
from rag_app.bootstrap import services
from rag_app.domain.sources import Schedule
from rag_app.errors import InvalidInput, RagAppError
from rag_app.rag.sources.email import NAME
from rag_app.services.mailboxes import TICKET_S

PAGE = "/email"
PLAN_SCHEDULE = Schedule(frequency_hours=24)  # until the owner says otherwise

# Its own paths stand before those with an id.
router = APIRouter()
own = APIRouter(
    prefix="/api/knowledge-bases/{kb_id}/mailboxes", tags=["mailboxes"], route_class=IdempotentRoute
)
browser = APIRouter(prefix="/auth/mail", include_in_schema=False)


@own.post("", status_code=201)
async def connect(kb_id: KbId, body: MailboxBody, sign_in: SignedIn) -> MailboxOut:
    """Connect a mailbox by its password, and begin to read it."""
    created = await services().mailboxes.create(
        kb_id,
        owner_id=sign_in.user.id,
        raw=body.settings(),
        password=body.secret or "",
        name=body.name or "",
        schedule=body.schedule(PLAN_SCHEDULE),
    )
    return MailboxOut.of(created)


@own.post("/check")
async def check(kb_id: KbId, body: MailboxCheckBody, sign_in: SignedIn) -> MailboxCheckOut:
    """Try a connection without keeping anything; says what is wrong, and lists the folders."""
    tried = await services().mailboxes.check(
        kb_id,
        owner_id=sign_in.user.id,
        raw=body.settings(),
        password=body.secret,
        source_id=body.mailbox_id,
    )
    return MailboxCheckOut.of_connection(tried)


@own.post("/authorize")
async def authorize(kb_id: KbId, body: MailboxBody, sign_in: SignedIn) -> AuthorizeOut:
    """Begin to connect a Gmail or Outlook mailbox by the provider's own sign-in."""
    path = await services().mailboxes.begin(
        kb_id,
        owner_id=sign_in.user.id,
        raw=body.settings(),
        name=body.name or "",
        schedule=body.schedule(PLAN_SCHEDULE),
    )
    return AuthorizeOut(url=services().settings.base_url + path)


@own.put("/{source_id}")
async def change(kb_id: KbId, source_id: SourceId, body: MailboxChange, sign_in: SignedIn) -> MailboxOut:
    """Change some of a mailbox's settings; others for what is read make it look at everything again."""
    there = await services().sources.get(kb_id, source_id, owner_id=sign_in.user.id, kind=NAME)
    kept = Schedule(there.frequency_hours, there.is_scheduled, there.grace_hours)
    changed = await services().mailboxes.change(
        kb_id,
        source_id,
        owner_id=sign_in.user.id,
        raw=body.settings(),
        password=body.secret,
        name=body.name,
        schedule=body.schedule(kept),
    )
    return MailboxOut.of(changed)


@browser.get("/start")
async def start(sign_in: MaybeSignedIn, ticket: Annotated[str, Query(max_length=8_000)] = "") -> Response:
    """Go to the provider's page."""
    if sign_in is None:
        return RedirectResponse(f"/login/?next={quote(PAGE)}", status_code=303)
    try:
        departure = services().mailboxes.start(ticket, owner_id=sign_in.user.id)
    except InvalidInput as error:
        return _back(problem=str(error))
    response = RedirectResponse(departure.url, status_code=303)
    _keep(response, departure.cookie, TICKET_S)
    return response


@browser.get("/callback")
async def callback(
    request: Request,
    sign_in: MaybeSignedIn,
    state: Annotated[str, Query(max_length=500)] = "",
    code: Annotated[str, Query(max_length=4_000)] = "",
    error: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """Take the provider's answer, connect the mailbox, and go back to its page."""
    if sign_in is None:
        return RedirectResponse(f"/login/?next={quote(PAGE)}", status_code=303)
    try:
        source = await services().mailboxes.finish(
            request.cookies.get(_cookie_name(), ""),
            owner_id=sign_in.user.id,
            state=state,
            code=code,
            error=error,
        )
        response = _back(kb_id=source.kb_id, source_id=source.id)
    except RagAppError as problem:
        response = _back(problem=str(problem))
    _keep(response, "", 0)
    return response


def _back(*, kb_id: int = 0, source_id: int = 0, problem: str = "") -> RedirectResponse:
    """To the page of mailboxes; what went wrong is in a cookie, as addresses end up in logs."""
    to = f"{PAGE}?kb={kb_id}&connected={source_id}" if kb_id else f"{PAGE}?failed=1"
    response = RedirectResponse(to, status_code=303)
    response.set_cookie(
        "rag_mail_problem", quote(problem[:500]), max_age=60 if problem else 0, path="/", secure=is_https(),
        httponly=True, samesite="lax",
    )  # fmt: skip
    return response


def _cookie_name() -> str:
    return "__Host-rag_mail" if is_https() else "rag_mail"


def _keep(response: Response, value: str, seconds: int) -> None:
    # Lax, for the way back is a link from the provider's page.
    response.set_cookie(
        _cookie_name(), value, max_age=seconds, path="/", secure=is_https(), httponly=True, samesite="lax"
    )


router.include_router(own)
router.include_router(source_router(NAME, "mailboxes", MailboxOut))
router.include_router(browser)
