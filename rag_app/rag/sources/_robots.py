"""What a website asks of programs that read it: `robots.txt`, and the header of single pages.

Source: RFC 9309; `Crawl-delay` and `X-Robots-Tag` as search engines take them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from protego import Protego

from rag_app.errors import PermanentError, TransientError
from rag_app.rag.sources import _urls
from rag_app.rag.sources._fetching import NOT_REACHED, Answer, Failed, Fetcher

MAX_BYTES = 512 * 1024  # RFC 9309 asks for 500 KiB; what is beyond is not looked at
MAX_DELAY_S = 30.0
MAX_SITEMAPS = 50
UNREACHABLE = (
    "The site's robots.txt, which says what programs may read, cannot be had just now, so nothing is read."
)


@dataclass(frozen=True)
class Rules:
    """The rules of one host."""

    robots: Protego | None
    user_agent: str

    def may_read(self, url: str) -> bool:
        """Whether this address may be read by us."""
        return self.robots is None or bool(self.robots.can_fetch(url, self.user_agent))

    @property
    def asked_delay_s(self) -> float:
        """Seconds between pages that the site asks for; 0 where it does not."""
        if self.robots is None:
            return 0.0
        delay_s = float(self.robots.crawl_delay(self.user_agent) or 0)
        rate = self.robots.request_rate(self.user_agent)
        return max(delay_s, rate.seconds / rate.requests if rate and rate.requests else 0.0)

    @property
    def delay_s(self) -> float:
        """What we keep to, within reason."""
        return min(self.asked_delay_s, MAX_DELAY_S)

    @property
    def sitemaps(self) -> Sequence[str]:
        """Addresses of the sitemaps it names."""
        return () if self.robots is None else tuple(self.robots.sitemaps)[:MAX_SITEMAPS]


@dataclass
class Robots:
    """Knows the rules of each host that is read; asks once for them."""

    fetcher: Fetcher
    user_agent: str
    _known: dict[str, Rules] = field(default_factory=dict)

    async def rules(self, url: str) -> Rules:
        """The rules that an address is under.

        Raises:
            TransientError: whether there are any cannot be told just now, so nothing may be read.
            PermanentError: the host may not be reached at all.
        """
        origin = _urls.origin_of(url)
        if origin not in self._known:
            self._known[origin] = Rules(await self._load(f"{origin}/robots.txt"), self.user_agent)
        return self._known[origin]

    async def _load(self, url: str) -> Protego | None:
        try:
            answer = await self.fetcher.get(url, max_bytes=lambda _: MAX_BYTES, may_cut=True)
        except Failed as error:
            if error.is_transient:
                more = "" if error.reason == NOT_REACHED else f" {UNREACHABLE}"
                raise TransientError(f"{error.reason}{more}") from error
            if error.__cause__ is not None and isinstance(error.__cause__, PermanentError):
                raise PermanentError(error.reason) from error
            return None  # it leads in circles, or is sent in a way nobody can read: as good as none
        if answer.status >= 500 or answer.status == 429:
            raise TransientError(UNREACHABLE)
        if answer.status >= 300 or b"\0" in answer.content:
            return None
        return Protego.parse(answer.content.decode("utf-8", errors="replace"))


def wishes(answer: Answer, user_agent: str) -> set[str]:
    """What `X-Robots-Tag` asks of us, such as `noindex`."""
    token = re.split(r"[^A-Za-z_-]", user_agent, maxsplit=1)[0].lower()
    found: set[str] = set()
    for line in answer.headers.get_list("x-robots-tag"):
        applies = True
        for part in line.lower().split(","):
            name, colon, wish = part.rpartition(":")
            if colon and name.strip() not in {"unavailable_after", "max-snippet", "max-image-preview"}:
                applies = name.strip() == token  # from here on for this robot
            if applies:
                found.add(wish.strip())
    if "none" in found:
        found |= {"noindex", "nofollow"}
    return found
