"""Count every call to a provider."""

import asyncio
from dataclasses import dataclass

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import usage
from rag_app.domain.usage import ProviderCall
from rag_app.services.limits import LimitService
from rag_app.services.outages import as_outage

log = structlog.get_logger()

PAUSES_S = (0.5, 1, 2, 4, 8)  # a restart of the database is sat out


@dataclass(frozen=True)
class UsageService:
    """Keeps what was used."""

    sessions: Sessions
    quotas: LimitService

    async def record(self, call: ProviderCall) -> None:
        """Keep one call; a database that stays away loses it, which the log says."""
        for pause_s in (*PAUSES_S, None):
            try:
                async with self.sessions.begin() as session:
                    await usage.insert(session, call)
                    await self.quotas.count_call(session, call)
                return
            except Exception as error:
                if as_outage(error) is None:
                    raise
                if pause_s is None:
                    log.warning(
                        "usage_lost", provider=call.provider, model=call.model, kb_id=call.context.kb_id
                    )
                    return
            await asyncio.sleep(pause_s)
