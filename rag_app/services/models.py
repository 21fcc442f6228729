"""The models there are, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from rag_app.domain.models import Model


@dataclass(frozen=True)
class ModelCatalogue:
    """Models by provider and id."""

    modules: Mapping[str, ModuleType]

    def find(self, provider: str, model: str) -> Model:
        """A model; one that is not known can be used, but its cost is unknown."""
        for known in self.modules[provider].MODELS:
            if known.id == model:
                return Model(
                    provider,
                    known.id,
                    known.label,
                    context_tokens=known.context_tokens,
                    max_output_tokens=known.max_output_tokens,
                    takes_temperature=known.takes_temperature,
                )
        return Model(provider, model, model)
