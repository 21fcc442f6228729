"""Fetch from a website as a good guest: one request at a time, with pauses, and never more than asked for.

get ── wait ── request ── redirect? ── by hand, through the guard again, five at most
                  └─ kind of content wanted? ── bytes up to a limit, seconds up to a limit
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx2

from rag_app.errors import PermanentError
from rag_app.rag.sources import _urls

MAX_REDIRECTS = 5
REQUEST_S = 60.0
CONNECT_S = 15.0
MAX_PATIENCE_S = 120.0  # a longer `Retry-After` ends the attempt instead
MAX_PAGE_BYTES = 8 * 1024 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_COME_BACK_LATER = frozenset({429, 503})

# For a name that nobody has and for one of a private network alike, or those could be guessed.
NOT_REACHED = (
    "The site could not be reached: there is no such server on the internet, or it does not answer. A server "
    "in a private network can be used once whoever runs this installation has listed it in "
    "RAG_ALLOWED_PRIVATE_HOSTS."
)

Sleep = Callable[[float], Awaitable[None]]


async def pause(seconds: float) -> None:
    """Wait."""
    await asyncio.sleep(seconds)


class Failed(Exception):
    """One address could not be fetched; the message says why."""

    def __init__(
        self, reason: str, *, is_transient: bool = False, retry_after_s: float | None = None, status: int = 0
    ) -> None:
        super().__init__(reason)
        self.reason, self.is_transient, self.retry_after_s = reason, is_transient, retry_after_s
        self.status = status


class Unwanted(Failed):
    """What is there is not for us; nothing of it was read."""


@dataclass(frozen=True)
class Answer:
    """What came from the last of all addresses that a request was sent on to."""

    url: str
    status: int
    headers: httpx2.Headers
    content: bytes = b""

    @property
    def media_type(self) -> str:
        """Such as `text/html`, lower-case; empty where nothing is said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """As the answer names it, or empty."""
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip("\"'")
        return ""


# Says with which headers an address is asked for, such as `If-None-Match`. Raises Unwanted.
Conditions = Callable[[str], Awaitable[Mapping[str, str]]]


async def _none(_: str) -> Mapping[str, str]:
    return {}


@dataclass
class Fetcher:
    """Sends requests of one reader, one after the other.

    Args:
        delay_s: between the end of one request and the next to the same host.
    """

    client: httpx2.AsyncClient
    delay_s: float
    sleep: Sleep = pause
    request_s: float = REQUEST_S
    clock: Callable[[], float] = time.monotonic
    _last: dict[str, float] = field(default_factory=dict)

    async def get(
        self,
        url: str,
        *,
        max_bytes: Callable[[Answer], int] = lambda _: MAX_PAGE_BYTES,
        conditions: Conditions = _none,
        may_cut: bool = False,
    ) -> Answer:
        """Fetch an address, wherever it leads.

        Args:
            max_bytes: how much of an answer is wanted, given its head. May raise Unwanted.
            conditions: asked for each address on the way.
            may_cut: whether an answer that is too long is cut instead of being given up.

        Raises:
            Failed: there is no answer, or none within the limits. An answer of 400 and above is one.
        """
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._patiently(url, max_bytes, await conditions(url), may_cut=may_cut)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            url = _next(url, answer.headers["location"])
        raise Failed("This address leads on and on, and never to a page.")

    async def _patiently(
        self, url: str, max_bytes: Callable[[Answer], int], headers: Mapping[str, str], *, may_cut: bool
    ) -> Answer:
        """Ask once more where a server asks for a moment."""
        answer = await self._once(url, max_bytes, headers, may_cut=may_cut)
        pause_s = _retry_after_s(answer)
        if answer.status in _COME_BACK_LATER and pause_s is not None and pause_s <= MAX_PATIENCE_S:
            await self.sleep(pause_s)
            answer = await self._once(url, max_bytes, headers, may_cut=may_cut)
        return answer

    async def _once(
        self, url: str, max_bytes: Callable[[Answer], int], headers: Mapping[str, str], *, may_cut: bool
    ) -> Answer:
        host = httpx2.URL(url).host
        await self._pause(host)
        try:
            async with asyncio.timeout(self.request_s):
                return await self._receive(url, max_bytes, headers, may_cut=may_cut)
        except TimeoutError:
            raise Failed("The server took too long.", is_transient=True) from None
        except PermanentError as error:  # the guard's: where it leads, nobody may go
            raise Failed(NOT_REACHED) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as error:
            raise _failure(error) from error
        finally:
            self._last[host] = self.clock()

    async def _receive(
        self, url: str, max_bytes: Callable[[Answer], int], headers: Mapping[str, str], *, may_cut: bool
    ) -> Answer:
        async with self.client.stream("GET", url, headers=dict(headers)) as response:
            head = Answer(url, response.status_code, response.headers)
            if not response.is_success:
                return head
            limit = max_bytes(head)
            if not may_cut and _length(response) > limit:
                raise Failed(_too_long(limit))
            content = bytearray()
            async for part in response.aiter_raw():
                content += part
                if len(content) > limit:
                    if may_cut:
                        break
                    raise Failed(_too_long(limit))
            return Answer(url, response.status_code, response.headers, bytes(content[:limit]))

    async def _pause(self, host: str) -> None:
        if host in self._last:
            passed = self.clock() - self._last[host]
            if passed < self.delay_s:
                await self.sleep(self.delay_s - passed)


def _next(url: str, location: str) -> str:
    try:
        following = httpx2.URL(url).join(location.strip())
    except (httpx2.InvalidURL, ValueError):
        raise Failed("This address leads to one that cannot be read.") from None
    return str(following.copy_with(fragment=None))


def _retry_after_s(answer: Answer) -> float | None:
    said = answer.headers.get("retry-after", "").strip()
    return float(said) if said.isascii() and said.isdigit() and len(said) < 10 else None


def refusal(answer: Answer) -> Failed:
    """Say in words what an answer of 400 and above means."""
    status = answer.status
    match status:
        case 401 | 407:
            reason = "The site shows this page only to people who have signed in (401)."
        case 403 | 451:
            reason = f"The site does not let programs read this page ({status})."
        case 404 | 410:
            reason = f"There is no such page ({status})."
        case 429:
            reason = "The site asked us to come back later (429)."
        case _ if status >= 500:
            reason = f"The site has a fault of its own just now ({status})."
        case _:
            reason = f"The site refused this address ({status})."
    is_transient = status >= 500 or status in {408, 425, 429}
    return Failed(reason, is_transient=is_transient, retry_after_s=_retry_after_s(answer), status=status)


_FAILURES: tuple[tuple[type[Exception], Failed], ...] = (
    (httpx2.DecodingError, Failed("The server sent this compressed, though it was asked not to.")),
    (httpx2.InvalidURL, Failed("This address leads to one that cannot be read.")),
    (httpx2.UnsupportedProtocol, Failed("This address leads to one that cannot be read.")),
    (httpx2.TimeoutException, Failed("The server took too long.", is_transient=True)),
    (httpx2.ConnectError, Failed(NOT_REACHED, is_transient=True)),
)


def _failure(error: Exception) -> Failed:
    if "CERTIFICATE" in str(error).upper():
        return Failed("The site's certificate is not valid, so nobody can tell whether it is this site.")
    if isinstance(error, httpx2.ReadError) and "too long" in str(error):  # our own transport's limit
        return Failed("This is too large to be read.")
    for kind, failed in _FAILURES:
        if isinstance(error, kind):
            return Failed(failed.reason, is_transient=failed.is_transient)
    return Failed("The connection to the site broke off.", is_transient=True)


def _length(response: httpx2.Response) -> int:
    said = response.headers.get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 else 0


def _too_long(limit: int) -> str:
    return f"This is larger than {limit // (1024 * 1024)} MB, which is the most that is read of a website."


def leads_elsewhere(start: str, answer: Answer) -> str:
    """The other site that an address led to, empty where it stayed."""
    there = _urls.site_of(answer.url)
    return there if there != _urls.site_of(start) else ""
