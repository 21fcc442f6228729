"""A throwaway installation to measure: embedded Postgres, newest schema, services."""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from rag_app import bootstrap, log, processes
from rag_app.bootstrap import Services
from rag_app.db import embedded
from rag_app.services.accounts import Caller
from rag_app.settings import Settings
from rag_app.worker.handlers import register

MODELS = Path(tempfile.gettempdir()) / "simple-rag-benchmark-models"  # converted once


@dataclass(frozen=True)
class Installation:
    """What is measured."""

    services: Services
    server: embedded.EmbeddedServer
    owner_id: int

    def database_cpu_s(self) -> float:
        """Processor time all processes of the database have taken so far, ended ones included."""
        main = psutil.Process(int((self.server.pgdata / "postmaster.pid").read_text().split()[0]))
        times = [process.cpu_times() for process in (main, *main.children())]
        ended = main.cpu_times()
        own = sum(time.user + time.system for time in times)
        return own + ended.children_user + ended.children_system


@contextlib.asynccontextmanager
async def installation(**changes: Any) -> AsyncIterator[Installation]:
    """Start one in a temporary folder, with one account, and remove it afterwards.

    Args:
        changes: settings that differ from a fresh installation's.
    """
    log.configure(json=False, level="WARNING")
    folder = Path(tempfile.mkdtemp(prefix="rag-", dir="/tmp"))
    MODELS.mkdir(exist_ok=True)
    (folder / "models").symlink_to(MODELS)
    try:
        with embedded.start(folder) as server:
            known: dict[str, Any] = {"database_url": server.dsn(), "rag_data_dir": folder, **changes}
            config = Settings(**known, _env_file=None)
            processes.migrate(config)
            services = bootstrap.build(config)
            register(services.jobs_queue, services)
            bootstrap.use(services)
            account = {"email": "benchmark@example.com", "password": "a long enough secret", "name": "B"}
            user = await services.accounts.register(**account, caller=Caller())
            yield Installation(services, server, user.id)
            bootstrap.use(None)
            await services.close()
    finally:
        shutil.rmtree(folder)
