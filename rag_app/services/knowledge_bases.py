"""Knowledge bases: make, change, archive, delete."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import ModuleType
from typing import Any

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, accounts, knowledge_bases
from rag_app.domain.chunk_sizes import most_tokens
from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.domain.languages import ANSWER_LANGUAGES
from rag_app.domain.limits import KNOWLEDGE_BASES
from rag_app.domain.models import Model, ModelChoice
from rag_app.domain.rag_config import RagConfig, searched_like
from rag_app.errors import InvalidInput
from rag_app.services.embedders import Embedders
from rag_app.services.limits import LimitService
from rag_app.services.models import ModelCatalogue
from rag_app.services.provider_keys import ProviderKeyService
from rag_app.services.rag_configs import RECOMMENDED, changed_config, preset
from rag_app.services.rerankers import Rerankers
from rag_app.services.text import clean_line, clean_text
from rag_app.storage import Storage

log = structlog.get_logger()

MAX_NAME = 120
MAX_DESCRIPTION = 2000
MAX_SYSTEM_PROMPT = 8000
MAX_BUDGET_USD = 1_000_000
MAX_FALLBACKS = 3  # each costs the reader the time its provider takes to fail
RANGES = {"temperature": (0, 2), "max_tokens": (16, 32_000)}  # as the database has them


@dataclass(frozen=True)
class Provider:
    """An answering provider as an owner chooses it."""

    name: str
    label: str
    models: tuple[Model, ...]
    is_available: bool
    is_local: bool


@dataclass(frozen=True)
class KnowledgeBaseService:
    """An owner's knowledge bases; every call names the owner."""

    sessions: Sessions
    storage: Storage
    llm_modules: Mapping[str, ModuleType]
    keys: ProviderKeyService
    embedding_model: str
    embedders: Embedders
    rerankers: Rerankers
    catalogue: ModelCatalogue
    quotas: LimitService

    async def providers(self, *, owner_id: int) -> list[Provider]:
        """All providers, those that can answer this owner now first, the built-in one among them."""
        available = await self.keys.available(owner_id)
        found = [
            Provider(
                name=name,
                label=module.LABEL,
                models=self.catalogue.of(name),
                is_available=name in available,
                is_local=not module.NEEDS_KEY,
            )
            for name, module in self.llm_modules.items()
        ]
        return sorted(
            found, key=lambda provider: (not provider.is_available, provider.is_local, provider.name)
        )

    async def create(
        self,
        *,
        owner_id: int,
        name: str,
        description: str = "",
        llm_provider: str | None = None,
        llm_model: str | None = None,
    ) -> KnowledgeBase:
        """Make a knowledge base; without a provider the first available one answers.

        Raises:
            InvalidInput: a value cannot be used; `field` says which.
            PlanFull: the owner's plan allows no more.
        """
        if llm_provider is None:
            llm_provider = (await self.providers(owner_id=owner_id))[0].name
        provider, model = self._check_model(llm_provider, llm_model)
        columns = {
            "name": _check_name(name),
            "description": _check_length("description", description, MAX_DESCRIPTION),
            "llm_provider": provider,
            "llm_model": model,
        }
        async with self.sessions.begin() as session:
            kb_id = await knowledge_bases.insert(
                session, owner_id=owner_id, embedding_model=self.embedding_model, **columns
            )
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await accounts.write_audit(session, user_id=owner_id, kb_id=kb_id, action="kb_created")
            created = await knowledge_bases.get(session, scope)
            await self.quotas.keep_within(session, KNOWLEDGE_BASES, owner_id=owner_id)
        log.info("kb_created", kb_id=kb_id, owner_id=owner_id, llm_provider=provider)
        return created

    async def get(self, kb_id: int, *, owner_id: int) -> KnowledgeBase:
        """One of the owner's knowledge bases. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await knowledge_bases.get(session, scope)

    async def list_of(
        self, owner_id: int, *, before: int | None = None, limit: int = 100, include_archived: bool = True
    ) -> list[KnowledgeBase]:
        """The owner's knowledge bases, newest first."""
        async with self.sessions() as session:
            return await knowledge_bases.of_owner(
                session, owner_id=owner_id, before=before, limit=limit, include_archived=include_archived
            )

    async def update(self, kb_id: int, *, owner_id: int, changes: Mapping[str, Any]) -> KnowledgeBase:
        """Change name, description, models, prompt, language, limits, budget or is_active.

        Raises:
            NotFound: it is not this owner's.
            InvalidInput: a value cannot be used; `field` says which.
        """
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            current = await knowledge_bases.get(session, scope)
            columns = self._check_changes(current, changes)
            if columns:
                await knowledge_bases.update(session, scope, **columns)
                await accounts.write_audit(
                    session, user_id=owner_id, kb_id=kb_id, action="kb_changed", fields=sorted(columns)
                )
            return await knowledge_bases.get(session, scope)

    async def rag_config(self, kb_id: int, *, owner_id: int) -> RagConfig:
        """How a knowledge base is searched. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return (await knowledge_bases.get(session, scope, counted=False)).rag_config

    async def set_rag_config(self, kb_id: int, *, owner_id: int, changes: Mapping[str, Any]) -> RagConfig:
        """Set some knobs of how a knowledge base is searched, and leave the others.

        Raises:
            NotFound: it is not this owner's.
            InvalidInput: a knob is not known, a value out of bounds or a reranker not set up here;
                `problems` says which and why.
        """
        return await self._keep_rag_config(kb_id, owner_id, lambda kb: self._changed_config(kb, changes))

    async def use_preset(self, kb_id: int, name: str, *, owner_id: int) -> RagConfig:
        """Set every knob of searching as a preset has it; how documents are cut stays.

        Raises:
            NotFound: it is not this owner's.
            InvalidInput: there is no such preset.
        """
        chosen = preset(name)
        return await self._keep_rag_config(kb_id, owner_id, lambda kb: searched_like(kb.rag_config, chosen))

    async def reset_rag_config(self, kb_id: int, *, owner_id: int) -> RagConfig:
        """Set every knob of searching as recommended; how documents are cut stays. Raises NotFound."""
        return await self._keep_rag_config(
            kb_id, owner_id, lambda kb: searched_like(kb.rag_config, RECOMMENDED)
        )

    async def _keep_rag_config(
        self, kb_id: int, owner_id: int, change: Callable[[KnowledgeBase], RagConfig]
    ) -> RagConfig:
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await knowledge_bases.lock(session, scope)  # so that changes at once do not undo each other
            kb = await knowledge_bases.get(session, scope, counted=False)
            before, after = kb.rag_config, change(kb)
            fields = [name for name, value in after if value != getattr(before, name)]
            if fields:
                await knowledge_bases.set_rag_config(session, scope, after)
                await accounts.write_audit(
                    session, user_id=owner_id, kb_id=kb_id, action="kb_rag_config_changed", fields=fields
                )
        return after

    async def delete(self, kb_id: int, *, owner_id: int, typed_name: str | None = None) -> None:
        """Delete a knowledge base with everything in it.

        Raises:
            NotFound: it is not this owner's.
            InvalidInput: `typed_name` is given and is not its name.
        """
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            name = (await knowledge_bases.get(session, scope)).name
            if typed_name is not None and typed_name.strip() != name:
                raise InvalidInput(f"Please type “{name}” to delete it.", field="typed_name")
            hashes = await knowledge_bases.delete(session, scope)
            await accounts.write_audit(session, user_id=owner_id, kb_id=kb_id, action="kb_deleted")
        for sha256 in hashes:
            self.storage.remove_if_old(sha256)
        log.info("kb_deleted", kb_id=kb_id, owner_id=owner_id, n_files=len(hashes))

    def with_rag_config(self, kb: KnowledgeBase, changes: Mapping[str, Any]) -> RagConfig:
        """How a knowledge base would be searched with changes that are not saved. Raises InvalidInput."""
        return self._changed_config(kb, changes)

    def _changed_config(self, kb: KnowledgeBase, changes: Mapping[str, Any]) -> RagConfig:
        config = changed_config(kb.rag_config, changes)
        # What is stored may stay, so that the other knobs can be turned; and there is always a way back.
        if config.reranker not in {kb.rag_config.reranker, RECOMMENDED.reranker}:
            problem = self.rerankers.problems(kb).get(config.reranker)
            if problem:
                raise InvalidInput(problem, field="reranker", problems={"reranker": problem})
        if config.chunk_tokens not in {kb.rag_config.chunk_tokens, RECOMMENDED.chunk_tokens}:
            self._check_chunk_tokens(kb, config.chunk_tokens)
        return config

    def _check_chunk_tokens(self, kb: KnowledgeBase, tokens: int) -> None:
        model_tokens = self.embedders.max_tokens(kb.embedding_model)
        if model_tokens is not None and tokens > most_tokens(model_tokens):
            problem = (
                "The embedding model of this knowledge base reads at most "
                f"{most_tokens(model_tokens):,} tokens at once. Choose less, or another model first."
            )
            raise InvalidInput(problem, field="chunk_tokens", problems={"chunk_tokens": problem})

    def with_changes(self, kb: KnowledgeBase, changes: Mapping[str, Any]) -> KnowledgeBase:
        """A knowledge base as it would be with changes that are not saved. Raises InvalidInput."""
        columns = self._check_changes(kb, changes)
        if "llm_fallbacks" in columns:
            columns["llm_fallbacks"] = tuple(ModelChoice(**choice) for choice in columns["llm_fallbacks"])
        return replace(kb, **columns)

    def _check_changes(self, current: KnowledgeBase, changes: Mapping[str, Any]) -> dict[str, Any]:
        columns: dict[str, Any] = {}
        if "name" in changes:
            columns["name"] = _check_name(changes["name"])
        if "description" in changes:
            columns["description"] = _check_length("description", changes["description"], MAX_DESCRIPTION)
        if "system_prompt" in changes:
            prompt = _check_length("system_prompt", changes["system_prompt"] or "", MAX_SYSTEM_PROMPT)
            columns["system_prompt"] = prompt or None
        if "llm_provider" in changes or "llm_model" in changes:
            provider = changes.get("llm_provider", current.llm_provider)
            model = changes.get("llm_model")
            if model is None and provider == current.llm_provider:
                model = current.llm_model
            columns["llm_provider"], columns["llm_model"] = self._check_model(provider, model)
        if changes.get("llm_fallbacks") is not None:
            columns["llm_fallbacks"] = self._check_fallbacks(changes["llm_fallbacks"])
        if changes.get("answer_language") is not None:
            columns["answer_language"] = _check_language(changes["answer_language"])
        for name, (least, most) in RANGES.items():
            if changes.get(name) is not None:
                if not least <= changes[name] <= most:
                    raise InvalidInput(f"Please choose a number from {least} to {most:,}.", field=name)
                columns[name] = changes[name]
        if "monthly_budget_usd" in changes:
            columns["monthly_budget_usd"] = _check_budget(changes["monthly_budget_usd"])
        if changes.get("is_active") is not None:
            columns["is_active"] = changes["is_active"]
        return columns

    def _check_fallbacks(self, choices: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """Models in the order they shall be tried, each once."""
        if len(choices) > MAX_FALLBACKS:
            raise InvalidInput(f"Please choose at most {MAX_FALLBACKS}.", field="llm_fallbacks")
        try:
            checked = [self._check_model(choice["provider"], choice.get("model")) for choice in choices]
        except InvalidInput as error:
            raise InvalidInput(str(error), field="llm_fallbacks") from error
        return [{"provider": provider, "model": model} for provider, model in dict.fromkeys(checked)]

    def _check_model(self, provider: str, model: str | None) -> tuple[str, str]:
        module = self.llm_modules.get(provider)
        if module is None:
            raise InvalidInput(f"There is no provider called “{provider}”.", field="llm_provider")
        if not model:
            return provider, module.MODELS[0].id
        model = clean_line(model, max_characters=100)
        # A hosted provider may know newer models than we do; the built-in one has only its own.
        if not module.NEEDS_KEY and model not in {known.id for known in module.MODELS}:
            raise InvalidInput(f"{module.LABEL} has no model called “{model}”.", field="llm_model")
        return provider, model


def _check_name(name: str) -> str:
    cleaned = clean_line(name, max_characters=MAX_NAME + 1)
    if not cleaned:
        raise InvalidInput("Please enter a name.", field="name")
    if len(cleaned) > MAX_NAME:
        raise InvalidInput(f"Please use at most {MAX_NAME} characters.", field="name")
    return cleaned


def _check_budget(amount: float | Decimal | None) -> Decimal | None:
    """US dollars and cents; None for no budget."""
    if amount is None:
        return None
    if not 0 <= amount <= MAX_BUDGET_USD:  # false for "nan" as well
        raise InvalidInput(
            f"Please enter an amount from 0 to {MAX_BUDGET_USD:,} dollars.", field="monthly_budget_usd"
        )
    return Decimal(str(amount)).quantize(Decimal("0.01"))


def _check_language(code: str) -> str:
    if code and code not in ANSWER_LANGUAGES:
        raise InvalidInput("Please choose one of the languages offered.", field="answer_language")
    return code


def _check_length(field: str, text: str, max_characters: int) -> str:
    cleaned = clean_text(text).strip()
    if len(cleaned) > max_characters:
        raise InvalidInput(f"Please use at most {max_characters:,} characters.", field=field)
    return cleaned
