"""Mailboxes as forms, and forms as what the service takes."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import unquote

from rag_app.domain.sources import Schedule, Source
from rag_app.errors import InvalidInput
from rag_app.ui import routes
from rag_app.ui.arguments import as_text
from rag_app.ui.dashboard.sources.view import FREQUENCIES, Words

WORDS = Words("email", "mailbox", "mail", "mails", routes.EMAIL)
PROBLEM_COOKIE = "rag_mail_problem"
MAX_SHOWN = 500
PROVIDERS = ("gmail", "outlook", "imap")
LABELS = {"gmail": "Gmail", "outlook": "Outlook", "imap": "a mailbox"}
SIGN_INS = {"gmail": "Google", "outlook": "Microsoft"}
KEEP_IT = "Leave it empty to keep the one that is stored."
PASSWORD_HINTS = {
    "gmail": "An app password, not the one you sign in with. Google makes one under Security, App passwords; "
    "2-step verification must be on.",
    "outlook": "Microsoft refuses passwords for most mailboxes. Ask whoever runs this installation to set up "
    "sign-in with Microsoft.",
    "imap": "Some providers want an app password, made in the settings of your account there.",
}
SECURITIES = [("tls", "TLS (usual)"), ("starttls", "STARTTLS"), ("none", "None, in an own network only")]
MONTHS = [
    ("1", "The last month"),
    ("3", "The last 3 months"),
    ("6", "The last 6 months"),
    ("12", "The last year"),
    ("24", "The last 2 years"),
    ("60", "The last 5 years"),
    ("240", "Everything"),
]
ON_DELETED = [("remove", "Remove them here as well, after a week"), ("keep", "Keep them here")]
MANUAL = "0"
SCHEDULES = [*FREQUENCIES, (MANUAL, "Only when I ask for it")]


@dataclass(frozen=True)
class MailboxForm:
    """What the window shows when it opens; the password never comes here."""

    id: int = 0
    address: str = ""
    host: str = ""
    port: str = ""
    security: str = "tls"
    username: str = ""
    folders: str = ""
    months: str = "6"
    from_filter: str = ""
    to_filter: str = ""
    subject_filter: str = ""
    on_deleted: str = "remove"
    mask: bool = False
    attachments: bool = True
    every: str = "24"


@dataclass(frozen=True)
class MailboxErrors:
    """What is wrong with which field."""

    address: str = ""
    password: str = ""
    host: str = ""
    port: str = ""
    username: str = ""
    folders: str = ""
    from_filter: str = ""
    to_filter: str = ""
    subject_filter: str = ""
    form: str = ""


@dataclass(frozen=True)
class FolderChoice:
    """A folder of the mailbox that was tried."""

    name: str
    is_chosen: bool


def form_of(source: Source) -> MailboxForm:
    """A mailbox that is there, to be changed."""
    config = source.config
    return MailboxForm(
        id=source.id,
        address=str(config["address"]),
        host=str(config["host"]),
        port=str(config["port"]),
        security=str(config["security"]),
        username=str(config["username"]) if config["username"] != config["address"] else "",
        folders=", ".join(config["folders"]),
        months=str(config["months_to_sync"]),
        from_filter=", ".join(config["from_filter"]),
        to_filter=", ".join(config["to_filter"]),
        subject_filter=", ".join(config["subject_filter"]),
        on_deleted=str(config["on_deleted"]),
        mask=bool(config["mask_personal_data"]),
        attachments=bool(config["with_attachments"]),
        every=str(source.frequency_hours) if source.is_scheduled else MANUAL,
    )


def settings_of(form: object, provider: str, known_folders: Collection[str]) -> dict[str, Any]:
    """What was typed, as settings of a mailbox. Raises InvalidInput."""
    raw: dict[str, Any] = {
        "provider": provider,
        "address": as_text(form, "address").strip(),
        "username": as_text(form, "username").strip(),
        "folders": _folders(form, known_folders),
        "months_to_sync": _number(form, "months", 6),
        "on_deleted": as_text(form, "on_deleted") or "remove",
        "mask_personal_data": _is_ticked(form, "mask"),
        "with_attachments": _is_ticked(form, "attachments"),
    }
    for name in ("from_filter", "to_filter", "subject_filter"):
        raw[name] = _list(as_text(form, name))
    host = as_text(form, "host").strip()
    if host:
        raw |= {"host": host, "security": as_text(form, "security") or "tls"}
        if as_text(form, "port").strip():
            raw["port"] = _number(form, "port", 0)
    return raw


def schedule_of(form: object, *, grace_hours: int = 168) -> Schedule:
    """When a mailbox is read by itself. Raises InvalidInput."""
    every = as_text(form, "every") or "24"
    if every == MANUAL:
        return Schedule(24, is_scheduled=False, grace_hours=grace_hours)
    return Schedule(_number(form, "every", 24), grace_hours=grace_hours)


def errors_of(error: InvalidInput) -> MailboxErrors:
    """What is wrong, at its field where that is known."""
    problems = dict(error.problems) or {error.field or "form": str(error)}
    fields = MailboxErrors.__dataclass_fields__
    placed = {name: text for name, text in problems.items() if name in fields}
    others = [text for name, text in problems.items() if name not in fields]
    return MailboxErrors(**placed | ({"form": " ".join(others)} if others else {}))


def folder_choices(names: Collection[str], chosen: Collection[str]) -> list[FolderChoice]:
    """Folders to choose from; the inbox, where nothing was chosen that is there."""
    wanted = {name for name in chosen if name in names} or {"INBOX"}
    return [FolderChoice(name, name in wanted) for name in names]


def folder_field(name: str) -> str:
    """What a folder's box is called in the form."""
    return f"folder:{name}"


def read_problem(cookies: str | None) -> str:
    """Why connecting by a provider's sign-in failed, as the way back left it."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(cookies or "")
        return unquote(jar[PROBLEM_COOKIE].value)[:MAX_SHOWN]
    except (CookieError, KeyError, ValueError):
        return ""


def _folders(form: object, known: Collection[str]) -> list[str]:
    if known:
        return [name for name in known if _is_ticked(form, folder_field(name))]
    return _list(as_text(form, "folders"))


def _is_ticked(form: object, name: str) -> bool:
    """Whether a box is ticked: those with an id are sent as bools, others as browsers do."""
    return isinstance(form, Mapping) and form.get(name) in {True, "on"}


def _list(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,\n;]", text) if part.strip()]


def _number(form: object, name: str, otherwise: int) -> int:
    text = as_text(form, name).strip()
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise InvalidInput("Please enter a number.", field=name)
    return int(text)
