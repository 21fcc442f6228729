"""XML and SVG: their text by element; entities are never expanded, nothing is ever fetched."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from rag_app.domain.documents import Page, ParsedDocument
from rag_app.errors import PermanentError
from rag_app.rag.parsers import _sniffing
from rag_app.rag.parsers.contract import ParseLimits

MEDIA_TYPES = frozenset({_sniffing.XML})

ENTITIES = "XML entities in this file were left out for safety."
_SILENT = {"script", "style"}


def parse(
    path: Path,
    *,
    media_type: str,
    file_name: str,
    ocr_data: Path | None,
    limits: ParseLimits,
    on_progress: Callable[[float], None],
) -> ParsedDocument:
    """Read each element that holds text as a line `name: text`."""
    collector = _Collector()
    try:
        collector.parser().Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise PermanentError(f"This XML is damaged: {error}. Correct it and upload it again.") from error
    text = "\n".join(collector.lines)
    if collector.has_entities and not text:
        raise PermanentError(
            "This file contains nothing but XML entities, which are not expanded for safety. "
            "Save it with its text written out and upload it again."
        )
    return ParsedDocument(
        (Page(None, text),), media_type, warnings=(ENTITIES,) if collector.has_entities else ()
    )


@dataclass
class _Collector:
    """Gathers the text of elements, outermost first."""

    lines: list[str] = field(default_factory=list)
    has_entities: bool = False
    _open: list[str] = field(default_factory=list)
    _pieces: list[str] = field(default_factory=list)

    def parser(self) -> expat.XMLParserType:
        """Make a parser that calls this collector and expands no entity."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._pieces.append
        parser.EntityDeclHandler = self._declare
        parser.DefaultHandler = lambda _: None  # its presence turns the expansion of entities off
        return parser

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._flush()
        self._open.append(name.rpartition(":")[2])

    def _end(self, _name: str) -> None:
        self._flush()
        self._open.pop()

    def _declare(self, *_: object) -> None:
        self.has_entities = True

    def _flush(self) -> None:
        text = " ".join("".join(self._pieces).split())
        self._pieces.clear()
        if text and self._open[-1] not in _SILENT:
            self.lines.append(f"{self._open[-1]}: {text}")
