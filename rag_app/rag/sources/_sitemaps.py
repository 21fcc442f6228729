"""Collect the addresses that a website lists, through lists of lists."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rag_app.errors import PermanentError, TransientError
from rag_app.rag.parsers.web_pages import WebPageReader
from rag_app.rag.sources import _urls
from rag_app.rag.sources._fetching import NOT_REACHED, Failed, Fetcher, refusal
from rag_app.rag.sources._robots import Robots

MAX_FILES = 100
MAX_LEVELS = 3
MAX_LISTED = 50_000
MAX_BYTES = 30 * 1024 * 1024  # as sent; unpacked it has a limit of its own
NONE_FOUND = (
    "No sitemap was found: neither robots.txt names one, nor is there one at /sitemap.xml. Give the address "
    "of the sitemap itself, or follow links instead."
)


@dataclass
class Listing:
    """What a site's sitemaps list.

    Args:
        pages: addresses of pages on this site, in their normal form, each once.
        n_elsewhere: how many led to other sites and were left out.
        problems: sentences about sitemaps that could not be read; then something may be missing.
    """

    pages: dict[str, None] = field(default_factory=dict)
    n_files: int = 0
    n_elsewhere: int = 0
    problems: list[str] = field(default_factory=list)
    is_cut: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether a page that is not in it is not listed."""
        return not self.problems and not self.is_cut


async def listing(
    start: str, *, fetcher: Fetcher, robots: Robots, pages: WebPageReader, max_files: int = MAX_FILES
) -> Listing:
    """Read a site's sitemaps.

    Args:
        start: a sitemap itself, or any address of the site that has one.
        max_files: how many sitemaps are read; with more, what is found is cut.

    Raises:
        PermanentError: there is none.
        TransientError: it cannot be had just now.
    """
    found = Listing()
    first = list(dict.fromkeys(await _first(start, robots)))
    found.is_cut = len(first) > max_files
    waiting = deque((url, 0) for url in first[:max_files])
    met = {url for url, _ in waiting}
    while waiting:
        url, level = waiting.popleft()
        if len(found.pages) >= MAX_LISTED:
            found.is_cut = True
            break
        further = await _read(url, start, found, fetcher=fetcher, pages=pages)
        fresh = [address for address in dict.fromkeys(further) if address not in met]
        room = max_files - len(met) if level + 1 < MAX_LEVELS else 0
        found.is_cut |= len(fresh) > room
        met.update(fresh[:room])
        waiting.extend((address, level + 1) for address in fresh[:room])
    if not found.pages and found.problems:
        raise PermanentError(found.problems[0])
    return found


async def _first(start: str, robots: Robots) -> Sequence[str]:
    if _is_sitemap(start):
        return [start]
    named = [each for each in map(_urls.normal, (await robots.rules(start)).sitemaps) if each is not None]
    return named or [f"{_urls.origin_of(start)}/sitemap.xml"]


def _is_sitemap(url: str) -> bool:
    path = _urls.path_of(url).partition("?")[0].lower()
    return path.endswith((".xml", ".xml.gz", ".txt", ".gz")) or "sitemap" in path.rpartition("/")[2]


async def _read(
    url: str, start: str, found: Listing, *, fetcher: Fetcher, pages: WebPageReader
) -> Sequence[str]:
    """Read one sitemap into `found`; returns further ones."""
    is_first, found.n_files = found.n_files == 0, found.n_files + 1
    try:
        answer = await fetcher.get(url, max_bytes=lambda _: MAX_BYTES)
        if answer.status >= 300:
            raise refusal(answer)
        sitemap = await pages.sitemap(answer.content, url=answer.url)
    except Failed as error:
        if is_first and error.is_transient:
            raise TransientError(error.reason, retry_after_s=error.retry_after_s) from error
        if is_first and error.reason == NOT_REACHED:
            raise PermanentError(error.reason) from error
        if is_first and error.status in {404, 410}:
            raise PermanentError(NONE_FOUND) from error
        found.problems.append(f"{url}: {error.reason}")
        return ()
    except PermanentError as error:
        found.problems.append(f"{url}: {error}")
        return ()
    found.is_cut |= sitemap.is_cut
    await _add(sitemap.pages, start, found)
    further = list(dict.fromkeys(sitemap.sitemaps))
    found.is_cut |= len(further) > MAX_FILES
    return [each for each in map(_urls.normal, further[:MAX_FILES]) if each is not None]


async def _add(addresses: Sequence[str], start: str, found: Listing) -> None:
    """Take up what is on this site, without keeping everybody else from working."""
    site = _urls.site_of(start)
    for begin in range(0, len(addresses), _urls.SLICE):
        some = addresses[begin : begin + _urls.SLICE]
        here = await asyncio.to_thread(_urls.on_site, some, site)
        found.n_elsewhere += len(some) - len(here)
        for url in here:
            if url not in found.pages and len(found.pages) >= MAX_LISTED:
                found.is_cut = True
                return
            found.pages[url] = None
