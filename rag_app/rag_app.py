"""The Reflex app: pages on their routes, with the API in front of them."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from reflex.config import get_config
from reflex.constants import Env
from reflex.environment import environment
from starlette.types import ASGIApp

from rag_app import bootstrap, log
from rag_app.api.app import allowed_origins, create_api, layers
from rag_app.api.shutdown import end_answers_on_signal
from rag_app.processes import backing_services
from rag_app.settings import settings
from rag_app.ui import routes
from rag_app.ui.app import create_app
from rag_app.ui.build import ROOT
from rag_app.ui.dashboard.admin import page as admin
from rag_app.ui.dashboard.admin.accounts_state import AccountsState
from rag_app.ui.dashboard.admin.plans_state import PlansState
from rag_app.ui.dashboard.admin_models import page as admin_models
from rag_app.ui.dashboard.admin_models.state import AdminModelsState
from rag_app.ui.dashboard.conversations import page as conversations
from rag_app.ui.dashboard.conversations import reader
from rag_app.ui.dashboard.conversations.state import ConversationsState, ConversationState
from rag_app.ui.dashboard.document import page as document
from rag_app.ui.dashboard.document.attempts import AttemptsState
from rag_app.ui.dashboard.document.state import DocumentState
from rag_app.ui.dashboard.document.versions_state import VersionsState
from rag_app.ui.dashboard.email import page as email
from rag_app.ui.dashboard.email.state import MailboxesState, MailboxState
from rag_app.ui.dashboard.faq import page as faq
from rag_app.ui.dashboard.faq import unanswered_page as unanswered
from rag_app.ui.dashboard.faq.state import FaqState
from rag_app.ui.dashboard.faq.unanswered_state import UnansweredState
from rag_app.ui.dashboard.frame import OPEN
from rag_app.ui.dashboard.knowledge_base import page as knowledge_base
from rag_app.ui.dashboard.knowledge_base.selection_state import SelectionState
from rag_app.ui.dashboard.knowledge_base.state import KnowledgeBaseState
from rag_app.ui.dashboard.my_knowledge_bases import page as my_knowledge_bases
from rag_app.ui.dashboard.my_knowledge_bases.state import MyKnowledgeBasesState
from rag_app.ui.dashboard.preview import page as preview
from rag_app.ui.dashboard.preview.state import PreviewState
from rag_app.ui.dashboard.semantic_search import page as semantic_search
from rag_app.ui.dashboard.semantic_search.state import SearchState
from rag_app.ui.dashboard.settings import page as settings_tab
from rag_app.ui.dashboard.settings.answers_state import AnswersState
from rag_app.ui.dashboard.settings.chunks_state import ChunksState
from rag_app.ui.dashboard.settings.embedding_state import EmbeddingState
from rag_app.ui.dashboard.settings.plan_state import PlanState
from rag_app.ui.dashboard.settings.providers_state import ProvidersState
from rag_app.ui.dashboard.settings.retrieval_state import RetrievalSettingsState
from rag_app.ui.dashboard.settings.state import SettingsState
from rag_app.ui.dashboard.usage import page as usage
from rag_app.ui.dashboard.usage.state import UsageState
from rag_app.ui.dashboard.web_sources import page as web_sources
from rag_app.ui.dashboard.web_sources.state import WebSourcesState, WebSourceState
from rag_app.ui.landing import page as landing
from rag_app.ui.public import not_found_page
from rag_app.ui.shared_chat import page as shared_chat
from rag_app.ui.shared_chat.state import VisitState
from rag_app.ui.sign_in import page as sign_in
from rag_app.ui.sign_in.state import SignInState
from rag_app.ui.tab_tokens import TabTokens

app = create_app()
app.add_page(landing.landing_page, route=routes.HOME, title=landing.TITLE, description=landing.DESCRIPTION)
app.add_page(
    sign_in.login_page,
    route=routes.LOGIN,
    title=sign_in.LOGIN_TITLE,
    description=sign_in.LOGIN_DESCRIPTION,
    on_load=SignInState.open,
)
app.add_page(
    sign_in.register_page,
    route=routes.REGISTER,
    title=sign_in.REGISTER_TITLE,
    description=sign_in.REGISTER_DESCRIPTION,
    on_load=SignInState.open,
)
app.add_page(
    my_knowledge_bases.my_knowledge_bases_page,
    route=routes.KNOWLEDGE_BASES,
    title=my_knowledge_bases.TITLE,
    on_load=[*OPEN, MyKnowledgeBasesState.load],
)
app.add_page(
    knowledge_base.knowledge_base_page,
    route=routes.KNOWLEDGE_BASE,
    title=knowledge_base.TITLE,
    on_load=[*OPEN, KnowledgeBaseState.load, SelectionState.clear],
)
app.add_page(faq.faq_page, route=routes.FAQ, title=faq.TITLE, on_load=[*OPEN, FaqState.load])
app.add_page(
    email.email_page,
    route=routes.EMAIL,
    title=email.TITLE,
    on_load=[*OPEN, MailboxesState.load],
)
app.add_page(
    email.mailbox_page,
    route=routes.MAILBOX,
    title=email.DETAIL_TITLE,
    on_load=[*OPEN, MailboxState.load],
)
app.add_page(
    unanswered.unanswered_page,
    route=routes.UNANSWERED,
    title=unanswered.TITLE,
    on_load=[*OPEN, UnansweredState.load],
)
app.add_page(
    web_sources.web_sources_page,
    route=routes.WEB_SOURCES,
    title=web_sources.TITLE,
    on_load=[*OPEN, WebSourcesState.load],
)
app.add_page(
    web_sources.web_source_page,
    route=f"{routes.WEB_SOURCES}/source/[number]",
    title=web_sources.TITLE,
    on_load=[*OPEN, WebSourceState.load],
)
app.add_page(
    document.document_page,
    route=routes.DOCUMENT,
    title=document.TITLE,
    on_load=[*OPEN, DocumentState.load, VersionsState.load, AttemptsState.load],
)
app.add_page(
    settings_tab.settings_page,
    route=routes.SETTINGS,
    title=settings_tab.TITLE,
    on_load=[
        *OPEN,
        SettingsState.load,
        RetrievalSettingsState.load,
        EmbeddingState.load,
        ChunksState.load,
        ProvidersState.load,
        PlanState.load,
        AnswersState.load,
    ],
)
app.add_page(
    admin_models.admin_models_page,
    route=routes.ADMIN_MODELS,
    title=admin_models.TITLE,
    on_load=[*OPEN, AdminModelsState.load],
)
app.add_page(
    shared_chat.shared_chat_page,
    route=f"{routes.SHARED_CHAT}/[slug]",
    title=shared_chat.TITLE,
    description=shared_chat.DESCRIPTION,
    on_load=VisitState.open,
)
app.add_page(
    preview.preview_page,
    route=f"{routes.CHAT}/[kb]",
    title=preview.TITLE,
    on_load=[*OPEN, PreviewState.open],
)
app.add_page(
    conversations.conversations_page,
    route=routes.CONVERSATIONS,
    title=conversations.TITLE,
    on_load=[*OPEN, ConversationsState.load],
)
app.add_page(
    reader.conversation_page,
    route=f"{routes.CONVERSATIONS}/[number]",
    title=reader.TITLE,
    on_load=[*OPEN, ConversationState.open],
)
app.add_page(
    semantic_search.search_page,
    route=routes.SEARCH,
    title=semantic_search.TITLE,
    on_load=[*OPEN, SearchState.load],
)
app.add_page(
    usage.usage_page,
    route=routes.USAGE,
    title=usage.TITLE,
    on_load=[*OPEN, UsageState.load],
)
app.add_page(
    admin.admin_page,
    route=routes.ADMIN,
    title=admin.TITLE,
    on_load=[*OPEN, AccountsState.load, PlansState.load],
)
app.add_page(
    not_found_page,
    route="/404",
    title="Not found · Simple RAG",
    description="There is nothing at this address.",
)


@asynccontextmanager
async def serving() -> AsyncGenerator[None]:
    """What the web process does before its first and after its last request."""
    with backing_services():  # for `reflex run`, where nobody has started any
        log.configure(json=settings().rag_env == "production", level=settings().rag_log_level)
        end_answers_on_signal()
        yield
        await bootstrap.services().close()
        bootstrap.use(None)


def around_pages(pages: ASGIApp) -> ASGIApp:
    """Put the API and everything that guards it in front of the pages."""
    config = settings()
    others = _frontend_of_developers()
    origins = allowed_origins(config) | others
    reflex_config = get_config()
    reflex_config.cors_allowed_origins = tuple(sorted(origins))  # for pages and API; "*" was the default
    assert app.sio is not None
    app.sio.eio.cors_allowed_origins = partial(is_own_origin, origins)
    api = create_api()
    api.mount("", TabTokens(pages, secret=bootstrap.secret_key(config)))
    guarded: ASGIApp = api
    for layer in layers(config, inline_scripts=_inline_scripts(), other_origins=others):
        guarded = layer(guarded)
    return guarded


def is_own_origin(origins: frozenset[str], origin: str, environ: dict[str, str]) -> bool:
    """Whether a websocket's handshake comes from our own pages."""
    return origin in origins or urlsplit(origin).netloc == environ.get("HTTP_HOST", "")


def _frontend_of_developers() -> frozenset[str]:
    """With `reflex run` the pages come from a server of their own, on another port."""
    if environment.REFLEX_ENV_MODE.get() == Env.PROD:
        return frozenset()
    port = get_config().frontend_port or 3000
    return frozenset({f"http://localhost:{port}", f"http://127.0.0.1:{port}"})


def _inline_scripts() -> list[str]:
    noted = ROOT / ".web" / "build" / "csp.json"
    return json.loads(noted.read_text()) if noted.exists() else []


app.api_transformer = around_pages
app.register_lifespan_task(serving)


def create_asgi() -> ASGIApp:
    """The whole application as one ASGI app, for `python -m rag_app web`."""
    return app()
