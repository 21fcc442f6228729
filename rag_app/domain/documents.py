"""A file on its way from bytes to chunks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """One page, slide or sheet as Markdown; `number` counts from 1, None where the format has no pages."""

    number: int | None
    text: str


@dataclass(frozen=True)
class ParsedDocument:
    """What a parser read: text by page, never empty as a whole."""

    pages: tuple[Page, ...]
    media_type: str
    title: str | None = None
    used_ocr: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def n_pages(self) -> int:
        """How many numbered pages there are; 0 where the format has none."""
        return sum(1 for page in self.pages if page.number is not None)


@dataclass(frozen=True)
class ChunkDraft:
    """A slice of a document, not stored yet.

    `content` is what is shown and quoted; `heading_path` leads to it. `char_start` and `char_end`
    count characters in the texts of all pages joined by `"\n\n"`, so that a passage can be highlighted.
    """

    content: str
    heading_path: tuple[str, ...]
    page_first: int | None
    page_last: int | None
    char_start: int
    char_end: int
    n_tokens: int

    @property
    def text_to_embed(self) -> str:
        """The content with the headings that lead to it, which say what it is about."""
        heading = " › ".join(self.heading_path)
        return f"{heading}\n{self.content}" if heading else self.content


PAGE_SEPARATOR = "\n\n"
MARKDOWN = "text/markdown"
