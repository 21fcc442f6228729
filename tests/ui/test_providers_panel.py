"""Keys for providers in the settings: in words, entered, tested, removed, and never remembered by a page."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from rag_app.domain.provider_keys import ProviderStatus
from rag_app.errors import InvalidInput, NotSignedIn
from rag_app.ui.dashboard.create_kb.state import CreateKbState
from rag_app.ui.dashboard.my_knowledge_bases.state import MyKnowledgeBasesState
from rag_app.ui.dashboard.settings.providers_state import ProvidersState
from rag_app.ui.dashboard.settings.providers_view import error_at, provider_cards
from rag_app.ui.dashboard.settings.state import SettingsState
from tests.fake_llms import FakeLLMServer
from tests.ui.conftest import InBackground, happens

KEY = "sk-proj-0123456789abcdefWXYZ"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def provider():
    async with FakeLLMServer() as server:
        yield server


@pytest.fixture
def config(config, provider):
    """The installation has a key for Anthropic; its operator's gateways are the stand-in."""
    return config.model_copy(
        update={
            "anthropic_api_key": SecretStr("sk-installation-0123456789"),
            "anthropic_base_url": provider.base_url("anthropic"),
            "gemini_base_url": provider.base_url("gemini"),
            "rag_allowed_private_hosts": "127.0.0.0/8",
        }
    )


@pytest.fixture
async def state(open_tab, owner):
    tab = open_tab(owner)
    tab.go_to("/settings?tab=providers")
    state = await tab.state(ProvidersState)
    await do(state, "load")
    return state


async def do(state, name, *args):
    return await happens(getattr(ProvidersState, name).fn(state, *args))


async def try_key(state, provider):
    return await happens(ProvidersState.test.fn(InBackground(state), provider))


def card(state, provider):
    return next(one for one in state.cards if one.provider == provider)


def status(**changes) -> ProviderStatus:
    values = {"provider": "openai", "label": "OpenAI", "source": "none", "has_installation_key": False,
              "takes_base_url": True}  # fmt: skip
    return ProviderStatus(**(values | changes))


# ---- words


@pytest.mark.parametrize(
    ("changes", "state", "text", "action"),
    [
        ({}, "No key", "once there is a key", "Add a key"),
        ({"source": "installation", "has_installation_key": True}, "Installation’s key", "you may use",
         "Use your own key"),
        ({"source": "owner", "last_four": "WXYZ"}, "Your key ····WXYZ", "use this key.", "Change"),
        ({"source": "owner", "last_four": "WXYZ", "has_installation_key": True}, "Your key ····WXYZ",
         "instead of the installation’s", "Change"),
        ({"source": "owner", "base_url": "https://m.example/v1"}, "Your server",
         "go to https://m.example/v1.", "Change"),
        ({"source": "owner", "base_url": "https://m.example/v1", "last_four": "WXYZ"}, "Your server",
         "with your key ····WXYZ", "Change"),
    ],
)  # fmt: skip
def test_whose_key_is_used_is_said(changes, state, text, action):
    [shown] = provider_cards([status(**changes)])

    assert (shown.state, shown.action) == (state, action)
    assert text in shown.text


@pytest.mark.parametrize(
    ("changes", "says", "tone"),
    [
        ({}, "Not tested yet.", ""),
        ({"checked_at": NOW - timedelta(minutes=3)}, "Tested 3 minutes ago: it works.", "success"),
        ({"checked_at": NOW - timedelta(hours=2), "problem": "OpenAI refused the API key."},
         "Tested 2 hours ago: OpenAI refused the API key.", "danger"),
    ],
)  # fmt: skip
def test_last_test_is_told(changes, says, tone):
    [shown] = provider_cards([status(source="owner", last_four="WXYZ", **changes)], now=NOW)

    assert (shown.tested, shown.tested_tone) == (says, tone)


def test_error_stands_at_its_field():
    assert error_at(InvalidInput("No.", field="base_url")).base_url == "No."
    assert error_at(InvalidInput("No.")).api_key == "No."


# ---- what is done


async def test_address_of_the_tab_opens_it(open_tab, owner):
    tab = open_tab(owner)
    tab.go_to("/settings?tab=providers")
    settings = await tab.state(SettingsState)
    await SettingsState.load.fn(settings)

    assert settings.tab == "providers"


async def test_every_hosted_provider_has_a_card(state):
    assert {one.provider: one.state for one in state.cards} == {
        "anthropic": "Installation’s key", "gemini": "No key", "openai": "No key",
    }  # fmt: skip
    assert not state.is_loading


async def test_key_is_saved_and_tried_and_remembered_nowhere(state, provider):
    await do(state, "edit", "gemini")
    events = await do(state, "save", {"api_key": KEY})
    messages = await try_key(state, "gemini")

    assert len(events) == 1  # the test
    assert "answers with your key" in str(messages)
    assert card(state, "gemini").state == "Your key ····WXYZ"
    assert card(state, "gemini").tested == "Tested just now: it works."
    assert (state.editing, state.testing) == ("", "")
    assert provider.requests[-1].headers["x-goog-api-key"] == KEY
    remembered = {**(state._backend_vars or {}), **{name: getattr(state, name) for name in state.base_vars}}
    assert KEY not in repr(remembered)
    assert KEY not in str(messages)


async def test_key_that_cannot_be_one_leaves_the_form_open(state):
    await do(state, "edit", "gemini")
    await do(state, "save", {"api_key": "short"})

    assert "not a whole key" in state.errors.api_key
    assert (state.editing, state.is_saving) == ("gemini", False)
    assert card(state, "gemini").state == "No key"


async def test_server_of_ones_own_is_tried_with_the_model_that_was_named(state, provider):
    await do(state, "edit", "openai")
    await do(state, "save", {"api_key": "", "base_url": provider.base_url("openai"), "model": "llama3.2"})
    messages = await try_key(state, "openai")

    assert "Your server answers." in str(messages)
    assert card(state, "openai").state == "Your server"
    assert provider.requests[-1].body["model"] == "llama3.2"


async def test_address_that_is_refused_is_said_at_its_field(state):
    await do(state, "edit", "openai")
    await do(state, "save", {"api_key": KEY, "base_url": "http://10.0.0.1/v1"})

    assert state.errors.base_url
    assert state.errors.api_key == ""


async def test_failed_test_is_told_and_kept(state, provider, monkeypatch, services):
    await services.provider_keys.save("openai", owner_id=1, api_key=KEY, base_url="http://127.0.0.1:1024/v1")
    await do(state, "load")

    messages = await try_key(state, "openai")

    assert "cannot be reached" in str(messages)
    assert card(state, "openai").tested_tone == "danger"
    assert state.testing == ""


async def test_removing_is_asked_about_and_says_what_follows(state):
    await do(state, "edit", "anthropic")
    await do(state, "save", {"api_key": KEY})
    await do(state, "ask_to_remove", "anthropic")
    assert state.removing == "anthropic"
    assert "key of the installation" in state.consequence

    await do(state, "keep")
    assert card(state, "anthropic").is_own

    await do(state, "ask_to_remove", "anthropic")
    await do(state, "remove")
    assert card(state, "anthropic").state == "Installation’s key"
    assert state.removing == ""
    await do(state, "remove")  # pressed twice


async def test_removed_elsewhere_is_no_error(state, services):
    await do(state, "edit", "gemini")
    await do(state, "save", {"api_key": KEY})
    await do(state, "ask_to_remove", "gemini")
    await services.provider_keys.remove("gemini", owner_id=1)

    await do(state, "remove")

    assert card(state, "gemini").state == "No key"


@pytest.mark.parametrize("name", ["local", "nobody", "", None, 7])
async def test_only_what_is_shown_can_be_chosen(state, name):
    for handler in ("edit", "ask_to_remove"):
        with pytest.raises(InvalidInput):
            await do(state, handler, name)
    with pytest.raises(InvalidInput):
        await try_key(state, name)
    assert state.testing == ""


async def test_nobody_signed_in_sees_nothing(open_tab):
    state = await open_tab(None).state(ProvidersState)
    await do(state, "load")
    assert state.cards == []
    with pytest.raises(NotSignedIn):
        await do(state, "edit", "openai")


async def test_key_lets_a_knowledge_base_choose_the_provider(open_tab, owner, services):
    window = await open_tab(owner).state(CreateKbState)
    await happens(CreateKbState.open_new.fn(window))
    assert window.provider == "anthropic"
    assert [one.is_disabled for one in window.providers if one.name == "gemini"] == [True]

    await services.provider_keys.save("gemini", owner_id=1, api_key=KEY)
    await happens(CreateKbState.open_new.fn(window))
    assert [one.is_disabled for one in window.providers if one.name == "gemini"] == [False]
    await happens(CreateKbState.choose_provider.fn(window, "gemini"))
    assert window.provider == "gemini"


async def test_hint_that_a_key_is_missing_follows_the_owners_keys(open_tab, owner, services):
    await owner.create_kb("Handbook", llm_provider="gemini")
    page = await open_tab(owner).state(MyKnowledgeBasesState)

    await happens(MyKnowledgeBasesState.load.fn(page))
    assert any("no key for Google Gemini" in task.text for task in page.tasks)
    assert next(task.href for task in page.tasks if "no key" in task.text) == "/settings?tab=providers"

    await services.provider_keys.save("gemini", owner_id=1, api_key=KEY)
    await happens(MyKnowledgeBasesState.load.fn(page))
    assert not any("no key" in task.text for task in page.tasks)
