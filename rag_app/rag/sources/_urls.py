"""Addresses of a website: written in one way, on the site or not, wanted or not.

The same page has many addresses: with `#part`, with a session's id, with the name of the newsletter that led
to it. `normal` takes away what does not change the page, so that it is read once.
"""

import asyncio
import posixpath
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, unquote, urlencode

import httpx2

MAX_LENGTH = 1_000
SLICE = 500  # of a long list: what is done with it takes a tenth of a second or two

_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(
    r"utm_\w+|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|yclid|twclid|ttclid|igshid|mc_[ce]id|mkt_tok|"
    r"_ga|_gl|_hs(enc|mi)|__hs\w+|hsctatracking|vero_(id|conv)|(pk|piwik|mtm|matomo)_\w+|oly_(anon|enc)_id|"
    r"wickedid|cmpid|ref_src|spm",
    re.IGNORECASE,
)
_SESSION = re.compile(
    r"phpsessid|jsessionid|aspsessionid\w*|asp\.net_sessionid|sessid|session_?id|cfid|cftoken|oscsid|zenid|xtcsid",
    re.IGNORECASE,
)
_LONG_ENOUGH_FOR_A_SESSION = 16
_SESSION_IN_PATH = re.compile(r";(jsessionid|phpsessid|sid)=[^/;]*|/\([sSaAfF]\([^/)]*\)\)", re.IGNORECASE)
_KEPT_IN_PATHS = "/:@!$&'()*+,;=~-._"


def normal(address: str | httpx2.URL) -> str | None:
    """The one way to write an address of a page; None where it is none that can be read.

    Lower-case host, no default port, no `#…`, no `/../`, sorted query without sessions and tracking.
    """
    try:
        url = httpx2.URL(str(address).strip())
    except (httpx2.InvalidURL, ValueError):
        return None
    if url.scheme not in _DEFAULT_PORTS or not url.host or url.userinfo:
        return None
    host = url.raw_host.decode("ascii", "replace").lower().removesuffix(".")
    host = f"[{host}]" if ":" in host else host
    port = "" if url.port in {None, _DEFAULT_PORTS[url.scheme]} else f":{url.port}"
    path, query = _path(url), _query(url)
    found = f"{url.scheme}://{host}{port}{path}{'?' if query else ''}{query}"
    return found if len(found) <= MAX_LENGTH else None


def _path(url: httpx2.URL) -> str:
    raw = _SESSION_IN_PATH.sub("", url.raw_path.partition(b"?")[0].decode("ascii", "replace"))
    # `%7Euser` and `~user` are one; what stands for `/` or `?` is left as it is.
    path = "/".join(quote(unquote(part, errors="surrogateescape"), _KEPT_IN_PATHS, errors="surrogateescape")
                    if "%2f" not in part.lower() else part for part in raw.split("/"))  # fmt: skip
    ends_as_folder = path.endswith(("/", "/.", "/.."))
    path = posixpath.normpath(re.sub(r"/{2,}", "/", f"/{path}"))
    path = re.sub(r"^/+", "/", path)
    return f"{path}/" if ends_as_folder and path != "/" else path


def _query(url: httpx2.URL) -> str:
    pairs = parse_qsl(url.query.decode("ascii", "replace"), keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not is_noise(name, value)]
    return urlencode(sorted(kept))


def is_noise(name: str, value: str) -> bool:
    """Whether a parameter only tells who came from where."""
    if name.lower() in {"sid", "s"}:  # a short one may be a section, or what was searched for
        return len(value) >= _LONG_ENOUGH_FOR_A_SESSION and value.isalnum()
    return bool(_TRACKING.fullmatch(name) or _SESSION.fullmatch(name))


def site_of(address: str) -> str:
    """What all addresses of a website have in common: its host without `www.`, and an unusual port."""
    url = httpx2.URL(address)
    port = "" if url.port in {None, 80, 443} else f":{url.port}"
    return f"{url.host.lower().removesuffix('.').removeprefix('www.')}{port}"


def on_site(addresses: Sequence[str], site: str) -> list[str]:
    """Those that can be read and are of a site, in their normal form."""
    normalised = (normal(address) for address in addresses)
    return [url for url in normalised if url is not None and site_of(url) == site]


def origin_of(address: str) -> str:
    """Scheme, host and port, such as `https://example.com`."""
    return (
        address.partition("://")[0] + "://" + address.partition("://")[2].partition("/")[0].partition("?")[0]
    )


def path_of(address: str) -> str:
    """Path with query, as it was normalised."""
    rest = address.removeprefix(origin_of(address))
    return rest if rest.startswith("/") else f"/{rest}"


def matches(pattern: str, address: str) -> bool:
    """Whether an address is one of those meant by a pattern.

    `*` stands for anything, `/` too. Without a `*`, the address itself and what is below it are meant.
    A pattern with `?` looks at the query as well.
    """
    path = path_of(address)
    subject = path if "?" in pattern else path.partition("?")[0]
    if "*" in pattern:
        return _glob(pattern, subject)
    return subject == pattern or subject.startswith(f"{pattern.rstrip('/')}/")


def _glob(pattern: str, text: str) -> bool:
    """Match `*`, in one pass: an expression with many of them could take for ever."""
    first, *middle, last = pattern.split("*")
    if not text.startswith(first) or not text[len(first) :].endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end


def is_wanted(address: str, *, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether an owner's patterns let an address through."""
    if any(matches(pattern, address) for pattern in exclude):
        return False
    return not include or any(matches(pattern, address) for pattern in include)


async def all_wanted(
    addresses: Sequence[str], *, include: Sequence[str], exclude: Sequence[str]
) -> list[str]:
    """Those of many that an owner's patterns let through, without keeping everybody else from working."""
    wanted: list[str] = []
    for begin in range(0, len(addresses), SLICE):
        some = addresses[begin : begin + SLICE]
        wanted += await asyncio.to_thread(_wanted, some, include, exclude)
    return wanted


def _wanted(addresses: Sequence[str], include: Sequence[str], exclude: Sequence[str]) -> list[str]:
    return [url for url in addresses if is_wanted(url, include=include, exclude=exclude)]
