"""What the hosted providers' SDKs are given to reach their servers: a key and an HTTP client."""

import ssl
from functools import lru_cache

import httpx2

from rag_app.errors import PermanentError
from rag_app.rag.llms.contract import LLMSettings

# A chat holds its connection while the answer streams, so the number of chats is the number needed.
_LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=20)


def http_client(settings: LLMSettings) -> httpx2.AsyncClient:
    """Make the client an SDK sends with.

    Only connecting is timed here: `_streams.py` times everything else by what the reader waits for, tokens.
    Redirects are not followed, because httpx2 would carry a key in a vendor's own header to any host.
    """
    timeout = httpx2.Timeout(None, connect=settings.connect_timeout_s)
    if settings.transport is not None:  # proxies of the environment would be a way around it
        transport = settings.transport(_trusted(), _LIMITS)
        return httpx2.AsyncClient(
            timeout=timeout, transport=transport, follow_redirects=False, trust_env=False
        )
    return httpx2.AsyncClient(
        timeout=timeout,
        limits=_LIMITS,
        verify=_trusted(),
        follow_redirects=False,
    )


def api_key(settings: LLMSettings, label: str) -> str:
    """Return the key of the settings; SDKs must never fall back on one they find in the environment.

    Raises:
        PermanentError: there is none, or it cannot be sent in a header.
    """
    key = settings.api_key.get_secret_value().strip() if settings.api_key else ""
    if not key:
        raise PermanentError(f"{label} needs an API key. Add one in the settings.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise PermanentError(f"The API key for {label} has characters no key has. Copy it again.")
    return key


@lru_cache
def _trusted() -> ssl.SSLContext:
    """The operating system's trusted certificates, read once: that takes longer than all else here."""
    return httpx2.create_ssl_context()
