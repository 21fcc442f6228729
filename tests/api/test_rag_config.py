"""How a knowledge base is searched, through the API: read, set, preset, reset, and try for one search."""

import asyncio
import json

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from rag_app import bootstrap
from rag_app.domain.rag_config import PRESETS, RagConfig

HANDBOOK = b"# Holiday\n\nEvery employee has 25 days of holiday a year."


@pytest.fixture
async def kb(owner):
    return await owner.create_kb()


@pytest.fixture
def path(kb):
    return f"/api/knowledge-bases/{kb['id']}/rag-config"


@pytest.fixture
def store(services, kb):
    """Put something into the database past the service."""

    async def update(statement, **params):
        async with services.engine.begin() as connection:
            await connection.execute(sa.text(f"{statement} WHERE id = :id"), {"id": kb["id"], **params})

    return update


async def test_a_new_knowledge_base_is_searched_as_recommended(owner, path):
    config = (await owner.http.get(path)).json()

    assert config.pop("preset") == "balanced"
    assert config == RagConfig().model_dump()


async def test_what_is_set_is_kept_and_the_rest_stays(owner, path):
    await owner.http.put(path, json={"semantic_search_threshold": 0.25, "rerank": False})
    changed = await owner.http.put(path, json={"semantic_search_max_results": 12, "fusion": "rrf"})

    assert changed.status_code == 200
    assert changed.json()["preset"] is None
    assert (await owner.http.get(path)).json() == changed.json()
    kept = changed.json()
    assert (kept["semantic_search_threshold"], kept["semantic_search_max_results"]) == (0.25, 12)
    assert (kept["rerank"], kept["fusion"], kept["candidates"]) == (False, "rrf", RagConfig().candidates)


async def test_changes_at_once_do_not_undo_each_other(owner, path):
    await asyncio.gather(
        *(owner.http.put(path, json={name: False}) for name in ("rerank", "spelling", "rewrite_follow_ups"))
    )

    config = (await owner.http.get(path)).json()
    assert [config[name] for name in ("rerank", "spelling", "rewrite_follow_ups")] == [False] * 3


@pytest.mark.parametrize("preset", PRESETS)
async def test_a_preset_sets_every_knob(owner, path, preset):
    await owner.http.put(path, json={"max_per_document": 3})

    config = (await owner.http.put(path, json={"preset": preset})).json()

    assert config.pop("preset") == preset
    assert config == PRESETS[preset].model_dump()


async def test_reset_goes_back_to_what_is_recommended(owner, path):
    await owner.http.put(path, json={"preset": "thorough"})

    assert (await owner.http.delete(path)).json()["preset"] == "balanced"
    assert (await owner.http.get(path)).json()["preset"] == "balanced"


@pytest.mark.parametrize(
    ("sent", "field", "sentence"),
    [
        ({"candidates": 19}, "candidates", "Please choose a whole number from 20 to 300."),
        ({"candidates": 50.5}, "candidates", "Please choose a whole number from 20 to 300."),
        ({"candidates": True}, "candidates", "Please choose a whole number from 20 to 300."),
        ({"rerank_budget_ms": 2**70}, "rerank_budget_ms", "Please choose a whole number from 50 to 10,000."),
        ({"meaning_weight": "1"}, "meaning_weight", "Please choose a number from 0 to 1."),
        ({"rerank": 1}, "rerank", "Please choose on or off: true or false."),
        ({"fusion": "best"}, "fusion", "Please choose one of weighted, rrf."),
        ({"fusion": None}, "fusion", "Please choose one of weighted, rrf."),
        ({"speed": 1}, "speed", "There is no setting called “speed”."),
        ({"preset": "best"}, "preset", "Please choose one of fast, balanced, thorough."),
        ({"preset": "fast", "rerank": True}, "preset", "Send either `preset` or single knobs, not both."),
    ],
)
async def test_what_does_not_fit_is_refused_in_words(owner, path, sent, field, sentence):
    before = (await owner.http.get(path)).json()

    refused = await owner.http.put(path, json=sent)

    assert refused.status_code == 422
    assert (refused.json()["field"], refused.json()["detail"]) == (field, sentence)
    assert (await owner.http.get(path)).json() == before


@pytest.mark.parametrize(
    ("reranker", "says"),
    [
        ("http_rerank", "Set RAG_RERANK_URL"),
        ("hub_cross_encoder", "Set RAG_CROSS_ENCODER_REPO"),
        ("llm_judge", "needs a language model"),  # the built-in answerer is none
    ],
)
async def test_a_reranker_that_is_not_set_up_is_refused_unless_it_is_stored_already(
    owner, path, store, reranker, says
):
    refused = await owner.http.put(path, json={"reranker": reranker, "candidates": 50})
    assert (refused.status_code, refused.json()["field"]) == (422, "reranker")
    assert says in refused.json()["detail"]
    assert (await owner.http.get(path)).json()["candidates"] == RagConfig().candidates

    await store(
        "UPDATE knowledge_bases SET rag_config = CAST(:stored AS jsonb)",
        stored=json.dumps({"reranker": reranker}),
    )

    kept = await owner.http.put(path, json={"reranker": reranker, "candidates": 50})
    assert (kept.status_code, kept.json()["reranker"], kept.json()["candidates"]) == (200, reranker, 50)
    back = await owner.http.put(path, json={"reranker": "local_late"})
    assert (back.status_code, back.json()["reranker"]) == (200, "local_late")


@pytest.mark.parametrize(
    ("setting", "model", "reranker"),
    [
        ({"rag_rerank_url": "http://127.0.0.1:9"}, {}, "http_rerank"),
        ({"openai_api_key": SecretStr("sk-test")}, {"llm_provider": "openai"}, "llm_judge"),
    ],
)
async def test_a_reranker_that_is_set_up_can_be_chosen(
    owner, path, services, config, monkeypatch, kb, setting, model, reranker
):
    rebuilt = bootstrap.build(config.model_copy(update=setting))
    monkeypatch.setattr(bootstrap, "_services", {id(asyncio.get_running_loop()): rebuilt})
    if model:
        await owner.http.put(f"/api/knowledge-bases/{kb['id']}", json=model)

    chosen = await owner.http.put(path, json={"reranker": reranker})
    await rebuilt.close()

    assert (chosen.status_code, chosen.json()["reranker"]) == (200, reranker)


async def test_every_field_at_fault_is_named(owner, path):
    refused = await owner.http.put(path, json={"candidates": 1, "neighbours": 9, "rerank": False})

    assert {error["loc"][0] for error in refused.json()["errors"]} == {"candidates", "neighbours"}


async def test_names_that_cannot_be_shown_are_refused_all_the_same(owner, path):
    refused = await owner.http.put(
        path, content=b'{"\\ud800\\u0000": 1}', headers={"Content-Type": "application/json"}
    )

    assert refused.status_code == 422


async def test_what_an_older_or_newer_version_stored_does_no_harm(owner, path, store):
    stored = {"candidates": 100_000, "neighbours": 2, "retired": True, "fusion": "unheard of", "rerank": None}
    await store("UPDATE knowledge_bases SET rag_config = CAST(:stored AS jsonb)", stored=json.dumps(stored))

    config = (await owner.http.get(path)).json()

    assert config["neighbours"] == 2
    assert config == RagConfig(neighbours=2).model_dump() | {"preset": None}


@pytest.mark.parametrize("stored", ["null", "[]", '"x"', "7"])
async def test_json_that_is_no_configuration_counts_as_none(owner, path, store, stored):
    await store("UPDATE knowledge_bases SET rag_config = CAST(:stored AS jsonb)", stored=stored)

    assert (await owner.http.get(path)).json()["preset"] == "balanced"


async def test_what_nobody_set_is_not_stored(owner, path, kb, services):
    await owner.http.put(path, json={"neighbours": 2, "candidates": RagConfig().candidates})

    async with services.engine.connect() as connection:
        statement = sa.text("SELECT rag_config FROM knowledge_bases WHERE id = :id")
        assert (await connection.execute(statement, {"id": kb["id"]})).scalar_one() == {"neighbours": 2}


async def test_changes_are_noted_and_only_changes(owner, path, kb, services):
    for _ in range(2):
        await owner.http.put(path, json={"neighbours": 2})

    async with services.engine.connect() as connection:
        noted = await connection.execute(
            sa.text("SELECT details FROM audit_log WHERE kb_id = :id AND action = 'kb_rag_config_changed'"),
            {"id": kb["id"]},
        )
    assert [row.details for row in noted] == [{"fields": ["neighbours"]}]


async def test_presets_and_knobs_are_explained(owner):
    told = (await owner.http.get("/api/knowledge-bases/rag-config/presets")).json()

    assert [preset["name"] for preset in told["presets"]] == ["fast", "balanced", "thorough"]
    assert {knob["name"] for knob in told["knobs"]} == set(RagConfig.model_fields)
    assert all(knob["title"] and knob["description"] for knob in told["knobs"])
    depth = next(knob for knob in told["knobs"] if knob["name"] == "rerank_depth")
    assert (depth["kind"], depth["least"], depth["most"], depth["default"]) == ("whole number", 2, 50, 20)


async def test_openapi_describes_what_may_be_set(client):
    schema = (await client.get("/api/openapi.json")).json()
    described = schema["paths"]["/api/knowledge-bases/{kb_id}/rag-config"]["put"]["requestBody"]

    properties = described["content"]["application/json"]["schema"]["properties"]
    assert properties["candidates"]["maximum"] == 300
    assert properties["preset"]["enum"] == ["fast", "balanced", "thorough"]


async def test_knobs_can_be_tried_in_one_search(owner, kb, path, run_jobs):
    await owner.upload(kb["id"], ("handbook.md", HANDBOOK))
    await run_jobs()
    search = f"/api/knowledge-bases/{kb['id']}/knowledge/search"

    found = await owner.http.post(search, json={"query": "holiday", "config": {"rerank": False}})
    refused = await owner.http.post(search, json={"query": "holiday", "config": {"candidates": 1}})

    assert found.status_code == 200
    assert {"results", "timings_ms", "steps", "n_below_threshold", "queries"} <= found.json().keys()
    [passage] = found.json()["results"]
    assert {"before", "after", "n_duplicates"} <= passage.keys()
    assert {"rank_fused", "rerank", "matched"} <= passage["scores"].keys()
    assert (refused.status_code, refused.json()["field"]) == (422, "candidates")
    assert (await owner.http.get(path)).json()["preset"] == "balanced"


@pytest.mark.parametrize(
    "filters",
    [
        {"document_ids": [1, 2]},
        {"sources": ["document"], "languages": ["english"], "tags": ["HR"]},
        {"added_from": "2020-01-01", "added_before": "2099-12-31T23:00:00+02:00"},
        {},
    ],
    ids=str,
)
async def test_filters_are_understood(owner, kb, filters):
    found = await owner.http.post(
        f"/api/knowledge-bases/{kb['id']}/knowledge/search", json={"query": "holiday", "filters": filters}
    )

    assert found.status_code == 200


@pytest.mark.parametrize(
    "filters", [{"document_ids": ["x"]}, {"tags": "HR"}, {"added_from": "yesterday"}, {"owner": 1}], ids=str
)
async def test_filters_that_make_no_sense_are_refused(owner, kb, filters):
    refused = await owner.http.post(
        f"/api/knowledge-bases/{kb['id']}/knowledge/search", json={"query": "holiday", "filters": filters}
    )

    assert refused.status_code == 422
