"""A knowledge base gets another embedding model: the old one serves until the new one is complete."""

import asyncio
from dataclasses import replace

import psycopg
import pytest

from rag_app.db.queries import access, vector_index
from rag_app.domain.embedding_models import StoredModel
from rag_app.domain.knowledge_bases import KbScope
from rag_app.errors import TransientError
from rag_app.services import embedding_switches
from tests.invariants import violations


@pytest.fixture
async def kb(owner, run_jobs):
    made = await owner.create_kb()
    files = [(f"{n}.txt", f"The harbour holds {n} boats and a crane.".encode()) for n in range(5)]
    await owner.upload(made["id"], *files)
    await run_jobs()
    return made


def url(kb) -> str:
    return f"/api/knowledge-bases/{kb['id']}/embedding-model"


async def found(owner, kb) -> set[str]:
    return {passage["content"] for passage in await owner.search(kb["id"], "harbour boats", limit=20)}


async def test_a_switch_is_made_beside_the_work(owner, kb, run_jobs, database):
    before = await found(owner, kb)

    begun = await owner.http.put(url(kb), json={"model": "local_minilm"})
    assert begun.status_code == 202
    assert (begun.json()["model"], begun.json()["next_model"]) == ("local_e5", "local_minilm")
    assert await found(owner, kb) == before  # by the old vectors
    await run_jobs()

    now = (await owner.http.get(url(kb))).json()
    assert (now["model"], now["next_model"]) == ("local_minilm", None)
    assert await found(owner, kb) == before
    assert violations(database) == []


async def test_a_model_that_is_not_known_or_in_use_is_refused(owner, kb):
    for model in ("local_e5", "nonsense"):
        refused = await owner.http.put(url(kb), json={"model": model})
        assert refused.status_code == 422
    await owner.http.put(url(kb), json={"model": "local_minilm"})
    assert (await owner.http.put(url(kb), json={"model": "local_minilm"})).status_code == 409


async def test_a_cancelled_switch_leaves_everything_as_it_was(owner, kb, run_jobs, database, services):
    await owner.http.put(url(kb), json={"model": "local_minilm"})
    stopped = await owner.http.delete(url(kb))
    await run_jobs()

    assert (stopped.json()["model"], stopped.json()["next_model"]) == ("local_e5", None)
    assert (await owner.http.get(url(kb))).json()["model"] == "local_e5"
    assert len(await found(owner, kb)) == 5
    assert violations(database) == []


async def test_after_a_crash_finished_batches_are_not_paid_again(
    owner, kb, run_jobs, services, monkeypatch, database
):
    monkeypatch.setattr(embedding_switches, "BATCH", 2)
    embedder = services.retrieval.embedders.get("local_minilm")
    asked: list[str] = []
    embed = embedder.embed_with_codes

    async def counted(texts):
        if len(asked) >= 4:
            raise asyncio.CancelledError
        asked.extend(texts)
        return await embed(texts)

    monkeypatch.setattr(embedder, "embed_with_codes", counted)
    await owner.http.put(url(kb), json={"model": "local_minilm"})
    with pytest.raises(asyncio.CancelledError):
        await services.embedding_switches.work(kb["id"])
    assert len(asked) == 4
    assert (await owner.http.get(url(kb))).json()["n_done"] == 4

    asked.clear()
    await services.embedding_switches.work(kb["id"])

    assert len(asked) == 1
    assert (await owner.http.get(url(kb))).json()["model"] == "local_minilm"


async def test_a_document_that_is_ready_meanwhile_is_caught_up_with(owner, kb, run_jobs, database, services):
    await owner.http.put(url(kb), json={"model": "local_minilm"})
    await services.embedding_switches._embed_all(
        await scope_of(services, kb), StoredModel(2, "local_minilm")
    )  # all there was
    await owner.upload(kb["id"], ("late.txt", b"A late ferry came into the harbour with many boats."))
    await run_jobs()
    with psycopg.connect(database, autocommit=True) as connection:  # what the switch overtook waits a moment
        connection.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL")
    await run_jobs()

    assert (await owner.http.get(url(kb))).json()["model"] == "local_minilm"
    assert any("late ferry" in text for text in await found(owner, kb))
    assert violations(database) == []


async def test_a_large_knowledge_base_is_indexed_before_it_is_switched(
    owner, kb, services, monkeypatch, database
):
    monkeypatch.setattr(vector_index, "INDEX_FROM", 3)
    await owner.http.put(url(kb), json={"model": "local_minilm"})

    await services.embedding_switches.work(kb["id"])

    kb_now = await services.knowledge_bases.get(kb["id"], owner_id=owner.user["id"])
    assert (kb_now.embedding_model, kb_now.has_indexed_vectors) == ("local_minilm", True)
    assert len(await found(owner, kb)) == 5


async def test_a_lost_job_is_queued_again(owner, kb, run_jobs, services, database):
    await owner.http.put(url(kb), json={"model": "local_minilm"})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM procrastinate_jobs")

    await services.embedding_switches.resume()
    await services.embedding_switches.resume()  # the one that waits is enough
    await run_jobs()

    assert (await owner.http.get(url(kb))).json()["model"] == "local_minilm"


async def scope_of(services, kb):
    async with services.retrieval.sessions() as session:
        return await access.for_job(session, kb_id=kb["id"])


async def test_a_search_that_began_before_the_switch_ended_finds_as_much(owner, kb, run_jobs, services):
    before = await services.knowledge_bases.get(kb["id"], owner_id=owner.user["id"])
    await owner.http.put(url(kb), json={"model": "local_minilm"})
    await run_jobs()

    assert await ranks_by_meaning(services, before) == [1, 2, 3, 4, 5]


async def test_a_search_that_began_before_the_first_indexing_finds_as_much(owner, kb, services, monkeypatch):
    monkeypatch.setattr(vector_index, "INDEX_FROM", 3)
    monkeypatch.setattr(vector_index, "WAITING", 1)
    before = await services.knowledge_bases.get(kb["id"], owner_id=owner.user["id"])
    await services.indexes.tend()

    assert not before.has_indexed_vectors
    assert await ranks_by_meaning(services, before) == [1, 2, 3, 4, 5]


async def test_a_knowledge_base_that_never_stays_as_it_is_asks_for_patience(owner, kb, services):
    class Restless:
        async def find(self, *_, **__):
            return None

    restless = replace(services.retrieval, finder=Restless())
    with pytest.raises(TransientError, match="being changed"):
        await restless.search(kb["id"], "harbour boats", owner_id=owner.user["id"])


async def ranks_by_meaning(services, kb):
    scope = KbScope(kb.id, kb.owner_id)
    found = await services.retrieval.retrieve(scope, kb, "harbour boats", limit=20)
    return sorted(passage.scores.rank_by_meaning or 0 for passage in found.passages)
