"""Take the mail out of an S/MIME signature that wraps it (PKCS #7 SignedData, RFC 5652).

Only what was signed is read; whether the signature is right is not asked, as it is not for any other mail.
"""

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_MAX_DEPTH = 40


def signed_content(data: bytes) -> bytes | None:
    """The content that was signed; None where there is none, or the wrapping cannot be read."""
    try:
        outer = _children(data)[0]  # ContentInfo
        kind, wrapped = _children(outer[1])[:2]
        if kind[1] != _SIGNED_DATA:
            return None
        signed = _children(_children(wrapped[1])[0][1])  # version, digests, encapContentInfo, …
        inner = _children(signed[2][1])
        return _octets(_children(inner[1][1])[0]) or None
    except (IndexError, ValueError):
        return None


def _octets(element: tuple[int, bytes]) -> bytes:
    """An octet string, which BER may cut into pieces."""
    tag, value = element
    if not tag & 0x20:
        return value
    return b"".join(_octets(piece) for piece in _children(value))


def _children(data: bytes, depth: int = 0) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        tag, value, at = _element(data, at, depth)
        if tag == 0 and not value:
            break
        found.append((tag, value))
    return found


def _element(data: bytes, at: int, depth: int) -> tuple[int, bytes, int]:
    """The element that begins at `at`: its tag, its value, and where the next one begins."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    tag, length, at = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("a tag of several bytes")
    if length == 0x80:  # of indefinite length: until two zeros
        start = at
        while data[at : at + 2] != b"\0\0":
            _, _, at = _element(data, at, depth + 1)
        return tag, data[start:at], at + 2
    if length & 0x80:
        n_bytes = length & 0x7F
        length, at = int.from_bytes(data[at : at + n_bytes], "big"), at + n_bytes
    if at + length > len(data):
        raise ValueError("cut off")
    return tag, data[at : at + length], at + length
