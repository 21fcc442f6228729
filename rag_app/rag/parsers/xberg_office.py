"""Office files, e-books, mail and web pages, read by xberg."""

import asyncio
import html
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_app.domain.documents import Page, ParsedDocument
from rag_app.errors import PermanentError
from rag_app.rag.parsers import _archives, _charset, _sniffing
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.parsers.xml_text import ENTITIES

if TYPE_CHECKING:
    import xberg

MEDIA_TYPES = frozenset(
    {
        _sniffing.DOCX,
        _sniffing.PPTX,
        _sniffing.XLSX,
        _sniffing.XLSB,
        _sniffing.ODT,
        _sniffing.ODS,
        _sniffing.ODP,
        _sniffing.EPUB,
        _sniffing.DOC,
        _sniffing.PPT,
        _sniffing.XLS,
        _sniffing.MSG,
        _sniffing.RTF,
        _sniffing.HTML,
        _sniffing.EML,
    }
)

_SHEETS = {_sniffing.XLSX, _sniffing.XLSB, _sniffing.ODS, _sniffing.XLS}
# Where pages are real. Those of a Word file are estimated, and a wrong page number is worse than none.
_PAGED = _SHEETS | {_sniffing.PPTX, _sniffing.PPT, _sniffing.ODP}
_MAX_TABLE_CELLS = 5_000_000  # the library's own 100,000 is less than many a price list has
_SAFETY_WORDS = ("security", "limit", "ratio", "bomb", "too large", "exceed")

_ESCAPED = re.compile(r"(?<!^)\\([!-/:-@\[-`{}~])", re.MULTILINE)  # at the start of a line it has a meaning
_BLANK_ROW = re.compile(r"^\|[ |]*\|\n(?!\| ---)", re.MULTILINE)  # formatted, but empty, rows of a sheet
_HTML_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,500})", re.IGNORECASE)
_HTML_HEAD_BYTES = 64 * 1024
_IMAGE = re.compile(r"\\?!\[([^\]\n]{0,1000})\]\([^)\n]{0,1000}\)")
_NO_LINK = re.compile(r"\[([^\]\n]{1,1000})\]\((?:#|javascript:|data:)[^)\n]{0,1000}\)", re.IGNORECASE)
_GENERATED_ALT = re.compile(
    r"\s*(Description automatically generated|AI-generated content may be incorrect\.?)"
)


def parse(
    path: Path,
    *,
    media_type: str,
    file_name: str,
    ocr_data: Path | None,
    limits: ParseLimits,
    on_progress: Callable[[float], None],
) -> ParsedDocument:
    """Read a file; slides and sheets are pages, everything else is one page without a number."""
    has_entities = _declares_entities(path)
    document = _extract(path, media_type=media_type)
    pages = _pages(document, media_type=media_type)
    if has_entities and not any(page.text.strip() for page in pages):
        raise PermanentError(
            "This file contains nothing but XML entities, which are not expanded for safety. "
            "Save it again in the program that made it and upload it."
        )
    return ParsedDocument(
        pages=pages,
        media_type=media_type,
        title=_html_title(path) if media_type == _sniffing.HTML else document.metadata.title,
        warnings=(ENTITIES,) if has_entities else (),
    )


def _extract(path: Path, *, media_type: str) -> "xberg.ExtractedDocument":
    import xberg

    config = xberg.ExtractionConfig(
        use_cache=False,
        disable_ocr=True,
        enable_quality_processing=False,
        output_format="markdown",
        escape_markdown=False,
        max_archive_depth=0,
        pages=xberg.PageConfig(extract_pages=True),
        html_options=xberg.ConversionOptions(extract_metadata=False, autolinks=False),
        content_filter=xberg.ContentFilterConfig(include_footnotes=True, strip_repeating_text=False),
        security_limits=xberg.SecurityLimits(max_table_cells=_MAX_TABLE_CELLS),
        concurrency=xberg.ConcurrencyConfig(max_threads=2),
    )
    source = xberg.ExtractInput(uri=str(path), mime_type=media_type)
    try:
        result = asyncio.run(xberg.extract(source, config))
    except (RuntimeError, ValueError, OSError, xberg.XbergError) as error:
        raise PermanentError(_reason(str(error))) from error
    if not result.results:
        raise PermanentError(_reason("; ".join(str(error) for error in result.errors)))
    return result.results[0]


def _html_title(path: Path) -> str | None:
    """Find a web page's title; asked for it, the library writes all metadata into the text as well."""
    with path.open("rb") as file:
        head = file.read(_HTML_HEAD_BYTES)
    found = _HTML_TITLE.search(head.decode(_charset.detect(head), errors="replace"))
    return html.unescape(found[1]) if found else None


def _reason(message: str) -> str:
    if any(word in message.lower() for word in ("password", "encrypt")):
        return _sniffing.ENCRYPTED
    if any(word in message.lower() for word in _SAFETY_WORDS):
        return _archives.UNSAFE_SIZE
    return _archives.DAMAGED


def _declares_entities(path: Path) -> bool:
    """Tell whether an XML part of an office file defines entities, as no office program does."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [entry for entry in archive.infolist() if entry.filename.endswith((".xml", ".rels"))]
            return any(b"<!ENTITY" in archive.open(part).read(4096) for part in parts)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise PermanentError(_archives.DAMAGED) from error


def _pages(document: "xberg.ExtractedDocument", *, media_type: str) -> tuple[Page, ...]:
    if media_type not in _PAGED or not document.pages:
        return (Page(None, _plain(document.content)),)
    return tuple(Page(page.page_number, _page_text(page)) for page in document.pages)


def _page_text(page: Any) -> str:
    heading = f"## {page.sheet_name}\n\n" if page.sheet_name and page.content.strip() else ""
    notes = f"\n\nNotes: {page.speaker_notes}" if page.speaker_notes else ""
    return f"{heading}{_plain(page.content)}{notes}"


def _plain(markdown: str) -> str:
    """Undo escapes, and keep of pictures and dead links only their words."""
    parts = re.split(r"^```", markdown, flags=re.MULTILINE)  # prose and code by turns
    return "```".join(part if at % 2 else _plain_prose(part) for at, part in enumerate(parts))


def _plain_prose(markdown: str) -> str:
    text = _IMAGE.sub(lambda match: _GENERATED_ALT.sub("", match[1]), markdown)
    text = _BLANK_ROW.sub("", _NO_LINK.sub(r"\1", text))
    return _ESCAPED.sub(lambda match: match[0] if match[1] == "|" else match[1], text)
