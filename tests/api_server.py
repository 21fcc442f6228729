"""The API with all that surrounds it and without the pages, for tests that need a real server.

granian --interface asgi --factory tests.api_server:create
"""

from starlette.types import ASGIApp

from rag_app.api.app import create_api, layers
from rag_app.settings import settings


def create() -> ASGIApp:
    """Make the application."""
    wrapped: ASGIApp = create_api()
    for layer in layers(settings()):
        wrapped = layer(wrapped)
    return wrapped
