"""What every kind of source can do: one file here is one kind, found by its name.

    check_config ── title, identity            when an owner adds or changes a source
    build(config, parts) ── check()            "test the connection"
                         └─ read(run)          one run: a stream of events, kept one by one

`read` discovers what is there and fetches what changed. Each event is kept in a transaction of its own before
the next is asked for, so a run that is broken off goes on where it was, and one broken item ends as `Left`,
never as an error. Errors that it raises end the attempt: `TransientError` is tried again, `PermanentError`
waits for the owner.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import httpx2

from rag_app.domain.sources import Check, KnownItem
from rag_app.rag.parsers.contract import ParseLimits


@dataclass(frozen=True)
class Found:
    """An item that is new or has changed.

    Args:
        key: what its source calls it, the same in every run; at most 2,000 characters.
        name: what people call it, such as a page's title.
        file_name: decides how it is read, such as `page.md`; attachments have their own.
        content: the bytes to read. Text that is the same as before is not read again.
        state: what the next run wants to know of it, such as an ETag; small, JSON.
        parent: key of the item it belongs to, as an attachment to its mail.
        url: where a person finds it, for citations.
        modified_at: when it was written, where that is known; with time zone.
    """

    key: str
    name: str
    file_name: str
    content: bytes
    state: Mapping[str, Any] = field(default_factory=dict)
    parent: str = ""
    url: str = ""
    modified_at: datetime | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Same:
    """An item that is still there and has not changed; `state` replaces the old one unless None.

    What belongs to it (its attachments) is still there as well.
    """

    key: str
    state: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Left:
    """An item that is there and could not be read (`failed`) or should not be (`skipped`), with the reason.

    What was kept of it before stays.
    """

    key: str
    name: str
    reason: str
    kind: Literal["failed", "skipped"] = "failed"
    url: str = ""
    parent: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Gone:
    """An item that is not there any more: shown as missing, and removed after the source's grace period."""

    key: str
    reason: str = ""


@dataclass(frozen=True)
class SawEverything:
    """All there is has been seen in this run: known items that were not are gone.

    Keys that begin with `prefix` only, where a source has parts such as folders.
    """

    prefix: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """Everything up to here is kept: the next run (or attempt) gets this cursor."""

    cursor: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """What is being done now, in words, and how many items there will be, where that is known."""

    stage: str
    n_expected: int | None = None


@dataclass(frozen=True)
class Note:
    """Something the owner should know about this run that concerns no single item."""

    text: str


Event = Found | Same | Left | Gone | SawEverything | Checkpoint | Progress | Note


async def _nothing() -> AsyncIterator[KnownItem]:
    for each in ():
        yield each


@dataclass(frozen=True)
class RunContext:
    """What a run knows when it begins.

    Args:
        cursor: of the last `Checkpoint`; empty in the first run, and after the source was changed.
        known: looks up items of earlier runs by their keys, a few hundred at a time.
        max_items: the most items the owner's plan lets this run read; None for any number.
        again: items that failed and are to be tried again, though nothing may say that they changed.
        every: all items that belong to no other, for kinds that learn of what has gone by comparing.
        run_id: the same in every attempt at one run; a cursor that names it as `run` is this run's own.
    """

    cursor: Mapping[str, Any]
    known: Callable[[Sequence[str]], Awaitable[Mapping[str, KnownItem]]]
    max_items: int | None = None
    again: tuple[KnownItem, ...] = ()
    every: Callable[[], AsyncIterator[KnownItem]] = _nothing
    run_id: int = 0


@dataclass(frozen=True)
class SourceParts:
    """What sources are built from; each kind takes what it needs.

    Nothing else reaches the network: what an owner typed goes through the guard.

    Args:
        check_url: reads an address that was typed and checks its form. Raises PermanentError.
        transport: a transport that lets through what the guard does; one for each reader.
        addresses: looks a mail server's name and port up, once; connect to one of these and to no name.
            Raises PermanentError where it may not be reached, OSError where there is none.
        secret: the source's own, decrypted; None where it has none.
        save_secret: keeps a secret that changed during a run, such as a refreshed token.
        is_listed: whether the operator lists a host and port, which may then do without encryption.
    """

    check_url: Callable[[str], httpx2.URL]
    transport: Callable[[], httpx2.AsyncBaseTransport]
    addresses: Callable[[str, int], Awaitable[Sequence[str]]]
    parse_limits: ParseLimits
    user_agent: str
    secret: str | None = None
    save_secret: Callable[[str], Awaitable[None]] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_listed: Callable[[str, int], bool] = lambda host, port: False


class SourceReader(Protocol):
    """One source, ready to be asked."""

    async def check(self) -> Check:
        """Try whether it can be reached, and say in words what is wrong if not. Never raises for that."""
        ...

    def read(self, run: RunContext) -> AsyncGenerator[Event]:
        """Read what is there. Raises TransientError, PermanentError."""
        ...

    async def disconnect(self) -> None:
        """Give back what was granted, such as a token, when the source is removed; as far as that goes."""
        ...


class SourceKind(Protocol):
    """A module of this package."""

    NAME: str
    LABEL: str  # "website"
    MANY: str  # "websites"
    ITEM: str  # "page"
    ITEMS: str  # "pages"
    LIMIT: str | None  # what a plan limits the number of these sources by (domain/limits.py)
    ITEMS_LIMIT: str | None  # what it limits the items of one by

    def check_config(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration as it is stored: complete, bounded, without secrets. Raises InvalidInput."""
        ...

    def title(self, config: Mapping[str, Any]) -> str:
        """The name a source has until its owner gives it one."""
        ...

    def identity(self, config: Mapping[str, Any]) -> str:
        """What two sources of one knowledge base may not have in common."""
        ...

    def build(self, config: Mapping[str, Any], parts: SourceParts) -> SourceReader:
        """A reader of one source, without connecting.

        Raises:
            PermanentError: an address in it may not be reached.
        """
        ...
