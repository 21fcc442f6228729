"""Send requests of httpx2 to nobody but whom the guard lets through.

    request ── form of its address ── look up, check, connect to what was checked ── TLS by name
                                                                                     │
    caller ◄── at most so many bytes, so many seconds, nothing compressed ───────────┘

Every hop of a redirect is a request of its own, so it is checked like the first. A name is looked up once
for a connection, and its certificate is checked against the name: an answer of the DNS that changes in
between leads nowhere.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpcore2
import httpx2

from rag_app.net.guard import Guard, host_of

MAX_BYTES = 32 * 1024 * 1024
MAX_SECONDS = 600.0
PASSED_ON = ("timeout",)  # of a request's extensions: others could name another host for TLS


class GuardedTransport(httpx2.AsyncBaseTransport):
    """A transport for `httpx2.AsyncClient(transport=…, trust_env=False)`."""

    def __init__(
        self,
        guard: Guard,
        *,
        ssl_context: ssl.SSLContext | None = None,
        limits: httpx2.Limits | None = None,
        max_bytes: int = MAX_BYTES,
        max_seconds: float = MAX_SECONDS,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        limits = limits or httpx2.Limits(max_connections=100, max_keepalive_connections=20)
        self._guard, self._max_bytes, self._max_seconds = guard, max_bytes, max_seconds
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context or httpx2.create_ssl_context(),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_GuardedNetwork(guard, network or cast(Any, httpcore2.AnyIOBackend())),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request. Raises AddressRefused, or what httpx2 raises."""
        self._guard.check(request.url)
        deadline = asyncio.get_running_loop().time() + self._max_seconds
        with _httpx2_errors():
            try:
                async with asyncio.timeout_at(deadline):
                    response = await self._pool.handle_async_request(_for_httpcore(request))
            except TimeoutError:
                raise httpx2.ReadTimeout("The server took too long.", request=request) from None
        body = _Body(response, self._max_bytes, deadline)
        answer = httpx2.Response(
            response.status, headers=response.headers, stream=body, extensions=response.extensions
        )
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            await body.aclose()  # nothing was asked for compressed: it could unpack to any size
            raise httpx2.DecodingError("The server compressed what should not be.", request=request)
        return answer

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


@dataclass
class _GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were checked, and to nothing by name."""

    guard: Guard
    network: httpcore2.AsyncNetworkBackend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore2's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                try:
                    addresses = await self.guard.addresses(host, port)
                except OSError as error:
                    raise httpcore2.ConnectError("This name has no address.") from error
                return await self._first(addresses, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("No connection in time.") from None

    async def _first(self, addresses: list[str], port: int) -> httpcore2.AsyncNetworkStream:
        """Connect to the first that answers."""
        for last, address in zip([*[False] * (len(addresses) - 1), True], addresses, strict=True):
            try:
                return await self.network.connect_tcp(address, port)
            except httpcore2.ConnectError:
                if last:
                    raise
        raise AssertionError  # the guard never returns an empty list

    async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.ConnectError("Sockets of this machine are never reached.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class _Body(httpx2.AsyncByteStream):
    """An answer's bytes, cut off where they are too many or take too long."""

    response: httpcore2.Response
    max_bytes: int
    deadline: float
    n_bytes: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # Not `aiter_stream()`, which works once: an SDK that drains what is left begins anew.
        parts = aiter(cast(AsyncIterable[bytes], self.response.stream))
        while True:
            with _httpx2_errors():
                try:
                    async with asyncio.timeout_at(self.deadline):
                        part = await anext(parts, None)
                except TimeoutError:
                    raise httpx2.ReadTimeout("The answer took too long.") from None
            if part is None:
                return
            self.n_bytes += len(part)
            if self.n_bytes > self.max_bytes:
                raise httpx2.ReadError("The answer is too long.")
            yield part

    async def aclose(self) -> None:
        await self.response.aclose()


@contextmanager
def _httpx2_errors() -> Generator[None]:
    """Raise what went wrong below as httpx2's error of the same name."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "httpcore2":
            raise
        kind = getattr(httpx2, type(error).__name__, httpx2.TransportError)
        raise kind(str(error)) from error


def _for_httpcore(request: httpx2.Request) -> httpcore2.Request:
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"accept-encoding"]
    return httpcore2.Request(
        method=request.method,
        url=httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=host_of(request.url),
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=[*headers, (b"Accept-Encoding", b"identity")],
        content=request.stream,
        extensions={name: request.extensions[name] for name in PASSED_ON if name in request.extensions},
    )
