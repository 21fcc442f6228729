"""Which key a call to a provider is made with: the owner's own, or the installation's.

typed key ── checked ── encrypted ── database ── decrypted ── the provider's SDK, and nowhere else
typed address ── guarded (`net/guard.py`) ─────────────────── again for every connection
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

import structlog
from pydantic import SecretStr

from rag_app.crypto import KeyRing, Place, Sealed
from rag_app.db.engine import Sessions
from rag_app.db.queries import accounts, provider_keys
from rag_app.domain.provider_keys import ProviderStatus, StoredKey
from rag_app.domain.usage import KeySource
from rag_app.errors import InvalidInput, NotFound, PermanentError
from rag_app.net.guard import AddressRefused, Guard

log = structlog.get_logger()

MIN_KEY, MAX_KEY = 16, 500  # of the hosted providers; a server of one's own may want any word
MAX_BASE_URL = 500
SHOWS_END = 12  # characters from which the last four of a key do not give it away


@dataclass(frozen=True)
class ProviderAccess:
    """How one owner reaches one provider, and whose key that takes.

    `is_guarded`: the owner typed `base_url`, so only a guarded connection may be made to it.
    """

    provider: str
    api_key: SecretStr | None
    base_url: str | None
    source: KeySource
    is_guarded: bool = False


@dataclass(frozen=True)
class ProviderKeyService:
    """Keeps owners' keys and finds the one to use.

    Those of the installation are `installed`, by provider; `base_urls` are the operator's addresses, where
    owners' keys are sent too unless an owner names a server.
    """

    sessions: Sessions
    modules: Mapping[str, ModuleType]
    installed: Mapping[str, ProviderAccess]
    ring: KeyRing
    guard: Guard
    base_urls: Mapping[str, str | None] = field(default_factory=dict)

    async def access(self, provider: str, label: str, *, owner_id: int) -> ProviderAccess:
        """How this owner reaches a provider.

        Raises:
            PermanentError: there is no key for it, or the stored one cannot be read.
        """
        if provider in self.hosted:
            async with self.sessions() as session:
                stored = await provider_keys.get(session, owner_id=owner_id, provider=provider)
            if stored is not None:
                return self._own(stored, owner_id)
        if provider not in self.installed:
            raise PermanentError(
                f"There is no key for {label}, so it cannot be used. The owner can add one in the settings "
                "under “AI providers”, or choose another model.",
                kind="no_key",
            )
        return self.installed[provider]

    async def available(self, owner_id: int) -> frozenset[str]:
        """The providers that this owner can use now."""
        async with self.sessions() as session:
            own = await provider_keys.of_owner(session, owner_id=owner_id)
        return frozenset(self.installed) | {key.provider for key in own if key.provider in self.hosted}

    async def list_of(self, owner_id: int) -> list[ProviderStatus]:
        """How this owner reaches each hosted provider."""
        async with self.sessions() as session:
            own = {key.provider: key for key in await provider_keys.of_owner(session, owner_id=owner_id)}
        return [self._status(provider, own.get(provider)) for provider in self.hosted]

    async def status(self, provider: str, *, owner_id: int) -> ProviderStatus:
        """How this owner reaches one hosted provider. Raises NotFound."""
        self._check_hosted(provider)
        return self._status(provider, await self.stored(provider, owner_id=owner_id))

    async def stored(self, provider: str, *, owner_id: int) -> StoredKey | None:
        """The owner's own key, still encrypted."""
        async with self.sessions() as session:
            return await provider_keys.get(session, owner_id=owner_id, provider=provider)

    async def save(
        self, provider: str, *, owner_id: int, api_key: str | None = None, base_url: str | None = None
    ) -> ProviderStatus:
        """Keep a key, an own server's address, or both, in place of what there was.

        A key is never taken along to another address: who could change only that would get at it.

        Raises:
            NotFound: there is no such hosted provider.
            InvalidInput: the key or the address cannot be used; `field` says which.
        """
        self._check_hosted(provider)
        address = await self._checked_address(provider, (base_url or "").strip())
        key = self._checked_key(provider, (api_key or "").strip(), address)
        stored = self._seal(provider, key, address, owner_id)
        async with self.sessions.begin() as session:
            await provider_keys.save(session, stored, owner_id=owner_id)
            await accounts.write_audit(
                session, user_id=owner_id, action="provider_key_saved", provider=provider
            )
        log.info("provider_key_saved", provider=provider, owner_id=owner_id, has_base_url=address is not None)
        return self._status(provider, stored)

    async def remove(self, provider: str, *, owner_id: int) -> None:
        """Forget the owner's key. Raises NotFound."""
        self._check_hosted(provider)
        async with self.sessions.begin() as session:
            if not await provider_keys.delete(session, owner_id=owner_id, provider=provider):
                raise NotFound("key")
            await accounts.write_audit(
                session, user_id=owner_id, action="provider_key_removed", provider=provider
            )
        log.info("provider_key_removed", provider=provider, owner_id=owner_id)

    @property
    def hosted(self) -> list[str]:
        """The providers that take a key."""
        return [name for name, module in self.modules.items() if module.NEEDS_KEY]

    def _own(self, stored: StoredKey, owner_id: int) -> ProviderAccess:
        key = None
        if stored.ciphertext is not None:
            sealed = Sealed(stored.key_id, stored.ciphertext)
            key = SecretStr(self.ring.open(sealed, place_of(stored, owner_id)))
        return ProviderAccess(
            provider=stored.provider,
            api_key=key,
            base_url=stored.base_url or self.base_urls.get(stored.provider),
            source="owner",
            is_guarded=stored.base_url is not None,
        )

    def _seal(self, provider: str, key: str, address: str | None, owner_id: int) -> StoredKey:
        shown = key[-4:] if len(key) >= SHOWS_END else ""
        stored = StoredKey(provider, "", None, last_four=shown, base_url=address)
        if not key:
            return stored
        sealed = self.ring.seal(key, place_of(stored, owner_id))
        return StoredKey(provider, sealed.key_id, sealed.ciphertext, last_four=shown, base_url=address)

    def _status(self, provider: str, own: StoredKey | None) -> ProviderStatus:
        is_installed = provider in self.installed
        return ProviderStatus(
            provider=provider,
            label=self.modules[provider].LABEL,
            source="owner" if own else "installation" if is_installed else "none",
            has_installation_key=is_installed,
            takes_base_url=_takes_base_url(self.modules[provider]),
            last_four=own.last_four if own else "",
            base_url=(own.base_url or "") if own else "",
            checked_at=own.checked_at if own else None,
            problem=own.problem if own else "",
        )

    def _check_hosted(self, provider: str) -> None:
        if provider not in self.hosted:
            raise NotFound("provider that takes a key")

    async def _checked_address(self, provider: str, base_url: str) -> str | None:
        if not base_url:
            return None
        if not _takes_base_url(self.modules[provider]):
            label = self.modules[provider].LABEL
            raise InvalidInput(f"{label} cannot be given another address.", field="base_url")
        if len(base_url) > MAX_BASE_URL:
            raise InvalidInput(f"Please use at most {MAX_BASE_URL} characters.", field="base_url")
        try:
            url = self.guard.parse(base_url)
            if url.query:
                raise InvalidInput("Please leave out “?” and what follows it.", field="base_url")
            await self.guard.check_server(url)
        except AddressRefused as error:
            raise InvalidInput(str(error), field="base_url") from None
        return str(url).rstrip("/")

    def _checked_key(self, provider: str, key: str, address: str | None) -> str:
        if not key and address is not None:
            return ""
        if not key:
            raise InvalidInput("Please enter a key.", field="api_key")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise InvalidInput("This has characters no key has. Please copy it again.", field="api_key")
        if len(key) > MAX_KEY or (address is None and len(key) < MIN_KEY):
            label = self.modules[provider].LABEL
            raise InvalidInput(f"This is not a whole key of {label}. Please copy it again.", field="api_key")
        return key


def place_of(stored: StoredKey, owner_id: int) -> Place:
    """What a key is sealed for: it opens for this owner, provider and server only."""
    return Place(owner_id, "provider_keys", f"{stored.provider} {stored.base_url or ''}", "api_key")


def _takes_base_url(module: ModuleType) -> bool:
    return getattr(module, "OWN_SERVER", False)
