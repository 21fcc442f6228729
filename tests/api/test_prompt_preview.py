"""What the model would read is shown as it would be sent, and nothing is sent."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from rag_app.domain.models import Model
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
async def kb(owner, run_jobs):
    made = await owner.create_kb(llm_provider="openai")
    for number in range(4):
        text = (
            f"Rule {number}: employees have {20 + number} days of leave a year. " + f"Detail {number}. " * 60
        )
        await owner.upload(made["id"], (f"leave{number}.md", text.encode()))
    await run_jobs()
    return made


@pytest.fixture
def preview(owner, kb):
    async def post(**changes):
        body = {"question": "How much leave?"} | ({"changes": changes} if changes else {})
        return await owner.http.post(f"/api/knowledge-bases/{kb['id']}/prompt-preview", json=body)

    return post


async def test_the_preview_is_what_the_chat_sends(owner, kb, preview, provider):
    shown = (await preview()).json()
    assert provider.requests == []

    await owner.ask(await owner.converse(kb["id"]), "How much leave?")

    system, user = provider.requests[0].body["messages"]
    assert (shown["system"], shown["user"]) == (system["content"], user["content"])
    assert shown["n_passages"] == user["content"].count("</passage>") > 0
    assert shown["n_left_out"] == 0
    assert (shown["provider"], shown["model"]) == ("openai", "gpt-6-luna")
    assert (shown["max_tokens"], shown["temperature"]) == (1000, 0.7)


async def test_settings_can_be_tried_before_they_are_saved(owner, kb, preview):
    shown = (await preview(system_prompt="You are a pirate.", answer_language="nl")).json()

    assert shown["system"].startswith("You are a pirate.")
    assert "Answer in Dutch" in shown["system"]
    stored = (await owner.http.get(f"/api/knowledge-bases/{kb['id']}")).json()
    assert (stored["system_prompt"], stored["answer_language"]) == (None, "")


async def test_a_model_without_a_temperature_is_shown_without(preview):
    shown = (await preview(llm_provider="anthropic", llm_model="claude-haiku-5-5")).json()

    assert shown["temperature"] is None


async def test_a_small_model_gets_what_fits_and_answers(owner, kb, preview, provider, services, monkeypatch):
    small = Model("openai", "small", "Small", context_tokens=1500, max_output_tokens=500)
    monkeypatch.setattr(type(services.calls.catalogue), "find", lambda self, provider, model: small)

    shown = (await preview()).json()
    answer = await owner.ask(await owner.converse(kb["id"]), "How much leave?")

    assert 0 < shown["n_passages"] < 4
    assert shown["n_passages"] + shown["n_left_out"] == 4
    assert shown["n_tokens"] + shown["max_tokens"] <= shown["context_tokens"] == 1500
    assert provider.requests[0].body["messages"][1]["content"] == shown["user"]
    assert answer["status"] == "complete"


async def test_a_marker_of_a_passage_that_did_not_fit_is_no_citation(
    owner, kb, provider, services, monkeypatch
):
    small = Model("openai", "small", "Small", context_tokens=1500, max_output_tokens=500)
    monkeypatch.setattr(type(services.calls.catalogue), "find", lambda self, provider, model: small)
    provider.reply_with("Leave is 20 days [1]. Or 23 [4].")

    answer = await owner.ask(await owner.converse(kb["id"]), "How much leave?")
    monkeypatch.undo()

    assert answer["content"] == "Leave is 20 days [1]. Or 23."
    large = replace(small, context_tokens=None)
    monkeypatch.setattr(type(services.calls.catalogue), "find", lambda self, provider, model: large)
    answer = await owner.ask(await owner.converse(kb["id"]), "How much leave?")
    assert answer["content"] == "Leave is 20 days [1]. Or 23 [4]."


@pytest.mark.parametrize("changes", [{"llm_fallbacks": []}, {"temperature": 1.5, "max_tokens": 20}])
async def test_any_setting_can_be_tried(preview, changes):
    assert (await preview(**changes)).status_code == 200


async def test_an_empty_question_has_no_preview(owner, kb):
    response = await owner.http.post(
        f"/api/knowledge-bases/{kb['id']}/prompt-preview", json={"question": "  "}
    )

    assert response.status_code == 422
