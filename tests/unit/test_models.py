"""Models as data: the table that comes with us, what a call costs by it, and what is refused in a table."""

from datetime import date
from decimal import Decimal

import pytest

from rag_app.domain.answers import Usage
from rag_app.domain.models import Model, Price
from rag_app.errors import InvalidInput, PermanentError
from rag_app.rag.model_table import check_model, model_table, read, settings_of

BEFORE, AFTER = date(2026, 12, 31), date(2027, 1, 1)
TIERED = Model(
    "openai",
    "m",
    "M",
    prices=(
        Price(Decimal(2), Decimal(10), Decimal("0.2")),
        Price(Decimal(4), Decimal(15), Decimal("0.4"), above_tokens=272_000),
    ),
)
RISING = Model(
    "gemini",
    "m",
    "M",
    prices=(Price(Decimal(1), Decimal(2)), Price(Decimal(3), Decimal(6), valid_from=AFTER)),
)


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        pytest.param(Usage(1_000_000 // 10, 0), "0.2", id="input"),
        pytest.param(Usage(0, 100_000), "1", id="output alone"),
        pytest.param(Usage(), "0", id="nothing used"),
        pytest.param(Usage(100_000, 100_000), "1.2", id="both"),
        pytest.param(Usage(272_000, 0), "0.544", id="at the threshold: still the lower tier"),
        pytest.param(Usage(272_001, 0), "1.088004", id="one above: every token by the higher tier"),
        pytest.param(Usage(300_000, 1_000), "1.215", id="output by the tier of the input"),
        pytest.param(Usage(100_000, 0, cached_tokens=50_000), "0.11", id="half was cached"),
        pytest.param(Usage(100_000, 0, cached_tokens=100_000), "0.02", id="all was cached"),
        pytest.param(Usage(100_000, 0, cached_tokens=999_999), "0.02", id="no more than there is"),
        pytest.param(Usage(300_000, 0, cached_tokens=200_000), "0.48", id="cached in the higher tier"),
    ],
)
def test_cost_of_a_call(usage, dollars):
    assert TIERED.cost(usage) == Decimal(dollars)


def test_cached_tokens_without_a_price_of_their_own_cost_as_all_others():
    model = Model("openai", "m", "M", prices=(Price(Decimal(2)),))

    assert model.cost(Usage(100, 0, cached_tokens=100)) == model.cost(Usage(100, 0))


def test_the_cost_of_a_model_without_prices_is_unknown_and_never_nothing():
    assert Model("openai", "m", "M").cost(Usage(100, 100)) is None
    assert Model("openai", "m", "M").cost(Usage()) is None


def test_a_price_begins_on_its_day():
    assert RISING.cost(Usage(1_000_000, 0), day=BEFORE) == 1
    assert RISING.cost(Usage(1_000_000, 0), day=AFTER) == 3


def test_a_price_that_only_begins_later_is_unknown_until_then():
    model = Model("gemini", "m", "M", prices=(Price(Decimal(1), valid_from=AFTER),))

    assert model.cost(Usage(1, 1), day=BEFORE) is None


def test_a_new_price_of_one_tier_leaves_the_other():
    later = Price(Decimal(9), above_tokens=272_000, valid_from=AFTER)
    model = Model("openai", "m", "M", prices=(*TIERED.prices, later))

    assert model.cost(Usage(300_000, 0), day=BEFORE) == Decimal("1.2")
    assert model.cost(Usage(300_000, 0), day=AFTER) == Decimal("2.7")
    assert model.cost(Usage(100_000, 0), day=AFTER) == Decimal("0.2")


# ---- the table that comes with us


def test_every_model_of_the_table_has_a_price_and_its_version():
    table = model_table()

    assert table.models
    for model in table.models:
        assert model.cost(Usage(1, 1)) is not None
        assert model.price_version == table.version


def test_a_tier_never_costs_less_than_the_one_below_it():
    for model in model_table().models:
        inputs = [price.input for price in model.prices_on()]
        assert inputs == sorted(inputs)


@pytest.mark.parametrize(
    ("model", "usage", "day", "dollars"),
    [
        pytest.param("openai:gpt-6-luna", Usage(1000, 1000), None, "0.0006", id="the cheapest"),
        pytest.param("openai:gpt-6.1-sol", Usage(300_000, 1000), None, "1.215", id="a long prompt"),
        pytest.param("anthropic:claude-haiku-5-5", Usage(100_000, 0), None, "0.01", id="up to 100,000"),
        pytest.param("anthropic:claude-haiku-5-5", Usage(200_000, 0), None, "0.1", id="five times as much"),
        pytest.param(
            "gemini:gemini-3.8-flash", Usage(1_000_000, 0), date(2026, 12, 31), "0.75", id="introduced"
        ),
        pytest.param("gemini:gemini-3.8-flash", Usage(1_000_000, 0), date(2027, 1, 1), "1.5", id="not new"),
        pytest.param("openai:text-embedding-3-small", Usage(1_000_000, 0), None, "0.02", id="embedding"),
    ],
)
def test_prices_are_those_of_the_vendors_pages(model, usage, day, dollars):
    found = model_table().find(*model.split(":"))

    assert found is not None
    assert found.cost(usage, day=day) == Decimal(dollars)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_the_default_is_the_cheapest_and_of_no_family_whose_end_is_announced(provider):
    default, *others = model_table().of(provider)
    ending = ("gpt-3", "gpt-4", "gpt-5", "o1", "o3", "o4", "claude-3", "claude-2", "gemini-1", "gemini-2")

    assert not default.id.startswith(ending)
    cost = default.cost(Usage(5000, 300))
    assert cost is not None
    assert all(cost <= (other.cost(Usage(5000, 300)) or 0) for other in others)
    assert cost < Decimal("0.003")  # a usual question with its passages


# ---- what is refused

GOOD = {"provider": "openai", "id": "m", "context_tokens": 100, "max_output_tokens": 10}


def test_an_entry_is_read_and_can_be_stored():
    entry = check_model(GOOD | {"prices": [{"input": "0.10", "cached_input": 0.01}]})

    assert entry.model("v1").cost(Usage(10, 0)) == Decimal("0.000001")
    assert entry.model("v1").label == "m"
    assert check_model({"provider": "openai", "id": "m", **settings_of(entry)}) == entry


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"provider": "acme"}, "provider", id="a provider we have not"),
        pytest.param({"id": ""}, "id", id="no name"),
        pytest.param({"id": "a b"}, "id", id="a space in the name"),
        pytest.param({"price": 3}, "price", id="a misspelt field"),
        pytest.param({"context_tokens": 0}, "context_tokens", id="no context"),
        pytest.param({"context_tokens": None}, "needs context_tokens", id="an unknown context"),
        pytest.param({"max_output_tokens": 101}, "more than context_tokens", id="writes more than it holds"),
        pytest.param({"dimensions": 3}, "only an embedding model", id="a chat model with dimensions"),
        pytest.param({"kind": "embedding"}, "needs context_tokens and dimensions", id="none without"),
        pytest.param({"kind": "embedding", "dimensions": 4001}, "dimensions", id="more than the index holds"),
        pytest.param({"prices": [{"input": -1}]}, "prices.0.input", id="a negative price"),
        pytest.param({"prices": [{"output": 1}]}, "prices.0.input", id="no price of the input"),
        pytest.param({"prices": [{"input": "nan"}]}, "prices.0.input", id="no number"),
        pytest.param({"prices": [{"input": 1, "above_tokens": 5}]}, "above_tokens = 0", id="no first tier"),
        pytest.param({"prices": [{"input": 1}, {"input": 2}]}, "two prices begin", id="two first tiers"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_in_words(change, says):
    with pytest.raises(InvalidInput, match=says) as caught:
        check_model(GOOD | change)

    assert "validation error" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("version = ", "cannot be read", id="no TOML"),
        pytest.param("models = []", "needs a version", id="no version"),
        pytest.param('version = "1"', "needs a version and models", id="no models"),
        pytest.param('version = "1"\n[[models]]\nid = "m"', "provider", id="a broken entry"),
        pytest.param(
            'version = "1"\n'
            + 2 * '[[models]]\nprovider = "openai"\nid = "m"\ncontext_tokens = 2\nmax_output_tokens = 1\n',
            "openai:m twice",
            id="twice the same",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_words(tmp_path, text, says):
    path = tmp_path / "models.toml"
    path.write_text(text)

    with pytest.raises(PermanentError, match=says):
        read(path)


def test_a_price_is_read_exactly(tmp_path):
    path = tmp_path / "models.toml"
    path.write_text(
        'version = "1"\n[[models]]\nprovider = "openai"\nid = "m"\n'
        "context_tokens = 2\nmax_output_tokens = 1\nprices = [{ input = 0.1 }]\n"
    )

    (model,) = read(path).models

    assert model.prices[0].input == Decimal("0.1")
