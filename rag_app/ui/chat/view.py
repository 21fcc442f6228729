"""What a chat shows: turns, the answer that is being made, the passage behind a citation."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rag_app.domain.conversations import (
    AnswerEvent,
    Broken,
    Citation,
    Conversation,
    Delta,
    Message,
    Retrieved,
    Rewritten,
)
from rag_app.rag.llms import local
from rag_app.services.sharing import CitedPassage
from rag_app.ui import routes
from rag_app.ui.chat.rendering import answer_html

BUILT_IN = {known.id for known in local.MODELS}  # names that mean something to programs only
AROUND = 600  # characters shown before and after a passage

UNANSWERED = "This question was not answered."
FOR_VISITORS = "This question could not be answered just now. Please try again later."


@dataclass(frozen=True)
class SourceView:
    """One line of the list under an answer."""

    marker: int
    name: str
    place: str
    url: str = ""


@dataclass(frozen=True)
class Turn:
    """A question with its answer; `answer_id` is 0 when none was stored.

    `faq_entry_id` is the entry that gave the answer or was made from it, for an owner to go to.
    """

    question_id: int
    question: str
    answer_id: int = 0
    html: str = ""
    text: str = ""
    sources: list[SourceView] = field(default_factory=list)
    state: str = "complete"
    reason: str = ""
    feedback: int = 0
    facts: str = ""
    asked_at: str = ""
    faq_entry_id: int = 0


@dataclass(frozen=True)
class PastConversation:
    """One line of the list of earlier conversations."""

    id: int
    title: str


@dataclass(frozen=True)
class PassageView:
    """The passage behind a citation; the quote stands between `head` and `tail`."""

    marker: int = 0
    document: str = ""
    place: str = ""
    heading: str = ""
    before: str = ""
    head: str = ""
    quote: str = ""
    tail: str = ""
    after: str = ""
    href: str = ""
    note: str = ""
    url: str = ""


@dataclass(frozen=True)
class Growing:
    """An answer in the making."""

    phase: str
    searched: str = ""
    text: str = ""
    labels: dict[int, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def html(self) -> str:
        """What has come so far."""
        return answer_html(self.text, self.labels, is_partial=True) if self.text else ""


SEARCHING = Growing("Searching the documents…")


def grown(answer: Growing, events: Iterable[AnswerEvent]) -> Growing:
    """The answer after some more events."""
    for event in events:
        match event:
            case Rewritten(question):
                answer = replace(answer, searched=question)
            case Retrieved(passages):
                labels = {
                    n: _place(p.document_name, page_words(p.page, p.page_last))
                    for n, p in enumerate(passages, start=1)
                }
                answer = replace(answer, phase=_reading(len(passages)), labels=labels)
            case Delta(text):
                answer = replace(answer, text=answer.text + text)
            case Broken(reason):
                answer = replace(answer, reason=reason)
            case _:
                pass
    return answer


def turns(messages: Sequence[Message], *, for_owner: bool, reason: str = "") -> list[Turn]:
    """Messages as turns, oldest first.

    Args:
        for_owner: failures are told in full; a visitor cannot mend a wrong key and need not know of it.
        reason: why the last question has no stored answer.
    """
    found: list[Turn] = []
    for message in messages:
        if message.sender == "user":
            found.append(Turn(message.id, message.content, state="failed", asked_at=_time(message)))
        elif found and not found[-1].answer_id:
            found[-1] = _answered(found[-1], message, for_owner=for_owner)
    if found and not found[-1].answer_id:
        found[-1] = replace(found[-1], reason=(reason if for_owner else "") or UNANSWERED)
    return found


def rated(all_turns: Sequence[Turn], answer_id: int, feedback: int) -> list[Turn]:
    """The turns after an answer was rated."""
    return [replace(t, feedback=feedback) if t.answer_id == answer_id else t for t in all_turns]


def past_conversations(found: Iterable[Conversation]) -> list[PastConversation]:
    """Earlier conversations by their first question."""
    return [PastConversation(c.id, _shortened(c.title) or "Conversation") for c in found]


def passage_view(passage: CitedPassage, *, kb_id: int | None = None) -> PassageView:
    """A cited passage with its quote cut out; `kb_id` lets its owner go on to the document."""
    citation, heading = passage.citation, passage.heading
    at = passage.content.find(citation.quote) if citation.quote else -1
    end = at + len(citation.quote)
    is_found = at >= 0
    href = routes.document(
        citation.document_id,
        kb_id=kb_id or 0,
        chunk_id=passage.chunk_id or citation.chunk_id,
        quoted=(at, end) if is_found and not passage.is_outdated else None,
        version=citation.document_version if passage.is_outdated else 0,
    )
    return PassageView(
        marker=citation.marker,
        document=citation.document_name,
        place=page_words(citation.page, passage.page_last),
        heading=heading,
        before=_ending(readable(passage.before)),
        head=without_heading(readable(passage.content[:at] if is_found else passage.content), heading),
        quote=readable(citation.quote) if is_found else "",
        tail=readable(passage.content[end:]) if is_found else "",
        after=_beginning(readable(passage.after)),
        href=href if kb_id is not None else "",
        note=_outdated(passage) if passage.is_outdated else "",
        url=outside(citation.url),
    )


def _outdated(passage: CitedPassage) -> str:
    """Why only the quote is shown."""
    cited = passage.citation.document_version
    if cited and cited != passage.version:
        now = f"the document is now at version {passage.version}"
        return f"From version {cited}; {now}. This is what was quoted."
    return "The document was read again since. This is what was quoted."


def readable(text: str) -> str:
    """A passage without the signs that make headings and bold words of Markdown."""
    return re.sub(r"^#{1,6} +|\*\*(?=\S)|(?<=\S)\*\*", "", text, flags=re.MULTILINE)


def without_heading(text: str, heading: str) -> str:
    """The text without its first line, where that only repeats the heading shown above it."""
    first, _, rest = text.lstrip().partition("\n")
    is_repeated = first.strip() and heading.endswith(first.strip())
    return rest.lstrip("\n") if is_repeated else text


def outside(url: str) -> str:
    """An address that a link may lead to, empty for any other."""
    return url if url.startswith(("https://", "http://")) else ""


def page_words(first: int | None, last: int | None = None) -> str:
    """Pages as people say them; nothing for formats without pages."""
    if first is None:
        return ""
    return f"pages {first}–{last}" if last is not None and last > first else f"page {first}"


def grounding_words(details: dict[str, Any]) -> str:
    """How much of an answer its sources support; nothing for answers without sentences."""
    grounding = details.get("grounding") or {}
    total, supported = grounding.get("n_sentences", 0), grounding.get("n_supported", 0)
    if not total:
        return ""
    sentences = "sentence" if total == 1 else "sentences"
    return f"{supported} of {total} {sentences} supported by sources"


def model_words(details: dict[str, Any], *, for_owner: bool) -> str:
    """Who answered; an owner is also told why it was not the model they chose."""
    if details.get("curated"):
        return "curated answer from the FAQ"
    model = str(details.get("model") or "")
    label = "built-in model" if model in BUILT_IN else str(details.get("model_label") or model)
    instead_of = details.get("instead_of") or {}
    if not for_owner or not instead_of:
        return label
    by = "the built-in model" if model in BUILT_IN else label
    return f"Answered by {by}, because {instead_of.get('words', '')}"


def _answered(turn: Turn, message: Message, *, for_owner: bool) -> Turn:
    labels = {c.marker: _place(c.document_name, page_words(c.page)) for c in message.citations}
    details = message.metadata
    is_complete = message.status == "complete"
    is_written = is_complete and not details.get("curated")  # what the owner wrote needs no support
    grounding = grounding_words(details) if message.citations and is_written else ""
    stood_in = bool(details.get("instead_of"))
    facts = [grounding, model_words(details, for_owner=for_owner) if is_complete or stood_in else ""]
    return replace(
        turn,
        answer_id=message.id,
        html=answer_html(message.content, labels),
        text=message.content,
        sources=[_source(citation) for citation in message.citations],
        state=message.status,
        reason="" if is_complete else _reason(message, for_owner=for_owner),
        feedback=message.feedback or 0,
        facts=" · ".join(part for part in facts if part),
        faq_entry_id=_entry_of(message) if for_owner else 0,
    )


def _entry_of(message: Message) -> int:
    curated = message.metadata.get("curated") or {}
    return message.faq_entry_id or int(curated.get("entry_id") or 0)


def _reason(message: Message, *, for_owner: bool) -> str:
    if message.status == "failed" and not for_owner:
        return FOR_VISITORS
    return str(message.metadata.get("reason") or "")


def _source(citation: Citation) -> SourceView:
    heading = citation.heading if citation.heading != citation.document_name else ""
    place = " · ".join(part for part in (page_words(citation.page), heading) if part)
    return SourceView(citation.marker, citation.document_name, place, outside(citation.url))


def _place(name: str, page: str) -> str:
    return f"{name}, {page}" if page else name


def _reading(n_passages: int) -> str:
    if not n_passages:
        return "Found no fitting passage…"
    return "Reading 1 passage…" if n_passages == 1 else f"Reading {n_passages} passages…"


def _time(message: Message) -> str:
    return message.created_at.isoformat()


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59].rstrip()}…"


def _ending(text: str) -> str:
    return text if len(text) <= AROUND else "… " + re.sub(r"^\S*\s", "", text[-AROUND:])


def _beginning(text: str) -> str:
    return text if len(text) <= AROUND else re.sub(r"\s\S*$", "", text[:AROUND]) + " …"
