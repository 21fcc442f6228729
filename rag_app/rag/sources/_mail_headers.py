"""Read a mail's headers, however badly they were written.

Everything here takes what `email` calls compat32: its newer policies raise on headers that spammers, scanners
and old programs write every day.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses, parsedate_to_datetime

from rag_app.rag.parsers import _charset
from rag_app.rag.parsers._cleaning import clean_text

FIELDS = ("Message-ID", "Date", "From", "To", "Cc", "Subject", "References", "In-Reply-To")
MAX_HEADER_CHARS = 2_000  # of one header; a bomb of recipients is cut
MAX_ADDRESSES = 50
MAX_ID = 200
NO_SUBJECT = "(no subject)"

_ID = re.compile(r"<([^<>\s]{1,998})>")
_PREFIXES = re.compile(r"^\s*(?:(?:re|aw|sv|vs|antw|fwd?|wg|tr|rv|i)\s*(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)
_FORWARDED = re.compile(r"^\s*(?:fwd?|wg|tr|rv)\s*:", re.IGNORECASE)


@dataclass(frozen=True)
class Headers:
    """What a mail says of itself; empty where it says nothing."""

    message_id: str
    subject: str
    sender: str
    recipients: tuple[str, ...]
    date: datetime | None
    references: tuple[str, ...]
    key: str

    @property
    def thread(self) -> str:
        """The id of the mail that its conversation began with."""
        return self.references[0] if self.references else self.message_id

    @property
    def is_forward(self) -> bool:
        """Whether it passes somebody else's mail on."""
        return bool(_FORWARDED.match(self.subject))

    @property
    def topic(self) -> str:
        """The subject without “Re:” and its like."""
        return _PREFIXES.sub("", self.subject).strip() or self.subject


def read_headers(raw: bytes, *, n_bytes: int = 0) -> Headers:
    """Read headers as they were sent; what cannot be read is empty.

    Args:
        raw: the headers alone.
        n_bytes: size of the whole mail, which tells those apart that say nothing of themselves.
    """
    return headers_of(BytesHeaderParser(policy=compat32).parsebytes(raw), n_bytes=n_bytes)


def headers_of(message: Message, *, n_bytes: int = 0) -> Headers:
    """The headers of a mail that was parsed."""
    message_id = _first_id(_raw(message, "Message-ID"))
    senders = people(message, "From")
    return Headers(
        message_id=message_id,
        subject=text_of(_raw(message, "Subject")) or NO_SUBJECT,
        sender=senders[0] if senders else "",
        recipients=(*people(message, "To"), *people(message, "Cc"))[:MAX_ADDRESSES],
        date=_date(_raw(message, "Date")),
        references=tuple(
            dict.fromkeys(_ids(_raw(message, "References")) + _ids(_raw(message, "In-Reply-To"))[:1])
        ),
        key=_key(message, message_id, n_bytes),
    )


def people(message: Message, name: str) -> tuple[str, ...]:
    """Who stands in a header, as `Name <address>`; split before decoding, for names may hold commas."""
    values = [_as_text(value)[:MAX_HEADER_CHARS] for value in message.get_all(name, [])][:MAX_ADDRESSES]
    try:
        pairs = getaddresses(values)[:MAX_ADDRESSES]
    except (ValueError, IndexError, RecursionError):
        return ()
    if not any(address for _, address in pairs):  # one bad entry makes Python 3.11 and later refuse all
        pairs = [("", found) for value in values for found in re.findall(r"[^\s<>,;\"]+@[^\s<>,;\"]+", value)]
    shown = [(text_of(person), clean_text(address)) for person, address in pairs]
    named = (f"{person} <{address}>" if person else address for person, address in shown if address)
    return tuple(dict.fromkeys(named))


def text_of(value: str) -> str:
    """A header's words: decoded, on one line, bounded."""
    try:
        parts = decode_header(value)
    except (ValueError, LookupError, AssertionError):  # a half of base64
        parts = [(value, None)]
    except Exception:  # binascii and email raise kinds of their own
        parts = [(value, None)]
    words = "".join(_part(part, charset) for part, charset in parts)
    return " ".join(clean_text(words).split())[:MAX_HEADER_CHARS]


def decode_bytes(data: bytes, charset: str | None) -> str:
    """Text of the charset that it names, or of the one that it looks like."""
    if charset:
        name = {"unknown-8bit": "", "x-unknown": "", "gb2312": "gb18030", "iso-8859-1": "cp1252"}.get(
            charset.lower(), charset
        )
        try:
            return data.decode(name)
        except (LookupError, UnicodeError, ValueError):
            pass
    return _charset.decode(data)


def _part(part: str | bytes, charset: str | None) -> str:
    if isinstance(part, str):
        part = part.encode("utf-8", "surrogateescape")
        charset = None
    return decode_bytes(part, charset)


def _raw(message: Message, name: str) -> str:
    return _as_text(message.get(name, ""))[:MAX_HEADER_CHARS]


def _as_text(value: object) -> str:
    """A header as text, with bytes beyond ASCII read as what they most likely are."""
    if not isinstance(value, str):  # compat32 gives an object for headers with such bytes
        value = str.__str__(value) if isinstance(value, str) else _of_header(value)
    return value if value.isascii() else _charset.decode(value.encode("utf-8", "surrogateescape"))


def _of_header(value: object) -> str:
    chunks: Sequence[tuple[str, object]] = getattr(value, "_chunks", ())
    return "".join(text for text, _ in chunks) if chunks else str(value)


def _ids(value: str) -> tuple[str, ...]:
    return tuple(each[:MAX_ID] for each in _ID.findall(value))


def _first_id(value: str) -> str:
    found = _ids(value)
    bare = value.strip()
    return found[0] if found else ("" if " " in bare else bare.strip("<>")[:MAX_ID])


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date
        return date.astimezone(UTC) if 1970 <= date.year <= 2200 else None
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _key(message: Message, message_id: str, n_bytes: int) -> str:
    """What a mail is called in every folder and every run.

    Not the Message-ID alone: some scanners and shops give the same one to all they send.
    """
    known = [_raw(message, "Date"), _raw(message, "From")]
    if not message_id:
        known += [_raw(message, "Subject"), _raw(message, "To"), str(n_bytes)]
    digest = hashlib.sha256("\0".join(known).encode("utf-8", "surrogateescape")).hexdigest()
    return clean_text(f"{message_id}~{digest[:12]}" if message_id else f"~{digest}")
