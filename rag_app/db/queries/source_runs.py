"""Runs of sources: who may do one, what it knows, and what it keeps.

Like ingestion jobs, a run is claimed by raising its `attempt`, and everything a worker writes for it happens
under a lock on its row while that attempt counts.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.queries.sources import COUNTS, RUN_COLUMNS, run_of
from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.sources import Counts, EventKind, ItemStatus, KnownItem, Run, RunReason

OPEN = "status IN ('waiting', 'running')"


@dataclass(frozen=True)
class AboutRun:
    """Which source a run reads."""

    run_id: int
    source_id: int
    kb_id: int


@dataclass(frozen=True)
class KeptItem:
    """An item as it is kept, for whoever changes it."""

    id: int
    status: ItemStatus
    document_id: int | None
    sha256: str | None


# Open and close


async def open_run(session: AsyncSession, scope: KbScope, *, source_id: int, reason: RunReason) -> int | None:
    """Add a run that waits; None when the source has an open one already."""
    inserted = await run(
        session,
        sa.text(f"""
            INSERT INTO source_runs (source_id, kb_id, reason) VALUES (:source_id, :kb_id, :reason)
            ON CONFLICT (source_id) WHERE {OPEN} DO NOTHING RETURNING id
        """),
        params={"source_id": source_id, "kb_id": scope.kb_id, "reason": reason},
    )
    return inserted.scalar_one_or_none()


async def cancel(session: AsyncSession, scope: KbScope, *, source_id: int) -> bool:
    """Cancel a source's open run; raising its attempt stops the worker that has it."""
    done = await run(
        session,
        sa.text(f"""
            UPDATE source_runs SET status = 'cancelled', attempt = attempt + 1, stage = '',
              completed_at = now(), updated_at = now()
            WHERE kb_id = :kb_id AND source_id = :source_id AND {OPEN}
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id},
    )
    return done.rowcount > 0


async def hold_open(session: AsyncSession, scope: KbScope, *, source_id: int) -> None:
    """Hold a source's open run, if there is one, until the transaction ends."""
    await run(
        session,
        sa.text(f"""
            SELECT 1 FROM source_runs WHERE kb_id = :kb_id AND source_id = :source_id AND {OPEN} FOR UPDATE
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id},
    )


async def about(session: AsyncSession, *, run_id: int) -> AboutRun | None:
    """Which source a queued run reads; None when it is gone. Asked by workers only."""
    found = await run(
        session,
        sa.text("SELECT id, source_id, kb_id FROM source_runs WHERE id = :run_id"),
        params={"run_id": run_id},
    )
    row = found.first()
    return None if row is None else AboutRun(row.id, row.source_id, row.kb_id)


async def claim(session: AsyncSession, scope: KbScope, *, run_id: int) -> Run | None:
    """Begin an attempt; None when there is nothing to do any more."""
    claimed = await run(
        session,
        sa.text(f"""
            UPDATE source_runs r SET status = 'running', attempt = attempt + 1,
              started_at = coalesce(started_at, now()), updated_at = now()
            WHERE r.kb_id = :kb_id AND r.id = :run_id AND r.{OPEN} RETURNING {RUN_COLUMNS}
        """),
        params={"kb_id": scope.kb_id, "run_id": run_id},
    )
    row = claimed.first()
    return None if row is None else run_of(row)


async def report(
    session: AsyncSession,
    scope: KbScope,
    *,
    of: Run,
    counts: Counts,
    stage: str,
    n_expected: int | None,
) -> bool:
    """Say how far an attempt is, and hold the run until the transaction ends; False when it lost its turn."""
    done = await run(
        session,
        sa.text(f"""
            UPDATE source_runs SET stage = :stage, n_expected = :n_expected, updated_at = now(),
              {", ".join(f"{name} = :{name}" for name in COUNTS)}
            WHERE kb_id = :kb_id AND id = :run_id AND attempt = :attempt AND status = 'running'
        """),
        params={
            "kb_id": scope.kb_id,
            "run_id": of.id,
            "attempt": of.attempt,
            "stage": stage,
            "n_expected": n_expected,
            **{name: getattr(counts, name) for name in COUNTS},
        },
    )
    return done.rowcount == 1


async def end(
    session: AsyncSession,
    scope: KbScope,
    *,
    of: Run,
    status: str,
    error_message: str | None = None,
) -> bool:
    """End an attempt, or hand it back as waiting; False when it lost its turn."""
    done = await run(
        session,
        sa.text("""
            UPDATE source_runs SET status = :status, error_message = :error_message, updated_at = now(),
              stage = CASE WHEN :status = 'waiting' THEN stage ELSE '' END,
              completed_at = CASE WHEN :status <> 'waiting' THEN now() END
            WHERE kb_id = :kb_id AND id = :run_id AND attempt = :attempt AND status = 'running'
        """),
        params={
            "kb_id": scope.kb_id,
            "run_id": of.id,
            "attempt": of.attempt,
            "status": status,
            "error_message": error_message,
        },
    )
    return done.rowcount == 1


async def note_success(session: AsyncSession, scope: KbScope, *, source_id: int) -> None:
    """Say that a source was read, and when it will be next: ± 10 %, so that not all come at once."""
    await run(
        session,
        sa.text("""
            UPDATE sources SET last_run_at = now(), n_failures = 0, problem = '', next_run_at = CASE WHEN is_scheduled
              THEN now() + make_interval(secs => frequency_hours * 3600 * (0.9 + 0.2 * random())) END
            WHERE kb_id = :kb_id AND id = :source_id
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id},
    )


async def note_failure(
    session: AsyncSession, scope: KbScope, *, source_id: int, problem: str, is_final: bool
) -> None:
    """Say why a source could not be read.

    It is tried again after 15 minutes, 30, … up to its own frequency; not at all where it waits for its owner.
    """
    await run(
        session,
        sa.text("""
            UPDATE sources SET last_run_at = now(), problem = :problem, n_failures = n_failures + 1,
              next_run_at = CASE WHEN is_scheduled AND NOT :is_final THEN now() + make_interval(secs =>
                least(frequency_hours * 3600.0, 900 * power(2, least(n_failures, 12))) * (0.9 + 0.2 * random())) END
            WHERE kb_id = :kb_id AND id = :source_id
        """),
        params={
            "kb_id": scope.kb_id,
            "source_id": source_id,
            "problem": problem,
            "is_final": is_final,
        },
    )


# Schedules: asked by workers, for everybody


async def open_due(session: AsyncSession, *, limit: int) -> list[AboutRun]:
    """Open runs of the sources whose time has come, longest waiting first."""
    opened = await run(
        session,
        sa.text(f"""
            WITH due AS (
              SELECT s.id, s.kb_id FROM sources s
              WHERE s.next_run_at <= now() AND NOT s.is_paused
              AND NOT EXISTS (SELECT 1 FROM source_runs r WHERE r.source_id = s.id AND r.{OPEN})
              ORDER BY s.next_run_at LIMIT :limit FOR UPDATE SKIP LOCKED
            )
            INSERT INTO source_runs (source_id, kb_id, reason) SELECT id, kb_id, 'schedule' FROM due
            ON CONFLICT (source_id) WHERE {OPEN} DO NOTHING RETURNING id, source_id, kb_id
        """),
        params={"limit": limit},
    )
    return [AboutRun(row.id, row.source_id, row.kb_id) for row in opened]


async def open_without_worker(session: AsyncSession) -> list[AboutRun]:
    """Open runs the queue has forgotten, because a worker died with them."""
    found = await run(
        session,
        sa.text(f"""
            SELECT r.id, r.source_id, r.kb_id FROM source_runs r
            WHERE r.{OPEN} AND r.updated_at < now() - interval '60 seconds' AND NOT EXISTS (
              SELECT 1 FROM procrastinate_jobs p WHERE p.task_name = 'read_source'
              AND p.status IN ('todo', 'doing') AND (p.args->>'run_id')::bigint = r.id)
            LIMIT 500
        """),
    )
    return [AboutRun(row.id, row.source_id, row.kb_id) for row in found]


async def with_overdue_items(session: AsyncSession, *, limit: int) -> list[tuple[int, int]]:
    """Sources (with their knowledge bases) that have items missing for longer than their grace period."""
    found = await run(
        session,
        sa.text("""
            SELECT DISTINCT s.id, s.kb_id FROM source_items i JOIN sources s ON s.id = i.source_id
            WHERE i.status = 'missing' AND i.missing_since < now() - make_interval(hours => s.grace_hours)
            LIMIT :limit
        """),
        params={"limit": limit},
    )
    return [(row.id, row.kb_id) for row in found]


# Items


async def cursor(session: AsyncSession, scope: KbScope, *, source_id: int) -> Mapping[str, Any]:
    """Where the next run of a source goes on."""
    found = await run(
        session,
        sa.text("SELECT cursor FROM sources WHERE kb_id = :kb_id AND id = :source_id"),
        params={"kb_id": scope.kb_id, "source_id": source_id},
    )
    return found.scalar_one()


async def set_cursor(session: AsyncSession, scope: KbScope, *, source_id: int, to: Mapping[str, Any]) -> None:
    """Keep how far a run has got."""
    await run(
        session,
        sa.text("""
            UPDATE sources SET cursor = CAST(:cursor AS jsonb) WHERE kb_id = :kb_id AND id = :source_id
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id, "cursor": json.dumps(to)},
    )


async def known(
    session: AsyncSession, scope: KbScope, *, source_id: int, keys: Sequence[str]
) -> dict[str, KnownItem]:
    """What is known of items, by key; those that are not known are not in it."""
    found = await run(
        session,
        sa.text("""
            SELECT key, status, state, sha256 FROM source_items
            WHERE kb_id = :kb_id AND source_id = :source_id
            AND md5(key) IN (SELECT md5(asked) FROM unnest(CAST(:keys AS text[])) AS asked)
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id, "keys": list(keys)},
    )
    return {row.key: KnownItem(row.key, row.status, row.state, row.sha256) for row in found}


async def known_after(
    session: AsyncSession, scope: KbScope, *, source_id: int, after: int, limit: int
) -> list[tuple[int, KnownItem]]:
    """Items that belong to no other, with their ids, in the order of these, beginning behind `after`."""
    found = await run(
        session,
        sa.text("""
            SELECT id, key, status, state, sha256 FROM source_items
            WHERE kb_id = :kb_id AND source_id = :source_id AND id > :after AND parent = ''
            ORDER BY id LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id, "after": after, "limit": limit},
    )
    return [(row.id, KnownItem(row.key, row.status, row.state, row.sha256)) for row in found]


async def failed(session: AsyncSession, scope: KbScope, *, source_id: int, limit: int) -> list[KnownItem]:
    """Items that could not be read."""
    found = await run(
        session,
        sa.text("""
            SELECT key, status, state, sha256 FROM source_items
            WHERE kb_id = :kb_id AND source_id = :source_id AND status = 'failed' ORDER BY id LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id, "limit": limit},
    )
    return [KnownItem(row.key, row.status, row.state, row.sha256) for row in found]


async def item(session: AsyncSession, scope: KbScope, *, source_id: int, key: str) -> KeptItem | None:
    """One item; who holds the run may rely on it, for only the source's own run changes it."""
    found = await run(
        session,
        sa.text("""
            SELECT id, status, document_id, sha256 FROM source_items
            WHERE kb_id = :kb_id AND source_id = :source_id AND md5(key) = md5(:key)
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id, "key": key},
    )
    row = found.first()
    return None if row is None else KeptItem(row.id, row.status, row.document_id, row.sha256)


async def keep_item(
    session: AsyncSession,
    scope: KbScope,
    *,
    of: Run,
    key: str,
    name: str,
    status: ItemStatus,
    reason: str = "",
    parent: str = "",
    url: str = "",
    state: Mapping[str, Any] | None = None,
    document_id: int | None = None,
    sha256: str | None = None,
    is_changed: bool = False,
) -> None:
    """Keep what a run found out about an item; without a document what it had stays."""
    await run(
        session,
        sa.text("""
            INSERT INTO source_items (source_id, kb_id, key, parent, name, url, document_id, state, sha256, status,
              reason, seen_run)
            VALUES (:source_id, :kb_id, :key, :parent, :name, :url, :document_id, CAST(:state AS jsonb), :sha256,
              :status, :reason, :run_id)
            ON CONFLICT (source_id, md5(key)) DO UPDATE SET name = EXCLUDED.name, url = EXCLUDED.url,
              parent = EXCLUDED.parent,
              document_id = coalesce(EXCLUDED.document_id, source_items.document_id),
              sha256 = coalesce(EXCLUDED.sha256, source_items.sha256), state = EXCLUDED.state,
              status = EXCLUDED.status, reason = EXCLUDED.reason, seen_run = EXCLUDED.seen_run, seen_at = now(),
              missing_since = NULL,
              changed_at = CASE WHEN :is_changed THEN now() ELSE source_items.changed_at END
        """),
        params={
            "source_id": of.source_id,
            "kb_id": scope.kb_id,
            "run_id": of.id,
            "key": key,
            "parent": parent,
            "name": name,
            "url": url,
            "state": json.dumps(state or {}),
            "status": status,
            "reason": reason,
            "document_id": document_id,
            "sha256": sha256,
            "is_changed": is_changed,
        },
    )


async def see_again(
    session: AsyncSession, scope: KbScope, *, of: Run, key: str, state: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """Note that an item is still there, with what belongs to it; names of those that had been missing.

    What went before its parent did, such as an attachment that is no longer wanted, does not come back with it.
    """
    params = {
        "source_id": of.source_id,
        "kb_id": scope.kb_id,
        "run_id": of.id,
        "key": key,
        "state": None if state is None else json.dumps(state),
    }
    mine = "kb_id = :kb_id AND source_id = :source_id"
    went_along = """
        parent <> '' AND md5(parent) = md5(:key) AND (status <> 'missing' OR reason = (
          SELECT p.reason FROM source_items p
          WHERE p.kb_id = :kb_id AND p.source_id = :source_id AND md5(p.key) = md5(:key) AND p.status = 'missing'))
    """
    back = await run(
        session,
        sa.text(f"""
            SELECT name FROM source_items WHERE {mine} AND status = 'missing'
            AND (md5(key) = md5(:key) OR ({went_along}))
        """),
        params=params,
    )
    names = tuple(back.scalars())
    await run(
        session,
        sa.text(f"""
            UPDATE source_items SET seen_run = :run_id, seen_at = now(), missing_since = NULL,
              reason = CASE WHEN status = 'missing' THEN '' ELSE reason END,
              status = CASE WHEN status = 'missing' THEN 'kept' ELSE status END
            WHERE {mine} AND {went_along}
        """),
        params=params,
    )
    await run(
        session,
        sa.text(f"""
            UPDATE source_items SET seen_run = :run_id, seen_at = now(), missing_since = NULL,
              status = CASE WHEN document_id IS NULL THEN status ELSE 'kept' END,
              reason = CASE WHEN document_id IS NULL THEN reason ELSE '' END,
              state = coalesce(CAST(:state AS jsonb), state)
            WHERE {mine} AND md5(key) = md5(:key)
        """),
        params=params,
    )
    return names


async def mark_missing(
    session: AsyncSession, scope: KbScope, *, of: Run, key: str | None = None, prefix: str = "", reason: str
) -> int:
    """Mark one item (with what belongs to it), or all that the run has not seen, as missing; how many.

    Items of which nothing was ever kept are simply forgotten.
    """
    params = {
        "source_id": of.source_id,
        "kb_id": scope.kb_id,
        "run_id": of.id,
        "key": key,
        "prefix": prefix,
        "reason": reason,
    }
    which = """
        kb_id = :kb_id AND source_id = :source_id AND CASE WHEN CAST(:key AS text) IS NULL
          THEN seen_run <> :run_id AND starts_with(key, :prefix)
          ELSE md5(key) = md5(:key) OR (parent <> '' AND md5(parent) = md5(:key)) END
    """
    await run(
        session,
        sa.text(f"DELETE FROM source_items WHERE {which} AND document_id IS NULL"),
        params=params,
    )
    marked = await run(
        session,
        sa.text(f"""
            WITH marked AS (
              UPDATE source_items SET status = 'missing', missing_since = now(), reason = :reason
              WHERE {which} AND status <> 'missing' RETURNING key, name
            )
            INSERT INTO source_events (run_id, kind, key, name, detail)
            SELECT :run_id, 'missing', key, name, :reason FROM marked
        """),
        params=params,
    )
    return marked.rowcount


async def overdue(
    session: AsyncSession, scope: KbScope, *, source_id: int, limit: int
) -> list[tuple[int, str, str, int | None]]:
    """Items that have been missing for longer than the grace period: id, key, name and document."""
    found = await run(
        session,
        sa.text("""
            SELECT i.id, i.key, i.name, i.document_id FROM source_items i JOIN sources s ON s.id = i.source_id
            WHERE i.kb_id = :kb_id AND i.source_id = :source_id AND i.status = 'missing'
            AND i.missing_since <= now() - make_interval(hours => s.grace_hours)
            ORDER BY i.id LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id, "limit": limit},
    )
    return [(row.id, row.key, row.name, row.document_id) for row in found]


async def forget_item(session: AsyncSession, scope: KbScope, *, item_id: int) -> bool:
    """Forget an item that is missing; False when it is not any more."""
    done = await run(
        session,
        sa.text("DELETE FROM source_items WHERE kb_id = :kb_id AND id = :item_id AND status = 'missing'"),
        params={"kb_id": scope.kb_id, "item_id": item_id},
    )
    return done.rowcount == 1


async def is_document_free(session: AsyncSession, scope: KbScope, *, document_id: int) -> bool:
    """Whether a document came from a source and no item refers to it any more."""
    found = await run(
        session,
        sa.text("""
            SELECT 1 FROM documents d WHERE d.kb_id = :kb_id AND d.id = :document_id AND d.source_id IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM source_items i WHERE i.document_id = d.id)
        """),
        params={"kb_id": scope.kb_id, "document_id": document_id},
    )
    return found.first() is not None


async def n_items_of(session: AsyncSession, scope: KbScope, *, document_id: int) -> int:
    """How many items share a document."""
    found = await run(
        session,
        sa.text("SELECT count(*) FROM source_items WHERE kb_id = :kb_id AND document_id = :document_id"),
        params={"kb_id": scope.kb_id, "document_id": document_id},
    )
    return found.scalar_one()


async def add_event(
    session: AsyncSession,
    *,
    of: Run,
    kind: EventKind,
    key: str = "",
    name: str = "",
    detail: str = "",
    diff: str = "",
) -> None:
    """Add a line to a run's history."""
    await run(
        session,
        sa.text("""
            INSERT INTO source_events (run_id, kind, key, name, detail, diff)
            VALUES (:run_id, :kind, :key, :name, :detail, :diff)
        """),
        params={"run_id": of.id, "kind": kind, "key": key, "name": name, "detail": detail, "diff": diff},
    )
