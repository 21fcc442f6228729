"""Make one mail ready for search: its words below a heading, and its attachments.

    # Subject (Ada Lovelace, 12 May 2026)      in front of every passage, so each says whose words it holds
    From, To, Date, Attachments
    what was written                           without quotes and signature
    In answer to                               the question itself, where the answer is short
    Forwarded mails, invitations

A mail is one document. A long conversation in one document would be read again with each answer, and its
passages would lose who wrote them when; a short answer (“25 days.”) says nothing by itself, so the beginning
of what it answers stands below it. Runs only in the child process (`_mail_child.py`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from pathlib import PurePosixPath

from rag_app.errors import PermanentError
from rag_app.rag.parsers._cleaning import clean_text
from rag_app.rag.parsers.contract import SUPPORTED
from rag_app.rag.sources._mail_calendar import calendar_to_text
from rag_app.rag.sources._mail_headers import Headers, decode_bytes, headers_of, text_of
from rag_app.rag.sources._mail_html import html_to_text
from rag_app.rag.sources._mail_masking import mask
from rag_app.rag.sources._mail_replies import Reply, split_reply
from rag_app.rag.sources._mail_signed import signed_content

MAX_PARTS = 300
MAX_DEPTH = 12  # parts inside of parts; mail programs make four or five
MAX_ATTACHMENTS = 50
MAX_TEXT = 2_000_000  # characters
SHORT_ANSWER = 600  # characters
SHOWN_QUESTION = 500
MAX_NAME = 150

EMPTY = "This mail is empty (0 bytes)."
NO_TEXT = "This mail has no text besides its subject."
ENCRYPTED = "This mail is encrypted. Only its recipient's mail program can read it."
TOO_DEEP = "This mail is packed into itself too many times to be read."
UNREADABLE = "This mail could not be read; it may be damaged."
NO_MAIL = "This is no mail: it says neither who wrote it, nor when, nor what about."
TNEF = (
    "This is an attachment in Outlook's own format. Ask the sender to send it again as “plain text” or "
    "“HTML” instead of “rich text”."
)
PICTURES = "Pictures inside of mails are not read."
NO_ARCHIVE = "Archives in mails are not unpacked. Upload the files inside as documents."
ZERO_BYTES = "This attachment is empty (0 bytes)."
TOO_LARGE = "This attachment is too large to be read from a mail. Upload it as a document."
TOO_MANY = f"Only the first {MAX_ATTACHMENTS} attachments of a mail are read."
NOT_READ = "This kind of file cannot be read."

_EXTENSIONS = {
    "application/pdf": ".pdf",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "text/html": ".html",
}
_KNOWN_HEADERS = ("From", "Date", "Subject", "Message-ID", "To", "Received")
_ARCHIVES = frozenset(".zip .rar .7z .gz .tar .tgz .bz2 .xz".split())
_SILENT = frozenset((
    "application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature",
    "application/pgp-keys", "message/delivery-status", "message/disposition-notification",
    "text/rfc822-headers", "text/x-amp-html",
))  # fmt: skip
_SEALED = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))


@dataclass(frozen=True)
class Options:
    """What an owner chose for a mailbox."""

    mask: bool = False
    with_attachments: bool = True


@dataclass(frozen=True)
class Attachment:
    """A file that came with a mail; with `reason` where it is not read."""

    name: str
    content: bytes = b""
    reason: str = ""


@dataclass(frozen=True)
class Mail:
    """A mail as it is kept; with `reason` where it is not."""

    subject: str
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    reason: str = ""
    is_damaged: bool = False  # could not be read, rather than should not be


@dataclass
class _Parts:
    """What a walk through a mail has found."""

    texts: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)  # invitations
    forwarded: list[Message] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    is_encrypted: bool = False
    n_parts: int = 0


def read_mail(raw: bytes, options: Options, *, is_cut: bool = False) -> Mail:
    """Read a mail; whatever is wrong with it ends as a reason.

    Args:
        raw: as it came from the server.
        options: what is kept of it.
        is_cut: whether only its beginning is here, for it was too large.
    """
    if not raw.strip():
        return Mail("", reason=EMPTY, is_damaged=True)
    try:
        message = BytesParser(policy=compat32).parsebytes(raw)
        if not any(name in message for name in _KNOWN_HEADERS):
            return Mail("", reason=NO_MAIL, is_damaged=True)
        headers = headers_of(message)
        return _read(message, headers, options, is_cut=is_cut)
    except RecursionError:
        return Mail("", reason=TOO_DEEP, is_damaged=True)
    except PermanentError as error:
        return Mail("", reason=str(error), is_damaged=True)
    except (MessageError, LookupError, ValueError, TypeError, AttributeError, AssertionError):
        return Mail("", reason=UNREADABLE, is_damaged=True)  # `email` raises all of these


def _read(message: Message, headers: Headers, options: Options, *, is_cut: bool) -> Mail:
    parts = _Parts()
    _walk(message, parts, 0)
    subject = mask(headers.subject) if options.mask else headers.subject
    if parts.is_encrypted and not any(text.strip() for text in parts.texts):
        return Mail(subject, reason=ENCRYPTED)
    files = _files(parts, is_cut=is_cut) if options.with_attachments else []
    body = _body(parts, headers)
    if not any(each.isalnum() for each in body) and not files:
        return Mail(subject, reason=NO_TEXT)
    text = clean_text(f"{_heading(headers, files)}\n\n{body}")[:MAX_TEXT]
    return Mail(subject, mask(text) if options.mask else text, tuple(files))


def _walk(part: Message, parts: _Parts, depth: int) -> None:
    parts.n_parts += 1
    if depth > MAX_DEPTH:
        raise PermanentError(TOO_DEEP)
    if parts.n_parts > MAX_PARTS:
        return
    kind = part.get_content_type()
    if kind == "message/rfc822":
        parts.forwarded += [inner for inner in _children(part) if len(parts.forwarded) < 5]
    elif kind == "multipart/encrypted":
        parts.is_encrypted = True
    elif kind in _SEALED:
        _open_signed(part, parts, depth)
    elif kind == "multipart/alternative":
        _choose(part, parts, depth)
    elif part.is_multipart():
        for child in _children(part):
            _walk(child, parts, depth + 1)
    else:
        _leaf(part, kind, parts)


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def _open_signed(part: Message, parts: _Parts, depth: int) -> None:
    content = signed_content(_bytes(part))
    if content is None:
        parts.is_encrypted = True
    else:
        _walk(BytesParser(policy=compat32).parsebytes(content), parts, depth + 1)


def _choose(part: Message, parts: _Parts, depth: int) -> None:
    """Take the plain version of a text, unless the HTML has a table or says much more."""
    versions: list[_Parts] = []
    for child in _children(part):
        found = _Parts(n_parts=parts.n_parts)
        _walk(child, found, depth + 1)
        parts.n_parts = found.n_parts
        versions.append(found)
        parts.extras += found.extras
        parts.attachments += found.attachments
        parts.pictures += found.pictures
        parts.forwarded += found.forwarded
        parts.is_encrypted |= found.is_encrypted
    texts = ["\n\n".join(found.texts) for found in versions if any(text.strip() for text in found.texts)]
    if not texts:
        return
    first, last = texts[0], texts[-1]
    is_richer = "| --- |" in last or len(first) < 0.4 * len(last)
    parts.texts.append(last if is_richer else first)


def _leaf(part: Message, kind: str, parts: _Parts) -> None:
    name = _name(part, kind)
    is_file = part.get_content_disposition() == "attachment" or (bool(name) and not kind.startswith("text/"))
    if kind in _SILENT:
        return
    if kind == "text/calendar" or (name.lower().endswith(".ics") and len(_bytes(part)) < 1_000_000):
        parts.extras += [text for text in [calendar_to_text(_text(part))] if text not in {"", *parts.extras}]
    elif kind == "text/html" and not is_file:
        parts.texts.append(html_to_text(_text(part)))
    elif kind.startswith("text/") and not is_file:
        parts.texts.append(_plain(_text(part), flowed=part.get_param("format") == "flowed"))
    elif kind.startswith("image/"):
        parts.pictures.append(name or "picture")
    else:
        parts.attachments.append(_attachment(part, name, kind))


def _attachment(part: Message, name: str, kind: str) -> Attachment:
    extension = PurePosixPath(name).suffix.lower()
    name = name or f"attachment{_EXTENSIONS.get(kind, '')}"
    if kind == "application/ms-tnef" or name.lower() == "winmail.dat":
        return Attachment("winmail.dat", reason=TNEF)
    if extension in _ARCHIVES:
        return Attachment(name, reason=NO_ARCHIVE)
    content = _bytes(part)
    if not content:
        return Attachment(name, reason=ZERO_BYTES)
    if not extension or extension[1:] not in SUPPORTED:
        guessed = _EXTENSIONS.get(kind)
        if guessed is None or guessed[1:] not in SUPPORTED:
            return Attachment(name, reason=NOT_READ)
        name += guessed
    return Attachment(name, content)


def _files(parts: _Parts, *, is_cut: bool) -> list[Attachment]:
    files = parts.attachments
    if is_cut and files:  # the end of the last one is not here
        files = [*files[:-1], Attachment(files[-1].name, reason=TOO_LARGE)]
    if len(files) > MAX_ATTACHMENTS:
        kept, left = files[:MAX_ATTACHMENTS], files[MAX_ATTACHMENTS:]
        files = [*kept, Attachment(f"{len(left)} more attachments", reason=TOO_MANY)]
    if parts.pictures:  # one line for all: newsletters have dozens
        others = len(parts.pictures) - 1
        name = parts.pictures[0] + (f" and {others} more" if others else "")
        files = [*files, Attachment(name[: 2 * MAX_NAME], reason=PICTURES)]
    return files


def _heading(headers: Headers, files: list[Attachment]) -> str:
    name = headers.sender.rpartition(" <")[0] or headers.sender
    day = f"{headers.date.day} {headers.date:%B %Y}" if headers.date else ""
    about = ", ".join(each for each in (name, day) if each)
    lines = [f"# {headers.subject}" + (f" ({about})" if about else "")]
    lines += [f"From: {headers.sender}"] if headers.sender else []
    lines += [f"To: {', '.join(headers.recipients[:20])}"] if headers.recipients else []
    lines += [f"Date: {day}, {headers.date:%H:%M} UTC"] if headers.date else []
    named = [file.name for file in files if file.reason != PICTURES]
    lines += [f"Attachments: {', '.join(named)}"] if named else []
    return "\n\n".join([lines[0], "  \n".join(lines[1:])])


def _body(parts: _Parts, headers: Headers) -> str:
    written = "\n\n".join(text for text in parts.texts if text.strip())
    # What a mail passes on is what it is about.
    reply = Reply(written.strip()) if headers.is_forward else split_reply(written)
    sections = [reply.text]
    if 0 < len(reply.text) <= SHORT_ANSWER and reply.quoted and not headers.is_forward:
        sections.append(f"In answer to: {_shortened(split_reply(reply.quoted).text)}")
    sections += parts.extras
    sections += [section for inner in parts.forwarded for section in _forwarded(inner, parts)]
    return "\n\n".join(section for section in sections if section.strip())


def _forwarded(message: Message, parts: _Parts, depth: int = 0) -> Iterator[str]:
    """A mail inside of a mail; its attachments become those of the outer one."""
    if depth > 3:
        raise PermanentError(TOO_DEEP)
    headers, inner = headers_of(message), _Parts(n_parts=parts.n_parts)
    _walk(message, inner, depth)
    parts.attachments += inner.attachments
    parts.pictures += inner.pictures
    heading = _heading(replace(headers, recipients=headers.recipients[:5]), [])
    yield f"## Forwarded: {heading.removeprefix('# ')}"
    yield from inner.texts
    yield from inner.extras
    for each in inner.forwarded:
        yield from _forwarded(each, parts, depth + 1)


def _shortened(text: str) -> str:
    if len(text) <= SHOWN_QUESTION:
        return text
    return text[:SHOWN_QUESTION].rpartition(" ")[0] + " …"


def _plain(text: str, *, flowed: bool) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if flowed:  # RFC 3676: a blank at the end means that the paragraph goes on
        text = re.sub(r"(?<=[^\n>-]) \n(?![>\n])", " ", text)
    return re.sub(r"^(#{1,6} )", r"\\\1", text, flags=re.MULTILINE)  # no heading of ours


def _text(part: Message) -> str:
    return decode_bytes(_bytes(part), part.get_content_charset())


def _bytes(part: Message) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError, UnicodeError):
        payload = None
    return payload if isinstance(payload, bytes) else b""


def _name(part: Message, kind: str) -> str:
    """The file name that a part gives itself, without folders and whatever hides its end."""
    try:
        given = part.get_filename() or ""
    except (ValueError, LookupError, TypeError):
        given = ""
    name = text_of(given).replace("\\", "/").rpartition("/")[2]
    name = re.sub(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069<>:\"|?*]", "", name).strip(" .")
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 10:
        return name[:MAX_NAME]
    return f"{stem[:MAX_NAME]}.{extension}"
