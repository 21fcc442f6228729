"""Decide whether a server whose address somebody typed may be reached.

    URL ── form ── port ── look up once ── every address public, or listed by the operator? ── addresses

The form is checked when an address is typed, and everything again when a connection is made: what counts
is the address that is connected to (`transport.py`).
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx2

from rag_app.domain.private_hosts import IPAddress, PrivateHosts
from rag_app.errors import PermanentError
from rag_app.net.addresses import METADATA, is_own_network, is_public

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

LOOK_UP_S = 5.0  # somebody waits for it
DEFAULT_PORTS = {"http": 80, "https": 443}
# Ports above 1023 of services that speak something else; below it only a guard's `ports` may be used.
OTHER_SERVICES = frozenset({
    1025, 1080, 1433, 1521, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3128, 3306, 3389, 3659,
    4045, 4190, 4369, 5060, 5061, 5432, 5433, 5671, 5672, 5900, 5984, 5985, 5986, 6000, 6379, 6380, 6432,
    6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 7000, 7001, 7199, 8500, 8600, 9042, 9092, 9160,
    9200, 9300, 10250, 10255, 11211, 15672, 26257, 27017, 27018, 28015, 33060, 50000,
})  # fmt: skip

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_NUMBER = re.compile(r"(\d+|0x[0-9a-f]*)")  # as the last part: an address in a disguise

NO_PUBLIC_SERVER = (
    "This is not the address of a server on the internet. A server in a private network can be used once "
    "whoever runs this installation has listed it in RAG_ALLOWED_PRIVATE_HOSTS."
)


class AddressRefused(PermanentError):
    """A server may not be reached; the message never says what is behind its name."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="address")


async def look_up(host: str, port: int) -> list[str]:
    """Ask the system's resolver for the addresses of a name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class Guard:
    """Lets through what is public or listed.

    `needs_https` where secrets travel: then only hosts that are listed themselves, not just their network,
    may be spoken to in the open. `ports` are those below 1024 that may be used: mail servers have others.
    """

    private: PrivateHosts = field(default_factory=PrivateHosts)
    needs_https: bool = False
    resolve: Resolve = look_up
    ports: frozenset[int] = frozenset(DEFAULT_PORTS.values())

    def parse(self, text: str) -> httpx2.URL:
        """Read an address that somebody typed, and check its form. Raises AddressRefused."""
        if re.search(r"[\s\\\x00-\x20\x7f]", text):
            raise AddressRefused("An address has no spaces and no backslashes.")
        try:
            url = httpx2.URL(text)
        except (httpx2.InvalidURL, ValueError):
            raise AddressRefused("This is not an address. It should begin with https://.") from None
        if url.fragment:
            raise AddressRefused("Please leave out “#” and what follows it.")
        self.check(url)
        return url

    def check(self, url: httpx2.URL) -> None:
        """Check everything about an address but who is behind it. Raises AddressRefused."""
        if url.scheme not in DEFAULT_PORTS:
            raise AddressRefused("The address must begin with https:// or http://.")
        if url.userinfo:
            raise AddressRefused("An address must not hold a user name or password.")
        host, port = host_of(url), url.port if url.port is not None else DEFAULT_PORTS[url.scheme]
        is_own = self.is_own(host, port)
        if not self._may_be_typed(host, is_own=is_own):
            raise AddressRefused(NO_PUBLIC_SERVER)
        self._check_port(host, port)
        if self.needs_https and url.scheme == "http" and not is_own:
            raise AddressRefused(
                "Please use https://, or the key and the questions could be read on the way. Only a server "
                "that is listed by its name in RAG_ALLOWED_PRIVATE_HOSTS may do without."
            )

    async def addresses(self, host: str, port: int) -> list[str]:
        """Look a host up once and return its addresses, all of which may be reached.

        Raises:
            AddressRefused: at least one of them may not.
            OSError: there are none now.
        """
        self._check_port(host, port)
        literal = _address(host)
        found = [str(literal)] if literal is not None else list(await self.resolve(host, port))
        if not found:
            raise OSError("no address")
        is_named = self.private.names(_plain(host), port)
        if not all(self._may_reach(_address(each), is_named=is_named) for each in found):
            raise AddressRefused(NO_PUBLIC_SERVER)
        return found

    async def check_server(self, url: httpx2.URL) -> None:
        """Check an address with who is behind it now. Raises AddressRefused, also where nobody is."""
        self.check(url)
        try:
            async with asyncio.timeout(LOOK_UP_S):
                await self.addresses(host_of(url), url.port or DEFAULT_PORTS[url.scheme])
        except OSError:  # the same words, or names of a private network could be guessed
            raise AddressRefused(NO_PUBLIC_SERVER) from None

    def _may_be_typed(self, host: str, *, is_own: bool) -> bool:
        """Whether a host is none that is known to be private before anybody is asked."""
        literal = _address(host)
        if literal is not None:
            return self._may_reach(literal, is_named=is_own)
        return is_own or not (host == "localhost" or host.endswith(".localhost"))

    def _may_reach(self, address: IPAddress | None, *, is_named: bool) -> bool:
        if address is None:
            return False
        around = self.private.around(address)
        if address in METADATA:  # only where it is listed itself
            return any(network.prefixlen == address.max_prefixlen for network in around)
        if address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
            return False
        return bool(around) or (is_named and is_own_network(address)) or is_public(address)

    def is_own(self, host: str, port: int) -> bool:
        """Whether the operator lists this very host, by its name or address."""
        literal = _address(host)
        return self.private.names(_plain(host), port) or (
            literal is not None and bool(self.private.around(literal))
        )

    def _check_port(self, host: str, port: int) -> None:
        if self.private.names_port(_plain(host), port):
            return
        if port not in self.ports and (not 1024 <= port < 65536 or port in OTHER_SERVICES):
            raise AddressRefused(f"Port {port} is not one that such servers use.")


def host_of(url: httpx2.URL) -> str:
    """The host of an address in the one way it can be written. Raises AddressRefused."""
    host = _plain(url.raw_host.decode("ascii", "replace"))
    literal = _address(host)
    if literal is not None:
        return str(literal)
    if not _NAME.fullmatch(host) or _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise AddressRefused(NO_PUBLIC_SERVER)
    return host


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")


def _address(text: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(text) if "%" not in text else None
    except ValueError:
        return None
