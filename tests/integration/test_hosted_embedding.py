"""A knowledge base embedded by a provider: what it costs, what is kept, and what an outage does."""

import asyncio
from decimal import Decimal

import psycopg
import pytest
from pydantic import SecretStr

from rag_app import processes
from rag_app.domain.usage import CallContext
from rag_app.errors import TransientError
from rag_app.rag.embedders import _hosted
from rag_app.services import embedding_switches
from rag_app.services.provider_keys import ProviderAccess
from rag_app.settings import Settings
from tests.fake_llms import EMBEDDING_FORMATS, FakeLLMServer
from tests.invariants import violations

SMALL, GEMINI = "openai:text-embedding-3-small", "gemini:gemini-embedding-2"
TEXTS = [f"There is a cantina of {n} tables in building {n}." for n in range(4)]


@pytest.fixture
async def server():
    async with FakeLLMServer() as running:
        yield running


@pytest.fixture
def config(server, database, tmp_path):
    made = Settings(
        database_url=database,
        rag_data_dir=tmp_path,
        _env_file=None,
        openai_api_key=SecretStr("sk-one"),
        openai_base_url=server.base_url("openai"),
        gemini_api_key=SecretStr("g-one"),
        gemini_base_url=server.base_url("gemini"),
    )
    processes.migrate(made)
    return made


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    async def at_once(_seconds):
        return

    monkeypatch.setattr(_hosted, "_sleep", at_once)


@pytest.fixture
async def kb(owner, run_jobs):
    made = await owner.create_kb()
    files = [(f"{n}.txt", text.encode()) for n, text in enumerate(TEXTS)]
    await owner.upload(made["id"], *files, ("leave.txt", b"There is 25 days of leave."))
    await run_jobs()
    return made


def url(kb):
    return f"/api/knowledge-bases/{kb['id']}/embedding-model"


async def switch(owner, kb, model):
    begun = await owner.http.put(url(kb), json={"model": model})
    assert begun.status_code == 202, begun.text


async def state(owner, kb):
    return (await owner.http.get(url(kb))).json()


def rows(database):
    with psycopg.connect(database) as connection:
        return connection.execute(
            """SELECT provider::text, model, kind, kb_name, prompt_tokens, completion_tokens, estimated_cost,
                      price_version, outcome, key_source, is_estimated
               FROM llm_usage ORDER BY id"""
        ).fetchall()


def embedded(server):
    """How many texts were sent to be embedded."""
    return sum(len(EMBEDDING_FORMATS[one.provider].texts(one.body)) for one in server.requests)


async def trace(services, owner, kb, question="how much leave"):
    return await services.retrieval.search(kb["id"], question, owner_id=owner.user["id"])


async def test_local_models_call_nobody_and_are_not_counted(owner, kb, server, database):
    await owner.search(kb["id"], "leave")

    assert server.requests == []
    assert rows(database) == []


async def test_what_a_switch_costs_is_said_before(owner, kb):
    now = await state(owner, kb)

    choices = {choice["name"]: choice for choice in now["choices"]}
    assert now["n_tokens"] > 0
    assert choices["local_e5"]["estimated_cost_usd"] == 0
    assert choices[SMALL]["estimated_cost_usd"] == pytest.approx(now["n_tokens"] * 0.02 / 1e6)
    assert choices[GEMINI]["price_per_million"] == 0.2


@pytest.mark.parametrize("model", [SMALL, GEMINI])
async def test_a_knowledge_base_goes_to_a_provider_and_back(owner, kb, run_jobs, database, model):
    await switch(owner, kb, model)
    assert (await owner.search(kb["id"], "how much leave"))[0]["content"] == "There is 25 days of leave."
    await run_jobs()

    assert (await state(owner, kb))["model"] == model
    assert (await owner.search(kb["id"], "how much leave"))[0]["content"] == "There is 25 days of leave."
    assert violations(database) == []
    await switch(owner, kb, "local_e5")
    await run_jobs()
    assert (await state(owner, kb))["model"] == "local_e5"
    assert violations(database) == []


async def test_every_call_is_one_row_with_its_cost(owner, kb, run_jobs, database, server):
    await switch(owner, kb, SMALL)
    await run_jobs()
    await owner.search(kb["id"], "how much leave")
    await owner.upload(kb["id"], ("more.txt", b"The harbour has a ferry."))
    await run_jobs()

    found = rows(database)
    assert len(found) == len(server.requests) == 3  # switch, search, upload
    n_words = [len(" ".join(one.body["input"]).split()) for one in server.requests]
    for row, n in zip(found, n_words, strict=True):
        assert row == (
            "openai", "text-embedding-3-small", "embedding", "Handbook", n, 0,
            Decimal(n) * Decimal("0.02") / 1_000_000, "2026-11-22", "complete", "installation", False,
        )  # fmt: skip


async def test_a_switch_killed_in_the_middle_pays_no_finished_batch_again(
    owner, kb, services, server, monkeypatch, database, run_jobs
):
    monkeypatch.setattr(embedding_switches, "BATCH", 2)
    await owner.upload(kb["id"], ("stop.txt", b"Nothing more. [[fault:stall times=1]]"))
    await run_jobs()
    await switch(owner, kb, SMALL)
    work = asyncio.create_task(services.embedding_switches.work(kb["id"]))
    await server.wait_for_requests(3)  # two batches are kept, the third is on its way
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    kept = (await state(owner, kb))["n_done"]
    assert kept == 4
    n_before = embedded(server)

    await services.embedding_switches.work(kb["id"])

    assert (await state(owner, kb))["model"] == SMALL
    assert n_before == 6
    assert embedded(server) - n_before == 6 - kept
    assert violations(database) == []


async def test_a_key_that_is_refused_ends_the_switch_and_says_why(owner, kb, run_jobs, database, monkeypatch):
    await owner.upload(kb["id"], ("bad.txt", b"[[fault:bad_key]]"))
    await run_jobs()
    await switch(owner, kb, SMALL)
    await run_jobs()

    now = await state(owner, kb)
    assert (now["model"], now["next_model"]) == ("local_e5", None)
    assert "refused the API key" in now["problem"]
    assert [(row[4], row[6], row[8]) for row in rows(database)][-1] == (0, Decimal(0), "key")


async def test_an_outage_leaves_the_search_by_words_and_the_trace_says_so(
    owner, kb, run_jobs, services, config
):
    await owner.http.put(f"/api/knowledge-bases/{kb['id']}/rag-config", json={"meaning_weight": 1})
    await switch(owner, kb, SMALL)
    await run_jobs()

    found = await trace(services, owner, kb, "[[fault:overloaded]] leave")

    (embed,) = [step for step in found.steps if step.name == "embed"]
    assert not embed.was_done
    assert "overloaded" in embed.note
    assert "by words only" in embed.note
    assert "leave" in found.passages[0].content


async def test_a_key_that_was_taken_away_leaves_the_search_by_words(owner, kb, run_jobs, services):
    await switch(owner, kb, SMALL)
    await run_jobs()
    installed = services.retrieval.embedders.hosted.keys.installed
    del installed["openai"]

    found = await trace(services, owner, kb)
    now = await state(owner, kb)

    assert found.passages[0].content == "There is 25 days of leave."
    assert any("no key for OpenAI" in step.note for step in found.steps)
    assert SMALL not in [choice["name"] for choice in now["choices"]]
    assert GEMINI in [choice["name"] for choice in now["choices"]]


async def test_a_model_without_a_key_cannot_be_chosen(owner, kb, services):
    del services.retrieval.embedders.hosted.keys.installed["openai"]

    refused = await owner.http.put(url(kb), json={"model": SMALL})

    assert refused.status_code == 422


async def test_a_bad_key_fails_the_document_with_a_sentence(owner, kb, run_jobs):
    await switch(owner, kb, SMALL)
    await run_jobs()
    await owner.upload(kb["id"], ("bad.txt", b"[[fault:quota]]"))
    await run_jobs()

    documents = (await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents")).json()["items"]
    (bad,) = [one for one in documents if one["name"] == "bad.txt"]
    assert bad["status"] == "failed"
    assert "no credit left" in bad["error_message"]


async def test_an_import_killed_in_the_middle_pays_no_finished_batch_again(
    owner, kb, run_jobs, services, server, monkeypatch
):
    from rag_app.services import ingestion

    await switch(owner, kb, SMALL)
    await run_jobs()
    monkeypatch.setattr(ingestion, "BATCH", 1)
    smallest = {"chunk_tokens": 64, "overlap_tokens": 0}
    await owner.http.put(f"/api/knowledge-bases/{kb['id']}/rag-config", json=smallest)
    parts = [f"# Part {n}\n\n" + " ".join(f"word{n}{i}" for i in range(40)) for n in range(4)]
    text = "\n\n".join([*parts[:2], f"{parts[2]} [[fault:stall times=1]]", parts[3]])
    (job,) = await owner.upload(kb["id"], ("long.md", text.encode()))
    before = embedded(server)
    task = asyncio.create_task(services.ingestion.ingest(job["id"], n_crashes=0, is_last_try=False))
    stalled = "[[fault:stall times=1]]"
    await server.wait_until(lambda requests: stalled in str(requests[-1].body))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    paid = embedded(server) - before - 1  # the last one never answered

    await services.ingestion.ingest(job["id"], n_crashes=1, is_last_try=False)

    document = (
        await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents/{job['document_id']}")
    ).json()
    assert document["status"] == "ready"
    assert paid >= 2
    assert embedded(server) - before - 1 == document["n_chunks"]  # each was paid once


def test_the_start_makes_room_for_every_model_of_the_table(config, database):
    processes.migrate(config)  # twice

    with psycopg.connect(database) as connection:
        found = connection.execute(
            """SELECT m.name, m.dimensions, i.indexdef FROM embedding_models m
               JOIN pg_indexes i ON i.indexname = 'idx_chunk_embeddings_m' || m.id
               WHERE m.name LIKE '%:%' ORDER BY m.name"""
        ).fetchall()
    assert {name: dimensions for name, dimensions, _ in found} == {
        "gemini:gemini-embedding-001": 3072,
        "gemini:gemini-embedding-2": 3072,
        "openai:text-embedding-3-large": 3072,
        "openai:text-embedding-3-small": 1536,
    }
    assert all(f"halfvec({dimensions})" in index for _, dimensions, index in found)


async def test_embedding_a_question_is_counted_with_its_answer(owner, kb, run_jobs):
    await switch(owner, kb, SMALL)
    await run_jobs()
    conversation_id = await owner.converse(kb["id"])

    answer = await owner.ask(conversation_id, "How much leave is there?")

    usage = (await owner.http.get(f"/api/chat/conversations/{conversation_id}")).json()["usage"]
    assert usage["total"]["n_calls"] == 2
    assert usage["answers"][str(answer["id"])]["n_calls"] == 2


async def test_nothing_is_asked_beyond_the_budget_and_it_goes_on_when_that_is_lifted(
    owner, kb, run_jobs, server, services
):
    address = f"/api/knowledge-bases/{kb['id']}"
    await owner.http.put(address, json={"monthly_budget_usd": 0})
    await switch(owner, kb, SMALL)
    with pytest.raises(TransientError, match="budget"):
        await services.embedding_switches.work(kb["id"])

    assert server.requests == []
    now = await state(owner, kb)
    assert (now["model"], now["next_model"]) == ("local_e5", SMALL)
    assert "budget" in now["problem"]

    await owner.http.put(address, json={"monthly_budget_usd": None})
    await services.embedding_switches.work(kb["id"])
    assert (await state(owner, kb))["model"] == SMALL
    n_paid = len(server.requests)

    await owner.http.put(address, json={"monthly_budget_usd": 0})
    assert (await owner.search(kb["id"], "how much leave"))[0]["content"] == "There is 25 days of leave."
    [job] = await owner.upload(kb["id"], ("more.txt", b"The harbour has a ferry."))
    await run_jobs()
    failed = (await owner.http.get(f"{address}/jobs/{job['id']}")).json()
    assert (failed["status"], "budget" in failed["error_message"]) == ("failed", True)
    assert len(server.requests) == n_paid


async def test_clients_of_many_keys_are_let_go_of_but_never_while_somebody_has_one(services, owner, server):
    hosted = services.retrieval.embedders.hosted
    object.__setattr__(hosted, "most", 2)
    context = CallContext(owner.user["id"], "embedding", None, "")
    keys = iter(f"sk-{n}" for n in range(9))

    async def access(provider, label, *, owner_id):
        base_url = server.base_url("openai")
        return ProviderAccess(provider, SecretStr(next(keys)), base_url, "installation")

    services.provider_keys.__dict__["access"] = access
    held = await hosted.get(SMALL, context)
    first = held._hosted
    for _ in range(4):
        await hosted.get(SMALL, context)

    assert len(hosted._made) == 2
    assert not first.http.is_closed
    assert (await held.embed_query("how much leave")).shape == (held.dimensions,)
    del held
    await hosted.get(SMALL, context)
    assert first.http.is_closed
    assert hosted._let_go == []
