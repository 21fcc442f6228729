"""Sources, their items and their history as rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rag_app.domain.sources import Counts, Item, Run, RunEvent, Source
from rag_app.ui import routes
from rag_app.ui.wording import ago, counted, listed

HOURS_A_DAY = 24
FREQUENCIES = [
    ("1", "Every hour"),
    ("6", "Every 6 hours"),
    ("24", "Every day"),
    ("168", "Every week"),
    ("720", "Every month"),
]
ITEM_FILTERS = [
    ("", "All"),
    ("kept", "Kept"),
    ("failed", "Could not be read"),
    ("skipped", "Left out"),
    ("missing", "Not there any more"),
]
_REASONS = {
    "created": "first reading",
    "manual": "asked for",
    "schedule": "by schedule",
    "retry": "trying again",
}
_EVENTS = {
    "added": ("New", "success"),
    "changed": ("Changed", "accent"),
    "removed": ("Removed", "neutral"),
    "missing": ("Not there any more", "warn"),
    "back": ("Back again", "success"),
    "failed": ("Could not be read", "danger"),
    "skipped": ("Left out", "neutral"),
    "note": ("Note", "neutral"),
}


@dataclass(frozen=True)
class Words:
    """What a kind of source is called, and where its pages are."""

    kind: str
    one: str
    item: str
    items: str
    route: str

    def detail(self, source_id: int, *, kb_id: int) -> str:
        """The address of one source."""
        return f"{self.route}/source/{source_id}?kb={kb_id}"


@dataclass(frozen=True)
class SourceRow:
    """One source; `percent` is 0 while nothing is known of how far it is."""

    id: int = 0
    name: str = ""
    address: str = ""
    state: str = ""
    tone: str = "neutral"
    detail: str = ""
    percent: int = 0
    problem: str = ""
    facts: str = ""
    schedule: str = ""
    is_reading: bool = False
    is_paused: bool = False
    n_failed: int = 0
    href: str = ""


@dataclass(frozen=True)
class ItemRow:
    """One item; `href` leads to its text, `url` to where it comes from."""

    id: int
    name: str
    url: str
    state: str
    tone: str
    reason: str
    facts: str
    href: str
    is_part: bool


@dataclass(frozen=True)
class RunRow:
    """One run."""

    id: int
    when: str
    why: str
    state: str
    tone: str
    counts: str
    problem: str


@dataclass(frozen=True)
class DiffLine:
    """One line of what changed; `mark` is "+", "-" or empty."""

    mark: str
    text: str


@dataclass(frozen=True)
class EventRow:
    """One line of a run's history."""

    id: int
    state: str
    tone: str
    name: str
    detail: str
    diff: list[DiffLine]


def source_row(source: Source, words: Words, *, address: str, now: datetime | None = None) -> SourceRow:
    """Show a source; `address` is what tells it from others of its kind."""
    run = source.run
    is_reading = run is not None and run.is_open
    state, tone = _state(source, run)
    return SourceRow(
        id=source.id,
        name=source.name,
        address=address if address != source.name else "",
        state=state,
        tone=tone,
        detail=_progress(run, words) if run is not None and is_reading else "",
        percent=_percent(run) if run is not None and is_reading else 0,
        problem=source.problem if not is_reading else "",
        facts=_facts(source, words, now),
        schedule=_schedule(source, now),
        is_reading=is_reading,
        is_paused=source.is_paused,
        n_failed=source.n_failed,
        href=words.detail(source.id, kb_id=source.kb_id),
    )


def item_rows(items: Iterable[Item], *, kb_id: int, now: datetime | None = None) -> list[ItemRow]:
    """Show items."""
    return [_item(item, kb_id, now) for item in items]


def run_rows(runs: Iterable[Run], words: Words, *, now: datetime | None = None) -> list[RunRow]:
    """Show runs."""
    return [_run(run, words, now) for run in runs]


def event_rows(events: Iterable[RunEvent]) -> list[EventRow]:
    """Show what a run did."""
    return [_event(event) for event in events]


def frequency_words(hours: int) -> str:
    """How often, in words."""
    known = dict(FREQUENCIES)
    if (label := known.get(str(hours))) is not None:
        return label
    if hours % HOURS_A_DAY == 0:
        return f"Every {hours // HOURS_A_DAY} days"
    return f"Every {hours} hours"


def _state(source: Source, run: Run | None) -> tuple[str, str]:
    state, tone = ("Up to date" if source.is_scheduled else "Read"), "success"
    if run is not None and run.is_open:
        waits = "Trying again soon" if run.attempt else "Waiting for its turn"
        state, tone = ("Reading" if run.status == "running" else waits), "accent"
    elif source.is_paused:
        state, tone = "Paused", "neutral"
    elif source.problem:
        state, tone = ("Needs you" if source.next_run_at is None else "Could not be read"), "danger"
    elif run is not None and run.status == "cancelled":
        state, tone = "Stopped", "neutral"
    elif source.last_run_at is None:
        state, tone = "Not read yet", "neutral"
    return state, tone


def _percent(run: Run) -> int:
    if not run.n_expected:
        return 0
    return max(1, min(99, int(100 * run.counts.n_seen / run.n_expected)))


def _progress(run: Run, words: Words) -> str:
    n_seen = run.counts.n_seen
    seen = counted(n_seen, words.item, words.items) if n_seen else ""
    if seen and run.n_expected:
        seen = f"{n_seen:,} of {counted(max(run.n_expected, n_seen), words.item, words.items)}"
    return listed([run.stage, seen])


def _facts(source: Source, words: Words, now: datetime | None) -> str:
    return listed([
        counted(source.n_items, words.item, words.items),
        f"{source.n_failed:,} could not be read" if source.n_failed else "",
        f"{source.n_missing:,} not there any more" if source.n_missing else "",
        f"read {ago(source.last_run_at, now=now)}" if source.last_run_at is not None else "",
    ])  # fmt: skip


def _schedule(source: Source, now: datetime | None) -> str:
    if source.is_paused:
        return "Paused: it is not read by itself."
    if not source.is_scheduled:
        return "Read only when you ask for it."
    often = frequency_words(source.frequency_hours)
    if source.next_run_at is None:
        return f"{often}, once the problem is solved." if source.problem else often
    return f"{often}, next {_until(source.next_run_at, now)}"


def _until(moment: datetime, now: datetime | None) -> str:
    hours = (moment - (now or datetime.now(UTC))).total_seconds() / 3600
    if hours < 1:
        return "within the hour"
    if hours < 2 * HOURS_A_DAY:
        return f"in about {counted(round(hours), 'hour')}"
    return f"in about {counted(round(hours / HOURS_A_DAY), 'day')}"


def _item(item: Item, kb_id: int, now: datetime | None) -> ItemRow:
    state, tone, reason = "Ready", "success", item.reason
    if item.status == "failed":
        state, tone = "Could not be read", "danger"
    elif item.status == "skipped":
        state, tone = "Left out", "neutral"
    elif item.status == "missing":
        state, tone = "Not there any more", "warn"
    elif item.document_status in {"received", "parsing", "embedding"}:
        state, tone = "Being added", "accent"
    elif item.document_status == "failed":
        state, tone, reason = "Could not be read", "danger", item.document_error or ""
    elif item.document_status is None or item.document_status == "cancelled":
        state, tone = "Not in use", "neutral"
    return ItemRow(
        id=item.id,
        name=item.name or item.key,
        url=item.url,
        state=state,
        tone=tone,
        reason=reason,
        facts=f"changed {ago(item.changed_at, now=now)}",
        href=routes.document(item.document_id, kb_id=kb_id) if item.document_id is not None else "",
        is_part=item.parent != "",
    )


def _run(run: Run, words: Words, now: datetime | None) -> RunRow:
    state, tone = {
        "waiting": ("Waiting", "accent"),
        "running": ("Reading", "accent"),
        "completed": ("Done", "success"),
        "failed": ("Failed", "danger"),
        "cancelled": ("Stopped", "neutral"),
    }[run.status]
    return RunRow(
        id=run.id,
        when=ago(run.started_at or run.created_at, now=now),
        why=_REASONS[run.reason],
        state=state,
        tone=tone,
        counts=_counts(run.counts, words),
        problem=run.error_message or "",
    )


def _counts(counts: Counts, words: Words) -> str:
    parts = [
        f"{counts.n_added:,} new" if counts.n_added else "",
        f"{counts.n_changed:,} changed" if counts.n_changed else "",
        f"{counts.n_unchanged:,} unchanged" if counts.n_unchanged else "",
        f"{counts.n_removed:,} not there any more" if counts.n_removed else "",
        f"{counts.n_skipped:,} left out" if counts.n_skipped else "",
        f"{counts.n_failed:,} could not be read" if counts.n_failed else "",
    ]
    return listed(parts) or f"no {words.items}"


def _event(event: RunEvent) -> EventRow:
    state, tone = _EVENTS[event.kind]
    return EventRow(
        id=event.id,
        state=state,
        tone=tone,
        name=event.name or event.key,
        detail=event.detail,
        diff=[
            DiffLine(line[:1] if line[:1] in {"+", "-"} else "", line[1:] if line[:1] != "@" else "…")
            for line in event.diff.split("\n")
            if line
        ],
    )
