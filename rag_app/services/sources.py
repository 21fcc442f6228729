"""Sources: what an owner does with websites, mailboxes and what else fills a knowledge base by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import procrastinate
import structlog

from rag_app.db import queue
from rag_app.db.engine import Sessions
from rag_app.db.queries import access, accounts, documents, jobs, source_runs, sources
from rag_app.db.queries.sources import StoredSecret
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.limits import CHUNKS, LIMITS, STORAGE
from rag_app.domain.sources import MAX_NAME, Check, Item, Run, RunEvent, RunReason, Schedule, Source
from rag_app.errors import Conflict, InvalidInput, PermanentError, RagAppError
from rag_app.services.limits import LimitService
from rag_app.services.source_readers import SourceReaders
from rag_app.services.text import clean_line
from rag_app.storage import Storage

log = structlog.get_logger()

MAX_HOURS = 8_760  # a year
MAX_GRACE_HOURS = 87_600
DELETED_AT_ONCE = 50
REOPENED_AT_ONCE = 200


@dataclass(frozen=True)
class SourceService:
    """The owner's side of sources; reading them is `SourceRunService`'s."""

    sessions: Sessions
    readers: SourceReaders
    jobs_queue: procrastinate.App
    storage: Storage
    quotas: LimitService

    # Set up

    async def check(
        self,
        kb_id: int,
        *,
        owner_id: int,
        kind: str,
        raw: Mapping[str, Any],
        secret: str | None = None,
        source_id: int | None = None,
    ) -> Check:
        """Try a connection without keeping anything; a source that is there lends its secret.

        Raises:
            NotFound: the knowledge base or the source is not this owner's.
            InvalidInput: the settings are not fit to be tried.
        """
        module = self.readers.kind(kind)
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            if source_id is not None:
                there = await sources.get(session, scope, source_id=source_id, kind=kind)
                config = module.check_config(dict(there.config) | dict(raw))
                if secret is None and module.identity(config) == module.identity(there.config):
                    stored = await sources.secret(session, scope, source_id=source_id)
                    secret = self.readers.open(stored, owner_id=owner_id)
            else:
                config = module.check_config(raw)
        try:
            return await self.readers.build(kind, config, secret=secret).check()
        except RagAppError as error:
            return Check(False, str(error))

    async def create(
        self,
        kb_id: int,
        *,
        owner_id: int,
        kind: str,
        raw: Mapping[str, Any],
        name: str = "",
        schedule: Schedule | None = None,
        secret: str | None = None,
    ) -> Source:
        """Add a source and begin to read it.

        Raises:
            NotFound: the knowledge base is not this owner's.
            InvalidInput: a setting is wrong; `problems` says which and why.
            Conflict: the knowledge base has this source already.
            PlanFull: the owner's plan allows no more of them.
        """
        module = self.readers.kind(kind)
        config = module.check_config(raw)
        self._check_addresses(kind, config)
        schedule = check_schedule(schedule or Schedule())
        await self.quotas.check_room(STORAGE, CHUNKS, owner_id=owner_id)
        kept = StoredSecret(uuid4(), None, None)
        if secret is not None:
            kept = self.readers.seal(secret, owner_id=owner_id, like=kept)
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            source_id = await sources.insert(
                session,
                scope,
                kind=kind,
                name=clean_line(name, max_characters=MAX_NAME) or module.title(config)[:MAX_NAME],
                identity=module.identity(config),
                config=config,
                schedule=schedule,
                secret=kept,
            )
            if source_id is None:
                raise Conflict(f"This knowledge base has this {module.LABEL} already.")
            await self._begin_run(session, scope, source_id, "created")
            await self._note(session, scope, "source_added", source_id, kind=kind)
            if (limit := getattr(module, "LIMIT", None)) is not None:
                await self.quotas.keep_within(session, LIMITS[limit], owner_id=owner_id)
            source = await sources.get(session, scope, source_id=source_id)
        log.info("source_added", source_id=source_id, kb_id=kb_id, kind=kind)
        return source

    async def change(
        self,
        kb_id: int,
        source_id: int,
        *,
        owner_id: int,
        kind: str,
        raw: Mapping[str, Any] | None = None,
        name: str | None = None,
        schedule: Schedule | None = None,
        secret: str | None = None,
    ) -> Source:
        """Change some of a source's settings; what is not given stays.

        Other settings of what is read make the next run look at everything again.

        Raises:
            NotFound: it is not this owner's.
            InvalidInput: a setting is wrong.
            Conflict: another source of the knowledge base is that already.
        """
        module = self.readers.kind(kind)
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            await source_runs.hold_open(session, scope, source_id=source_id)  # first, as whoever reads does
            await sources.lock(session, scope, source_id=source_id)
            there = await sources.get(session, scope, source_id=source_id, kind=kind)
            config = module.check_config(dict(there.config) | dict(raw or {}))
            self._check_addresses(kind, config)
            is_other = config != dict(there.config)
            kept = Schedule(there.frequency_hours, there.is_scheduled, there.grace_hours)
            new_name = there.name if name is None else clean_line(name, max_characters=MAX_NAME)
            if (
                module.identity(config) != module.identity(there.config)
                and secret is None
                and there.has_secret
            ):
                # A stored password must not be sent to whatever server somebody names.
                raise InvalidInput("Please enter the password again for another address.", field="password")
            changed = await sources.change(
                session,
                scope,
                source_id=source_id,
                name=new_name or module.title(config)[:MAX_NAME],
                identity=module.identity(config),
                config=config,
                schedule=check_schedule(schedule or kept),
                starts_over=is_other,
            )
            if not changed:
                raise Conflict(f"Another {module.LABEL} of this knowledge base is the same.")
            if secret is not None:
                stored = await sources.secret(session, scope, source_id=source_id)
                sealed = self.readers.seal(secret, owner_id=owner_id, like=stored)
                await sources.save_secret(session, scope, source_id=source_id, new=sealed)
            if is_other or secret is not None:  # a reading under way would go on with the old ones
                was_open = await source_runs.cancel(session, scope, source_id=source_id)
                if is_other or was_open or there.problem:
                    await self._begin_run(session, scope, source_id, "manual")
            await self._note(session, scope, "source_changed", source_id, kind=kind)
            return await sources.get(session, scope, source_id=source_id)

    def _check_addresses(self, kind: str, config: Mapping[str, Any]) -> None:
        try:
            self.readers.build(kind, config)
        except PermanentError as error:
            raise InvalidInput(str(error), field="url" if "url" in config else "host") from error

    async def delete(
        self, kb_id: int, source_id: int, *, owner_id: int, kind: str, keep_documents: bool = False
    ) -> None:
        """Forget a source; what was read from it goes as well, unless it is to be kept. Raises NotFound."""
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            await source_runs.cancel(session, scope, source_id=source_id)
            await sources.lock(session, scope, source_id=source_id)
            source = await sources.get(session, scope, source_id=source_id, kind=kind)
            stored = await sources.secret(session, scope, source_id=source_id)
            await sources.set_paused(session, scope, source_id=source_id, is_paused=True)
        if not keep_documents:
            await self._delete_documents(scope, source_id)
        async with self.sessions.begin() as session:
            await access.enter(session, scope)
            await sources.delete(session, scope, source_id=source_id)
            await self._note(session, scope, "source_removed", source_id, kind=kind)
        log.info("source_removed", source_id=source_id, kb_id=kb_id, kind=kind)
        await self._disconnect(source, stored, owner_id)

    async def _delete_documents(self, scope: KbScope, source_id: int) -> None:
        async with self.sessions() as session:
            await access.enter(session, scope)
            ids = await sources.document_ids(session, scope, source_id=source_id)
        for start in range(0, len(ids), DELETED_AT_ONCE):
            free: list[str] = []
            async with self.sessions.begin() as session:
                await access.enter(session, scope)
                for document_id in ids[start : start + DELETED_AT_ONCE]:
                    if not await documents.lock(session, scope, document_id=document_id):
                        continue
                    sha256 = await documents.delete(session, scope, document_id=document_id)
                    free += [sha256] if sha256 is not None else []
            for sha256 in free:
                self.storage.remove_if_old(sha256)

    async def _disconnect(self, source: Source, stored: StoredSecret, owner_id: int) -> None:
        try:
            secret = self.readers.open(stored, owner_id=owner_id)
            await self.readers.build(source.kind, source.config, secret=secret).disconnect()
        except Exception as error:  # it is removed here, whatever the other side says
            log.warning("source_not_disconnected", source_id=source.id, error=type(error).__name__)

    # Look

    async def list_of(self, kb_id: int, *, owner_id: int, kind: str | None = None) -> list[Source]:
        """The sources of a knowledge base, oldest first. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await sources.list_of(session, scope, kind=kind)

    async def get(self, kb_id: int, source_id: int, *, owner_id: int, kind: str) -> Source:
        """One source. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await sources.get(session, scope, source_id=source_id, kind=kind)

    async def runs(
        self,
        kb_id: int,
        source_id: int,
        *,
        owner_id: int,
        kind: str,
        before: int | None = None,
        limit: int = 20,
    ) -> list[Run]:
        """The runs of a source, newest first. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await sources.get(session, scope, source_id=source_id, kind=kind)
            return await sources.runs_of(session, scope, source_id=source_id, before=before, limit=limit)

    async def events(
        self,
        kb_id: int,
        source_id: int,
        run_id: int,
        *,
        owner_id: int,
        kind: str,
        after: int = 0,
        limit: int = 100,
    ) -> list[RunEvent]:
        """What a run did, in order. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await sources.get(session, scope, source_id=source_id, kind=kind)
            return await sources.events_of(
                session, scope, source_id=source_id, run_id=run_id, after=after, limit=limit
            )

    async def items(
        self,
        kb_id: int,
        source_id: int,
        *,
        owner_id: int,
        kind: str,
        before: int | None = None,
        limit: int = 50,
        status: str | None = None,
        text: str | None = None,
    ) -> list[Item]:
        """What a source consists of and what became of it, newest first. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await sources.get(session, scope, source_id=source_id, kind=kind)
            return await sources.items_of(
                session,
                scope,
                source_id=source_id,
                before=before,
                limit=limit,
                status=status,
                text=text or None,
            )

    # Runs

    async def run_now(self, kb_id: int, source_id: int, *, owner_id: int, kind: str) -> Source:
        """Read a source now.

        Raises:
            NotFound: it is not this owner's.
            Conflict: it is being read, or waits for its turn.
        """
        return await self._run(kb_id, source_id, owner_id=owner_id, kind=kind, reason="manual")

    async def retry_failed(self, kb_id: int, source_id: int, *, owner_id: int, kind: str) -> Source:
        """Try again what could not be read. Raises NotFound, Conflict."""
        source = await self._run(kb_id, source_id, owner_id=owner_id, kind=kind, reason="retry")
        after = 0
        while True:
            async with self.sessions.begin() as session:
                scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
                failed = await sources.failed_documents(
                    session, scope, source_id=source_id, after=after, limit=REOPENED_AT_ONCE
                )
                for after in failed:
                    await self._reopen(session, scope, after)
            if len(failed) < REOPENED_AT_ONCE:
                return source

    async def _reopen(self, session: Any, scope: KbScope, document_id: int) -> None:
        if not await documents.lock(session, scope, document_id=document_id):
            return
        job = (await documents.get(session, scope, document_id=document_id)).job
        if job is None or job.status != "failed":
            return
        await jobs.reopen(session, scope, job_id=job.id)
        await documents.set_status(session, scope, document_id=document_id, status="received")
        await queue.add_ingestion(self.jobs_queue, session, scope, job_id=job.id, document_id=document_id)

    async def _run(
        self, kb_id: int, source_id: int, *, owner_id: int, kind: str, reason: RunReason
    ) -> Source:
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            await sources.get(session, scope, source_id=source_id, kind=kind)
            await sources.lock(session, scope, source_id=source_id)
            if not await self._begin_run(session, scope, source_id, reason):
                raise Conflict(f"This {self.readers.kind(kind).LABEL} is being read right now.")
            return await sources.get(session, scope, source_id=source_id)

    async def _begin_run(self, session: Any, scope: KbScope, source_id: int, reason: RunReason) -> bool:
        run_id = await source_runs.open_run(session, scope, source_id=source_id, reason=reason)
        if run_id is None:
            return False
        await queue.add_source_run(self.jobs_queue, session, run_id=run_id, source_id=source_id)
        return True

    async def stop(self, kb_id: int, source_id: int, *, owner_id: int, kind: str) -> Source:
        """Stop the run that waits or is under way; what it has kept stays.

        Raises:
            NotFound: it is not this owner's.
            Conflict: there is none.
        """
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await sources.get(session, scope, source_id=source_id, kind=kind)
            if not await source_runs.cancel(session, scope, source_id=source_id):
                raise Conflict(f"This {self.readers.kind(kind).LABEL} is not being read right now.")
            await sources.postpone(session, scope, source_id=source_id)  # or it would begin anew at once
            return await sources.get(session, scope, source_id=source_id)

    async def set_paused(
        self, kb_id: int, source_id: int, *, owner_id: int, kind: str, is_paused: bool
    ) -> Source:
        """Pause the schedule, stopping what is under way, or let it go on. Raises NotFound."""
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await sources.get(session, scope, source_id=source_id, kind=kind)
            if is_paused:
                await source_runs.cancel(session, scope, source_id=source_id)
            await sources.set_paused(session, scope, source_id=source_id, is_paused=is_paused)
            await self._note(
                session, scope, "source_paused" if is_paused else "source_resumed", source_id, kind=kind
            )
            return await sources.get(session, scope, source_id=source_id)

    async def _note(self, session: Any, scope: KbScope, action: str, source_id: int, *, kind: str) -> None:
        await accounts.write_audit(
            session,
            user_id=scope.owner_id,
            kb_id=scope.kb_id,
            action=action,
            source_id=source_id,
            kind=kind,
        )


def check_schedule(schedule: Schedule) -> Schedule:
    """A schedule that can be kept. Raises InvalidInput."""
    if not 1 <= schedule.frequency_hours <= MAX_HOURS:
        raise InvalidInput(
            "Please choose between every hour and once a year (1 to 8,760 hours).", field="frequency_hours"
        )
    if not 0 <= schedule.grace_hours <= MAX_GRACE_HOURS:
        raise InvalidInput(
            "Please choose at most ten years until what vanished is removed.", field="grace_hours"
        )
    return schedule
