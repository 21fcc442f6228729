"""What streaming an answer through the product costs, beside asking the provider directly.

    python benchmarks/streaming.py                        1, 20 and 100 streams at once, through OpenAI's SDK
    python benchmarks/streaming.py --provider gemini --streams 20 --answers 60

A stand-in for the provider sends 200 words at 50 a second. Each of n clients asks again as soon as it has
its answer, first bare (the stand-in itself), then through `POST …/messages` with server-sent events:
sign-in, follow-up rules, search with reranking, prompt, SDK, citations, and both messages and the usage
stored.

CPU is processor time of the web process and of Postgres per answer. The first word of an answer is the
clock of the machine at the moment it was sent; what it takes longer to the client than in the bare run is
the delay added. Time until the first word from the question on includes the search and is shown beside it.
"""

import argparse
import asyncio
import re
import shutil
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.database import create_database, short_folder, start_test_postgres
from tests.processes import ROOT, Site

N_WORDS = 200
PAUSE_S = 0.02
QUESTION = "How many days of paid holiday does every employee have?"
TEXT = (
    "Every employee has 25 days of paid holiday in each calendar year. Unused days expire on 31 March. " * 4
)
ANSWER = "@{now}@ " + " ".join(["Employees have 25 days of leave a year [1]."] * (N_WORDS // 8)) + " Yes"
STAMP = re.compile(rb"@(\d+\.\d{6})@")
PATHS = {
    "openai": ("/openai/v1/chat/completions", {"authorization": "Bearer x"}),
    "anthropic": ("/anthropic/v1/messages", {"x-api-key": "x", "anthropic-version": "2026-10-21"}),
    "gemini": (
        "/gemini/v1beta/models/gemini-3.5-flash-lite:streamGenerateContent?alt=sse",
        {"x-goog-api-key": "x"},
    ),
}
Ask = Callable[[int], Awaitable[tuple[float, float]]]


@dataclass(frozen=True)
class Cost:
    """One run: milliseconds of processor time per answer, and of delays."""

    web_ms: float
    postgres_ms: float
    provider_ms: float
    relayed_ms: list[float]
    first_ms: list[float]
    n_updates: float


@dataclass(frozen=True)
class Stage:
    """What takes part."""

    provider: str
    fake_url: str
    api_url: str
    fake: psutil.Process
    api: psutil.Process
    postgres: psutil.Process
    headers: dict[str, str]
    kb_id: int
    client: httpx2.AsyncClient


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_s(process: psutil.Process) -> float:
    """Processor time of a process and its children so far."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


async def first_word(response: httpx2.Response, asked_at: float) -> tuple[float, float]:
    """How long the first word was under way and how long after the question it came; reads to the end."""
    seen, relayed, first = b"", 0.0, 0.0
    async for part in response.aiter_raw():
        if first:
            continue
        seen += part
        if stamp := STAMP.search(seen):
            now = time.monotonic()
            relayed, first = (now - float(stamp[1])) * 1000, (now - asked_at) * 1000
    assert first, seen[:500]
    return relayed, first


def bare(stage: Stage) -> Ask:
    """Ask the stand-in itself."""
    path, headers = PATHS[stage.provider]
    message = {"role": "user", "content": QUESTION}
    bodies = {
        "openai": {"model": "x", "stream": True, "messages": [message]},
        "anthropic": {"model": "x", "stream": True, "max_tokens": 9, "messages": [message]},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]},
    }

    async def ask(_: int) -> tuple[float, float]:
        asked_at = time.monotonic()
        async with stage.client.stream(
            "POST", stage.fake_url + path, json=bodies[stage.provider], headers=headers
        ) as response:
            return await first_word(response, asked_at)

    return ask


async def through_the_product(stage: Stage, n_streams: int) -> Ask:
    """Ask in a conversation of one's own for each stream."""
    conversations = []
    for _ in range(n_streams):
        begun = await stage.client.post(
            f"{stage.api_url}/api/chat/conversations", json={"kb_id": stage.kb_id}, headers=stage.headers
        )
        conversations.append(begun.json()["id"])

    async def ask(stream: int) -> tuple[float, float]:
        asked_at = time.monotonic()
        url = f"{stage.api_url}/api/chat/conversations/{conversations[stream]}/messages"
        body = {"content": QUESTION, "stream": True}
        async with stage.client.stream("POST", url, json=body, headers=stage.headers) as response:
            assert response.status_code == 200, await response.aread()
            return await first_word(response, asked_at)

    return ask


async def run(stage: Stage, ask: Ask, *, n_streams: int, n_answers: int) -> Cost:
    """Let n clients ask one question after the other, begun at different moments of an answer."""
    each = max(1, n_answers // n_streams)
    measured: list[tuple[float, float]] = []

    async def one(stream: int) -> None:
        await asyncio.sleep(stream / n_streams * N_WORDS * PAUSE_S)
        measured.extend([await ask(stream) for _ in range(each)])

    processes = (stage.api, stage.postgres, stage.fake)
    before = [cpu_s(process) for process in processes]
    await asyncio.gather(*(one(stream) for stream in range(n_streams)))
    web, postgres, fake = (
        (cpu_s(process) - was) * 1000 / len(measured) for process, was in zip(processes, before, strict=True)
    )
    relayed, first = zip(*measured, strict=True)
    return Cost(web, postgres, fake, sorted(relayed), sorted(first), len(measured))


async def searches(stage: Stage, n: int) -> tuple[float, float]:
    """Processor time of the same search alone, in the web process and in Postgres, in milliseconds."""
    url = f"{stage.api_url}/api/knowledge-bases/{stage.kb_id}/knowledge/search"
    before = cpu_s(stage.api), cpu_s(stage.postgres)
    for _ in range(n):
        (await stage.client.post(url, json={"query": QUESTION}, headers=stage.headers)).raise_for_status()
    after = cpu_s(stage.api), cpu_s(stage.postgres)
    return (after[0] - before[0]) * 1000 / n, (after[1] - before[1]) * 1000 / n


@asynccontextmanager
async def stage_of(provider: str) -> AsyncIterator[Stage]:
    """Start everything, with one knowledge base in it."""
    folder = short_folder()
    (folder / "data").mkdir()
    postgres = start_test_postgres(folder)
    fake = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fake_llms",
        "--answer", ANSWER, "--pause", str(PAUSE_S),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert fake.stdout is not None
    fake_url = (await fake.stdout.readline()).decode().split()[1]
    base = {"openai": "/openai/v1", "anthropic": "/anthropic", "gemini": "/gemini"}[provider]
    name = provider.upper()
    settings = {f"{name}_API_KEY": "x", f"{name}_BASE_URL": fake_url + base, "RAG_LOG_LEVEL": "WARNING"}
    site = Site(create_database(postgres, "streaming"), folder / "data", settings)
    try:
        limits = httpx2.Limits(max_connections=1000)
        async with (
            site.api(free_port()) as api_url,
            httpx2.AsyncClient(timeout=120, limits=limits) as client,
        ):
            assert site.server is not None
            headers, kb_id = await prepared(client, api_url, site, provider)
            yield Stage(
                provider,
                fake_url,
                api_url,
                psutil.Process(fake.pid),
                psutil.Process(site.server.pid),
                psutil.Process(int((postgres.pgdata / "postmaster.pid").read_text().split()[0])),
                headers,
                kb_id,
                client,
            )
    finally:
        fake.terminate()
        await fake.wait()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def prepared(
    client: httpx2.AsyncClient, api_url: str, site: Site, provider: str
) -> tuple[dict[str, str], int]:
    """Register somebody with a knowledge base of a few documents."""
    account = {"email": "bench@example.com", "password": "a long enough secret", "name": "Bench"}
    token = (await client.post(f"{api_url}/api/auth/register", json=account)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    kbs = f"{api_url}/api/knowledge-bases"
    made = await client.post(kbs, json={"name": "Bench", "llm_provider": provider}, headers=headers)
    kb_id = made.json()["id"]
    files = [("files", (f"holiday{n}.md", f"# Rule {n}\n\n{n}. {TEXT}".encode())) for n in range(20)]
    await client.post(f"{kbs}/{kb_id}/knowledge/upload", files=files, headers=headers)
    with site.worker():
        n_ready = 0
        while n_ready < len(files):
            await asyncio.sleep(0.5)
            n_ready = (await client.get(f"{kbs}/{kb_id}", headers=headers)).json()["n_ready"]
    return headers, kb_id


def percentiles(values: list[float]) -> str:
    """p50 and p95."""
    p95 = values[min(len(values) - 1, int(len(values) * 0.95))]
    return f"{statistics.median(values):.0f} / {p95:.0f}"


async def measure(provider: str, all_streams: list[int], n_answers: int) -> None:
    """Print the table."""
    async with stage_of(provider) as stage:
        await run(stage, await through_the_product(stage, 2), n_streams=2, n_answers=4)  # models get loaded
        web, postgres = await searches(stage, 30)
        print(f"{provider}; the search alone: web {web:.1f} CPU-ms, Postgres {postgres:.1f}\n")
        print("| streams | web, CPU-ms | Postgres | stand-in | first word under way, ms (p50 / p95) | bare "
              "| first word after the question, ms | bare |\n|---|---|---|---|---|---|---|---|")  # fmt: skip
        for n_streams in all_streams:
            n = max(n_answers, n_streams)
            direct = await run(stage, bare(stage), n_streams=n_streams, n_answers=n)
            ours = await run(
                stage, await through_the_product(stage, n_streams), n_streams=n_streams, n_answers=n
            )
            print(
                f"| {n_streams} | {ours.web_ms:.1f} | {ours.postgres_ms:.1f} | {ours.provider_ms:.1f} "
                f"| {percentiles(ours.relayed_ms)} | {percentiles(direct.relayed_ms)} "
                f"| {percentiles(ours.first_ms)} | {percentiles(direct.first_ms)} |",
                flush=True,
            )
        load = " ".join(f"{one:.1f}" for one in psutil.getloadavg())
        print(f"\nload of the machine: {load} on {psutil.cpu_count()} cores")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--provider", choices=PATHS, default="openai")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--answers", type=int, default=40)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.provider, arguments.streams, arguments.answers))
