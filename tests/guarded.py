"""A network for tests of the guard: it notes who would have been connected to, and sends nothing.

A guard that is wrong must fail a test, not send a packet to the very address it should have refused.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpcore2
import httpx2

from rag_app.domain.private_hosts import parse_private_hosts
from rag_app.net.guard import Guard
from rag_app.net.transport import GuardedTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PUBLIC = "93.184.215.14"
TRUSTED = httpx2.create_ssl_context()  # reading it takes longer than a test


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


class Stream(httpcore2.AsyncMockStream):
    """A connection that answers what it was given and notes what is asked of it."""

    def __init__(self, answer: Sequence[bytes], network: "Network") -> None:
        super().__init__(list(answer))
        self.network = network

    async def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        self.network.sent.append(buffer)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, *_: Any, **__: Any
    ) -> httpcore2.AsyncNetworkStream:
        self.network.tls_names.append(server_hostname)
        assert ssl_context.check_hostname
        assert ssl_context.verify_mode is ssl.CERT_REQUIRED
        return self


@dataclass
class Network(httpcore2.AsyncNetworkBackend):
    """Answers connections in order with `answers`, the last one for ever; addresses in `dead` refuse."""

    answers: Sequence[bytes | Sequence[bytes]] = (OK,)
    dead: frozenset[str] = frozenset()
    connected: list[tuple[str, int]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    tls_names: list[str | None] = field(default_factory=list)

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        self.connected.append((host, port))
        if host in self.dead:
            raise httpcore2.ConnectError("refused")
        answer = self.answers[min(len(self.connected), len(self.answers)) - 1]
        return Stream([answer] if isinstance(answer, bytes) else answer, self)


@dataclass
class Names:
    """A resolver: what names stand for, in turn where they change; counts look-ups."""

    known: Mapping[str, Sequence[str] | Sequence[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        found = self.known.get(host)
        if not found:
            raise OSError("unknown name")
        if isinstance(found[0], str):
            return found  # type: ignore[return-value]
        return found[min(self.asked.count(host), len(found)) - 1]  # type: ignore[return-value]


def guard(private: str = "", names: Mapping[str, Any] | None = None, **more: Any) -> Guard:
    """A guard with names of its own; the resolver of the machine is never asked."""
    known = {"ok.example": [PUBLIC], "www.ok.example": [PUBLIC]} | dict(names or {})
    return Guard(parse_private_hosts(private), resolve=Names(known), **more)


def client(guard: Guard, network: Network, **more: Any) -> httpx2.AsyncClient:
    """An HTTP client behind the guard, on a network that does not exist."""
    transport = GuardedTransport(guard, network=network, ssl_context=TRUSTED, **more)
    return httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=True)
