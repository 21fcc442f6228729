"""A document's text and chunks, a window of each at a time."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rag_app.domain.knowledge_bases import Document, PagePart, StoredChunk
from rag_app.domain.sizes import size
from rag_app.rag.parsers.contract import SUPPORTED
from rag_app.ui import routes
from rag_app.ui.chat.view import outside
from rag_app.ui.wording import ago, counted, listed

LANGUAGES = {
    "ar": "Arabic", "da": "Danish", "de": "German", "en": "English", "es": "Spanish", "fi": "Finnish",
    "fr": "French", "hu": "Hungarian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch",
    "no": "Norwegian", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish",
    "tr": "Turkish", "zh": "Chinese",
}  # fmt: skip

_HEADING = re.compile(r"#{1,6}\s+")


@dataclass(frozen=True)
class Head:
    """What a document is."""

    id: int = 0
    name: str = ""
    facts: str = ""
    note: str = ""
    problem: str = ""
    is_ready: bool = False
    original_href: str = ""
    url: str = ""
    documents_href: str = ""


@dataclass(frozen=True)
class Block:
    """Lines that are shown alike: "heading", "table" or "text".

    Where something of them was cited it is `quote`, and `before` and `after` are the rest of the text.
    """

    kind: str
    text: str
    before: str = ""
    quote: str = ""
    after: str = ""


@dataclass(frozen=True)
class TextPart:
    """A piece of the extracted text, under the number of its page."""

    key: str
    title: str
    blocks: list[Block]


@dataclass(frozen=True)
class ChunkView:
    """One chunk."""

    id: int
    title: str
    place: str
    tokens: str
    content: str
    blocks: list[Block]
    is_enabled: bool
    is_edited: bool
    is_wanted: bool


def head(document: Document) -> Head:
    """Say what a document is."""
    kind = SUPPORTED.get(document.name.rpartition(".")[2].lower(), "")
    facts = [
        kind,
        size(document.size_bytes),
        counted(document.n_pages, "page") if document.n_pages else "",
        counted(document.n_chunks, "chunk"),
        LANGUAGES.get(document.language[:2].lower(), "") if document.language else "",
        "text recognised in pictures" if document.used_ocr else "",
        f"added {ago(document.created_at)}",
        f"version {document.version}" if document.version > 1 else "",
    ]
    is_ready = document.ready_at is not None
    return Head(
        id=document.id,
        name=document.name,
        facts=listed(facts),
        note=_note(document),
        problem=_problem(document),
        is_ready=is_ready,
        original_href=routes.original(document.id, kb_id=document.kb_id),
        url=outside(document.url),
        documents_href=routes.documents_of(document.kb_id),
    )


def cited_note(document: Document, wishes: Mapping[str, str]) -> str:
    """What to say to somebody who followed a citation to text that is not there any more."""
    if not wishes.get("chunk"):
        return ""
    cited = wishes.get("version", "")
    if cited.isdigit() and int(cited) not in {0, document.version}:
        return (
            f"The answer you come from quoted version {int(cited)}; this is version {document.version}, so "
            "the passage may not stand here any more. The earlier file is under Versions."
        )
    return "This document was read again since it was cited, so the passage is not marked here."


def text_parts(parts: Sequence[PagePart]) -> list[TextPart]:
    """Show pieces of text; a page that is cut says where it goes on."""
    return [TextPart(f"{part.position}-{part.part}", _page_title(part), blocks(part.text)) for part in parts]


def blocks(markdown: str) -> list[Block]:
    """Lay extracted text out for reading: headings and tables by their marks, all else as it stands."""
    found: list[tuple[str, list[str]]] = []
    for line in markdown.strip().splitlines():
        kind = _kind(line)
        if found and found[-1][0] == kind != "heading":
            found[-1][1].append(line)
        else:
            found.append((kind, [line]))
    shown = [Block(kind, _readable(kind, "\n".join(lines))) for kind, lines in found]
    return [block for block in shown if block.text]


def as_span(text: str) -> tuple[int, int]:
    """Where a quote begins and ends, as an address has it; nowhere for anything else."""
    match = re.fullmatch(r"([0-9]{1,6})-([0-9]{1,6})", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def chunk_views(
    chunks: Sequence[StoredChunk], *, wanted: int = 0, quoted: tuple[int, int] = (0, 0)
) -> list[ChunkView]:
    """Show chunks, one of them as the one a link leads to, with what was quoted of it."""
    return [chunk_view(chunk, wanted=wanted, quoted=quoted) for chunk in chunks]


def chunk_view(chunk: StoredChunk, *, wanted: int = 0, quoted: tuple[int, int] = (0, 0)) -> ChunkView:
    """Show a chunk with where it stands."""
    quote = chunk.content[slice(*quoted)] if chunk.id == wanted else ""
    return ChunkView(
        id=chunk.id,
        title=f"Chunk {chunk.position + 1:,}",
        place=listed([_pages(chunk), chunk.heading]),
        tokens=counted(chunk.n_tokens, "token"),
        content=chunk.content,
        blocks=with_quote(blocks(chunk.content), quote),
        is_enabled=chunk.enabled,
        is_edited=chunk.edited,
        is_wanted=chunk.id == wanted,
    )


def with_quote(shown: Sequence[Block], quote: str) -> list[Block]:
    """The blocks with a quote from their text marked, also where it goes on in the next one."""
    parts = [block.text for block in blocks(quote)]
    return [_quoted(block, next((part for part in parts if part in block.text), "")) for block in shown]


def _quoted(block: Block, part: str) -> Block:
    if not part:
        return block
    before, _, after = block.text.partition(part)
    return replace(block, before=before, quote=part, after=after)


def _kind(line: str) -> str:
    if _HEADING.match(line):
        return "heading"
    return "table" if line.startswith("|") else "text"


def _readable(kind: str, text: str) -> str:
    if kind == "heading":
        text = _HEADING.sub("", text)
    return text.strip("\n") if kind == "table" else text.replace("**", "").strip()


def _note(document: Document) -> str:
    if document.ready_at is not None:
        return "" if document.status == "ready" else "It is being read again; this is its present text."
    if document.status == "failed":
        return "This document could not be read."
    if document.status == "cancelled":
        return "Reading this document was stopped, so there is nothing to show."
    return "This document is still being read. Its text appears here when it is ready."


def _problem(document: Document) -> str:
    reason, version = document.error_message or "", document.job.version if document.job else None
    if reason and version is not None and document.ready_at is not None and version != document.version:
        return f"Version {version} could not be read; version {document.version} is still used. {reason}"
    return reason


def _page_title(part: PagePart) -> str:
    if part.number is None:
        return "Text" if part.part == 0 and part.position == 0 else "Text, continued"
    return f"Page {part.number}" if part.part == 0 else f"Page {part.number}, continued"


def _pages(chunk: StoredChunk) -> str:
    if chunk.page_first is None:
        return ""
    if chunk.page_last in {None, chunk.page_first}:
        return f"Page {chunk.page_first}"
    return f"Pages {chunk.page_first}–{chunk.page_last}"
