"""Why a passage was found, in words that need no knowledge of search engines."""

from collections.abc import Sequence

from rag_app.domain.retrieval import MatchedTerm, Passage, PassageScores
from rag_app.ui.wording import counted

MOST_NAMED = 4  # words; more would be a list rather than a reason


def why(passage: Passage, place: int) -> str:
    """One sentence: the words it has, how near its meaning is, and what reading it again changed.

    Args:
        place: the passage's in the list, from 1.
    """
    scores = passage.scores
    by_words, by_meaning = _by_words(scores), _by_meaning(scores)
    if by_words and by_meaning:
        found = f"Found because {by_words} and {by_meaning}"
    elif by_words:
        found = f"Found by its words alone: {by_words}; its meaning is not among the nearest"
    elif by_meaning:
        found = f"Found by its meaning alone: it shares no telling word with your question, but {by_meaning}"
    else:
        found = "Found by another way of asking your question"
    return f"{found}{_after_reading(scores, place)}."


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th …"""
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def by_meaning_words(scores: PassageScores) -> str:
    """The place by meaning, with the number behind it."""
    if scores.rank_by_meaning is None:
        return "not among the nearest by meaning"
    similarity = "" if scores.similarity is None else f" (similarity {scores.similarity:.2f})"
    return f"{ordinal(scores.rank_by_meaning)} by meaning{similarity}"


def by_words_words(scores: PassageScores) -> str:
    """The place by words, with the number behind it."""
    if scores.rank_by_words is None:
        return "shares no word with the query"
    bm25 = "" if scores.bm25 is None else f" (BM25 {scores.bm25:.1f})"
    return f"{ordinal(scores.rank_by_words)} by words{bm25}"


def fused_words(scores: PassageScores) -> str:
    """Both together, before anything was read again."""
    place = f"{ordinal(scores.rank_fused)} by both together" if scores.rank_fused else "both together"
    return f"{place} (fused {scores.fused:.2f})"


def rerank_words(scores: PassageScores) -> str:
    """What reading it again said."""
    if scores.rerank is None:
        return "not read a second time"
    return f"read a second time (rerank {scores.rerank:.2f})"


def copies_words(n_duplicates: int) -> str:
    """How many passages gave way to this one; nothing for none."""
    if not n_duplicates:
        return ""
    verb = "says" if n_duplicates == 1 else "say"
    was = "was" if n_duplicates == 1 else "were"
    return f"{counted(n_duplicates, 'passage')} that {verb} the same {was} left out."


def in_words(words: Sequence[str]) -> str:
    """A list as one says it: a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _by_words(scores: PassageScores) -> str:
    if scores.matched:
        return _its_words(scores.matched)
    if scores.rank_by_words is None:
        return ""
    return f"its words fit {_superlative(scores.rank_by_words, 'best')}"


def _its_words(matched: Sequence[MatchedTerm]) -> str:
    best = sorted(matched, key=lambda each: each.share, reverse=True)
    named = [_named(each) for each in best[:MOST_NAMED]]
    n_more = len(best) - len(named)
    if n_more:
        return f"it has {counted(len(best), 'word')} of yours ({', '.join(named)} and {n_more} more)"
    return f"it has your {'word' if len(named) == 1 else 'words'} {in_words(named)}"


def _named(term: MatchedTerm) -> str:
    return f"“{term.term}” (you wrote “{term.corrected_from}”)" if term.corrected_from else f"“{term.term}”"


def _by_meaning(scores: PassageScores) -> str:
    if scores.rank_by_meaning is None:
        return ""
    return f"its meaning is the {_superlative(scores.rank_by_meaning, 'nearest')}"


def _superlative(rank: int, most: str) -> str:
    return most if rank == 1 else f"{ordinal(rank)} {most}"


def _after_reading(scores: PassageScores, place: int) -> str:
    before = scores.rank_fused
    if scores.rerank is None or not before:
        return ""
    if before == place:
        return "; reading it again left it where it was"
    direction = "up" if place < before else "down"
    return f"; reading it again moved it {direction} from {ordinal(before)} to {ordinal(place)}"
