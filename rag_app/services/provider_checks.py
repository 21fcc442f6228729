"""Try an owner's key with the smallest real call, and keep in words what came of it."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass

from rag_app.db.engine import Sessions
from rag_app.db.queries import provider_keys
from rag_app.domain.answers import Completed, Interrupted, Prompt, TextDelta, Usage
from rag_app.domain.provider_keys import ProviderStatus, StoredKey
from rag_app.domain.usage import CallContext, ProviderCall
from rag_app.errors import InvalidInput, NotFound, RagAppError
from rag_app.services.llms import LLMs
from rag_app.services.models import ModelCatalogue
from rag_app.services.provider_keys import ProviderAccess, ProviderKeyService
from rag_app.services.rate_limits import RateLimits
from rag_app.services.text import clean_line
from rag_app.services.usage import UsageService

TESTS_PER_MINUTE = 10  # of one owner, so that nobody counts the servers of a network with them
MAX_MODEL = 100
PROMPT = Prompt("Answer with one word.", "Say yes.", (), "Say yes.", (), max_tokens=16)


@dataclass(frozen=True)
class ProviderCheckService:
    """Makes test calls; each is counted like any other, as `test`."""

    sessions: Sessions
    keys: ProviderKeyService
    llms: LLMs
    catalogue: ModelCatalogue
    usage: UsageService
    limits: RateLimits

    async def check(self, provider: str, *, owner_id: int, model: str | None = None) -> ProviderStatus:
        """Try the owner's key and return what is known of it then; `problem` says what went wrong.

        Args:
            model: which one to ask; else the one a knowledge base of the owner uses on an own server, and
                the provider's first one elsewhere.

        Raises:
            NotFound: the owner has no key for it.
            InvalidInput: the model's name cannot be one.
            LimitReached: too many tests within a minute.
        """
        stored = await self.keys.stored(provider, owner_id=owner_id)
        if stored is None:
            raise NotFound("key")
        self.limits.hit("provider-test", str(owner_id), per_minute=TESTS_PER_MINUTE)
        asked = await self._model(stored, model, owner_id)
        problem = await self._problem(stored, asked, owner_id)
        async with self.sessions.begin() as session:
            await provider_keys.note_check(session, stored, problem, owner_id=owner_id)
        return await self.keys.status(provider, owner_id=owner_id)

    async def _model(self, stored: StoredKey, wished: str | None, owner_id: int) -> str:
        if wished is not None and wished.strip():
            model = clean_line(wished, max_characters=MAX_MODEL + 1)
            if not model or len(model) > MAX_MODEL:
                raise InvalidInput(f"Please use at most {MAX_MODEL} characters.", field="model")
            return model
        if stored.base_url is not None:
            async with self.sessions() as session:
                used = await provider_keys.model_in_use(session, owner_id=owner_id, provider=stored.provider)
            if used:
                return used
        return self.llms.models(stored.provider)[0].id

    async def _problem(self, stored: StoredKey, model: str, owner_id: int) -> str:
        label = self.llms.label(stored.provider)
        await self.catalogue.refresh()
        try:
            access = await self.keys.access(stored.provider, label, owner_id=owner_id)
            await self._call(access, model, owner_id)
        except RagAppError as error:
            if stored.base_url is not None and error.kind == "unknown_model":
                return (
                    f"The server says “not found”. Either it has no model called “{model}”, or its address "
                    "lacks the last part, which often is /v1."
                )
            return str(error)
        return ""

    async def _call(self, access: ProviderAccess, model: str, owner_id: int) -> None:
        started, usage, outcome = time.perf_counter(), Usage(), "cancelled"
        first_token_ms: float | None = None
        try:
            async with aclosing(self.llms.get(access).stream(PROMPT, model=model)) as events:
                async for event in events:
                    if isinstance(event, TextDelta) and first_token_ms is None:
                        first_token_ms = _ms_since(started)
                    if isinstance(event, Completed):
                        usage, outcome = event.usage, "complete"
        except Interrupted:
            outcome = "interrupted"
            raise
        except RagAppError as error:
            outcome = error.kind or "failed"
            raise
        finally:
            known = self.catalogue.find(access.provider, model)
            call = ProviderCall(
                CallContext(owner_id, "test"),
                access.provider,
                model,
                usage,
                outcome,
                key_source=access.source,
                cost=known.cost(usage),
                price_version=known.price_version,
                first_token_ms=first_token_ms,
                total_ms=_ms_since(started),
            )
            await asyncio.shield(self.usage.record(call))


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
