"""A mailbox for asynchronous code: each command in a thread, with a time limit that really ends it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from rag_app.errors import PermanentError, TransientError
from rag_app.rag.sources import _imap
from rag_app.rag.sources._imap import Imap
from rag_app.rag.sources._mail_presets import Server
from rag_app.rag.sources.contract import SourceParts

CONNECT_S = 30.0  # all of it: name, connection, TLS, greeting
COMMAND_S = 180.0
TOO_SLOW = "The mail server is too slow to answer. It is tried again later."

T = TypeVar("T")


@dataclass(frozen=True)
class Mailbox:
    """An open connection; commands are given one after the other."""

    imap: Imap
    threads: ThreadPoolExecutor

    async def do(self, work: Callable[..., T], *arguments: object, seconds: float = COMMAND_S) -> T:
        """Call a method of `imap`. Raises TransientError, PermanentError."""
        return await _within(self.threads, seconds, self.imap.abort, work, *arguments)


@asynccontextmanager
async def connected(server: Server, parts: SourceParts) -> AsyncGenerator[Mailbox]:
    """A connection to a server that may be reached; nobody is signed in yet.

    Raises:
        PermanentError: it may not be reached, or cannot be trusted.
        TransientError: it does not answer now.
    """
    if server.security == "none" and not parts.is_listed(server.host, server.port):
        raise PermanentError(
            "Without encryption, passwords and mails can be read on the way. Only a server that is listed by "
            "its name in RAG_ALLOWED_PRIVATE_HOSTS may do without."
        )
    addresses = await _addresses(server, parts)
    threads = ThreadPoolExecutor(1, thread_name_prefix="imap")
    made: list[Imap] = []
    given_up = False

    def make() -> None:
        imap = _imap.connect(addresses, server.host, server.port, server.security)
        made.append(imap)
        if given_up:  # nobody waits for it any more
            imap.close()

    def give_up() -> None:
        nonlocal given_up
        given_up = True
        for imap in made:
            imap.abort()

    try:
        await _within(threads, CONNECT_S, give_up, make)
        mailbox = Mailbox(made[0], threads)
        yield mailbox
        await mailbox.do(mailbox.imap.log_out, seconds=_imap.CONNECT_S)
    finally:
        give_up()
        for imap in made:
            threads.submit(imap.close)
        threads.shutdown(wait=False)


async def _addresses(server: Server, parts: SourceParts) -> Sequence[str]:
    try:
        async with asyncio.timeout(_imap.CONNECT_S):
            return await parts.addresses(server.host, server.port)
    except TimeoutError:
        raise TransientError(f"The name {server.host} could not be looked up in time.") from None
    except OSError:
        raise TransientError(f"There is no server called {server.host}. Check the spelling.") from None


async def _within(
    threads: ThreadPoolExecutor,
    seconds: float,
    give_up: Callable[[], None],
    work: Callable[..., T],
    *arguments: object,
) -> T:
    """Wait for a thread's work; where that takes too long, or nobody waits any more, make it end."""
    running = asyncio.get_running_loop().run_in_executor(threads, work, *arguments)
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(running)
    except TimeoutError:
        raise TransientError(TOO_SLOW) from None
    finally:
        if not running.done():
            give_up()
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
