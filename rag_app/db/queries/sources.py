"""Sources, as their owners see and change them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.queries.access import MAX_INT32
from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.sources import Counts, Item, Run, RunEvent, Schedule, Source
from rag_app.errors import NotFound

RUN_COLUMNS = """r.id, r.source_id, r.kb_id, r.reason, r.status, r.attempt, r.stage, r.n_expected, r.n_seen,
  r.n_added, r.n_changed, r.n_unchanged, r.n_removed, r.n_failed, r.n_skipped, r.error_message, r.created_at,
  r.started_at, r.completed_at"""
COUNTS = ("n_seen", "n_added", "n_changed", "n_unchanged", "n_removed", "n_failed", "n_skipped")

_SOURCE = """
SELECT s.id, s.kb_id, s.kind, s.name, s.config, s.frequency_hours, s.is_scheduled, s.is_paused, s.grace_hours,
  s.next_run_at, s.last_run_at, s.n_failures, s.problem, s.secret IS NOT NULL AS has_secret, s.created_at,
  s.updated_at, i.n_items, i.n_failed AS n_failed_items, i.n_missing, newest.id AS run_id
FROM sources s
LEFT JOIN LATERAL (
  SELECT count(*) FILTER (WHERE status IN ('kept', 'missing') OR document_id IS NOT NULL) AS n_items,
    count(*) FILTER (WHERE status = 'failed') AS n_failed, count(*) FILTER (WHERE status = 'missing') AS n_missing
  FROM source_items WHERE source_id = s.id) i ON true
LEFT JOIN LATERAL (
  SELECT r.id FROM source_runs r WHERE r.source_id = s.id ORDER BY r.id DESC LIMIT 1) newest ON true
"""


@dataclass(frozen=True)
class StoredSecret:
    """A source's secret as it is stored, and what seals it to its row."""

    seal: UUID
    key_id: str | None
    ciphertext: bytes | None


def run_of(row: Any) -> Run:
    """A run from a row with `RUN_COLUMNS`."""
    values = dict(row._mapping)
    counts = Counts(**{name: values.pop(name) for name in COUNTS})
    return Run(counts=counts, **values)


async def insert(
    session: AsyncSession,
    scope: KbScope,
    *,
    kind: str,
    name: str,
    identity: str,
    config: Mapping[str, Any],
    schedule: Schedule,
    secret: StoredSecret,
) -> int | None:
    """Add a source; returns its id, None when the knowledge base has it already."""
    inserted = await run(
        session,
        sa.text("""
            INSERT INTO sources (kb_id, kind, name, identity, config, frequency_hours, is_scheduled, grace_hours,
              seal, key_id, secret, next_run_at)
            VALUES (:kb_id, :kind, :name, :identity, CAST(:config AS jsonb), :frequency_hours, :is_scheduled,
              :grace_hours, :seal, :key_id, :secret,
              CASE WHEN :is_scheduled THEN now() + make_interval(hours => :frequency_hours) END)
            ON CONFLICT (kb_id, kind, md5(identity)) DO NOTHING RETURNING id
        """),
        params={
            "kb_id": scope.kb_id,
            "kind": kind,
            "name": name,
            "identity": identity,
            "config": json.dumps(config),
            "frequency_hours": schedule.frequency_hours,
            "is_scheduled": schedule.is_scheduled,
            "grace_hours": schedule.grace_hours,
            "seal": secret.seal,
            "key_id": secret.key_id,
            "secret": secret.ciphertext,
        },
    )
    return inserted.scalar_one_or_none()


async def list_of(
    session: AsyncSession, scope: KbScope, *, kind: str | None = None, source_id: int | None = None
) -> list[Source]:
    """The sources of a knowledge base, oldest first, each with its newest run."""
    found = await run(
        session,
        sa.text(f"""
            {_SOURCE} WHERE s.kb_id = :kb_id AND (CAST(:kind AS text) IS NULL OR s.kind = :kind)
            AND (CAST(:source_id AS integer) IS NULL OR s.id = :source_id) ORDER BY s.id
        """),
        params={"kb_id": scope.kb_id, "kind": kind, "source_id": source_id},
    )
    rows = found.all()
    newest = await _runs_by_id(session, scope, [row.run_id for row in rows if row.run_id is not None])
    return [_source(row, newest.get(row.run_id)) for row in rows]


def _source(row: Any, newest: Run | None) -> Source:
    values = dict(row._mapping)
    values["n_failed"] = values.pop("n_failed_items")
    del values["run_id"]
    return Source(**values, run=newest)


async def _runs_by_id(session: AsyncSession, scope: KbScope, ids: Sequence[int]) -> dict[int, Run]:
    found = await run(
        session,
        sa.text(f"""
            SELECT {RUN_COLUMNS} FROM source_runs r
            WHERE r.kb_id = :kb_id AND r.id = ANY(CAST(:ids AS integer[]))
        """),
        params={"kb_id": scope.kb_id, "ids": list(ids)},
    )
    return {row.id: run_of(row) for row in found}


async def get(session: AsyncSession, scope: KbScope, *, source_id: int, kind: str | None = None) -> Source:
    """One source. Raises NotFound where it is not this knowledge base's, or of another kind."""
    if not 0 < source_id <= MAX_INT32:
        raise NotFound("source")
    found = await list_of(session, scope, kind=kind, source_id=source_id)
    if not found:
        raise NotFound("source")
    return found[0]


async def lock(session: AsyncSession, scope: KbScope, *, source_id: int) -> None:
    """Let nobody else change a source until the transaction ends. Raises NotFound."""
    found = await run(
        session,
        sa.text("SELECT 1 FROM sources WHERE kb_id = :kb_id AND id = :source_id FOR UPDATE"),
        params={"kb_id": scope.kb_id, "source_id": source_id},
    )
    if found.first() is None:
        raise NotFound("source")


async def change(
    session: AsyncSession,
    scope: KbScope,
    *,
    source_id: int,
    name: str,
    identity: str,
    config: Mapping[str, Any],
    schedule: Schedule,
    starts_over: bool,
) -> bool:
    """Put other settings in the place of a source's; False when another source is that already.

    Args:
        starts_over: forget how far the last run got, because something else is read from now on.
    """
    taken = await run(
        session,
        sa.text("""
            SELECT 1 FROM sources o JOIN sources s ON s.id = :source_id
            WHERE o.kb_id = :kb_id AND o.kind = s.kind AND o.id <> s.id AND o.identity = :identity
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id, "identity": identity},
    )
    if taken.first() is not None:
        return False
    await run(
        session,
        sa.text("""
            UPDATE sources SET name = :name, identity = :identity, config = CAST(:config AS jsonb),
              frequency_hours = :frequency_hours, is_scheduled = :is_scheduled, grace_hours = :grace_hours,
              cursor = CASE WHEN :starts_over THEN '{}' ELSE cursor END, problem = '', n_failures = 0,
              next_run_at = CASE WHEN :is_scheduled THEN least(coalesce(next_run_at, 'infinity'),
                coalesce(last_run_at, now()) + make_interval(hours => :frequency_hours)) END
            WHERE kb_id = :kb_id AND id = :source_id
        """),
        params={
            "kb_id": scope.kb_id,
            "source_id": source_id,
            "name": name,
            "identity": identity,
            "config": json.dumps(config),
            "frequency_hours": schedule.frequency_hours,
            "is_scheduled": schedule.is_scheduled,
            "grace_hours": schedule.grace_hours,
            "starts_over": starts_over,
        },
    )
    return True


async def set_paused(session: AsyncSession, scope: KbScope, *, source_id: int, is_paused: bool) -> None:
    """Pause a source, or let it go on; what it missed meanwhile is read at once."""
    await run(
        session,
        sa.text("""
            UPDATE sources SET is_paused = :is_paused,
              next_run_at = CASE WHEN is_scheduled THEN coalesce(next_run_at, now()) END
            WHERE kb_id = :kb_id AND id = :source_id
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id, "is_paused": is_paused},
    )


async def postpone(session: AsyncSession, scope: KbScope, *, source_id: int) -> None:
    """Let a source rest until its next turn."""
    await run(
        session,
        sa.text("""
            UPDATE sources SET next_run_at = CASE WHEN is_scheduled
              THEN now() + make_interval(hours => frequency_hours) END
            WHERE kb_id = :kb_id AND id = :source_id
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id},
    )


async def delete(session: AsyncSession, scope: KbScope, *, source_id: int) -> None:
    """Forget a source, its runs and items.

    Documents stay: those that another source has as well are that one's, the others are like uploaded ones.
    """
    params = {"kb_id": scope.kb_id, "source_id": source_id}
    await run(
        session,
        sa.text("""
            UPDATE documents d SET source_id = o.source_id, source = o.kind FROM (
              SELECT DISTINCT ON (i.document_id) i.document_id, i.source_id, s.kind
              FROM source_items i JOIN sources s ON s.id = i.source_id
              WHERE i.kb_id = :kb_id AND i.source_id <> :source_id
              ORDER BY i.document_id, i.source_id) o
            WHERE d.kb_id = :kb_id AND d.source_id = :source_id AND d.id = o.document_id
        """),
        params=params,
    )
    await run(
        session,
        sa.text("""
            UPDATE documents SET source_id = NULL, source = 'document'
            WHERE kb_id = :kb_id AND source_id = :source_id
        """),
        params=params,
    )
    await run(
        session,
        sa.text("DELETE FROM sources WHERE kb_id = :kb_id AND id = :source_id"),
        params={"kb_id": scope.kb_id, "source_id": source_id},
    )


async def document_ids(session: AsyncSession, scope: KbScope, *, source_id: int) -> list[int]:
    """The documents that no other source has as well, and nobody uploaded."""
    found = await run(
        session,
        sa.text("""
            SELECT DISTINCT i.document_id FROM source_items i JOIN documents d ON d.id = i.document_id
            WHERE i.kb_id = :kb_id AND i.source_id = :source_id AND d.source_id IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM source_items o WHERE o.document_id = i.document_id
              AND o.source_id <> i.source_id)
            ORDER BY i.document_id
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id},
    )
    return list(found.scalars())


async def failed_documents(
    session: AsyncSession, scope: KbScope, *, source_id: int, after: int, limit: int
) -> list[int]:
    """Documents of a source that could not be read, in order of their ids."""
    found = await run(
        session,
        sa.text("""
            SELECT DISTINCT d.id FROM source_items i JOIN documents d ON d.id = i.document_id
            WHERE i.kb_id = :kb_id AND i.source_id = :source_id AND d.status = 'failed' AND d.id > :after
            ORDER BY d.id LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id, "after": after, "limit": limit},
    )
    return list(found.scalars())


# Secrets


async def secret(session: AsyncSession, scope: KbScope, *, source_id: int) -> StoredSecret:
    """A source's secret, encrypted. Raises NotFound."""
    found = await run(
        session,
        sa.text("SELECT seal, key_id, secret FROM sources WHERE kb_id = :kb_id AND id = :source_id"),
        params={"kb_id": scope.kb_id, "source_id": source_id},
    )
    row = found.first()
    if row is None:
        raise NotFound("source")
    return StoredSecret(row.seal, row.key_id, row.secret)


async def save_secret(session: AsyncSession, scope: KbScope, *, source_id: int, new: StoredSecret) -> None:
    """Put a secret in the place of a source's."""
    await run(
        session,
        sa.text("""
            UPDATE sources SET key_id = :key_id, secret = :secret
            WHERE kb_id = :kb_id AND id = :source_id AND seal = :seal
        """),
        params={
            "kb_id": scope.kb_id,
            "source_id": source_id,
            "seal": new.seal,
            "key_id": new.key_id,
            "secret": new.ciphertext,
        },
    )


async def secrets_not_sealed_with(
    session: AsyncSession, *, key_id: str, after: int, limit: int
) -> list[tuple[int, int, StoredSecret]]:
    """Secrets that have another key: source, owner and secret. Asked by the rotation of keys only."""
    found = await run(
        session,
        sa.text("""
            SELECT s.id, kb.user_id, s.seal, s.key_id, s.secret
            FROM sources s JOIN knowledge_bases kb ON kb.id = s.kb_id
            WHERE s.secret IS NOT NULL AND s.key_id <> :key_id AND s.id > :after ORDER BY s.id LIMIT :limit
        """),
        params={"key_id": key_id, "after": after, "limit": limit},
    )
    return [(row.id, row.user_id, StoredSecret(row.seal, row.key_id, row.secret)) for row in found]


async def reseal(
    session: AsyncSession, source_id: int, *, before: bytes, key_id: str, ciphertext: bytes
) -> None:
    """Replace a secret by itself, if it is still what was read. Asked by the rotation of keys only."""
    await run(
        session,
        sa.text("""
            UPDATE sources SET key_id = :key_id, secret = :ciphertext WHERE id = :source_id AND secret = :before
        """),
        params={"source_id": source_id, "before": before, "key_id": key_id, "ciphertext": ciphertext},
    )


# What an owner looks at


async def runs_of(
    session: AsyncSession, scope: KbScope, *, source_id: int, before: int | None, limit: int
) -> list[Run]:
    """Runs of a source, newest first, older than the id `before`."""
    found = await run(
        session,
        sa.text(f"""
            SELECT {RUN_COLUMNS} FROM source_runs r WHERE r.kb_id = :kb_id AND r.source_id = :source_id
            AND (CAST(:before AS integer) IS NULL OR r.id < :before) ORDER BY r.id DESC LIMIT :limit
        """),
        params={"kb_id": scope.kb_id, "source_id": source_id, "before": before, "limit": limit},
    )
    return [run_of(row) for row in found]


async def events_of(
    session: AsyncSession,
    scope: KbScope,
    *,
    source_id: int,
    run_id: int,
    after: int = 0,
    limit: int = 100,
) -> list[RunEvent]:
    """What a run did, in order. Raises NotFound where the run is not the source's."""
    if not 0 < run_id <= MAX_INT32:
        raise NotFound("run")
    params = {
        "kb_id": scope.kb_id,
        "source_id": source_id,
        "run_id": run_id,
        "after": after,
        "limit": limit,
    }
    there = await run(
        session,
        sa.text("SELECT 1 FROM source_runs WHERE kb_id = :kb_id AND source_id = :source_id AND id = :run_id"),
        params=params,
    )
    if there.first() is None:
        raise NotFound("run")
    found = await run(
        session,
        sa.text("""
            SELECT id, run_id, kind, key, name, detail, diff, created_at FROM source_events
            WHERE run_id = :run_id AND id > :after ORDER BY id LIMIT :limit
        """),
        params=params,
    )
    return [RunEvent(**row._mapping) for row in found]


async def items_of(
    session: AsyncSession,
    scope: KbScope,
    *,
    source_id: int,
    before: int | None,
    limit: int,
    status: str | None = None,
    text: str | None = None,
) -> list[Item]:
    """Items of a source, newest first, older than the id `before`; `text` is part of name or address."""
    found = await run(
        session,
        sa.text("""
            SELECT i.id, i.source_id, i.key, i.parent, i.name, i.url, i.document_id,
              d.status::text AS document_status, d.error_message AS document_error, i.status, i.reason,
              i.seen_at, i.changed_at, i.missing_since
            FROM source_items i LEFT JOIN documents d ON d.id = i.document_id
            WHERE i.kb_id = :kb_id AND i.source_id = :source_id
            AND (CAST(:before AS bigint) IS NULL OR i.id < :before)
            AND (CAST(:status AS text) IS NULL OR i.status = :status
              OR (:status = 'failed' AND d.status = 'failed'))
            AND (CAST(:text AS text) IS NULL OR strpos(lower(i.name), lower(:text)) > 0
              OR strpos(lower(i.url), lower(:text)) > 0)
            ORDER BY i.id DESC LIMIT :limit
        """),
        params={
            "kb_id": scope.kb_id,
            "source_id": source_id,
            "before": before,
            "limit": limit,
            "status": status,
            "text": text,
        },
    )
    return [Item(**row._mapping) for row in found]
