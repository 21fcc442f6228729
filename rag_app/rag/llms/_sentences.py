"""Cut Markdown passages into units that can be quoted by themselves: sentences, list items, table rows."""

import re
from collections.abc import Iterator

MAX_UNIT_CHARS = 500  # longer ones are cut at a space: nobody reads a longer quotation

_LIST_ITEM = re.compile(r"^\s*(?:[-*+•‣▪–]|\d{1,3}[.)])\s+")
_HEADING = re.compile(r"^\s*#{1,6}\s")
_TABLE_RULE = re.compile(r"^[\s|:\-+=]+$")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_EMPHASIS = re.compile(r"(?<!\w)(\*\*\*|\*\*|\*|___|__|_|~~|`+)(?=\S)(.+?)(?<=\S)\1(?!\w)")
# What lists of questions and answers put before either.
_LABEL = re.compile(r"^\s*(?:Q|A|Question|Answer|F|Frage|Antwort)\s?:\s+")
_QUOTE_MARK = re.compile(r"^\s*(?:>\s?)+")

# The end of a sentence: its mark, closing quotes or brackets, then a space and no small letter; after
# the marks of Chinese and Japanese nothing needs to follow.
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*\s+(?=[^\sa-zà-öø-ÿ])|[。！？]+[」』”’）]*")

# A full stop after these ends no sentence. Single letters and numbers of one or two digits
# ("J. Smith", "3. Oktober") are told by their shape.
_ABBREVIATIONS = frozenset(
    str.split(
        "abb abs al anm approx art aufl bd bsp bzw ca cap cf cfr col corp dept dott dr dra ed eds eg e.g "
        "et etc fig figs gen gov hl hrsg ie i.e inc inkl jr kap lt ltd max mer min mio mme mr mrd mrs "
        "ms mt nos nr op p.ex pag par pp prof prov ref rev s.a sen sig sir sog sr sra st ste str s.u tab "
        "tel u.a u.s usw v.a vgl vol vs z.b zb ziff zzgl"
    )
)
_LAST_WORD = re.compile(r"([\w.]+)\.+[\"'”’»)\]]*\s*$")


def units(markdown: str) -> list[str]:
    """Return what can be quoted, in order and without markup.

    Headings are left out unless there is nothing else; a table row carries the names of its columns.
    """
    blocks = list(_blocks(markdown))
    found = [unit for kind, text in blocks if kind != "heading" for unit in _units_of(kind, text)]
    return found or [plain(text) for _, text in blocks if plain(text)]


def sentences(text: str) -> list[str]:
    """Split running text at the ends of sentences."""
    found, start = [], 0
    for end in _END.finditer(text):
        if _ends_in_abbreviation(text[start : end.end()]):
            continue
        found.append(text[start : end.end()].strip())
        start = end.end()
    return [sentence for sentence in [*found, text[start:].strip()] if sentence]


def plain(markdown: str) -> str:
    """Take emphasis, links, tags and the mark at the start off one block of Markdown."""
    text = _LIST_ITEM.sub("", _HEADING.sub("", _QUOTE_MARK.sub("", markdown)))
    text = _TAG.sub("", _LINK.sub(r"\1", text))
    text = _EMPHASIS.sub(r"\2", _EMPHASIS.sub(r"\2", text))  # twice: bold may hold italics
    return " ".join(text.split())


def _blocks(markdown: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text): a heading, list item or table row is a line, a paragraph all of its lines."""
    paragraph: list[str] = []
    header: list[str] | None = None
    for line in [*markdown.splitlines(), ""]:
        kind = _kind(line)
        if kind == "text":
            paragraph.append(line)
            continue
        if paragraph:
            yield "text", " ".join(paragraph)
            paragraph = []
        if kind != "row":
            header = None
        if kind == "row" and not _TABLE_RULE.match(line):
            cells = _cells(line)
            if header is None:
                header = cells
            yield "row", _named(cells, header)
        elif kind in {"heading", "item"}:
            yield kind, line


def _kind(line: str) -> str:
    stripped = line.strip()
    if not stripped:
        return "blank"
    if stripped.startswith("|"):
        return "row"
    if _HEADING.match(line):
        return "heading"
    return "item" if _LIST_ITEM.match(line) else "text"


def _units_of(kind: str, text: str) -> Iterator[str]:
    whole = text if kind == "row" else plain(text)
    parts = sentences(whole) if kind == "text" else [whole]
    for part in parts:
        yield from _short_enough(_LABEL.sub("", part))


def _cells(row: str) -> list[str]:
    return [plain(cell) for cell in row.strip().strip("|").split("|")]


def _named(cells: list[str], header: list[str]) -> str:
    """Write a row as `column: value, …`; the header itself, and empty cells, stay as they are."""
    if cells == header or len(cells) != len(header):
        return ", ".join(cell for cell in cells if cell)
    pairs = zip(header, cells, strict=True)
    return ", ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)


def _ends_in_abbreviation(sentence: str) -> bool:
    last = _LAST_WORD.search(sentence)
    if last is None:
        return False
    word = last[1].casefold()
    is_initial = len(word) == 1 and word.isalpha()
    is_ordinal = word.isdecimal() and len(word) <= 2
    return is_initial or is_ordinal or word in _ABBREVIATIONS


def _short_enough(unit: str) -> Iterator[str]:
    while len(unit) > MAX_UNIT_CHARS:
        cut = unit.rfind(" ", 0, MAX_UNIT_CHARS)
        cut = cut if cut > 0 else MAX_UNIT_CHARS
        yield unit[:cut]
        unit = unit[cut:].strip()
    if unit:
        yield unit
