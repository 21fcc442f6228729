"""The page of models and prices, without a browser."""

from decimal import Decimal

import pytest
from pydantic import SecretStr

from rag_app.domain.models import Model, Price
from rag_app.errors import InvalidInput, NotAllowed
from rag_app.rag.model_table import check_model, model_table
from rag_app.settings import Settings
from rag_app.ui.dashboard.admin_models.state import AdminModelsState
from rag_app.ui.dashboard.admin_models.view import form_of, values_in
from rag_app.ui.dashboard.create_kb.state import CreateKbState
from rag_app.ui.prices import dollars, price_of, rate
from tests.fake_llms import FakeLLMServer
from tests.ui.conftest import InBackground, happens

FILLED = {"context_tokens": "1,000,000", "max_output_tokens": "64000", "input": "0.30", "output": "$1.20"}


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
    )


@pytest.fixture
async def page(open_tab, owner):
    state = await open_tab(owner).state(AdminModelsState)
    await state.load()
    return state


def row(page, provider, model):
    (block,) = [block for block in page.blocks if block.name == provider]
    return next((row for row in block.rows if row.id == model), None)


async def look(state, provider):
    await AdminModelsState.look.fn(InBackground(state), provider)


async def test_the_page_lists_models_with_price_and_tier(page):
    luna = row(page, "openai", "gpt-6-luna")

    assert page.is_allowed
    assert luna.price == "$0.10 in, $0.50 out per million tokens"
    assert luna.tier == "above 272,000 tokens: $0.20 in, $0.75 out"
    assert (luna.source, luna.can_undo) == ("", False)
    assert row(page, "openai", "text-embedding-3-small").use == "Search by meaning"


async def test_others_see_that_it_is_not_for_them(open_tab, other):
    state = await open_tab(other).state(AdminModelsState)

    await state.load()

    assert not state.is_allowed
    assert state.blocks == []


@pytest.mark.parametrize(
    "do",
    [
        lambda state: state.add("openai"),
        lambda state: state.edit("openai", "gpt-6-luna"),
        lambda state: state.choose_kind("embedding"),
        lambda state: state.ask_to_remove("openai", "gpt-6-luna"),
        lambda state: look(state, "openai"),
    ],
    ids=["add", "edit", "choose_kind", "ask_to_remove", "look"],
)
async def test_every_handler_asks_who_is_calling(open_tab, other, do):
    state = await open_tab(other).state(AdminModelsState)

    with pytest.raises(NotAllowed):
        await happens(do(state))


async def test_a_model_of_the_providers_list_is_added_with_a_price(page):
    await look(page, "openai")
    assert [one.id for one in page.offered] == ["gpt-7-nova"]
    await page.add("openai", "gpt-7-nova")
    assert page.form.id == "gpt-7-nova"

    await happens(page.save({**FILLED, "id": "gpt-7-nova"}))

    nova = row(page, "openai", "gpt-7-nova")
    assert (nova.source, nova.price) == ("Added here", "$0.30 in, $1.20 out per million tokens")
    assert not page.is_open
    assert page.has_nothing_new


async def test_a_change_is_shown_and_can_be_undone(page):
    await page.edit("openai", "gpt-6-luna")
    await happens(page.save({**FILLED, "id": "something else"}))
    assert row(page, "openai", "gpt-6-luna").source == "Changed here"
    assert row(page, "openai", "something else") is None

    await page.ask_to_remove("openai", "gpt-6-luna")
    assert page.removing.note == "back"
    await happens(page.remove())

    assert row(page, "openai", "gpt-6-luna").source == ""


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        pytest.param({"input": "cheap"}, "input", id="no number"),
        pytest.param({"input": "-1"}, "input", id="negative"),
        pytest.param({"input": "nan"}, "input", id="nan"),
        pytest.param({"context_tokens": "many"}, "context_tokens", id="no whole number"),
        pytest.param({"input": ""}, "input", id="only the output has a price"),
        pytest.param({"above_tokens": "9"}, "tier_input", id="a tier without a price"),
        pytest.param({"tier_input": "9"}, "above_tokens", id="a tier without a threshold"),
        pytest.param({"id": ""}, "id", id="no name"),
        pytest.param({"context_tokens": ""}, "context_tokens", id="no context"),
        pytest.param({"max_output_tokens": ""}, "max_output_tokens", id="no output"),
        pytest.param({"context_tokens": "5"}, "other", id="writes more than it reads"),
    ],
)
async def test_what_is_wrong_stands_under_its_field(page, typed, field):
    await page.add("openai")

    await happens(page.save({**FILLED, "id": "new", **typed}))

    assert getattr(page.errors, field)
    assert page.is_open
    assert row(page, "openai", "new") is None


@pytest.mark.parametrize("model", model_table().models, ids=lambda model: model.name)
def test_a_form_says_what_the_model_is(model):
    """Saving a form that nobody touched changes no price of today."""
    form = form_of(model)
    said = values_in(
        vars(form), provider=model.provider, kind=model.kind, takes_temperature=model.takes_temperature
    )
    again = check_model({name: value for name, value in said.items() if value is not None}).model("x")

    assert again.prices == tuple(
        Price(price.input, price.output, price.cached_input, price.above_tokens)
        for price in model.prices_on()
    )
    assert (again.label, again.context_tokens, again.dimensions) == (
        model.label,
        model.context_tokens,
        model.dimensions,
    )


def test_a_price_that_will_change_is_not_lost_unsaid():
    model = next(model for model in model_table().models if model.id == "gemini-3.8-flash")

    assert "1 January 2027" in form_of(model).note


async def test_the_window_of_a_knowledge_base_shows_prices_and_the_providers_other_models(open_tab, owner):
    state = await open_tab(owner).state(CreateKbState)
    await state.open_new()
    await state.choose_provider("openai")
    assert dict(state.models)["gpt-6-luna"] == "GPT-6 Luna — $0.10 in, $0.50 out"

    await CreateKbState.show_others.fn(InBackground(state))

    assert dict(state.models)["gpt-7-nova"] == "gpt-7-nova — price unknown"
    assert "text-embedding-3-small" not in dict(state.models)
    assert not state.has_others


async def test_a_provider_that_does_not_answer_is_said_under_the_model(open_tab, owner, server):
    state = await open_tab(owner).state(CreateKbState)
    await state.open_new()
    await state.choose_provider("openai")
    await server.__aexit__()

    await CreateKbState.show_others.fn(InBackground(state))

    assert "cannot be reached" in state.errors.llm_model
    assert state.has_others


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "unknown"),
        (Decimal(0), "$0"),
        (Decimal("0.004"), "less than $0.01"),
        (Decimal("0.016"), "$0.02"),
        (Decimal("12.5"), "$12.50"),
        (Decimal(12345), "$12,345"),
    ],
)
def test_a_cost_is_never_nothing_that_costs_something(amount, text):
    assert dollars(amount) == text


@pytest.mark.parametrize(
    ("price", "text"),
    [("0.1", "$0.10"), ("0.075", "$0.075"), ("2", "$2.00"), ("1000", "$1,000"), ("1E+1", "$10.00")],
)
def test_a_price_is_shown_exactly(price, text):
    assert rate(Decimal(price)) == text


def test_a_model_without_a_price_says_so():
    assert price_of(Model("openai", "m", "M")) == "price unknown"


def test_a_form_without_prices_leaves_the_cost_unknown():
    form = {"id": "m", "context_tokens": "9", "max_output_tokens": "9"}
    said = values_in(form, provider="openai", kind="chat", takes_temperature=True)

    assert said["prices"] == []


def test_a_number_with_letters_is_refused():
    with pytest.raises(InvalidInput):
        values_in({"context_tokens": "9k"}, provider="openai", kind="chat", takes_temperature=True)
