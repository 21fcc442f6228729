"""Events of an answer in batches, as often as a page can show them and only while someone looks."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from reflex_base.registry import RegistrationContext
from reflex_base.utils.exceptions import ReflexRuntimeError

from rag_app.domain.conversations import AnswerEvent

PAUSE_S = 0.085  # between two updates: 12 a second read as flowing text
LOOK_S = 0.4  # how long a silent model keeps us from looking whether to go on
GRACE_S = 0.5  # a closed tab ends its answer within a second; what came is kept and can be asked again


async def batches(events: AsyncGenerator[AnswerEvent]) -> AsyncGenerator[list[AnswerEvent]]:
    """Yield what has come since the last time, an empty list when nothing came for a while.

    Closing this closes `events` and waits for it, however long its next event would take.
    """
    arrived: list[AnswerEvent] = []
    news = asyncio.Event()

    async def read() -> None:
        async with aclosing(events):
            async for event in events:
                arrived.append(event)
                news.set()

    reading = asyncio.create_task(read())
    reading.add_done_callback(lambda _: news.set())
    try:
        while not reading.done() or arrived:
            await _wait(news)
            news.clear()
            batch = arrived.copy()
            arrived.clear()
            yield batch
            if batch and not reading.done():
                await asyncio.sleep(PAUSE_S)
        reading.result()  # raises what went wrong
    finally:
        reading.cancel()
        await asyncio.wait({reading})
        if not reading.cancelled():
            reading.exception()  # seen: it was raised above, or nobody wants to know any more


async def _wait(news: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOK_S):
            await news.wait()
    except TimeoutError:
        pass


class Audience:
    """Whether the tab an answer is for is still open."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.last_seen = time.monotonic()

    def has_left(self) -> bool:
        """Whether the tab has been away for longer than a hiccup of its connection."""
        if is_connected(self.token):
            self.last_seen = time.monotonic()
        return time.monotonic() - self.last_seen > GRACE_S


def is_connected(token: str) -> bool:
    """Whether a tab has a connection now; without an app, as in tests, it always has."""
    try:
        namespace = RegistrationContext.get().app.event_namespace
    except (LookupError, ReflexRuntimeError):
        return True
    return namespace is None or token in namespace.token_to_sid
