"""A whole document as one text, and what lies where in it."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import takewhile

from rag_app.domain.documents import PAGE_SEPARATOR, ParsedDocument
from rag_app.rag.chunkers import _markdown
from rag_app.rag.chunkers._markdown import Block

HeadingPath = tuple[str, ...]

# Slides and sheets stand alone: what the last one was headed says nothing of the next.
_SEPARATE_PAGES = ("presentation", "sheet", "excel", "powerpoint")


@dataclass(frozen=True)
class Section:
    """A heading with what follows it, up to the next heading; the first may lack the heading."""

    start: int
    end: int
    path: HeadingPath
    has_body: bool


@dataclass(frozen=True)
class Layout:
    """Sorted positions in the joined text, so that every question about it is one binary search.

    `block_points` are good places to cut: where blocks start, but not between a heading and its text.
    `inner_points` are the next best: after sentences, and between lines of lists, code and tables.
    """

    text: str
    page_starts: Sequence[int]
    page_numbers: Sequence[int | None]
    blocks: Sequence[Block]
    block_starts: Sequence[int]
    sections: Sequence[Section]
    section_starts: Sequence[int]
    block_points: Sequence[int]
    inner_points: Sequence[int]
    all_points: Sequence[int]

    @classmethod
    def of(cls, document: ParsedDocument) -> "Layout":
        """Find the blocks and sections of a document that is not blank."""
        text = PAGE_SEPARATOR.join(page.text for page in document.pages)
        page_starts = _page_starts(document)
        pages = [
            list(_markdown.blocks(page.text, base=start))
            for page, start in zip(document.pages, page_starts, strict=True)
        ]
        blocks = [block for page in pages for block in page]
        separate = any(word in document.media_type for word in _SEPARATE_PAGES)
        sections = _sections(pages, end=len(text), separate_pages=separate)
        inner_points = array("q", (point for block in blocks for point in _markdown.cut_points(text, block)))
        block_starts = array("q", (block.start for block in blocks))
        return cls(
            text=text,
            page_starts=page_starts,
            page_numbers=[page.number for page in document.pages],
            blocks=blocks,
            block_starts=block_starts,
            sections=sections,
            section_starts=array("q", (section.start for section in sections)),
            block_points=array("q", _after_text(blocks)),
            inner_points=inner_points,
            all_points=array("q", merge(block_starts, inner_points)),
        )

    def page_number(self, at: int) -> int | None:
        """Number of the page a character is on."""
        return self.page_numbers[bisect_right(self.page_starts, at) - 1]

    def section_at(self, at: int) -> Section:
        """The section a character belongs to."""
        return self.sections[max(0, bisect_right(self.section_starts, at) - 1)]

    def path(self, start: int, end: int) -> HeadingPath:
        """Headings that lead to everything between two places, but for headings without text of their own."""
        first = max(0, bisect_right(self.section_starts, start) - 1)
        last = max(first + 1, bisect_left(self.section_starts, end))
        sections = self.sections[first:last]
        with_body = [section.path for section in sections if section.has_body]
        return _common(with_body or [section.path for section in sections])

    def blocks_between(self, start: int, end: int) -> Sequence[Block]:
        """Blocks of which some character lies in `[start, end)`."""
        first = max(0, bisect_right(self.block_starts, start) - 1)
        found = self.blocks[first : bisect_left(self.block_starts, end)]
        return [block for block in found if block.end > start]

    def table_around(self, at: int) -> Block | None:
        """The table among whose rows, not its header, a place is."""
        block = self.blocks[max(0, bisect_right(self.block_starts, at) - 1)]
        return block if block.kind == "table" and block.body <= at < block.end else None


def _common(paths: Sequence[HeadingPath]) -> HeadingPath:
    # In sorted order the first and the last differ the most.
    pairs = zip(min(paths), max(paths), strict=False)
    return tuple(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _page_starts(document: ParsedDocument) -> list[int]:
    starts, at = [], 0
    for page in document.pages:
        starts.append(at)
        at += len(page.text) + len(PAGE_SEPARATOR)
    return starts


def _after_text(blocks: Sequence[Block]) -> Iterable[int]:
    for before, block in zip([None, *blocks], blocks, strict=False):
        if before is None or before.kind != "heading":
            yield block.start


def _sections(pages: Iterable[Sequence[Block]], *, end: int, separate_pages: bool) -> list[Section]:
    """Open a section at every heading and, where pages stand alone, on every page."""
    opened: list[tuple[int, HeadingPath]] = []
    with_body: set[int] = set()
    headings: list[Block] = []
    for page in pages:
        if separate_pages:
            headings = []
        for at, block in enumerate(page):
            if block.kind == "heading":
                headings = [*(heading for heading in headings if heading.level < block.level), block]
            if block.kind == "heading" or not opened or (separate_pages and at == 0):
                opened.append((block.start, tuple(heading.title for heading in headings)))
            if block.kind != "heading":
                with_body.add(len(opened) - 1)
    ends = [start for start, _ in opened[1:]] + [end]
    return [
        Section(start, until, path, has_body=at in with_body)
        for at, ((start, path), until) in enumerate(zip(opened, ends, strict=True))
    ]
