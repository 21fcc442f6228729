"""Cut a document into chunks that fit the embedding model and can be shown as they stand.

    pages ── layout ── groups ───────────── cuts ─────────────── drafts
              blocks,   a section or, where  after blocks, else
              sections  tiny, a few of them  sentences or lines,
                                             else words, else tokens

The text is tokenised once; after that every decision is a search in sorted positions, so that time grows with
the length of the text alone. Each draft is then counted as the model will see it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rag_app.domain.documents import ChunkDraft, ParsedDocument
from rag_app.rag.chunkers._layout import HeadingPath, Layout, Section
from rag_app.rag.chunkers._markdown import Block
from rag_app.rag.chunkers._tokens import TokenIndex, TokenOffsets

_SLACK_TOKENS = 2  # a slice may be tokenised a little differently at its ends
_MAX_CHARS_PER_TOKEN = 12  # some tokenisers make one token of a thousand letters
# Parts of a chunk: below a sixteenth a section is a scrap, below a third it is small.
_SCRAP, _SMALL, _HALF = 16, 3, 2
_EXTRA = 3  # headings, and a table's header, may each take a third


def chunk(
    document: ParsedDocument,
    *,
    token_offsets: TokenOffsets,
    max_tokens: int = 256,
    overlap_tokens: int = 32,
) -> list[ChunkDraft]:
    """Cut a document into chunks, in reading order.

    Args:
        document: pages of Markdown.
        token_offsets: cuts a text as the embedding model does.
        max_tokens: at least 16; no draft's `text_to_embed` has more.
        overlap_tokens: whole sentences up to this size are repeated where one section is cut in two.

    Returns:
        Drafts that together hold every visible character. `content` is the text from `char_start` to
        `char_end`; in later parts of a table, the table's header stands before it.
    """
    if not any(page.text.strip() for page in document.pages):
        return []
    layout = Layout.of(document)
    tokens = TokenIndex.of(layout.text, token_offsets)
    return list(_Cutter(layout, tokens, token_offsets, max_tokens, overlap_tokens).drafts())


@dataclass(frozen=True)
class _Cutter:
    """Decides where one document is cut; positions count characters of the joined text."""

    layout: Layout
    tokens: TokenIndex
    token_offsets: TokenOffsets
    max_tokens: int
    overlap_tokens: int
    _fitting: dict[HeadingPath, tuple[HeadingPath, int]] = field(default_factory=dict)

    def drafts(self) -> Iterator[ChunkDraft]:
        """Cut every group of sections from its start to its end."""
        for group in self._groups():
            yield from self._cut_up(group[0].start, group[-1].end)

    def _groups(self) -> Iterator[list[Section]]:
        """Join sections too small to be found or understood alone to the next one."""
        group: list[Section] = []
        for section in self.layout.sections:
            if group and not self._joins(group, section):
                yield group
                group = []
            group.append(section)
        yield group

    def _joins(self, group: Sequence[Section], following: Section) -> bool:
        n_tokens = self.tokens.count(group[0].start, group[-1].end)
        if n_tokens < self.max_tokens // _SCRAP:
            return True
        if n_tokens < self.max_tokens // _HALF and not any(section.has_body for section in group):
            return True
        together = n_tokens + self.tokens.count(following.start, following.end)
        same_top = group[-1].path[:1] == following.path[:1]
        return (
            same_top
            and n_tokens < self.max_tokens // _SMALL
            and together <= self._room(group[0].start)  # else it would only be cut elsewhere
        )

    def _cut_up(self, start: int, end: int) -> Iterator[ChunkDraft]:
        done = start
        while done < end:
            draft, cut = self._next(start, done, end)
            if draft.content:
                yield draft
            start, done = self._resume(start, cut), cut

    def _next(self, start: int, done: int, end: int) -> tuple[ChunkDraft, int]:
        """Take as much as fits; from `start`, or from `done` if repeating what is between leaves no room."""
        draft, cut = self._take(start, end)
        return (draft, cut) if cut > done else self._take(done, end)

    def _take(self, start: int, end: int) -> tuple[ChunkDraft, int]:
        room = self._room(start)
        while True:
            cut = self._cut(start, end, room)
            draft = self._draft(start, cut)
            if draft.n_tokens <= self.max_tokens or room == 1:
                return draft, cut
            room = max(1, room * 3 // 4)

    def _cut(self, start: int, end: int, room: int) -> int:
        """Return the best place to cut, after `start` and no further than `room` tokens."""
        limit = min(end, start + room * _MAX_CHARS_PER_TOKEN)
        limit = max(start + 1, self.tokens.advance(start, room, end=limit))
        if limit >= end:
            return end
        half, quarter = start + (limit - start) // 2, start + (limit - start) // 4
        for points, beyond in ((self.layout.block_points, half), (self.layout.inner_points, quarter)):
            at = bisect_right(points, limit) - 1
            if at >= 0 and points[at] > beyond:
                return points[at]
        text = self.layout.text
        blank = max(text.rfind("\n", half, limit), text.rfind(" ", start + 1, limit))
        return blank + 1 if blank > start else limit

    def _resume(self, start: int, cut: int) -> int:
        """Return where the next chunk starts: at the cut, or whole sentences before it."""
        section = self.layout.section_at(cut)
        repeated = self.tokens.advance(cut, -self.overlap_tokens, end=cut)
        while repeated > start and self.layout.text[repeated - 1].isspace():
            repeated -= 1  # a sentence may be cut before the space in front of it
        # At most half again: a tokeniser that makes one token of a long word would have us repeat it all.
        earliest = max(start + (cut - start + 1) // 2, section.start, repeated)
        points = self.layout.all_points
        at = bisect_left(points, earliest)
        if at == len(points) or points[at] >= cut:
            return cut
        is_prose = all(block.kind == "text" for block in self.layout.blocks_between(points[at], cut))
        return points[at] if is_prose else cut

    def _room(self, start: int) -> int:
        """Tokens left for text from `start` on, beside its headings and a repeated table header."""
        _, path_tokens = self._fit(self.layout.section_at(start).path)
        table = self._continued_table(start)
        header = self.tokens.count(table.start, table.body) + 1 if table else 0
        return max(1, self.max_tokens - path_tokens - header - _SLACK_TOKENS)

    def _continued_table(self, start: int) -> Block | None:
        """The table that goes on at `start`, if its header is worth repeating."""
        table = self.layout.table_around(start)
        if table is None or self.tokens.count(table.start, table.body) > self.max_tokens // _EXTRA:
            return None
        return table

    def _draft(self, start: int, cut: int) -> ChunkDraft:
        text = self.layout.text[start:cut]
        start += len(text) - len(text.lstrip())
        text = text.strip()
        table = self._continued_table(start) if text else None
        header = self.layout.text[table.start : table.body] if table else ""
        draft = ChunkDraft(
            content=header + text,
            heading_path=self._fit(self.layout.path(start, start + max(1, len(text))))[0],
            page_first=self.layout.page_number(start),
            page_last=self.layout.page_number(start + max(0, len(text) - 1)),
            char_start=start,
            char_end=start + len(text),
            n_tokens=0,
        )
        return replace(draft, n_tokens=len(self.token_offsets(draft.text_to_embed))) if text else draft

    def _fit(self, path: HeadingPath) -> tuple[HeadingPath, int]:
        """Drop outer headings until the rest takes no more than its share; return it with its tokens."""
        if path not in self._fitting:
            fitting = path
            while (n_tokens := self._path_tokens(fitting)) > self.max_tokens // _EXTRA:
                fitting = fitting[1:]
            self._fitting[path] = fitting, n_tokens
        return self._fitting[path]

    def _path_tokens(self, path: HeadingPath) -> int:
        empty = ChunkDraft("", path, None, None, char_start=0, char_end=0, n_tokens=0)
        return len(self.token_offsets(empty.text_to_embed)) if path else 0
