"""Let what waits for others end in time when this process is told to stop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rag_app.domain.answers import Interrupted

RESTARTING = "The server is restarting. Please try again in a moment."


@dataclass
class Stopping:
    """Whether this process has been told to stop, and who has to know at once."""

    told: bool = False
    _waiting: set[asyncio.Timeout] = field(default_factory=set)

    def stop(self) -> None:
        """Interrupt all that wait, and whoever is about to."""
        self.told = True
        now = asyncio.get_running_loop().time()
        for limit in self._waiting:
            limit.reschedule(now)

    @asynccontextmanager
    async def interruptible(self) -> AsyncGenerator[None]:
        """Wait for something inside. Raises Interrupted when the process is told to stop meanwhile."""
        if self.told:
            raise Interrupted(RESTARTING)
        try:
            async with asyncio.timeout(None) as limit:
                self._waiting.add(limit)
                try:
                    yield
                finally:
                    self._waiting.discard(limit)
        except TimeoutError:
            if not limit.expired():
                raise
            raise Interrupted(RESTARTING) from None
