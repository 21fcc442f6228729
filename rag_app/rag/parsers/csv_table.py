"""Comma-, semicolon- and tab-separated values as one Markdown table."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from rag_app.domain.documents import Page, ParsedDocument
from rag_app.errors import PermanentError
from rag_app.rag.parsers import _charset, _sniffing
from rag_app.rag.parsers.contract import ParseLimits

MEDIA_TYPES = frozenset({_sniffing.CSV, _sniffing.TSV})

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 20
_MAX_CELL_CHARS = 1_000_000


def parse(
    path: Path,
    *,
    media_type: str,
    file_name: str,
    ocr_data: Path | None,
    limits: ParseLimits,
    on_progress: Callable[[float], None],
) -> ParsedDocument:
    """Read a table whose first row names the columns."""
    text = _charset.decode(path.read_bytes()).lstrip("\ufeff")
    table = "\n".join(_markdown_lines(text))
    return ParsedDocument((Page(None, table),), media_type)


def find_delimiter(text: str) -> str:
    """Return the delimiter that cuts the first lines into the most columns most evenly."""
    lines = [line for line in text[:65536].splitlines() if line.strip()][:_SAMPLE_LINES]

    def columns(delimiter: str) -> tuple[int, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        usual = max(set(counts), key=counts.count, default=0)
        return (counts.count(usual) if usual > 1 else 0, usual)

    return max(_DELIMITERS, key=columns)


def _markdown_lines(text: str) -> Iterator[str]:
    csv.field_size_limit(_MAX_CELL_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=find_delimiter(text))
    try:
        rows = (row for row in reader if any(cell.strip() for cell in row))
        header = next(rows, [])
        yield _line(header, width=len(header))
        yield _line(["---"] * len(header), width=len(header))
        for row in rows:
            yield _line(row, width=len(header))
    except csv.Error as error:
        raise PermanentError(
            f"Line {reader.line_num:,} of this table cannot be read. "
            "Check its quotation marks and upload it again."
        ) from error


def _line(row: list[str], *, width: int) -> str:
    cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row]
    return f"| {' | '.join(cells + [''] * (width - len(cells)))} |"
