"""What happens around an answer is paid for as well, and counted with it: rewriting, wordings, judging."""

import psycopg
import pytest
from pydantic import SecretStr

from rag_app.settings import Settings
from tests.fake_llms import FakeLLMServer


@pytest.fixture
async def provider():
    async with FakeLLMServer() as server:
        yield server


@pytest.fixture
def config(database, tmp_path, provider):
    return Settings(
        database_url=database,
        rag_data_dir=tmp_path,
        openai_api_key=SecretStr("sk-test"),
        openai_base_url=provider.base_url("openai"),
        _env_file=None,  # type: ignore[call-arg]
    )


@pytest.fixture
async def kb_id(owner, run_jobs) -> int:
    """A knowledge base whose model does all there is to do."""
    kb = await owner.create_kb(llm_provider="openai")
    files = [
        (f"{n}.md", f"Employees of house {n} have 2{n} days of leave a year.".encode()) for n in range(4)
    ]
    await owner.upload(kb["id"], *files)
    await run_jobs()
    knobs = {"multi_query": True, "rerank": True, "reranker": "llm_judge", "rerank_budget_ms": 5000}
    changed = await owner.http.put(f"/api/knowledge-bases/{kb['id']}/rag-config", json=knobs)
    assert changed.status_code == 200, changed.text
    return kb["id"]


@pytest.fixture
def calls(database):
    def read() -> list[tuple]:
        with psycopg.connect(database) as connection:
            return connection.execute(
                "SELECT kind, conversation_id, request_id FROM llm_usage ORDER BY id"
            ).fetchall()

    return read


async def test_every_call_around_an_answer_is_counted_with_it(owner, kb_id, calls):
    conversation_id = await owner.converse(kb_id)
    await owner.ask(conversation_id, "How many days of leave do employees have?")
    first = calls()

    await owner.ask(conversation_id, "And what about it?")
    second = calls()[len(first) :]

    assert sorted(kind for kind, *_ in first) == ["chat", "judge", "variants"]
    assert sorted(kind for kind, *_ in second) == ["chat", "judge", "rewrite", "variants"]
    for made in (first, second):
        assert {conversation for _, conversation, _ in made} == {conversation_id}
        assert len({request for *_, request in made}) == 1
    assert first[0][2] != second[0][2]

    told = (await owner.http.get(f"/api/chat/conversations/{conversation_id}")).json()["usage"]
    assert told["total"]["n_calls"] == 7
    assert sorted(answer["n_calls"] for answer in told["answers"].values()) == [3, 4]


async def test_calls_of_a_search_belong_to_no_answer(owner, kb_id, calls):
    conversation_id = await owner.converse(kb_id)
    await owner.ask(conversation_id, "How many days of leave do employees have?")
    n = len(calls())

    await owner.search(kb_id, "How many days of leave?")

    assert [(kind, conversation) for kind, conversation, _ in calls()[n:]] == [
        ("variants", None),
        ("judge", None),
    ]
