"""Passages as a search shows them: what fits is marked, and every score is said in words."""

import re
from dataclasses import dataclass
from html import escape

from rag_app.domain.retrieval import MatchedTerm, Passage, Retrieval
from rag_app.rag.words import text_for_words
from rag_app.ui import routes
from rag_app.ui.chat.view import outside, page_words, readable, without_heading
from rag_app.ui.dashboard.semantic_search.reasons import (
    by_meaning_words,
    by_words_words,
    copies_words,
    fused_words,
    rerank_words,
    why,
)
from rag_app.ui.wording import counted

MIN_STEM = 4  # letters; shorter beginnings fit too many words
ENDING = 2  # letters of a word that its other forms may not share


@dataclass(frozen=True)
class TermView:
    """A word of the question that a passage has, and how much of its word score comes from it."""

    term: str
    note: str
    percent: int


@dataclass(frozen=True)
class FoundPassage:
    """One passage with what brought it up; the bars are percentages."""

    number: int
    document: str
    place: str
    html: str
    why: str
    likelihood: int
    meaning: str
    words: str
    fused: str
    rerank: str
    meaning_bar: int
    words_bar: int
    fused_bar: int
    rerank_bar: int
    terms: list[TermView]
    copies: str
    before: str
    after: str
    href: str
    url: str = ""


def found_passages(retrieval: Retrieval, query: str, *, kb_id: int) -> list[FoundPassage]:
    """The passages of a search, best first."""
    best_words = max((p.scores.bm25 or 0 for p in retrieval.passages), default=0)
    return [
        _found(number, passage, query, best_words=best_words, kb_id=kb_id)
        for number, passage in enumerate(retrieval.passages, start=1)
    ]


def left_out_words(n_below_threshold: int, threshold: float) -> str:
    """What the least score kept back; nothing if nothing."""
    if not n_below_threshold:
        return ""
    verb = "was" if n_below_threshold == 1 else "were"
    left_out = f"{counted(n_below_threshold, 'passage')} {verb} left out"
    return f"{left_out} for scoring under your least score of {threshold * 100:.0f} %."


def marked(text: str, query: str) -> str:
    """The text as HTML with the words of the query marked, roughly whatever their ending."""
    stems = _stems(query)
    if not stems:
        return escape(text)
    pieces, at = [], 0
    for match in re.finditer("|".join(stems), text, re.IGNORECASE):
        pieces += [escape(text[at : match.start()]), f"<mark>{escape(match.group())}</mark>"]
        at = match.end()
    return "".join([*pieces, escape(text[at:])])


def _found(number: int, passage: Passage, query: str, *, best_words: float, kb_id: int) -> FoundPassage:
    scores = passage.scores
    heading = passage.heading if passage.heading != passage.document_name else ""
    place = (page_words(passage.page, passage.page_last), heading)
    meant = " ".join([query, *(term.term for term in scores.matched)])  # also as it should be spelt
    return FoundPassage(
        number=number,
        document=passage.document_name,
        place=" · ".join(part for part in place if part),
        html=marked(without_heading(readable(passage.content), passage.heading), meant),
        why=why(passage, number),
        likelihood=_percent(passage.score),
        meaning=by_meaning_words(scores),
        words=by_words_words(scores),
        fused=fused_words(scores),
        rerank=rerank_words(scores),
        meaning_bar=_percent(scores.similarity or 0),
        words_bar=_percent((scores.bm25 or 0) / best_words) if best_words else 0,
        fused_bar=_percent(scores.fused),
        rerank_bar=_percent(scores.rerank or 0),
        terms=[_term(term) for term in sorted(scores.matched, key=lambda each: each.share, reverse=True)],
        copies=copies_words(passage.n_duplicates),
        before=readable(passage.before),
        after=readable(passage.after),
        href=routes.document(passage.document_id, kb_id=kb_id, found_chunk_id=passage.chunk_id),
        url=outside(passage.url),
    )


def _term(term: MatchedTerm) -> TermView:
    return TermView(
        term.term, f"you wrote “{term.corrected_from}”" if term.corrected_from else "", _percent(term.share)
    )


def _stems(query: str) -> list[str]:
    """Patterns for the query's words, longest first so that none hides another."""
    patterns = set()
    for word in re.findall(r"\w+", text_for_words(query)):
        if re.search("[\u0e00-\u1fff\u3040-\u9fff\uf900-\ufaff]", word):  # scripts without spaces
            patterns.add(re.escape(word))
        elif len(word) >= MIN_STEM:
            patterns.add(rf"\b{re.escape(word[: max(MIN_STEM, len(word) - ENDING)])}\w*")
        elif any(character.isdigit() for character in word):
            patterns.add(rf"\b{re.escape(word)}\b")
    return sorted(patterns, key=len, reverse=True)


def _percent(share: float) -> int:
    return round(min(max(share, 0), 1) * 100)
