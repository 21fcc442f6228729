"""Read web pages and sitemaps in a confined process of their own, which serves many of them.

WebPageReader ── bytes ──► child (limits, no network, empty environment)
      ▲                      │
      └── page or reason ◄───┘   started again where it hung, died or has done enough
"""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from rag_app.domain.web_pages import Sitemap, WebPage
from rag_app.errors import PermanentError, TransientError
from rag_app.rag.parsers import sandbox
from rag_app.rag.parsers.contract import ParseLimits

log = structlog.get_logger()

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from rag_app.rag.parsers import _web_child; _web_child.main(sys.argv[2])"
)
MAX_MEMORY_MB = 1024
MAX_CHARS = 2_000_000
WALL_S = 60.0  # for one page; a large one takes one or two
PAGES_PER_CHILD = 500  # memory that a library lost comes back, and time is counted anew
MAX_ANSWER_BYTES = 64 * 1024 * 1024

TOO_SLOW = "Reading this page took too long."
CRASHED = "This page could not be read; its HTML is too damaged."


@dataclass
class WebPageReader:
    """Reads one page at a time; made by `web_page_reader`."""

    folder: Path
    limits: ParseLimits
    wall_s: float = WALL_S
    _process: Process | None = None
    _n_read: int = 0
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def page(self, content: bytes, *, url: str, charset: str = "") -> WebPage:
        """Read a page of HTML.

        Raises:
            PermanentError: it cannot be read; the message says why.
            TransientError: there is no process for it just now.
        """
        found = await self._ask("page", content, url=url, charset=charset)
        return replace(WebPage(**found), links=tuple(found["links"]))

    async def sitemap(self, content: bytes, *, url: str) -> Sitemap:
        """Read a sitemap, packed or not. Raises as `page` does."""
        found = await self._ask("sitemap", content, url=url, charset="")
        return Sitemap(tuple(found["pages"]), tuple(found["sitemaps"]), found["is_cut"])

    async def close(self) -> None:
        """End the child, whatever it is doing."""
        if self._process is not None:
            process, self._process = self._process, None
            await sandbox.end(process)
            _close_input(process)

    async def _ask(self, kind: str, content: bytes, *, url: str, charset: str) -> dict[str, Any]:
        head = {"kind": kind, "url": url, "charset": charset, "n_bytes": len(content)}
        async with self._one_at_a_time:
            answer = await self._answer(json.dumps(head).encode() + b"\n" + content)
        if "cause" in answer:
            log.warning("page_not_read", kind=kind, error=answer["cause"])
        if "error" in answer:
            raise PermanentError(answer["error"])
        return answer["ok"]

    async def _answer(self, request: bytes) -> dict[str, Any]:
        process = await self._child()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self.wall_s):
                process.stdin.write(request)
                await process.stdin.drain()
                line = await process.stdout.readline()
            self._n_read += 1
            return json.loads(line)
        except TimeoutError:
            await self.close()
            raise PermanentError(TOO_SLOW) from None
        except (ValueError, OSError):  # it died, or said too much
            log.warning("page_reader_died", exit_code=process.returncode)
            await self.close()
            raise PermanentError(CRASHED) from None
        except BaseException:  # an answer that nobody waits for would be taken for the next one's
            await self.close()
            raise

    async def _child(self) -> Process:
        if self._n_read >= PAGES_PER_CHILD:
            await self.close()
        if self._process is None:
            self._process, self._n_read = await self._start(), 0
        return self._process

    async def _start(self) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-B",
                "-c",
                _START,
                str(sandbox.SOURCE_ROOT),
                json.dumps(asdict(self.limits)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self.folder,
                env=sandbox.environment(self.folder),
                start_new_session=True,
                limit=MAX_ANSWER_BYTES,
            )
        except OSError as error:
            raise TransientError(sandbox.NOT_STARTED) from error


def _close_input(process: Process) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


@contextlib.asynccontextmanager
async def web_page_reader(limits: ParseLimits, *, wall_s: float = WALL_S) -> AsyncGenerator[WebPageReader]:
    """A reader of web pages; its process starts with the first page and ends with this context."""
    bounded = replace(
        limits,
        memory_mb=min(limits.memory_mb, MAX_MEMORY_MB),
        max_chars=min(limits.max_chars, MAX_CHARS),
        cpu_s=max(limits.cpu_s, PAGES_PER_CHILD * 2),
    )
    async with sandbox.private_folder() as folder:
        reader = WebPageReader(folder, bounded, wall_s)
        try:
            yield reader
        finally:
            await reader.close()
