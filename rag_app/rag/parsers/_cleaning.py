"""Text as Postgres can store it and people can read it."""

import re
import unicodedata
from dataclasses import replace

from rag_app.domain.documents import Page, ParsedDocument

_NEWLINES = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
# C0 and C1 controls but tab and newline, soft hyphens, byte-order marks, lone surrogates, non-characters.
_UNWANTED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\ufeff\ufffe\uffff\ud800-\udfff]")
# Marks without width mean something within a line only; web pages end headings with them.
_NO_WIDTH = "\u200b\u200c\u200d\u2060"
_BLANK_LINES = re.compile(r"\n{3,}")


def clean_text(text: str) -> str:
    """Normalise to NFC and `\\n`; drop what no database, model or reader can use."""
    text = _UNWANTED.sub("", _NEWLINES.sub("\n", text))
    # By line, not by a pattern for trailing blanks: that takes quadratic time on a long run of them.
    text = "\n".join(line.rstrip().rstrip(_NO_WIDTH).rstrip() for line in text.split("\n"))
    return unicodedata.normalize("NFC", _BLANK_LINES.sub("\n\n", text)).strip("\n")


def clean(document: ParsedDocument) -> ParsedDocument:
    """Clean every page and the title; pages keep their numbers even when nothing is left on them."""
    pages = tuple(Page(page.number, clean_text(page.text)) for page in document.pages)
    title = " ".join(clean_text(document.title or "").split())[:300] or None
    return replace(document, pages=pages, title=title)
