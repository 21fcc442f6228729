"""Where Markdown's blocks begin and end; nothing is rendered and no character is changed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

MAX_HEADING_CHARS = 200
_SENTENCE_WORDS = 8  # a "heading" of so many words that ends like a sentence is one

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)$")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_LIST_ITEM = re.compile(r"\s*([-*+•]|\d{1,3}[.)])\s")
_RULE_CELL = re.compile(r"\s*:?-+:?\s*")
_NEWLINE = re.compile("\n")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|[*`])(?=\S)(.+?)(?<=\S)\1")
# Ends of sentences in many scripts; not after a list's number or a person's initial. A run of dots is looked
# at once, from its first, or a page of them would take quadratic time.
_SENTENCE_END = re.compile(
    r"(?<!\n\d)(?<!\n\d\d)(?<!\s[A-Z])(?<![.!?…؟۔।])[.!?…؟۔।]++[\"'”’»)\]]*+(?=\s)|[。！？｡]+[」』”’）]*"
)

Kind = Literal["heading", "text", "lines", "table"]


@dataclass(frozen=True)
class Block:
    """A stretch of characters; `level` and `title` say something of headings only.

    `lines` are lists and code: like tables, they are best cut between lines. `body` is where a table's rows
    begin, after its header.
    """

    kind: Kind
    start: int
    end: int
    level: int = 0
    title: str = ""
    body: int = 0


@dataclass(frozen=True)
class _Line:
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_blank(self) -> bool:
        return not self.text.strip()


def blocks(text: str, *, base: int) -> Iterator[Block]:
    """Yield the blocks of one page in order; offsets count from `base`."""
    lines = _lines(text, base)
    at = 0
    while at < len(lines):
        if lines[at].is_blank:
            at += 1
            continue
        block, at = _heading(lines, at) or _fence(lines, at) or _table(lines, at) or _paragraph(lines, at)
        yield block


def cut_points(text: str, block: Block) -> Iterator[int]:
    """Yield the places in a block, in order, after which it is best cut: ends of sentences or lines."""
    if block.kind in {"lines", "table"}:
        for match in _NEWLINE.finditer(text, block.start, block.end):
            if match.end() > block.body:  # a table's header stays in one piece, with its first row
                yield match.end()
    elif block.kind == "text":
        for match in _SENTENCE_END.finditer(text, block.start, block.end):
            yield match.end()


def _lines(text: str, base: int) -> list[_Line]:
    lines = []
    for line in text.split("\n"):
        lines.append(_Line(line, base))
        base += len(line) + 1
    return lines


def _heading(lines: list[_Line], at: int) -> tuple[Block, int] | None:
    line = lines[at]
    match = _HEADING.match(line.text) if len(line.text) <= 2 * MAX_HEADING_CHARS else None
    if match is None:
        return None
    title = _title(match[2])
    if not _is_heading(title):
        return None
    return Block("heading", line.start, line.end, level=len(match[1]), title=title), at + 1


def _title(markdown: str) -> str:
    text = _LINK.sub(r"\1", markdown.strip().rstrip("#"))
    return " ".join(_EMPHASIS.sub(r"\2", text).split())


def _is_heading(title: str) -> bool:
    """Tell headings from the bold lines, sentences and numbers that PDF readers take for them."""
    is_sentence = title.endswith((".", ",", ";", "。")) and len(title.split()) >= _SENTENCE_WORDS
    return len(title) <= MAX_HEADING_CHARS and any(map(str.isalpha, title)) and not is_sentence


def _fence(lines: list[_Line], at: int) -> tuple[Block, int] | None:
    opening = _FENCE.match(lines[at].text)
    if opening is None:
        return None
    after = at + 1
    while after < len(lines):
        after += 1
        if lines[after - 1].text.strip().startswith(opening[1]):
            break
    return Block("lines", lines[at].start, lines[after - 1].end), after


def _table(lines: list[_Line], at: int) -> tuple[Block, int] | None:
    if "|" not in lines[at].text or at + 1 >= len(lines):
        return None
    if "|" not in lines[at + 1].text or not _is_rule(lines[at + 1].text):
        return None
    after = at + 2
    while after < len(lines) and "|" in lines[after].text:
        after += 1
    end = lines[after - 1].end
    body = lines[at + 2].start if after > at + 2 else end
    return Block("table", lines[at].start, end, body=body), after


def _is_rule(line: str) -> bool:
    return all(_RULE_CELL.fullmatch(cell) for cell in line.strip().strip("|").split("|"))


def _paragraph(lines: list[_Line], at: int) -> tuple[Block, int]:
    is_list = bool(_LIST_ITEM.match(lines[at].text))
    after = at + 1
    while after < len(lines) and not _starts_block(lines, after, in_list=is_list):
        after += 1
    return Block("lines" if is_list else "text", lines[at].start, lines[after - 1].end), after


def _starts_block(lines: list[_Line], at: int, *, in_list: bool) -> bool:
    line = lines[at]
    if line.is_blank or _FENCE.match(line.text) or _heading(lines, at) or _table(lines, at):
        return True
    return not in_list and bool(_LIST_ITEM.match(line.text))
