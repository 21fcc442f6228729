"""FAQ entries as rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rag_app.domain.faq import FaqEntry
from rag_app.errors import InvalidInput
from rag_app.ui.wording import ago

MAX_SHOWN = 280
_ORIGINS = {"typed": "", "import": "imported", "conversation": "from a conversation"}


@dataclass(frozen=True)
class EntryRow:
    """One entry of the list; `state` is empty once it can be found."""

    id: int
    question: str
    answer: str
    state: str
    tone: str
    problem: str
    facts: str
    tags: list[str]


@dataclass(frozen=True)
class EntryForm:
    """What the window begins with; `id` is 0 for a new entry."""

    id: int = 0
    question: str = ""
    answer: str = ""
    tags: str = ""


@dataclass(frozen=True)
class EntryErrors:
    """What is wrong with what was typed."""

    question: str = ""
    answer: str = ""
    tags: str = ""


def rows(entries: Iterable[FaqEntry], *, now: datetime | None = None) -> list[EntryRow]:
    """Show entries."""
    return [_row(entry, now=now) for entry in entries]


def form_of(entry: FaqEntry) -> EntryForm:
    """Show an entry to be changed."""
    return EntryForm(entry.id, entry.question, entry.answer, ", ".join(entry.tags))


def error_at(error: InvalidInput) -> EntryErrors:
    """Put what is wrong where it belongs."""
    problems = dict(error.problems) or {error.field or "question": str(error)}
    return EntryErrors(**{name: problems.get(name, "") for name in ("question", "answer", "tags")})


def is_working(entry: FaqEntry) -> bool:
    """Whether the entry will be found in a moment."""
    return entry.status in {"received", "parsing", "embedding"}


def _row(entry: FaqEntry, *, now: datetime | None) -> EntryRow:
    state, tone = "", "neutral"
    if is_working(entry):
        state = "Being added"
    elif entry.status != "ready":
        state, tone = "Not found yet", "danger"
    origin = _ORIGINS[entry.origin]
    changed = f"changed {ago(entry.updated_at, now=now)}"
    answer = entry.answer if len(entry.answer) <= MAX_SHOWN else f"{entry.answer[:MAX_SHOWN]} …"
    return EntryRow(
        id=entry.id,
        question=entry.question,
        answer=answer,
        state=state,
        tone=tone,
        problem=entry.error_message or "",
        facts=f"{origin}, {changed}" if origin else changed,
        tags=list(entry.tags),
    )
