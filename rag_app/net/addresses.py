"""Which addresses are on the public internet.

`ipaddress.is_global` will not do: Python 3.11 calls global what leads into a private network through a
translator (NAT64, 6to4, Teredo), and one that a cloud keeps for its own.

Source: IANA special-purpose address registries, RFC 6890 and its successors.
"""

import ipaddress

from rag_app.domain.private_hosts import IPAddress, IPNetwork


def _networks(text: str) -> tuple[IPNetwork, ...]:
    return tuple(ipaddress.ip_network(each) for each in text.split())


_SPECIAL_V4 = _networks("""
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15
    198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
""")
# Of IPv6 only 2000::/3 is given out; these are its exceptions, Teredo in the first and 6to4 among them.
_UNICAST_V6 = ipaddress.ip_network("2000::/3")
_SPECIAL_V6 = _networks("2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20")

# Where clouds tell a machine its secrets; of these one looks public.
METADATA = frozenset(
    ipaddress.ip_address(each)
    for each in ("169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192",
                 "fd00:ec2::254", "fd20:ce::254")
)  # fmt: skip

# What an operator means by a server of his own network.
_OWN = _networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 127.0.0.0/8 100.64.0.0/10 ::1/128 fc00::/7")


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to a server on the internet."""
    if address in METADATA:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _UNICAST_V6 and not any(address in network for network in _SPECIAL_V6)


def is_own_network(address: IPAddress) -> bool:
    """Whether an address is of the kind that private networks and this machine give out."""
    return address not in METADATA and any(address in network for network in _OWN)
