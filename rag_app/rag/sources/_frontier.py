"""What a crawl will read next: nearest to the start first, each address once, and no way into a trap.

Calendars without end, filters in every combination, folders that lead into themselves: a website can have
more addresses than pages. What is left out for that is counted, so that it can be told.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from rag_app.rag.sources import _urls

MAX_WAITING = 20_000
MAX_MET = 200_000
MAX_VARIANTS = 200  # addresses that differ in their query only
MAX_DATES = 60  # addresses that differ only in a date, such as /calendar/2031/05
MAX_REPEATS = 2  # of one folder's name within an address
MAX_FOLDERS = 20
NO_PAGES = "they are pictures, sounds or programs"
MAX_COPIES = 5  # pages with a text that was there before, at one path

_DATE_AT_THE_END = re.compile(r"[/-](19|20|21)\d\d([/-]\d{1,2}){1,2}/?$")
_CALENDAR = re.compile(r"(^|_)(date|day|month|year|week|cal|datum|monat|jahr|tag)($|_)", re.IGNORECASE)
_NO_PAGES = re.compile(
    r"\.(jpe?g|png|gif|webp|avif|svg|ico|bmp|tiff?|css|js|mjs|map|woff2?|ttf|otf|eot|mp[34]|m4[av]|avi|mov|webm|"
    r"og[gv]|wav|flac|zip|gz|tgz|bz2|xz|7z|rar|tar|exe|msi|dmg|pkg|deb|rpm|apk|iso|bin|jar|swf|ics|vcf)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Stop:
    """An address to be read, so many links away from the start."""

    url: str
    depth: int


@dataclass
class Frontier:
    """Addresses that wait; `skipped` counts what was left out, by its reason.

    `left_out` are those of them that may have been read by an earlier run, until somebody has looked.
    """

    max_depth: int
    waiting: deque[Stop] = field(default_factory=deque)
    last: deque[Stop] = field(default_factory=deque)  # after everything else
    met: set[str] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)
    is_cut: bool = False
    _alike: Counter[str] = field(default_factory=Counter)
    _copies: Counter[str] = field(default_factory=Counter)

    def add(self, urls: Iterable[str], *, depth: int, is_listed: bool = False) -> None:
        """Note addresses, all of them written in the one way, that are so far from the start.

        `is_listed` where the site names them itself, so that none is a trap.
        """
        for url in urls:
            if url in self.met:
                continue
            if depth > self.max_depth:
                continue  # it may be met again on a shorter way
            if len(self.met) >= MAX_MET:
                self.is_cut = True
                return
            self.met.add(url)
            if reason := self._trap(url, is_listed=is_listed):
                self.skipped[reason] += 1
                if reason != NO_PAGES:
                    self.left_out.append(url)
            elif len(self.waiting) >= MAX_WAITING:
                self.is_cut = True
                self.skipped["there were too many addresses"] += 1
            else:
                self.waiting.append(Stop(url, depth))

    def add_last(self, stop: Stop) -> None:
        """Put one back until everything else has been read."""
        self.last.append(stop)

    def take(self) -> Stop | None:
        """The next one to read, or None."""
        while self.waiting:
            stop = self.waiting.popleft()
            if self._copies[_path(stop.url)] < MAX_COPIES or "?" not in stop.url:
                return stop
            self.skipped["the same text came again and again"] += 1
            self.left_out.append(stop.url)
        return self.last.popleft() if self.last else None

    def waiting_stops(self) -> list[Stop]:
        """All that wait, in the order they will be taken."""
        return [*self.waiting, *self.last]

    def note_copy(self, url: str) -> None:
        """Remember that an address held a text that had been read already."""
        self._copies[_path(url)] += 1

    def __len__(self) -> int:
        return len(self.waiting) + len(self.last)

    def _trap(self, url: str, *, is_listed: bool) -> str:
        """Why an address is not read, empty where it is."""
        path = _path(url)
        if _NO_PAGES.search(path):
            return NO_PAGES
        if is_listed:
            return ""
        folders = [folder for folder in _urls.path_of(path).split("/") if folder]
        if len(folders) > MAX_FOLDERS or any(n > MAX_REPEATS for n in Counter(folders).values()):
            return "their folders repeat"
        for shape, limit in _shapes(url, path):
            self._alike[shape] += 1
            if self._alike[shape] > limit:
                return "there are endlessly many like them"
        return ""


def _shapes(url: str, path: str) -> list[tuple[str, int]]:
    """What an address has in common with others, and how many of them are enough."""
    shapes = []
    if _DATE_AT_THE_END.search(path):
        shapes.append((_DATE_AT_THE_END.sub("", path) + "/#", MAX_DATES))
    if "?" in url:
        names = [part.partition("=")[0] for part in url.partition("?")[2].split("&")]
        is_calendar = any(_CALENDAR.search(name) for name in names)
        shapes.append((f"{path}?", MAX_DATES if is_calendar else MAX_VARIANTS))
    return shapes


def _path(url: str) -> str:
    return url.partition("?")[0]
