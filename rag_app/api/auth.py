"""Who is calling: a bearer token of a program, or the cookie of a browser."""

import ipaddress
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from rag_app.bootstrap import services
from rag_app.crypto import hash_token, new_token
from rag_app.domain.accounts import SignIn
from rag_app.errors import NotSignedIn
from rag_app.services.accounts import Caller
from rag_app.services.askers import Asker
from rag_app.services.cookies import is_visitor_token, sign_in_cookie, visitor_cookie

VISITOR_DAYS = 365
_bearer = HTTPBearer(auto_error=False, description="The access token of /api/auth/login.")


def is_https() -> bool:
    """Whether the installation is reached through https."""
    return services().settings.is_https


def token_of(request: Request) -> str | None:
    """The access token of a request, from its header or its cookie."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return request.cookies.get(sign_in_cookie(is_https=is_https()))


async def signed_in(request: Request, _: Annotated[object, Depends(_bearer)] = None) -> SignIn:
    """The caller's sign-in, checked against the database. Raises NotSignedIn."""
    return _counted(await services().accounts.sign_in(token_of(request)))


async def maybe_signed_in(request: Request) -> SignIn | None:
    """The caller's sign-in, None for a stranger."""
    try:
        return _counted(await services().accounts.sign_in(token_of(request)))
    except NotSignedIn:
        return None


def _counted(sign_in: SignIn) -> SignIn:
    """Keep an owner's programs within the requests the plan allows. Raises LimitReached."""
    if sign_in.requests_per_minute is not None:
        services().limits.hit_plan(sign_in.user.id, per_minute=sign_in.requests_per_minute)
    return sign_in


SignedIn = Annotated[SignIn, Depends(signed_in)]
MaybeSignedIn = Annotated[SignIn | None, Depends(maybe_signed_in)]


def visitor_token(request: Request) -> str | None:
    """The token a visitor is known by: its cookie, or the header programs use."""
    name = visitor_cookie(is_https=is_https())
    token = request.headers.get("x-visitor-token") or request.cookies.get(name)
    return token if is_visitor_token(token) else None


async def asker(request: Request, sign_in: MaybeSignedIn) -> Asker:
    """Who asks: an owner, a visitor, or an owner visiting somebody's chat. Raises NotSignedIn for neither."""
    token = visitor_token(request)
    if sign_in is None and token is None:
        raise NotSignedIn
    return Asker(
        owner_id=sign_in.user.id if sign_in else None,
        visitor_token_hash=hash_token(token) if token else None,
    )


AnyAsker = Annotated[Asker, Depends(asker)]


def set_sign_in_cookie(response: Response, token: str) -> None:
    """Keep a browser signed in."""
    _set(response, sign_in_cookie(is_https=is_https()), token, services().settings.rag_sign_in_hours * 3600)


def drop_sign_in_cookie(response: Response) -> None:
    """Forget a browser's sign-in."""
    _set(response, sign_in_cookie(is_https=is_https()), "", 0)


def remember_visitor(response: Response) -> str:
    """Give a browser a visitor's token; returns it."""
    token = new_token()
    _set(response, visitor_cookie(is_https=is_https()), token, VISITOR_DAYS * 86400)
    return token


def _set(response: Response, name: str, value: str, max_age_s: int) -> None:
    response.set_cookie(
        name, value, max_age=max_age_s, path="/", secure=is_https(), httponly=True, samesite="lax"
    )


def caller_of(request: Request) -> Caller:
    """Where a request comes from."""
    return Caller(client_address(request), request.headers.get("user-agent", ""))


def client_address(request: HTTPConnection) -> str:
    """The caller's address; X-Forwarded-For counts only behind a trusted proxy.

    Of a proxy's own entry and what the caller wrote before it only the last can be believed, also when
    the proxy adds it as a header of its own. An IPv6 caller counts by its /64, which is what one
    person gets.
    """
    peer = request.client.host if request.client else "unknown"
    trusted = {p.strip() for p in services().settings.rag_trusted_proxies.split(",") if p.strip()}
    address = peer
    if peer in trusted:
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
        address = next((hop for hop in reversed(hops) if hop not in trusted), peer)
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return peer
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:  # a socket for both kinds: all of IPv4 lies in one /64
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
