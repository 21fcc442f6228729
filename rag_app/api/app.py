"""The HTTP API: its routes, errors and documentation."""

from collections.abc import Callable, Iterable
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from rag_app import __version__
from rag_app.api.errors import add_handlers
from rag_app.api.middleware import Guard, ResponseHeaders
from rag_app.api.routes import (
    admin_models,
    auth,
    browser,
    chat,
    chunk_sizes,
    docs,
    document_bulk,
    document_versions,
    documents,
    embedding_models,
    faq,
    health,
    knowledge_bases,
    limits,
    mailboxes,
    prompt_previews,
    provider_keys,
    rag_configs,
    shared,
    unanswered,
    usage,
    web_sources,
)
from rag_app.api.share_pages import SharePages
from rag_app.settings import Settings

DESCRIPTION = """Everything the pages do, for programs.

Sign in with `POST /api/auth/login` and send the `access_token` as `Authorization: Bearer …`.
Errors are `application/problem+json`; their `detail` is a sentence for people. Lists are
`{items, next_cursor}`. An `Idempotency-Key` header makes a POST that creates something safe to repeat."""


def create_api() -> FastAPI:
    """Make the API; its services are those of the running event loop (`bootstrap.services`)."""
    api = FastAPI(
        title="Simple RAG",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,  # served by our own page, which needs nothing from other hosts
        redoc_url=None,
    )
    add_handlers(api)
    for module in (
        health,
        docs,
        auth,
        browser,
        knowledge_bases,
        rag_configs,
        provider_keys,
        prompt_previews,
        embedding_models,
        faq,
        unanswered,
        admin_models,
        chunk_sizes,
        document_versions,
        documents,
        document_bulk,
        chat,
        shared,
        usage,
        limits,
        mailboxes,
        web_sources,
    ):
        api.include_router(module.router)
    return api


def allowed_origins(config: Settings) -> frozenset[str]:
    """Web origins whose pages may call us: our own and those the operator lists."""
    listed = (origin.strip().rstrip("/") for origin in config.rag_allowed_origins.split(","))
    return frozenset({config.base_url, *(origin for origin in listed if origin)})


def layers(
    config: Settings, *, inline_scripts: Iterable[str] = (), other_origins: Iterable[str] = ()
) -> list[Callable[[ASGIApp], ASGIApp]]:
    """What is wrapped around the API and the pages, innermost first.

    Args:
        inline_scripts: hashes of the pages' own inline scripts, as `sha256-…`.
        other_origins: more origins whose pages may call us.
    """
    origins = allowed_origins(config) | frozenset(other_origins)
    return [
        SharePages,
        partial(Guard, allowed_origins=origins, requests_per_minute=config.rag_requests_per_minute),
        partial(ResponseHeaders, csp=content_security_policy(inline_scripts), is_https=config.is_https),
    ]


def content_security_policy(inline_scripts: Iterable[str]) -> str:
    """What a page may load: nothing from other hosts, and no script that is not ours.

    A link or picture that a document smuggled into an answer can so call nobody.
    """
    hashes = "".join(f" '{item}'" for item in inline_scripts)
    return "; ".join((
        "default-src 'self'",
        f"script-src 'self'{hashes}",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ))  # fmt: skip
