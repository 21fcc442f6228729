"""What an owner sets for a mailbox, checked and complete."""

import hashlib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from email_validator import EmailNotValidError, validate_email

from rag_app.errors import InvalidInput
from rag_app.rag.sources._mail_presets import IMAP_PORT, IMAPS_PORT, PROVIDERS, Security, Server, known_server

MAX_FOLDERS = 50
MAX_FILTERS = 50
MAX_TEXT = 320
MAX_MONTHS = 240

_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Config:
    """A mailbox and what of it is read."""

    provider: str
    address: str
    host: str
    port: int
    security: Security
    username: str
    folders: tuple[str, ...]
    months_to_sync: int
    from_filter: tuple[str, ...]
    to_filter: tuple[str, ...]
    subject_filter: tuple[str, ...]
    on_deleted: str
    mask_personal_data: bool
    with_attachments: bool

    @property
    def server(self) -> Server:
        """How it is reached."""
        return Server(self.host, self.port, self.security)

    @property
    def shape(self) -> str:
        """Changes with everything that makes another text of the same mail."""
        options = f"1|{self.mask_personal_data}|{self.with_attachments}"
        return hashlib.sha256(options.encode()).hexdigest()[:12]

    def since(self) -> date:
        """The first day whose mails are read."""
        today = datetime.now(UTC).date()
        months = today.year * 12 + today.month - 1 - self.months_to_sync
        return date(months // 12, months % 12 + 1, min(today.day, 28))

    def is_old(self, state: Mapping[str, Any]) -> bool:
        """Whether a mail that was kept is from before the first day whose mails are read."""
        day = str(state.get("day", ""))
        return bool(day) and day < self.since().isoformat()

    def wants(self, sender: str, recipients: Sequence[str] | str, subject: str) -> bool:
        """Whether a mail passes the filters: one entry of each that is not empty must be in it."""
        to = recipients if isinstance(recipients, str) else ", ".join(recipients)
        looked_at = ((self.from_filter, sender), (self.to_filter, to), (self.subject_filter, subject))
        return all(
            not terms or any(term.casefold() in text.casefold() for term in terms)
            for terms, text in looked_at
        )

    def includes(self, state: Mapping[str, Any]) -> bool:
        """Whether a mail that was kept would be read with these settings, however old it is by now."""
        if not any(folder in self.folders for folder in state.get("at", {})):
            return False
        if self.is_old(state) and self.months_to_sync < state.get("months", 0):
            return False  # it has not only grown older: fewer months are wanted than when it was read
        texts = (str(state.get(name, "")) for name in ("sender", "recipient", "subject"))
        return self.wants(*texts)


def check(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A complete configuration. Raises InvalidInput; `problems` says what is wrong with which input."""
    problems: dict[str, str] = {}
    address = _address(raw.get("address"), problems)
    provider = str(raw.get("provider") or "imap")
    if provider not in {*PROVIDERS, "imap"}:
        problems["provider"] = "Choose gmail, outlook or imap."
    server = _server(raw, provider, address, problems)
    config = {
        "provider": provider,
        "address": address,
        "host": server.host,
        "port": server.port,
        "security": server.security,
        "username": _line(raw, "username", problems) or address,
        "folders": _lines(raw, "folders", MAX_FOLDERS, problems) or ["INBOX"],
        "months_to_sync": _whole(raw, "months_to_sync", 6, MAX_MONTHS, problems),
        **{
            name: _lines(raw, name, MAX_FILTERS, problems)
            for name in ("from_filter", "to_filter", "subject_filter")
        },
        "on_deleted": str(raw.get("on_deleted") or "remove"),
        "mask_personal_data": bool(raw.get("mask_personal_data", False)),
        "with_attachments": bool(raw.get("with_attachments", True)),
    }
    if config["on_deleted"] not in {"keep", "remove"}:
        problems["on_deleted"] = "Choose keep or remove."
    if problems:
        field, message = next(iter(problems.items()))
        raise InvalidInput(message, field=field, problems=problems)
    return config


def read(config: Mapping[str, Any]) -> Config:
    """A configuration that was checked."""
    values: dict[str, Any] = {name: config[name] for name in Config.__dataclass_fields__}
    for name, value in values.items():
        values[name] = tuple(value) if isinstance(value, list) else value
    return Config(**values)


def _address(value: object, problems: dict[str, str]) -> str:
    try:
        return validate_email(str(value or ""), check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        problems["address"] = "Enter an e-mail address, such as ada@example.org."
        return ""


def _server(raw: Mapping[str, Any], provider: str, address: str, problems: dict[str, str]) -> Server:
    usual = PROVIDERS.get(provider) or known_server(address)
    host = str(raw.get("host") or (usual.host if usual else "")).strip().lower().removesuffix(".")
    if not host:
        problems["host"] = "Enter the name of the mail server, such as imap.example.org."
    elif not (_HOST.fullmatch(host) or _is_ip(host)):
        problems["host"] = (
            "This is not the name of a server. Leave out “https://” and everything after the name."
        )
    security = raw.get("security") or (usual.security if usual else "tls")
    if security not in {"tls", "starttls", "none"}:
        problems["security"] = "Choose tls, starttls or none."
    port = raw.get("port") or (IMAPS_PORT if security == "tls" else IMAP_PORT)
    if not isinstance(port, int) or not 1 <= port <= 65535:
        problems["port"] = "A port is a number from 1 to 65535; 993 is the usual one."
        port = IMAPS_PORT
    return Server(host, port, security)


def _is_ip(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _line(raw: Mapping[str, Any], name: str, problems: dict[str, str]) -> str:
    value = str(raw.get(name) or "").strip()
    if len(value) > MAX_TEXT or _CONTROL.search(value):
        problems[name] = f"This may have at most {MAX_TEXT} characters, and no line breaks."
        return ""
    return value


def _lines(raw: Mapping[str, Any], name: str, most: int, problems: dict[str, str]) -> list[str]:
    values = raw.get(name) or []
    if not isinstance(values, list | tuple) or len(values) > most:
        problems[name] = f"At most {most} entries."
        return []
    lines = [_line({name: value}, name, problems) for value in values]
    return list(dict.fromkeys(line for line in lines if line))


def _whole(raw: Mapping[str, Any], name: str, otherwise: int, most: int, problems: dict[str, str]) -> int:
    value = raw.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        problems[name] = f"Choose a number from 1 to {most}."
        return otherwise
    return value
