"""Make readers of sources: with their secret opened, and the network behind the guard."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from rag_app.crypto import KeyRing, Place, Sealed
from rag_app.db.queries.sources import StoredSecret
from rag_app.errors import InvalidInput
from rag_app.rag.sources.contract import SourceParts, SourceReader

TABLE = "sources"
FIELD = "secret"


@dataclass(frozen=True)
class SourceReaders:
    """Builds readers; `kinds` are the modules of `rag/sources`, by name."""

    kinds: Mapping[str, ModuleType]
    parts: SourceParts  # without a secret
    ring: KeyRing

    def kind(self, name: str) -> Any:
        """The module of a kind of source. Raises InvalidInput."""
        if name not in self.kinds:
            raise InvalidInput(f"There is no kind of source called “{name}”.", field="kind")
        return self.kinds[name]

    def build(
        self,
        kind: str,
        config: Mapping[str, Any],
        *,
        secret: str | None = None,
        save_secret: Callable[[str], Awaitable[None]] | None = None,
    ) -> SourceReader:
        """A reader of one source. Raises PermanentError where an address in it may not be reached."""
        parts = replace(self.parts, secret=secret, save_secret=save_secret)
        return self.kind(kind).build(config, parts)

    def seal(self, secret: str, *, owner_id: int, like: StoredSecret) -> StoredSecret:
        """Encrypt a secret for its row."""
        sealed = self.ring.seal(secret, place_of(like, owner_id))
        return replace(like, key_id=sealed.key_id, ciphertext=sealed.ciphertext)

    def open(self, stored: StoredSecret, *, owner_id: int) -> str | None:
        """Decrypt a secret; None where there is none. Raises PermanentError where no key opens it."""
        if stored.ciphertext is None or stored.key_id is None:
            return None
        return self.ring.open(Sealed(stored.key_id, stored.ciphertext), place_of(stored, owner_id))


def place_of(stored: StoredSecret, owner_id: int) -> Place:
    """What a source's secret is bound to."""
    return Place(owner_id, TABLE, str(stored.seal), FIELD)
