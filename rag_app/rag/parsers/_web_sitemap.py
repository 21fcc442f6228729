"""Read sitemaps: XML, plain lists, and both of them packed. Nothing in them is expanded or fetched.

Source: https://www.sitemaps.org/protocol.html
"""

import zlib
from xml.parsers import expat

from rag_app.domain.web_pages import Sitemap
from rag_app.errors import PermanentError
from rag_app.rag.parsers import _charset

MAX_BYTES = 50 * 1024 * 1024  # unpacked, and
MAX_ADDRESSES = 50_000  # in one file: the protocol's own limits
MAX_ADDRESS = 2_048
_GZIP = b"\x1f\x8b"
_STEP = 64 * 1024

TOO_LARGE = "This sitemap is larger than a sitemap may be (50 MB unpacked)."
HAS_DTD = "This sitemap declares a document type, which a sitemap never needs, so it is not read."
NOT_A_SITEMAP = "This is not a sitemap."


class _FullError(Exception):
    """As many addresses have been read as one file may hold."""


def read(content: bytes, *, url: str) -> Sitemap:
    """Return the addresses in a sitemap. Raises PermanentError."""
    if content.startswith(_GZIP):
        content = unpack(content, max_bytes=MAX_BYTES)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _read_xml(content)
    return _read_list(_charset.decode(content))


def unpack(packed: bytes, *, max_bytes: int) -> bytes:
    """Unpack gzip, step by step, so that a bomb never gets larger than `max_bytes`.

    Raises:
        PermanentError: it does, or it is damaged.
    """
    parts, n_bytes = [], 0
    unpacker, rest = zlib.decompressobj(wbits=31), packed
    try:
        while rest and not unpacker.eof:
            part = unpacker.decompress(rest, _STEP)
            rest = unpacker.unconsumed_tail
            n_bytes += len(part)
            if n_bytes > max_bytes:
                raise PermanentError(TOO_LARGE)
            parts.append(part)
    except zlib.error:
        raise PermanentError("This packed sitemap is damaged.") from None
    return b"".join(parts)


def _read_xml(content: bytes) -> Sitemap:
    reader = _XmlReader()
    try:
        reader.parser.Parse(content, True)
    except _FullError:
        return reader.result(is_cut=True)
    except expat.ExpatError:
        if not any(reader.found.values()):
            raise PermanentError("This sitemap is not proper XML.") from None
        return reader.result(is_cut=True)  # what was read before the fault is as good as before
    if reader.root not in {"urlset", "sitemapindex"}:
        raise PermanentError(NOT_A_SITEMAP)
    return reader.result(is_cut=False)


class _XmlReader:
    """Collects `<loc>` of `<url>` and `<sitemap>`; other elements, such as pictures', have their own."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.root = ""
        self.text: list[str] = []
        self.found: dict[str, list[str]] = {"url": [], "sitemap": []}
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def result(self, *, is_cut: bool) -> Sitemap:
        return Sitemap(tuple(self.found["url"]), tuple(self.found["sitemap"]), is_cut)

    def _refuse(self, *_: object) -> None:
        raise PermanentError(HAS_DTD)  # entities that grow, files of ours: both need one

    def _start(self, name: str, _: object) -> None:
        self.path.append(name.rpartition(" ")[2].lower())
        self.root = self.root or self.path[0]
        self.text = []
        if len(self.path) > 32:
            raise PermanentError(NOT_A_SITEMAP)

    def _end(self, _: str) -> None:
        if self.path[-1] == "loc" and len(self.path) == 3 and self.path[1] in self.found:
            self._add(self.path[1], "".join(self.text).strip())
        self.path.pop()

    def _add(self, kind: str, address: str) -> None:
        if 0 < len(address) <= MAX_ADDRESS:
            self.found[kind].append(address)
        if len(self.found[kind]) >= MAX_ADDRESSES:
            raise _FullError

    def _characters(self, text: str) -> None:
        if self.path and self.path[-1] == "loc":
            self.text.append(text)


def _read_list(text: str) -> Sitemap:
    lines = [line.strip() for line in text.splitlines()]
    addresses = [
        line for line in lines if line.startswith(("http://", "https://")) and len(line) <= MAX_ADDRESS
    ]
    if not addresses:
        raise PermanentError(NOT_A_SITEMAP)
    return Sitemap(tuple(addresses[:MAX_ADDRESSES]), is_cut=len(addresses) > MAX_ADDRESSES)
