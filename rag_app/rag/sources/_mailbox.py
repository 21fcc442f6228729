"""A mailbox for asynchronous code: each command in a thread, with a time limit that really ends it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
OPERATORS_LIST = "RAG_ALLOWED_PRIVATE_HOSTS"
# The same for names that nobody has and for those of a private network, which could be guessed otherwise.
NO_SERVER = (
    "There is no mail server called {} on the internet. Check the spelling; a server in a private network "
    f"has to be listed by the operator in {OPERATORS_LIST}."
)

T = TypeVar("T")


@dataclass(frozen=True)
class Mailbox:
    """An open connection; commands are given one after the other."""

    imap: Imap
    threads: ThreadPoolExecutor

    async def do(self, work: Callable[..., T], *arguments: object, seconds: float = COMMAND_S) -> T:
        """Call a method of `imap`. Raises TransientError, PermanentError."""
        return await _within(self.threads, seconds, self.imap.abort, work, *arguments)


@contextlib.asynccontextmanager
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
    handles: list[socket.socket] = []  # of the connection, whatever TLS makes of it
    given_up = False

    def watch(connection: socket.socket) -> None:
        handles.append(connection.dup())
        if given_up:  # nobody waits for it any more
            give_up()

    def make() -> None:
        made.append(_imap.connect(addresses, server.host, server.port, server.security, on_socket=watch))

    def give_up() -> None:
        """End the connection: a thread that waits for the server, even in the middle of TLS, then ends."""
        nonlocal given_up
        given_up = True
        for handle in handles:
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

    def close() -> None:
        for each in (*made, *handles):
            each.close()

    try:
        await _within(threads, CONNECT_S, give_up, make)
        mailbox = Mailbox(made[0], threads)
        yield mailbox
        await mailbox.do(mailbox.imap.log_out, seconds=_imap.CONNECT_S)
    finally:
        give_up()
        threads.submit(close)
        threads.shutdown(wait=False)


async def _addresses(server: Server, parts: SourceParts) -> Sequence[str]:
    try:
        async with asyncio.timeout(_imap.CONNECT_S):
            return await parts.addresses(server.host, server.port)
    except TimeoutError:
        raise TransientError(f"The name {server.host} could not be looked up in time.") from None
    except OSError:
        raise TransientError(NO_SERVER.format(server.host)) from None
    except PermanentError as error:
        if OPERATORS_LIST in str(error):
            raise TransientError(NO_SERVER.format(server.host)) from None
        raise


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
