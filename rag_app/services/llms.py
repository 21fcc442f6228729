"""The clients of answering models, made when first asked for and shared by who uses the same key."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType

from rag_app.domain.answers import ModelInfo
from rag_app.errors import PermanentError
from rag_app.rag.llms.contract import LLM
from rag_app.services.provider_keys import ProviderAccess

_Key = tuple[str, str | None, bytes]


@dataclass(frozen=True)
class LLMs:
    """Answering models by provider and key."""

    modules: Mapping[str, ModuleType]
    make: Callable[[ProviderAccess], LLM]
    _made: dict[_Key, LLM] = field(default_factory=dict)
    _fixed: dict[str, LLM] = field(default_factory=dict)

    def label(self, provider: str) -> str:
        """A provider's name for people. Raises PermanentError."""
        return self._module(provider).LABEL

    def models(self, provider: str) -> tuple[ModelInfo, ...]:
        """The models a provider's file knows. Raises PermanentError."""
        return self._module(provider).MODELS

    def get(self, access: ProviderAccess) -> LLM:
        """The client that reaches a provider in this way. Raises PermanentError."""
        if access.provider in self._fixed:
            return self._fixed[access.provider]
        key = access.api_key.get_secret_value() if access.api_key else ""
        wanted = (access.provider, access.base_url, hashlib.sha256(key.encode()).digest())
        if wanted not in self._made:
            self._module(access.provider)
            self._made[wanted] = self.make(access)
        return self._made[wanted]

    def fix(self, provider: str, llm: LLM) -> None:
        """Let one client, which stays the caller's, answer for a provider whatever the key."""
        self._fixed[provider] = llm

    async def close(self) -> None:
        """Give back all connections."""
        for llm in self._made.values():
            await llm.close()
        self._made.clear()

    def _module(self, provider: str) -> ModuleType:
        if provider not in self.modules:
            raise PermanentError(f"There is no provider called “{provider}” on this installation.")
        return self.modules[provider]
