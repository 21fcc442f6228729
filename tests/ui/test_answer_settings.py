"""The settings of how a knowledge base answers: a draft until it is saved."""

import pytest
from pydantic import SecretStr

from rag_app.errors import InvalidInput, NotFound
from rag_app.rag.prompts import ROLE
from rag_app.settings import Settings
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.settings.answers_state import AnswersState
from tests.ui.conftest import happens

LUNA, HAIKU, QUOTES = "openai|gpt-6-luna", "anthropic|claude-haiku-5-5", "local|extractive-1"


@pytest.fixture
def config(database, tmp_path):
    return Settings(
        database_url=database,
        rag_data_dir=tmp_path,
        openai_api_key=SecretStr("sk-test"),
        anthropic_api_key=SecretStr("sk-test"),
        _env_file=None,  # type: ignore[call-arg]
    )


@pytest.fixture
async def kb(owner):
    return await owner.create_kb(llm_provider="openai")


@pytest.fixture
async def tab(owner, open_tab, kb):
    tab = open_tab(owner)
    (await tab.state(CurrentKbState)).kb_id = kb["id"]
    return tab


@pytest.fixture
async def state(tab):
    state = await tab.state(AnswersState)
    await state.load()
    return state


@pytest.fixture
def stored(owner, kb):
    async def read() -> dict:
        return (await owner.http.get(f"/api/knowledge-bases/{kb['id']}")).json()

    return read


async def save(state, **form) -> None:
    await happens(state.save({"system_prompt": state.prompt, "max_tokens": state.max_tokens} | form))


async def test_what_is_set_is_shown(state, kb):
    assert (state.provider, state.model, state.kb_name) == ("openai", "gpt-6-luna", "Handbook")
    assert (state.prompt, state.is_default_prompt) == (ROLE, True)
    assert (state.temperature, state.max_tokens, state.language) == ("0.7", "1000", "")
    assert state.fallbacks == []
    assert not state.is_changed


async def test_the_order_of_models_that_stand_in_is_set_and_kept(state, stored, tab):
    await state.add_fallback(QUOTES)
    await state.add_fallback(HAIKU)
    await state.move_fallback(HAIKU, -1)
    assert state.is_changed
    assert (await stored())["llm_fallbacks"] == []

    await save(state)

    kept = [f"{each['provider']}|{each['model']}" for each in (await stored())["llm_fallbacks"]]
    assert kept == [HAIKU, QUOTES]
    assert [fallback.title for fallback in state.fallbacks] == [
        "Claude Haiku 5.5 (Anthropic)",
        "Quotes from your documents (built in)",
    ]
    assert (state.fallbacks[0].is_first, state.fallbacks[-1].is_last) == (True, True)
    assert "Saved" in state.said

    await state.remove_fallback(HAIKU)
    await save(state)
    assert len((await stored())["llm_fallbacks"]) == 1


async def test_only_models_that_could_stand_in_are_offered(state):
    offered = dict(state.more_fallbacks)
    assert LUNA not in offered  # it answers already
    assert not any(value.startswith("gemini|") for value in offered)  # there is no key for it

    await state.add_fallback(HAIKU)
    assert HAIKU not in dict(state.more_fallbacks)
    for value in ("openai|gpt-6-sol", QUOTES):
        await state.add_fallback(value)

    assert state.more_fallbacks == []
    with pytest.raises(InvalidInput):
        await state.add_fallback("openai|gpt-6.1-sol")


@pytest.mark.parametrize("by", [-1, 1])
async def test_the_only_one_cannot_be_moved(state, by):
    await state.add_fallback(HAIKU)

    await state.move_fallback(HAIKU, by)

    assert [fallback.value for fallback in state.fallbacks] == [HAIKU]


async def test_a_model_that_answers_itself_says_that_it_cannot_stand_in(state):
    await state.add_fallback(HAIKU)

    await state.choose_provider("anthropic")

    assert state.model == "claude-haiku-5-5"
    assert "stand in for itself" in state.fallbacks[0].note


async def test_a_model_without_a_temperature_shows_none(state):
    await state.choose_provider("anthropic")
    assert not state.can.takes_temperature

    await state.choose_provider("openai")
    assert state.can.takes_temperature
    await state.choose_model("gpt-6.1-sol")
    assert not state.can.takes_temperature


async def test_instructions_are_kept_and_given_back(state, stored):
    await save(state, system_prompt="Speak like a pirate.")
    assert (await stored())["system_prompt"] == "Speak like a pirate."
    assert not state.is_default_prompt

    await state.use_default_prompt()
    assert (await stored())["system_prompt"] == "Speak like a pirate."
    await save(state)

    assert (await stored())["system_prompt"] is None
    assert state.is_default_prompt


async def test_a_language_is_kept(state, stored):
    await state.choose_language("de")
    await save(state)

    assert (await stored())["answer_language"] == "de"


async def test_what_was_not_saved_can_be_discarded(state, stored):
    await state.enter("max_tokens", "5")
    await state.choose_language("de")

    await state.discard()

    assert (state.max_tokens, state.language, state.is_changed) == ("1000", "", False)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("max_tokens", "5", "whole number from 16"),
        ("max_tokens", "12.5", "whole number from 16"),
        ("max_tokens", "nan", "whole number from 16"),
        ("temperature", "hot", "number from 0 to 2"),
        ("temperature", "-1", "number from 0 to 2"),
        ("system_prompt", "x" * 8001, "at most 8,000"),
    ],
)
async def test_what_does_not_fit_is_said_beside_it_and_nothing_is_kept(state, stored, name, text, words):
    before = await stored()

    await save(state, **{name: text})

    assert words in getattr(state.errors, name)
    assert await stored() == before
    assert state.is_changed


async def test_the_prompt_can_be_seen_before_it_is_saved(state, stored):
    await state.enter("system_prompt", "Speak like a pirate.")
    await state.choose_language("it")

    await happens(state.show_prompt({"question": "How much leave?"}))

    assert state.preview.system.startswith("Speak like a pirate.")
    assert "Answer in Italian" in state.preview.system
    assert "How much leave?" in state.preview.user
    assert "GPT-6 Luna" in state.preview.facts
    assert (await stored())["system_prompt"] is None


async def test_a_preview_without_a_question_says_so_under_the_question(state):
    await happens(state.show_prompt({"question": ""}))

    assert state.errors.question
    assert state.preview.system == ""


async def test_without_a_knowledge_base_nothing_can_be_set(other, open_tab):
    state = await open_tab(other).state(AnswersState)
    await state.load()
    assert (state.kb_id, state.is_loading) == (0, False)

    await state.choose_language("de")
    await state.add_fallback(HAIKU)
    await happens(state.save({}))

    assert state.fallbacks == []


async def test_another_owners_knowledge_base_is_not_there(other, open_tab, kb):
    tab = open_tab(other)
    (await tab.state(CurrentKbState)).kb_id = kb["id"]
    state = await tab.state(AnswersState)
    await state.load()
    assert state.kb_id == 0

    state.kb_id = kb["id"]
    state._saved = state._draft = {
        "llm_provider": "local", "llm_model": "", "llm_fallbacks": [], "system_prompt": "Mine",
        "temperature": "1", "max_tokens": "100", "answer_language": "",
    }  # fmt: skip
    with pytest.raises(NotFound):
        await save(state, max_tokens="100")
