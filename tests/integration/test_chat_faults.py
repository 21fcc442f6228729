"""Answers that break off: what came is kept, the reason is said in words, and the reader can go on."""

import asyncio
import json

import psycopg
import pytest
from pydantic import SecretStr

from rag_app.domain.conversations import Delta
from rag_app.services.askers import Asker
from rag_app.settings import Settings
from tests.fake_llms import FORMATS, FakeLLMServer

ANSWER = "Employees have 25 days of leave a year [1]. Ask your manager before you book anything at all."


@pytest.fixture
async def provider():
    async with FakeLLMServer(ANSWER) as server:
        yield server


@pytest.fixture
def answering() -> str:
    """Who answers; a test goes through all three by overriding it."""
    return "openai"


@pytest.fixture
def patience_s(request) -> float:
    """How long silence is borne: briefly where a test is about it, else longer than any machine needs."""
    params = getattr(getattr(request.node, "callspec", None), "params", {})
    return 0.5 if str(params.get("fault")).startswith(("stall", "slow")) else 30


@pytest.fixture
def config(database, tmp_path, provider, patience_s):
    keys = {f"{name}_api_key": SecretStr("sk-test") for name in FORMATS}
    urls = {f"{name}_base_url": provider.base_url(name) for name in FORMATS}
    return Settings(
        database_url=database,
        rag_data_dir=tmp_path,
        **keys,
        **urls,
        rag_llm_first_token_timeout_s=patience_s,
        rag_llm_idle_timeout_s=patience_s,
        _env_file=None,  # type: ignore[call-arg]
    )


@pytest.fixture
async def conversation(owner, run_jobs, answering):
    """A conversation with a knowledge base that has something to say."""
    kb = await owner.create_kb(llm_provider=answering)
    await owner.upload(kb["id"], ("leave.md", b"Employees have 25 days of leave a year."))
    await run_jobs()
    return await owner.converse(kb["id"])


@pytest.fixture
def messages(owner, conversation):
    async def read() -> list[dict]:
        return (await owner.http.get(f"/api/chat/conversations/{conversation}")).json()["messages"]

    return read


@pytest.fixture
def ask(owner, conversation):
    async def post(question: str):
        return await owner.http.post(
            f"/api/chat/conversations/{conversation}/messages", json={"content": question}
        )

    return post


@pytest.mark.parametrize("answering", FORMATS)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("stall", "broke off in the middle"),
        ("cut", "broke off in the middle"),
        ("error_event", "broke off in the middle"),
        ("garbage", "broke off in the middle"),
        ("no_done", "before it was complete"),
    ],
)
async def test_an_answer_that_breaks_off_is_kept_as_interrupted(ask, messages, fault, words):
    response = await ask(f"How much leave? [[fault:{fault}]]")

    assert response.status_code == 502
    assert words in response.json()["detail"]
    question, answer = await messages()
    assert (question["sender"], answer["sender"]) == ("user", "assistant")
    assert answer["id"] == response.json()["message_id"]
    assert answer["status"] == "interrupted"
    assert answer["content"]
    assert ANSWER.startswith(answer["content"].rstrip())


@pytest.mark.parametrize("answering", FORMATS)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("stall at=start", "did not answer in time"),
        ("slow_start seconds=5", "did not answer in time"),
        ("overloaded", "overloaded"),
        ("rate_limit_429 retry_after=60", "more requests than it allows"),
        ("bad_key", "refused the API key"),
        ("quota", "no credit"),
    ],
)
async def test_a_provider_that_says_nothing_leaves_a_failed_answer_with_its_reason(
    ask, messages, fault, words
):
    response = await ask(f"How much leave? [[fault:{fault}]]")

    assert response.status_code == 502
    assert words in response.json()["detail"]
    _, answer = await messages()
    assert (answer["status"], answer["content"]) == ("failed", "")


async def test_a_broken_answer_can_be_asked_for_again(owner, ask, messages, conversation):
    broken = await ask("How much leave? [[fault:cut times=1]]")
    assert broken.status_code == 502

    again = await owner.http.post(
        f"/api/chat/conversations/{conversation}/messages/{broken.json()['message_id']}/retry"
    )

    assert (again.status_code, again.json()["content"]) == (200, ANSWER)
    assert [message["status"] for message in await messages()] == ["complete", "complete"]


@pytest.mark.parametrize("patience_s", [3])
async def test_usage_is_counted_once_a_call_also_of_those_that_failed(ask, database):
    await ask("How much leave?")
    await ask("How much leave? [[fault:cut]]")
    await ask("How much leave? [[fault:stall at=start]]")

    with psycopg.connect(database) as connection:
        found = connection.execute("""
            SELECT outcome, is_estimated, total_tokens > 0 FROM llm_usage ORDER BY id""").fetchall()
    assert found == [("complete", False, True), ("interrupted", True, True), ("slow", False, False)]


async def test_a_stream_says_why_it_ends(owner, conversation):
    events = []
    async with owner.http.stream(
        "POST",
        f"/api/chat/conversations/{conversation}/messages",
        json={"content": "How much leave? [[fault:cut]]", "stream": True},
    ) as response:
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                events.append([line.removeprefix("event: ")])
            elif line.startswith("data: "):
                events[-1].append(json.loads(line.removeprefix("data: ")))

    assert events[0][0] == "asked"
    name, data = events[-1]
    assert name == "broken"
    assert "broke off" in data["reason"]
    assert data["message"]["status"] == "interrupted"


@pytest.mark.parametrize("answering", FORMATS)
async def test_an_answer_that_is_stopped_ends_the_providers_request(
    services, owner, conversation, provider, messages
):
    events = services.chat.answer(
        "How much leave? [[fault:stall]]",
        conversation_id=conversation,
        asker=Asker(owner_id=owner.user["id"]),
    )
    async for event in events:
        if isinstance(event, Delta):
            break
    await events.aclose()

    await provider.wait_for_disconnects()
    _, answer = await messages()
    assert answer["status"] == "interrupted"
    assert ANSWER.startswith(answer["content"].rstrip())


@pytest.mark.parametrize("answering", FORMATS)
@pytest.mark.parametrize("fault", ["stall", "stall at=start"])
@pytest.mark.parametrize("patience_s", [60])
async def test_a_request_that_is_given_up_ends_the_providers_request(
    services, owner, conversation, provider, fault, database
):
    """What a server does with a request whose caller has left: it cancels the task that answers it."""
    asking = asyncio.create_task(
        owner.http.post(
            f"/api/chat/conversations/{conversation}/messages",
            json={"content": f"How much leave? [[fault:{fault}]]"},
        )
    )
    await provider.wait_for_requests()

    asking.cancel()

    await provider.wait_for_disconnects()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT outcome FROM llm_usage").fetchall() == [("cancelled",)]


async def test_asking_again_where_it_is_not_allowed_takes_nothing_away(
    owner, client, conversation, ask, messages
):
    await ask("How much leave?")
    before = await messages()
    await owner.http.patch(f"/api/chat/conversations/{conversation}", json={"status": "closed"})

    refused = await owner.http.post(
        f"/api/chat/conversations/{conversation}/messages/{before[1]['id']}/retry"
    )

    assert refused.status_code == 409
    assert await messages() == before


async def test_an_owner_cannot_ask_again_in_a_visitors_conversation(owner, client, run_jobs):
    kb = await owner.create_kb("Shared", llm_provider="openai")
    link = (await owner.http.post(f"/api/knowledge-bases/{kb['id']}/share-links")).json()
    visit = (await client.post("/api/chat/conversations", json={"share_slug": link["slug"]})).json()
    url = f"/api/chat/conversations/{visit['id']}"
    await client.post(f"{url}/messages", json={"content": "How much leave?"})
    before = (await owner.http.get(url)).json()["messages"]

    refused = await owner.http.post(f"{url}/messages/{before[-1]['id']}/retry")

    assert refused.status_code == 422
    assert (await owner.http.get(url)).json()["messages"] == before


async def test_a_knowledge_base_deleted_while_it_answers_ends_the_answer(owner, provider, run_jobs):
    kb = await owner.create_kb(llm_provider="openai")
    conversation_id = await owner.converse(kb["id"])
    asking = asyncio.create_task(
        owner.http.post(
            f"/api/chat/conversations/{conversation_id}/messages",
            json={"content": "How much leave? [[fault:slow_start seconds=0.4]]"},
        )
    )
    await provider.wait_for_requests()

    deleted = await owner.http.delete(f"/api/knowledge-bases/{kb['id']}")
    response = await asking

    assert deleted.status_code == 204
    assert response.status_code == 502
    assert response.json()["detail"] == "There is no such knowledge base."
