"""Groups of unanswered questions as cards."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rag_app.domain.unanswered import QuestionGroup, Reason, UnansweredQuestion
from rag_app.rag.faq import normalised
from rag_app.ui import routes
from rag_app.ui.wording import ago, counted, listed

MOST_GROUPS = 100
MOST_EXAMPLES = 4
MAX_SHOWN = 200

_REASONS: dict[Reason, tuple[str, str]] = {
    "refused": ("Not in the documents", "neutral"),
    "disliked": ("Thumb down", "warn"),
    "uncited": ("No source", "neutral"),
}


@dataclass(frozen=True)
class ExampleView:
    """One wording, and the conversation in which it was asked."""

    question: str
    href: str
    facts: str


@dataclass(frozen=True)
class ReasonView:
    """Why a group is here."""

    text: str
    tone: str


@dataclass(frozen=True)
class GroupView:
    """One group; `id` is the answer that its newest question got, `href` leads to where it was asked.

    `examples` are empty where all asked in the same words.
    """

    id: int
    question: str
    facts: str
    href: str
    reasons: list[ReasonView]
    examples: list[ExampleView]


def group_views(groups: Iterable[QuestionGroup], *, now: datetime | None = None) -> list[GroupView]:
    """Show groups."""
    return [_group(one, now=now) for one in groups]


def _group(group: QuestionGroup, *, now: datetime | None) -> GroupView:
    asked = group.questions
    times = "once" if len(asked) == 1 else counted(len(asked), "time")
    wordings = _wordings(asked)[:MOST_EXAMPLES]
    return GroupView(
        id=asked[0].message_id,
        question=_shortened(group.question),
        facts=listed([f"Asked {times}", f"last {ago(asked[0].asked_at, now=now)}"]),
        href=routes.conversation(asked[0].conversation_id),
        reasons=_reasons(asked),
        examples=[_example(one, now=now) for one in wordings] if len(wordings) > 1 else [],
    )


def _reasons(asked: Sequence[UnansweredQuestion]) -> list[ReasonView]:
    used = Counter(one.reason for one in asked)
    shown = [(reason, *_REASONS[reason]) for reason in _REASONS if used[reason]]
    are_mixed = len(shown) > 1
    return [ReasonView(f"{text} · {used[one]:,}" if are_mixed else text, tone) for one, text, tone in shown]


def _wordings(asked: Sequence[UnansweredQuestion]) -> list[UnansweredQuestion]:
    """The newest of each wording."""
    newest: dict[str, UnansweredQuestion] = {}
    for one in asked:
        newest.setdefault(normalised(one.question), one)
    return list(newest.values())


def _example(one: UnansweredQuestion, *, now: datetime | None) -> ExampleView:
    who = "you, in the preview" if one.is_preview else "a visitor"
    return ExampleView(
        _shortened(one.question),
        routes.conversation(one.conversation_id),
        f"{who}, {ago(one.asked_at, now=now)}",
    )


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN].rstrip()} …"
