"""Speak IMAP: one connection, to an address that was checked, with limits on time and on bytes.

    addresses (checked) ── connect ── TLS by name ── login or XOAUTH2 ── folders, UIDs, headers, mails

Everything here blocks, so callers use a thread (`_mailbox.py`). Nothing is ever written to the server:
folders are opened to be read only, and mails are fetched without marking them as read.
"""

import binascii
import contextlib
import imaplib
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from imap_tools.errors import ImapToolsError, MailboxFolderSelectError
from imap_tools.imap_utf7 import utf7_decode
from imap_tools.mailbox import BaseMailBox
from imap_tools.utils import encode_folder

from rag_app.errors import PermanentError, RagAppError, TransientError
from rag_app.rag.sources._mail_headers import FIELDS
from rag_app.rag.sources._mail_presets import NEED_APP_PASSWORDS, NEED_SWITCH, Security

CONNECT_S = 10.0
MAX_ADDRESSES = 6  # that are tried
SILENCE_S = 60.0  # without a byte
MAX_COMMAND_BYTES = 96 * 1024 * 1024  # of the answer to one command
MAX_HEADER_BYTES = 16 * 1024  # of the fields that are asked for
SEARCH_STEP = 50_000  # mails asked about at once, so that a line of their numbers stays short
MAX_MAILS = 2_000_000  # of a folder: its server says how many there are, and each step is a question
MAX_FOLDERS = 2_000
MAX_FOLDER_NAME = 320
MAX_FOLDER_LINE = 8 * 1024
MAX_NUMBER = len("4294967295 ")

WRONG_PASSWORD = "The server refuses this user name and password."  # noqa: S105 (a sentence)
EXPIRED = "The permission to read this mailbox has ended. Connect the mailbox again."
NO_FOLDER = "There is no folder called “{}” in this mailbox."
TOO_MANY_MAILS = f"A folder with more than {MAX_MAILS:,} mails cannot be read. Choose other folders."
BROKEN_OFF = "The connection to the mail server broke off."
BUSY = "The mail server is too busy, or has too many connections of this mailbox. It is tried again later."

_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_DAY = re.compile(rb'\bINTERNALDATE "\s?(\d{1,2})-(\w{3})-(\d{4})')
# A line of LIST. Nothing in it can be read in two ways, so that no server can make it take long.
_FOLDER = re.compile(rb'\(([^()]*)\) (?:"(?:\\.|[^"\\])*"|NIL) (.+)')
_QUOTED = re.compile(rb'"((?:\\.|[^"\\])*)"')
_ESCAPED = re.compile(rb"\\(.)")
_BEGINS = re.compile(rb"\d+ \(")  # an answer; other lines go on with the one before
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


class SignInRefused(PermanentError):
    """The server does not let this user in."""


@dataclass(frozen=True)
class Folder:
    """A folder of a mailbox; `use` is what the server keeps in it, such as `sent` or `trash`."""

    name: str
    use: str = ""


@dataclass(frozen=True)
class Opened:
    """A folder that was opened; UIDs mean something only together with `validity`."""

    validity: int
    n_mails: int


@dataclass(frozen=True)
class Envelope:
    """What is known of a mail before it is read; `day` is when the server got it."""

    uid: int
    n_bytes: int
    day: str
    headers: bytes


class _Client(imaplib.IMAP4):
    """A client on a socket that is connected already, which reads no more than it should."""

    def __init__(self, connected: socket.socket, host: str, port: int) -> None:
        self._connected, self._left = connected, MAX_COMMAND_BYTES
        super().__init__(host, port, SILENCE_S)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._connected

    def begin(self) -> None:
        """Allow for another answer."""
        self._left = MAX_COMMAND_BYTES

    def read(self, size: int) -> bytes:
        self._take(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._take(len(line))
        return line

    def _take(self, n_bytes: int) -> None:
        self._left -= n_bytes
        if self._left < 0:
            raise self.abort("the answer is too long")


class _Box(BaseMailBox):
    """imap-tools on our client."""

    def __init__(self, client: imaplib.IMAP4) -> None:
        self._ours = client
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return self._ours


class Imap:
    """One connection. Every method raises TransientError or PermanentError, in words."""

    def __init__(self, connected: socket.socket, host: str, port: int, security: Security) -> None:
        self.host, self._socket = host, connected
        with _in_words(host, port):
            client = _Client(connected, host, port)
            if security == "starttls":
                self._start_tls(client, port)
        self._client, self._box = client, _Box(client)

    def _start_tls(self, client: _Client, port: int) -> None:
        try:
            if "STARTTLS" not in client.capabilities:
                raise PermanentError(
                    f"{self.host} offers no STARTTLS on port {port}. Choose TLS on port 993."
                )
            client.starttls(trusted())
        except BaseException:
            client.shutdown()
            raise
        self._socket = client.sock

    def log_in(self, user: str, password: str) -> None:
        """Sign in with a password."""
        client = self._begin()
        if "LOGINDISABLED" in client.capabilities:
            raise PermanentError(f"{self.host} takes no passwords on this port. Choose TLS on port 993.")
        try:
            if f"{user}{password}".isascii() and f"{user}{password}".isprintable():
                self._box.login(user, password, initial_folder=None)
            else:
                self._box.login_utf8(user, password, initial_folder=None)
        except (ImapToolsError, imaplib.IMAP4.error, OSError) as error:
            raise self._refusal(error, WRONG_PASSWORD) from None  # the server may repeat what was sent

    def log_in_by_token(self, user: str, token: str) -> None:
        """Sign in with a token of OAuth."""
        client = self._begin()
        answer = f"user={user}\1auth=Bearer {token}\1\1".encode()
        answers = iter([answer])
        try:  # a refusal comes as a challenge, which takes an empty answer
            client.authenticate("XOAUTH2", lambda _: next(answers, b""))
        except (imaplib.IMAP4.error, OSError) as error:
            raise self._refusal(error, EXPIRED) from None

    def folders(self) -> list[Folder]:
        """All folders that hold mails, in the server's order."""
        found = []
        for name, flags in self._listed(b"*"):
            if not flags & {"\\noselect", "\\nonexistent"}:
                uses = flags & {"\\all", "\\archive", "\\drafts", "\\junk", "\\sent", "\\trash", "\\flagged"}
                found.append(Folder(name, next(iter(uses), "").removeprefix("\\")))
        return found

    def _listed(self, pattern: bytes) -> list[tuple[str, set[str]]]:
        """Names and flags of folders; those whose name makes no sense are left out."""
        with _in_words(self.host):
            kind, lines = self._begin().list('""', pattern.decode("ascii"))
            if kind != "OK":
                raise TransientError(BROKEN_OFF)
            found: list[tuple[str, set[str]]] = []
            for line in lines:
                if len(found) == MAX_FOLDERS:
                    break
                if (folder := _folder(line)) is not None:
                    found.append(folder)
            return found

    def open(self, folder: str) -> Opened | None:
        """Open a folder to be read; None where there is none."""
        with _in_words(self.host):
            client = self._begin()
            try:
                self._box.folder.set(folder, readonly=True)
            except MailboxFolderSelectError as error:
                if any(name == folder for name, _ in self._listed(encode_folder(folder))):
                    raise TransientError(BUSY) from error  # it is there, but not to be had just now
                return None
            return Opened(
                validity=_number(client.response("UIDVALIDITY")[1]),
                n_mails=_number(client.response("EXISTS")[1]),
            )

    def uids(self, opened: Opened, *, since: date | None = None) -> list[int]:
        """The UIDs of a folder's mails in order, those marked as deleted left out."""
        criteria = "UNDELETED" + (
            f" SINCE {since.day}-{_MONTHS[since.month - 1].decode()}-{since.year}" if since else ""
        )
        if opened.n_mails > MAX_MAILS:
            raise PermanentError(TOO_MANY_MAILS)
        found: list[int] = []
        with _in_words(self.host):
            for first in range(1, opened.n_mails + 1, SEARCH_STEP):
                client = self._begin()
                last = min(first + SEARCH_STEP - 1, opened.n_mails)
                kind, lines = client.uid("SEARCH", f"{first}:{last}", criteria)
                if kind != "OK":
                    raise TransientError(BROKEN_OFF)
                found += _numbers(lines, at_most=last - first + 1)
        return sorted(found)

    def envelopes(self, uids: Sequence[int]) -> list[Envelope]:
        """Headers and sizes; mails that have vanished meanwhile are left out."""
        fields = " ".join(FIELDS).upper()
        what = f"(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS ({fields})]<0.{MAX_HEADER_BYTES}>)"
        asked, found = set(uids), {}
        for meta, headers in self._fetch(uids, what):
            uid = _value(_UID, meta)
            if uid in asked:  # `n:*` and chatty servers give others as well
                found[uid] = Envelope(uid, _value(_SIZE, meta), _day(meta), headers)
        return [found[uid] for uid in uids if uid in found]

    def mails(self, uids: Sequence[int], *, max_bytes: int | None = None) -> dict[int, bytes]:
        """Mails as they are, by UID; only their first `max_bytes` where that is given."""
        part = f"<0.{max_bytes}>" if max_bytes else ""
        asked = set(uids)
        found = {_value(_UID, meta): raw for meta, raw in self._fetch(uids, f"(UID BODY.PEEK[]{part})")}
        return {uid: raw for uid, raw in found.items() if uid in asked}

    def log_out(self) -> None:
        """Say good-bye."""
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            self._socket.settimeout(CONNECT_S)
            self._client.logout()

    def abort(self) -> None:
        """End the connection at once. For other threads: a command that waits for an answer then ends."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection back."""
        with contextlib.suppress(OSError):
            self._client.shutdown()

    def _fetch(self, uids: Sequence[int], what: str) -> Iterator[tuple[bytes, bytes]]:
        if not uids:
            return
        with _in_words(self.host):
            client = self._begin()
            kind, data = client.uid("FETCH", _ranges(uids), what)
            if kind != "OK":
                raise TransientError(BROKEN_OFF)
        yield from _pairs(data)

    def _begin(self) -> _Client:
        self._client.begin()
        return self._client

    def _refusal(self, error: Exception, otherwise: str) -> RagAppError:
        """What a refused sign-in means; the server's own words are never shown, they may hold the secret."""
        if isinstance(error, imaplib.IMAP4.abort | OSError):
            return TransientError(BROKEN_OFF)
        said = str(error).lower()
        if any(sign in said for sign in ("unavailable", "too many", "[limit]", "[inuse]", "try again later")):
            return TransientError(BUSY)
        if "not enabled for imap" in said or "imap access is disabled" in said or "imap is disabled" in said:
            return SignInRefused("IMAP is switched off for this mailbox. Switch it on in its settings.")
        if "authenticated but not connected" in said:
            return SignInRefused(
                "The sign-in is right, but this mailbox may not be read by IMAP. Ask its administrator."
            )
        if "basicauthblocked" in said or (
            "outlook.office365.com" in self.host and otherwise == WRONG_PASSWORD
        ):
            return SignInRefused(
                "Microsoft takes no passwords for IMAP. Connect the mailbox with “Sign in with Microsoft”."
            )
        return SignInRefused(otherwise + self._hint(otherwise))

    def _hint(self, problem: str) -> str:
        if problem != WRONG_PASSWORD:
            return ""
        if self.host in NEED_APP_PASSWORDS:
            return f" {NEED_APP_PASSWORDS[self.host]}, not the one you sign in with."
        if self.host in NEED_SWITCH:
            return " Check, too, whether IMAP is switched on in the settings of the mailbox."
        return ""


def connect(
    addresses: Sequence[str],
    host: str,
    port: int,
    security: Security,
    on_socket: Callable[[socket.socket], None] = lambda _: None,
) -> Imap:
    """Connect to the first address that answers, and check its certificate against the name.

    Args:
        addresses: checked ones; nothing else is connected to.
        host: the name that was typed.
        on_socket: is told of the connection before a byte is read from it.
    """
    connected = _first(addresses[:MAX_ADDRESSES], host, port)
    try:
        on_socket(connected)
        if security == "tls":
            with _in_words(host, port):
                connected = trusted().wrap_socket(connected, server_hostname=host)
        connected.settimeout(SILENCE_S)
        return Imap(connected, host, port, security)
    except BaseException:
        connected.close()
        raise


def trusted() -> ssl.SSLContext:
    """Checks certificates as the system does."""
    return ssl.create_default_context()


def _first(addresses: Sequence[str], host: str, port: int) -> socket.socket:
    last: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=CONNECT_S)
        except OSError as error:
            last = error
    raise _as_words(last or OSError("no address"), host, port) from last


# What went wrong, whether trying again is no use, and how it is said; the first that fits counts.
_SENTENCES: tuple[tuple[type[Exception], bool, str], ...] = (
    (ConnectionRefusedError, False, "{} refuses connections. Check the port, and that IMAP is switched on."),
    (TimeoutError, False, "{} did not answer in time. Check the name and the port."),
    (imaplib.IMAP4.abort, False, BROKEN_OFF),
    (ConnectionError, False, BROKEN_OFF),
)


class _in_words:  # noqa: N801 (reads as what it is for)
    """Raises what goes wrong below as our errors."""

    def __init__(self, host: str, port: int | None = None) -> None:
        self.host, self.port = host, port

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError | imaplib.IMAP4.error | ImapToolsError | UnicodeError | ValueError):
            raise _as_words(error, self.host, self.port) from error


def _as_words(error: Exception, host: str, port: int | None) -> RagAppError:
    at = f"{host} (port {port})" if port else host
    if port is not None and str(error).startswith("unexpected response"):  # a greeting of another kind
        return PermanentError(f"{at} is no mail server that speaks IMAP. Check the name and the port.")
    for kind, is_final, sentence in _SENTENCES:
        if isinstance(error, kind):
            return PermanentError(sentence.format(at)) if is_final else TransientError(sentence.format(at))
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(_about_certificate(error, host))
    if isinstance(error, ssl.SSLError):
        return PermanentError(
            f"{at} does not speak TLS as it should. Try STARTTLS on port 143, or TLS on port 993."
        )
    if isinstance(error, OSError):
        return TransientError(f"{at} cannot be reached. Check the name and the port.")
    return TransientError(f"{host} gave an answer that makes no sense.")


def _about_certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    if error.verify_code in {62, 64}:  # X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH
        return f"This server's certificate is for another name than {host}. Use the name your provider gives."
    if error.verify_code == 10:
        return f"The certificate of {host} has expired. Its operator has to renew it."
    return f"The certificate of {host} is not from a known authority, so the connection would not be safe."


def _folder(line: Any) -> tuple[str, set[str]] | None:
    """Name and flags from an answer of LIST, whose name may be quoted, bare or a literal behind the line."""
    head, literal = line if isinstance(line, tuple) else (line, None)
    if not isinstance(head, bytes):
        return None
    if len(head) > MAX_FOLDER_LINE:
        raise ValueError("the line of a folder is too long")
    parts = _FOLDER.fullmatch(head)
    if parts is None:
        return None
    flags, name = parts.groups()
    if literal is not None:
        name = literal
    elif (quoted := _QUOTED.fullmatch(name)) is not None:
        name = _ESCAPED.sub(rb"\1", quoted.group(1))
    if len(name) > MAX_FOLDER_LINE:
        return None
    try:
        text = utf7_decode(name)
    except (UnicodeError, binascii.Error):
        return None
    if not 0 < len(text) <= MAX_FOLDER_NAME:
        return None
    return text, {flag.decode("ascii", "replace").lower() for flag in flags.split()}


def _numbers(lines: Sequence[Any], *, at_most: int) -> list[int]:
    """The numbers of an answer, refused where there are more than were asked for."""
    said = [line for line in lines if line]
    if sum(len(line) for line in said) > at_most * MAX_NUMBER:
        raise ValueError("more numbers than were asked for")
    found = [int(each) for line in said for each in line.split()]
    if len(found) > at_most:
        raise ValueError("more numbers than were asked for")
    return found


def _pairs(data: Iterable[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Answers of FETCH as (attributes, literal); some servers give attributes after the literal."""
    meta, literal = b"", b""
    for item in data:
        head, value = item if isinstance(item, tuple) else (item, b"")
        if not isinstance(head, bytes):
            continue
        if _BEGINS.match(head):
            if meta:
                yield meta, literal
            meta, literal = head, value
        else:
            meta += b" " + head
    if meta:
        yield meta, literal


def _ranges(uids: Sequence[int]) -> str:
    """UIDs as IMAP writes them: 1:3,7."""
    parts: list[list[int]] = []
    for uid in sorted(set(uids)):
        if parts and uid == parts[-1][1] + 1:
            parts[-1][1] = uid
        else:
            parts.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in parts)


def _value(pattern: re.Pattern[bytes], meta: bytes) -> int:
    found = pattern.search(meta)
    return int(found.group(1)) if found else 0


def _day(meta: bytes) -> str:
    found = _DAY.search(meta)
    if found is None or found.group(2).title() not in _MONTHS:
        return ""
    day, month, year = int(found.group(1)), _MONTHS.index(found.group(2).title()) + 1, int(found.group(3))
    return f"{year:04}-{month:02}-{day:02}"


def _number(values: Sequence[Any]) -> int:
    last = values[-1] if values else None
    return int(last) if last and last.isdigit() else 0
