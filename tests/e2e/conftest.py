"""A whole installation, as `make run` starts it, and a browser in front of it."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.database import short_folder

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "test-artifacts"
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass(frozen=True)
class Installation:
    """A running installation."""

    url: str
    data_dir: Path
    process: subprocess.Popen[bytes]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(**settings: str) -> Iterator[Installation]:
    """Start `python -m rag_app up` on a fresh data folder, and stop it as Ctrl-C does."""
    port, data_dir = free_port(), short_folder()
    environment = {
        **os.environ,
        "RAG_PORT": str(port),
        "RAG_DATA_DIR": str(data_dir),
        "RAG_LOG_LEVEL": "WARNING",
        **settings,
    }
    with (data_dir / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rag_app", "up"],
            cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"http://localhost:{port}"
    try:
        _wait(url, process, data_dir / "up.log")
        yield Installation(url, data_dir, process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            shutil.rmtree(data_dir, ignore_errors=True)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health/live", timeout=1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
    raise AssertionError(f"The installation did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """One installation for all browser tests; each test signs up for itself."""
    with running() as started:
        yield started


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, or whatever Chromium there is."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "The browser tests need Chromium; scripts/system-packages.sh installs it on Debian."
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield started
        await started.close()


@dataclass
class Person:
    """Somebody in front of a browser, whose console is watched."""

    page: Page
    context: BrowserContext
    complaints: list[str]

    async def shoot(self, name: str) -> None:
        """Leave a picture for people to look at."""
        ARTIFACTS.mkdir(exist_ok=True)
        await asyncio.sleep(0.3)  # let transitions end: pictures are for people
        await self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=False)


@contextlib.asynccontextmanager
async def person(browser: Browser, url: str, **options: object) -> AsyncIterator[Person]:
    """Open a browser of somebody's own."""
    context = await browser.new_context(base_url=url, **options)  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    try:
        yield Person(page, context, complaints)
    finally:
        await context.close()
