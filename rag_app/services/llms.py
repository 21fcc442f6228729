"""The answering models of this process, made when first asked for and shared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType

from rag_app.errors import PermanentError
from rag_app.rag.llms.contract import LLM


@dataclass(frozen=True)
class LLMs:
    """Answering models by provider."""

    modules: Mapping[str, ModuleType]
    keys: Mapping[str, bool]
    make: Callable[[str], LLM]
    _made: dict[str, LLM] = field(default_factory=dict)

    def get(self, provider: str) -> LLM:
        """The provider's client.

        Raises:
            PermanentError: the provider has no key here.
        """
        if provider not in self._made:
            module = self.modules[provider]
            if module.NEEDS_KEY and not self.keys.get(provider):
                raise PermanentError(
                    f"No key for {module.LABEL} is configured on this installation, so it cannot answer. "
                    "Choose another model in the knowledge base's settings."
                )
            self._made[provider] = self.make(provider)
        return self._made[provider]

    async def close(self) -> None:
        """Give back all connections."""
        for llm in self._made.values():
            await llm.close()
        self._made.clear()
