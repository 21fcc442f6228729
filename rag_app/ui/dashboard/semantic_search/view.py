"""Passages as a search shows them: what fits is marked, and every score is said in words."""

import re
from dataclasses import dataclass
from html import escape

from rag_app.domain.retrieval import Passage, PassageScores, Retrieval
from rag_app.rag.words import text_for_words
from rag_app.ui.chat.view import page_words, readable, without_heading

MIN_STEM = 4  # letters; shorter beginnings fit too many words
ENDING = 2  # letters of a word that its other forms may not share


@dataclass(frozen=True)
class FoundPassage:
    """One passage with what brought it up; the bars are percentages."""

    number: int
    document: str
    place: str
    html: str
    meaning: str
    words: str
    fused: str
    meaning_bar: int
    words_bar: int
    fused_bar: int
    href: str


def found_passages(retrieval: Retrieval, query: str, *, kb_id: int) -> list[FoundPassage]:
    """The passages of a search, best first."""
    best_words = max((p.scores.bm25 or 0 for p in retrieval.passages), default=0)
    return [
        _found(number, passage, query, best_words=best_words, kb_id=kb_id)
        for number, passage in enumerate(retrieval.passages, start=1)
    ]


def timing_words(timings_ms: dict[str, float]) -> str:
    """What each stage took."""
    stages = [("embed", "understanding the question"), ("search", "searching"), ("total", "in all")]
    known = [(timings_ms[key], words) for key, words in stages if key in timings_ms]
    return " · ".join(f"{_ms(value)} {words}" for value, words in known)


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


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th …"""
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _found(number: int, passage: Passage, query: str, *, best_words: float, kb_id: int) -> FoundPassage:
    scores = passage.scores
    place = (page_words(passage.page, passage.page_last), passage.heading)
    return FoundPassage(
        number=number,
        document=passage.document_name,
        place=" · ".join(part for part in place if part),
        html=marked(without_heading(readable(passage.content), passage.heading), query),
        meaning=_meaning(scores),
        words=_words(scores),
        fused=f"fused {scores.fused:.2f}",
        meaning_bar=_percent(scores.similarity or 0),
        words_bar=_percent((scores.bm25 or 0) / best_words) if best_words else 0,
        fused_bar=_percent(scores.fused),
        href=f"/knowledge/document/{passage.document_id}?kb={kb_id}&chunk={passage.chunk_id}",
    )


def _meaning(scores: PassageScores) -> str:
    if scores.rank_by_meaning is None:
        return "not among the nearest by meaning"
    similarity = "" if scores.similarity is None else f" (similarity {scores.similarity:.2f})"
    return f"{ordinal(scores.rank_by_meaning)} by meaning{similarity}"


def _words(scores: PassageScores) -> str:
    if scores.rank_by_words is None:
        return "shares no word with the query"
    bm25 = "" if scores.bm25 is None else f" (BM25 {scores.bm25:.1f})"
    return f"{ordinal(scores.rank_by_words)} by words{bm25}"


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


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
