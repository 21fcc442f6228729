"""The models there are, as data: those of our table, and what an administrator added or changed.

table (comes with this version) ──┐
overrides (database) ─────────────┴─ by provider and id, read again every few seconds: processes agree soon
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from rag_app.db.engine import Sessions, outage
from rag_app.db.queries import model_overrides
from rag_app.domain.models import Model, ModelKind, ModelTable
from rag_app.errors import InvalidInput
from rag_app.rag.model_table import check_model

log = structlog.get_logger()

FRESH_S = 5.0


@dataclass
class _Overrides:
    """What was read last, and until when that will do."""

    models: Mapping[tuple[str, str], Model] = field(default_factory=dict)
    fresh_until: float = 0.0


@dataclass(frozen=True)
class ModelCatalogue:
    """Models by provider and id; `refresh` looks for what was changed, the rest is from memory."""

    sessions: Sessions
    table: ModelTable
    _read: _Overrides = field(default_factory=_Overrides)

    def find(self, provider: str, model: str) -> Model:
        """A model; one that is not known can be used, but its cost is unknown."""
        changed = self._read.models.get((provider, model))
        return changed or self.table.find(provider, model) or Model(provider, model, model)

    def of(self, provider: str, kind: ModelKind = "chat") -> tuple[Model, ...]:
        """A provider's models of one kind, in the order they are offered, the default first."""
        ours = [self.find(provider, model.id) for model in self.table.models if model.provider == provider]
        added = [
            model
            for (of, name), model in sorted(self._read.models.items())
            if of == provider and self.table.find(of, name) is None
        ]
        return tuple(model for model in (*ours, *added) if model.kind == kind)

    async def refresh(self) -> None:
        """Read the overrides again if a few seconds have passed; with the database away the old ones do."""
        if time.monotonic() < self._read.fresh_until:
            return
        try:
            async with self.sessions() as session:
                rows = await model_overrides.all_of_them(session)
        except Exception as error:
            if outage(error) is None:
                raise
            return
        self._read.models = {(row.provider, row.model): model for row in rows if (model := _model_of(row))}
        self._read.fresh_until = time.monotonic() + FRESH_S

    def forget(self) -> None:
        """Let the next `refresh` read: something was changed by this very process."""
        self._read.fresh_until = 0.0


def version_of(number: int) -> str:
    """What the prices of an override are known by, beside costs."""
    return f"own-{number}"


def _model_of(row: model_overrides.OverrideRow) -> Model | None:
    """An override as a model; one that a newer version finds impossible is left out, which the log says."""
    try:
        entry = check_model({**row.settings, "provider": row.provider, "id": row.model})
    except InvalidInput as error:
        log.warning("model_override_ignored", provider=row.provider, model=row.model, reason=str(error))
        return None
    return entry.model(version_of(row.version))
