"""A model of the hub beside the built-in ones: other dimensions, numbers and indexes of its own."""

import asyncio
from dataclasses import replace

import psycopg
import pytest

from rag_app import bootstrap, processes
from rag_app.bootstrap import hub_embedder
from rag_app.db.migrations import add_embedding_model
from rag_app.db.queries import vector_index
from rag_app.errors import PermanentError, TransientError
from rag_app.settings import Settings
from tests import tiny_sentence_model
from tests.invariants import violations
from tests.tiny_sentence_model import DIMENSIONS


@pytest.fixture
def hub():
    with tiny_sentence_model.hub() as running:
        yield running


@pytest.fixture
def config(hub, database, tmp_path):
    given = tiny_sentence_model.settings(hub.url)
    made = Settings(database_url=database, rag_data_dir=tmp_path, _env_file=None, **given)
    processes.migrate(made)
    return made


@pytest.fixture
def name(config):
    return hub_embedder(config).name


async def new_kb(owner, run_jobs):
    made = await owner.create_kb()
    files = [(f"{n}.txt", f"There is a cantina of {n} tables.".encode()) for n in range(4)]
    await owner.upload(made["id"], *files, ("leave.txt", b"There is 25 days of leave."))
    await run_jobs()
    return made


@pytest.fixture
async def kb(owner, run_jobs):
    return await new_kb(owner, run_jobs)


def url(kb) -> str:
    return f"/api/knowledge-bases/{kb['id']}/embedding-model"


async def switch(owner, kb, model):
    begun = await owner.http.put(url(kb), json={"model": model})
    assert begun.status_code == 202, begun.text


async def state(owner, kb):
    return (await owner.http.get(url(kb))).json()


async def first(owner, kb, query="how much leave"):
    return (await owner.search(kb["id"], query))[0]["content"]


def indexes(database):
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'idx_chunk_embeddings_m%'"
        )
        return [definition for (definition,) in found]


async def test_a_knowledge_base_goes_to_the_model_and_back(owner, kb, name, run_jobs, database):
    assert name in [choice["name"] for choice in (await state(owner, kb))["choices"]]

    await switch(owner, kb, name)
    assert await first(owner, kb) == "There is 25 days of leave."  # by the old vectors
    await run_jobs()
    assert (await state(owner, kb))["model"] == name
    assert await first(owner, kb) == "There is 25 days of leave."
    assert violations(database) == []

    await switch(owner, kb, "local_e5")
    assert await first(owner, kb) == "There is 25 days of leave."
    await run_jobs()
    assert (await state(owner, kb))["model"] == "local_e5"
    assert await first(owner, kb) == "There is 25 days of leave."
    assert violations(database) == []


async def test_models_of_different_size_serve_side_by_side(
    owner, kb, name, run_jobs, services, database, monkeypatch
):
    monkeypatch.setattr(vector_index, "INDEX_FROM", 3)
    monkeypatch.setattr(vector_index, "WAITING", 1)
    beside = await new_kb(owner, run_jobs)
    await switch(owner, kb, name)
    await run_jobs()
    await services.indexes.tend()
    await owner.upload(kb["id"], ("late.txt", b"How much leave is there? Leave of 25 days."))
    await run_jobs()

    for one in (kb, beside):
        now = await services.knowledge_bases.get(one["id"], owner_id=owner.user["id"])
        assert now.has_indexed_vectors
        assert "25 days" in await first(owner, one)
    with psycopg.connect(database) as connection:
        sizes = connection.execute(
            "SELECT kb_id, array_agg(DISTINCT vector_dims(embedding)) FROM chunk_embeddings GROUP BY kb_id"
        ).fetchall()
    assert dict(sizes)[kb["id"]] == [DIMENSIONS]
    assert dict(sizes)[beside["id"]] != [DIMENSIONS]
    assert violations(database) == []


def test_the_model_has_a_number_and_an_index_of_its_own(name, database):
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT id FROM embedding_models WHERE name = %s", [name]).fetchall()
    ours = [one for one in indexes(database) if "model_id = 100" in one]

    assert found == [(100,)]
    assert len(ours) == 1
    assert f"halfvec({DIMENSIONS})" in ours[0]


async def test_the_passages_say_why_they_were_not_compared_more_closely(owner, kb, name, run_jobs, services):
    await switch(owner, kb, name)
    await run_jobs()

    found = await services.retrieval.search(kb["id"], "leave", owner_id=owner.user["id"])

    (rerank,) = [step for step in found.steps if step.name == "rerank"]
    assert "needs one of the built-in embedding models" in rerank.note


async def test_a_model_that_cannot_be_used_ends_the_switch_and_says_why(
    owner, kb, name, run_jobs, services, database, monkeypatch
):
    async def refused(_texts):
        raise PermanentError("The hub's file is not the one that was named.")

    monkeypatch.setattr(services.retrieval.embedders.get(name), "embed_documents", refused)
    await switch(owner, kb, name)
    await run_jobs()

    now = await state(owner, kb)
    assert (now["model"], now["next_model"]) == ("local_e5", None)
    assert now["problem"] == "The hub's file is not the one that was named."
    assert await first(owner, kb) == "There is 25 days of leave."
    assert violations(database) == []

    await switch(owner, kb, "local_minilm")
    assert (await state(owner, kb))["problem"] == ""


async def test_a_model_chosen_while_another_is_prepared_says_why_it_cannot_be_used(
    owner, kb, name, services, monkeypatch
):
    embedders = services.retrieval.embedders
    embed = embedders.get("local_minilm").embed_documents

    async def changed_meanwhile(texts):
        await owner.http.delete(url(kb))
        await switch(owner, kb, name)
        return await embed(texts)

    async def refused(_texts):
        raise PermanentError("It is broken.")

    monkeypatch.setattr(embedders.get("local_minilm"), "embed_documents", changed_meanwhile)
    monkeypatch.setattr(embedders.get(name), "embed_documents", refused)
    await switch(owner, kb, "local_minilm")
    await services.embedding_switches.work(kb["id"])

    now = await state(owner, kb)
    assert (now["model"], now["next_model"], now["problem"]) == ("local_e5", None, "It is broken.")


async def test_a_hub_that_is_away_is_waited_for(owner, kb, name, services, run_jobs, monkeypatch):
    embedder = services.retrieval.embedders.get(name)
    embed = embedder.embed_documents

    async def away(_texts):
        raise TransientError("The embedding model cannot be fetched from the model hub now.")

    monkeypatch.setattr(embedder, "embed_documents", away)
    await switch(owner, kb, name)
    with pytest.raises(TransientError):
        await services.embedding_switches.work(kb["id"])
    waiting = await state(owner, kb)
    assert (waiting["next_model"], waiting["n_done"]) == (name, 0)
    assert "cannot be fetched" in waiting["problem"]

    monkeypatch.setattr(embedder, "embed_documents", embed)
    await services.embedding_switches.work(kb["id"])

    done = await state(owner, kb)
    assert (done["model"], done["problem"]) == (name, "")


async def test_a_model_that_was_taken_away_can_be_left(owner, kb, name, config, services, run_jobs):
    await switch(owner, kb, name)
    await run_jobs()
    other = config.model_copy(update={"rag_hub_embedder_repo": ""})
    without = bootstrap.build(other)
    try:
        assert [choice.name for choice in without.embedding_switches.choices] == ["local_e5", "local_minilm"]
        with pytest.raises(PermanentError, match="not set up here any more"):
            await without.retrieval.search(kb["id"], "leave", owner_id=owner.user["id"])
    finally:
        await without.close()

    await switch(owner, kb, "local_e5")
    await run_jobs()
    assert await first(owner, kb) == "There is 25 days of leave."


def test_another_revision_is_another_model(name, config, database):
    newer = config.model_copy(update={"rag_hub_embedder_sha256": "0" * 64})
    processes.migrate(newer)

    with psycopg.connect(database) as connection:
        models = connection.execute(
            "SELECT name FROM embedding_models WHERE name LIKE 'hub_onnx%' ORDER BY id"
        ).fetchall()
    assert models == [(name,), (hub_embedder(newer).name,)]


async def test_processes_that_start_together_add_a_model_once(database):
    with psycopg.connect(database) as connection:
        n_before = len(indexes(database))

    await asyncio.gather(
        *(
            asyncio.to_thread(add_embedding_model, database, name="hub_onnx_twice", dimensions=4000)
            for _ in range(3)
        )
    )

    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT id FROM embedding_models WHERE name = 'hub_onnx_twice'").fetchall()
    assert found == [(100,)]
    assert len(indexes(database)) == n_before + 1


async def test_a_model_the_database_has_no_room_for_can_be_chosen_after_the_next_start(owner, kb, services):
    hub = replace(services.embedding_switches.choices[-1], name="hub_onnx_new")
    object.__setattr__(services.embedding_switches, "choices", (hub,))

    refused = await owner.http.put(url(kb), json={"model": "hub_onnx_new"})

    assert refused.status_code == 409
    assert "next start" in refused.text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rag_hub_embedder_revision": "main"}, "RAG_HUB_EMBEDDER_REVISION must be a commit"),
        ({"rag_hub_embedder_sha256": ""}, "RAG_HUB_EMBEDDER_SHA256"),
        ({"rag_hub_embedder_tokenizer_sha256": "no"}, "RAG_HUB_EMBEDDER_TOKENIZER_SHA256"),
        ({"rag_hub_embedder_dimensions": None}, "RAG_HUB_EMBEDDER_DIMENSIONS"),
    ],
)
def test_a_model_that_is_not_pinned_stops_the_start(config, changes, says):
    with pytest.raises(PermanentError, match=says):
        processes.migrate(config.model_copy(update=changes))


def test_vectors_of_the_largest_size_fit(name, database):
    add_embedding_model(database, name="hub_onnx_large", dimensions=4000)

    with psycopg.connect(database, autocommit=True) as connection:
        kept = connection.execute(
            """INSERT INTO chunk_embeddings (kb_id, model_id, ordinal, indexed, embedding)
               SELECT 1, m.id, n, true, array_agg((random() - 0.5)::real)::halfvec
               FROM embedding_models m, generate_series(1, 40) AS n, generate_series(1, 4000)
               WHERE m.name = 'hub_onnx_large' GROUP BY m.id, n"""
        )
    assert kept.rowcount == 40
