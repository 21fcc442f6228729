"""What a search is limited to: what can be chosen, what is chosen, and what that means for the search."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from rag_app.domain.knowledge_bases import Facets
from rag_app.domain.retrieval import Filters
from rag_app.ui.wording import counted, listed

_SOURCES = {
    "document": "Uploaded files",
    "faq": "Questions and answers",
    "web": "Web pages",
    "mail": "Mails",
}
_LANGUAGES = {"simple": "Other languages"}


@dataclass(frozen=True)
class Option:
    """Something to tick: a source, a tag or a language."""

    kind: str
    value: str
    label: str
    is_on: bool = False


@dataclass(frozen=True)
class Chosen:
    """One document."""

    id: int
    name: str


def options(facets: Facets, ticked: Sequence[tuple[str, str]]) -> dict[str, list[Option]]:
    """What can be ticked, by kind; nothing where there is nothing to tell apart."""
    found = {
        "source": [(value, _SOURCES.get(value, value.capitalize())) for value, _ in facets.sources],
        "tag": [(value, value) for value, _ in facets.tags],
        "language": [(value, _LANGUAGES.get(value, value.capitalize())) for value, _ in facets.languages],
    }
    least = {"source": 2, "tag": 1, "language": 2}
    return {
        kind: [Option(kind, value, label, (kind, value) in ticked) for value, label in pairs]
        for kind, pairs in found.items()
        if len(pairs) >= least[kind]
    }


def as_filters(
    ticked: Sequence[tuple[str, str]], chosen: Sequence[Chosen], *, first_day: str, last_day: str
) -> Filters:
    """The same as a search wants it; both days belong to the period, in UTC."""

    def of(kind: str) -> tuple[str, ...]:
        return tuple(value for each, value in ticked if each == kind)

    last = _day(last_day)
    return Filters(
        document_ids=tuple(document.id for document in chosen),
        sources=of("source"),
        tags=of("tag"),
        languages=of("language"),
        added_from=_day(first_day),
        added_before=last + timedelta(days=1) if last and last.year < 9999 else None,
    )


def as_day(text: str) -> str:
    """A day as a date field writes it; nothing for anything else."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def filter_words(filters: Filters) -> str:
    """How a search is limited, for the line above its results."""
    has_period = filters.added_from or filters.added_before
    return listed([
        f"in {counted(len(filters.document_ids), 'document')}" if filters.document_ids else "",
        ", ".join(_SOURCES.get(source, source) for source in filters.sources),
        f"tagged {' or '.join(filters.tags)}" if filters.tags else "",
        ", ".join(_LANGUAGES.get(name, name.capitalize()) for name in filters.languages),
        "added in the period chosen" if has_period else "",
    ])  # fmt: skip


def _day(text: str) -> datetime | None:
    day = as_day(text)
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) if day else None
