"""Clean-up that nobody asks for but everybody expects."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import system
from rag_app.storage import Storage

log = structlog.get_logger()


@dataclass(frozen=True)
class MaintenanceService:
    """Removes what nobody needs any more."""

    sessions: Sessions
    storage: Storage
    remove_parser_leftovers: Callable[[], int]

    def remove_leftovers(self) -> None:
        """Delete what killed processes left half-way on disk; never what living ones use."""
        n_uploads, n_folders = self.storage.remove_unfinished(), self.remove_parser_leftovers()
        if n_uploads or n_folders:
            log.info("leftovers_removed", n_uploads=n_uploads, n_folders=n_folders)

    async def clean_up(self) -> int:
        """Forget old rows and delete files no document has; returns how many files went."""
        await asyncio.to_thread(self.remove_leftovers)
        async with self.sessions.begin() as session:
            await system.forget_old(session)
        n_removed = 0
        for sha256 in self.storage.hashes():
            async with self.sessions() as session:
                needed = await system.is_file_needed(session, sha256=sha256)
            if not needed and self.storage.remove_if_old(sha256, min_age_s=3600):
                n_removed += 1
        log.info("cleaned_up", n_files=n_removed)
        return n_removed
