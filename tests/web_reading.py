"""Read a website of the tests as a run does, with a memory of earlier runs."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import httpcore2
import httpx2

from rag_app.domain.private_hosts import parse_private_hosts
from rag_app.domain.sources import KnownItem
from rag_app.net.guard import Guard
from rag_app.net.transport import GuardedTransport
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.sources import web
from rag_app.rag.sources.contract import (
    Checkpoint,
    Event,
    Found,
    Gone,
    Left,
    Note,
    RunContext,
    Same,
    SawEverything,
    SourceParts,
)
from tests.guarded import TRUSTED, Names


class Loopback(httpcore2.AnyIOBackend):
    """The network of this machine: a test that would reach another fails instead."""

    async def connect_tcp(self, host: str, port: int, *more: Any, **options: Any) -> Any:
        assert host == "127.0.0.1", "a packet would have left"
        return await super().connect_tcp(host, port, *more, **options)


AGENT = "SimpleRAG (+http://localhost:3000)"


def parts(guarded: Guard | None = None, **more: Any) -> SourceParts:
    """What a reader is built from: the loopback is listed, as an operator would."""
    allowed = guarded or Guard(parse_private_hosts("127.0.0.1"), resolve=Names({}))
    more = {"network": Loopback(), **more}
    return SourceParts(
        check_url=allowed.parse,
        transport=lambda: GuardedTransport(allowed, ssl_context=TRUSTED, **more),
        addresses=allowed.addresses,
        parse_limits=ParseLimits(),
        user_agent=AGENT,
    )


@dataclass
class Reading:
    """What one run said."""

    events: list[Event] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def of(self, kind: type[Any]) -> list[Any]:
        """Events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def found(self) -> dict[str, Found]:
        """What is new or has changed, by key."""
        return {event.key: event for event in self.of(Found)}

    @property
    def reasons(self) -> dict[str, str]:
        """Why what was left out was."""
        return {event.key: event.reason for event in self.of(Left)}

    @property
    def same(self) -> list[str]:
        """Keys of what has not changed."""
        return [event.key for event in self.of(Same)]

    @property
    def gone(self) -> list[str]:
        """Keys of what has vanished."""
        return [event.key for event in self.of(Gone)]

    @property
    def notes(self) -> str:
        """All notes, a line each."""
        return "\n".join(event.text for event in self.of(Note))

    @property
    def saw_everything(self) -> bool:
        """Whether what was not seen is gone."""
        return bool(self.of(SawEverything))

    def texts(self) -> dict[str, str]:
        """What was found, as text."""
        return {key: event.content.decode() for key, event in self.found.items()}


@dataclass
class Memory:
    """What runs leave behind for the next one, as far as a reader can see it."""

    items: dict[str, KnownItem] = field(default_factory=dict)
    cursor: Mapping[str, Any] = field(default_factory=dict)
    run_id: int = 0

    async def known(self, keys: Sequence[str]) -> dict[str, KnownItem]:
        """Items by key."""
        return {key: self.items[key] for key in keys if key in self.items}

    def keep(self, event: Event) -> None:
        """Do what the runner does."""
        match event:
            case Found():
                sha256 = hashlib.sha256(event.content).hexdigest()
                self.items[event.key] = KnownItem(event.key, "kept", event.state, sha256)
            case Same():
                there = self.items[event.key]
                state = there.state if event.state is None else event.state
                self.items[event.key] = replace(there, status="kept", state=state)
            case Left():
                sha256 = self.items[event.key].sha256 if event.key in self.items else None
                self.items[event.key] = KnownItem(event.key, event.kind, event.state, sha256)
            case Checkpoint():
                self.cursor = json.loads(json.dumps(event.cursor))  # as the database gives it back
            case Gone():
                if event.key in self.items:
                    self.items[event.key] = replace(self.items[event.key], status="missing")


async def read(
    url: str,
    mode: str = "page",
    *,
    memory: Memory | None = None,
    max_items: int | None = None,
    built_from: SourceParts | None = None,
    request_s: float = 20.0,
    reading: Reading | None = None,
    until: Callable[[Event], bool] | None = None,
    **config: Any,
) -> Reading:
    """Read a website once; time stands still, and `pauses` are noted and not waited for.

    Args:
        until: breaks the run off after such an event, as the end of a worker would.
    """
    reading, memory = reading or Reading(), memory or Memory()

    async def sleep(seconds: float) -> None:
        reading.pauses.append(seconds)

    checked = web.check_config({"url": url, "mode": mode, **config})
    reader = web.build(checked, built_from or parts())
    reader = replace(reader, sleep=sleep, request_s=request_s, clock=lambda: 0.0)
    run = RunContext(memory.cursor, memory.known, max_items, run_id=memory.run_id)
    async with aclosing(reader.read(run)) as events:
        async for event in events:
            reading.events.append(event)
            memory.keep(event)
            if until is not None and until(event):
                break
    return reading


def paths(keys: Sequence[str] | dict[str, Any]) -> list[str]:
    """Keys without their host."""
    return [httpx2.URL(key).raw_path.decode() for key in keys]
