"""JSON and JSON lines: indented, so that names and values stand on lines of their own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from rag_app.domain.documents import Page, ParsedDocument
from rag_app.rag.parsers import _charset, _sniffing
from rag_app.rag.parsers.contract import ParseLimits

MEDIA_TYPES = frozenset({_sniffing.JSON, _sniffing.JSON_LINES})


def parse(
    path: Path,
    *,
    media_type: str,
    file_name: str,
    ocr_data: Path | None,
    limits: ParseLimits,
    on_progress: Callable[[float], None],
) -> ParsedDocument:
    """Read JSON values as text; what is no JSON is kept as it stands, with a warning."""
    text = _charset.decode(path.read_bytes()).lstrip("\ufeff")
    try:
        pretty, warnings = "\n\n".join(_values(text)), ()
    except (ValueError, RecursionError):
        pretty, warnings = text, ("This file is not valid JSON; it was read as plain text.",)
    return ParsedDocument((Page(None, pretty),), media_type, warnings=warnings)


def _values(text: str) -> Iterator[str]:
    """Yield one value of a JSON file, or one of each line."""
    try:
        values = [json.loads(text)]
    except ValueError:
        values = [json.loads(line) for line in text.splitlines() if line.strip()]
    for value in values:
        if not _is_empty(value):
            yield "\n".join(_lines(value))


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def _lines(value: object, *, indent: str = "", label: str = "") -> Iterator[str]:
    """Write a value as an outline: `name: value`, nested ones indented, items with a dash."""
    if isinstance(value, dict | list) and value:
        if label:
            yield f"{indent}{label}"
            indent += "  "
        for name, item in value.items() if isinstance(value, dict) else (("-", item) for item in value):
            yield from _lines(item, indent=indent, label="-" if name == "-" else f"{name}:")
    else:
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"{indent}{label} {shown}".rstrip() if label else f"{indent}{shown}"
