"""Workers and API servers as processes of their own, to be killed, paused and watched."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx2

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
GRACE_S = 0.5  # so that a quick machine does not finish a file meanwhile
STALLED_AFTER_S = 6.0  # so that a test need not wait for half a minute


@dataclass
class Site:
    """One installation: its database, its folder, and what runs on them."""

    dsn: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    server: subprocess.Popen[bytes] | None = None

    @property
    def temporary(self) -> Path:
        """Where its processes put temporary files."""
        return self.folder / "temp"

    def environment(self) -> dict[str, str]:
        """What its processes are told, and nothing of a developer's own environment."""
        kept = {name: os.environ[name] for name in os.environ if name.startswith(("PATH", "COVERAGE_"))}
        self.temporary.mkdir(exist_ok=True)
        return kept | {
            "DATABASE_URL": self.dsn,
            "RAG_DATA_DIR": str(self.folder),
            "RAG_WORKER_STALLED_AFTER_S": str(STALLED_AFTER_S),
            "RAG_WORKER_GRACE_S": str(GRACE_S),
            "TMPDIR": str(self.temporary),
            **self.settings,
        }

    def start(self, *arguments: str, log_name: str) -> subprocess.Popen[bytes]:
        """Start a Python program of this installation."""
        with (self.folder / log_name).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @contextmanager
    def worker(self) -> Iterator["Worker"]:
        """A worker that is gone afterwards, whatever a test did to it."""
        worker = Worker(self)
        try:
            yield worker
        finally:
            worker.end()

    @asynccontextmanager
    async def api(self, port: int) -> AsyncIterator[str]:
        """An API server; yields its address."""
        arguments = ("granian", "--interface", "asgi", "--factory", "--workers-kill-timeout", "10")
        server = self.start(*arguments, "--port", str(port), "tests.api_server:create", log_name="api.log")
        self.server = server
        address = f"http://127.0.0.1:{port}"
        try:
            await _until_live(address, server)
            yield address
        finally:
            server.terminate()
            try:
                await asyncio.to_thread(server.wait, 15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


class Worker:
    """A worker process."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return self.site.start("rag_app", "worker", log_name="worker.log")

    def kill(self) -> None:
        """End it without a warning, as a lack of memory or power does."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """Start another in its place."""
        self.process = self._start()

    def terminate(self, *, within_s: float = 20) -> int:
        """Ask it to stop; returns its exit code."""
        self.process.terminate()
        return self.process.wait(within_s)

    def pause(self) -> None:
        """Stop it in its tracks."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a paused one continue as if nothing had happened."""
        self.process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        """What all workers of the installation said."""
        return (self.site.folder / "worker.log").read_text()

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.go_on()
            self.kill()


async def _until_live(address: str, server: subprocess.Popen[bytes]) -> None:
    async with httpx2.AsyncClient() as client:
        while True:
            assert server.poll() is None, "the server ended"
            try:
                if (await client.get(f"{address}/health/live")).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(0.1)


async def eventually(ask: Callable[[], T], *, within_s: float = 60, every_s: float = 0.05) -> T:
    """Wait for something to become true; returns it."""
    give_up_at = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < give_up_at, "it did not come to pass"
        await asyncio.sleep(every_s)
    return answer
