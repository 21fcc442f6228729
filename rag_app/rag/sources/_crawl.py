"""One run through a website: what was found on each address, as events.

frontier ── robots? ── fetch ─┬─ 304 ──────────────► Same
    ▲                         ├─ 404, 410 ─────────► Gone
    │                         ├─ document ─────────► Found
    └── links ────────────────┴─ HTML ── its text ─► Found, Same, or Left with the reason
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from rag_app.domain.sources import KnownItem
from rag_app.domain.web_pages import WebPage
from rag_app.errors import PermanentError, TransientError
from rag_app.rag.parsers.web_pages import WebPageReader
from rag_app.rag.sources import _documents, _robots, _urls
from rag_app.rag.sources._fetching import Answer, Failed, Fetcher, Unwanted, leads_elsewhere, refusal
from rag_app.rag.sources._frontier import Frontier, Stop
from rag_app.rag.sources._robots import Robots
from rag_app.rag.sources.contract import (
    Checkpoint,
    Event,
    Found,
    Gone,
    Left,
    Note,
    Progress,
    RunContext,
    Same,
    SawEverything,
)

STATE_VERSION = 1  # of how pages are read: raised, everything is read anew
MAX_STATE_LINKS_BYTES = 32 * 1024
MAX_FAILURES_IN_A_ROW = 5
PAGES_PER_CHECKPOINT = 50
KEYS_AT_ONCE = 300
FAILURES_UNTIL_GIVEN_UP = 3  # runs, after which a page that fails no longer keeps others from being missed

NEEDS_BROWSER = (
    "This page needs a browser: JavaScript puts its text together, so without one there is nothing to read."
)
NO_TEXT = "There is no text on this page."
NOT_TO_BE_KEPT = "The site asks that this page is not kept (noindex)."
FORBIDDEN = "The site's robots.txt does not let programs read this address."
_NOTHING = KnownItem("", "skipped")


class _Elsewhere(Unwanted):
    """A redirect led to a page that is read, or has been, under its own address."""

    def __init__(self, url: str) -> None:
        super().__init__(f"This address now leads to {url}.")
        self.url = url


@dataclass
class Crawl:
    """Reads what is in the frontier.

    Args:
        start: an address of the website.
        first: the page without which there is nothing to begin with; empty where a sitemap lists them.
        follows: whether links are added to the frontier.
        is_complete: whether whatever was not seen in the end is gone; turns False on the way.
    """

    start: str
    first: str
    include: Sequence[str]
    exclude: Sequence[str]
    max_pages: int
    follows: bool
    frontier: Frontier
    fetcher: Fetcher
    robots: Robots
    pages: WebPageReader
    run: RunContext
    user_agent: str
    is_complete: bool = True
    n_read: int = 0
    _done: set[str] = field(default_factory=set)
    _texts: dict[str, str] = field(default_factory=dict)  # hash → address it was first seen at
    _known: dict[str, KnownItem] = field(default_factory=dict)
    _put_off: set[str] = field(default_factory=set)
    _n_forbidden: int = 0
    _failing: list[Stop] = field(default_factory=list)  # one after the other, just now

    async def events(self) -> AsyncIterator[Event]:
        """Read until there is nothing left, or enough.

        Raises:
            TransientError: the site stopped answering.
            PermanentError: the first page cannot be read, so that there is nothing to begin with.
        """
        while self.n_read < self.max_pages and (stop := self.frontier.take()) is not None:
            n_expected = min(self.max_pages, self.n_read + 1 + len(self.frontier))
            yield Progress(f"Reading {_urls.path_of(stop.url)}", n_expected)
            failure: TransientError | None = None
            try:
                events = await self._visit(stop)
            except TransientError as error:
                self._put_back([*self._failing, stop])
                events, failure = [], error
            for event in (*events, *await self._left_but_kept()):
                yield event
            if self._done and (failure is not None or self.n_read % PAGES_PER_CHECKPOINT == 0):
                yield Checkpoint(self._cursor())
            if failure is not None:
                raise failure
            self._known.pop(stop.url, None)  # with all its links; it is not asked for again
        for event in await self._left_but_kept():
            yield event
        n_left = len(self.frontier)
        if n_left:
            self.is_complete = False
            yield Note(f"Stopped at {self.max_pages:,} pages; {n_left:,} more addresses were found.")
        for note in self._notes():
            yield note
        if self.is_complete and not self.frontier.is_cut:
            yield SawEverything()
        yield Checkpoint({})

    def go_on(self) -> bool:
        """Take up what an earlier attempt at the same run has left; False where there is nothing."""
        cursor = self.run.cursor
        if not self.run.run_id or cursor.get("run") != self.run.run_id:
            return False
        self.n_read, self.is_complete = cursor["n_read"], cursor["is_complete"]
        self._done, self._texts = set(cursor["done"]), dict(cursor["texts"])
        self._n_forbidden, self.frontier.is_cut = cursor["n_forbidden"], cursor["is_cut"]
        self.frontier.waiting.extend(Stop(url, depth) for url, depth in cursor["waiting"])
        self.frontier.met |= self._done | {stop.url for stop in self.frontier.waiting}
        return True

    async def _left_but_kept(self) -> list[Event]:
        """Let stay what an earlier run has kept of addresses that were left out: they are linked to."""
        urls, self.frontier.left_out = self.frontier.left_out, []
        events: list[Event] = []
        for begin in range(0, len(urls), KEYS_AT_ONCE):
            known = await self.run.known(urls[begin : begin + KEYS_AT_ONCE])
            events += [Same(url) for url, item in known.items() if _is_kept(item) and url not in self._done]
        return events

    def _put_back(self, stops: Sequence[Stop]) -> None:
        """Let the next attempt read these first."""
        self._done -= {stop.url for stop in stops}
        self.frontier.waiting.extendleft(reversed(dict.fromkeys(stops)))

    def _cursor(self) -> dict[str, Any]:
        """What another attempt at this run needs to go on."""
        return {
            "run": self.run.run_id,
            "n_read": self.n_read,
            "is_complete": self.is_complete,
            "is_cut": self.frontier.is_cut,
            "n_forbidden": self._n_forbidden,
            "done": sorted(self._done),
            "texts": self._texts,
            "waiting": [(stop.url, stop.depth) for stop in self.frontier.waiting_stops()],
        }

    def _notes(self) -> list[Note]:
        reasons = {FORBIDDEN: self._n_forbidden} if self._n_forbidden else {}
        reasons |= {f"The reason: {reason}.": n for reason, n in self.frontier.skipped.most_common()}
        return [Note(f"{_addresses(n)} left out. {reason}") for reason, n in reasons.items()]

    async def _visit(self, stop: Stop) -> list[Event]:
        known = await self._recall(stop.url)
        if stop.url in self._done or self._should_wait(stop, known):
            return []
        if not (await self.robots.rules(stop.url)).may_read(stop.url):
            return self._forbidden(stop)
        self.n_read += 1
        try:
            answer = await self.fetcher.get(
                stop.url, max_bytes=_documents.max_bytes, conditions=_Way(self, stop)
            )
            events = await self._take(stop, answer)
        except _Elsewhere as error:
            return _gone(known, error.reason)
        except Unwanted as error:
            return self._not_kept(stop.url, _urls.path_of(stop.url), error.reason, known, {})
        except Failed as error:
            return self._failure(stop, known, error)
        self._failing.clear()
        return events

    def _should_wait(self, stop: Stop, known: KnownItem) -> bool:
        """Put one back that was a copy in the last run, until what it was a copy of has been read.

        Else which of the two is kept would depend on the order of the day.
        """
        original = known.state.get("same_as")
        if not original or stop.url in self._put_off or original in self._done:
            return False
        self._put_off.add(stop.url)
        self.frontier.add_last(stop)
        return True

    def _forbidden(self, stop: Stop) -> list[Event]:
        if stop.url == self.first:
            raise PermanentError(FORBIDDEN)
        self._n_forbidden += 1
        return []

    # ---- what came back

    async def _take(self, stop: Stop, answer: Answer) -> list[Event]:
        url = self._final(stop, answer)
        known = await self._recall(url)
        if answer.status < 500:
            self._done.add(url)
        moved = [] if url == stop.url else _gone(await self._recall(stop.url), f"It is now at {url}.")
        return moved + await self._read(url, stop, answer, known)

    async def _read(self, url: str, stop: Stop, answer: Answer, known: KnownItem) -> list[Event]:
        if answer.status == 304:
            return self._unchanged(url, stop, known)
        if answer.status in {404, 410}:
            return self._vanished(stop, known, refusal(answer))
        if answer.status >= 300:
            raise refusal(answer)
        if _documents.is_page(answer):
            return await self._page(url, stop, answer, known)
        return self._document(url, answer, known)

    def _final(self, stop: Stop, answer: Answer) -> str:
        """The one address of what was read. Raises Unwanted where it is not of this source."""
        if elsewhere := leads_elsewhere(self.start, answer):
            raise Unwanted(f"This address leads to another site, {elsewhere}.")
        url = _urls.normal(answer.url)
        if url is None:
            raise Unwanted("This address leads to one that cannot be read.")
        if url == stop.url:
            return url
        if url in self._done:
            raise _Elsewhere(url)
        if stop.url != self.first and not self._is_wanted(url):
            raise Unwanted(f"This address leads to {url}, which is not among those you chose.")
        self.frontier.met.add(url)
        return url

    def _unchanged(self, url: str, stop: Stop, known: KnownItem) -> list[Event]:
        self._follow(known.state.get("links", ()), stop)
        if known.sha256:
            self._texts.setdefault(known.sha256, url)
        return [Same(url)]

    def _vanished(self, stop: Stop, known: KnownItem, error: Failed) -> list[Event]:
        if stop.url == self.first and (self.follows or not _gone(known, "")):
            raise PermanentError(f"{error.reason} Give another address to begin with.")
        return _gone(known, error.reason) or [
            Left(stop.url, _urls.path_of(stop.url), error.reason, "skipped", url=stop.url)
        ]

    def _failure(self, stop: Stop, known: KnownItem, error: Failed) -> list[Event]:
        if error.is_transient:
            self._failing.append(stop)
            if stop.url == self.first or len(self._failing) >= MAX_FAILURES_IN_A_ROW:
                raise TransientError(error.reason, retry_after_s=error.retry_after_s)
        elif stop.url == self.first:
            raise PermanentError(error.reason)
        n_failed = int(known.state.get("n_failed", 0)) + 1
        state = {**known.state, "n_failed": n_failed}
        if self.follows:
            if "links" in known.state:  # the way to what is behind it is known
                self._follow(known.state["links"], stop)
            elif n_failed < FAILURES_UNTIL_GIVEN_UP:
                self.is_complete = False
        return [Left(stop.url, _urls.path_of(stop.url), error.reason, "failed", url=stop.url, state=state)]

    async def _page(self, url: str, stop: Stop, answer: Answer, known: KnownItem) -> list[Event]:
        try:
            page = await self.pages.page(answer.content, url=answer.url, charset=answer.charset)
        except PermanentError as error:
            raise Failed(str(error)) from error
        wishes = _robots.wishes(answer, self.user_agent)
        links = self._on_this_site(page.links) if page.may_follow and "nofollow" not in wishes else []
        self._follow(links, stop)
        state = self._state(answer, links, is_cut=page.n_links > len(page.links))
        name = page.title or _urls.path_of(url)
        if not page.may_keep or "noindex" in wishes:
            return self._not_kept(url, name, NOT_TO_BE_KEPT, known, state)
        if canonical := self._canonical(url, page):
            self._follow([canonical], stop, depth=stop.depth)
            return self._not_kept(url, name, f"The page says that its address is {canonical}.", known, state)
        if page.needs_browser:
            return [Left(url, name, NEEDS_BROWSER, "failed", url=url, state=state)]
        if not any(character.isalnum() for character in page.text):
            return [Left(url, name, NO_TEXT, "skipped", url=url, state=state)]
        found = Found(
            key=url, name=name, file_name=_documents.page_file_name(url), content=_text(page).encode(),
            state=state, url=url, modified_at=_day(page.written_on),
        )  # fmt: skip
        return self._keep(found, known)

    def _document(self, url: str, answer: Answer, known: KnownItem) -> list[Event]:
        name, state = _documents.file_name(answer), self._state(answer, [])
        if "noindex" in _robots.wishes(answer, self.user_agent):
            return self._not_kept(url, name, NOT_TO_BE_KEPT, known, state)
        if not answer.content:
            return [Left(url, name, NO_TEXT, "skipped", url=url, state=state)]
        return self._keep(
            Found(key=url, name=name, file_name=name, content=answer.content, state=state, url=url), known
        )

    def _keep(self, found: Found, known: KnownItem) -> list[Event]:
        sha256 = hashlib.sha256(found.content).hexdigest()
        original = self._texts.setdefault(sha256, found.key)
        if original != found.key:
            self.frontier.note_copy(found.key)
            state = {**found.state, "same_as": original}
            return self._not_kept(found.key, found.name, f"Same text as {original}.", known, state)
        if known.status == "kept" and known.sha256 == sha256:
            return [Same(found.key, found.state)]
        return [found]

    def _not_kept(
        self, url: str, name: str, reason: str, known: KnownItem, state: Mapping[str, Any]
    ) -> list[Event]:
        """Leave a page out; what was kept of it before goes as if it had vanished."""
        return _gone(known, reason) or [Left(url, name, reason, "skipped", url=url, state=state)]

    # ---- links

    def _on_this_site(self, links: Sequence[str]) -> list[str]:
        site = _urls.site_of(self.start)
        normal = (_urls.normal(link) for link in links)
        return list(dict.fromkeys(url for url in normal if url is not None and _urls.site_of(url) == site))

    def _is_wanted(self, url: str) -> bool:
        return _urls.is_wanted(url, include=self.include, exclude=self.exclude)

    def _follow(self, links: Sequence[str], stop: Stop, *, depth: int | None = None) -> None:
        if self.follows:
            wanted = [url for url in links if self._is_wanted(url)]
            self.frontier.add(wanted, depth=stop.depth + 1 if depth is None else depth)

    def _canonical(self, url: str, page: WebPage) -> str:
        """The address to read instead of this one; empty where this one is right."""
        if not page.canonical or not self.follows:
            return ""
        canonical = _urls.normal(page.canonical)
        if canonical is None or canonical == url or _urls.site_of(canonical) != _urls.site_of(self.start):
            return ""
        # A whole site that calls itself by the address of its first page: a common mistake.
        is_first_page = _urls.path_of(canonical) == "/" and _urls.path_of(url).partition("?")[0] != "/"
        return "" if is_first_page or not self._is_wanted(canonical) else canonical

    # ---- what the next run wants to know

    def _state(self, answer: Answer, links: Sequence[str], *, is_cut: bool = False) -> dict[str, Any]:
        """The marks of this version, unless links would be lost with an answer that says "unchanged"."""
        state: dict[str, Any] = {"v": STATE_VERSION}
        if self.follows:
            if is_cut or len(json.dumps(links)) > MAX_STATE_LINKS_BYTES:
                return state
            state["links"] = list(links)
        for name, header in (("etag", "etag"), ("modified", "last-modified")):
            if value := answer.headers.get(header, "")[:500]:
                state[name] = value
        return state

    async def _recall(self, url: str) -> KnownItem:
        """What earlier runs know of an address."""
        if url not in self._known:
            self._known[url] = (await self.run.known([url])).get(url, _NOTHING)
        return self._known[url]

    async def conditions(self, url: str) -> dict[str, str]:
        """Ask only for what has changed, where the last version is still here."""
        known = await self._recall(url)
        state = known.state
        is_enough = state.get("v") == STATE_VERSION and ("links" in state or not self.follows)
        if known.status != "kept" or not known.sha256 or not is_enough:
            return {}
        marks = {"If-None-Match": state.get("etag"), "If-Modified-Since": state.get("modified")}
        return {name: value for name, value in marks.items() if value}


@dataclass(frozen=True)
class _Way:
    """Looks at each address that a redirect leads to before it is asked for."""

    crawl: Crawl
    stop: Stop

    async def __call__(self, url: str) -> Mapping[str, str]:
        normal = _urls.normal(url)
        if normal is None or normal == self.stop.url:
            return await self.crawl.conditions(self.stop.url)
        if _urls.site_of(normal) != _urls.site_of(self.crawl.start):
            return {}
        if normal in self.crawl._done:
            raise _Elsewhere(normal)
        if not (await self.crawl.robots.rules(normal)).may_read(normal):
            raise Unwanted(FORBIDDEN)
        return await self.crawl.conditions(normal)


def _gone(known: KnownItem, reason: str) -> list[Event]:
    """Say that something is gone, if there was anything of it."""
    is_there = known.status != "skipped" or known.sha256 is not None  # left out now, and kept before
    return [Gone(known.key, reason)] if known.key and is_there else []


def _is_kept(known: KnownItem) -> bool:
    """Whether there is something of it that could go."""
    return known.sha256 is not None and known.status != "missing"


def _text(page: WebPage) -> str:
    return page.text if not page.author else f"{page.text}\n\nAuthor: {page.author}"


def _day(written_on: str) -> datetime | None:
    try:
        day = date.fromisoformat(written_on)
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _addresses(n: int) -> str:
    return "1 address was" if n == 1 else f"{n:,} addresses were"
