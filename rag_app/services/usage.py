"""Count every call to a provider."""

import asyncio
from dataclasses import dataclass, field

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import usage
from rag_app.domain.usage import ProviderCall
from rag_app.services.limits import LimitService
from rag_app.services.outages import as_outage

log = structlog.get_logger()

PAUSES_S = (0.5, 1, 2, 4, 8)  # a restart of the database is sat out
LAST_MOMENT_S = 2.0


@dataclass(frozen=True)
class UsageService:
    """Keeps what was used."""

    sessions: Sessions
    quotas: LimitService
    _waiting: set[asyncio.Task[None]] = field(default_factory=set)

    async def record(self, call: ProviderCall) -> None:
        """Keep one call; while the database is away that is tried beside the answer, which need not wait."""
        if not await self._is_kept(call):
            trying = asyncio.create_task(self._keep_later(call))
            self._waiting.add(trying)
            trying.add_done_callback(self._waiting.discard)

    async def close(self) -> None:
        """Give what waits for the database a last moment."""
        if self._waiting:
            _, late = await asyncio.wait(self._waiting, timeout=LAST_MOMENT_S)
            for trying in late:
                trying.cancel()

    async def _keep_later(self, call: ProviderCall) -> None:
        for pause_s in PAUSES_S:
            await asyncio.sleep(pause_s)
            if await self._is_kept(call):
                return
        log.warning("usage_lost", provider=call.provider, model=call.model, kb_id=call.context.kb_id)

    async def _is_kept(self, call: ProviderCall) -> bool:
        try:
            async with self.sessions.begin() as session:
                await usage.insert(session, call)
                await self.quotas.count_call(session, call)
        except Exception as error:
            if as_outage(error) is None:
                raise
            return False
        return True
