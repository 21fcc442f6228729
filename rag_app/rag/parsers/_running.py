"""Leave out what a printed document repeats on its pages: its name at the top, the number at the bottom.

    top    FY 2013 Annual Report          the same on most pages between its first and its last
    text   …
    bottom Page 7 of 70                   the same but for a number that grows with the pages

A row of a table is never such a line, though its header may stand on every page.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

EDGE_LINES = 3  # of each page, at the top and at the bottom
MIN_PAGES = 3
MIN_SHARE = 0.5  # of the pages between the first and the last: left and right pages may differ
MAX_CHARS = 120
MOST_BEFORE_PAGE_1 = 60  # unnumbered pages, or pages of an earlier volume

_NUMBER = re.compile(r"\d+")
_MARKS = re.compile(r"[#*_`>]+")
_PAGE_NUMBER = re.compile(
    r"(?:page|seite|página|pagina|p\.)? ?[-–]? ?(\d{1,5})(?: ?(?:of|von|de|di|sur|/) ?\d{1,5})? ?[-–]?",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*-{3,}\s*")


@dataclass(frozen=True)
class _Line:
    """A line at an edge of a page; `numbers` are those in it."""

    page: int
    at: int
    numbers: tuple[int, ...]
    is_sentence: bool


def without_running_lines(pages: Sequence[str]) -> list[str]:
    """Return the Markdown of each page without its running lines; a page that has no others keeps them."""
    lines = [page.split("\n") for page in pages]
    running: defaultdict[int, set[int]] = defaultdict(set)
    for found in _alike(lines).values():
        for line in _repeated(found):
            running[line.page].add(line.at)
    for number, page in enumerate(lines):
        running[number] |= {at for _, at in _edges(page) if _is_number_of(page[at], number + 1)}
    return [_without(page, _outermost(page, running[number])) for number, page in enumerate(lines)]


def _alike(pages: Sequence[Sequence[str]]) -> dict[tuple[str, str], list[_Line]]:
    """Lines at the edges that say the same but for numbers, by edge and words."""
    found: defaultdict[tuple[str, str], list[_Line]] = defaultdict(list)
    for number, page in enumerate(pages):
        for edge, at in _edges(page):
            words = " ".join(_MARKS.sub(" ", page[at]).split()).lower()
            numbers = tuple(int(each) for each in _NUMBER.findall(words) if len(each) < 10)
            line = _Line(number, at, numbers, is_sentence=words.endswith((".", "!", "?", ":", ";", ",")))
            found[edge, _NUMBER.sub("0", words)].append(line)
    return found


def _edges(page: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The first and last lines of text of a page; what is in a table or long is none."""
    filled = [at for at, line in enumerate(page) if line.strip() and not _RULE.fullmatch(line)]
    for edge, places in (("top", filled[:EDGE_LINES]), ("bottom", filled[-EDGE_LINES:])):
        for at in places:
            if not page[at].startswith("|") and len(page[at]) <= MAX_CHARS:
                yield edge, at


def _repeated(found: Sequence[_Line]) -> list[_Line]:
    """Those of some lines with the same words that belong to the printing, not to the text."""
    by_numbers: defaultdict[tuple[int | str, ...], list[_Line]] = defaultdict(list)
    for line in found:
        by_numbers[line.numbers].append(line)  # the very same line
        if line.is_sentence:
            continue
        for place, number in enumerate(line.numbers):  # or one whose number follows the page's
            if abs(number - line.page - 1) <= MOST_BEFORE_PAGE_1:
                others = line.numbers[:place] + line.numbers[place + 1 :]
                by_numbers["follows", place, number - line.page, *others].append(line)
    return [line for group in by_numbers.values() if _is_running(group) for line in group]


def _is_number_of(line: str, page: int) -> bool:
    """Whether a line is nothing but the number of its page."""
    found = _PAGE_NUMBER.fullmatch(" ".join(_MARKS.sub(" ", line).split()))
    return found is not None and int(found[1]) == page


def _is_running(group: Sequence[_Line]) -> bool:
    pages = sorted({line.page for line in group})
    return len(pages) >= MIN_PAGES and len(pages) >= MIN_SHARE * (pages[-1] - pages[0] + 1)


def _outermost(page: Sequence[str], running: set[int]) -> set[int]:
    """Of some lines of a page those with nothing else between them and its end."""
    filled = [at for at, line in enumerate(page) if line.strip() and not _RULE.fullmatch(line)]
    found = set(takewhile(running.__contains__, filled))
    return found | set(takewhile(running.__contains__, reversed(filled)))


def _without(page: Sequence[str], running: set[int]) -> str:
    """A page without some lines, and without the rules that set them apart at its ends."""
    if not running:
        return "\n".join(page)
    kept = [line for at, line in enumerate(page) if at not in running]
    while kept and (not kept[0].strip() or _RULE.fullmatch(kept[0])):
        kept.pop(0)
    while kept and (not kept[-1].strip() or _RULE.fullmatch(kept[-1])):
        kept.pop()
    return "\n".join(kept) or "\n".join(page)
