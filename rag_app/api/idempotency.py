"""POST routes that honour an `Idempotency-Key`."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from rag_app.api.auth import token_of, visitor_token
from rag_app.bootstrap import services
from rag_app.crypto import hash_token
from rag_app.errors import NotSignedIn

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotentRoute(APIRoute):
    """A route whose POST is done once per caller and key; the answer is replayed."""

    def get_route_handler(self) -> Handler:
        """Wrap the route's own handler."""
        handle = super().get_route_handler()

        async def once(request: Request) -> Response:
            key = request.headers.get("idempotency-key")
            if request.method != "POST" or key is None:
                return await handle(request)
            caller = await _caller(request)
            if caller is None:
                return await handle(request)
            service = services().idempotency
            kept = await service.begin(caller=caller, key=key, request=await _fingerprint(request))
            if kept is not None:
                headers = {"Idempotent-Replayed": "true"}
                return Response(kept.body, kept.status, headers, media_type="application/json")
            try:
                response = await handle(request)
            except BaseException:
                await service.end(caller=caller, key=key, status=500, body=b"")
                raise
            body = bytes(response.body) if hasattr(response, "body") else b""  # a stream is not kept
            status = response.status_code if body else 500
            await service.end(caller=caller, key=key, status=status, body=body)
            return response

        return once


async def _caller(request: Request) -> str | None:
    """Who asks, None for a stranger.

    Strangers cannot be told apart by their address: one would be given what was answered another,
    and that may be the token which makes them a visitor.
    """
    try:
        return f"user {(await services().accounts.sign_in(token_of(request))).user.id}"
    except NotSignedIn:
        token = visitor_token(request)
        return f"visitor {hash_token(token).hex()}" if token else None


async def _fingerprint(request: Request) -> bytes:
    """What makes two requests the same; of an upload its length, for its body is read only once."""
    head = f"{request.url.path}?{request.url.query}".encode()
    if request.headers.get("content-type", "").startswith("multipart/"):
        return head + request.headers.get("content-length", "").encode()
    return head + await request.body()
