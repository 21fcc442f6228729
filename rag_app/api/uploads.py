"""Files of a multipart body, one after the other, while they come.

Nothing is read before the caller is known, nothing is kept in memory but the block at hand, and a
file that is too large is noticed at its first byte too many. Source: RFC 7578.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from rag_app.errors import InvalidInput, TooLarge

MAX_HEADER_BYTES = 16 * 1024
MAX_OTHER_FIELDS = 50
MAX_FIELD_BYTES = 8 * 1024


@dataclass
class IncomingFile:
    """A file on its way; `blocks` must be read to its end, or be given up by `skip`."""

    name: str
    blocks: AsyncIterator[bytes]
    fields: Mapping[str, str] = field(default_factory=dict)  # short texts that stood before it in the form

    async def skip(self) -> None:
        """Read what is left and forget it."""
        async for _ in self.blocks:
            pass


@dataclass
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    header_bytes: int = 0


class _Events:
    """What the push parser saw, in order: a part began, data came, the part ended."""

    def __init__(self, boundary: bytes) -> None:
        self.seen: deque[tuple[str, object]] = deque()
        self._part = _Part()
        self._name = self._value = b""
        self.ended = False
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def _begin(self) -> None:
        self._part = _Part()

    def _count(self, n_bytes: int) -> None:
        self._part.header_bytes += n_bytes
        if self._part.header_bytes > MAX_HEADER_BYTES:
            raise InvalidInput("A part of this upload has too long a header.")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _header_end(self) -> None:
        name = self._name.decode("latin-1").lower()
        self._part.headers[name] = self._value.decode("latin-1")  # as the parser of its options wants it
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        self.seen.append(("part", self._part.headers))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.seen.append(("data", data[start:end]))

    def _end(self) -> None:
        self.seen.append(("end", None))

    def _finish(self) -> None:
        self.ended = True


async def incoming_files(
    request: Request, *, max_files: int, max_total_bytes: int, known_fields: Collection[str] = ()
) -> AsyncGenerator[IncomingFile]:
    """Yield the files of an upload, in order.

    Known fields are handed on with the files that follow them; others are passed over.

    Raises:
        InvalidInput: the body is no multipart form, is cut off, or has too many parts.
        TooLarge: more than `max_total_bytes` in all.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
        raise InvalidInput("Send the files as multipart/form-data, in the field “files”.")
    _check_length(request.headers.get("content-length"), max_total_bytes)
    events = _Events(boundary)
    source = _Source(request, events, max_total_bytes)
    n_files = n_others = 0
    fields: dict[str, str] = {}
    while (event := await source.next()) is not None:
        if event[0] != "part":
            continue
        field_name, name = _names(event[1])
        if name is None:
            n_others += 1
            if n_others > MAX_OTHER_FIELDS + max_files:
                raise InvalidInput("This upload has too many fields.")
            if field_name in known_fields:
                fields[field_name] = await _text(field_name, source.data())
            continue
        n_files += 1
        if n_files > max_files:
            raise InvalidInput(f"Please send at most {max_files} files at once.")
        file = IncomingFile(name, source.data(), dict(fields))
        yield file
        await file.skip()
    if not events.ended:
        raise InvalidInput("This upload broke off before its end.")


def _check_length(content_length: str | None, max_total_bytes: int) -> None:
    if content_length is None:
        return
    if not (content_length.isascii() and content_length.isdigit()):
        raise InvalidInput("The Content-Length of this upload is not a number.")
    if int(content_length) > max_total_bytes:
        raise TooLarge(f"Please send at most {max_total_bytes // 2**20:,} MB at once.")


class _Source:
    """Feeds the body to the parser as far as its reader asks."""

    def __init__(self, request: Request, events: _Events, max_total_bytes: int) -> None:
        self._body = request.stream()
        self._events = events
        self._left = max_total_bytes

    async def next(self) -> tuple[str, object] | None:
        """The next thing the parser saw, None at the end of the body."""
        while not self._events.seen:
            try:
                block = await anext(self._body)
            except (StopAsyncIteration, ClientDisconnect):
                return None
            self._left -= len(block)
            if self._left < 0:
                raise TooLarge("That is more than can be sent at once.")
            try:
                self._events.parser.write(block)
            except FormParserError as error:
                raise InvalidInput("This upload is not a valid multipart form.") from error
        return self._events.seen.popleft()

    async def data(self) -> AsyncGenerator[bytes]:
        """The data of the part that began last."""
        while (event := await self.next()) is not None:
            if event[0] == "end":
                return
            block = event[1]
            assert isinstance(block, bytes)
            yield block
        raise InvalidInput("This upload broke off before its end.")


def _names(headers: object) -> tuple[str, str | None]:
    """The name of a part's field, and of its file; None for a field that is no file."""
    assert isinstance(headers, dict)
    _, options = parse_options_header(headers.get("content-disposition", ""))
    field_name, name = options.get(b"name", b""), options.get(b"filename")
    return field_name.decode("utf-8", "replace"), None if name is None else name.decode("utf-8", "replace")


async def _text(name: str, blocks: AsyncIterator[bytes]) -> str:
    value = b""
    async for block in blocks:
        value += block
        if len(value) > MAX_FIELD_BYTES:
            raise InvalidInput(f"The field “{name}” is too long.")
    return value.decode("utf-8", "replace")
