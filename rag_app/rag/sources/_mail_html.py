"""Turn the HTML of a mail into text: nothing is fetched, nothing is run.

Mail lays itself out with tables, so only tables that hold rows of short cells and no other table stay tables.
What a mail program marks as quoted is put behind “> ”, as in plain mail.
"""

import re
from collections.abc import Callable

import lxml.html as lxml_html
from lxml import etree  # ty: ignore[missing-module-member] (compiled)

MAX_CHARS = 4_000_000
MAX_DEPTH = 200  # deeper parts are read as plain text

_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*0(?![.\d])"
)
_DROPPED = frozenset("head script style title meta link object embed noscript template svg math form".split())
_BLOCKS = frozenset(
    "p div section article header footer main aside address center ul ol dl dt dd pre figure hr tr table "
    "tbody thead tfoot blockquote fieldset body html".split()
)
_QUOTES = re.compile(r"gmail_quote|yahoo_quoted|protonmail_quote|moz-cite-prefix|OutlookMessageHeader")
_QUOTE_IDS = frozenset(("divRplyFwdMsg", "appendonsend", "mail-editor-reference-message-container"))


def html_to_text(source: str) -> str:
    """The words of an HTML mail, as Markdown of headings, lists and simple tables."""
    try:
        parser = lxml_html.HTMLParser(
            recover=True, remove_comments=True, remove_pis=True, no_network=True, encoding="utf-8"
        )
        root = lxml_html.document_fromstring(source[:MAX_CHARS].encode("utf-8", "replace"), parser=parser)
        text = _tidy(_inside(root, 0))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, RecursionError, AssertionError):
        text = ""
    # libxml2 leaves out what is nested too deeply for it.
    return text or _tidy(re.sub(r"<[^>]{0,2000}>", " ", source[:MAX_CHARS]))


def _inside(element: etree._Element, depth: int) -> str:
    if depth > MAX_DEPTH:
        return " ".join(str(text) for text in element.itertext())
    parts = [_words(element.text)]
    in_quote = False  # what follows Outlook's separator belongs to the quote
    for child in element:
        if isinstance(child.tag, str):
            in_quote = in_quote or child.get("id", "") in _QUOTE_IDS
            inner = _element(child, depth + 1)
            parts.append(_quoted(inner) if in_quote and not _is_quote(child) else inner)
        parts.append(_words(child.tail))
    return "".join(parts)


def _element(element: etree._Element, depth: int) -> str:
    name = element.tag.lower()
    if name in _DROPPED or _HIDDEN.search(element.get("style", "").lower()):
        return ""
    write = _WRITERS.get(name)
    if write is not None:
        return write(element, depth)
    inside = _inside(element, depth)
    if _is_quote(element):
        return _quoted(inside)
    if re.fullmatch(r"h[1-6]", name):
        heading = " ".join(inside.split())
        return f"\n\n{'#' * min(6, int(name[1]) + 1)} {heading}\n\n" if heading else ""
    if name == "p":
        return f"\n\n{inside}\n\n"
    return f"\n{inside}\n" if name in _BLOCKS else inside


def _is_quote(element: etree._Element) -> bool:
    if element.tag == "blockquote":
        return True
    return bool(_QUOTES.search(element.get("class", ""))) or element.get("id", "") in _QUOTE_IDS


def _quoted(text: str) -> str:
    lines = _tidy(text).split("\n")
    return "\n\n" + "\n".join(f"> {line}".rstrip() for line in lines) + "\n\n" if any(lines) else ""


def _link(element: etree._Element, depth: int) -> str:
    text = _inside(element, depth)
    target = element.get("href", "").strip()
    shown = " ".join(text.split())
    if not re.match(r"https?://", target) or len(target) > 300 or not shown or target.rstrip("/") in shown:
        return text
    return f"{text.rstrip()} ({target})"


def _list_item(element: etree._Element, depth: int) -> str:
    inside = _tidy(_inside(element, depth))
    return f"\n- {inside}" if inside else ""


def _picture(element: etree._Element, _: int) -> str:
    return ""  # its alternative text is nearly always a logo's name


def _break(element: etree._Element, _: int) -> str:
    return "\n"


def _table(element: etree._Element, depth: int) -> str:
    rows = [row for row in element.iter("tr") if _owner(row) is element]
    cells = [[cell for cell in row if cell.tag in {"td", "th"}] for row in rows]
    is_layout = (
        next(element.iterdescendants("table"), None) is not None or max(map(len, cells), default=0) < 2
    )
    if is_layout:
        return f"\n{_inside(element, depth)}\n"
    texts = [[" ".join(_inside(cell, depth + 1).split()) for cell in row] for row in cells]
    texts = [row for row in texts if any(row)]
    if not texts or max(len(text) for row in texts for text in row) > 400:
        return f"\n{_inside(element, depth)}\n"
    width = max(map(len, texts))
    filled = [[*row, *[""] * (width - len(row))] for row in texts]
    lines = ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in filled]
    return "\n\n" + "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]]) + "\n\n"


def _owner(row: etree._Element) -> etree._Element | None:
    return next(row.iterancestors("table"), None)


_WRITERS: dict[str, Callable[[etree._Element, int], str]] = {
    "a": _link,
    "br": _break,
    "img": _picture,
    "li": _list_item,
    "table": _table,
}


def _words(text: str | None) -> str:
    return re.sub(r"[ \t\r\n\f]+", " ", text) if text else ""


def _tidy(text: str) -> str:
    text = text.replace("\u00a0", " ").replace("\u200b", "").replace("\u200c", "").replace("\u034f", "")
    lines = [re.sub(r" {2,}", " ", line).strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
