"""Websites: one page, the pages a sitemap lists, or whatever links lead to.

    address ── guard ── robots.txt ─┬─ page ──────────────┐
                                    ├─ sitemap ── pages ──┼─ crawl ── events
                                    └─ links ── frontier ─┘

What is kept of a page is its main content as Markdown, so that a changed advert changes nothing.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import httpx2

from rag_app.domain.sources import MAX_NAME, Check
from rag_app.errors import InvalidInput, PermanentError, RagAppError
from rag_app.rag.parsers.web_pages import WebPageReader, web_page_reader
from rag_app.rag.sources import _documents, _fetching, _sitemaps, _urls
from rag_app.rag.sources._crawl import FORBIDDEN, NEEDS_BROWSER, NO_TEXT, Crawl
from rag_app.rag.sources._fetching import Failed, Fetcher, Sleep, leads_elsewhere, refusal
from rag_app.rag.sources._frontier import Frontier
from rag_app.rag.sources._robots import MAX_DELAY_S, Robots, Rules
from rag_app.rag.sources.contract import Event, Note, Progress, RunContext, SourceParts, SourceReader

NAME = "web"
LABEL = "website"
MANY = "websites"
ITEM = "page"
ITEMS = "pages"
LIMIT: str | None = None  # plans limit the pages of one, not how many there are
ITEMS_LIMIT: str | None = "pages_per_crawl"

Mode = Literal["page", "sitemap", "crawl"]

MAX_PAGES = 10_000
MAX_DEPTH = 20
MAX_DELAY = 60.0
MAX_PATTERNS = 50
MAX_PATTERN = 300
DEFAULTS: Mapping[str, Any] = {
    "mode": "page", "max_depth": 3, "max_pages": 200, "include": [], "exclude": [], "delay_s": 1.0,
}  # fmt: skip
MIN_DELAY = 0.2
CHECK_S = 45.0  # somebody waits for it
CHECKED_SITEMAPS = 2
CHECKS_PER_MINUTE = 10  # of one owner: whoever runs the website did not ask for any
TOO_SLOW = "The site took too long to answer. Try again later, or add it all the same."
ONLY_WHAT_IS_SHOWN = "An address has no spaces and no backslashes."
EXAMPLE = "Give the address of a web page, such as https://example.com/help."


def check_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Read what an owner wants of a website.

    Returns:
        url (in its normal form), mode, max_depth, max_pages, include, exclude (patterns), delay_s.

    Raises:
        InvalidInput: names the field and says what is right.
    """
    given = {**DEFAULTS, **{name: value for name, value in raw.items() if value is not None}}
    if given["mode"] not in get_args(Mode):
        raise InvalidInput("Choose page, sitemap or crawl.", field="mode")
    return {
        "url": _address(given.get("url")),
        "mode": given["mode"],
        "max_depth": _number(given, "max_depth", "Links to follow", 0, MAX_DEPTH),
        "max_pages": _number(given, "max_pages", "Pages to read", 1, MAX_PAGES),
        "include": _patterns(given["include"], "include"),
        "exclude": _patterns(given["exclude"], "exclude"),
        "delay_s": _seconds(given["delay_s"]),
    }


def title(config: Mapping[str, Any]) -> str:
    """Host and path, as people say it."""
    return identity(config).rstrip("/")[:MAX_NAME]


def identity(config: Mapping[str, Any]) -> str:
    """Where the website begins, whichever of its names was typed."""
    url = config["url"]
    return f"{_urls.site_of(url)}{_urls.path_of(url)}"


def build(config: Mapping[str, Any], parts: SourceParts) -> SourceReader:
    """A reader of one website. Raises PermanentError where its address may not be reached."""
    parts.check_url(config["url"])
    return WebReader(dict(config), parts)


@dataclass(frozen=True)
class _Tools:
    fetcher: Fetcher
    robots: Robots
    pages: WebPageReader


@dataclass(frozen=True)
class WebReader:
    """Reads one website; how it tells the time can be replaced."""

    config: Mapping[str, Any]
    parts: SourceParts
    sleep: Sleep = field(default=_fetching.pause)
    request_s: float = _fetching.REQUEST_S
    check_s: float = CHECK_S
    clock: Callable[[], float] = time.monotonic

    async def check(self) -> Check:
        """Fetch robots.txt and the first page, or the sitemap, and say what would be read."""
        try:
            async with asyncio.timeout(self.check_s), self._tools() as tools:
                rules = await tools.robots.rules(self.config["url"])
                if self.config["mode"] == "sitemap":
                    return await self._check_sitemap(tools, rules)
                return await self._check_page(tools, rules)
        except TimeoutError:
            return Check(is_ok=False, message=TOO_SLOW)
        except Failed as error:
            return Check(is_ok=False, message=error.reason)
        except RagAppError as error:
            return Check(is_ok=False, message=str(error))

    async def read(self, run: RunContext) -> AsyncGenerator[Event]:
        """Read what is there; see `Crawl`."""
        url = self.config["url"]
        limit = (
            self.config["max_pages"]
            if run.max_items is None
            else min(self.config["max_pages"], run.max_items)
        )
        follows = self.config["mode"] == "crawl"
        frontier = Frontier(self.config["max_depth"] if follows else 0)
        async with self._tools() as tools:
            yield Progress("Looking at robots.txt")
            for note in self._keep_the_pace(await tools.robots.rules(url), tools.fetcher):
                yield note
            crawl = Crawl(
                start=url,
                first="" if self.config["mode"] == "sitemap" else url,
                include=self.config["include"],
                exclude=self.config["exclude"],
                max_pages=1 if self.config["mode"] == "page" else limit,
                follows=follows,
                frontier=frontier,
                fetcher=tools.fetcher,
                robots=tools.robots,
                pages=tools.pages,
                run=run,
                user_agent=self.parts.user_agent,
            )
            if crawl.go_on():
                yield Progress("Going on where it was broken off")
            elif self.config["mode"] == "sitemap":
                yield Progress("Reading the sitemap")
                for note in await self._list(crawl, tools):
                    yield note
            else:
                frontier.add([url], depth=0, is_listed=True)
            async for event in crawl.events():
                yield event

    async def disconnect(self) -> None:
        """Nothing was granted, so there is nothing to give back."""

    async def _list(self, crawl: Crawl, tools: _Tools) -> list[Note]:
        """Put what the sitemaps list into the frontier; says what could not be read of them."""
        found = await _sitemaps.listing(
            self.config["url"], fetcher=tools.fetcher, robots=tools.robots, pages=tools.pages
        )
        crawl.frontier.add(await self._wanted(found), depth=0, is_listed=True)
        crawl.is_complete = found.is_complete and bool(found.pages)
        notes = [Note(f"A sitemap could not be read: {problem}") for problem in found.problems[:20]]
        if not found.pages:
            notes.append(Note("The sitemap lists no pages of this site, so nothing is taken to be gone."))
        if found.is_cut:
            notes.append(
                Note(f"The sitemap lists more than {len(found.pages):,} pages; the rest was left out.")
            )
        if found.n_elsewhere:
            notes.append(
                Note(f"{found.n_elsewhere:,} addresses in the sitemap are on other sites and were left out.")
            )
        return notes

    def _keep_the_pace(self, rules: Rules, fetcher: Fetcher) -> list[Note]:
        fetcher.delay_s = max(self.config["delay_s"], rules.delay_s)
        if rules.asked_delay_s <= MAX_DELAY_S:
            return []
        return [
            Note(
                f"The site asks for {rules.asked_delay_s:,.0f} seconds between two pages; "
                f"it gets {fetcher.delay_s:,.0f}."
            )
        ]

    async def _wanted(self, found: _sitemaps.Listing) -> list[str]:
        return await _urls.all_wanted(
            tuple(found.pages), include=self.config["include"], exclude=self.config["exclude"]
        )

    def _is_wanted(self, url: str) -> bool:
        return _urls.is_wanted(url, include=self.config["include"], exclude=self.config["exclude"])

    @asynccontextmanager
    async def _tools(self) -> AsyncGenerator[_Tools]:
        headers = {
            "User-Agent": self.parts.user_agent,
            "Accept": "text/html,*/*;q=0.8",
            "Accept-Language": "*",
        }
        async with AsyncExitStack() as stack:
            client = httpx2.AsyncClient(
                transport=self.parts.transport(),
                headers=headers,
                timeout=httpx2.Timeout(self.request_s, connect=_fetching.CONNECT_S),
                trust_env=False,
                follow_redirects=False,
            )
            await stack.enter_async_context(client)
            pages = await stack.enter_async_context(web_page_reader(self.parts.parse_limits))
            fetcher = Fetcher(client, self.config["delay_s"], self.sleep, self.request_s, self.clock)
            yield _Tools(fetcher, Robots(fetcher, self.parts.user_agent), pages)

    # ---- trying it

    async def _check_page(self, tools: _Tools, rules: Rules) -> Check:
        url = self.config["url"]
        if not rules.may_read(url):
            raise PermanentError(FORBIDDEN)
        answer = await tools.fetcher.get(url, max_bytes=_documents.max_bytes)
        if elsewhere := leads_elsewhere(url, answer):
            raise PermanentError(f"This address leads to another site: {elsewhere}. Add that one instead.")
        if answer.status >= 300:
            raise refusal(answer)
        details = _about_robots(rules)
        if not _documents.is_page(answer):
            return Check(
                is_ok=True, message=f"A document was found: {_documents.file_name(answer)}.", details=details
            )
        page = await tools.pages.page(answer.content, url=answer.url, charset=answer.charset)
        if page.needs_browser or not page.text:
            return Check(
                is_ok=False, message=NEEDS_BROWSER if page.needs_browser else NO_TEXT, details=details
            )
        n_words = len(page.text.split())
        lines = [f"The first page has {n_words:,} words of text, without menus and banners."]
        if self.config["mode"] == "crawl":
            lines.append(await self._about_links(page.links))
        return Check(
            is_ok=True, message=f"Found: {page.title or _urls.path_of(url)}.", details=(*lines, *details)
        )

    async def _about_links(self, links: Sequence[str]) -> str:
        urls = set(await asyncio.to_thread(_urls.on_site, links, _urls.site_of(self.config["url"])))
        n = sum(map(self._is_wanted, urls))
        return f"It links to {n:,} more {'page' if n == 1 else 'pages'} that would be read."

    async def _check_sitemap(self, tools: _Tools, rules: Rules) -> Check:
        found = await _sitemaps.listing(
            self.config["url"],
            fetcher=tools.fetcher,
            robots=tools.robots,
            pages=tools.pages,
            max_files=CHECKED_SITEMAPS,
        )
        n = len(await self._wanted(found))
        if n:
            at_least = "at least " if found.is_cut else ""
            message = f"The sitemap lists {at_least}{n:,} pages that would be read."
        elif found.is_cut:
            message = "The sitemap is a long one; what it lists is looked at once you add it."
        else:
            message = "The sitemap lists no pages of this site that would be read."
        return Check(
            is_ok=n > 0 or found.is_cut,
            message=message,
            details=(*found.problems[:5], *_about_robots(rules)),
        )


def _about_robots(rules: Rules) -> tuple[str, ...]:
    if rules.robots is None:
        return ("The site has no robots.txt: everything may be read.",)
    lines = ["robots.txt lets programs read this address."]
    if rules.delay_s:
        lines.append(f"The site asks for {rules.asked_delay_s:g} seconds between two pages.")
    if rules.sitemaps:
        lines.append(f"The site has a sitemap: {rules.sitemaps[0]}")
    return tuple(lines)


def _address(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise InvalidInput(EXAMPLE, field="url")
    if re.search(r"[\s\\\x00-\x20\x7f]", text):
        raise InvalidInput(ONLY_WHAT_IS_SHOWN, field="url")
    if "://" not in text and re.match(r"[\w-]+(\.[\w-]+)+([:/?#]|$)", text):
        text = f"https://{text}"
    url = _urls.normal(text)
    if url is None:
        raise InvalidInput(EXAMPLE, field="url")
    return url


def _number(given: Mapping[str, Any], name: str, label: str, low: int, high: int) -> int:
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(f"{label}: a whole number from {low:,} to {high:,}.", field=name)
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not MIN_DELAY <= value <= MAX_DELAY:
        raise InvalidInput(f"Pause between pages: {MIN_DELAY:g} to {MAX_DELAY:g} seconds.", field="delay_s")
    return float(value)


def _patterns(value: object, name: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise InvalidInput("Give a list of patterns such as /docs/*.", field=name)
    patterns = [_pattern(each.strip()) for each in value if each.strip()]
    if len(patterns) > MAX_PATTERNS or any(len(each) > MAX_PATTERN for each in patterns):
        raise InvalidInput(f"At most {MAX_PATTERNS} patterns of {MAX_PATTERN} characters each.", field=name)
    return list(dict.fromkeys(patterns))


def _pattern(text: str) -> str:
    """A pattern begins with `/` or `*`; of a whole address its path is meant."""
    if "://" in text:
        text = _urls.path_of(text)
    return text if text.startswith(("/", "*")) else f"/{text}"
