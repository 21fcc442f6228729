"""Models and prices of the installation: who may change them, and what a change does to costs and choices."""

from decimal import Decimal

import psycopg
import pytest
from pydantic import SecretStr

from rag_app import bootstrap
from rag_app.db.migrations import added_embedding_models
from rag_app.domain.answers import Usage
from rag_app.errors import NotAllowed
from rag_app.settings import Settings
from tests.fake_llms import REFUSED_KEY, FakeLLMServer

URL = "/api/admin/models"
NOVA = {
    "provider": "openai",
    "id": "gpt-7-nova",
    "label": "GPT-7 Nova",
    "context_tokens": 2_000_000,
    "max_output_tokens": 64_000,
    "prices": [
        {"input": "0.3", "output": "1.2", "cached_input": "0.03"},
        {"input": 3, "output": 12, "above_tokens": 100},
    ],
}
OWN_EMBEDDER = {
    "provider": "openai",
    "id": "nomic-embed-text:latest",
    "kind": "embedding",
    "context_tokens": 2048,
    "dimensions": 768,
}


@pytest.fixture
async def server():
    async with FakeLLMServer() as running:
        yield running


@pytest.fixture
def config(server, database, tmp_path):
    return Settings(
        database_url=database,
        rag_data_dir=tmp_path,
        _env_file=None,
        openai_api_key=SecretStr("sk-one"),
        openai_base_url=server.base_url("openai"),
        anthropic_api_key=SecretStr("sk-two"),
        anthropic_base_url=server.base_url("anthropic"),
    )


async def put(owner, body):
    response = await owner.http.put(URL, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def listed(owner):
    response = await owner.http.get(URL)
    assert response.status_code == 200, response.text
    return {f"{one['provider']}:{one['id']}": one for one in response.json()}


async def test_the_list_has_every_hosted_model_with_its_price(owner):
    found = await listed(owner)

    luna = found["openai:gpt-6-luna"]
    assert luna["source"] == "built-in"
    assert [price["above_tokens"] for price in luna["prices"]] == [0, 272_000]
    assert found["gemini:gemini-embedding-2"]["dimensions"] == 3072
    assert not any(name.startswith("local:") for name in found)


async def test_only_who_runs_the_installation_may_look_or_change(owner, other, services):
    asks = [
        await other.http.get(URL),
        await other.http.put(URL, json=NOVA),
        await other.http.delete(URL, params={"provider": "openai", "model": "gpt-6-luna"}),
    ]

    assert [answer.status_code for answer in asks] == [403, 403, 403]
    assert "openai:gpt-7-nova" not in await listed(owner)


async def test_a_role_that_was_taken_away_counts_at_once(owner, services, database):
    await put(owner, NOVA)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE users SET role = 'kb_owner'")

    assert (await owner.http.put(URL, json=NOVA)).status_code == 403
    with pytest.raises(NotAllowed):
        await services.model_admin.list(user_id=owner.user["id"])


async def test_an_added_model_can_be_chosen_and_its_calls_are_priced(owner, services, database):
    added = await put(owner, NOVA)
    assert added["source"] == "added"
    providers = (await owner.http.get("/api/knowledge-bases/providers")).json()
    (openai,) = [one for one in providers if one["name"] == "openai"]
    assert openai["models"][-1] == {"id": "gpt-7-nova", "label": "GPT-7 Nova"}
    kb = await owner.create_kb(llm_provider="openai", llm_model="gpt-7-nova")

    await owner.ask(await owner.converse(kb["id"]), "How much leave?")

    (cost, version, cached, n_prompt, n_completion) = usage(database)[-1]
    assert version == added["price_version"]
    assert cached > 0
    paid = Decimal("0.3") * (n_prompt - cached) + Decimal("0.03") * cached + Decimal("1.2") * n_completion
    assert cost == paid / 1_000_000


def usage(database):
    with psycopg.connect(database) as connection:
        return connection.execute(
            """SELECT estimated_cost, price_version, cached_tokens, prompt_tokens, completion_tokens
               FROM llm_usage ORDER BY id"""
        ).fetchall()


async def test_a_model_nobody_knows_answers_and_its_cost_is_unknown(owner, database):
    kb = await owner.create_kb(llm_provider="openai", llm_model="gpt-99")

    await owner.ask(await owner.converse(kb["id"]), "How much leave?")

    (cost, version, *_) = usage(database)[-1]
    assert cost is None
    assert version == ""


async def test_a_changed_price_holds_from_now_on_and_has_a_version_of_its_own(owner, services, database):
    kb = await owner.create_kb(llm_provider="openai", llm_model="gpt-6-luna")
    conversation = await owner.converse(kb["id"])
    await owner.ask(conversation, "How much leave?")
    luna = {"provider": "openai", "id": "gpt-6-luna", "context_tokens": 1000, "max_output_tokens": 100}
    changed = await put(owner, luna | {"prices": [{"input": 1000, "output": 1000}]})
    await owner.ask(conversation, "How much leave?")
    again = await put(owner, luna | {"prices": [{"input": 2000}]})
    removed = await owner.http.delete(URL, params={"provider": "openai", "model": "gpt-6-luna"})
    anew = await put(owner, luna | {"prices": [{"input": 3000}]})

    first, second = usage(database)
    assert changed["source"] == "changed"
    assert first[1] == "2026-11-22"
    assert second[1] == changed["price_version"]
    assert second[0] > 1000 * first[0]
    assert removed.status_code == 204
    versions = [changed["price_version"], again["price_version"], anew["price_version"]]
    assert len(set(versions)) == 3, "a version never means two prices, not even after one was taken away"


async def test_another_process_sees_a_change_soon(owner, config, services):
    beside = bootstrap.build(config)
    try:
        await beside.models.refresh()
        await put(owner, NOVA)
        assert beside.models.find("openai", "gpt-7-nova").cost(Usage(1, 1)) is None
        beside.models._read.fresh_until = 0.0  # the few seconds are over

        await beside.models.refresh()

        assert beside.models.find("openai", "gpt-7-nova").label == "GPT-7 Nova"
    finally:
        await beside.close()


async def test_a_change_taken_back_leaves_the_model_as_it_came(owner):
    before = (await listed(owner))["openai:gpt-6-luna"]
    await put(owner, {**NOVA, "id": "gpt-6-luna"})
    await owner.http.delete(URL, params={"provider": "openai", "model": "gpt-6-luna"})

    assert (await listed(owner))["openai:gpt-6-luna"] == before
    gone = await owner.http.delete(URL, params={"provider": "openai", "model": "gpt-6-luna"})
    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        pytest.param(
            {"max_output_tokens": 9_000_000}, None, "more than context_tokens", id="writes too much"
        ),
        pytest.param({"max_output_tokens": None}, None, "needs context_tokens", id="no output limit"),
        pytest.param({"prices": [{"input": -1}]}, "prices", "prices.0.input", id="a negative price"),
        pytest.param({"prices": [{"input": 1, "above_tokens": 9}]}, None, "above_tokens = 0", id="no first"),
        pytest.param({"id": "a b"}, "id", "id", id="a space"),
        pytest.param(
            {"provider": "anthropic", "kind": "embedding", "dimensions": 3, "max_output_tokens": None},
            "kind",
            "no embedding models",
            id="a provider without embeddings",
        ),
    ],
)
async def test_what_cannot_be_is_refused_in_words(owner, change, field, says):
    refused = await owner.http.put(URL, json=NOVA | change)

    assert refused.status_code == 422
    assert says in refused.text
    assert refused.json().get("field") == field


async def test_every_change_is_in_the_audit_log_with_its_prices(owner, database):
    kept = await put(owner, NOVA)

    with psycopg.connect(database) as connection:
        ((details,),) = connection.execute(
            "SELECT details FROM audit_log WHERE action = 'model_set'"
        ).fetchall()
    assert details["version"] == kept["price_version"]
    assert details["settings"]["prices"][0]["input"] == "0.3"


async def test_an_added_embedding_model_gets_room_at_the_next_start(owner, database, services):
    await put(owner, OWN_EMBEDDER)
    kb = await owner.create_kb()
    address = f"/api/knowledge-bases/{kb['id']}/embedding-model"

    choices = (await owner.http.get(address)).json()["choices"]
    (choice,) = [one for one in choices if one["name"] == "openai:nomic-embed-text:latest"]
    refused = await owner.http.put(address, json={"model": choice["name"]})

    assert choice["price_per_million"] is None
    assert choice["estimated_cost_usd"] is None
    assert refused.status_code == 409
    assert "next start" in refused.text
    assert added_embedding_models(database) == [("openai:nomic-embed-text:latest", 768)]


async def test_the_size_of_stored_vectors_cannot_be_changed(owner, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO embedding_models (id, name, dimensions)
               VALUES (100, 'openai:nomic-embed-text:latest', 768)"""
        )

    refused = await owner.http.put(URL, json=OWN_EMBEDDER | {"dimensions": 512})

    assert refused.status_code == 422
    assert refused.json()["field"] == "dimensions"
    await put(owner, OWN_EMBEDDER)


async def test_an_override_that_makes_no_sense_any_more_is_left_out(services, database, owner):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO model_overrides (provider, model, settings) VALUES ('openai', 'old', '{"x": 1}')"""
        )

    assert "openai:old" not in await listed(owner)


async def test_a_tier_of_an_added_model_counts(owner, services):
    await put(owner, NOVA)

    model = services.models.find("openai", "gpt-7-nova")

    assert model.cost(Usage(100, 0)) == Decimal("0.00003")
    assert model.cost(Usage(101, 0)) == Decimal("0.000303")


# ---- what the providers list themselves


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("openai", [("gpt-7-nova", "chat")]),
        ("anthropic", [("claude-next-6", "chat")]),
    ],
)
async def test_the_providers_own_list_shows_what_we_do_not_know(owner, other, provider, expected):
    for asker in (owner, other):
        answer = await asker.http.get(f"{URL}/offered", params={"provider": provider})

        assert answer.status_code == 200
        assert [(one["id"], one["kind"]) for one in answer.json()] == expected


async def test_no_list_without_a_key(owner):
    answer = await owner.http.get(f"{URL}/offered", params={"provider": "gemini"})

    assert answer.status_code == 502
    assert "no key for Google Gemini" in answer.json()["detail"]


async def test_a_key_that_is_refused_is_said_in_words(services, owner):
    access = services.calls.keys.installed["openai"]
    object.__setattr__(access, "api_key", SecretStr(REFUSED_KEY))

    answer = await owner.http.get(f"{URL}/offered", params={"provider": "openai"})

    assert answer.status_code == 502
    assert "refused the API key" in answer.json()["detail"]
    assert REFUSED_KEY not in answer.text
