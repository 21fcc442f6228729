"""Read a source: keep each of its events, one transaction each, while the turn is ours.

claim ── reader.read() ── Found ─── bytes to disk ── item, document and its job, line of history
  │                    ├─ Same, Left, Gone, SawEverything, Checkpoint, Progress, Note
  │                    └─ once a second: how far, and whether it was stopped or given to another worker
  ├ transient error: tried again, goes on from the last checkpoint
  └ permanent error: the source waits for its owner
"""

import asyncio
import contextlib
import difflib
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import procrastinate
import structlog

from rag_app.db import queue
from rag_app.db.engine import Sessions, outage
from rag_app.db.queries import access, documents, jobs, source_runs, sources
from rag_app.db.queries.source_runs import KeptItem
from rag_app.domain.documents import MARKDOWN
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.limits import STORAGE
from rag_app.domain.sources import MAX_KEY, Counts, KnownItem, Run, Source
from rag_app.errors import LimitReached, PermanentError, PlanFull, RagAppError, StorageFull, TransientError
from rag_app.rag.sources.contract import (
    Checkpoint,
    Event,
    Found,
    Gone,
    Left,
    Note,
    Progress,
    RunContext,
    Same,
    SawEverything,
)
from rag_app.services.limits import LimitService
from rag_app.services.source_readers import SourceReaders
from rag_app.services.text import clean_file_name, clean_line
from rag_app.storage import Storage, StoredFile

log = structlog.get_logger()

MAX_ATTEMPTS = 12  # of one run, with workers that died in the middle
MAX_AGAIN = 2_000
MAX_DIFF = 20_000  # characters
MAX_TEXT_TO_COMPARE = 400_000
MAX_LINES_TO_COMPARE = 2_000
DUE_AT_ONCE = 200
REMOVED_AT_ONCE = 100
KNOWN_AT_ONCE = 1_000
OUR_FAULT = (
    "Something went wrong on our side while reading this. It is tried again; the details are in the log."
)
GAVE_UP = "Reading this stopped the worker several times, so it was given up."


class LostTurn(Exception):
    """The run was stopped or given to another worker: end without a trace."""


@dataclass
class _Progress:
    """How far a run is, shared by what reads and what reports."""

    counts: Counts
    stage: str = ""
    n_expected: int | None = None

    def count(self, **more: int) -> None:
        """Add to the counts."""
        self.counts = replace(
            self.counts, **{name: getattr(self.counts, name) + n for name, n in more.items()}
        )


@dataclass
class _Turn:
    """One attempt at a run."""

    run: Run
    scope: KbScope
    source: Source
    progress: _Progress


@dataclass(frozen=True)
class SourceRunService:
    """The worker's side of sources."""

    sessions: Sessions
    readers: SourceReaders
    jobs_queue: procrastinate.App
    storage: Storage
    quotas: LimitService
    max_bytes: int

    # Schedules

    async def tend(self) -> None:
        """Open the runs that are due, queue those the queue forgot, and remove what is overdue."""
        async with self.sessions.begin() as session:
            due = await source_runs.open_due(session, limit=DUE_AT_ONCE)
            forgotten = await source_runs.open_without_worker(session)
            for each in [*due, *forgotten]:
                await queue.add_source_run(
                    self.jobs_queue, session, run_id=each.run_id, source_id=each.source_id
                )
            overdue = await source_runs.with_overdue_items(session, limit=DUE_AT_ONCE)
        if forgotten:
            log.warning("source_runs_recovered", n=len(forgotten))
        for source_id, kb_id in overdue:
            await self._remove_overdue(kb_id, source_id, run=None)

    # One run

    async def work(self, run_id: int, *, is_last_try: bool) -> None:
        """Do one attempt at a run; one that has ended or was stopped is no work.

        Raises:
            TransientError: trying again may help; the run waits for that.
        """
        turn = await self._claim(run_id)
        if turn is None:
            return
        logger = log.bind(run_id=run_id, source_id=turn.source.id, attempt=turn.run.attempt)
        if turn.run.attempt > MAX_ATTEMPTS:
            await self._fail(turn, GAVE_UP, is_final=True)
            logger.warning("source_run_given_up")
            return
        try:
            await self._while_ours(turn)
            await self._finish(turn)
            logger.info("source_run_completed", **vars(turn.progress.counts))
        except LostTurn:
            logger.info("source_run_lost_its_turn")
        except (PermanentError, PlanFull, LimitReached, StorageFull) as error:
            await self._fail(turn, str(error), is_final=isinstance(error, PermanentError))
            logger.info("source_run_failed", reason=str(error))
        except asyncio.CancelledError:
            await asyncio.shield(self._hand_back(turn))
            raise
        except Exception as error:
            transient = _as_transient(error)
            if not isinstance(error, RagAppError):
                logger.exception("source_run_error")
            if is_last_try:
                await self._fail(turn, str(transient), is_final=False)
                return
            await self._hand_back(turn)
            raise transient from error

    async def _claim(self, run_id: int) -> _Turn | None:
        async with self.sessions.begin() as session:
            about = await source_runs.about(session, run_id=run_id)
            scope = await access.for_job(session, kb_id=about.kb_id) if about else None
            if about is None or scope is None:
                return None
            run = await source_runs.claim(session, scope, run_id=run_id)
            if run is None:
                return None
            source = await sources.get(session, scope, source_id=about.source_id)
            return _Turn(run, scope, source, _Progress(run.counts, run.stage, run.n_expected))

    async def _while_ours(self, turn: _Turn) -> None:
        """Read, and stop within a second when the run is not ours any more."""
        reading = asyncio.create_task(self._read(turn))
        try:
            while not (await asyncio.wait({reading}, timeout=1.0))[0]:
                async with self._fenced(turn):
                    pass
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, turn: _Turn) -> None:
        scope, source = turn.scope, turn.source
        module = self.readers.kind(source.kind)
        async with self.sessions() as session:
            await access.enter(session, scope)
            stored = await sources.secret(session, scope, source_id=source.id)
            cursor = await source_runs.cursor(session, scope, source_id=source.id)
            again: Sequence[KnownItem] = ()
            if turn.run.reason == "retry":
                again = await source_runs.failed(session, scope, source_id=source.id, limit=MAX_AGAIN)

        async def save_secret(secret: str) -> None:
            async with self._fenced(turn) as session:
                new = self.readers.seal(secret, owner_id=scope.owner_id, like=stored)
                await sources.save_secret(session, scope, source_id=source.id, new=new)

        async def known(keys: Sequence[str]) -> Mapping[str, KnownItem]:
            async with self.sessions() as session:
                await access.enter(session, scope)
                return await source_runs.known(session, scope, source_id=source.id, keys=keys)

        async def every() -> AsyncIterator[KnownItem]:
            after = 0
            while True:
                async with self.sessions() as session:
                    await access.enter(session, scope)
                    some = await source_runs.known_after(
                        session, scope, source_id=source.id, after=after, limit=KNOWN_AT_ONCE
                    )
                for item_id, item in some:
                    after = item_id
                    yield item
                if len(some) < KNOWN_AT_ONCE:
                    return

        most = None
        if getattr(module, "ITEMS_LIMIT", None) == "pages_per_crawl":
            most = await self.quotas.pages_per_crawl(owner_id=scope.owner_id)
        secret = self.readers.open(stored, owner_id=scope.owner_id)
        reader = self.readers.build(source.kind, source.config, secret=secret, save_secret=save_secret)
        if cursor.get("run") != turn.run.id:  # else it goes on where the last attempt was
            turn.progress.counts = Counts()
        events = reader.read(RunContext(cursor, known, most, tuple(again), every, turn.run.id))
        async with contextlib.aclosing(events):
            async for event in events:
                await self._keep(turn, event)

    # Events

    async def _keep(self, turn: _Turn, event: Event) -> None:
        match event:
            case Progress():
                turn.progress.stage, turn.progress.n_expected = event.stage, event.n_expected
            case Found():
                await self._keep_found(turn, event)
            case Same():
                await self._keep_same(turn, event)
            case Left():
                await self._keep_left(turn, event)
            case Gone():
                await self._keep_gone(turn, key=event.key, reason=event.reason)
            case SawEverything():
                await self._keep_gone(turn, prefix=event.prefix)
            case Checkpoint():
                async with self._fenced(turn) as session:
                    await source_runs.set_cursor(
                        session, turn.scope, source_id=turn.source.id, to=event.cursor
                    )
            case Note():
                async with self._fenced(turn) as session:
                    await source_runs.add_event(session, of=turn.run, kind="note", detail=event.text)

    async def _keep_found(self, turn: _Turn, found: Found) -> None:
        check_key(found.key)
        if len(found.content) > self.max_bytes:
            reason = f"It is larger than {self.max_bytes // 2**20:,} MB."
            await self._keep_left(
                turn,
                Left(found.key, found.name, reason, url=found.url, parent=found.parent, state=found.state),
            )
            return
        stored = await self.storage.receive(_once(found.content), name=found.name, max_bytes=self.max_bytes)
        diff = await self._diff(turn, found, stored)  # before anything is held: it can take its time
        async with self._fenced(turn) as session:
            there = await source_runs.item(session, turn.scope, source_id=turn.source.id, key=found.key)
            if there is not None and there.sha256 == stored.sha256 and there.document_id is not None:
                await self._see_again(session, turn, Same(found.key, found.state), there)
                return
            if there is not None and there.document_id is not None:  # before its item, as who deletes it does
                await documents.lock(session, turn.scope, document_id=there.document_id)
            document_id = await self._document(session, turn, found, stored, there)
            kind = "added" if there is None or there.document_id is None else "changed"
            await source_runs.keep_item(
                session,
                turn.scope,
                of=turn.run,
                key=found.key,
                name=_line(found.name),
                status="kept",
                parent=found.parent,
                url=found.url,
                state=found.state,
                document_id=document_id,
                sha256=stored.sha256,
                is_changed=True,
            )
            if there is not None and there.document_id not in {None, document_id}:
                await self._release(session, turn, there.document_id)
            await source_runs.add_event(
                session, of=turn.run, kind=kind, key=found.key, name=_line(found.name), diff=diff
            )
            await self.quotas.keep_within(session, STORAGE, owner_id=turn.scope.owner_id)
        turn.progress.count(n_seen=1, **{f"n_{kind}": 1})

    async def _document(
        self, session: Any, turn: _Turn, found: Found, stored: StoredFile, there: KeptItem | None
    ) -> int:
        """The document that holds an item's bytes from now on, with a job where they must be read."""
        scope = turn.scope
        name = _line(found.name) or clean_file_name(found.file_name)
        same = await documents.with_hash(session, scope, sha256=stored.sha256)
        if same is not None:
            return same  # the same text is in this knowledge base already: once is enough
        if there is not None and there.document_id is not None:
            own = await documents.lock(session, scope, document_id=there.document_id)
            n_items = await source_runs.n_items_of(session, scope, document_id=there.document_id)
            document = await documents.get(session, scope, document_id=there.document_id) if own else None
            if document is not None and n_items == 1 and document.source_id == turn.source.id:
                if document.job is not None:
                    await jobs.cancel(session, scope, job_id=document.job.id)  # it reads the old text
                await documents.replace_file(
                    session,
                    scope,
                    document_id=document.id,
                    name=name,
                    size_bytes=stored.size_bytes,
                    sha256=stored.sha256,
                )
                await self._read_document(session, turn, found, document.id, name, stored)
                return document.id
        document_id, is_new = await documents.insert(
            session,
            scope,
            name=name,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            media_type=MARKDOWN if found.file_name.endswith(".md") else "",
            source=turn.source.kind,
        )
        if is_new:
            await self._read_document(session, turn, found, document_id, name, stored)
            if found.tags:
                await documents.set_tags(session, scope, document_id=document_id, tags=found.tags)
        return document_id

    async def _read_document(
        self, session: Any, turn: _Turn, found: Found, document_id: int, name: str, stored: StoredFile
    ) -> None:
        await documents.set_origin(
            session,
            turn.scope,
            document_id=document_id,
            source_id=turn.source.id,
            url=found.url,
            modified_at=found.modified_at,
        )
        await documents.set_status(session, turn.scope, document_id=document_id, status="received")
        job_id = await jobs.insert(
            session,
            turn.scope,
            document_id=document_id,
            file_name=name,
            size_bytes=stored.size_bytes,
            file_type=turn.source.kind,
        )
        await queue.add_ingestion(
            self.jobs_queue, session, turn.scope, job_id=job_id, document_id=document_id
        )

    async def _release(self, session: Any, turn: _Turn, document_id: int | None) -> None:
        """Delete a document of a source that no item refers to any more."""
        if document_id is None:
            return
        await documents.lock(session, turn.scope, document_id=document_id)
        if await source_runs.is_document_free(session, turn.scope, document_id=document_id):
            await documents.delete(session, turn.scope, document_id=document_id)  # its file: the clean-up

    async def _diff(self, turn: _Turn, found: Found, stored: StoredFile) -> str:
        """What changed in a text, as unified diff; empty where there is nothing to compare."""
        if not found.file_name.endswith((".md", ".txt")):
            return ""
        async with self.sessions() as session:
            await access.enter(session, turn.scope)
            there = await source_runs.item(session, turn.scope, source_id=turn.source.id, key=found.key)
        if there is None or there.sha256 in {None, stored.sha256}:
            return ""
        return await asyncio.to_thread(compared, self.storage.path(there.sha256 or ""), found.content)

    async def _keep_same(self, turn: _Turn, same: Same) -> None:
        async with self._fenced(turn) as session:
            there = await source_runs.item(session, turn.scope, source_id=turn.source.id, key=same.key)
            await self._see_again(session, turn, same, there)

    async def _see_again(self, session: Any, turn: _Turn, same: Same, there: KeptItem | None) -> None:
        back = await source_runs.see_again(session, turn.scope, of=turn.run, key=same.key, state=same.state)
        for name in back:
            await source_runs.add_event(session, of=turn.run, kind="back", key=same.key, name=name)
        turn.progress.count(n_seen=1, n_unchanged=1)

    async def _keep_left(self, turn: _Turn, left: Left) -> None:
        check_key(left.key)
        async with self._fenced(turn) as session:
            await source_runs.keep_item(
                session,
                turn.scope,
                of=turn.run,
                key=left.key,
                name=_line(left.name),
                status=left.kind,
                reason=left.reason,
                parent=left.parent,
                url=left.url,
                state=left.state,
            )
            await source_runs.add_event(
                session,
                of=turn.run,
                kind=left.kind,
                key=left.key,
                name=_line(left.name),
                detail=left.reason,
            )
        turn.progress.count(n_seen=1, **{f"n_{left.kind}": 1})

    async def _keep_gone(
        self, turn: _Turn, *, key: str | None = None, prefix: str = "", reason: str = ""
    ) -> None:
        async with self._fenced(turn) as session:
            n = await source_runs.mark_missing(
                session,
                turn.scope,
                of=turn.run,
                key=key,
                prefix=prefix,
                reason=reason or "It was not there any more.",
            )
        turn.progress.count(n_removed=n)

    # Ends

    async def _finish(self, turn: _Turn) -> None:
        await self._remove_overdue(turn.scope.kb_id, turn.source.id, run=turn.run)
        async with self._fenced(turn) as session:
            await source_runs.end(session, turn.scope, of=turn.run, status="completed")
            await source_runs.note_success(session, turn.scope, source_id=turn.source.id)

    async def _fail(self, turn: _Turn, reason: str, *, is_final: bool) -> None:
        async with self.sessions.begin() as session:
            if await access.for_job(session, kb_id=turn.scope.kb_id) is None:
                return
            ended = await source_runs.end(
                session, turn.scope, of=turn.run, status="failed", error_message=reason
            )
            if ended:
                await source_runs.note_failure(
                    session, turn.scope, source_id=turn.source.id, problem=reason, is_final=is_final
                )

    async def _hand_back(self, turn: _Turn) -> None:
        async with self.sessions.begin() as session:
            await source_runs.end(session, turn.scope, of=turn.run, status="waiting")

    async def _remove_overdue(self, kb_id: int, source_id: int, *, run: Run | None) -> None:
        """Delete what has been missing for longer than the grace period, a few at a time."""
        while True:
            free: list[str] = []
            async with self.sessions.begin() as session:
                scope = await access.for_job(session, kb_id=kb_id)
                if scope is None:
                    return
                overdue = await source_runs.overdue(
                    session, scope, source_id=source_id, limit=REMOVED_AT_ONCE
                )
                for item_id, key, name, document_id in overdue:
                    if document_id is not None:
                        await documents.lock(session, scope, document_id=document_id)
                    if not await source_runs.forget_item(session, scope, item_id=item_id):
                        continue  # it came back just now
                    if document_id is not None and await source_runs.is_document_free(
                        session, scope, document_id=document_id
                    ):
                        sha256 = await documents.delete(session, scope, document_id=document_id)
                        free += [sha256] if sha256 is not None else []
                    if run is not None:
                        await source_runs.add_event(session, of=run, kind="removed", key=key, name=name)
            for sha256 in free:
                self.storage.remove_if_old(sha256)
            if len(overdue) < REMOVED_AT_ONCE:
                return

    @asynccontextmanager
    async def _fenced(self, turn: _Turn) -> AsyncGenerator[Any]:
        """A transaction that says how far an attempt is, and happens only while the turn is ours."""
        async with self.sessions.begin() as session:
            if await access.for_job(session, kb_id=turn.scope.kb_id) is None:
                raise LostTurn
            still_ours = await source_runs.report(
                session,
                turn.scope,
                of=turn.run,
                counts=turn.progress.counts,
                stage=turn.progress.stage,
                n_expected=turn.progress.n_expected,
            )
            if not still_ours:
                raise LostTurn
            yield session


def check_key(key: str) -> None:
    """Refuse a key that cannot be kept: a fault of a kind of source, not of its owner."""
    if not 0 < len(key) <= MAX_KEY:
        raise ValueError(f"an item's key has 1 to {MAX_KEY:,} characters")


def compared(before: Path, after: bytes) -> str:
    """What changed between two texts, as unified diff; empty where they are too long to be compared."""
    if not before.exists() or max(before.stat().st_size, len(after)) > MAX_TEXT_TO_COMPARE:
        return ""
    old = before.read_text("utf-8", "replace").splitlines()
    new = after.decode("utf-8", "replace").splitlines()
    if max(len(old), len(new)) > MAX_LINES_TO_COMPARE:  # the time it takes grows with their square
        return ""
    lines = itertools.islice(difflib.unified_diff(old, new, lineterm="", n=2), 2, 1_000)
    return "\n".join(lines)[:MAX_DIFF]


def _line(text: str) -> str:
    return clean_line(text, max_characters=255)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _as_transient(error: Exception) -> TransientError:
    if isinstance(error, TransientError):
        return error
    known = outage(error)
    return TransientError(str(known) if known else OUR_FAULT)
