"""Clean-up that nobody asks for but everybody expects."""

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

    async def clean_up(self) -> int:
        """Forget old rows and delete files no document has; returns how many files went."""
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
