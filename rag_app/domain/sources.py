"""Sources: what a knowledge base is filled from again and again, such as a website or a mailbox.

source ── run ── events ── items ── documents
          one reading   what became of each     one page, mail or attachment each
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

RunStatus = Literal["waiting", "running", "completed", "failed", "cancelled"]
RunReason = Literal["created", "manual", "schedule", "retry"]
ItemStatus = Literal["kept", "failed", "skipped", "missing"]
EventKind = Literal["added", "changed", "removed", "missing", "back", "failed", "skipped", "note"]

MAX_KEY = 2_000  # characters of an item's key, and of a source's identity
MAX_NAME = 255


@dataclass(frozen=True)
class Counts:
    """What a run has met so far; `n_seen` is all of it."""

    n_seen: int = 0
    n_added: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    n_removed: int = 0
    n_failed: int = 0
    n_skipped: int = 0


@dataclass(frozen=True)
class Run:
    """One reading of a source; `attempt` fences off a worker that was given up."""

    id: int
    source_id: int
    kb_id: int
    reason: RunReason
    status: RunStatus
    attempt: int
    stage: str
    n_expected: int | None
    counts: Counts
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it waits or is under way."""
        return self.status in {"waiting", "running"}


@dataclass(frozen=True)
class Source:
    """A source as its owner sees it; its secret is nowhere in it.

    `problem` is what keeps it from being read, in words; `n_items` counts what is kept of it.
    """

    id: int
    kb_id: int
    kind: str
    name: str
    config: Mapping[str, Any]
    frequency_hours: int
    is_scheduled: bool
    is_paused: bool
    grace_hours: int
    next_run_at: datetime | None
    last_run_at: datetime | None
    n_failures: int
    problem: str
    has_secret: bool
    created_at: datetime
    updated_at: datetime
    n_items: int = 0
    n_failed: int = 0
    n_missing: int = 0
    run: Run | None = None  # the newest


@dataclass(frozen=True)
class Item:
    """One page, mail or attachment of a source, and what became of it."""

    id: int
    source_id: int
    key: str
    parent: str
    name: str
    url: str
    document_id: int | None
    document_status: str | None
    document_error: str | None
    status: ItemStatus
    reason: str
    seen_at: datetime
    changed_at: datetime
    missing_since: datetime | None


@dataclass(frozen=True)
class KnownItem:
    """What a run may know of an item from earlier runs; `state` is what its source kept."""

    key: str
    status: ItemStatus
    state: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None


@dataclass(frozen=True)
class RunEvent:
    """One line of a run's history; `diff` shows what changed in a text, as unified diff."""

    id: int
    run_id: int
    kind: EventKind
    key: str
    name: str
    detail: str
    diff: str
    created_at: datetime


@dataclass(frozen=True)
class Check:
    """What came of trying a connection: whether it works, what was found, and what to do if not.

    `details` are lines for the owner, such as the folders of a mailbox.
    """

    is_ok: bool
    message: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """When a source is read by itself; `grace_hours` until what has vanished is removed."""

    frequency_hours: int = 168
    is_scheduled: bool = True
    grace_hours: int = 168
