"""Which servers in private networks may be reached by an address that somebody typed."""

import ipaddress
import re
from dataclasses import dataclass

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")


@dataclass(frozen=True)
class PrivateHosts:
    """What an operator lists: names and addresses, with one port or any, and whole networks."""

    endpoints: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[IPNetwork, ...] = ()

    def names(self, host: str, port: int) -> bool:
        """Whether this very host is listed."""
        return not self.endpoints.isdisjoint({(host, port), (host, None)})

    def names_port(self, host: str, port: int) -> bool:
        """Whether this very port of the host is listed."""
        return (host, port) in self.endpoints

    def around(self, address: IPAddress) -> list[IPNetwork]:
        """The listed networks that an address is in."""
        return [network for network in self.networks if address in network]


def parse_private_hosts(text: str) -> PrivateHosts:
    """Read hosts, `host:port` and networks such as `10.0.0.0/8`, comma-separated.

    Raises:
        ValueError: an entry is none of these.
    """
    endpoints: set[tuple[str, int | None]] = set()
    networks: list[IPNetwork] = []
    for entry in re.split(r"[,\s]+", text.strip().lower()):
        if not entry:
            continue
        if "/" in entry or _address(entry) is not None:
            networks.append(_network(entry))
        else:
            endpoints.add(_endpoint(entry))
    return PrivateHosts(frozenset(endpoints), tuple(networks))


def _network(entry: str) -> IPNetwork:
    try:
        network = ipaddress.ip_network(entry.strip("[]"))
    except ValueError:
        raise ValueError(f"names “{entry}”, which is no network such as 10.0.0.0/8") from None
    if network.prefixlen == 0:
        raise ValueError(f"names “{entry}”, which is every address there is")
    return network


def _endpoint(entry: str) -> tuple[str, int | None]:
    host, separator, port = entry.rpartition(":")
    if not separator:
        host, port = entry, ""
    host, address = host.removesuffix("."), _address(host)
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if (address is None and not _NAME.fullmatch(host)) or (separator and not is_port):
        raise ValueError(f"names “{entry}”, which is no host, host:port or network such as 10.0.0.0/8")
    return (str(address) if address else host, int(port) if separator else None)


def _address(text: str) -> IPAddress | None:
    """An address, in brackets or not; None for a name."""
    try:
        return ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
