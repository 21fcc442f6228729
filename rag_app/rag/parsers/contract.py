"""What every parser promises."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rag_app.domain.documents import ParsedDocument

SUPPORTED: dict[str, str] = {
    "pdf": "PDF",
    "docx": "Word document",
    "pptx": "PowerPoint presentation",
    "xlsx": "Excel workbook",
    "xls": "Excel 97–2003 workbook",
    "odt": "OpenDocument text",
    "ods": "OpenDocument spreadsheet",
    "odp": "OpenDocument presentation",
    "epub": "E-book",
    "rtf": "Rich text",
    "html": "Web page",
    "eml": "E-mail",
    "msg": "Outlook message",
    "md": "Markdown",
    "txt": "Plain text",
    "csv": "Comma-separated table",
    "tsv": "Tab-separated table",
    "json": "JSON",
    "jsonl": "JSON lines",
    "xml": "XML",
}
"""Extensions offered to people, with their names; what a file really is, its content decides."""


@dataclass(frozen=True)
class ParseLimits:
    """What one file may cost before its reading is given up."""

    memory_mb: int = 2048
    cpu_s: int = 300
    wall_s: float = 300
    max_pages: int = 5_000
    pages_advice: str = "Split it into parts."  # what to do about more
    max_chars: int = 20_000_000


class Parser(Protocol):
    """One provider: a module with these names, run in the child process.

    Heavy libraries are imported inside `parse`, so that the child loads only the one it needs.
    """

    MEDIA_TYPES: frozenset[str]

    def parse(
        self,
        path: Path,
        *,
        media_type: str,
        file_name: str,
        ocr_data: Path | None,
        limits: ParseLimits,
        on_progress: Callable[[float], None],
    ) -> ParsedDocument:
        """Read a file as Markdown by page.

        Args:
            path: the file, already known to be of `media_type` by its content.
            media_type: one of `MEDIA_TYPES`.
            file_name: what its owner called it; a hint, never trusted.
            ocr_data: Tesseract's language data; None where text in pictures cannot be read.
            limits: a parser may stop early and say so in `warnings`.
            on_progress: told the share of the work done, from 0 to 1.

        Raises:
            PermanentError: the file cannot be read; the message says what to do.
        """
        ...
