"""Citations that can be trusted: a marker stands only for a passage that was really sent.

A model's text comes in pieces that may cut a marker in two, so up to a bracket is held back until it
is clear what it is. Brackets in code are code, not citations.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from rag_app.domain.conversations import Citation
from rag_app.domain.retrieval import Passage

MAX_HELD = 40  # no marker is longer, so nothing longer is held back
MAX_QUOTE = 400

# [3], [1, 2], [1][2] and the full-width 【3】 that some models write; also "[passage 3]".
_MARKER = re.compile(
    r"([ \t]{0,8})[\[【][ \t]*(?:passages?[ \t]*)?"
    r"(\d{1,3}(?:[ \t]*[,;][ \t]*(?:passages?[ \t]*)?\d{1,3})*)[ \t]*[\]】]",
    re.IGNORECASE,
)
# What may be the beginning of one, with the space before it: that goes with a marker that goes.
_BEGINNING = re.compile(rf"[ \t]{{0,8}}(?:[\[【][^\]】\n]{{0,{MAX_HELD}}})?$")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")


class CitationStream:
    """Lets text through with valid markers only, numbered as the passages were."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._valid = range(1, len(passages) + 1)
        self._held = ""
        self._in_fence = False
        self._in_code = False
        self.markers: list[int] = []

    def feed(self, text: str) -> str:
        """Take the next piece; returns what may be shown."""
        text = self._held + text
        beginning = _BEGINNING.search(text)
        assert beginning is not None  # it matches the empty end
        cut = beginning.start() if beginning.group() else len(text) - _open_ticks(text)
        self._held = text[cut:]
        return self._clean(text[:cut])

    def close(self) -> str:
        """What was still held back."""
        rest, self._held = self._held, ""
        return self._clean(rest)

    def _clean(self, text: str) -> str:
        out = []
        for piece in re.split(r"(```|~~~|`)", text):
            if piece in {"```", "~~~"}:
                self._in_fence = not self._in_fence
                self._in_code = False
            elif piece == "`" and not self._in_fence:
                self._in_code = not self._in_code
            elif not self._in_fence:
                piece = self._outside_code(piece)  # noqa: PLW2901
            out.append(piece)
        return "".join(out)

    def _outside_code(self, text: str) -> str:
        code = ""
        if self._in_code:  # until its line ends: a lost backtick must not let all that follows through
            code, line_end, text = text.partition("\n")
            code, self._in_code = code + line_end, not line_end
        return code + _MARKER.sub(self._checked, text)

    def _checked(self, match: re.Match[str]) -> str:
        numbers = [int(n) for n in re.findall(r"\d+", match.group(2))]
        valid = [n for n in dict.fromkeys(numbers) if n in self._valid]
        self.markers.extend(n for n in valid if n not in self.markers)
        return match.group(1) + "".join(f"[{n}]" for n in valid) if valid else ""


def _open_ticks(text: str) -> int:
    """How many backticks or tildes the text ends in: they may be the beginning of a fence."""
    return min(len(text) - len(text.rstrip("`~")), MAX_HELD)


def without_markers(answer: str) -> str:
    """An answer as text of its own, without the numbers of passages that nobody sees beside it."""
    stream = CitationStream(())
    return stream.feed(answer) + stream.close()


def citations(answer: str, markers: Iterable[int], passages: Mapping[int, Passage]) -> tuple[Citation, ...]:
    """What each marker of an answer stands for, with the part of the passage that supports it."""
    return tuple(
        Citation(
            marker=marker,
            chunk_id=passages[marker].chunk_id,
            document_id=passages[marker].document_id,
            document_name=passages[marker].document_name,
            page=passages[marker].page,
            quote=_quote(_said_with(answer, marker), passages[marker].content),
            heading=passages[marker].heading,
            document_version=passages[marker].document_version,
            url=passages[marker].url,
        )
        for marker in sorted(markers)
    )


def _said_with(answer: str, marker: int) -> str:
    """The sentences of the answer that carry a marker."""
    sentences = [s for s in split_sentences(answer) if f"[{marker}]" in s]
    return " ".join(sentences) or answer


def split_sentences(text: str) -> list[str]:
    """Sentences and lines, without empty ones; a marker after the full stop stays with its sentence."""
    text = re.sub(r"([.!?。！？])((?:\s*\[\d{1,3}\])+)", r"\2\1", text)
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 2 or word.isdigit()}


def _quote(statement: str, content: str) -> str:
    """The sentence of a passage that shares most with a statement; always the passage's own text."""
    wanted = _words(re.sub(r"\[\d{1,3}\]", "", statement))
    sentences = [s for s in _SENTENCE_END.split(content) if s.strip()]
    if not sentences:
        return content[:MAX_QUOTE]
    best = max(sentences, key=lambda s: (len(wanted & _words(s)), -abs(len(s) - len(statement))))
    return best.strip()[:MAX_QUOTE]


def support(statement: str, passage_texts: Sequence[str]) -> float:
    """Share of a statement's words that its passages have, 0 to 1."""
    wanted = _words(re.sub(r"\[\d{1,3}\]", "", statement))
    if not wanted:
        return 1.0
    have = set().union(*(_words(text) for text in passage_texts)) if passage_texts else set()
    return len(wanted & have) / len(wanted)
