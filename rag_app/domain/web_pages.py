"""What is read out of a web page, and out of a sitemap."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WebPage:
    """One page of HTML, read.

    Args:
        title: its name, empty where it has none.
        text: what the page is about, as Markdown; menus, banners and footers are left out.
        written_on: the day it was written or last changed, as `2026-05-31`, where the page says so.
        canonical: the address it calls its own, empty where it names none.
        links: addresses it links to, complete and each once, as they were written.
        n_links: how many there were, where `links` had to be cut.
        may_keep, may_follow: False where the page asks not to be kept, or its links not to be followed.
        needs_browser: the text is put together by JavaScript, so there is none to read.
    """

    title: str = ""
    author: str = ""
    written_on: str = ""
    text: str = ""
    canonical: str = ""
    links: tuple[str, ...] = ()
    n_links: int = 0
    may_keep: bool = True
    may_follow: bool = True
    needs_browser: bool = False


@dataclass(frozen=True)
class Sitemap:
    """A list of addresses that a site publishes: of its pages, and of further such lists."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()
    is_cut: bool = False
