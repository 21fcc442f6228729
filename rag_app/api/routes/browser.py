"""Forms that a browser posts itself, so that the sign-in lives in an HttpOnly cookie.

form ──► /auth/login ──► cookie, 303 to the dashboard
                    └──► message in a short-lived cookie, 303 back to the form
"""

import json
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from rag_app.api.auth import MaybeSignedIn, caller_of, drop_sign_in_cookie, is_https, set_sign_in_cookie
from rag_app.bootstrap import services
from rag_app.errors import RagAppError

router = APIRouter(prefix="/auth", include_in_schema=False)

DASHBOARD = "/knowledge-bases"
FLASH_COOKIE = "rag_flash"
FLASH_S = 60

Field = Annotated[str, Form(max_length=4096)]


@router.post("/register")
async def register(
    request: Request, email: Field = "", password: Field = "", name: Field = "", next: Field = ""
) -> Response:
    """Make an account and sign the browser in."""
    caller = caller_of(request)
    accounts = services().accounts
    try:
        user = await accounts.register(email=email, password=password, name=name, caller=caller)
        token = await accounts.begin_browser_sign_in(user, caller=caller)
    except RagAppError as error:
        return _back("/register", error, email=email, name=name, next_path=next)
    return _signed_in(token, next)


@router.post("/login")
async def login(request: Request, email: Field = "", password: Field = "", next: Field = "") -> Response:
    """Sign the browser in."""
    caller = caller_of(request)
    accounts = services().accounts
    try:
        user = await accounts.authenticate(email=email, password=password, caller=caller)
        token = await accounts.begin_browser_sign_in(user, caller=caller)
    except RagAppError as error:
        return _back("/login", error, email=email, next_path=next)
    return _signed_in(token, next)


@router.post("/logout")
async def logout(sign_in: MaybeSignedIn) -> Response:
    """Sign the browser out."""
    if sign_in is not None:
        await services().accounts.sign_out(sign_in)
    response = RedirectResponse("/", status_code=303)
    drop_sign_in_cookie(response)
    return response


def own_path(path: str) -> str:
    """A path of this site to go on to; anything else becomes the dashboard."""
    is_own = path.startswith("/") and not path.startswith("//")
    is_plain = all(" " < character < "\x7f" and character != "\\" for character in path)
    return path if is_own and is_plain and len(path) < 500 else DASHBOARD


def _signed_in(token: str, next_path: str) -> Response:
    response = RedirectResponse(own_path(next_path), status_code=303)
    set_sign_in_cookie(response, token)
    response.delete_cookie(FLASH_COOKIE, path="/")
    return response


def _back(page: str, error: RagAppError, *, email: str, next_path: str, name: str = "") -> Response:
    to = f"{page}/?next={quote(own_path(next_path))}" if next_path else f"{page}/"
    response = RedirectResponse(to, status_code=303)
    flash = {
        "message": str(error),
        "email": email[:320],
        "name": name[:120],
        "field": getattr(error, "field", None) or "",
    }
    response.set_cookie(
        FLASH_COOKIE,
        quote(json.dumps(flash)),
        max_age=FLASH_S,
        path="/",
        httponly=True,
        secure=is_https(),
        samesite="lax",
    )
    return response
