"""Mailboxes: Gmail, Outlook and every other server that speaks IMAP. How one is read: `_mail_reading.py`."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rag_app.domain.limits import MAILBOXES
from rag_app.domain.sources import Check
from rag_app.errors import PermanentError, RagAppError, TransientError
from rag_app.rag.sources import _mail_oauth
from rag_app.rag.sources._imap import NO_FOLDER, Folder
from rag_app.rag.sources._mail_config import Config, check, read
from rag_app.rag.sources._mail_oauth import Grant, OAuthProvider, grant_of
from rag_app.rag.sources._mail_presets import PROVIDERS, Server, known_server, likely_servers
from rag_app.rag.sources._mail_reading import Reading
from rag_app.rag.sources._mailbox import Mailbox, connected
from rag_app.rag.sources.contract import Event, Progress, RunContext, SourceParts

NAME = "email"
LABEL, MANY, ITEM, ITEMS = "mailbox", "mailboxes", "mail", "mails"
LIMIT: str | None = MAILBOXES.name
ITEMS_LIMIT: str | None = None

NO_SECRET = "Enter the password of the mailbox, or connect it again."  # noqa: S105 (a sentence)
NOT_SET_UP = "Sign-in with this provider is not set up on this installation. Ask its operator."

OTHER_SERVER = (
    "The sign-in of this provider is only for its own mail server, {}. Choose that one, or use a password."
)


def check_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    """See `_mail_config`."""
    return check(raw)


def title(config: Mapping[str, Any]) -> str:
    """The address."""
    return str(config["address"])


def identity(config: Mapping[str, Any]) -> str:
    """The mailbox itself: also whom a stored password may be shown to."""
    return f"{config['username']}\n{config['host']}:{config['port']}"


def build(config: Mapping[str, Any], parts: SourceParts) -> "MailReader":
    """A reader of one mailbox."""
    return MailReader(read(config), parts)


def takes_tokens(provider: str, server: Server, parts: SourceParts) -> bool:
    """Whether a server may be given tokens: the provider's own, and those that the operator lists."""
    own = PROVIDERS.get(provider)
    return (own is not None and server.host == own.host) or parts.is_listed(server.host, server.port)


async def detect(address: str, parts: SourceParts) -> Server | None:
    """Find out where an address's mail is: by its domain, or by trying where servers usually are."""
    if (server := known_server(address)) is not None:
        return server

    async def answers(server: Server) -> bool:
        try:
            async with connected(server, parts):
                return True
        except (TransientError, PermanentError):
            return False

    likely = likely_servers(address)
    found = await asyncio.gather(*(answers(server) for server in likely))
    return next((server for server, is_there in zip(likely, found, strict=True) if is_there), None)


@dataclass(frozen=True)
class MailReader:
    """One mailbox, ready to be asked."""

    config: Config
    parts: SourceParts

    async def check(self) -> Check:
        """Sign in, look at the folders, and say what is wrong in words."""
        try:
            async with self._signed_in() as mailbox:
                folders = await mailbox.do(mailbox.imap.folders)
        except RagAppError as error:
            return Check(False, str(error))
        names = tuple(folder.name for folder in sorted(folders, key=_usefulness))
        missing = [folder for folder in self.config.folders if folder not in names]
        if missing:
            return Check(False, NO_FOLDER.format(missing[0]), names)
        return Check(True, f"Connected. This mailbox has {len(names):,} folders.", names)

    async def disconnect(self) -> None:
        """Give the token back."""
        grant, provider = self._grant(), self._provider()
        if grant is not None and provider is not None:
            await _mail_oauth.revoke(provider, self.parts.transport(), grant)

    async def read(self, run: RunContext) -> AsyncGenerator[Event]:
        """Read what is new, newest first, and notice what has gone."""
        yield Progress("Connecting")
        async with self._signed_in() as mailbox:
            async for event in Reading(self.config, self.parts, mailbox, run).events():
                yield event

    @asynccontextmanager
    async def _signed_in(self) -> AsyncGenerator[Mailbox]:
        grant = self._grant()
        if grant is None and not self._secret().get("password"):
            raise PermanentError(NO_SECRET)
        if grant is not None and not takes_tokens(self.config.provider, self.config.server, self.parts):
            own = PROVIDERS.get(self.config.provider)
            raise PermanentError(OTHER_SERVER.format(own.host) if own else NO_SECRET)
        token = await self._token(grant) if grant is not None else ""
        async with connected(self.config.server, self.parts) as mailbox:
            if token:
                await mailbox.do(mailbox.imap.log_in_by_token, self.config.username, token)
            else:
                password = str(self._secret()["password"])
                await mailbox.do(mailbox.imap.log_in, self.config.username, password)
            yield mailbox

    async def _token(self, grant: Grant) -> str:
        if grant.is_fresh:
            return grant.access_token
        provider = self._provider()
        if provider is None:
            raise PermanentError(NOT_SET_UP)
        fresh = await _mail_oauth.refresh(provider, self.parts.transport(), grant)
        if self.parts.save_secret is not None:
            await self.parts.save_secret(fresh.as_secret())
        return fresh.access_token

    def _secret(self) -> Mapping[str, Any]:
        try:
            secret = json.loads(self.parts.secret or "{}")
        except ValueError:
            return {}
        return secret if isinstance(secret, dict) else {}

    def _grant(self) -> Grant | None:
        return grant_of(self._secret())

    def _provider(self) -> OAuthProvider | None:
        return self.parts.settings.get("oauth", {}).get(self.config.provider)


def _usefulness(folder: Folder) -> tuple[int, str]:
    """The inbox first, what was thrown away last."""
    if folder.name.upper() == "INBOX":
        return 0, ""
    places = {"sent": 1, "archive": 1, "all": 1, "drafts": 3, "junk": 4, "trash": 4}
    return places.get(folder.use, 2), folder.name
