"""A request sent twice under one key is done once; the second gets the first's answer.

new key ── done, answer kept          same key, same request ── kept answer
same key, other request ── refused    same key, still running ── come back in a moment
"""

import hashlib
from dataclasses import dataclass

from rag_app.db.engine import Sessions
from rag_app.db.queries import idempotency
from rag_app.errors import InvalidInput, LimitReached

MAX_KEY = 200


@dataclass(frozen=True)
class KeptAnswer:
    """What the first request was answered."""

    status: int
    body: bytes


@dataclass(frozen=True)
class IdempotencyService:
    """Keeps answers under a caller's keys for two days."""

    sessions: Sessions

    async def begin(self, *, caller: str, key: str, request: bytes) -> KeptAnswer | None:
        """Claim a key; None when the request is to be done now.

        Raises:
            InvalidInput: the key is too long, or was used for another request.
            LimitReached: the first request is still running.
        """
        if not 0 < len(key) <= MAX_KEY or not (key.isascii() and key.isprintable()):
            raise InvalidInput(f"An Idempotency-Key has 1 to {MAX_KEY} plain characters.")
        request_hash = hashlib.sha256(request).digest()
        async with self.sessions.begin() as session:
            if await idempotency.claim(session, caller=caller, key=key, request_hash=request_hash):
                return None
            kept = await idempotency.kept(session, caller=caller, key=key)
        if kept is not None and bytes(kept.request_hash) != request_hash:
            raise InvalidInput("This Idempotency-Key was used for another request.")
        if kept is None or kept.status is None:
            raise LimitReached("The first request with this key is still running.", retry_after_s=1)
        return KeptAnswer(kept.status, bytes(kept.body))

    async def end(self, *, caller: str, key: str, status: int, body: bytes) -> None:
        """Keep the answer; a refusal is forgotten, so that it can be mended and sent again."""
        async with self.sessions.begin() as session:
            if status < 400:
                await idempotency.keep(session, caller=caller, key=key, status=status, body=body)
            else:
                await idempotency.release(session, caller=caller, key=key)
