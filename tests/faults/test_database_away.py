"""The database goes away under a running server: clear errors, nothing lost, and back unaided."""

import asyncio
import os
import signal

import httpx2
import psycopg
import pytest

from rag_app.db import embedded
from rag_app.services.stopping import RESTARTING
from tests.database import short_folder
from tests.fake_llms import FakeLLMServer
from tests.processes import eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(120)]

AWAY = "The database cannot be reached right now. Please try again in a moment."


@pytest.fixture(scope="module")
def postgres():
    """A server of this module's own, for it is broken here."""
    with embedded.start(short_folder()) as server:  # one that keeps what it acknowledged
        yield server
        server.revive()


@pytest.fixture
def outage(postgres):
    """Take the database away, and bring it back."""

    class Outage:
        async def begin(self) -> None:
            os.kill(int((postgres.pgdata / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
            await eventually(lambda: not postgres.is_running())

        async def end(self) -> None:
            await asyncio.to_thread(postgres.revive)

    return Outage()


@pytest.fixture
async def provider():
    async with FakeLLMServer() as server:
        yield server


@pytest.fixture
async def api(site, provider, unused_tcp_port):
    """A signed-in caller of a real server."""
    site.settings |= {
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.base_url("openai"),
        "RAG_LOCAL_EMBEDDER": "local_minilm",
    }
    async with (
        site.api(unused_tcp_port) as address,
        httpx2.AsyncClient(base_url=address, timeout=30) as client,
    ):
        account = {"email": "ada@example.com", "password": "a long enough secret", "name": "Ada"}
        tokens = (await client.post("/api/auth/register", json=account)).json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        yield client


@pytest.fixture
async def messages_url(api):
    kb = (await api.post("/api/knowledge-bases", json={"name": "Staff", "llm_provider": "openai"})).json()
    conversation = (await api.post("/api/chat/conversations", json={"kb_id": kb["id"]})).json()
    return f"/api/chat/conversations/{conversation['id']}/messages"


async def stored(api, messages_url) -> list[tuple[str, str]]:
    found = (await api.get(messages_url.removesuffix("/messages"))).json()["messages"]
    return [(message["sender"], message["content"]) for message in found]


async def test_requests_are_refused_in_words_and_served_again_when_it_is_back(api, outage):
    await outage.begin()

    async with asyncio.timeout(20):  # many at once, so that waiting in a row would show
        refused = await asyncio.gather(*(api.get("/api/knowledge-bases") for _ in range(40)))
        health = await api.get("/health")
    created = await api.post("/api/knowledge-bases", json={"name": "Lost?"}, headers={"Idempotency-Key": "a"})
    live = await api.get("/health/live")

    for response in (*refused, created):
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert int(response.headers["retry-after"]) > 0
        assert response.json()["detail"] == AWAY
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert health.json()["checks"]["database"]["status"] == "error"
    assert live.status_code == 200

    await outage.end()
    created = await api.post("/api/knowledge-bases", json={"name": "Kept"}, headers={"Idempotency-Key": "a"})
    names = [item["name"] for item in (await api.get("/api/knowledge-bases")).json()["items"]]
    assert (created.status_code, names) == (201, ["Kept"])
    assert (await api.get("/health")).status_code == 200


async def test_an_upload_without_a_database_leaves_no_temporary_file(api, outage, site):
    kb = (await api.post("/api/knowledge-bases", json={"name": "Staff"})).json()
    url = f"/api/knowledge-bases/{kb['id']}/knowledge/upload"
    await outage.begin()
    refused = await api.post(url, files=[("files", ("a.txt", b"text"))])
    await outage.end()

    assert refused.status_code == 503
    assert list((site.folder / "files").glob("incoming/*")) == []
    assert (await api.post(url, files=[("files", ("a.txt", b"text"))])).status_code == 202


async def test_an_answer_sits_out_a_restart(api, outage, messages_url, provider):
    question = "How much leave? [[fault:slow_start seconds=2]]"
    asking = asyncio.create_task(api.post(messages_url, json={"content": question}))
    await provider.wait_for_requests()
    await outage.begin()
    await outage.end()
    answer = await asking

    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "complete"
    assert await stored(api, messages_url) == [("user", question), ("assistant", answer.json()["content"])]
    assert (await api.post(messages_url, json={"content": "And now?"})).status_code == 200


async def test_an_answer_that_cannot_be_kept_says_so_and_the_question_is_kept(
    api, outage, messages_url, provider
):
    question = "How much leave? [[fault:slow_start seconds=1]]"
    asking = asyncio.create_task(api.post(messages_url, json={"content": question}))
    await provider.wait_for_requests()
    await outage.begin()
    answer = await asking
    await outage.end()

    assert (answer.status_code, answer.json()["detail"]) == (502, AWAY)
    assert await stored(api, messages_url) == [("user", question)]
    assert (await api.post(messages_url, json={"content": "And now?"})).status_code == 200


async def test_a_reader_who_leaves_ends_the_providers_request_and_keeps_what_came(
    site, api, messages_url, provider
):
    question = {"content": "How much leave? [[fault:stall]]", "stream": True}
    async with api.stream("POST", messages_url, json=question) as response:
        async for line in response.aiter_lines():
            if line == "event: delta":
                break

    async with asyncio.timeout(10):
        await provider.wait_for_disconnects()
    await eventually(lambda: interrupted(site))


async def test_a_server_told_to_stop_ends_open_answers_and_keeps_what_came(site, api, messages_url, provider):
    question = {"content": "How much leave? [[fault:stall]]", "stream": True}
    lines = []
    async with api.stream("POST", messages_url, json=question) as response:
        async for line in response.aiter_lines():
            if line == "event: delta" and line not in lines:
                site.server.terminate()
            lines.append(line)

    assert "event: broken" in lines
    assert RESTARTING in lines[-2]
    assert await asyncio.to_thread(site.server.wait, 20) == 0
    assert interrupted(site)


def interrupted(site) -> list:
    """Answers that were kept as interrupted, with some text."""
    with psycopg.connect(site.dsn) as connection:
        statement = "SELECT content FROM messages WHERE status = 'interrupted' AND content <> ''"
        return connection.execute(statement).fetchall()
