"""Connect mailboxes: find their server, try the connection, or send the owner to the provider's sign-in.

password                     check ── create
sign-in of a provider        begin ── ticket ── start (browser) ── provider ── finish ── create

What is to be connected travels sealed for its owner: in the ticket that opens the provider's page, and then
in a cookie, which ties the provider's answer to the browser that asked for it.
"""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from rag_app.crypto import KeyRing, Place, Sealed, new_token
from rag_app.domain.sources import Check, Schedule, Source
from rag_app.errors import InvalidInput, PermanentError, RagAppError
from rag_app.rag.sources import _mail_oauth, email
from rag_app.rag.sources._mail_oauth import Grant, OAuthProvider
from rag_app.rag.sources._mail_presets import PROVIDERS, Server
from rag_app.services.rate_limits import RateLimits
from rag_app.services.sources import SourceService

log = structlog.get_logger()

# Of one owner, so that nobody tries passwords or servers of others with them; a password that is stored is
# tried as well.
TESTS_PER_MINUTE = 10
TICKET_S = 600
MAX_TICKET = 3_000  # characters; it must fit into a cookie
TOO_LONG = "There are too many filters and folders to take along. Connect first, and add them afterwards."
TOO_LATE = "This took too long, or was begun in another browser. Please connect the mailbox again."
NOT_FOUND_BY_ITSELF = (
    "The mail server of this address could not be found by itself. Enter its name, which your provider "
    "gives, such as imap.example.org."
)


@dataclass(frozen=True)
class Connection:
    """A connection test with the server it was made to."""

    check: Check
    server: Server | None = None


@dataclass(frozen=True)
class Ticket:
    """A mailbox that is to be connected by a provider's sign-in; `source_id` where it is there already."""

    kb_id: int
    config: Mapping[str, Any]
    name: str = ""
    schedule: Mapping[str, Any] | None = None
    source_id: int | None = None


@dataclass(frozen=True)
class Departure:
    """Where the browser goes, and what it keeps until it comes back."""

    url: str
    cookie: str


@dataclass(frozen=True)
class MailboxService:
    """What mailboxes need besides what all sources do."""

    sources: SourceService
    ring: KeyRing
    limits: RateLimits
    providers: Mapping[str, OAuthProvider]
    base_url: str

    # Passwords

    async def check(
        self,
        kb_id: int,
        *,
        owner_id: int,
        raw: Mapping[str, Any],
        password: str | None = None,
        source_id: int | None = None,
    ) -> Connection:
        """Try a connection without keeping anything.

        Raises:
            NotFound: the knowledge base or the mailbox is not this owner's.
            InvalidInput: the settings are not fit to be tried.
            LimitReached: too many tests within a minute.
        """
        await self.sources.list_of(kb_id, owner_id=owner_id, kind=email.NAME)
        self.limits.hit("mailbox-test", str(owner_id), per_minute=TESTS_PER_MINUTE)
        if source_id is not None:
            there = await self.sources.get(kb_id, source_id, owner_id=owner_id, kind=email.NAME)
            raw = dict(there.config) | dict(raw)
        raw = await self._with_server(raw)
        check = await self.sources.check(
            kb_id,
            owner_id=owner_id,
            kind=email.NAME,
            raw=raw,
            secret=_of_password(password),
            source_id=source_id,
        )
        return Connection(check, _server(email.check_config(raw)))

    async def create(
        self,
        kb_id: int,
        *,
        owner_id: int,
        raw: Mapping[str, Any],
        password: str,
        name: str = "",
        schedule: Schedule | None = None,
    ) -> Source:
        """Connect a mailbox by its password. Raises as `SourceService.create` does."""
        await self.sources.list_of(kb_id, owner_id=owner_id, kind=email.NAME)
        if not password:
            raise InvalidInput("Enter the password of the mailbox.", field="password")
        self.limits.hit("mailbox-test", str(owner_id), per_minute=TESTS_PER_MINUTE)
        raw = await self._with_server(raw)
        return await self.sources.create(
            kb_id,
            owner_id=owner_id,
            kind=email.NAME,
            raw=raw,
            name=name,
            schedule=schedule,
            secret=_of_password(password),
        )

    async def change(
        self,
        kb_id: int,
        source_id: int,
        *,
        owner_id: int,
        raw: Mapping[str, Any],
        password: str | None = None,
        name: str | None = None,
        schedule: Schedule | None = None,
    ) -> Source:
        """Change some settings. Raises as `SourceService.change` does."""
        if password:
            self.limits.hit("mailbox-test", str(owner_id), per_minute=TESTS_PER_MINUTE)
        return await self.sources.change(
            kb_id,
            source_id,
            owner_id=owner_id,
            kind=email.NAME,
            raw=raw,
            name=name,
            schedule=schedule,
            secret=_of_password(password),
        )

    async def _with_server(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings with the server of the address, where none was named."""
        if raw.get("host") or raw.get("provider", "imap") != "imap":
            return raw
        probe = email.check_config(dict(raw) | {"host": "unknown.invalid"})
        found = await email.detect(probe["address"], self.sources.readers.parts)
        if found is None:
            raise InvalidInput(NOT_FOUND_BY_ITSELF, field="host")
        return dict(raw) | {"host": found.host, "port": found.port, "security": found.security}

    # Sign-in of a provider

    def offers(self, provider: str) -> bool:
        """Whether this installation can use a provider's sign-in."""
        return provider in self.providers

    async def begin(
        self,
        kb_id: int,
        *,
        owner_id: int,
        raw: Mapping[str, Any],
        name: str = "",
        schedule: Schedule | None = None,
        source_id: int | None = None,
    ) -> str:
        """The path that leads a signed-in browser to the provider's page.

        Raises:
            NotFound: the knowledge base or the mailbox is not this owner's.
            InvalidInput: the settings are wrong, or this provider's sign-in is not set up here.
        """
        if source_id is not None:
            there = await self.sources.get(kb_id, source_id, owner_id=owner_id, kind=email.NAME)
            raw = dict(there.config) | dict(raw)
        else:
            await self.sources.list_of(kb_id, owner_id=owner_id, kind=email.NAME)
        config = email.check_config(raw)
        if config["provider"] not in self.providers:
            raise InvalidInput(email.NOT_SET_UP, field="provider")
        if not email.takes_tokens(config["provider"], _server(config), self.sources.readers.parts):
            own = PROVIDERS[config["provider"]].host
            raise InvalidInput(email.OTHER_SERVER.format(own), field="host")
        ticket = Ticket(kb_id, config, name, asdict(schedule) if schedule else None, source_id)
        sealed = self._seal(asdict(ticket), owner_id, "ticket")
        if len(sealed) > MAX_TICKET:
            raise InvalidInput(TOO_LONG, field="from_filter")
        return f"/auth/mail/start?ticket={sealed}"

    def start(self, ticket: str, *, owner_id: int) -> Departure:
        """Where a browser with a ticket goes, and the cookie it keeps. Raises InvalidInput."""
        opened = self._open(ticket, owner_id, "ticket")
        provider = self._provider(opened["config"]["provider"])
        state, verifier = new_token(), _mail_oauth.new_verifier()
        cookie = self._seal({"state": state, "verifier": verifier, "ticket": opened}, owner_id, "cookie")
        url = _mail_oauth.authorize_url(
            provider,
            redirect_uri=self._redirect_uri,
            state=state,
            verifier=verifier,
            address=opened["config"]["address"],
        )
        return Departure(url, cookie)

    async def finish(self, cookie: str, *, owner_id: int, state: str, code: str, error: str) -> Source:
        """Take what the provider answered, and connect the mailbox.

        Raises:
            InvalidInput: another browser began this, it took too long, or the permission was not given.
            PermanentError, TransientError: the provider gives no lasting permission, or no answer.
        """
        kept = self._open(cookie, owner_id, "cookie")
        if not state or not hmac.compare_digest(state.encode(), str(kept["state"]).encode()):
            raise InvalidInput(TOO_LATE)
        if error or not code:
            raise InvalidInput("The permission was not given, so nothing was connected.")
        ticket = Ticket(**kept["ticket"])
        provider = self._provider(str(ticket.config["provider"]))
        grant = await _mail_oauth.redeem(
            provider,
            self.sources.readers.parts.transport(),
            code=code,
            redirect_uri=self._redirect_uri,
            verifier=str(kept["verifier"]),
        )
        try:
            return await self._connect(ticket, grant, owner_id)
        except RagAppError:  # nobody would ever use it
            await _mail_oauth.revoke(provider, self.sources.readers.parts.transport(), grant)
            raise

    async def _connect(self, ticket: Ticket, grant: Grant, owner_id: int) -> Source:
        secret = grant.as_secret()
        check = await self.sources.check(
            ticket.kb_id, owner_id=owner_id, kind=email.NAME, raw=ticket.config, secret=secret
        )
        if not check.is_ok:
            raise InvalidInput(
                f"{ticket.config['address']} could not be opened with this permission. {check.message}"
            )
        if ticket.source_id is None:
            return await self.sources.create(
                ticket.kb_id,
                owner_id=owner_id,
                kind=email.NAME,
                raw=ticket.config,
                name=ticket.name,
                schedule=Schedule(**ticket.schedule) if ticket.schedule else None,
                secret=secret,
            )
        changed = await self.sources.change(
            ticket.kb_id,
            ticket.source_id,
            owner_id=owner_id,
            kind=email.NAME,
            raw=ticket.config,
            secret=secret,
        )
        if changed.run is not None and changed.run.is_open:
            return changed
        return await self.sources.run_now(ticket.kb_id, ticket.source_id, owner_id=owner_id, kind=email.NAME)

    @property
    def _redirect_uri(self) -> str:
        return f"{self.base_url}/auth/mail/callback"

    def _provider(self, name: str) -> OAuthProvider:
        if name not in self.providers:
            raise InvalidInput(email.NOT_SET_UP)
        return self.providers[name]

    def _seal(self, what: Mapping[str, Any], owner_id: int, use: str) -> str:
        text = json.dumps({"until": time.time() + TICKET_S, "what": what})
        sealed = self.ring.seal(text, _place(owner_id, use))
        return f"{sealed.key_id}.{base64.urlsafe_b64encode(sealed.ciphertext).decode()}"

    def _open(self, sealed: str, owner_id: int, use: str) -> dict[str, Any]:
        key_id, _, text = sealed.partition(".")
        try:
            ciphertext = base64.urlsafe_b64decode(text.encode())
            opened = json.loads(self.ring.open(Sealed(key_id, ciphertext), _place(owner_id, use)))
        except (PermanentError, ValueError, binascii.Error):
            raise InvalidInput(TOO_LATE) from None
        if opened["until"] < time.time():
            raise InvalidInput(TOO_LATE)
        return opened["what"]


def _place(owner_id: int, use: str) -> Place:
    return Place(owner_id, "mailboxes", use, "pending")


def _of_password(password: str | None) -> str | None:
    return json.dumps({"password": password}) if password else None


def _server(config: Mapping[str, Any]) -> Server:
    return Server(str(config["host"]), int(config["port"]), config["security"])
