"""Look at models and prices, and change them: whoever runs the installation, and nobody else."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, accounts, model_overrides
from rag_app.domain.models import Model, OfferedModel
from rag_app.errors import InvalidInput, NotAllowed, NotFound, PermanentError
from rag_app.rag.llms.contract import ListsModels
from rag_app.rag.model_table import ModelEntry, check_model, settings_of
from rag_app.services.llms import LLMs
from rag_app.services.models import ModelCatalogue, version_of
from rag_app.services.provider_keys import ProviderKeyService

log = structlog.get_logger()

Source = Literal["built-in", "changed", "added"]
MOST_OVERRIDES = 500


@dataclass(frozen=True)
class ListedModel:
    """A model and where what is known of it comes from."""

    model: Model
    source: Source


@dataclass(frozen=True)
class ModelAdminService:
    """Models as an administrator sees them; every call asks the database whether the caller is one."""

    sessions: Sessions
    catalogue: ModelCatalogue
    llms: LLMs
    keys: ProviderKeyService
    embedding_providers: frozenset[str]

    def providers(self) -> list[tuple[str, str]]:
        """Names and labels of the providers whose models can be set."""
        modules: Mapping[str, ModuleType] = self.llms.modules
        return [(name, module.LABEL) for name, module in modules.items() if module.NEEDS_KEY]

    async def check(self, *, user_id: int) -> None:
        """Ask the database whether an account runs the installation. Raises NotAllowed."""
        async with self.sessions() as session:
            if not await access.is_admin(session, user_id=user_id):
                raise NotAllowed("Only whoever runs this installation can do this.")

    async def list(self, *, user_id: int) -> list[ListedModel]:
        """Every model we know, by provider. Raises NotAllowed."""
        await self.check(user_id=user_id)
        self.catalogue.forget()
        await self.catalogue.refresh()
        return [
            self._listed(model)
            for provider, _ in self.providers()
            for kind in ("chat", "embedding")
            for model in self.catalogue.of(provider, kind)
        ]

    async def put(self, values: Mapping[str, Any], *, user_id: int) -> ListedModel:
        """Set what holds for a model, known or not; its costs are from now on kept with a new version.

        Raises:
            NotAllowed: the caller does not run the installation.
            InvalidInput: something about it is missing or impossible; `field` says what.
        """
        await self.check(user_id=user_id)
        entry = check_model(values)
        self._check_provider(entry)
        async with self.sessions.begin() as session:
            known = await model_overrides.all_of_them(session)
            if len(known) >= MOST_OVERRIDES and (entry.provider, entry.id) not in {
                (row.provider, row.model) for row in known
            }:
                raise InvalidInput(f"There are {MOST_OVERRIDES} models set here already.")
            await _check_dimensions(session, entry)
            settings = settings_of(entry)
            version = await model_overrides.put(
                session, provider=entry.provider, model=entry.id, settings=settings, user_id=user_id
            )
            await accounts.write_audit(
                session,
                user_id=user_id,
                action="model_set",
                provider=entry.provider,
                model=entry.id,
                version=version_of(version),
                settings=settings,
            )
        self.catalogue.forget()
        await self.catalogue.refresh()
        log.info("model_set", provider=entry.provider, model=entry.id, version=version)
        return self._listed(self.catalogue.find(entry.provider, entry.id))

    async def remove(self, provider: str, model: str, *, user_id: int) -> None:
        """Forget what was set for a model: one of our table is as it came, another one unknown.

        Raises:
            NotAllowed: the caller does not run the installation.
            NotFound: nothing was set.
        """
        await self.check(user_id=user_id)
        if provider not in dict(self.providers()):
            raise NotFound("model")
        async with self.sessions.begin() as session:
            if not await model_overrides.delete(session, provider=provider, model=model):
                raise NotFound("model")
            await accounts.write_audit(
                session, user_id=user_id, action="model_forgotten", provider=provider, model=model
            )
        self.catalogue.forget()
        await self.catalogue.refresh()
        log.info("model_forgotten", provider=provider, model=model)

    async def offered(self, provider: str, *, user_id: int) -> tuple[OfferedModel, ...]:
        """The provider's own list, by the caller's key, without what we know. Raises as `ListsModels`.

        Raises:
            NotFound: there is no such provider.
            PermanentError: there is no key for it, or it has no list.
        """
        if provider not in dict(self.providers()):
            raise NotFound("provider")
        label = self.llms.label(provider)
        llm = self.llms.get(await self.keys.access(provider, label, owner_id=user_id))
        if not isinstance(llm, ListsModels):
            raise PermanentError(f"{label} has no list of its models.")
        await self.catalogue.refresh()
        known = {model.id for kind in ("chat", "embedding") for model in self.catalogue.of(provider, kind)}
        return tuple(model for model in await llm.list_models() if model.id not in known)

    def _listed(self, model: Model) -> ListedModel:
        ours = self.catalogue.table.find(model.provider, model.id)
        if ours is None:
            return ListedModel(model, "added")
        return ListedModel(model, "built-in" if model == ours else "changed")

    def _check_provider(self, entry: ModelEntry) -> None:
        labels = dict(self.providers())
        if entry.provider not in labels:
            raise InvalidInput("What is built in cannot be changed.", field="provider")
        if entry.kind == "embedding" and entry.provider not in self.embedding_providers:
            raise InvalidInput(f"{labels[entry.provider]} has no embedding models.", field="kind")


async def _check_dimensions(session: Any, entry: ModelEntry) -> None:
    """Vectors that are stored cannot be compared with others of another size."""
    name = f"{entry.provider}:{entry.id}"
    stored = await model_overrides.stored_dimensions(session, name=name)
    if stored is not None and stored != entry.dimensions:
        raise InvalidInput(
            f"Vectors of this model are stored with {stored:,} numbers, which cannot be changed.",
            field="dimensions",
        )
