"""Which key a call to a provider is made with."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from rag_app.domain.usage import KeySource
from rag_app.errors import PermanentError


@dataclass(frozen=True)
class ProviderAccess:
    """How one owner reaches one provider, and whose key that takes."""

    provider: str
    api_key: SecretStr | None
    base_url: str | None
    source: KeySource


@dataclass(frozen=True)
class ProviderKeyService:
    """Finds keys; those of the installation are `installed`, by provider."""

    installed: Mapping[str, ProviderAccess]

    async def access(self, provider: str, label: str, *, owner_id: int) -> ProviderAccess:
        """How this owner reaches a provider.

        Raises:
            PermanentError: there is no key for it.
        """
        if provider not in self.installed:
            raise PermanentError(
                f"No key for {label} is configured on this installation, so it cannot answer. "
                "Choose another model in the knowledge base's settings."
            )
        return self.installed[provider]
