"""Runs of a mailbox without the rest of the product: events are kept in memory as the runner keeps them."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2

from rag_app.domain.sources import Check, KnownItem
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.sources import email
from rag_app.rag.sources.contract import (
    Checkpoint,
    Event,
    Found,
    Gone,
    Left,
    Note,
    RunContext,
    Same,
    SourceParts,
)
from tests.mail_server import HOST, OTHER_HOST, PASSWORD, USER, MailServer


async def loopback(host: str, port: int) -> Sequence[str]:
    """All test hosts are here; nothing else is asked for."""
    if host not in {HOST, OTHER_HOST}:
        raise OSError("unknown name")
    return ["127.0.0.1"]


@dataclass
class Owner:
    """A mailbox of somebody, and what was kept of it."""

    server: MailServer
    secret: str = field(default_factory=lambda: json.dumps({"password": PASSWORD}))
    config: dict[str, Any] = field(default_factory=dict)
    cursor: Mapping[str, Any] = field(default_factory=dict)
    known: dict[str, KnownItem] = field(default_factory=dict)
    found: dict[str, Found] = field(default_factory=dict)
    left: dict[str, Left] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    oauth: dict[str, Any] = field(default_factory=dict)
    transport: Callable[[], httpx2.AsyncBaseTransport] | None = None
    addresses: Callable[[str, int], Awaitable[Sequence[str]]] = loopback
    is_listed: Callable[[str, int], bool] = lambda host, port: False

    def parts(self) -> SourceParts:
        """What the reader is built from."""

        async def save(secret: str) -> None:
            self.saved.append(secret)
            self.secret = secret

        def no_url(_: str) -> httpx2.URL:
            raise AssertionError("mail has no addresses of pages")

        def no_network() -> httpx2.AsyncBaseTransport:
            raise AssertionError("nothing but the mail server is to be reached")

        return SourceParts(
            check_url=no_url,
            transport=self.transport or no_network,
            addresses=self.addresses,
            parse_limits=ParseLimits(),
            user_agent="tests",
            secret=self.secret,
            save_secret=save,
            settings={"oauth": self.oauth},
            is_listed=self.is_listed,
        )

    def reader(self, **more: Any) -> email.MailReader:
        """The reader of the mailbox."""
        base = {"address": USER, "host": HOST, "port": self.server.tls_port, "security": "tls"}
        return email.build(email.check_config(base | self.config | more), self.parts())

    async def check(self, **more: Any) -> Check:
        """Test the connection."""
        return await self.reader(**more).check()

    def change(self, **more: Any) -> None:
        """Other settings: the next run begins anew, as it does in the product."""
        self.config |= more
        self.cursor = {}

    async def run(self, *, stop_after: int | None = None, again: tuple[KnownItem, ...] = ()) -> list[Event]:
        """One run; returns its events. `stop_after` so many checkpoints it is broken off."""
        self.events, n_checkpoints = [], 0
        events = self.reader().read(RunContext(self.cursor, self._known, None, again, self._every))
        async for event in events:
            self.events.append(event)
            self._keep(event)
            n_checkpoints += isinstance(event, Checkpoint)
            if n_checkpoints == stop_after:
                await events.aclose()
                break
        return self.events

    def of(self, kind: type[Event]) -> list[Any]:
        """The events of a kind of the last run."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def notes(self) -> list[str]:
        """What the last run noted."""
        return [note.text for note in self.of(Note)]

    @property
    def mails(self) -> dict[str, Found]:
        """The mails that are kept, by subject, without attachments."""
        return {found.name: found for found in self.found.values() if not found.parent}

    def _keep(self, event: Event) -> None:
        match event:
            case Found():
                self.found[event.key] = event
                self.left.pop(event.key, None)
                self._know(event.key, "kept", event.state, event.parent)
            case Left():
                self.left[event.key] = event
                self._know(event.key, event.kind, event.state, event.parent)
            case Same() if event.state is not None:
                there = self.known[event.key]
                self.known[event.key] = replace(there, state=event.state, status="kept")
            case Gone():
                self.gone[event.key] = event.reason
                if event.key in self.known:
                    self.known[event.key] = replace(self.known[event.key], status="missing")
            case Checkpoint():
                self.cursor = json.loads(json.dumps(dict(event.cursor)))

    def _know(self, key: str, status: Any, state: Mapping[str, Any], parent: str) -> None:
        state = json.loads(json.dumps(dict(state)))
        self.known[key] = KnownItem(key, status, state | ({"parent": parent} if parent else {}))

    async def _known(self, keys: Sequence[str]) -> Mapping[str, KnownItem]:
        return {key: self.known[key] for key in keys if key in self.known}

    async def _every(self) -> AsyncIterator[KnownItem]:
        for item in list(self.known.values()):
            if "parent" not in item.state:
                yield item
