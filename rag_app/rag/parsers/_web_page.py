"""Read one page of HTML: what it is about as Markdown, its name, and where it links to.

bytes ── text ── tree ─┬─ links, canonical address, wishes about robots
                       └─ without menus and banners ── main content (or all its text) ── Markdown
"""

import codecs
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from rag_app.domain.web_pages import WebPage
from rag_app.rag.parsers import _charset

MAX_LINKS = 2_000
MAX_ADDRESS = 2_048
MAX_TITLE = 300
FEW_CHARACTERS = 200  # a shell that waits for its script says no more than "Loading…" or "Enable JavaScript"

_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")
_INVISIBLE = "script style noscript template svg iframe object canvas".split()
_VISIBLE_TEXT = f"//body//text()[not({' or '.join(f'ancestor::{name}' for name in _INVISIBLE)})]"

# What is on every page of a website; `not(…)` keeps what holds the content itself.
_AROUND_THE_CONTENT = (
    "//nav | //*[@role='navigation' or @role='banner' or @role='contentinfo' or @role='search' "
    "or @role='dialog' or @role='alertdialog'] | //footer[not(ancestor::article or ancestor::main)] "
    "| //dialog | //form[@role='search']"
)
_COOKIE_WORDS = re.compile(r"cookie|consent|gdpr|onetrust|usercentrics|didomi|cc-window|cky-", re.IGNORECASE)
_CONTAINERS = ("html", "body", "main", "article")
_SCRIPT_ROOTS = re.compile(r"^(root|app|__next|__nuxt|___gatsby|svelte|q-app|react-root|main-app|app-root)$")


def read(content: bytes, *, url: str, charset: str, max_chars: int) -> WebPage:
    """Read a page.

    Args:
        url: where it was, for links that are relative to it.
        charset: as its answer said, or empty.
    """
    from lxml import html

    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    text = _XML_DECLARATION.sub("", decode(content, charset))
    if not text.strip():
        return WebPage()
    tree = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    wishes = _wishes(tree)
    links = _links(tree, _base(tree, url))
    about = _about(tree, url)
    needs_browser = _needs_browser(tree)
    markdown = "" if needs_browser else _markdown(tree, url)
    title = (about["title"] or _first_text(tree, "//title") or _first_text(tree, "//h1"))[:MAX_TITLE]
    return WebPage(
        title=title,
        author=about["author"][:MAX_TITLE],
        written_on=about["date"],
        text=_with_title(markdown, title)[:max_chars],
        canonical=_canonical(tree, _base(tree, url)),
        links=tuple(links[:MAX_LINKS]),
        n_links=len(links),
        may_keep=not wishes & {"noindex", "none"},
        may_follow=not wishes & {"nofollow", "none"},
        needs_browser=needs_browser,
    )


def decode(content: bytes, charset: str) -> str:
    """Decode a page as a browser would: by its mark, its answer's header, its own word, or by guess."""
    if content.startswith(_BOMS):
        return _charset.decode(content)
    declared = _META_CHARSET.search(content[:4096])
    for name in (charset, declared[1].decode("ascii") if declared else ""):
        if codec := _codec(name):
            return content.decode(codec, errors="replace")
    return _charset.decode(content)


def _codec(name: str) -> str:
    """The codec of a name, empty where there is none that makes text."""
    try:
        found = codecs.lookup(name.strip("\"' "))
        "".encode(found.name)
    except (LookupError, ValueError):
        return ""
    # Browsers take these names for Windows' encoding, so that is what pages mean by them.
    return "cp1252" if found.name in {"iso8859-1", "ascii"} else found.name


def _wishes(tree: Any) -> set[str]:
    contents = tree.xpath("//meta[translate(@name, 'ROBTS', 'robts')='robots']/@content")
    return {word.strip().lower() for content in contents for word in content.split(",")}


def _base(tree: Any, url: str) -> str:
    base = tree.xpath("string(//base/@href)")
    return _joined(url, base) or url


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address.strip())
    except ValueError:
        return ""


def _canonical(tree: Any, base: str) -> str:
    named = tree.xpath("//link[translate(@rel, 'CANOIL', 'canoil')='canonical']/@href")
    return _joined(base, named[0])[:MAX_ADDRESS] if named and named[0].strip() else ""


def _links(tree: Any, base: str) -> list[str]:
    """Addresses that a person could follow, each once, in the order of the page."""
    found: dict[str, None] = {}
    for element in tree.xpath("//a[@href] | //area[@href]"):
        if "nofollow" not in element.get("rel", "").lower().split():
            found[_joined(base, element.get("href"))] = None
    for address in tree.xpath("//frame/@src | //iframe/@src"):
        found[_joined(base, address)] = None
    found |= dict.fromkeys(_refreshes(tree, base))
    return [each for each in found if each.startswith(("http://", "https://")) and len(each) <= MAX_ADDRESS]


def _refreshes(tree: Any, base: str) -> Iterator[str]:
    for content in tree.xpath("//meta[translate(@http-equiv, 'REFSH', 'refsh')='refresh']/@content"):
        _, _, address = content.partition("=")
        if address.strip("\"' "):
            yield _joined(base, address.strip("\"' "))


def _about(tree: Any, url: str) -> dict[str, str]:
    import trafilatura

    found = trafilatura.extract_metadata(
        tree, default_url=url, date_config={"extensive_search": False, "original_date": False}
    )
    return {
        name: " ".join((getattr(found, name, None) or "").split()) for name in ("title", "author", "date")
    }


def _first_text(tree: Any, path: str) -> str:
    return " ".join(tree.xpath(f"string({path})").split())


def _visible(tree: Any) -> str:
    parts = tree.xpath(_VISIBLE_TEXT)
    return " ".join(" ".join(parts).split())


def _needs_browser(tree: Any) -> bool:
    """Whether there is hardly any text, and a script that would make it."""
    n_characters = len(_visible(tree))
    scripts = tree.xpath("//script[@src or string-length(text()) > 200]")
    if not scripts or n_characters >= FEW_CHARACTERS:
        return False
    ids = tree.xpath("//body//*/@id")
    is_shell = any(_SCRIPT_ROOTS.match(each.lower()) for each in ids) or bool(tree.xpath("//app-root"))
    asks = any("javascript" in text.lower() for text in tree.xpath("//noscript//text()"))
    return n_characters == 0 or is_shell or asks


def _markdown(tree: Any, url: str) -> str:
    import trafilatura

    whole = _visible(tree)
    _prune(tree)
    text = trafilatura.extract(
        tree, url=url, output_format="markdown", include_comments=False, include_tables=True,
        include_formatting=True, include_links=False, include_images=False,
    )  # fmt: skip
    return (text or _visible(tree) or whole).strip()


def _prune(tree: Any) -> None:
    for element in [*tree.xpath(_AROUND_THE_CONTENT), *_banners(tree)]:
        if element.getparent() is not None and not element.xpath(".//main | .//article | .//h1"):
            element.drop_tree()


def _banners(tree: Any) -> list[Any]:
    marked = tree.xpath("//body//*[@id or @class]")
    return [
        element
        for element in marked
        if element.tag not in _CONTAINERS
        and _COOKIE_WORDS.search(f"{element.get('id', '')} {element.get('class', '')}")
        and not element.xpath("ancestor::main | ancestor::article")
    ]


def _with_title(markdown: str, title: str) -> str:
    """Begin with the page's name, which a question is likely to use."""
    if not markdown or not title or re.match(r"#{1,2} ", markdown):
        return markdown
    return f"# {title}\n\n{markdown}"
