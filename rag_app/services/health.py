"""Is the installation well? Liveness of the process, readiness with each thing it depends on."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag_app.db.engine import Sessions
from rag_app.db.queries import system

CHECK_TIMEOUT_S = 3.0
MIN_FREE_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True)
class HealthService:
    """Asks each dependency how it is; never raises."""

    sessions: Sessions
    data_dir: Path
    llm_keys: Mapping[str, bool]

    async def check(self) -> tuple[bool, dict[str, Any]]:
        """Whether requests can be served, and what each dependency said."""
        names = ("database", "worker", "disk")
        answers = await asyncio.gather(*map(_guarded, (self._database, self._worker, self._disk)))
        checks: dict[str, dict[str, Any]] = dict(zip(names, answers, strict=True))
        for provider, has_key in sorted(self.llm_keys.items()):
            # Asking a provider costs money or quota; the key's presence is what we can know for free.
            checks[provider] = {"status": "ok" if has_key else "not_configured"}
        is_ready = all(checks[name]["status"] == "ok" for name in ("database", "disk"))
        return is_ready, {
            "status": "healthy" if is_ready else "unhealthy",
            "timestamp": datetime.now(UTC).isoformat(),
            "checks": checks,
        }

    async def _database(self) -> dict[str, Any]:
        async with self.sessions() as session:
            return {"status": "ok", "version": await system.version(session)}

    async def _worker(self) -> dict[str, Any]:
        async with self.sessions() as session:
            n_workers = await system.live_workers(session)
        return {"status": "ok" if n_workers else "missing", "workers": n_workers}

    async def _disk(self) -> dict[str, Any]:
        free = (await asyncio.to_thread(shutil.disk_usage, self.data_dir)).free
        return {"status": "ok" if free > MIN_FREE_BYTES else "full", "free_bytes": free}


async def _guarded(check: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except Exception as error:  # whatever it is, the answer is "not well"
        return {"status": "error", "reason": type(error).__name__}
