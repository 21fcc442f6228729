"""The one place where services meet their collaborators."""

import asyncio
import ssl
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import httpx2
import procrastinate
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from rag_app import registry
from rag_app.crypto import AccessTokens, KeyRing, load_or_make_ring, load_or_make_secret
from rag_app.db.engine import create_engine, create_sessions
from rag_app.db.queue import create_queue
from rag_app.domain.embedding_models import EmbeddingChoice
from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.domain.models import Model
from rag_app.domain.private_hosts import parse_private_hosts
from rag_app.errors import PermanentError
from rag_app.net.guard import Guard
from rag_app.net.transport import GuardedTransport
from rag_app.rag import embedders, llms, rerankers
from rag_app.rag import sources as source_kinds
from rag_app.rag.embedders import hub_onnx
from rag_app.rag.embedders._hosted import HostedEmbedder
from rag_app.rag.embedders.contract import Embedder
from rag_app.rag.embedders.hub_onnx import HubEmbedderModel
from rag_app.rag.llms.contract import LLM, LLMSettings
from rag_app.rag.model_hub import HubModel
from rag_app.rag.model_table import model_table
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.parsers.sandbox import find_tessdata, remove_leftovers
from rag_app.rag.rerankers.contract import Reranker, RerankerParts
from rag_app.rag.sources._mail_oauth import OAuthProvider, google, microsoft
from rag_app.rag.sources._mail_presets import IMAP_PORT, IMAPS_PORT
from rag_app.rag.sources.contract import SourceParts
from rag_app.services.accounts import AccountService
from rag_app.services.admin import AdminService
from rag_app.services.candidates import CandidateFinder
from rag_app.services.chat import ChatService
from rag_app.services.chunk_previews import ChunkPreviewService
from rag_app.services.conversations import ConversationService
from rag_app.services.document_bulk import DocumentBulkService
from rag_app.services.document_versions import DocumentVersionService
from rag_app.services.documents import DocumentService
from rag_app.services.embedders import Embedders, HostedEmbedders, is_hosted
from rag_app.services.embedding_switches import EmbeddingSwitchService
from rag_app.services.faq import FaqService
from rag_app.services.faq_matching import FaqMatcher
from rag_app.services.health import HealthService
from rag_app.services.idempotency import IdempotencyService
from rag_app.services.indexes import IndexService
from rag_app.services.ingestion import IngestionService
from rag_app.services.knowledge_bases import KnowledgeBaseService
from rag_app.services.limits import LimitService
from rag_app.services.llms import LLMs
from rag_app.services.mailboxes import MailboxService
from rag_app.services.maintenance import MaintenanceService
from rag_app.services.model_admin import ModelAdminService
from rag_app.services.model_calls import ModelCalls
from rag_app.services.models import ModelCatalogue
from rag_app.services.passwords import Passwords
from rag_app.services.prompt_previews import PromptPreviewService
from rag_app.services.provider_checks import ProviderCheckService
from rag_app.services.provider_keys import ProviderAccess, ProviderKeyService
from rag_app.services.questions import LOCAL, QuestionService
from rag_app.services.rate_limits import RateLimits
from rag_app.services.rerankers import Rerankers
from rag_app.services.retrieval import RetrievalService
from rag_app.services.sharing import SharingService
from rag_app.services.source_readers import SourceReaders
from rag_app.services.source_runs import SourceRunService
from rag_app.services.sources import SourceService
from rag_app.services.stopping import Stopping
from rag_app.services.unanswered import UnansweredService
from rag_app.services.uploads import UploadService
from rag_app.services.usage import UsageService
from rag_app.services.usage_reports import UsageReportService
from rag_app.settings import Settings, settings
from rag_app.storage import Storage

HOSTED_EMBEDDERS = ("openai", "gemini")


@dataclass(frozen=True)
class Services:
    """Everything an entry point may ask for."""

    settings: Settings
    accounts: AccountService
    admin: AdminService
    knowledge_bases: KnowledgeBaseService
    prompt_previews: PromptPreviewService
    chunk_previews: ChunkPreviewService
    documents: DocumentService
    document_versions: DocumentVersionService
    uploads: UploadService
    document_bulk: DocumentBulkService
    ingestion: IngestionService
    faq: FaqService
    unanswered: UnansweredService
    retrieval: RetrievalService
    chat: ChatService
    conversations: ConversationService
    sharing: SharingService
    sources: SourceService
    mailboxes: MailboxService
    source_runs: SourceRunService
    health: HealthService
    embedding_switches: EmbeddingSwitchService
    idempotency: IdempotencyService
    indexes: IndexService
    maintenance: MaintenanceService
    limits: RateLimits
    quotas: LimitService
    jobs_queue: procrastinate.App
    engine: AsyncEngine
    llms: LLMs
    calls: ModelCalls
    usage: UsageService
    usage_reports: UsageReportService
    provider_keys: ProviderKeyService
    provider_checks: ProviderCheckService
    models: ModelCatalogue
    model_admin: ModelAdminService
    rerankers: Rerankers
    stopping: Stopping

    async def close(self) -> None:
        """Give back connections."""
        await self.usage.close()
        await self.llms.close()
        await self.retrieval.embedders.close()
        await self.rerankers.close()
        await self.engine.dispose()


def build(config: Settings) -> Services:
    """Put an installation's services together.

    Raises:
        PermanentError: no database was started or named.
    """
    if config.database_url is None:
        raise PermanentError("No database: start one with `python -m rag_app up`, or set DATABASE_URL.")
    engine = create_engine(config.database_url)
    sessions = create_sessions(engine)
    jobs_queue = create_queue(config.database_url)
    storage = Storage(config.rag_data_dir / "files")
    limits = RateLimits()
    modules: dict[str, ModuleType] = {name: registry.load(llms, name) for name in registry.names(llms)}
    installed = _installed_keys(config, modules)
    guard = Guard(parse_private_hosts(config.rag_allowed_private_hosts), needs_https=True)
    quotas = LimitService(sessions)
    usage = UsageService(sessions, quotas)
    catalogue = ModelCatalogue(sessions, model_table())
    keys = ProviderKeyService(
        sessions,
        modules,
        installed,
        key_ring(config),
        guard,
        {name: _base_url(config, name) for name in modules},
    )
    hosted = {name: registry.load(embedders, name) for name in HOSTED_EMBEDDERS}
    local_embedders = Embedders(partial(_make_embedder, config))
    make_hosted = partial(_make_hosted_embedder, config, guard, hosted, local_embedders)
    all_embedders = replace(
        local_embedders, hosted=HostedEmbedders(hosted, keys, catalogue, usage, quotas, make_hosted)
    )
    all_llms = LLMs(modules, partial(_make_llm, config, all_embedders, modules, guard))
    calls = ModelCalls(all_llms, keys, catalogue, usage, quotas)
    questions = QuestionService(calls)
    all_rerankers = Rerankers(
        {name: registry.load(rerankers, name) for name in registry.names(rerankers)},
        partial(_make_reranker, config, all_embedders, calls),
    )
    retrieval = RetrievalService(
        sessions,
        all_embedders,
        questions,
        all_rerankers,
        CandidateFinder(sessions),
        FaqMatcher(sessions, partial(all_embedders.get, config.rag_local_embedder)),
    )
    unanswered = UnansweredService(sessions, partial(all_embedders.get, config.rag_local_embedder))
    parse_limits = ParseLimits(
        memory_mb=config.rag_parse_memory_mb,
        cpu_s=config.rag_parse_timeout_s,
        wall_s=config.rag_parse_timeout_s,
    )
    knowledge_bases = KnowledgeBaseService(
        sessions,
        storage,
        modules,
        keys,
        config.rag_local_embedder,
        all_embedders,
        all_rerankers,
        catalogue,
        quotas,
    )
    source_readers = SourceReaders(
        {name: registry.load(source_kinds, name) for name in registry.names(source_kinds)},
        _source_parts(config, parse_limits),
        key_ring(config),
    )
    sources = SourceService(sessions, source_readers, jobs_queue, storage, quotas)
    documents = DocumentService(sessions, storage, jobs_queue, all_embedders, config.max_upload_bytes, quotas)
    access_tokens = AccessTokens(secret_key(config))
    stopping = Stopping()
    versions = DocumentVersionService(documents)
    return Services(
        settings=config,
        accounts=AccountService(
            sessions,
            Passwords(),
            access_tokens,
            limits,
            browser_hours=config.rag_sign_in_hours,
            registration_open=config.rag_registration_open,
            new_account_tier=config.rag_new_account_tier,
        ),
        admin=AdminService(sessions, quotas),
        knowledge_bases=knowledge_bases,
        prompt_previews=PromptPreviewService(sessions, knowledge_bases, retrieval, catalogue),
        chunk_previews=ChunkPreviewService(sessions, all_embedders, knowledge_bases),
        documents=documents,
        document_versions=versions,
        uploads=UploadService(documents, versions, storage, config.rag_max_files_per_upload),
        document_bulk=DocumentBulkService(sessions, documents),
        ingestion=IngestionService(
            sessions,
            storage,
            jobs_queue,
            all_embedders,
            parse_limits,
            find_tessdata,
            quotas,
            unanswered,
        ),
        faq=FaqService(sessions, storage, jobs_queue, parse_limits, quotas),
        unanswered=unanswered,
        retrieval=retrieval,
        chat=ChatService(sessions, retrieval, questions, calls, stopping, limits, quotas),
        conversations=ConversationService(sessions),
        sharing=SharingService(sessions, config.base_url),
        sources=sources,
        mailboxes=MailboxService(sources, key_ring(config), limits, mail_providers(config), config.base_url),
        source_runs=SourceRunService(
            sessions, source_readers, jobs_queue, storage, quotas, config.max_upload_bytes
        ),
        health=HealthService(
            sessions, config.rag_data_dir, {name: name in installed for name in keys.hosted}
        ),
        embedding_switches=EmbeddingSwitchService(
            sessions,
            all_embedders,
            jobs_queue,
            _embedding_choices(config),
        ),
        idempotency=IdempotencyService(sessions),
        indexes=IndexService(sessions),
        maintenance=MaintenanceService(sessions, storage, remove_leftovers),
        limits=limits,
        quotas=quotas,
        jobs_queue=jobs_queue,
        engine=engine,
        llms=all_llms,
        calls=calls,
        usage=usage,
        usage_reports=UsageReportService(sessions),
        provider_keys=keys,
        provider_checks=ProviderCheckService(sessions, keys, all_llms, catalogue, usage, limits),
        models=catalogue,
        model_admin=ModelAdminService(sessions, catalogue, all_llms, keys, frozenset(HOSTED_EMBEDDERS)),
        rerankers=all_rerankers,
        stopping=stopping,
    )


def secret_key(config: Settings) -> str:
    """What signs sign-ins: the operator's secret, or the one kept in the data folder."""
    secret = config.rag_secret_key
    return secret.get_secret_value() if secret else load_or_make_secret(config.rag_data_dir)


def key_ring(config: Settings) -> KeyRing:
    """What stored secrets are encrypted with: the operator's keys, or those kept in the data folder."""
    keys = config.rag_encryption_keys
    return load_or_make_ring(config.rag_data_dir, keys.get_secret_value() if keys else None)


def _source_parts(config: Settings, limits: ParseLimits) -> SourceParts:
    """What sources reach the network through; pages may be public without TLS, so it is not asked for."""
    guard = Guard(parse_private_hosts(config.rag_allowed_private_hosts))
    trusted = httpx2.create_ssl_context()
    return SourceParts(
        check_url=guard.parse,
        transport=lambda: GuardedTransport(guard, ssl_context=trusted),
        addresses=replace(guard, ports=frozenset({IMAP_PORT, IMAPS_PORT})).addresses,
        is_listed=guard.is_own,
        parse_limits=limits,
        user_agent=f"SimpleRAG (+{config.base_url})",  # so that who runs a website knows whom to ask
        settings={"oauth": mail_providers(config)},
    )


def mail_providers(config: Settings) -> dict[str, OAuthProvider]:
    """The sign-ins for mail that the operator has set up."""
    found: dict[str, OAuthProvider] = {}
    if config.google_oauth_client_id:
        secret = config.google_oauth_client_secret
        found["gmail"] = google(
            config.google_oauth_client_id,
            secret.get_secret_value() if secret else "",
            config.google_oauth_base_url,
        )
    if config.microsoft_oauth_client_id:
        secret = config.microsoft_oauth_client_secret
        found["outlook"] = microsoft(
            config.microsoft_oauth_client_id,
            secret.get_secret_value() if secret else "",
            config.microsoft_oauth_tenant,
            config.microsoft_oauth_base_url,
        )
    return found


def hub_embedder(config: Settings) -> HubEmbedderModel | None:
    """The embedding model of the hub that the operator has set up, if any.

    Raises:
        PermanentError: something about it is missing or not pinned; the message names the setting.
    """
    if not config.rag_hub_embedder_repo:
        return None
    files = HubModel(
        what="embedding model",
        setting="RAG_HUB_EMBEDDER",
        url=config.rag_model_hub_url,
        repo=config.rag_hub_embedder_repo,
        revision=config.rag_hub_embedder_revision,
        file=config.rag_hub_embedder_file,
        sha256=config.rag_hub_embedder_sha256,
        tokenizer_sha256=config.rag_hub_embedder_tokenizer_sha256,
    )
    files.check()
    if config.rag_hub_embedder_dimensions is None:
        raise PermanentError("RAG_HUB_EMBEDDER_DIMENSIONS must say how many numbers a vector has.")
    return HubEmbedderModel(
        files,
        dimensions=config.rag_hub_embedder_dimensions,
        max_tokens=config.rag_hub_embedder_max_tokens,
        pooling=config.rag_hub_embedder_pooling,
        query_prefix=config.rag_hub_embedder_query_prefix,
        document_prefix=config.rag_hub_embedder_document_prefix,
    )


def _embedding_choices(config: Settings) -> tuple[EmbeddingChoice, ...]:
    names = [name for name in registry.names(embedders) if name not in {hub_onnx.NAME, *HOSTED_EMBEDDERS}]
    modules = [registry.load(embedders, name) for name in names]
    built_in = [EmbeddingChoice(module.NAME, module.LABEL, module.DIMENSIONS) for module in modules]
    hub = hub_embedder(config)
    return (*built_in, *([EmbeddingChoice(hub.name, hub.label, hub.dimensions)] if hub else []))


def _make_embedder(config: Settings, name: str) -> Embedder:
    here: dict[str, Any] = {
        "models_dir": config.rag_data_dir / "models",
        "threads": config.rag_embedding_threads,
    }
    if not name.startswith(hub_onnx.NAME):
        return registry.load(embedders, name).build(**here)
    hub = hub_embedder(config)
    if hub is None or hub.name != name:
        raise PermanentError(
            "The embedding model of this knowledge base is not set up here any more. "
            "Its owner can choose another one in the settings."
        )
    return hub_onnx.build(hub, **here)


def _make_hosted_embedder(
    config: Settings,
    guard: Guard,
    modules: dict[str, ModuleType],
    local: Embedders,
    access: ProviderAccess,
    model: Model,
) -> HostedEmbedder:
    # No provider's tokenizer works without the network: texts are cut as the built-in model cuts them.
    offsets = local.get(config.rag_local_embedder).token_offsets
    options = _llm_settings(config, guard, access)
    return modules[access.provider].build(options, model=model, offsets=offsets)


def installed_llm_settings(config: Settings, modules: dict[str, ModuleType]) -> dict[str, LLMSettings]:
    """How the providers that the environment has keys for are reached, by name."""
    guard = Guard(parse_private_hosts(config.rag_allowed_private_hosts), needs_https=True)
    return {
        name: _llm_settings(config, guard, access)
        for name, access in _installed_keys(config, modules).items()
        if access.source == "installation"
    }


def _llm_settings(config: Settings, guard: Guard, access: ProviderAccess) -> LLMSettings:
    """How a provider is reached; what an owner typed goes through the guard. The one place that says so."""

    def guarded(trusted: ssl.SSLContext, limits: httpx2.Limits) -> GuardedTransport:
        return GuardedTransport(guard, ssl_context=trusted, limits=limits)

    return LLMSettings(
        provider=access.provider,
        api_key=access.api_key,
        base_url=access.base_url,
        transport=guarded if access.is_guarded else None,
        first_token_timeout_s=config.rag_llm_first_token_timeout_s,
        idle_timeout_s=config.rag_llm_idle_timeout_s,
    )


def _make_llm(
    config: Settings,
    all_embedders: Embedders,
    modules: dict[str, ModuleType],
    guard: Guard,
    access: ProviderAccess,
) -> LLM:
    module = modules[access.provider]
    options = _llm_settings(config, guard, access)
    if module.NEEDS_KEY:
        return module.build(options)
    return module.build(options, embedder=all_embedders.get(config.rag_local_embedder))


def _installed_keys(config: Settings, modules: dict[str, ModuleType]) -> dict[str, ProviderAccess]:
    """The keys of the environment; the built-in model needs none, nor may the operator's own server."""
    found: dict[str, ProviderAccess] = {}
    for name, module in modules.items():
        if not module.NEEDS_KEY:
            found[name] = ProviderAccess(name, None, None, "none")
            continue
        key, base_url = _llm_key(config, name), _base_url(config, name)
        if key is not None or (base_url is not None and getattr(module, "OWN_SERVER", False)):
            found[name] = ProviderAccess(name, key, base_url, "installation")
    return found


def _make_reranker(
    config: Settings, all_embedders: Embedders, calls: ModelCalls, name: str, kb: KnowledgeBase
) -> Reranker:
    module: ModuleType = registry.load(rerankers, name)
    # The built-in model quotes and cannot grade, so it is no judge.
    judges = name == "llm_judge" and kb.llm_provider != LOCAL
    return module.build(
        RerankerParts(
            embedder=None if is_hosted(kb.embedding_model) else all_embedders.get(kb.embedding_model),
            llm=calls.bound(kb, "judge") if judges else None,
            llm_model=kb.llm_model,
            url=config.rag_rerank_url,
            api_key=config.rag_rerank_api_key,
            model=config.rag_rerank_model,
            hub_url=config.rag_model_hub_url,
            hub_repo=config.rag_cross_encoder_repo,
            hub_revision=config.rag_cross_encoder_revision,
            hub_file=config.rag_cross_encoder_file,
            hub_sha256=config.rag_cross_encoder_sha256,
            hub_tokenizer_sha256=config.rag_cross_encoder_tokenizer_sha256,
            models_dir=config.rag_data_dir / "models",
            threads=config.rag_embedding_threads,
        )
    )


def _llm_key(config: Settings, provider: str) -> SecretStr | None:
    return getattr(config, f"{provider}_api_key", None)


def _base_url(config: Settings, provider: str) -> str | None:
    return getattr(config, f"{provider}_base_url", None)


_services: dict[int, Services] = {}


def services() -> Services:
    """The services of this process and event loop; connections belong to the loop that opened them."""
    loop_id = id(asyncio.get_running_loop())
    if loop_id not in _services:
        _services[loop_id] = build(settings())
    return _services[loop_id]


def use(replacement: Services | None) -> None:
    """Set the services of the running loop (None forgets them)."""
    loop_id = id(asyncio.get_running_loop())
    if replacement is None:
        _services.pop(loop_id, None)
    else:
        _services[loop_id] = replacement
