"""The API with all that surrounds it and without the pages, for tests that need a real server.

granian --interface asgi --factory tests.api_server:create
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from rag_app.api.app import create_api, layers
from rag_app.api.shutdown import end_answers_on_signal
from rag_app.bootstrap import services
from rag_app.settings import settings


@asynccontextmanager
async def serving(_: FastAPI) -> AsyncIterator[None]:
    """What the web process does as well."""
    end_answers_on_signal()
    yield
    await services().close()


def create() -> ASGIApp:
    """Make the application."""
    api = create_api()
    api.router.lifespan_context = serving
    wrapped: ASGIApp = api
    for layer in layers(settings()):
        wrapped = layer(wrapped)
    return wrapped
