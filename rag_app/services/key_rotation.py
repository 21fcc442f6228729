"""Encrypt all stored secrets anew with the first key of the ring.

Each row is replaced by itself and only if it is still what was read, so the installation may go on working,
and a rotation that was broken off goes on where it stopped: what has the newest key is not looked at again.
"""

from dataclasses import dataclass

import structlog

from rag_app.crypto import KeyRing, Sealed
from rag_app.db.engine import Sessions
from rag_app.db.queries import provider_keys, sources
from rag_app.db.queries.sources import StoredSecret
from rag_app.domain.provider_keys import StoredKey
from rag_app.errors import PermanentError
from rag_app.services.provider_keys import place_of
from rag_app.services.source_readers import place_of as place_of_source

log = structlog.get_logger()

BATCH = 200


@dataclass(frozen=True)
class Rotation:
    """What came of one: secrets that have the newest key now, and those that no key opens."""

    n_done: int
    n_unreadable: int


@dataclass(frozen=True)
class KeyRotationService:
    """Goes through the tables that hold secrets."""

    sessions: Sessions
    ring: KeyRing

    async def rotate(self) -> Rotation:
        """Encrypt anew what is not encrypted with the first key."""
        of_keys, of_sources = await self._rotate_provider_keys(), await self._rotate_sources()
        return Rotation(of_keys.n_done + of_sources.n_done, of_keys.n_unreadable + of_sources.n_unreadable)

    async def _rotate_provider_keys(self) -> Rotation:
        n_done = n_unreadable = after = 0
        while batch := await self._next(after):
            for row_id, owner_id, stored in batch:
                after = row_id
                if await self._reseal(row_id, owner_id, stored):
                    n_done += 1
                else:
                    n_unreadable += 1
        return Rotation(n_done, n_unreadable)

    async def _rotate_sources(self) -> Rotation:
        n_done = n_unreadable = after = 0
        while batch := await self._next_sources(after):
            for source_id, owner_id, stored in batch:
                after = source_id
                if await self._reseal_source(source_id, owner_id, stored):
                    n_done += 1
                else:
                    n_unreadable += 1
        return Rotation(n_done, n_unreadable)

    async def _next_sources(self, after: int) -> list[tuple[int, int, StoredSecret]]:
        async with self.sessions() as session:
            return await sources.secrets_not_sealed_with(
                session, key_id=self.ring.newest, after=after, limit=BATCH
            )

    async def _reseal_source(self, source_id: int, owner_id: int, stored: StoredSecret) -> bool:
        assert stored.ciphertext is not None
        assert stored.key_id is not None
        place = place_of_source(stored, owner_id)
        try:
            secret = self.ring.open(Sealed(stored.key_id, stored.ciphertext), place)
        except PermanentError:
            log.warning("secret_unreadable", table="sources", row_id=source_id, key_id=stored.key_id)
            return False
        sealed = self.ring.seal(secret, place)
        async with self.sessions.begin() as session:
            await sources.reseal(
                session,
                source_id,
                before=stored.ciphertext,
                key_id=sealed.key_id,
                ciphertext=sealed.ciphertext,
            )
        return True

    async def _next(self, after: int) -> list[tuple[int, int, StoredKey]]:
        async with self.sessions() as session:
            return await provider_keys.not_sealed_with(
                session, key_id=self.ring.newest, after=after, limit=BATCH
            )

    async def _reseal(self, row_id: int, owner_id: int, stored: StoredKey) -> bool:
        assert stored.ciphertext is not None
        place = place_of(stored, owner_id)
        try:
            secret = self.ring.open(Sealed(stored.key_id, stored.ciphertext), place)
        except PermanentError:
            log.warning("secret_unreadable", table="provider_keys", row_id=row_id, key_id=stored.key_id)
            return False
        sealed = self.ring.seal(secret, place)
        async with self.sessions.begin() as session:  # where it changed meanwhile, it has the newest key
            await provider_keys.reseal(
                session, row_id, before=stored.ciphertext, key_id=sealed.key_id, ciphertext=sealed.ciphertext
            )
        return True
