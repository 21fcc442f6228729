"""Plain text and Markdown: decoded, and otherwise left as they are."""

from collections.abc import Callable
from pathlib import Path

from rag_app.domain.documents import Page, ParsedDocument
from rag_app.rag.parsers import _charset, _sniffing
from rag_app.rag.parsers.contract import ParseLimits

MEDIA_TYPES = frozenset({_sniffing.TEXT, _sniffing.MARKDOWN})


def parse(
    path: Path,
    *,
    media_type: str,
    file_name: str,
    ocr_data: Path | None,
    limits: ParseLimits,
    on_progress: Callable[[float], None],
) -> ParsedDocument:
    """Read a text file as one page without a number."""
    text = _charset.decode(path.read_bytes())
    return ParsedDocument((Page(None, text),), media_type)
